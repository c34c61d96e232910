"""What the outputs of a counting layer mean: a bin of counts, or the number itself.

A counter has no parameters: any layer that gives ``num_outputs`` numbers per object can count with
it.

Shape shorthand in this package:

    N: number of images in the minibatch
    R: number of ROIs, combined over all images; Ri: those of image i
    F: number of foreground ROIs
    M: number of ground-truth boxes in an image
    K: number of foreground classes
    B: number of outputs of a counter
"""

from __future__ import annotations

from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...counting import CountPartition, counting_accuracy, num_passed_ac_thresholds

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


class Counter(Protocol):
    """What counters have in common.

    Attributes:
        num_outputs: B, the number of outputs per object.
    """

    num_outputs: int

    def prior(self) -> Tensor:
        """Outputs, B, before anything is seen: count c is as frequent as 1 / c."""

    def loss(self, outputs: Tensor, gt_counts: Tensor) -> Tensor:
        """The counting loss of each object.

        Args:
            outputs: F x B.
            gt_counts: F integers >= 1.

        Returns:
            F numbers >= 0, float32; with F = 0 their sum keeps the graph.
        """

    def hypothesize(self, outputs: Tensor) -> Tensor:
        """What a stage believes about the count: R integers from R x B outputs."""

    def admits(self, hypotheses: Tensor, counts: Tensor) -> Tensor:
        """Whether each hypothesis is right about a count.

        Args:
            hypotheses: Ri integers, as :meth:`hypothesize` returns.
            counts: M integers >= 1.

        Returns:
            M x Ri booleans.
        """

    def agreement(self, outputs: Tensor, counts: Tensor) -> Tensor:
        """How far outputs speak for a count.

        Args:
            outputs: R x B.
            counts: M integers >= 1.

        Returns:
            M x R numbers in [0, 1].
        """

    def decode(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """The counts to report, at the last stage.

        Args:
            outputs: R x B.

        Returns:
            R counts (int64) >= 1, and R scores in [0, 1].
        """

    def statistics(self, outputs: Tensor, gt_counts: Tensor) -> dict[str, Tensor]:
        """Figures for the training log over F > 0 objects, scalars in [0, 1]."""


class CountClassifier:
    """Counting as classification over the bins of one stage of a :class:`CountPartition`."""

    def __init__(self, partition: CountPartition, stage: int):
        """
        Args:
            stage: index of the stage, from 0.
        """
        self.partition = partition
        self.stage = stage
        self.num_bins = self.num_outputs = partition.num_bins[stage]
        # The bins that hold a count of [1, max_count]. Bin 0 of the last stage is the number 0, and
        # the bins above max_count exist only because the number of bins is a power of the base: no
        # object has such a count.
        self.first_bin = self.encode(1)
        self.last_bin = self.encode(partition.max_count)

    def encode(self, counts):
        """The bin of each count, at this stage."""
        return self.partition.encode(counts, self.stage)

    def bin_logits(self, outputs: Tensor) -> Tensor:
        """Logarithms of the bins' probabilities up to a constant of each row: R x num_bins."""
        return outputs

    def prior(self) -> Tensor:
        """Logarithms of the sums of 1 / c over each bin's counts, of 0.001 where it has none."""
        counts = torch.arange(1, self.partition.max_count + 1)
        sums = torch.zeros(self.num_bins).index_add(0, self.encode(counts), 1 / counts)
        return sums.clamp(min=1e-3).log()

    def loss(self, outputs: Tensor, gt_counts: Tensor) -> Tensor:
        """Cross-entropy of the bins; counts are in [1, max_count]."""
        return F.cross_entropy(outputs.float(), self.encode(gt_counts), reduction="none")

    def hypothesize(self, outputs: Tensor) -> Tensor:
        """The most probable bin among those that hold a count of [1, max_count]."""
        return outputs[:, self.first_bin : self.last_bin + 1].argmax(dim=1) + self.first_bin

    def distribution(self, outputs: Tensor) -> Tensor:
        """Probabilities of the counts 1 ... max_count, a bin's spread evenly over its counts.

        Args:
            outputs: R x B.

        Returns:
            R x max_count, float32; rows sum to 1, bins without a count of [1, max_count] left out.
        """
        counts = torch.arange(1, self.partition.max_count + 1, device=outputs.device)
        bins = self.encode(counts)
        sizes = bins.bincount(minlength=self.num_bins)
        logits = self.bin_logits(outputs).float().masked_fill(sizes == 0, -torch.inf)
        return (logits.softmax(dim=1) / sizes.clamp(min=1))[:, bins]

    def admits(self, hypotheses: Tensor, counts: Tensor) -> Tensor:
        """Whether the bin holds the count."""
        return torch.eq(self.encode(counts)[:, None], hypotheses[None])

    def agreement(self, outputs: Tensor, counts: Tensor) -> Tensor:
        """The probability of the count's bin."""
        return self.bin_logits(outputs).float().softmax(dim=1).T[self.encode(counts)]

    def decode(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """The number of the believed bin, and its probability out of all bins."""
        bins = self.hypothesize(outputs)
        scores = self.bin_logits(outputs).float().softmax(dim=1)
        return self.partition.decode(bins, self.stage), scores.gather(1, bins[:, None]).squeeze(1)

    def statistics(self, outputs: Tensor, gt_counts: Tensor) -> dict[str, Tensor]:
        """Share of right bins as "accuracy"; mean AC as "ac" where a bin is one number."""
        bins = self.hypothesize(outputs)
        right = bins == self.encode(gt_counts)
        figures = {"accuracy": right.float().mean()}
        if self.partition.bin_sizes[self.stage] == 1:
            figures["ac"] = counting_accuracy(bins, gt_counts).mean()
        return figures


class CountRegressor:
    """Counting as regression of the number itself, the same at every stage."""

    num_outputs = 1

    def prior(self) -> Tensor:
        """The most frequent number, 1."""
        return torch.ones(1)

    def loss(self, outputs: Tensor, gt_counts: Tensor) -> Tensor:
        """Smooth L1 of the number, quadratic below an error of one item."""
        return F.smooth_l1_loss(outputs.squeeze(1).float(), gt_counts.float(), reduction="none")

    def hypothesize(self, outputs: Tensor) -> Tensor:
        """The number rounded half up, at least 1."""
        return (outputs.squeeze(1).float() + 0.5).floor().long().clamp(min=1)

    def admits(self, hypotheses: Tensor, counts: Tensor) -> Tensor:
        """Whether the number passes the lowest AC threshold."""
        return num_passed_ac_thresholds(hypotheses[None], counts[:, None]) > 0

    def agreement(self, outputs: Tensor, counts: Tensor) -> Tensor:
        """AC of the rounded number."""
        return counting_accuracy(self.hypothesize(outputs)[None], counts[:, None])

    def decode(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """The rounded number, of score 1: a regressed number comes without a probability."""
        counts = self.hypothesize(outputs)
        return counts, torch.ones_like(counts, dtype=torch.float32)

    def statistics(self, outputs: Tensor, gt_counts: Tensor) -> dict[str, Tensor]:
        """Share of exact counts as "accuracy", mean AC as "ac"."""
        counts = self.hypothesize(outputs)
        return {
            "accuracy": (counts == gt_counts).float().mean(),
            "ac": counting_accuracy(counts, gt_counts).mean(),
        }


def init_count_layer(layer: Layer) -> Layer:
    """The layer itself, with weights that do not tell counts apart yet, as Detectron2's output
    layers start."""
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(cast(Tensor, layer.bias))
    return layer
