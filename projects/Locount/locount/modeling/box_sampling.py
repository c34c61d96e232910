"""IoU-balanced sampling of background (Pang et al., "Libra R-CNN", CVPR 2019, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from detectron2.config import CfgNode
from detectron2.structures import Instances, pairwise_iou
from torch import Tensor

from .box_options import check_box_options


def sample_iou_balanced(
    ious: Tensor, num_samples: int, *, bins: int = 3, floor: float = 0.0
) -> Tensor:
    """Draw background boxes so that those near an object are not lost among those far from all.

    The range from ``floor`` to the largest IoU is cut into ``bins`` of equal width, and
    num_samples // bins boxes are drawn from each, at random. Where a bin holds fewer, and for the
    remainder of the division, the rest is drawn at random from all boxes that are left.

    Args:
        ious: of each background box with the object nearest to it, n values in [0, 1].
        num_samples: at least 0.
        bins: K of the paper, at least 1.
        floor: in [0, 1). Boxes of a lower IoU are in no bin.

    Returns:
        min(num_samples, n) distinct indices in [0, n), those drawn from bins first.
    """
    order = torch.randperm(len(ious), device=ious.device)
    if len(ious) == 0:
        return order
    edges = torch.linspace(floor, float(ious.max()), bins + 1, device=ious.device)
    # The largest IoU is in the last bin, which is closed at both ends.
    bin_of = torch.bucketize(ious[order], edges[1:-1], right=True)
    bin_of[ious[order] < floor] = -1
    from_bins = torch.zeros_like(order, dtype=torch.bool)
    for k in range(bins):
        members = (bin_of == k).nonzero().flatten()
        from_bins[members[: num_samples // bins]] = True
    return torch.cat([order[from_bins], order[~from_bins]])[:num_samples]


class BoxSamplingMixin:
    """For :class:`ROIHeads`: what background trains the first stage, as MODEL.BOX_SAMPLING says."""

    def __init__(
        self, *, sample_background: Callable[[Tensor, int], Tensor] | None = None, **kwargs
    ):
        """
        Args:
            sample_background: such as :func:`sample_iou_balanced`; None: at random.
            kwargs: as for the heads.
        """
        super().__init__(**kwargs)
        self.sample_background = sample_background

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape) -> dict:
        check_box_options(cfg)
        ret = super().from_config(cfg, input_shape)
        node = cfg.MODEL.BOX_SAMPLING
        if node.STRATEGY == "iou_balanced":
            ret["sample_background"] = partial(
                sample_iou_balanced, bins=node.BINS, floor=node.FLOOR
            )
        return ret

    @torch.no_grad()
    def label_and_sample_proposals(
        self, proposals: list[Instances], targets: list[Instances]
    ) -> list[Instances]:
        """As in the base class, which samples at random, out of no more background than it needs.

        So it takes all that is left to it. Its own hook for sampling does not know the IoUs.
        """
        if self.sample_background is not None:
            pairs = zip(proposals, targets, strict=True)
            proposals = [self._thin_out_background(*pair) for pair in pairs]
        return super().label_and_sample_proposals(proposals, targets)

    def _thin_out_background(self, proposals: Instances, targets: Instances) -> Instances:
        """All proposals that match an object, and as much background as is to be sampled."""
        if len(targets) == 0:
            return proposals
        ious = pairwise_iou(targets.gt_boxes, proposals.proposal_boxes)
        _, labels = self.proposal_matcher(ious)
        others, background = (labels != 0).nonzero()[:, 0], (labels == 0).nonzero()[:, 0]
        num_matches = int((labels == 1).sum()) + len(targets) * self.proposal_append_gt
        num_foreground = min(num_matches, int(self.batch_size_per_image * self.positive_fraction))
        sampled = self.sample_background(
            ious[:, background].amax(dim=0), self.batch_size_per_image - num_foreground
        )
        return proposals[torch.cat([others, background[sampled]])]
