"""Mixed precision, in training and in prediction, the same way on every device."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.proposal_generator.rpn import StandardRPNHead
from detectron2.modeling.roi_heads import FastRCNNOutputLayers
from torch import nn

from ..modeling.layers.precision import outputs_to_float32, to_float32


def half_type(device: torch.device) -> torch.dtype:
    """bfloat16, or float16 on GPUs before Ampere, which have no bfloat16 in hardware.

    bfloat16 has the range of float32; gradients in float16 have to be scaled.
    """
    if device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0):
        return torch.float16
    return torch.bfloat16


def autocast(device: torch.device, enabled: bool) -> torch.autocast:
    """Convolutions, linear layers and the like in :func:`half_type`, if ``enabled``."""
    return torch.autocast(device.type, half_type(device), enabled=enabled)


def prepare(model: nn.Module) -> None:
    """Make a model right and fast under :func:`autocast`; without it, it computes as before.

    Whatever has a position or a score is float32. bfloat16 has 8 significant bits and float16 has
    11: a box at 300 or 2,000 pixels would move by up to one, and scores would tie.
    """
    if all(p.device.type == "cpu" for p in model.parameters()):
        # The layout of its convolutions in half precision; without it each reorders its data.
        model.to(memory_format=torch.channels_last)
    for module in model.modules():
        if isinstance(module, ROIPooler):
            # Detectron2's ROIAlign takes boxes in the type of the features.
            module.register_forward_pre_hook(_features_to_float32)
        elif isinstance(module, StandardRPNHead | FastRCNNOutputLayers | RetinaNetHead):
            module.register_forward_hook(outputs_to_float32)


def train_in_mixed_precision(model: nn.Module) -> None:
    """Make the training forward of a model, which has a ``device``, run under :func:`autocast`.

    Weights, their gradients and the losses stay float32; so does everything in evaluation.
    """
    prepare(getattr(model, "module", model))  # DistributedDataParallel has a module
    # A method, not a closure: a copy of the model then runs its own weights.
    model.forward = MethodType(_forward, model)


def _forward(model: Any, *inputs):
    # Only this call and not the step, since autocast is not made for the backward pass.
    with autocast(model.device, model.training):
        return type(model).forward(model, *inputs)


def _features_to_float32(pooler: ROIPooler, inputs: tuple) -> tuple:
    features, *others = inputs
    return to_float32(features), *others
