import numpy as np
import pytest

from locount.evaluation.matching import sorting

SPECIAL = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    1.0,
    1 + 2**-52,
    -1.0,
    1e308,
    -1e308,
    0.1,
    0.30000000000000004,
]


@pytest.mark.parametrize("seed", range(5))
def test_scores_sort_like_numpy(seed):
    """Descending within each category, equal scores in their order, other categories untouched."""
    rng = np.random.default_rng(seed)
    scores = np.where(rng.random(3000) < 0.5, rng.choice(SPECIAL, 3000), rng.normal(size=3000))
    start = np.array([0, 0, 10, 2000, 2001, 3000])
    order = rng.permutation(3000).astype(np.int32)
    expected = order.copy()
    for first, last in ((0, 10), (10, 2000), (2000, 2001)):
        part = order[first:last]
        expected[first:last] = part[np.argsort(-scores[part], kind="stable")]
    sorting.sort_by_score(0, 4, start, order, scores)
    np.testing.assert_array_equal(order, expected)


@pytest.mark.parametrize("num_keys", [1, 7, 5000])
def test_keys_sort_like_numpy(num_keys):
    rng = np.random.default_rng(num_keys)
    keys = rng.integers(0, num_keys, 1000).astype(np.int32)
    order = rng.permutation(1000).astype(np.int32)
    expected = order[np.argsort(keys[order], kind="stable")]
    np.testing.assert_array_equal(sorting.sort_by_key(order, keys, num_keys), expected)


def test_nothing_to_sort():
    none = np.empty(0, np.int32)
    assert len(sorting.sort_by_key(none, none, 3)) == 0
    sorting.sort_by_score(0, 2, np.zeros(3, np.int64), none, np.empty(0))
