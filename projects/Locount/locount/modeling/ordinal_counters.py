"""Counting losses for which a near miss costs less than a far one. Shapes as in counters.py.

The derivations are in docs/counting.md.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..counting import CountPartition, counting_accuracy
from .counters import CountClassifier


class SoftCountClassifier(CountClassifier):
    """Cross-entropy with targets that give counts near the true one their share, by AC.

    A number x gets a share proportional to AC(x, true count) ** ``sharpness``, a bin the sum over
    its numbers. So the targets of a coarse stage are those of a fine one, added up.
    """

    def __init__(self, partition: CountPartition, stage: int, sharpness: float):
        """
        Args:
            sharpness: > 0; the higher, the closer to plain cross-entropy.
        """
        if not sharpness > 0:
            raise ValueError(f"sharpness must be above 0, not {sharpness}.")
        super().__init__(partition, stage)
        self.sharpness = sharpness

    def targets(self, gt_counts: Tensor) -> Tensor:
        """
        Returns:
            F x B, float32; rows sum to 1 and have their largest entry in the true bin. The count 1
            is a row with a single 1, since no other number has AC > 0.
        """
        numbers = torch.arange(self.partition.num_bins[-1], device=gt_counts.device)
        shares = counting_accuracy(numbers[None], gt_counts[:, None]) ** self.sharpness
        shares = shares / shares.sum(dim=1, keepdim=True)
        bin_size = self.partition.bin_sizes[self.stage]
        return shares.unflatten(1, (self.num_bins, bin_size)).sum(dim=2)

    def loss(self, outputs: Tensor, gt_counts: Tensor) -> Tensor:
        """Cross-entropy of the bins with :meth:`targets`; counts are in [1, max_count]."""
        return F.cross_entropy(outputs.float(), self.targets(gt_counts), reduction="none")


class CumulativeLinkClassifier(CountClassifier):
    """Ordinal regression: output k is the logit of "the bin is above k", one less than bins.

    Each of these questions is a binary classification of its own. A prediction that is wrong by d
    bins answers d of them wrongly.
    """

    def __init__(self, partition: CountPartition, stage: int):
        super().__init__(partition, stage)
        self.num_outputs = self.num_bins - 1

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
