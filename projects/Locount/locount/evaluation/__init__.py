"""The joint evaluation of boxes and counts."""

from .api import evaluate_detections, match, score_matches
from .reading import EvaluationInputError
from .result import EvaluationResult

__all__ = [
    "evaluate_detections",
    "match",
    "score_matches",
    "LocountEvaluator",
    "EvaluationResult",
    "EvaluationInputError",
]


def __getattr__(name: str):
    # Only the evaluator needs torch and detectron2, which take seconds to import.
    if name == "LocountEvaluator":
        from .evaluator import LocountEvaluator

        return LocountEvaluator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
