import copy
import math
from pathlib import Path

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_model
from detectron2.structures import ImageList
from detectron2.utils.events import EventStorage

from locount.config import load_config
from locount.errors import InputError
from locount.modeling.one_stage.yolo.anchors import Levels, anchor_grid
from locount.modeling.one_stage.yolo.head import YOLOHead
from locount.modeling.one_stage.yolo.losses import Predictions
from locount.modeling.one_stage.yolo.yolo import class_scores
from locount.training.mixed_precision import train_in_mixed_precision

from ....overfit import needs_packs, overfit

CONFIGS = Path(__file__).parents[4] / "configs" / "Shelf"

ADDED = {"loss_iou", "loss_iou_aware"}
LOSSES = {
    "yolov3_small": {"loss_objectness", "loss_cls", "loss_xy", "loss_wh"},
    "ppyolo_small": {"loss_objectness", "loss_cls", "loss_xy", "loss_wh"} | ADDED,
}


def tiny_cfg(name, *opts):
    """Two levels of a narrow neck on half of a ResNet-18, three classes."""
    return load_config(
        str(CONFIGS / f"{name}.yaml"),
        [
            *("MODEL.DEVICE", "cpu", "MODEL.YOLO.NUM_CLASSES", 3, "MODEL.YOLO.NECK_CHANNELS", 16),
            *("MODEL.YOLO.IN_FEATURES", ["res3", "res4"], "MODEL.YOLO.SCORE_THRESH_TEST", 0.0),
            *("MODEL.YOLO.ANCHORS", [[[8, 8], [16, 16]], [[32, 32], [48, 32]]], *opts),
        ],
    )


@pytest.fixture(params=LOSSES)
def name(request):
    return request.param


def train(model, batch):
    with EventStorage():
        losses = model.train()(batch)
    sum(losses.values()).backward()
    return losses


def test_everything_is_trained(name, batch):
    model = build_model(tiny_cfg(name))
    assert train(model, batch).keys() == LOSSES[name]
    assert all(p.grad is not None for p in model.parameters())


def test_images_without_objects_are_trained_on(name, batch):
    losses = train(build_model(tiny_cfg(name)), batch[1:] * 2)
    assert losses.pop("loss_objectness") > 0
    assert all(loss == 0 for loss in losses.values())


def test_detections_are_in_the_pixels_of_the_photo(name, batch):
    # 64 x 64 is padded to nothing more; shown at half of the height.
    cfg = tiny_cfg(name, "TEST.DETECTIONS_PER_IMAGE", 20)
    model = build_model(cfg).eval()
    with torch.no_grad():
        same, half = model([batch[0], {**batch[0], "height": 32}])
    same, half = same["instances"], half["instances"]
    assert (same.image_size, half.image_size) == ((64, 64), (32, 64))
    assert 0 < len(same) <= 20
    assert (same.scores.diff() <= 0).all()
    first = same.pred_boxes.tensor[0] * torch.tensor([1, 0.5, 1, 0.5])
    torch.testing.assert_close(half.pred_boxes.tensor[0], first)


def test_losses_in_mixed_precision_are_nearly_those_of_float32(name, batch):
    torch.manual_seed(0)  # else a prediction at the very threshold of being ignored could flip
    model = build_model(tiny_cfg(name, "MODEL.YOLO.DROP_BLOCK", 0.0))
    mixed = copy.deepcopy(model)
    train_in_mixed_precision(mixed)
    expected, losses = train(model, batch), train(mixed, batch)
    for key, loss in losses.items():
        assert loss.dtype == torch.float32
        # bfloat16 has 8 significant bits: 0.4 % in each of some twenty layers.
        torch.testing.assert_close(loss, expected[key], rtol=0.1, atol=0.05)
    assert any(not torch.equal(loss, expected[key]) for key, loss in losses.items())


def test_predictions_are_in_the_order_of_the_grid():
    # Objectness of the second anchor says 10 times the row plus the column, all else 0.
    head = YOLOHead(
        input_shape=[ShapeSpec(channels=1), ShapeSpec(channels=1)],
        num_anchors=2,
        num_classes=3,
        ious=False,
    )
    for output in head.outputs:
        torch.nn.init.zeros_(output.weight)
        torch.nn.init.zeros_(output.bias)
        output.weight.data.view(2, 8)[1, 4] = 1.0
    maps = [10 * torch.arange(h)[:, None] + torch.arange(w) for h, w in ((2, 3), (1, 2))]
    said = head([m[None, None].float() for m in maps]).objectness[0]
    grid = anchor_grid(Levels(torch.ones(2, 2, 2), [8, 16], [m.shape for m in maps]))
    expected = 10 * grid.cells[:, 1] + grid.cells[:, 0]
    expected[::2] = 0
    assert torch.equal(said, expected)


def test_training_starts_with_few_objects(batch):
    model = build_model(tiny_cfg("yolov3_small"))
    for output in model.head.outputs:
        torch.nn.init.zeros_(output.weight)
    said = model.head([torch.rand(1, 2 * 8, 4, 4), torch.rand(1, 2 * 16, 2, 2)])
    torch.testing.assert_close(said.objectness.sigmoid(), torch.full((1, 40), 0.01))


@pytest.mark.parametrize("name", ["convnext_atto", "tf_efficientnet_lite0"])
def test_only_the_last_stage_of_a_resnet_can_be_deformable(name):
    with pytest.raises(InputError, match=rf"MODEL\.YOLO\.DEFORMABLE.*{name}"):
        build_model(tiny_cfg("ppyolo_small", "MODEL.TIMM.NAME", name))


@needs_packs
@pytest.mark.slow
def test_four_photos_are_learnt_by_heart(name, tmp_path):
    cfg = load_config(str(CONFIGS / f"{name}.yaml"), ["SOLVER.AMP.ENABLED", True])
    assert overfit(cfg, 100, tmp_path) > 80


def predictions(classes, ious=None):
    """One prediction of one image."""
    nothing = torch.zeros(1, 1, 2)
    classes = torch.tensor([[classes]])
    return Predictions(nothing, nothing, torch.zeros(1, 1), classes, ious)


def test_a_score_is_objectness_times_class():
    scores = class_scores(predictions([0.0, math.log(3)]), 0.4)
    torch.testing.assert_close(scores, torch.tensor([[[0.25, 0.375]]]))


def test_a_predicted_iou_shares_in_objectness():
    # sigmoid(ln 3) is 3/4.
    scores = class_scores(predictions([0.0], torch.tensor([[math.log(3)]])), 0.4)
    assert scores.item() == pytest.approx(0.5**0.6 * 0.75**0.4 * 0.5)


def test_boxes_end_at_the_image():
    model = build_model(tiny_cfg("yolov3_small")).eval()
    features = [torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 4, 4)]  # only their sizes count
    number = 2 * (8 * 8 + 4 * 4)
    nothing = torch.zeros(1, number, 2)
    everywhere = Predictions(
        nothing, nothing + 9, torch.zeros(1, number), torch.zeros(1, number, 3), None
    )
    found = model.forward_inference(ImageList(torch.zeros(1), [(60, 50)]), features, everywhere)
    # Each is 62.5 times as large as its anchor; one of each class is left.
    assert found[0].pred_boxes.tensor.tolist() == [[0, 0, 50, 60]] * 3
