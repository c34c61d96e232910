"""How far a model's scores, counts and totals can be trusted, learnt from annotated photos."""

from .calibration import Calibration
from .conformal import DEFAULT_LEVEL, Interval
from .fit import calibrate

__all__ = ["DEFAULT_LEVEL", "Calibration", "Interval", "calibrate"]
