"""A counting loss for which a near miss costs less than a far one. Shapes as in counters.py.

The derivation is in docs/counting.md.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ...counting import CountPartition
from .counters import CountClassifier


class CumulativeLinkClassifier(CountClassifier):
    """Ordinal regression: output k is the logit of "the bin is above k", one less than bins.

    Each of these questions is a binary classification of its own. A prediction that is wrong by d
    bins answers d of them wrongly.
    """

    def __init__(self, partition: CountPartition, stage: int):
        super().__init__(partition, stage)
        self.num_outputs = self.num_bins - 1

    def prior(self) -> Tensor:
        """Logits of the shares of counts above each bin but the last."""
        return (1 - super().prior().softmax(dim=0).cumsum(dim=0)[:-1]).logit()

    def loss(self, outputs: Tensor, gt_counts: Tensor) -> Tensor:
        """Sum of the binary cross-entropies, that of output k weighted with 1 / (k + 1).

        The weight makes errors relative as in AC: at the last stage the question between c - 1 and
        c has the weight 1 / c.
        """
        below = torch.arange(self.num_outputs, device=outputs.device)
        above = self.encode(gt_counts)[:, None] > below
        losses = F.binary_cross_entropy_with_logits(
            outputs.float(), above.float(), weight=1 / (below + 1), reduction="none"
        )
        return losses.sum(dim=1)

    def bin_logits(self, outputs: Tensor) -> Tensor:
        """Differences of the probabilities to be above a bin, made to fall from bin to bin.

        The answers may contradict each other: "above 3" more probable than "above 2". So the
        probability to be above a bin is the least of the answers up to it.
        """
        above = outputs.float().sigmoid().cummin(dim=1).values
        above = F.pad(F.pad(above, (1, 0), value=1.0), (0, 1), value=0.0)
        # Above zero, so that a row without any legal bin stays a distribution.
        return (above[:, :-1] - above[:, 1:]).clamp(min=torch.finfo(above.dtype).tiny).log()

    def hypothesize(self, outputs: Tensor) -> Tensor:
        """The median, up to which "above" is more probable than not, within [1, max_count]."""
        bins = (outputs.float().cummin(dim=1).values > 0).sum(dim=1)
        return bins.clamp(self.first_bin, self.last_bin)
