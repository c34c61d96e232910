"""A detector in a shape that tracers of Python take."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sized
from types import SimpleNamespace
from unittest import mock

import torch
import torchvision
from detectron2.modeling.roi_heads import cascade_rcnn, fast_rcnn
from detectron2.structures import Boxes
from torch import Tensor, nn
from torch.nn import functional

from ..modeling.roi_heads import clcnet

# Outputs of the file, in their order, and the fields of Instances they come from. A model that does
# not count has the first three.
OUTPUTS = {
    "boxes": "pred_boxes",
    "scores": "scores",
    "classes": "pred_classes",
    "counts": "pred_counts",
    "count_scores": "count_scores",
}


class Detector(nn.Module):
    """A detector as a function of one tensor, as tracers want it."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.training = model.training  # the exporter gives all submodules its wrapper's mode back

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """
        Args:
            image: 3 x H x W, uint8.

        Returns:
            Those of OUTPUTS that the model has; boxes are XYXY in pixels of ``image``.
        """
        fields = self.model([{"image": image}])[0]["instances"].get_fields()
        values = [fields[name] for name in OUTPUTS.values() if name in fields]
        return tuple(v.tensor if isinstance(v, Boxes) else v for v in values)


@contextlib.contextmanager
def traceable() -> Iterator[None]:
    """Where models can be traced, with numbers of boxes as a part of the trace."""
    with contextlib.ExitStack() as stack:
        # The builtin makes an int of __len__, which would freeze it.
        for module in (cascade_rcnn, fast_rcnn, clcnet):
            stack.enter_context(mock.patch.object(module, "len", _length, create=True))
        # It does nothing in inference, and TorchScript can't hold functions of Python.
        stack.enter_context(mock.patch.object(cascade_rcnn._ScaleGradient, "apply", _first))
        stack.enter_context(mock.patch.object(Tensor, "cummin", _cummin))  # ONNX has none
        stack.enter_context(mock.patch.object(torchvision.ops.boxes, "batched_nms", _batched_nms))
        stack.enter_context(warnings.catch_warnings())
        # Of Python's branches, which are checks of shapes; the comparison would show others.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.filterwarnings("ignore", "Exporting aten::index|Constant folding", UserWarning)
        # torch would rather have torch.export, which refuses sizes that depend on the data.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _length(sized: Sized) -> int | Tensor:
    return sized.__len__()


def _cummin(values: Tensor, dim: int) -> SimpleNamespace:
    """torch.cummin of rows, as pooling over all that lies before."""
    width = int(values.shape[1])
    padded = functional.pad(-values[:, None], (width - 1, 0), value=-torch.inf)
    return SimpleNamespace(values=-functional.max_pool1d(padded, width, stride=1)[:, 0])


def _batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """torchvision's, without its branch for no boxes, which OpenVINO turns into a garbage box."""
    extent = torch.cat([boxes.flatten(), boxes.new_zeros(1)]).max() + 1
    apart = boxes + (idxs.to(boxes) * extent)[:, None]
    return torchvision.ops.nms(apart, scores, iou_threshold)


def _first(features: Tensor, scale: float) -> Tensor:
    return features
