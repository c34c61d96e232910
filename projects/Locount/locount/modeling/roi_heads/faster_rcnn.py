"""The ROI heads of Faster R-CNN with the options for dense scenes."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, StandardROIHeads

from ...config.checks import check_config
from .box_losses import BoxLossFastRCNNOutputLayers


@ROI_HEADS_REGISTRY.register()
class FasterRCNNROIHeads(StandardROIHeads):
    """Detectron2's heads of one stage, with balanced L1 loss and MODEL.SOFT_NMS."""

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape) -> dict:
        check_config(cfg, features=False)
        return super().from_config(cfg, input_shape)

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape) -> dict:
        ret = super()._init_box_head(cfg, input_shape)
        ret["box_predictor"] = BoxLossFastRCNNOutputLayers(cfg, ret["box_head"].output_shape)
        return ret
