import numpy as np
import pytest
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.structures import Boxes, BoxMode, pairwise_iou

from locount import add_locount_config
from locount.data.anchor_fitting import Anchors, best_anchors, fit_anchors, recall, training_shapes
from locount.errors import InputError


@pytest.fixture
def cfg():
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.MODEL.RPN.IN_FEATURES = ["p2", "p3"]
    return cfg


def test_shapes_are_those_of_the_anchor_generator(cfg):
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[16, 24], [32, 48]]
    cfg.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS = [[0.5, 1.0, 3.0]]
    levels = DefaultAnchorGenerator(cfg, [ShapeSpec(stride=4), ShapeSpec(stride=8)]).cell_anchors
    corners = np.concatenate([level.numpy() for level in levels])
    expected = corners[:, 2:] - corners[:, :2]
    np.testing.assert_allclose(Anchors.from_config(cfg).shapes, expected, rtol=1e-5)


def test_two_shapes_are_found_exactly():
    # 20 x 40 has side sqrt(800) and ratio 2; 90 x 30 has side sqrt(2700) and ratio 1/3.
    shapes = np.array([[20.0, 40.0]] * 5 + [[90.0, 30.0]] * 2)
    anchors = fit_anchors(shapes, num_levels=2, num_sizes=1, num_ratios=1)
    np.testing.assert_allclose(np.sort(anchors.sizes[:, 0]), np.sqrt([800, 2700]))
    np.testing.assert_allclose(sorted(anchors.shapes.tolist()), [[20, 40], [90, 30]])
    assert recall(shapes, anchors) == pytest.approx(
        {"IoU ≥ 0.5": 100, "IoU ≥ 0.7": 100, "mean IoU": 100}
    )


def test_sizes_and_ratios_of_a_grid_of_shapes_are_found():
    # a level that has two sizes and two ratios can express these four shapes
    shapes = np.array([[s / r**0.5, s * r**0.5] for s in (20.0, 60.0) for r in (0.5, 2.0)])
    anchors = fit_anchors(np.repeat(shapes, 3, axis=0), num_levels=1, num_sizes=2, num_ratios=2)
    np.testing.assert_allclose(anchors.rounded().sizes, [[20, 60]])
    np.testing.assert_allclose(anchors.rounded().ratios, [[0.5, 2]])


def test_recall_by_hand():
    # With an anchor of 10 x 10: 10 x 5 has IoU 0.5, 20 x 20 has 0.25, 10 x 8 has 0.8.
    shapes = np.array([[10.0, 5], [20, 20], [10, 8], [10, 10]])
    expected = {"IoU ≥ 0.5": 75, "IoU ≥ 0.7": 50, "mean IoU": 100 * (0.5 + 0.25 + 0.8 + 1) / 4}
    anchors = Anchors(sizes=np.array([[10.0]]), ratios=np.array([[1.0]]))
    assert recall(shapes, anchors) == pytest.approx(expected)
    assert np.isnan(list(recall(shapes[:0], anchors).values())).all()


def test_best_anchors_equal_those_of_boxes_with_a_common_corner():
    rng = np.random.default_rng(0)
    shapes, anchors = rng.uniform(1, 50, (30, 2)), rng.uniform(1, 50, (7, 2))
    a, b = (Boxes(np.concatenate([np.zeros_like(x), x], axis=1)) for x in (shapes, anchors))
    expected = pairwise_iou(a, b).numpy()
    place, iou = best_anchors(shapes, anchors)
    assert place.tolist() == expected.argmax(axis=1).tolist()
    np.testing.assert_allclose(iou, expected.max(axis=1), rtol=1e-4)


def test_fitting_never_lowers_the_mean_iou_of_its_start_and_repeats_itself():
    shapes = np.random.default_rng(0).lognormal(3, 0.6, (300, 2))
    anchors = fit_anchors(shapes, 3, 1, 3, seed=1)
    again = fit_anchors(shapes, 3, 1, 3, seed=1)
    assert (anchors.shapes == again.shapes).all()
    one = fit_anchors(shapes, 1, 1, 1)
    assert recall(shapes, anchors)["mean IoU"] > recall(shapes, one)["mean IoU"]


def test_more_anchors_than_shapes():
    anchors = fit_anchors(np.array([[8.0, 8.0]]), 2, 1, 3)
    np.testing.assert_allclose(anchors.shapes, 8)


def record(*boxes, height=100, width=200):
    annotations = [
        {"bbox": list(box), "bbox_mode": BoxMode.XYXY_ABS, "iscrowd": crowd}
        for *box, crowd in boxes
    ]
    return {"height": height, "width": width, "annotations": annotations}


def test_shapes_are_in_the_pixels_of_each_training_size(cfg):
    # The short side of 100 becomes 50 and 200; the long one, 200, is then 100 and 400, which is
    # held at 300: 1.5 times. The crowd is left out, and an image without boxes adds none.
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN = (50, 200), 300
    records = [record((10, 10, 30, 50, 0), (0, 0, 9, 9, 1)), record()]
    assert training_shapes(records, cfg).tolist() == [[10, 20], [30, 60]]
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING = (50, 130), "range"
    widths = training_shapes(records[:1], cfg)[:, 0]  # of 50, 70, 90, 110 and 130
    np.testing.assert_allclose(widths, [10, 14, 18, 22, 26])
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING = (0,), "choice"
    assert training_shapes(records, cfg).tolist() == [[20, 40]]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MODEL.META_ARCHITECTURE", "FCOS"),
        ("MODEL.ANCHOR_GENERATOR.SIZES", [[1], [2], [3]]),
        ("MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS", [[1.0], [1.0, 2.0]]),
        ("MODEL.ANCHOR_GENERATOR.NAME", "RotatedAnchorGenerator"),
    ],
)
def test_the_key_that_does_not_fit_is_named(cfg, key, value):
    cfg.merge_from_list([key, value])
    with pytest.raises(InputError, match=key):
        Anchors.from_config(cfg)
