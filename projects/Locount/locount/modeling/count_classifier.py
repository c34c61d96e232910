"""Counting as classification over the bins of one stage.

Shape shorthand in this package:

    N: number of images in the minibatch
    R: number of ROIs, combined over all images; Ri: those of image i
    F: number of foreground ROIs
    M: number of ground-truth boxes in an image
    K: number of foreground classes
    B: number of count bins of a stage
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..counting import CountPartition


class CountClassifier:
    """What the outputs of a counting layer mean at one stage of a :class:`CountPartition`.

    It has no parameters: any layer that gives ``num_outputs`` numbers per object can count with it.

    Attributes:
        num_outputs: B, the number of outputs per object.
    """

    def __init__(self, partition: CountPartition, stage: int):
        """
        Args:
            stage: index of the stage, from 0.
        """
        self.partition = partition
        self.stage = stage
        self.num_outputs = partition.num_bins[stage]

    def loss(self, logits: Tensor, gt_counts: Tensor) -> Tensor:
        """Cross-entropy, summed over objects.

        Args:
            logits: F x B.
            gt_counts: F integers in [1, max_count].

        Returns:
            A scalar; for F = 0 it is zero and keeps the graph.
        """
        return F.cross_entropy(
            logits, self.partition.encode(gt_counts, self.stage), reduction="sum"
        )

    def predict_bins(self, logits: Tensor) -> Tensor:
        """The most probable bin among those that hold a count of [1, max_count].

        Bin 0 of the last stage is the number 0, and the bins behind ``max_count`` exist only
        because the number of bins is a power of the base: no object has such a count.

        Args:
            logits: R x B.

        Returns:
            R integers.
        """
        first = self.partition.encode(1, self.stage)
        last = self.partition.encode(self.partition.max_count, self.stage)
        return logits[:, first : last + 1].argmax(dim=1) + first

    def decode(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Counts and their probabilities, at the last stage, where a bin is a single number.

        Args:
            logits: R x B.

        Returns:
            R counts (int64) in [1, max_count], and R probabilities in [0, 1] out of all B bins.
        """
        bins = self.predict_bins(logits)
        scores = logits.softmax(dim=1).gather(1, bins[:, None]).squeeze(1)
        return self.partition.decode(bins, self.stage), scores

    def bins_hold(self, bins: Tensor, counts: Tensor) -> Tensor:
        """Whether each bin of this stage holds a count.

        Args:
            bins: Ri integers in [0, B).
            counts: M integers.

        Returns:
            M x Ri booleans.
        """
        return torch.eq(self.partition.encode(counts, self.stage)[:, None], bins[None])
