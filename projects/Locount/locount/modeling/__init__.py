from .count_classifier import CountClassifier
from .count_matcher import CountAwareMatcher
from .counting_output import CountingFastRCNNOutputLayers
from .roi_heads import CLCNetROIHeads

__all__ = ["CLCNetROIHeads", "CountingFastRCNNOutputLayers", "CountAwareMatcher", "CountClassifier"]
