"""The rows of "A method for detecting objects in dense scenes" ask for what they should.

The paper (Xu et al., 2022) gives batch 2, a learning rate of 0.01 after 500 iterations from 0.001,
and 6 epochs with a fall after epochs 4 and 5.5. What it leaves open is PaddleDetection's.
"""

from functools import reduce
from pathlib import Path

import pytest

from locount.config import load_config

CONFIGS = Path(__file__).parents[1] / "configs"

SKU110K_EPOCH = 3828 / 2  # iterations
COCO_EPOCH = 117266 / 2

PAPERS_SOLVER = {
    "SOLVER.IMS_PER_BATCH": 2,
    "SOLVER.BASE_LR": 0.01,
    "SOLVER.WARMUP_FACTOR": 0.001 / 0.01,
    "SOLVER.WARMUP_ITERS": 500,
    "SOLVER.STEPS": (4 * SKU110K_EPOCH, 5.5 * SKU110K_EPOCH),
    "SOLVER.MAX_ITER": 6 * SKU110K_EPOCH,
    "AUGMENTATION.POLICY": "v1",
    "TEST.DETECTIONS_PER_IMAGE": 500,
    "EVALUATION.MAX_DETS": (100, 300),
}
USUAL_ANCHORS = [[32], [64], [128], [256], [512]]
DENSE = {
    "MODEL.ANCHOR_GENERATOR.SIZES": USUAL_ANCHORS,
    "MODEL.RPN.BATCH_SIZE_PER_IMAGE": 1024,
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": 4000,
    "MODEL.RPN.POST_NMS_TOPK_TEST": 1000,
    "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": 1024,
    "MODEL.ROI_HEADS.POSITIVE_FRACTION": 0.5,
}
SMOOTH_L1 = {
    "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE": "smooth_l1",
    "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT": 1.0,
    "MODEL.ROI_BOX_HEAD.SMOOTH_L1_BETA": 1.0,
    "MODEL.RPN.BBOX_REG_LOSS_TYPE": "smooth_l1",
    "MODEL.RPN.SMOOTH_L1_BETA": pytest.approx(1 / 9, rel=1e-3),
}
BALANCED_L1 = SMOOTH_L1 | {"MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE": "balanced_l1"}
CIOU = SMOOTH_L1 | {
    "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE": "ciou",
    "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT": 10.0,
}
# YOLOs on SKU-110K learn from 8 images at a time, each with its own rate in proportion; no fall or
# end lies more than half an iteration from the paper's.
YOLO = PAPERS_SOLVER | {
    "SOLVER.IMS_PER_BATCH": 8,
    "SOLVER.WEIGHT_DECAY": 0.0005,
    "SOLVER.STEPS": [pytest.approx(e * 3828 / 8, abs=0.5) for e in (4, 5.5)],
    "SOLVER.MAX_ITER": 6 * 3828 / 8,
    "SOLVER.CLIP_GRADIENTS.ENABLED": False,
    "INPUT.MAX_SIZE_TRAIN": 608,
    "INPUT.MIN_SIZE_TEST": 608,
}
# Both on COCO: 4,000 iterations of warm-up from 0.
OWN_SOLVER = {
    "SOLVER.WARMUP_FACTOR": 0.0,
    "SOLVER.WARMUP_ITERS": 4000,
    "SOLVER.WEIGHT_DECAY": 0.0005,
    "SOLVER.CLIP_GRADIENTS.ENABLED": False,
    "AUGMENTATION.POLICY": "none",
    "INPUT.MAX_SIZE_TRAIN": 608,
    "TEST.DETECTIONS_PER_IMAGE": 100,
}
YOLOV3_EPOCH = 117266 // 64

ROWS = {
    "SKU110K/cascade_rcnn_R_101_FPN": PAPERS_SOLVER
    | SMOOTH_L1
    | {
        "MODEL.ROI_BOX_CASCADE_HEAD.IOUS": (0.5, 0.6, 0.7),
        "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": 512,
        "MODEL.RPN.POST_NMS_TOPK_TRAIN": 2000,
        "MODEL.ANCHOR_GENERATOR.SIZES": USUAL_ANCHORS,
    },
    "SKU110K/cascade_rcnn_R_101_FPN_dense": DENSE | SMOOTH_L1,
    "SKU110K/cascade_rcnn_R_101_FPN_dense_anchors": DENSE
    | SMOOTH_L1
    | {"MODEL.ANCHOR_GENERATOR.SIZES": [[16], [32], [64], [128], [256]]},
    "SKU110K/cascade_rcnn_R_101_FPN_ciou": DENSE | CIOU,
    "SKU110K/cascade_rcnn_R_101_FPN_balanced_l1": DENSE | BALANCED_L1,
    "SKU110K/cascade_rcnn_R_101_BFP_balanced_l1": DENSE
    | BALANCED_L1
    | {"MODEL.BACKBONE.NAME": "build_bfp_backbone"},
    "SKU110K/cascade_rcnn_R_101_FPN_soft_nms": DENSE
    | SMOOTH_L1
    | {"MODEL.SOFT_NMS.METHOD": "linear"},
    "SKU110K/faster_rcnn_R_50_FPN": PAPERS_SOLVER | SMOOTH_L1,
    "SKU110K/faster_rcnn_HRNet_w18": PAPERS_SOLVER
    | {
        "MODEL.TIMM.NAME": "hrnet_w18",
        "MODEL.BACKBONE.NAME": "build_timm_hrfpn_backbone",
        "MODEL.FPN.OUT_CHANNELS": 256,
    },
    "SKU110K/faster_rcnn_SENet154_FPN": PAPERS_SOLVER | {"MODEL.TIMM.NAME": "legacy_senet154"},
    "SKU110K/retinanet_R_101_FPN": PAPERS_SOLVER,
    "SKU110K/yolov3_DarkNet53": YOLO | {"SOLVER.BASE_LR": pytest.approx(0.001 * 8 / 64)},
    "SKU110K/ppyolo_R_50_vd": YOLO | {"SOLVER.BASE_LR": pytest.approx(0.01 * 8 / 192, rel=1e-4)},
    "COCO/cascade_rcnn_R_101_FPN_balanced_l1": PAPERS_SOLVER
    | BALANCED_L1
    | {
        "SOLVER.STEPS": (4 * COCO_EPOCH, pytest.approx(5.5 * COCO_EPOCH, abs=1)),
        "SOLVER.MAX_ITER": 6 * COCO_EPOCH,
        "TEST.DETECTIONS_PER_IMAGE": 100,
        "EVALUATION.MAX_DETS": (),
    },
    "COCO/yolov3_DarkNet53": OWN_SOLVER
    | {
        "SOLVER.IMS_PER_BATCH": 64,
        "SOLVER.BASE_LR": 0.001,
        "SOLVER.STEPS": (216 * YOLOV3_EPOCH, 243 * YOLOV3_EPOCH),
        "SOLVER.MAX_ITER": 270 * YOLOV3_EPOCH,
    },
    "COCO/ppyolo_R_50_vd": OWN_SOLVER
    | {
        "SOLVER.IMS_PER_BATCH": 192,
        "SOLVER.BASE_LR": 0.01,
        "SOLVER.STEPS": (150_000, 200_000),
        "SOLVER.MAX_ITER": 250_000,
    },
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_says_what_it_should(name):
    cfg = load_config(str(CONFIGS / f"{name}.yaml"))
    for key, expected in ROWS[name].items():
        value = reduce(getattr, key.split("."), cfg)
        if isinstance(value, (list, tuple)):
            value, expected = list(value), list(expected)
        assert value == expected, key
