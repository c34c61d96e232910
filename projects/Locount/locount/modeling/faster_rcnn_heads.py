"""The ROI heads of Faster R-CNN with the options for dense scenes."""

from __future__ import annotations

from detectron2.config import CfgNode, configurable
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, StandardROIHeads

from .box_losses import BoxLossFastRCNNOutputLayers
from .box_sampling import BoxSamplingMixin


@ROI_HEADS_REGISTRY.register()
class BoxLossROIHeads(BoxSamplingMixin, StandardROIHeads):
    """Detectron2's heads of one stage, with MODEL.BOX_LOSS, MODEL.BOX_SAMPLING and
    MODEL.SOFT_NMS."""

    @configurable
    def __init__(self, **kwargs):
        """
        Args:
            kwargs: as for :class:`StandardROIHeads` and :class:`BoxSamplingMixin`.
        """
        super().__init__(**kwargs)

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape) -> dict:
        ret = super()._init_box_head(cfg, input_shape)
        ret["box_predictor"] = BoxLossFastRCNNOutputLayers(cfg, ret["box_head"].output_shape)
        return ret
