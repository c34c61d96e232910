from .count_balance import balance_counts
from .count_matcher import CountAwareMatcher
from .counters import CountClassifier, CountRegressor
from .counting_output import CountingFastRCNNOutputLayers
from .ordinal_counters import CumulativeLinkClassifier, SoftCountClassifier
from .roi_heads import CLCNetROIHeads
from .test_time_augmentation import CountingRCNNWithTTA
from .timm_backbone import TimmBackbone

__all__ = [
    "CLCNetROIHeads",
    "CountingFastRCNNOutputLayers",
    "CountAwareMatcher",
    "CountingRCNNWithTTA",
    "CountClassifier",
    "CountRegressor",
    "CumulativeLinkClassifier",
    "SoftCountClassifier",
    "TimmBackbone",
    "balance_counts",
]
