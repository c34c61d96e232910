from types import SimpleNamespace

import pytest
import torch
from detectron2.modeling import build_backbone, build_model
from torch import nn

from locount.errors import InputError
from locount.modeling.detr.library import NETWORKS, build_network, keep, predictions

LAYERS = 3


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_start_as_the_authors_draw_them(name, detr_cfg):
    cfg = detr_cfg(name, "MODEL.DETR.HIDDEN_DIM", 256, "MODEL.DETR.NUM_CLASSES", 1)
    network = build_network(cfg.MODEL.DETR, build_backbone(cfg))
    norms = [
        module
        for path, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d) and "backbone" not in path
    ]
    assert all((module.weight == 1).all() for module in norms)
    assert bool(norms) == (name != "deformable_detr")
    # A class has the score 0.01, not the library's 1 / (classes + 1), and boxes do not move yet.
    for scores, boxes in zip(network.class_embed, network.bbox_embed, strict=True):
        torch.testing.assert_close(scores.bias.sigmoid(), torch.tensor([0.01]))
        assert (boxes.layers[-1].weight == 0).all()
    # Torch's deviation for 256 inputs is 1 / sqrt(3 * 256), Xavier's sqrt(2 / 512).
    attention = network.model.decoder.layers[0].self_attn
    expected = 0.0625 if name == "deformable_detr" else 0.036
    assert attention.q_proj.weight.std().item() == pytest.approx(expected, rel=0.05)
    # What has rules of its own has kept them.
    assert (network.model.decoder.layers[0].encoder_attn.sampling_offsets.weight == 0).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_given_backbone_is_the_only_one_and_keeps_its_weights(name, detr_cfg):
    cfg = detr_cfg(name)
    backbone = build_backbone(cfg)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    network = build_network(cfg.MODEL.DETR, backbone)
    inside = {k for k in network.state_dict() if k.startswith("model.backbone.")}
    assert inside == {f"model.backbone.model.{key}" for key in before}
    for key, value in before.items():
        assert torch.equal(network.state_dict()[f"model.backbone.model.{key}"], value)


@pytest.mark.parametrize("name", ["rtdetr_v2", "d_fine"])
def test_without_features_the_network_has_its_own_backbone_whose_batch_norm_learns(name, detr_cfg):
    network = build_network(detr_cfg(name, own_backbone=True).MODEL.DETR)
    assert any(isinstance(m, nn.BatchNorm2d) for m in network.model.backbone.modules())
    assert all(p.requires_grad for p in network.parameters())


def test_each_layer_of_dfine_has_its_own_scores_boxes_and_distributions():
    # The first scores and boxes are those that the layers move; number i is of layer i.
    numbers = torch.arange(-1, LAYERS).float().view(1, -1, 1, 1)
    of_layers = numbers[:, 1:]
    _, given, _ = keep(
        *[None] * 5,
        numbers,
        numbers / 10,
        predicted_corners=of_layers,
        initial_reference_points=of_layers,
        enc_topk_logits=torch.zeros(1),
    )
    output = SimpleNamespace(
        loss_dict=given,
        intermediate_hidden_states=of_layers.transpose(0, 1),
        enc_topk_logits=torch.zeros(1),
        enc_topk_bboxes=torch.zeros(1),
    )
    layers, before, _ = predictions("d_fine", output)
    assert [layer["logits"].item() for layer in before] == [-1]
    for i, layer in enumerate(layers):
        assert layer["logits"] == layer["pred_corners"] == layer["ref_points"] == i
        assert layer["pred_boxes"].item() == pytest.approx(i / 10)
        assert layer["teacher_corners"] == layer["teacher_logits"] == LAYERS - 1
        assert layer["states"] == i


@pytest.fixture
def pretrained(detr_cfg, tmp_path):
    """A folder as the library has them on its hub: D-FINE of seven classes and 50 queries."""
    small = ("MODEL.DETR.NUM_CLASSES", 7, "MODEL.DETR.NUM_QUERIES", 50)
    cfg = detr_cfg("d_fine", *small, own_backbone=True)
    network = build_network(cfg.MODEL.DETR)
    for name in ("up", "reg_scale"):  # parameters there
        value = nn.Parameter(network.model.decoder._buffers.pop(name), requires_grad=False)
        setattr(network.model.decoder, name, value)
    network.save_pretrained(tmp_path / "dfine")
    return network


@pytest.fixture
def pretrained_cfg(detr_cfg, tmp_path):
    """A config that starts from that folder, for images in [0, 1]."""

    def pretrained_cfg():
        cfg = detr_cfg(own_backbone=True)
        cfg.MODEL.DETR.PRETRAINED = str(tmp_path / "dfine")
        cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD = [0.0] * 3, [255.0] * 3
        return cfg

    return pretrained_cfg


def test_pretrained_weights_are_taken_with_other_classes_and_queries(pretrained, pretrained_cfg):
    model = build_model(pretrained_cfg())
    theirs, ours = pretrained.state_dict(), model.network.state_dict()
    assert theirs.keys() == ours.keys()
    differ = {k for k, value in theirs.items() if not torch.equal(value, ours[k])}
    heads = ("class_embed.", "enc_score_head.", "denoising_class_embed.")
    assert differ == {k for k in theirs if any(head in k for head in heads)}
    assert ours["class_embed.0.weight"].shape[0] == 3
    assert model.network.config.num_queries == 20


def test_pretrained_weights_want_the_images_that_they_have_seen(pretrained, pretrained_cfg):
    cfg = pretrained_cfg()
    cfg.MODEL.PIXEL_STD = [58.0] * 3
    with pytest.raises(InputError, match=r"PIXEL_STD \"\[255, .*PRETRAINED \"\""):
        build_model(cfg)
    cfg.MODEL.WEIGHTS = "trained.pth"  # they will replace them
    build_model(cfg)


@pytest.mark.parametrize(
    ("name", "kind"), [("rtdetr_v2", "d_fine"), ("deformable_detr", "deformable_detr")]
)
def test_weights_of_another_network_or_of_one_stage_are_refused(name, kind, detr_cfg, tmp_path):
    (tmp_path / "config.json").write_text(f'{{"model_type": "{kind}"}}')
    cfg = detr_cfg(name)
    cfg.MODEL.DETR.PRETRAINED = str(tmp_path)
    with pytest.raises(InputError, match=f"is a {kind} and does not fit .*'{name}'"):
        build_network(cfg.MODEL.DETR)


def test_weights_that_can_not_be_had_are_named(detr_cfg, tmp_path):
    cfg = detr_cfg("d_fine")
    cfg.MODEL.DETR.PRETRAINED = str(tmp_path / "none")
    with pytest.raises(InputError, match=r"none' can't be loaded .*save_pretrained"):
        build_network(cfg.MODEL.DETR, load=True)
