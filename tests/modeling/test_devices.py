"""Each architecture trains and predicts on a GPU that is pretended; mistakes fail as on a real one.

``pytest -rP`` shows how often each waits for the GPU. Where there is one, what a GPU refuses and
waits for is checked on it as well.
"""

import contextlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.engine import HookBase
from torch import nn
from torch.testing import assert_close
from torchvision.ops import deform_conv2d, nms, roi_align

from locount.config import load_config
from locount.data import register_datasets
from locount.data.config_checks import num_classes_option
from locount.inference import Predictor
from locount.training import Trainer

from ..pretended_device import pretended_device

CONFIGS = Path(__file__).parents[2] / "configs"

# Of configs/Shelf: all heads, losses and ways to suppress, decode and rank.
ARCHITECTURES = {
    "clcnet_s2_cls10": [
        *("MODEL.COUNT_HEAD.BALANCE", "inverse_sqrt", "MODEL.COUNT_HEAD.DECODE", "expected_ac"),
        *("MODEL.COUNT_HEAD.RANKING", "joint", "MODEL.COUNT_HEAD.MATCHING", "negative"),
        *("MODEL.SOFT_NMS.METHOD", "linear", "MODEL.EMA.ENABLED", True, "TEST.AUG.ENABLED", True),
        *("TEST.EVAL_PERIOD", 1),
    ],
    "clcnet_s2_cls2": ["MODEL.COUNT_HEAD.LOSS", "cumulative_link"],
    "clcnet_s2_reg": [],
    "cascade_rcnn": [],
    "faster_rcnn": ["MODEL.SOFT_NMS.METHOD", "linear"],
    "dense_ciou": [],
    "dense_bfp_balanced_l1": [],
    "retinanet_cls": ["MODEL.COUNT_HEAD.DECODE", "expected_ac"],
    "fcos_cls": ["MODEL.COUNT_HEAD.BALANCE", "inverse_sqrt"],
    "reppoints_cls": ["MODEL.COUNT_HEAD.RANKING", "joint"],
    "dfine_cls": [
        *("MODEL.DETR.COUNT_LAYERS", 2, "MODEL.EMA.ENABLED", True, "PREDICT.SCORE", 0.0),
    ],
    "ssd": [],
    "yolov3": [],
    "ppyolo": [],
}


def config(name, opts, photos, folder):
    """A config for the pretended GPU that trains one step on two photos and evaluates."""
    names = [f"locount:{photos}:{split}" for split in ("train", "test")]
    register_datasets(names)
    cfg = load_config(str(CONFIGS / f"Shelf/{name}_small.yaml"))
    cfg.MODEL.DEVICE = "cuda"
    key = num_classes_option(cfg)
    cfg.merge_from_list([key, 2, key.replace("NUM_CLASSES", "SCORE_THRESH_TEST"), 0.0])
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = ([name] for name in names)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN = (64,), 64
    cfg.INPUT.MIN_SIZE_TEST = cfg.INPUT.MAX_SIZE_TEST = cfg.TEST.AUG.MAX_SIZE = 64
    cfg.TEST.AUG.MIN_SIZES = (64,)
    cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.MAX_ITER, cfg.SOLVER.STEPS = 2, 1, ()
    cfg.TEST.EVAL_PERIOD = 0
    cfg.OUTPUT_DIR = str(folder)
    cfg.merge_from_list(opts)
    return cfg


class WaitsOfStep(HookBase):
    def __init__(self, waits):
        self.waits = waits

    def before_step(self):
        self.waits.clear()

    def after_step(self):
        self.of_step = self.waits.copy()


@pytest.mark.parametrize(("name", "opts"), ARCHITECTURES.items(), ids=ARCHITECTURES)
def test_it_trains_and_predicts(name, opts, photos, tmp_path):
    cfg = config(name, opts, photos, tmp_path)
    with pretended_device() as waits:
        trainer = Trainer(cfg)
        step = WaitsOfStep(waits)
        trainer.register_hooks([step])
        trainer.train()
        predictor = Predictor(cfg, tmp_path / "model_final.pth")
        assert all(p.is_cuda for p in (*trainer.model.parameters(), *predictor.model.parameters()))
        waits.clear()
        pixels = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
        found, waits_of_photo = predictor(pixels).everything, waits.copy()
        predictor.model.to("cpu")
        expected = predictor(pixels).everything
    print(f"{name} waits in a step {step.of_step.total()} times, {dict(step.of_step)}")
    print(f"{name} waits for a photo {waits_of_photo.total()} times, {dict(waits_of_photo)}")
    assert math.isfinite(trainer.storage.latest()["total_loss"][0])
    assert step.of_step["to cuda"] > 0
    assert waits_of_photo["to cpu"] > 0
    assert len(expected.boxes) > 0
    for field in ("boxes", "scores", "classes", "counts"):
        assert_close(getattr(found, field), getattr(expected, field))


