"""The arithmetic of counts: accuracy, thresholds, subsets and the count partition.

Everything here works on Python ints, numpy arrays and torch tensors alike, because it uses nothing
but integer operators; floats appear only in :func:`counting_accuracy`, which is for reading, not
for deciding.
"""

from __future__ import annotations

# In training data: the number of items is not known, so that it is not trained. Counts start at 1.
IGNORED_COUNT = -1

# The largest count of an annotation: nine digits, which fit into int32.
MAX_COUNT = 999_999_999

# A detection's count is right at threshold k / AC_STEPS when AC >= k / AC_STEPS: 0.50:0.05:0.95 as
# integers.
AC_STEPS = 20
AC_THRESHOLDS = tuple(range(10, 20))

# Subsets of ground truth by true count, both ends included (paper, Sec. "Evaluation protocol").
COUNT_RANGES = {"IN": (1, 1), "MN": (2, 10), "LN": (11, 2**31 - 1)}

# The same by scale: side of a square of the box's area, in pixels of the original image.
SCALE_SIDES = {"SS": (0.0, 150.0), "MS": (150.0, 300.0), "LS": (300.0, float("inf"))}


def counting_accuracy(pred_counts, gt_counts):
    """AC = max(0, 1 - |pred - gt| / gt), elementwise, in [0, 1].

    Args:
        pred_counts, gt_counts: integers, or arrays/tensors of integers that broadcast;
            ``gt_counts`` >= 1.

    To decide whether a threshold is passed use :func:`num_passed_ac_thresholds`: in floats 17 of 20
    fails at 0.85.
    """
    accuracy = 1 - abs(pred_counts - gt_counts) / gt_counts
    return accuracy * (accuracy > 0)


def num_passed_ac_thresholds(pred_counts, gt_counts):
    """How many of the ten thresholds 0.50:0.05:0.95 AC reaches, exactly: an integer in [0, 10].

    AC >= k/20 is 20 * (gt - |pred - gt|) >= k * gt in integers, so the thresholds passed are those
    up to the floor of the left side over gt.

    Args:
        pred_counts, gt_counts: integers, or integer arrays/tensors that broadcast;
            ``gt_counts`` >= 1.
    """
    top = AC_STEPS * (gt_counts - abs(pred_counts - gt_counts)) // gt_counts - AC_THRESHOLDS[0] + 1
    top = top * (top > 0)
    return top - (top - len(AC_THRESHOLDS)) * (top > len(AC_THRESHOLDS))


class CountPartition:
    """Counts as base-γ digits, dealt to the stages of a cascade from the leading digit on.

    This is the count partition of CLCNet (Cai et al., AAAI 2021).
    A stage's bin is a count's leading digits, as many as this and all earlier stages hold. The last
    stage holds all digits, so that its bin *is* the count; every bin of a stage is the union of
    γ**k bins of the next.

    With D digits and N stages each stage gets D // N digits and the last D % N stages one more.
    Counts up to 56 (Locount) are 6 binary or 2 decimal digits: with base 2 and one to
    three stages ``num_bins`` is (64,), (8, 64) and (4, 16, 64), with base 10 (100,) and (10, 100).

    Attributes:
        num_bins (tuple[int]): bins of each stage.
        bin_sizes (tuple[int]): how many consecutive integers share a bin; 1 for the last stage.
    """

    def __init__(self, max_count: int, base: int, num_stages: int):
        """
        Args:
            max_count: largest count that must be told apart, >= 1 (paper: α).
            base: base of the digits, >= 2 (paper: γ).
            num_stages: stages of the cascade, >= 1 (paper: N), at most the number of digits.

        Raises:
            ValueError: for a value out of its range.
        """
        if max_count < 1 or base < 2 or num_stages < 1:
            raise ValueError(
                "A count partition needs max_count >= 1, base >= 2 and num_stages >= 1, "
                f"not {max_count}, {base} and {num_stages}."
            )
        # Integers only: math.log(125, 5) is 3.0000000000000004.
        num_digits = 1
        while base**num_digits <= max_count:
            num_digits += 1
        if num_stages > num_digits:
            raise ValueError(
                f"Counts up to {max_count} have {num_digits} base-{base} digits, too few for "
                f"{num_stages} stages: a stage would have nothing to count."
            )
        self.max_count, self.base, self.num_stages = max_count, base, num_stages
        share, extra = divmod(num_digits, num_stages)
        digits, num_bins = 0, []
        for stage in range(num_stages):
            digits += share + (stage >= num_stages - extra)
            num_bins.append(base**digits)
        self.num_bins = tuple(num_bins)
        self.bin_sizes = tuple(base**num_digits // n for n in num_bins)

    def __repr__(self) -> str:
        return f"CountPartition({self.max_count}, {self.base}, {self.num_stages})"

    def encode(self, counts, stage: int):
        """The bin of each count at ``stage`` (from 0), an integer in [0, num_bins[stage])."""
        return counts // self.bin_sizes[stage]

    def decode(self, bins, stage: int):
        """The lowest number of each bin; at the last stage this inverts :meth:`encode`."""
        return bins * self.bin_sizes[stage]

    def count_range(self, stage: int, bins):
        """First and last number of each bin, inclusive; 0 and what exceeds max_count stay in."""
        first = self.decode(bins, stage)
        return first, first + self.bin_sizes[stage] - 1
