"""What is where on a shelf: rows, facings, gaps, planograms, minimum stock."""

from .compliance import Check, check_plan, typical
from .facings import Gap, count_facings, find_gaps, occupied_lengths
from .minimum import read_minimums, shortages
from .plan import Place, read_plan, runs_of
from .rows import Rows, find_rows
from .shelf_photo import ShelfPhoto

__all__ = [
    "Rows",
    "find_rows",
    "Gap",
    "count_facings",
    "find_gaps",
    "occupied_lengths",
    "ShelfPhoto",
    "Place",
    "read_plan",
    "runs_of",
    "Check",
    "check_plan",
    "typical",
    "read_minimums",
    "shortages",
]
