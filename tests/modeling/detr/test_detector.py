import copy
import sys
from types import SimpleNamespace

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from locount.errors import InputError
from locount.modeling import detr
from locount.modeling.detr.detector import _target
from locount.modeling.detr.library import NETWORKS

from ...overfit import PACKS, needs_packs, overfit

every_network = pytest.mark.parametrize("name", NETWORKS)


@every_network
def test_a_batch_with_an_empty_image_trains_every_part(name, detr_cfg, batch):
    model = build_model(detr_cfg(name))
    with EventStorage():
        losses = model(batch)
    kind = "loss_ce" if name == "deformable_detr" else "loss_vfl"
    expected = {"loss_count", *(f"{n}{s}" for n in (kind, "loss_bbox") for s in ("", "_enc"))}
    assert expected <= losses.keys()
    sum(losses.values()).backward()
    for name_of, parameter in model.named_parameters():
        assert parameter.grad is not None, name_of
        assert parameter.grad.isfinite().all(), name_of


@every_network
def test_a_batch_without_objects_reaches_every_part(name, detr_cfg, batch):
    batch[1]["instances"].remove("gt_counts")
    model = build_model(detr_cfg(name))
    with EventStorage():
        losses = model([batch[1]] * 2)
        # Detectron2 gathers the losses of several processes by name.
        assert losses.keys() == model(batch).keys()
    assert losses["loss_count"] == losses["loss_bbox"] == losses["loss_giou_enc"] == 0
    model = build_model(detr_cfg(name))
    with EventStorage():
        sum(model([batch[1]] * 2).values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_targets_without_counts_are_refused(detr_cfg, batch):
    batch[0]["instances"].remove("gt_counts")
    with EventStorage(), pytest.raises(ValueError, match="gt_counts"):
        build_model(detr_cfg())(batch)


def padded_pair(model):
    """Images of 32 x 64 and 64 x 32, padded to 64 x 64."""
    return model._batch(
        [{"image": torch.zeros(3, *size, dtype=torch.uint8)} for size in ((32, 64), (64, 32))]
    )


@pytest.mark.parametrize(
    ("name", "shares"),
    # Of the image itself, or of the padded one.
    [
        ("deformable_detr", [0.25, 0.5, 0.5, 1.0]),
        ("rtdetr_v2", [0.25, 0.25, 0.5, 0.5]),
        ("d_fine", [0.25, 0.25, 0.5, 0.5]),
    ],
)
def test_boxes_are_shares_of_what_the_network_knows_and_come_back(name, shares, detr_cfg):
    model = build_model(detr_cfg(name)).eval()
    images, mask = padded_pair(model)
    assert images.tensor.shape[-2:] == (64, 64)
    assert mask.sum(dim=(1, 2)).tolist() == [32 * 64, 64 * 32]
    assert mask[0, 31, 63] == mask[1, 63, 31] == 1
    box = torch.tensor([[0.0, 0, 32, 32]])
    objects = Instances((32, 64), gt_boxes=Boxes(box), gt_classes=torch.tensor([1]))
    boxes = _target(objects, model._frames(images)[0], counts=False)["boxes"]
    torch.testing.assert_close(boxes, torch.tensor([shares]))

    found = detections(model, images, boxes=boxes, logits=torch.tensor([[0.0, 2.0, 1.0]]))
    torch.testing.assert_close(found.pred_boxes.tensor, box.expand(3, 4))
    torch.testing.assert_close(found.scores, torch.tensor([2.0, 1.0, 0.0]).sigmoid())
    assert found.pred_classes.tolist() == [1, 2, 0]


def detections(model, images, boxes, logits, states=None):
    """Of the first image, from what the last layer says of Q queries of both."""
    width, layers = model.network.config.d_model, model.network.config.decoder_layers
    states = torch.zeros(layers, len(boxes), width) if states is None else states
    first = (0, 1) if model.name == "d_fine" else (1, 0)
    output = SimpleNamespace(
        logits=logits.expand(2, -1, -1),
        pred_boxes=boxes.expand(2, -1, -1),
        intermediate_hidden_states=torch.stack([states, states]).transpose(*first).transpose(0, 1),
    )
    return model._detections(output, images)[0]


@every_network
def test_a_count_is_that_of_the_query_and_of_the_last_layer(name, detr_cfg):
    model = build_model(detr_cfg(name)).eval()
    images, _ = padded_pair(model)
    # Query q's state is the unit vector q; unit vector q makes the last layer count 10 + q.
    for layer in model.count_pred:
        layer.weight.data.zero_()
    for q in range(3):
        model.count_pred[-1].weight.data[10 + q, q] = 9.0
    boxes = torch.tensor([[0.3, 0.3, 0.1, 0.1]]).expand(3, 4)
    logits = torch.tensor([[0.0, -9, -9], [2, -9, -9], [-9, 1, -9]])
    states = torch.eye(32)[:3].expand(3, 3, 32)
    found = detections(model, images, boxes, logits, states)
    assert found.pred_counts[:3].tolist() == [11, 12, 10]
    assert found.pred_classes[:3].tolist() == [0, 1, 0]
    model.max_detections, model.score_thresh = 2, torch.tensor(1.5).sigmoid().item()
    assert detections(model, images, boxes, logits, states).pred_counts.tolist() == [11]


def test_digits_are_dealt_to_the_last_layers(detr_cfg):
    model = build_model(detr_cfg("d_fine", "MODEL.DETR.COUNT_LAYERS", 2))
    assert [layer.out_features for layer in model.count_pred] == [10, 10, 100]
    assert model.stages == [0, 0, 1]
    assert [c.num_outputs for c in model.count_decoder.counters] == [10, 100]
    model = build_model(detr_cfg("d_fine"))
    assert [layer.out_features for layer in model.count_pred] == [100, 100, 100]


def test_counting_layers_start_as_class_layers_do_and_from_the_prior(detr_cfg):
    model = build_model(detr_cfg("d_fine", "MODEL.DETR.COUNT_LAYERS", 2))
    for layer, stage in zip(model.count_pred, model.stages, strict=True):
        assert torch.equal(layer.bias, model.count_losses[stage].counter.prior())
        # Uniform up to the root of 6 / (inputs + outputs).
        largest = (6 / (32 + layer.out_features)) ** 0.5
        assert 0.9 * largest < layer.weight.abs().max() <= largest


def test_more_counting_layers_than_there_are_are_refused(detr_cfg):
    with pytest.raises(InputError, match=r"COUNT_LAYERS is 4.*DECODER_LAYERS is 3"):
        detr_cfg("d_fine", "MODEL.DETR.COUNT_LAYERS", 4, "MODEL.COUNT_HEAD.BASE", 2)
    with pytest.raises(InputError, match=r"too few for 3 stages.*MODEL\.DETR\.COUNT_LAYERS \(3\)"):
        detr_cfg("d_fine", "MODEL.DETR.COUNT_LAYERS", 3)


@pytest.mark.parametrize(
    ("name", "key", "value", "words"),
    [
        ("d_fine", "HIDDEN_DIM", 40, "multiple of 32"),
        ("rtdetr_v2", "DEPTH_MULT", 0.5, "it with MODEL.DETR.NAME 'rtdetr_v2'"),
        (
            "deformable_detr",
            "NUM_DENOISING",
            5,
            "it with MODEL.DETR.NAME 'deformable_detr'",
        ),
        ("deformable_detr", "IN_FEATURES", (), "partly frozen"),
        ("dfine", "NUM_QUERIES", 20, "'deformable_detr', 'rtdetr_v2', 'd_fine'"),
    ],
)
def test_keys_that_do_not_fit_are_refused(name, key, value, words, detr_cfg):
    with pytest.raises(InputError, match=words):
        detr_cfg(name, f"MODEL.DETR.{key}", value)


def test_a_feature_that_the_backbone_lacks_is_named(detr_cfg):
    cfg = detr_cfg()
    cfg.MODEL.BACKBONE.NAME, cfg.MODEL.RESNETS.OUT_FEATURES = "build_resnet_backbone", ["res3"]
    cfg.MODEL.TIMM.NAME, cfg.MODEL.TIMM.NORM = "resnet50", "FrozenBN"  # the defaults
    with pytest.raises(InputError, match=r"IN_FEATURES names res4, res5, .*gives res3"):
        build_model(cfg)


@every_network
def test_an_image_may_be_smaller_than_the_queries_are_many(name, detr_cfg):
    # 64 x 64 has 64 + 16 + 4 locations.
    model = build_model(detr_cfg(name, "MODEL.DETR.NUM_QUERIES", 200)).eval()
    image = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        (output,) = model([{"image": image, "height": 128, "width": 128}])
    assert output["instances"].image_size == (128, 128)


def test_one_feature_is_enough(detr_cfg):
    model = build_model(detr_cfg("d_fine", "MODEL.DETR.IN_FEATURES", ("res4",))).eval()
    # 64 x 64 has 16 locations of stride 16 for 20 queries: rows are added.
    image = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    assert model._batch([{"image": image}])[0].tensor.shape[-2:] == (80, 64)
    with torch.no_grad():
        assert len(model([{"image": image}])[0]["instances"]) > 0


def test_of_many_objects_some_are_denoised_and_all_are_found(detr_cfg, batch):
    model = build_model(detr_cfg("d_fine", "MODEL.DETR.NUM_DENOISING", 4))
    objects = batch[0]["instances"]
    batch[0]["instances"] = Instances.cat([objects] * 5)
    seen = []
    model.network.model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.extend(len(x["boxes"]) for x in kwargs["labels"]),
        with_kwargs=True,
    )
    queries = []
    model.network.model.decoder.register_forward_hook(
        lambda _, args, output: queries.append(output.last_hidden_state.shape[1])
    )
    with EventStorage():
        model(batch)
    assert seen == [4, 0]
    assert queries == [2 * 4 + 20]


