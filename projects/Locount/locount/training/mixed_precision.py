"""Mixed precision on the CPU, where Detectron2's AMPTrainer does not run."""

from __future__ import annotations

from types import MethodType

import torch
from detectron2.modeling.poolers import ROIPooler
from torch import nn


def train_in_bfloat16(model: nn.Module) -> None:
    """Make the training forward of a model on the CPU run under autocast to bfloat16.

    Weights, their gradients and the losses stay float32; so does everything in evaluation. bfloat16
    has the range of float32, so that no gradient has to be scaled.
    """
    # The layout of bfloat16 convolutions on the CPU; without it each of them reorders its data.
    model.to(memory_format=torch.channels_last)
    # A method, not a closure: a copy of the model then runs its own weights.
    model.forward = MethodType(_forward, model)
    for module in model.modules():
        if isinstance(module, ROIPooler):
            # Detectron2's ROIAlign takes boxes in the type of the features, and bfloat16 has 8
            # significant bits: a box at 300 pixels would move by up to one.
            module.register_forward_pre_hook(_to_float32)


def _forward(model: nn.Module, *inputs):
    # Only this call and not the step, since autocast is not made for the backward pass.
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=model.training):
        return type(model).forward(model, *inputs)


def _to_float32(pooler: ROIPooler, inputs: tuple) -> tuple:
    features, *others = inputs
    return [f.float() for f in features], *others