# What somebody may write, given a tensor of 2 x 3 on the GPU, and what a GPU says to it.
MIXED = "same device|dets must be a CUDA tensor"
MISTAKES = {
    "arithmetic": (lambda x: x + torch.ones(3), MIXED),
    "result on the CPU": (lambda x: torch.ones(()).add_(x.sum()), MIXED),
    "concatenation": (lambda x: torch.cat([x, torch.ones(2, 3)]), MIXED),
    "stack of scalars": (lambda x: torch.stack([x.sum(), torch.ones(())]), MIXED),
    "where": (lambda x: torch.where(x > 0, x, torch.zeros(2, 3)), MIXED),
    "selection": (lambda x: x.index_select(0, torch.tensor([0])), MIXED),
    "layer left on the CPU": (lambda x: nn.Linear(3, 1)(x), MIXED),
    "buffer left on the CPU": (lambda x: nn.BatchNorm1d(3)(x), MIXED),
    "nms": (lambda x: nms(torch.ones(1, 4), x[0, :1], 0.5), MIXED),
    "index on the GPU": (lambda x: torch.ones(2)[x[0].long()], "indices should be either on"),
    "mask on the GPU": (lambda x: torch.ones(2, 3)[x > 0], "indices should be either on"),
    "mask on the CPU": (lambda x: x.masked_fill(torch.ones(2, 3) > 0, 0), MIXED),
    "value on the GPU": (lambda x: torch.ones(2, 3).index_put_((torch.tensor([0]),), x[:1]), MIXED),
    "numpy": (lambda x: x.numpy(), "can't convert cuda:0 device type tensor to numpy"),
    "asarray": (lambda x: np.asarray(x), "can't convert cuda:0 device type tensor to numpy"),
    "pinned": (lambda x: x.pin_memory(), "cannot pin 'torch.cuda.FloatTensor'"),
    "generator": (
        lambda x: torch.randperm(3, device=x.device, generator=torch.Generator()),
        "Expected a 'cuda' device type for generator but found 'cpu'",
    ),
}

# What a GPU takes from the CPU.
ALLOWED = {
    "scalar": lambda x: x * torch.tensor(2.0),
    "scalar in where": lambda x: torch.where(x > 2, torch.tensor(0.0), x),
    "index": lambda x: x[torch.tensor([1, 0])],
    "mask": lambda x: x[torch.tensor([False, True])],
    "list": lambda x: x[:, [2, 0]],
    "array": lambda x: x[np.array([1])],
    "assignment": lambda x: x.index_put_((torch.tensor([0]),), torch.tensor(7.0)),
    "copy": lambda x: x.copy_(torch.ones(2, 3)),
    "data": lambda x: x.new_tensor([1, 2]) + torch.tensor([3.0, 4], device=x.device),
    "like": lambda x: torch.zeros_like(x) + x.new_ones(3) + torch.arange(3, device=x.device),
    "in place": lambda x: x.clone().unsqueeze_(0).transpose_(1, 2).mul_(3)[0],
    "pinned": lambda x: x + torch.ones(2, 3).pin_memory().to(x.device, non_blocking=True),
}