@every_network
def test_half_precision_leaves_positions_and_losses_exact(name, detr_cfg, batch):
    model = build_model(detr_cfg(name))
    kinds = []
    model.network.model.decoder.layers[0].register_forward_pre_hook(
        lambda _, args, kwargs: kinds.extend(
            x.dtype for x in (*args, *kwargs.values()) if torch.is_tensor(x)
        ),
        with_kwargs=True,
    )
    inside = []
    model.network.model.backbone.register_forward_hook(
        lambda _, args, maps: inside.extend(m.dtype for m, _ in maps)
    )
    with EventStorage(), torch.autocast("cpu", torch.bfloat16):
        losses = model(batch)
    assert torch.bfloat16 in inside
    assert torch.bfloat16 not in kinds
    assert {loss.dtype for loss in losses.values()} == {torch.float32}


def test_detections_in_half_precision_are_float32(detr_cfg, batch):
    model = build_model(detr_cfg()).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = model(batch)[0]["instances"]
    assert len(found) > 0
    fields = (found.pred_boxes.tensor, found.scores, found.count_scores)
    assert {field.dtype for field in fields} == {torch.float32}


def test_a_copy_runs_its_own_weights(detr_cfg):
    model = build_model(detr_cfg()).eval()
    other = copy.deepcopy(model)
    for parameter in other.network.model.decoder.parameters():
        parameter.data.zero_()
    image = {"image": torch.randint(256, (3, 64, 64), dtype=torch.uint8)}
    with torch.no_grad():
        images, mask = model._batch([image])
        states = [m.network(images.tensor, mask).last_hidden_state for m in (model, other)]
    assert not torch.equal(*states)


