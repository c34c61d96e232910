"""How far a model's scores, counts and totals can be trusted, learnt from annotated photos."""

from .calibration import CALIBRATION_KEY, Calibration, Total, Totals
from .conformal import DEFAULT_LEVEL, Interval

__all__ = ["CALIBRATION_KEY", "DEFAULT_LEVEL", "Calibration", "Interval", "Total", "Totals"]
