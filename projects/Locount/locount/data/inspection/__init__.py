"""Everything wrong with datasets, what they hold, and corrected copies of them."""

from .fix import write_fixed
from .report import Report, inspect_datasets

__all__ = ["inspect_datasets", "Report", "write_fixed"]
