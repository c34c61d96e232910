"""Compiled sorts: stable, so that equal scores keep the order of the file, and linear in time."""

from __future__ import annotations

import numpy as np

from ...compiled import allocating, loop

_DIGIT_BITS = 11


@allocating
def sort_by_key(order, keys, num_keys):
    """Stable counting sort of ``order``, indices into ``keys``, which lie in [0, num_keys)."""
    place = np.zeros(num_keys + 1, np.int64)
    for i in order:
        place[keys[i] + 1] += 1
    for k in range(num_keys):
        place[k + 1] += place[k]
    result = np.empty_like(order)
    for i in order:
        k = keys[i]
        result[place[k]] = i
        place[k] += 1
    return result


@loop
def _descending_bits(score):
    """A key that ascends as the score, a finite float, descends."""
    bits = np.float64(score + 0.0).view(np.uint64)  # + 0.0: -0.0 and 0.0 are equal
    # The bits of a positive float ascend with it, those of a negative one descend.
    return bits if bits >> np.uint64(63) else ~(bits | np.uint64(1 << 63))


@allocating
def sort_by_score(first, last, start, order, scores):
    """Stable sort of each category's part of ``order``, indices into ``scores``, highest first.

    A radix sort from the lowest digit up, which moves keys along with the indices: in long arrays
    most time goes to memory out of reach of the cache.
    """
    mask = np.uint64((1 << _DIGIT_BITS) - 1)
    for k in range(first, last):
        index = order[start[k] : start[k + 1]].copy()
        keys = np.empty(len(index), np.uint64)
        differ = np.uint64(0)
        for i in range(len(index)):
            keys[i] = _descending_bits(scores[index[i]])
            differ |= keys[i] ^ keys[0]
        other_index, other_keys = np.empty_like(index), np.empty_like(keys)
        for low in range(0, 64, _DIGIT_BITS):
            shift = np.uint64(low)
            if not (differ >> shift) & mask:
                continue
            place = np.zeros((1 << _DIGIT_BITS) + 1, np.int64)
            for key in keys:
                place[np.int64((key >> shift) & mask) + 1] += 1
            for digit in range(1 << _DIGIT_BITS):
                place[digit + 1] += place[digit]
            for i in range(len(keys)):
                digit = np.int64((keys[i] >> shift) & mask)
                other_keys[place[digit]] = keys[i]
                other_index[place[digit]] = index[i]
                place[digit] += 1
            index, other_index = other_index, index
            keys, other_keys = other_keys, keys
        order[start[k] : start[k + 1]] = index
