"""RetinaNet and FCOS: Detectron2's own, and with counts."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.modeling.meta_arch.fcos import FCOS
from detectron2.modeling.meta_arch.retinanet import RetinaNet
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from locount.config import load_config
from locount.counting import IGNORED_COUNT
from locount.modeling import CountingFCOS, CountingRetinaNet
from locount.modeling.one_stage import retinanet_fcos
from locount.training.mixed_precision import train_in_mixed_precision

CONFIGS = Path(__file__).parents[3] / "configs"

DETECTORS = {"RetinaNet": CountingRetinaNet, "FCOS": CountingFCOS}
PLAIN = {"RetinaNet": RetinaNet, "FCOS": FCOS}


@pytest.fixture(params=list(DETECTORS))
def name(request):
    return request.param


def make_cfg(name, **count_head):
    """Two levels, of strides 16 and 32: on a 64 x 64 image 4 x 4 and 2 x 2 locations."""
    cfg = load_config(str(CONFIGS / f"Base-{name}.yaml"))
    model, node = cfg.MODEL, cfg.MODEL[name.upper()]
    model.DEVICE, model.WEIGHTS = "cpu", ""
    model.BACKBONE.FREEZE_AT = 0
    model.RESNETS.DEPTH, model.RESNETS.RES2_OUT_CHANNELS = 18, 64
    model.RESNETS.NORM = "GN"
    model.FPN.OUT_CHANNELS = 32
    model.ANCHOR_GENERATOR.SIZES = [[16], [32]]
    node.IN_FEATURES = ["p4", "p5"]
    node.NUM_CLASSES, node.NUM_CONVS = 3, 1
    node.SCORE_THRESH_TEST = 0.0
    node.NMS_THRESH_TEST = 1.0
    model.COUNT_HEAD.STRATEGY = "classification"
    for key, value in count_head.items():
        model.COUNT_HEAD[key] = value
    return cfg


def train(model, batch):
    with EventStorage():
        return model.train()(batch)


@torch.no_grad()
def predict(model, batch):
    return [output["instances"] for output in model.eval()(batch)]


def test_without_counting_it_is_detectron2s(name, batch):
    ours = build_model(make_cfg(name, STRATEGY="none"))
    arguments = DETECTORS[name].from_config(make_cfg(name, STRATEGY="none"))
    assert arguments.pop("count_loss") is arguments.pop("count_decoder") is None
    plain = PLAIN[name](**arguments)
    weights = ours.state_dict()
    del weights["loss_normalizer"]
    plain.load_state_dict(weights)  # strict: the same parameters
    objects = batch[:1]  # v0.6's FCOS can't do without
    torch.testing.assert_close(train(ours, objects), train(plain, objects))
    (found,), (expected,) = predict(ours, objects), predict(plain, objects)
    assert len(found) > 0
    assert torch.equal(found.pred_boxes.tensor, expected.pred_boxes.tensor)
    assert torch.equal(found.scores, expected.scores)
    assert found.get_fields().keys() == expected.get_fields().keys()


def test_counting_changes_neither_classes_nor_boxes(name, batch):
    counting, plain = build_model(make_cfg(name)), build_model(make_cfg(name, STRATEGY="none"))
    loaded = plain.load_state_dict(counting.state_dict(), strict=False)
    assert not loaded.missing_keys
    assert {key.split(".")[-2] for key in loaded.unexpected_keys} == {"count_pred"}
    losses, expected_losses = train(counting, batch), train(plain, batch)
    assert losses.pop("loss_count") > 0
    assert losses == expected_losses
    for found, expected in zip(predict(counting, batch), predict(plain, batch), strict=True):
        assert torch.equal(found.pred_boxes.tensor, expected.pred_boxes.tensor)
        assert torch.equal(found.scores, expected.scores)
        assert found.has("pred_counts")


class _Position(torch.nn.Module):
    """Instead of a counting convolution: certain of 1 + the place of a location in its level."""

    def forward(self, features):
        n, _, h, w = features.shape
        bins = torch.nn.functional.one_hot(torch.arange(1, h * w + 1).view(h, w), 100)
        return 99.0 * bins.permute(2, 0, 1).expand(n, -1, -1, -1)


@pytest.mark.parametrize("topk", [1000, 5])
def test_each_detection_has_the_count_of_its_location(name, batch, topk):
    # Every anchor predicts its own box, so that a detection's box says which anchor it is from.
    cfg = make_cfg(name, MAX_COUNT=99)
    cfg.MODEL[name.upper()].TOPK_CANDIDATES_TEST = topk
    cfg.MODEL[name.upper()].NMS_THRESH_TEST = 0.5
    model = build_model(cfg)
    torch.nn.init.zeros_(model.head.bbox_pred.weight)
    if name == "FCOS":  # whose anchors have the side of a stride
        torch.nn.init.constant_(model.head.bbox_pred.bias, 0.5)
    torch.nn.init.normal_(model.head.cls_score.weight, std=1.0)
    model.head.count_pred = _Position()
    num_anchors = model.head.cls_score.out_channels // 3
    levels = model.anchor_generator([torch.zeros(1, 32, 4, 4), torch.zeros(1, 32, 2, 2)])
    for detections in predict(model, batch):
        assert len(detections) > 0
        for box, count in zip(detections.pred_boxes.tensor, detections.pred_counts, strict=True):
            assert count in [
                place // num_anchors + 1
                for level in levels
                for place, anchor in enumerate(level.tensor)
                if torch.allclose(anchor.clamp(0, 64), box, atol=1e-3)
            ]


def test_each_anchor_is_trained_with_the_outputs_of_its_location(name, batch, monkeypatch):
    # The anchors of object c are those of location c - 1 of both levels, and outputs are certain of
    # that place: nothing is lost.
    model = build_model(make_cfg(name, MAX_COUNT=99))
    num_anchors = model.head.cls_score.out_channels // 3
    model.head.count_pred = _Position()
    counts = torch.tensor([*range(1, 17), *range(1, 5)]).repeat_interleave(num_anchors)
    monkeypatch.setattr(
        retinanet_fcos,
        "_classes_and_counts",
        lambda labels, k: (labels.clamp(max=k), counts.expand_as(labels)),
    )
    assert train(model, batch)["loss_count"] < 1e-6


def make_targets(boxes, counts):
    return Instances(
        (64, 64),
        gt_boxes=Boxes(torch.tensor(boxes)),
        gt_classes=torch.zeros(len(boxes), dtype=torch.int64),
        gt_counts=torch.tensor(counts),
    )


def test_anchors_learn_the_count_of_the_object_that_they_find(name, batch, monkeypatch):
    # The locations of p4 are 16 pixels apart, so that some are within each object of 24.
    model = build_model(make_cfg(name))
    targets = [make_targets([[4.0, 4, 28, 28], [36, 36, 60, 60]], [12, 3])]
    targets[0].gt_classes = torch.tensor([2, 0])
    targets.append(batch[1]["instances"])
    anchors = model.anchor_generator([torch.zeros(2, 32, 4, 4), torch.zeros(2, 32, 2, 2)])
    expected, boxes = model.label_anchors(anchors, targets)
    seen = {}

    def losses(anchors, logits, labels, deltas, boxes, *others):
        seen["classes"] = labels
        return {}

    def count_loss(loss, levels, gt_counts):
        seen["counts"] = gt_counts

    monkeypatch.setattr(model, "losses", losses)
    monkeypatch.setattr(retinanet_fcos, "dense_count_loss", count_loss)
    for image, objects in zip(batch, targets, strict=True):
        image["instances"] = objects
    train(model, batch)
    classes, counts = seen["classes"], seen["counts"]
    assert all(map(torch.equal, classes, expected))
    foreground = (classes[0] >= 0) & (classes[0] < 3)
    tops = getattr(boxes[0], "tensor", boxes[0])[foreground, 1]  # v0.6's FCOS has Boxes here
    assert set(tops.tolist()) == {4, 36}
    assert counts[0][foreground].tolist() == [12 if top == 4 else 3 for top in tops]
    assert (counts[0][~foreground] == IGNORED_COUNT).all()
    assert (counts[1] == IGNORED_COUNT).all()


def test_class_and_count_in_one_label():
    objects = make_targets([[0.0, 0, 1, 1]] * 3, [1, IGNORED_COUNT, 56])
    objects.gt_classes = torch.tensor([0, 1, 2])
    joined = retinanet_fcos._label_with_counts(objects, 3).gt_classes
    labels = torch.cat([joined, torch.tensor([3, -1])])  # and background, and what is ignored
    classes, counts = retinanet_fcos._classes_and_counts(labels, 3)
    assert classes.tolist() == [0, 1, 2, 3, -1]
    assert counts.tolist() == [1, IGNORED_COUNT, 56, IGNORED_COUNT, IGNORED_COUNT]


def test_anchors_are_labelled_once(name, batch, monkeypatch):
    model, calls = build_model(make_cfg(name)), []
    label_anchors = model.label_anchors
    monkeypatch.setattr(model, "label_anchors", lambda *a: calls.append(a) or label_anchors(*a))
    train(model, batch)
    assert len(calls) == 1


def with_batch_norm(name):
    """A detector with batch norm in its head, whose levels have statistics that differ."""
    cfg = make_cfg(name)
    cfg.MODEL[name.upper()].NORM = "BN"
    model = build_model(cfg)
    torch.nn.init.normal_(model.head.cls_score.weight, std=1.0)
    for module in model.head.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean)
    return model.eval()


def test_a_failed_call_changes_no_later_one(name, batch):
    model = with_batch_norm(name)
    expected = predict(model, batch)
    hook = model.head.cls_score.register_forward_hook(lambda *_: 1 / 0)  # on the first level
    with pytest.raises(ZeroDivisionError):
        predict(model, batch)
    hook.remove()
    for found, wanted in zip(predict(model, batch), expected, strict=True):
        assert torch.equal(found.scores, wanted.scores)


def test_threads_do_not_get_each_others_levels(name, batch):
    model = with_batch_norm(name)
    (expected,) = predict(model, batch[:1])
    # In each call the second one runs as a whole before the first one's second level.
    nested = []

    def call(*_):
        if not nested:
            nested.append(None)
            with ThreadPoolExecutor(1) as pool:
                nested.append(pool.submit(predict, model, batch[:1]).result())

    model.head.cls_score.register_forward_hook(call)
    (found,) = predict(model, batch[:1])
    for detections in (found, nested[1][0]):
        assert torch.equal(detections.scores, expected.scores)


@pytest.mark.parametrize("norm", ["", "GN", "BN"])
def test_norms_of_the_head_train(name, batch, norm):
    cfg = make_cfg(name)
    cfg.MODEL[name.upper()].NORM = norm
    model = build_model(cfg)
    sum(train(model, batch).values()).backward()
    assert all(p.grad is not None for p in model.head.parameters())


def test_the_normalizer_of_the_losses_is_in_the_checkpoint(name, batch):
    model, resumed = build_model(make_cfg(name)), build_model(make_cfg(name))
    for _ in range(5):
        train(model, batch)
    first = resumed.loss_normalizer.clone()
    assert model.loss_normalizer != first
    resumed.load_state_dict(model.state_dict())
    torch.testing.assert_close(train(resumed, batch), train(model, batch))


def test_a_checkpoint_without_the_normalizer_loads_with_detectron2s(name):
    model = build_model(make_cfg(name))
    weights = model.state_dict()
    del weights["loss_normalizer"]
    model.load_state_dict(weights)
    assert model.loss_normalizer == {"RetinaNet": 100, "FCOS": 300}[name]


def test_an_unknown_count_trains_box_and_class_alone(name, batch):
    batch[0]["instances"].gt_counts[:] = IGNORED_COUNT
    losses = train(build_model(make_cfg(name)), batch)
    assert losses["loss_count"] == 0
    assert all(loss > 0 for key, loss in losses.items() if key != "loss_count")


@pytest.mark.parametrize("strategy", ["classification", "regression", "none"])
def test_images_without_objects_train(name, batch, strategy):
    model = build_model(make_cfg(name, STRATEGY=strategy))
    losses = train(model, batch[1:] * 2)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(p.grad is not None for p in model.head.parameters())
    assert losses.get("loss_count", 0) == 0


def test_targets_without_counts_are_refused(name, batch):
    batch[0]["instances"].remove("gt_counts")
    with pytest.raises(ValueError, match=r"gt_counts.*LocountDatasetMapper"):
        train(build_model(make_cfg(name)), batch)


def test_nothing_found_has_every_field(name, batch):
    cfg = make_cfg(name, DECODE="expected_ac", RANKING="joint")
    cfg.MODEL[name.upper()].SCORE_THRESH_TEST = 1.0
    (detections, _) = predict(build_model(cfg), batch)
    assert len(detections) == 0
    assert detections.pred_counts.dtype == torch.int64


def test_losses_in_bfloat16_are_nearly_those_of_float32(name, batch):
    torch.manual_seed(0)  # else a label at the very threshold of a matcher could flip
    model = build_model(make_cfg(name))
    expected = train(model, batch)
    model.loss_normalizer.fill_(model.INITIAL_NORMALIZER)  # a running mean over the steps
    train_in_mixed_precision(model)
    losses = train(model, batch)
    for key, loss in losses.items():
        # 8 significant bits: 0.4 % in each of some twenty layers.
        torch.testing.assert_close(loss, expected[key], rtol=0.05, atol=0.005)
        assert loss.dtype == torch.float32


def test_retinanet_labels_anchors_as_detectron2(batch):
    model = build_model(make_cfg("RetinaNet"))
    anchors = model.anchor_generator([torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2)])
    # Of the anchors at (32, 32), of 32 x 32, 45 x 23 and 23 x 45, the IoUs with the first object
    # are 0.75, 0.53 and 0.43, which is ignored.
    boxes = [[16.0, 16, 48, 40], [-4, -4, 20, 20], [50, 50, 60, 64]]
    objects = Instances((64, 64), gt_boxes=Boxes(torch.tensor(boxes)))
    objects.gt_classes = torch.tensor([2, 1, 0])
    gt_instances = [objects, objects[:0]]
    labels, matched = model.label_anchors(anchors, gt_instances)
    expected_labels, expected = RetinaNet.label_anchors(model, anchors, gt_instances)
    assert {-1, 0, 1, 2, 3} == set(torch.cat(labels).tolist())  # ignored, classes, background
    assert all(map(torch.equal, labels, expected_labels))
    assert all(map(torch.equal, matched, expected))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_fcos_labels_locations_in_chunks_as_detectron2(size):
    model = build_model(make_cfg("FCOS"))
    anchors = model.anchor_generator([torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2)])
    # Two in each other, of which the smaller is found; one twice, of which the first is; one apart.
    twin = [2.0, 36, 24, 60]
    boxes = [[0.0, 0, 60, 60], twin, twin, [40, 40, 60, 60], [12, 12, 36, 36]]
    objects = Instances((64, 64), gt_boxes=Boxes(torch.tensor(boxes)))
    objects.gt_classes = torch.tensor([0, 1, 0, 0, 2])
    (expected_labels,), (expected,) = FCOS.label_anchors(model, anchors, [objects])
    labels, matched = model._label_in_chunks(anchors, objects, size)
    assert {0, 1, 2, 3} == set(labels.tolist())
    assert torch.equal(labels, expected_labels)
    found = labels < 3
    assert torch.equal(*(getattr(b, "tensor", b)[found] for b in (matched, expected)))