# What makes the CPU wait, by the reason.
WAITING = [
    ("item", lambda x: x.sum().item()),
    ("item", lambda x: bool((x > 0).all())),
    ("nonzero", lambda x: x.nonzero()),
    ("mask", lambda x: x[x > 2]),
    ("mask", lambda x: x.index_put_((x > 4,), x[0, :2].clone())),
    ("mask", lambda x: x.masked_select(x > 2)),
    ("unique", lambda x: x.unique()),
    ("equal", lambda x: torch.equal(x, x + 1)),
    ("bincount", lambda x: torch.bincount(x[0].long())),
    ("repeat_interleave", lambda x: x[0].repeat_interleave(x[0].long())),
    ("nms", lambda x: nms(x[:, :1].expand(2, 4), x[:, 0], 0.5)),
    ("to cpu", lambda x: x.cpu()),
    ("to cpu", lambda x: x.tolist()),
    ("to cpu", lambda x: torch.ones(2, 3).copy_(x)),
    ("to cuda", lambda x: torch.ones(3).to(x.device)),
    ("to cuda", lambda x: x.copy_(torch.ones(2, 3))),
    ("to cuda", lambda x: torch.tensor([1, 2], device=x.device)),
    ("to cuda", lambda x: x[torch.tensor([0])]),
    ("to cuda", lambda x: x[[0]]),
]

# What does not.
NOT_WAITING = {
    "arithmetic": lambda x: (x * 2).sum(),
    "filled where true": lambda x: x.masked_fill_(x > 2, 0),
    "where": lambda x: torch.where(x > 2, x, 0),
    "index": lambda x: x[:, x[0].argsort()],
    "repeats": lambda x: x[0].repeat_interleave(x[0].long(), output_size=6),
    "sent on": lambda x: x.to("cpu", non_blocking=True),
}


REAL = "real"


@pytest.fixture(
    params=[
        pretended_device,
        pytest.param(
            contextlib.nullcontext,
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
        ),
    ],
    ids=["pretended", REAL],
)
def device(request):
    """A context in which "cuda" can be used."""
    return request.param()


def numbers():
    return torch.tensor([[1.0, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(("mistake", "message"), MISTAKES.values(), ids=MISTAKES)
def test_it_refuses(device, mistake, message):
    with device:
        x = numbers().to("cuda")
        with pytest.raises((RuntimeError, TypeError), match=message):
            mistake(x)


@pytest.mark.parametrize("function", ALLOWED.values(), ids=ALLOWED)
def test_it_allows(device, function):
    with device:
        result = function(numbers().to("cuda"))
        assert result.device == torch.device("cuda:0")
        result = result.cpu()
    if function is not ALLOWED["pinned"]:  # which needs a GPU
        assert torch.equal(result, function(numbers()))


def waits(device, function):
    """How often, and why: a real GPU says no more than that the CPU would wait."""
    with device as counted:
        x = numbers().to("cuda")
        if counted is not None:
            counted.clear()
            function(x)
            return counted
        torch.cuda.set_sync_debug_mode("error")
        try:
            function(x)
        except RuntimeError as error:
            if "synchronizing" not in str(error):
                raise
            return {REAL: 1}
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return {}


@pytest.mark.parametrize(("reason", "function"), WAITING)
def test_it_counts_what_waits(device, reason, function):
    assert waits(device, function) in ({reason: 1}, {REAL: 1})


@pytest.mark.parametrize("function", NOT_WAITING.values(), ids=NOT_WAITING)
def test_it_does_not_count_what_does_not_wait(device, function):
    assert waits(device, function) == {}


@pytest.mark.parametrize("mistake", ["arithmetic", "numpy"])
def test_a_mistake_in_a_model_fails(mistake, photos, tmp_path):
    plant, message = MISTAKES[mistake]

    def hook(module, inputs, outputs):
        plant(outputs["p3"].detach()[0, 0, :2, :3])

    cfg = config("faster_rcnn", [], photos, tmp_path)
    with pretended_device():
        trainer = Trainer(cfg)
        trainer.model.backbone.register_forward_hook(hook)
        with pytest.raises((RuntimeError, TypeError), match=message):
            trainer.train()


def test_gradients_are_those_of_the_cpu():
    boxes = torch.tensor([[0.0, 1, 1, 4, 5], [1, 0, 0, 6, 6]])

    def gradients(device):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).to(device)
        image = torch.rand(2, 2, 8, 8, requires_grad=True)
        features = model(image.to(device))
        offsets = features[:, :1].expand(-1, 18, -1, -1)
        moved = deform_conv2d(features, offsets, torch.ones(4, 4, 3, 3).to(device), padding=1)
        roi_align(moved, boxes.to(device), 3).square().sum().backward()
        return [image.grad, *(p.grad.cpu() for p in model.parameters())]

    expected = gradients("cpu")
    with pretended_device():
        assert_close(gradients("cuda"), expected)
