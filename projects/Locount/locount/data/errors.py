"""Problems of datasets, each with its file and line."""

from ..errors import DatasetError, Problem, place

__all__ = ["DatasetError", "Problem", "place"]
