from .count_matcher import CountAwareMatcher
from .counters import CountClassifier, CountRegressor
from .counting_output import CountingFastRCNNOutputLayers
from .roi_heads import CLCNetROIHeads

__all__ = [
    "CLCNetROIHeads",
    "CountingFastRCNNOutputLayers",
    "CountAwareMatcher",
    "CountClassifier",
    "CountRegressor",
]
