"""What a predictor can run a model with, beside torch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from detectron2.config import CfgNode
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, Instances
from torch import nn

from .formats import Run, check_exportable, run_onnx, run_openvino, to_bytes
from .tracing import OUTPUTS

ENGINES = ("torch", "onnx", "openvino")
# The size of the image with which a model is traced; the file takes any.
_TRACED = (3, 320, 416)


def make_engine(
    name: str, model: nn.Module, cfg: CfgNode, threads: int, parallel: int
) -> Callable[[list[dict]], list[dict]]:
    """A model as a function of Detectron2's inputs, by another engine on the CPU.

    The detections are those of torch but for the order of sums: coordinates by less than 0.01
    pixels (``locount export`` compares them).

    Args:
        name: one of ENGINES; "torch" returns the model.
        threads: in all.
        parallel: how many threads call the engine at the same time.

    Raises:
        InputError: if the model can't be exported, or a package is missing.
    """
    if name == "torch":
        return model
    check_exportable(cfg)
    content = to_bytes(model, torch.zeros(_TRACED, dtype=torch.uint8), "onnx", {})
    if name == "onnx":
        run = run_onnx(content, max(1, threads // parallel))
    else:
        run = run_openvino(content, threads, parallel)
    return lambda inputs: [{"instances": _detect(run, image)} for image in inputs]


def _detect(run: Run, image: dict) -> Instances:
    """What Detectron2's models give for one of their inputs, from an exported model."""
    tensor = image["image"]
    fields = {
        # A copy: an engine may write its next outputs to the same place.
        field: torch.from_numpy(output.copy())
        for field, output in zip(OUTPUTS.values(), run(tensor.numpy()), strict=False)
    }
    fields["pred_boxes"] = Boxes(fields["pred_boxes"])
    detections = Instances(tuple(tensor.shape[1:]), **fields)
    return detector_postprocess(detections, image["height"], image["width"])
