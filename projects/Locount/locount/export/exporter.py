"""Models as files that run without this package: ONNX and TorchScript."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import numpy as np
import torch
from detectron2.config import CfgNode
from torch import Tensor

from ..errors import InputError, listing
from ..files import write_bytes
from ..inference.predictor import Predictor, model_input
from .tracing import OUTPUTS, Detector, traceable

FORMATS = ("onnx", "torchscript")
# The first with all operators that the models need; what runs ONNX files has known it for years.
OPSET = 17

# In pixels, and of scores. Far above what another order of sums does, far below what matters.
BOX_TOLERANCE = 1e-2
SCORE_TOLERANCE = 1e-4

Run = Callable[[np.ndarray], Sequence[np.ndarray]]


class Difference(NamedTuple):
    """How far an exported model is from the original on one image.

    Attributes:
        detections, exported: how many each gives.
        box: the largest difference of a coordinate, in pixels.
        score: the largest difference of a score, of boxes and counts alike.
        counts: how many boxes have another count.
    """

    detections: int
    exported: int
    box: float = 0.0
    score: float = 0.0
    counts: int = 0

    @property
    def negligible(self) -> bool:
        return (
            self.detections == self.exported
            and self.box <= BOX_TOLERANCE
            and self.score <= SCORE_TOLERANCE
            and self.counts == 0
        )


def export(predictor: Predictor, path: Path, format: str, image: np.ndarray) -> None:
    """Write a model for images of any size.

    Args:
        predictor: on the CPU.
        format: one of FORMATS.
        image: H x W x 3, uint8, BGR. What is on it does not matter.

    Raises:
        InputError: if the model can't be exported; it names the part.
        OSError: if the file can't be written.
    """
    check_exportable(predictor.cfg)
    tensor = model_input(predictor.cfg, image)
    detector, metadata, content = Detector(predictor.model), describe(predictor), io.BytesIO()
    with torch.no_grad(), traceable():
        if format == "torchscript":
            traced = torch.jit.trace(detector, (tensor,), check_trace=False)
            torch.jit.save(traced, content, _extra_files=metadata)
        else:
            _to_onnx(detector, tensor, metadata, content)
    write_bytes(path, content.getvalue())


def check_exportable(cfg: CfgNode) -> None:
    """
    Raises:
        InputError: naming every part of the model that can't be exported.
    """
    model, problems = cfg.MODEL, []
    if model.META_ARCHITECTURE != "GeneralizedRCNN":
        problems.append(f"MODEL.META_ARCHITECTURE is {model.META_ARCHITECTURE}")
    if model.MASK_ON:
        problems.append("MODEL.MASK_ON: the exported file has no output for masks")
    if model.KEYPOINT_ON:
        problems.append("MODEL.KEYPOINT_ON: the exported file has no output for keypoints")
    if model.SOFT_NMS.METHOD != "none":
        problems.append('MODEL.SOFT_NMS.METHOD: the file can only have NMS; set "none"')
    if problems:
        raise InputError(f"This model can't be exported:\n{listing(problems)}")


def describe(predictor: Predictor) -> dict[str, str]:
    """What the user of the file has to know, for its metadata."""
    inputs, classes = predictor.cfg.INPUT, predictor.classes
    return {
        "classes": msgspec.json.encode(classes.names).decode(),
        "class_ids": msgspec.json.encode(classes.ids).decode(),
        "input_format": inputs.FORMAT,
        "min_size": str(inputs.MIN_SIZE_TEST),
        "max_size": str(inputs.MAX_SIZE_TEST),
    }


def _to_onnx(detector: Detector, image: Tensor, metadata: dict[str, str], file: BinaryIO) -> None:
    import onnx

    names = list(OUTPUTS)[: len(detector(image))]
    content = io.BytesIO()
    try:
        torch.onnx.export(
            detector,
            (image,),
            content,
            # torch's newer exporter refuses sizes that depend on what is found.
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=names,
            dynamic_axes={
                "image": {1: "height", 2: "width"},
                **{name: {0: "detections"} for name in names},
            },
        )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).partition("\n")[0]  # what follows is the whole graph
        raise InputError(
            f"This model can't be exported as onnx ({reason}): use --format torchscript"
        ) from error
    model = onnx.load_from_string(content.getvalue())
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    file.write(model.SerializeToString())


def open_exported(path: Path, format: str) -> Run:
    """An exported model as a function of 3 x H x W, uint8, that returns its outputs."""
    if format == "torchscript":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # as in traceable
            traced = torch.jit.load(path)

        def run(image: np.ndarray) -> list[np.ndarray]:
            with torch.no_grad():
                return [output.numpy() for output in traced(torch.from_numpy(image))]

        return run
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"image": image})


def compare(predictor: Predictor, run: Run, image: np.ndarray) -> Difference:
    """The exported model beside the original.

    Args:
        image: H x W x 3, uint8, BGR.
    """
    tensor = model_input(predictor.cfg, image)
    with torch.no_grad():
        original = [output.numpy() for output in Detector(predictor.model)(tensor)]
    return difference(original, run(tensor.numpy()))


def difference(original: Sequence[np.ndarray], exported: Sequence[np.ndarray]) -> Difference:
    """
    Args:
        original, exported: outputs in the order of OUTPUTS.
    """
    n, m = len(original[0]), len(exported[0])
    if n != m or n == 0:
        return Difference(n, m)
    # Not row by row, since the least difference of scores may swap neighbours: each has the nearest
    # box of its class as its pair.
    apart = np.abs(original[0][:, None] - exported[0][None]).max(axis=2)
    apart[original[2][:, None] != exported[2][None]] = np.inf
    nearest = apart.argmin(axis=1)
    if len(np.unique(nearest)) < n:
        return Difference(n, m, box=np.inf)
    pairs = [(a, b[nearest]) for a, b in zip(original, exported, strict=True)]
    return Difference(
        n,
        m,
        box=float(apart.min(axis=1).max()),
        score=max(float(np.abs(a - b).max()) for a, b in [pairs[1], *pairs[4:]]),
        counts=sum(int((a != b).sum()) for a, b in pairs[3:4]),
    )
