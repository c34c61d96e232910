from .detector import RepPoints
from .head import RepPointsHead
from .points import PointsToBoxes

__all__ = ["RepPoints", "RepPointsHead", "PointsToBoxes"]
