import numpy as np
import pytest
from detectron2.data import transforms as T

from locount.data.augmentation import RandomColor


def test_colors_change_and_boxes_do_not():
    image = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    aug_input = T.AugInput(image, boxes=np.array([[1.0, 2, 3, 4]]))
    RandomColor(0.5)(aug_input)
    assert (aug_input.image.shape, aug_input.image.dtype) == (image.shape, np.uint8)
    assert not np.array_equal(aug_input.image, image)
    assert aug_input.boxes.tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("image_format", ["BGR", "RGB"])
def test_factors_stay_within_the_strength(image_format):
    # A grey picture has no contrast and no saturation, so what is left is the brightness: 100 times
    # 0.8 to 1.2.
    image = np.full((4, 4, 3), 100, np.uint8)
    values = set()
    for _ in range(200):
        values |= {
            *np.unique(RandomColor(0.2, image_format).get_transform(image).apply_image(image))
        }
    assert 79 <= min(values) < 90
    assert 110 < max(values) <= 120


def test_strength_0_changes_nothing():
    image = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    result = RandomColor(0.0).get_transform(image).apply_image(image)
    np.testing.assert_array_equal(result, image)
