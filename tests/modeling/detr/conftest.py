from pathlib import Path

import pytest

from locount.config import load_config

CONFIG = Path(__file__).parents[3] / "configs/Photos/dfine_cls_lite0.yaml"


@pytest.fixture
def detr_cfg():
    """A small counting network of three classes and three decoder layers, by its name."""

    def detr_cfg(name="d_fine", *opts, own_backbone=False):
        backbone = ("resnet50", "FrozenBN") if own_backbone else ("test_resnet", "BN")
        only = {"deformable_detr": ("HIDDEN_EXPANSION", "DEPTH_MULT"), "rtdetr_v2": ("DEPTH_MULT",)}
        whole = [v for key in only.get(name, ()) for v in (f"MODEL.DETR.{key}", 1.0)]
        return load_config(
            str(CONFIG),
            [
                *("MODEL.DETR.NAME", name, "MODEL.DETR.NUM_CLASSES", 3, "MODEL.DEVICE", "cpu"),
                *("MODEL.DETR.HIDDEN_DIM", 32, "MODEL.DETR.FFN_DIM", 32),
                *("MODEL.DETR.NUM_QUERIES", 20, "MODEL.BACKBONE.FREEZE_AT", 0),
                *("MODEL.TIMM.NAME", backbone[0], "MODEL.TIMM.PRETRAINED", False),
                *("MODEL.TIMM.NORM", backbone[1], "MODEL.COUNT_HEAD.DECODE", "argmax"),
                *("MODEL.COUNT_HEAD.RANKING", "class", *whole),
                *(("MODEL.DETR.IN_FEATURES", ()) if own_backbone else ()),
                *opts,
            ],
        )

    return detr_cfg
