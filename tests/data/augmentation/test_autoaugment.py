import numpy as np
import pytest
from PIL import Image, ImageEnhance

from locount.data.augmentation import AutoAugment, CountAugInput
from locount.data.augmentation.autoaugment import POLICIES
from locount.data.augmentation.color import color_operations
from locount.data.augmentation.operations import BOX_OPERATIONS, IMAGE_OPERATIONS

# Two magenta objects, one of them at the edge, on a picture of no red.
BOXES = np.array([[100, 60, 180, 140], [0, 120, 60, 200]])
GEOMETRY = (*IMAGE_OPERATIONS, *BOX_OPERATIONS)


def seed(value):
    np.random.seed(value)  # noqa: NPY002, the state that Detectron2 draws from


def shelf():
    image = np.zeros((240, 320, 3), np.uint8)
    image[..., 1] = np.arange(320) % 200
    for x1, y1, x2, y2 in BOXES:
        image[y1:y2, x1:x2] = (255, 0, 255)
    return image


def augmented(policy, image=None, **options):
    aug_input = CountAugInput(shelf() if image is None else image, boxes=BOXES)
    AutoAugment(policy, **options)(aug_input)
    return aug_input


def magenta(image):
    """Boxes around the two objects, or what is left of them, and their numbers of pixels.

    The first stays right of the other one, by which they are told apart.
    """
    seen = (image[..., 2] > 200) & (image[..., 1] < 60)
    gap = np.flatnonzero(~seen.any(axis=0))
    gap = gap[gap > np.flatnonzero(seen.any(axis=0))[0]][0]
    found = []
    for columns in (slice(gap, None), slice(0, gap)):
        y, x = np.nonzero(seen[:, columns])
        x = x + columns.start
        found.append(([x.min(), y.min(), x.max() + 1, y.max() + 1], len(x)))
    return found


@pytest.mark.parametrize("name", GEOMETRY)
@pytest.mark.parametrize("draw", range(4))
def test_boxes_and_shares_are_those_of_the_pixels(name, draw):
    # Both ways, at levels that leave something of both objects. Operations on boxes have a third of
    # the probability for each.
    seed(draw)
    aug_input = augmented([[(name, 3.0, 3)]])
    assert not np.array_equal(aug_input.image, shelf())
    for box, visible, (expected, pixels) in zip(
        aug_input.boxes, aug_input.visible, magenta(aug_input.image), strict=True
    ):
        assert np.abs(box - expected).max() <= 2, (name, box, expected)
        if "Rotate" not in name and name not in ("ShearX", "ShearY"):
            # Of an object of 80 x 80 and one of 60 x 80; the edges of slanting ones are blurred.
            assert visible == pytest.approx(pixels / (6400 if expected[0] > 60 else 4800), abs=0.03)


@pytest.mark.parametrize("policy", POLICIES)
def test_boxes_stay_in_the_image_whatever_a_policy_draws(policy):
    for sub_policy in POLICIES[policy]:
        for draw in range(3):
            seed(draw)
            aug_input = augmented([[(name, 3.0, level) for name, _, level in sub_policy]])
            assert aug_input.image.shape == (240, 320, 3)
            assert aug_input.image.dtype == np.uint8
            assert (aug_input.boxes >= 0).all()
            assert (aug_input.boxes <= [320, 240, 320, 240]).all()
            assert (aug_input.boxes[:, 2:] >= aug_input.boxes[:, :2]).all()
            assert ((aug_input.visible >= 0) & (aug_input.visible <= 1 + 1e-9)).all()


def test_the_same_seed_gives_the_same_picture():
    results = []
    for _ in range(2):
        seed(5)
        results.append([augmented("v1") for _ in range(20)])
    for first, second in zip(*results, strict=True):
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(first.boxes, second.boxes)
    assert len({r.image.tobytes() for r in results[0]}) > 10


def test_an_operation_of_probability_0_changes_nothing():
    for name in (*GEOMETRY, "Equalize", "BoxEqualize"):
        aug_input = augmented([[(name, 0.0, 10)]])
        np.testing.assert_array_equal(aug_input.image, shelf())


def test_colors_are_those_of_pillow_in_either_order_of_channels():
    image = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    # Level 10 is a strength of 0.1 + 1.8.
    expected = np.asarray(ImageEnhance.Color(Image.fromarray(image)).enhance(1.9))
    policy = [[("Color", 1.0, 10)]]
    rgb = augmented(policy, image, image_format="RGB").image
    bgr = augmented(policy, np.ascontiguousarray(image[..., ::-1]), image_format="BGR").image
    np.testing.assert_array_equal(rgb, expected)
    np.testing.assert_array_equal(bgr[..., ::-1], expected)


def test_solarize_add_makes_dark_values_brighter():
    image = np.array([[[100, 130, 250]]], np.uint8).repeat(4, axis=0)
    # 11 for each level, below 128
    result = augmented([[("SolarizeAdd", 1.0, 10)]], image).image
    assert result[0, 0].tolist() == [210, 130, 250]


def test_the_policies_use_every_operation():
    used = {name for policy in POLICIES.values() for sub in policy for name, _, _ in sub}
    assert used == {*GEOMETRY, "BoxEqualize", *color_operations("RGB")}


def test_equalizing_boxes_leaves_the_rest():
    seed(0)
    result = augmented([[("BoxEqualize", 3.0, 0)]], shelf() // 2).image
    outside = np.ones((240, 320), bool)
    for x1, y1, x2, y2 in BOXES:
        outside[y1:y2, x1:x2] = False
    np.testing.assert_array_equal(result[outside], (shelf() // 2)[outside])


def test_an_image_without_boxes():
    for policy in POLICIES:
        for draw in range(20):
            seed(draw)
            aug_input = CountAugInput(shelf(), boxes=np.zeros((0, 4)))
            AutoAugment(policy)(aug_input)
            assert aug_input.boxes.shape == (0, 4)


def test_a_format_of_other_channels_is_refused():
    with pytest.raises(ValueError, match="'L'; it must be one of"):
        AutoAugment("v0", "L")
