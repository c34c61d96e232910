from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import EventStorage

from locount.config import load_config
from locount.modeling.one_stage.reppoints.head import LevelPredictions

from ....overfit import needs_packs, overfit

CONFIGS = Path(__file__).parents[4] / "configs"


@pytest.fixture
def cfg():
    """A narrow network of three classes, p4 to p7."""
    return load_config(
        str(CONFIGS / "Shelf/reppoints_cls_small.yaml"),
        [
            *("MODEL.DEVICE", "cpu", "MODEL.TIMM.NAME", "test_resnet"),
            *("MODEL.FPN.OUT_CHANNELS", 32, "MODEL.REPPOINTS.CONV_DIM", 32),
            *("MODEL.REPPOINTS.NUM_CLASSES", 3, "MODEL.COUNT_HEAD.BASE", 10),
        ],
    )


def predictions(num_count_outputs):
    """One 64 x 64 image where nothing is: levels of 4 x 4, 2 x 2, 1 x 1 and 1 x 1 locations."""
    return [
        LevelPredictions(
            logits=torch.full((1, 3, n, n), -10.0),
            init=torch.zeros(1, 18, n, n),
            refined=torch.zeros(1, 18, n, n),
            counts=torch.zeros(1, num_count_outputs, n, n),
        )
        for n in (4, 2, 1, 1)
    ]


def place(level, row, column, *, width, height, label, logit, count):
    """Make a location predict a box around its center, in strides."""
    points = torch.linspace(-1, 1, 9)
    points /= points.std()  # the box of such points is from -1 to 1
    level.refined[0, 0::2, row, column] = points * height / 2
    level.refined[0, 1::2, row, column] = points * width / 2
    level.logits[0, label, row, column] = logit
    level.counts[0, count, row, column] = 10.0


def infer(cfg, levels):
    images = ImageList(torch.zeros(1, 3, 64, 64), [(64, 64)])
    return build_model(cfg).eval().forward_inference(images, [], levels)[0]


def test_boxes_and_counts_are_those_of_their_location(cfg):
    levels = predictions(100)
    # p4, row 1, column 2: around (32, 16), 1 x 2 strides of 16.
    place(levels[0], 1, 2, width=1, height=2, label=2, logit=1.0, count=12)
    # p5, row 1, column 0: around (0, 32), 2 x 1 strides of 32.
    place(levels[1], 1, 0, width=2, height=1, label=0, logit=3.0, count=7)
    found = infer(cfg, levels)
    expected = torch.tensor([[-32.0, 16, 32, 48], [24, 0, 40, 32]])
    torch.testing.assert_close(found.pred_boxes.tensor, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.scores, torch.tensor([3.0, 1.0]).sigmoid())
    assert found.pred_classes.tolist() == [0, 2]
    assert found.pred_counts.tolist() == [7, 12]


def test_of_two_boxes_of_a_class_that_overlap_the_better_one_stays_with_its_count(cfg):
    levels = predictions(100)
    # Both 48 x 48, 16 apart: IoU 32 / 64 = 0.5. A third at the same place, of another class.
    cfg.MODEL.REPPOINTS.NMS_THRESH_TEST = 0.49
    place(levels[0], 2, 1, width=3, height=3, label=1, logit=1.0, count=3)
    place(levels[0], 2, 2, width=3, height=3, label=1, logit=2.0, count=4)
    place(levels[0], 2, 2, width=3, height=3, label=0, logit=0.0, count=4)
    found = infer(cfg, levels)
    assert found.pred_classes.tolist() == [1, 0]
    assert found.pred_counts.tolist() == [4, 4]


def test_no_more_detections_than_asked_for(cfg):
    cfg.TEST.DETECTIONS_PER_IMAGE = 2
    levels = predictions(100)
    for column, logit in enumerate((1.0, 3.0, 2.0)):
        place(levels[0], 0, column, width=1, height=1, label=0, logit=logit, count=column + 1)
    assert infer(cfg, levels).pred_counts.tolist() == [2, 3]


def test_nothing_found_has_all_fields(cfg):
    found = infer(cfg, predictions(100))
    assert len(found) == 0
    assert found.pred_counts.dtype == torch.int64
    assert found.pred_boxes.tensor.shape == (0, 4)


def test_losses_are_zero_at_the_ground_truth_and_known_beside_it(cfg):
    levels = predictions(100)
    # 32 x 32 around (16, 32): too small for any level, so the first, at row 2, column 1.
    place(levels[0], 2, 1, width=2, height=2, label=2, logit=10.0, count=12)
    levels = [level._replace(init=level.refined) for level in levels]
    targets = Instances((64, 64), gt_boxes=Boxes(torch.tensor([[0.0, 16, 32, 48]])))
    targets.gt_classes, targets.gt_counts = torch.tensor([2]), torch.tensor([12])
    model = build_model(cfg)
    features = [level.logits for level in levels]  # only their sizes count
    with EventStorage():
        losses = model.forward_training(None, features, levels, [targets])
    # But for the small constant in the variance.
    assert losses["loss_points_init"] + losses["loss_points_refine"] < 1e-9
    # Every logit is far on its side, and so is that of bin 12: exp(-10) each.
    assert losses["loss_cls"] < 1e-6
    assert losses["loss_count"] < 0.01

    targets.gt_boxes.tensor += 4
    with EventStorage():
        moved = model.forward_training(None, features, levels, [targets])
    # Each of four coordinates is off by 4 of 4 * 16 pixels: 1 / 16, below beta = 0.11. The IoU is
    # 28 * 28 / (2 * 32 * 32 - 28 * 28) = 0.62. The first stage has the weight 0.5.
    expected = torch.tensor(4 * (1 / 16) ** 2 / 2 / 0.11)
    torch.testing.assert_close(moved["loss_points_refine"], expected, rtol=1e-4, atol=0)
    torch.testing.assert_close(moved["loss_points_init"], expected / 2, rtol=1e-4, atol=0)


def test_a_batch_with_an_empty_image_trains_every_part(cfg, batch):
    model = build_model(cfg)
    with EventStorage():
        losses = model(batch)
    names = {"loss_cls", "loss_points_init", "loss_points_refine", "loss_count"}
    assert losses.keys() == names
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_images_without_objects_train_the_class_alone(cfg, batch):
    batch[1]["instances"].remove("gt_counts")
    with EventStorage():
        losses = build_model(cfg)([batch[1]] * 2)
    assert losses.pop("loss_cls") > 0
    assert all(loss == 0 for loss in losses.values())
    sum(losses.values()).backward()


@pytest.mark.slow
@needs_packs
def test_learns_four_photos_by_heart(tmp_path):
    small = ["MODEL.TIMM.NAME", "test_resnet", "SOLVER.AMP.ENABLED", True]
    cfg = load_config(str(CONFIGS / "Shelf/reppoints_cls_small.yaml"), small)
    assert overfit(cfg, 250, tmp_path) > 80
