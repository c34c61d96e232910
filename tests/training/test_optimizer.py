import pytest
import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.solver import build_lr_scheduler
from torch import nn

from locount.config import add_locount_config
from locount.errors import InputError
from locount.training import Trainer


def solver(**options) -> CfgNode:
    """Learning rate 0.1 and weight decay 0.01, but none for normalization."""
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.SOLVER.BASE_LR, cfg.SOLVER.WEIGHT_DECAY = 0.1, 0.01
    cfg.SOLVER.WEIGHT_DECAY_NORM = 0.0
    cfg.merge_from_list([x for key, v in options.items() for x in (key.replace("__", "."), v)])
    return cfg


class Model(nn.Module):
    """A network below a pyramid, with a normalization, and a head."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.bottom_up = nn.Sequential(nn.Linear(1, 1), nn.LayerNorm(1))
        self.backbone.lateral = nn.Linear(1, 1)
        self.head = nn.Linear(1, 1)


def by_name(optimizer, model, option):
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {names[p]: g[option] for g in optimizer.param_groups for p in g["params"]}


@pytest.mark.parametrize(("name", "kind"), [("SGD", torch.optim.SGD), ("ADAMW", torch.optim.AdamW)])
def test_both_optimizers_decay_as_detectron2_does(name, kind):
    model = Model()
    optimizer = Trainer.build_optimizer(solver(SOLVER__OPTIMIZER=name), model)
    assert isinstance(optimizer, kind)
    decay = by_name(optimizer, model, "weight_decay")
    assert decay.keys() == dict(model.named_parameters()).keys()
    assert {name for name, value in decay.items() if value == 0} == {
        "backbone.bottom_up.1.weight",
        "backbone.bottom_up.1.bias",
    }
    assert set(decay.values()) == {0.0, 0.01}


def test_the_multiplier_is_for_what_is_below_the_pyramid():
    model = Model()
    cfg = solver(SOLVER__BACKBONE_MULTIPLIER=0.5, SOLVER__BIAS_LR_FACTOR=2.0)
    rates = by_name(Trainer.build_optimizer(cfg, model), model, "lr")
    assert rates == {
        "backbone.bottom_up.0.weight": 0.05,
        "backbone.bottom_up.0.bias": 0.1,
        "backbone.bottom_up.1.weight": 0.05,
        "backbone.bottom_up.1.bias": 0.1,
        "backbone.lateral.weight": 0.1,
        "backbone.lateral.bias": 0.2,
        "head.weight": 0.1,
        "head.bias": 0.2,
    }


def test_the_multiplier_is_for_the_whole_of_a_backbone_without_such_a_part():
    model = Model()
    del model.backbone.bottom_up
    cfg = solver(SOLVER__BACKBONE_MULTIPLIER=0.5)
    rates = by_name(Trainer.build_optimizer(cfg, model), model, "lr")
    assert rates["backbone.lateral.weight"] == 0.05
    assert rates["head.weight"] == 0.1


def test_the_schedule_keeps_the_multiplier():
    model = Model()
    cfg = solver(
        SOLVER__BACKBONE_MULTIPLIER=0.5,
        SOLVER__WARMUP_ITERS=0,
        SOLVER__STEPS=(1,),
        SOLVER__GAMMA=0.1,
    )
    optimizer = Trainer.build_optimizer(cfg, model)
    schedule = build_lr_scheduler(cfg, optimizer)
    optimizer.step()
    schedule.step()
    rates = by_name(optimizer, model, "lr")
    assert rates["backbone.bottom_up.0.weight"] == pytest.approx(0.005)
    assert rates["head.weight"] == pytest.approx(0.01)


CLIP = {"SOLVER__CLIP_GRADIENTS__ENABLED": True, "SOLVER__CLIP_GRADIENTS__CLIP_VALUE": 1.0}


def step(gradients, cfg, scaler=None):
    """What a step of learning rate 0.1 takes from weights, divided by 0.1."""
    model = nn.ParameterList(torch.zeros(1) for _ in gradients)
    optimizer = Trainer.build_optimizer(cfg, model)
    loss = sum(g * p.sum() for g, p in zip(gradients, model, strict=True))
    if scaler is None:
        loss.backward()
        optimizer.step()
    else:
        scaler.scale(loss).backward()
        scaler.step(optimizer)
    return [-p.item() / 0.1 for p in model]


@pytest.mark.parametrize(
    ("clip_type", "expected"), [("full_model", [0.6, 0.8]), ("norm", [1, 1]), ("value", [1, 1])]
)
def test_clipping_of_all_or_of_each(clip_type, expected):
    cfg = solver(**CLIP, SOLVER__CLIP_GRADIENTS__CLIP_TYPE=clip_type)
    assert step([3.0, 4.0], cfg) == pytest.approx(expected)  # the norm of both is 5
    assert step([0.3, 0.4], cfg) == pytest.approx([0.3, 0.4])


def test_a_scaled_gradient_is_clipped_by_its_true_norm():
    cfg = solver(**CLIP, SOLVER__CLIP_GRADIENTS__CLIP_TYPE="full_model")
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    assert step([0.3, 0.4], cfg, scaler) == pytest.approx([0.3, 0.4])
    assert step([3.0, 4.0], cfg, torch.amp.GradScaler("cpu")) == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"SOLVER__OPTIMIZER": "adam"}, r"SOLVER\.OPTIMIZER is 'adam'.*ADAMW"),
        ({"SOLVER__OPTIMIZER": "ADAMW", "SOLVER__NESTEROV": True}, r"SOLVER\.NESTEROV is True"),
        ({"SOLVER__BACKBONE_MULTIPLIER": 0.0}, r"BACKBONE_MULTIPLIER is 0\.0.*FREEZE_AT"),
        ({"SOLVER__CLIP_GRADIENTS__CLIP_TYPE": "all"}, r"CLIP_TYPE is 'all'.*full_model"),
        ({"SOLVER__CLIP_GRADIENTS__CLIP_VALUE": -1.0}, r"CLIP_VALUE is -1\.0"),
    ],
)
def test_what_has_no_meaning_is_named(options, message):
    with pytest.raises(InputError, match=message):
        Trainer.build_optimizer(solver(**options), Model())


def test_a_multiplier_needs_a_backbone():
    with pytest.raises(InputError, match=r"BACKBONE_MULTIPLIER.*no backbone"):
        Trainer.build_optimizer(solver(SOLVER__BACKBONE_MULTIPLIER=0.1), nn.Linear(1, 1))
