"""COCO files with counts: read, checked and written in one place, for evaluation and for data."""

from .checks import EDGE_TOLERANCE, outside
from .columns import BOX, Table
from .faults import Fault, Faults
from .reading import (
    COUNT,
    CocoFile,
    Results,
    Source,
    read_lists,
    read_results,
    read_truth,
)
from .writing import dataset_to_coco, result, results, xywh

__all__ = [
    "BOX",
    "COUNT",
    "EDGE_TOLERANCE",
    "CocoFile",
    "Fault",
    "Faults",
    "Results",
    "Source",
    "Table",
    "dataset_to_coco",
    "outside",
    "read_lists",
    "read_results",
    "read_truth",
    "result",
    "results",
    "xywh",
]
