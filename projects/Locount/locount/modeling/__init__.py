from .bfp import BalancedFeaturePyramid
from .box_losses import BoxLossFastRCNNOutputLayers, balanced_l1
from .box_sampling import sample_iou_balanced
from .count_balance import balance_counts
from .count_decoding import CountDecoder
from .count_loss import CountLoss
from .count_matcher import CountAwareMatcher
from .counters import CountClassifier, CountRegressor
from .counting_output import CountingFastRCNNOutputLayers
from .dense_detectors import CountingFCOS, CountingRetinaNet
from .faster_rcnn_heads import BoxLossROIHeads
from .hrfpn import HRFPN
from .ordinal_counters import CumulativeLinkClassifier
from .reppoints import RepPoints
from .roi_heads import CLCNetROIHeads
from .rpn import BoxLossRPN
from .soft_nms import SoftNMS
from .test_time_augmentation import CountingRCNNWithTTA
from .timm_backbone import TimmBackbone
from .torchvision_detector import TorchvisionDetector
from .yolo import YOLO

__all__ = [
    "CLCNetROIHeads",
    "CountingFastRCNNOutputLayers",
    "CountAwareMatcher",
    "CountingRCNNWithTTA",
    "CountClassifier",
    "CountingFCOS",
    "CountingRetinaNet",
    "CountDecoder",
    "CountLoss",
    "CountRegressor",
    "CumulativeLinkClassifier",
    "TimmBackbone",
    "SoftNMS",
    "balance_counts",
    "BoxLossFastRCNNOutputLayers",
    "BoxLossROIHeads",
    "BoxLossRPN",
    "balanced_l1",
    "sample_iou_balanced",
    "BalancedFeaturePyramid",
    "HRFPN",
    "RepPoints",
    "YOLO",
    "TorchvisionDetector",
]
