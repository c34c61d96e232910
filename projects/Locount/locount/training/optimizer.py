"""The optimizer that SOLVER describes."""

from __future__ import annotations

import re

import torch
from detectron2.config import CfgNode
from detectron2.solver.build import get_default_optimizer_params, maybe_add_gradient_clipping
from torch import nn

from ..config import check_config
from ..errors import InputError

# Names of parameters that SOLVER.BACKBONE_MULTIPLIER is for: of what a backbone builds its pyramid
# on, or where there is no such part, of the backbone.
BACKBONES = (r"(^|\.)backbone\.(.+\.)?bottom_up\.", r"(^|\.)backbone\.")


def build_optimizer(cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
    """Detectron2's optimizer, and what it lacks.

    That is AdamW (SOLVER.OPTIMIZER), another learning rate for the pretrained part
    (SOLVER.BACKBONE_MULTIPLIER), and clipping of the gradient as a whole
    (SOLVER.CLIP_GRADIENTS.CLIP_TYPE "full_model"). Weight decay of biases and of normalization is
    Detectron2's, with either optimizer.

    Raises:
        InputError: for a value that has no meaning, or a multiplier for a model without a backbone.
    """
    check_config(cfg)
    solver = cfg.SOLVER
    groups = get_default_optimizer_params(
        model,
        base_lr=solver.BASE_LR,
        weight_decay_norm=solver.WEIGHT_DECAY_NORM,
        bias_lr_factor=solver.BIAS_LR_FACTOR,
        weight_decay_bias=solver.WEIGHT_DECAY_BIAS,
    )
    if solver.BACKBONE_MULTIPLIER != 1:
        groups = _slowed(groups, _backbone(model), solver.BACKBONE_MULTIPLIER)
    options = {"lr": solver.BASE_LR, "weight_decay": solver.WEIGHT_DECAY}
    kind: type[torch.optim.AdamW | torch.optim.SGD]
    if solver.OPTIMIZER == "ADAMW":
        kind, options["betas"] = torch.optim.AdamW, (solver.MOMENTUM, 0.999)
    else:
        kind = torch.optim.SGD
        options |= {"momentum": solver.MOMENTUM, "nesterov": solver.NESTEROV}
    clip = solver.CLIP_GRADIENTS
    if not (clip.ENABLED and clip.CLIP_TYPE == "full_model"):
        return maybe_add_gradient_clipping(cfg, kind)(groups, **options)
    optimizer = kind(groups, **options)

    def clip_all(*_) -> None:
        nn.utils.clip_grad_norm_(model.parameters(), clip.CLIP_VALUE, clip.NORM_TYPE)

    optimizer.register_step_pre_hook(clip_all)  # after a GradScaler has divided its factor out
    return optimizer


def _backbone(model: nn.Module) -> set[nn.Parameter]:
    for pattern in BACKBONES:
        found = {p for name, p in model.named_parameters() if re.search(pattern, name)}
        if found:
            return found
    raise InputError("SOLVER.BACKBONE_MULTIPLIER: the model has no backbone; leave it at 1.")


def _slowed(groups: list[dict], parameters: set[nn.Parameter], factor: float) -> list[dict]:
    """The groups with another learning rate for some of their parameters."""
    split = []
    for group in groups:
        for lr, inside in ((group["lr"], False), (group["lr"] * factor, True)):
            params = [p for p in group["params"] if (p in parameters) == inside]
            split += [{**group, "lr": lr, "params": params}] if params else []
    return split
