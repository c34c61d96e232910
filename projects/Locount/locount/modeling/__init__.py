from .backbone.bfp import BalancedFeaturePyramid
from .backbone.hrfpn import HRFPN
from .backbone.timm_backbone import TimmBackbone
from .counting.counters import CountClassifier, CountRegressor
from .counting.decoding import CountDecoder
from .counting.loss import CountLoss, balance_counts
from .counting.matcher import CountAwareMatcher
from .counting.ordinal_counters import CumulativeLinkClassifier
from .detr import CountingDETR
from .layers.soft_nms import SoftNMS
from .one_stage.reppoints import RepPoints
from .one_stage.retinanet_fcos import CountingFCOS, CountingRetinaNet
from .one_stage.torchvision_detector import TorchvisionDetector
from .one_stage.yolo import YOLO
from .proposal_generator.rpn import ChunkedRPN
from .roi_heads.box_losses import BoxLossFastRCNNOutputLayers, balanced_l1
from .roi_heads.clcnet import CLCNetROIHeads
from .roi_heads.faster_rcnn import FasterRCNNROIHeads
from .roi_heads.output_layers import CountingFastRCNNOutputLayers
from .tta import CountingRCNNWithTTA

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
