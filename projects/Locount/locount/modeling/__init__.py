from .bfp import BalancedFeaturePyramid
from .box_losses import BoxLossFastRCNNOutputLayers, balanced_l1
from .count_balance import balance_counts
from .count_decoding import CountDecoder
from .count_loss import CountLoss
from .count_matcher import CountAwareMatcher
from .counters import CountClassifier, CountRegressor
from .counting_output import CountingFastRCNNOutputLayers
from .dense_detectors import CountingFCOS, CountingRetinaNet
from .detr import CountingDETR
from .faster_rcnn_heads import FasterRCNNROIHeads
from .hrfpn import HRFPN
from .ordinal_counters import CumulativeLinkClassifier
from .reppoints import RepPoints
from .roi_heads import CLCNetROIHeads
from .rpn import ChunkedRPN
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
    "CountingDETR",
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
    "FasterRCNNROIHeads",
    "ChunkedRPN",
    "balanced_l1",
    "BalancedFeaturePyramid",
    "HRFPN",
    "RepPoints",
    "YOLO",
    "TorchvisionDetector",
]
