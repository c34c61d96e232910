"""The formats of exported models: written from a model, and opened as a function."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode
from torch import Tensor, nn

from ..errors import InputError, listing, require
from .tracing import OUTPUTS, Detector, traceable

FORMATS = ("onnx", "torchscript")
# The first with all operators that the models need; what runs ONNX files has known it for years.
OPSET = 17

# 3 x H x W, uint8, to the outputs.
Run = Callable[[np.ndarray], Sequence[np.ndarray]]


def check_exportable(cfg: CfgNode) -> None:
    """Check that a model can be exported.

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


def to_bytes(model: nn.Module, image: Tensor, format: str, metadata: Mapping[str, str]) -> bytes:
    """The file of a model for images of any size.

    Args:
        model: on the CPU, in evaluation mode.
        image: 3 x H x W, uint8. What is on it does not matter.
        format: one of FORMATS.
        metadata: kept in the file.

    Raises:
        InputError: if the model can't be exported so, or a package is missing.
    """
    detector, content = Detector(model), io.BytesIO()
    with torch.no_grad(), traceable():
        if format == "onnx":
            return _to_onnx(detector, image, metadata)
        traced = torch.jit.trace(detector, (image,), check_trace=False)
        torch.jit.save(traced, content, _extra_files=dict(metadata))
    return content.getvalue()


def _to_onnx(detector: Detector, image: Tensor, metadata: Mapping[str, str]) -> bytes:
    require("export", "onnx")
    import onnx

    names = list(OUTPUTS)[: len(detector(image))]
    content = io.BytesIO()
    try:
        torch.onnx.export(
            detector,
            (image,),
            content,  # type: ignore[arg-type]  # only the newer exporter takes no streams
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
    _divide_as_everyone_does(model)
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _divide_as_everyone_does(model) -> None:
    """Divide whole numbers, which here are sizes of images, as floats cut to whole ones.

    ONNX cuts the quotient of two integers, and onnxruntime does so. OpenVINO rounds it where the
    size of the image is not known beforehand, and pads by a multiple of 32 too much.
    """
    import onnx
    from onnx import TensorProto, helper

    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    types = {value.name: value.type.tensor_type.elem_type for value in inferred}
    nodes = []
    for node in model.graph.node:
        type_ = types.get(node.output[0])
        if node.op_type == "Div" and type_ in (TensorProto.INT32, TensorProto.INT64):
            floats = [f"{node.name}_{name}" for name in ("dividend", "divisor", "quotient")]
            for value, name in zip(node.input, floats, strict=False):
                nodes.append(helper.make_node("Cast", [value], [name], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Div", floats[:2], floats[2:]))
            nodes.append(helper.make_node("Cast", floats[2:], node.output, to=type_))
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def open_exported(path: Path, format: str) -> Run:
    """An exported model as a function of 3 x H x W, uint8, that returns its outputs."""
    if format == "onnx":
        return run_onnx(path.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # as in traceable
        traced = torch.jit.load(path)

    def run(image: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            return [output.numpy() for output in traced(torch.from_numpy(image))]

    return run


def run_onnx(content: bytes, threads: int = 0) -> Run:
    """A model in ONNX format as a function, by onnxruntime on the CPU.

    Args:
        threads: for each image; 0 lets onnxruntime choose.
    """
    require("export", "onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"image": image})


def run_openvino(content: bytes, threads: int = 0, parallel: int = 1) -> Run:
    """A model in ONNX format as a function, by OpenVINO on the CPU.

    Args:
        threads: in all; 0 lets OpenVINO choose.
        parallel: images that go through the model at the same time, from threads of the caller.
    """
    require("export", "openvino")
    import openvino

    options = {
        "INFERENCE_PRECISION_HINT": "f32",  # half of it would change the detections
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": parallel,
    }
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(content), "CPU", options)
    requests = threading.local()  # one may not be used by two threads at a time

    def run(image: np.ndarray) -> list[np.ndarray]:
        if not hasattr(requests, "mine"):
            requests.mine = compiled.create_infer_request()
        found = requests.mine.infer({"image": image})
        return [found[output] for output in compiled.outputs]

    return run
