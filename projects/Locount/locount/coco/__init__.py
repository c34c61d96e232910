"""COCO files with counts: read, checked and written in one place, for evaluation and for data."""

from .checks import EDGE_TOLERANCE, outside
from .columns import BOX, Table
from .faults import Faults
from .reading import COUNT, Ahead, CocoFile, Source, check_results, read_results, read_truth
from .writing import IMAGES, PREDICTIONS, dataset_to_coco, result, results, xywh

__all__ = [
    "read_truth",
    "read_results",
    "check_results",
    "Ahead",
    "CocoFile",
    "Table",
    "Faults",
    "Source",
    "dataset_to_coco",
    "result",
    "results",
    "xywh",
    "outside",
    "BOX",
    "IMAGES",
    "PREDICTIONS",
    "COUNT",
    "EDGE_TOLERANCE",
]
