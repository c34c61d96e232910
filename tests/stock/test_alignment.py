import itertools

import numpy as np

from locount.stock.alignment import align

INFINITE = 2.5


def costs(one, other):
    return np.array([[0.0 if a == b else INFINITE for b in other] for a in one]).reshape(
        len(one), len(other)
    )


def aligned(one, other):
    return align([1.0] * len(one), [1.0] * len(other), costs(one, other))


def longest(one, other):
    """The longest common subsequence, by trying all."""
    for n in range(len(one), 0, -1):
        for some in itertools.combinations(one, n):
            rest = iter(other)
            if all(letter in rest for letter in some):
                return n
    return 0


def test_as_many_match_as_can():
    words = ["", "a", "ab", "ba", "abca", "bcab", "aabb", "abab"]
    for one, other in itertools.product(words, words):
        cost, steps = aligned(one, other)
        pairs = [(i, j) for i, j in steps if i is not None and j is not None]
        assert all(one[i] == other[j] for i, j in pairs)
        assert cost == len(one) + len(other) - 2 * len(pairs)
        assert len(pairs) == longest(one, other)


def test_every_element_is_there_once_and_in_order():
    _, steps = aligned("abca", "bcba")
    assert [i for i, _ in steps if i is not None] == [0, 1, 2, 3]
    assert [j for _, j in steps if j is not None] == [0, 1, 2, 3]


def test_of_equal_alignments_the_one_that_pairs_first():
    assert aligned("aba", "a")[1] == [(0, 0), (1, None), (2, None)]
    assert aligned("ab", "ba")[1] == [(0, None), (1, 0), (None, 1)]