def test_without_the_extra_it_is_named(detr_cfg, monkeypatch):
    cfg = detr_cfg()
    monkeypatch.delitem(sys.modules, "locount.modeling.detr.library", raising=False)
    monkeypatch.delattr(detr, "library", raising=False)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"pip install 'locount\[detr\]'"):
        build_model(cfg)


@pytest.fixture
def from_scratch(detr_cfg):
    """A network that is just large enough to learn some photos by heart."""

    def from_scratch(name="d_fine"):
        return detr_cfg(
            name,
            *("MODEL.DETR.HIDDEN_DIM", 64, "MODEL.DETR.FFN_DIM", 64, "MODEL.DETR.NUM_QUERIES", 50),
            *("SOLVER.BASE_LR", 0.001, "SOLVER.BACKBONE_MULTIPLIER", 1.0),
            *("SOLVER.LR_SCHEDULER_NAME", "WarmupMultiStepLR", "MODEL.EMA.ENABLED", False),
        )

    return from_scratch


@pytest.mark.slow
@needs_packs
@every_network
def test_learns_four_photos_by_heart(name, from_scratch, tmp_path):
    assert overfit(from_scratch(name), 200, tmp_path) > 80


@pytest.mark.slow
@pytest.mark.skipif(PACKS.is_dir(), reason="the real photos are here, which the test above takes")
def test_learns_drawn_photos_by_heart(from_scratch, photos, tmp_path):
    assert overfit(from_scratch(), 100, tmp_path, photos) > 80
