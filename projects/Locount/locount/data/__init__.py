"""Data in: formats, dataset names, checks and the mapper; registers the built-in names."""

from ..errors import DatasetError
from .catalog import register_builtin_datasets, register_datasets
from .config_checks import check_datasets, fill_num_classes
from .formats.locount.categories import LOCOUNT_CATEGORIES
from .images import read_image
from .mapper import LocountDatasetMapper

register_builtin_datasets()

__all__ = [
    "register_datasets",
    "check_datasets",
    "fill_num_classes",
    "LocountDatasetMapper",
    "read_image",
    "DatasetError",
    "LOCOUNT_CATEGORIES",
]
