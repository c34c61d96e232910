import math
import shutil

import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import AMPTrainer, SimpleTrainer
from detectron2.utils.events import EventStorage

from locount.checkpoint import load_weights
from locount.data import register_datasets
from locount.errors import InputError
from locount.training import Trainer


@pytest.fixture
def cfg(tiny_cfg, photos, tmp_path):
    name = f"locount:{photos}:train"
    register_datasets([name])
    tiny_cfg.DATASETS.TRAIN, tiny_cfg.DATASETS.TEST = (name,), ()
    tiny_cfg.DATALOADER.NUM_WORKERS = 0
    tiny_cfg.INPUT.MIN_SIZE_TRAIN = (64,)
    tiny_cfg.SOLVER.IMS_PER_BATCH = 2
    tiny_cfg.OUTPUT_DIR = str(tmp_path)
    return tiny_cfg


def test_counts_are_balanced_by_the_training_data(cfg):
    # Three boxes count 1 and three count 2. Stage 0: all six in bin 0, weight 1. Stage 1: 6 /
    # (2 sqrt 3) / sqrt 3 = 1 for both, and sqrt 3 for the numbers without a box.
    cfg.MODEL.COUNT_HEAD.BALANCE = "inverse_sqrt"
    stages = Trainer(cfg).model.roi_heads.box_predictor
    expected = torch.full((100,), math.sqrt(3))
    expected[[1, 2]] = 1.0
    torch.testing.assert_close(stages[1].count_loss.bin_weights, expected)
    torch.testing.assert_close(stages[0].count_loss.bin_weights[0], torch.tensor(1.0))


def test_resuming_goes_on_with_the_momentum(cfg):
    cfg.SOLVER.MAX_ITER = 1
    first = Trainer(cfg)
    first.train()
    second = Trainer(cfg)
    second.resume_or_load()
    expected, momentum = (t.optimizer.state_dict()["state"] for t in (first, second))
    assert len(expected) > 0
    for parameter, state in expected.items():
        assert torch.equal(momentum[parameter]["momentum_buffer"], state["momentum_buffer"])


def test_a_detector_that_cannot_be_augmented_fails_before_training(cfg):
    cfg.TEST.AUG.ENABLED = True
    cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.COUNT_HEAD.STRATEGY = "RetinaNet", "none"
    cfg.MODEL.RETINANET.IN_FEATURES = ["p4", "p5"]
    with pytest.raises(InputError, match=r"TEST\.AUG\.ENABLED False"):
        Trainer(cfg)


def test_random_weights_are_not_frozen(cfg):
    cfg.MODEL.BACKBONE.FREEZE_AT = 2
    with pytest.raises(InputError, match=r"MODEL\.BACKBONE\.FREEZE_AT 0"):
        Trainer(cfg)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[k], other[k]) for k in state)


def train_averaged(cfg):
    """A trainer after two steps with averaged weights, of a model with statistics and buffers."""
    cfg.MODEL.EMA.ENABLED = True
    cfg.MODEL.COUNT_HEAD.BALANCE = "inverse_sqrt"
    cfg.MODEL.RESNETS.NORM = "BN"
    cfg.SOLVER.MAX_ITER = 2
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()
    return trainer


def test_checkpoints_give_averaged_weights_to_prediction(cfg, tmp_path):
    trainer = train_averaged(cfg)
    assert not equal(weights(trainer.model), weights(trainer._trainer.model))
    model = Trainer.build_model(cfg)
    load_weights(model, str(tmp_path / "model_final.pth"))
    assert equal(weights(model), weights(trainer.model))


def test_resuming_goes_on_with_the_average_and_what_it_averages(cfg):
    first = train_averaged(cfg)
    second = Trainer(cfg)
    second.resume_or_load()
    assert second.start_iter == 2
    second.before_train()
    assert equal(weights(second.model), weights(first.model))
    assert equal(weights(second._trainer.model), weights(first._trainer.model))


def test_averaging_can_begin_when_training_is_resumed(cfg):
    cfg.SOLVER.MAX_ITER = 1
    first = Trainer(cfg)
    first.train()
    cfg.MODEL.EMA.ENABLED = True
    second = Trainer(cfg)
    second.resume_or_load()
    assert equal(weights(second.model), weights(first.model))
    assert equal(weights(second._trainer.model), weights(first.model))


def test_averaging_starts_from_the_weights_of_the_config(cfg, tmp_path):
    cfg.MODEL.EMA.ENABLED = True
    DetectionCheckpointer(model := Trainer.build_model(cfg), str(tmp_path)).save("start")
    cfg.MODEL.WEIGHTS = str(tmp_path / "start.pth")
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    with EventStorage():
        trainer.before_train()
    assert equal(weights(trainer._trainer.model), weights(model))
    assert equal(weights(trainer.model), weights(model))


def test_the_averaged_weights_are_tested(cfg):
    tested = []

    class Recording(Trainer):
        @classmethod
        def test(cls, cfg, model, evaluators=None):
            tested.append(model)
            return {}

    cfg.MODEL.EMA.ENABLED = True
    cfg.SOLVER.MAX_ITER = 1
    trainer = Recording(cfg)
    trainer.train()
    assert tested == [trainer.model] != [trainer._trainer.model]


@pytest.mark.parametrize(
    ("half", "kind"), [(torch.bfloat16, SimpleTrainer), (torch.float16, AMPTrainer)]
)
def test_gradients_are_scaled_in_float16_only(cfg, monkeypatch, half, kind):
    monkeypatch.setattr("locount.training.trainer.half_type", lambda device: half)
    cfg.SOLVER.AMP.ENABLED = True
    assert type(Trainer(cfg)._trainer) is kind


@pytest.mark.parametrize(
    ("architecture", "amp", "stopped"),
    [
        ("GeneralizedRCNN", False, 0),
        ("GeneralizedRCNN", True, 1),
        ("CountingRetinaNet", False, 2),
        ("CountingFCOS", False, 1),
    ],
)
def test_a_resumed_run_ends_as_one_that_was_not_stopped(
    cfg, tmp_path, monkeypatch, architecture, amp, stopped
):
    cfg.SEED = 5
    cfg.SOLVER.AMP.ENABLED = amp
    # Those of one stage keep a running mean of how much is trained.
    cfg.MODEL.META_ARCHITECTURE = architecture
    if architecture == "CountingFCOS":
        cfg.MODEL.FCOS.IN_FEATURES = ["p4", "p5"]
    cfg.MODEL.RETINANET.IN_FEATURES = ["p4", "p5"]
    cfg.MODEL.EMA.ENABLED = True
    cfg.MODEL.RESNETS.NORM = "BN"
    # What is left to chance: sizes, mirroring, colors, which regions are trained, evaluation.
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.AUGMENTATION.COLOR = (48, 64), 0.2
    cfg.MODEL.RPN.BATCH_SIZE_PER_IMAGE = cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 16
    cfg.SOLVER.WARMUP_ITERS, cfg.SOLVER.STEPS, cfg.SOLVER.MAX_ITER = 2, (3,), 4
    cfg.SOLVER.CHECKPOINT_PERIOD, cfg.TEST.EVAL_PERIOD = stopped + 1, 1
    monkeypatch.setattr(Trainer, "test", lambda *_: {"drawn": torch.rand(()).item()})
    whole = Trainer(cfg)
    whole.resume_or_load(resume=False)
    whole.train()

    cfg.OUTPUT_DIR = str(tmp_path / "resumed")
    (tmp_path / "resumed").mkdir()
    checkpoint = f"model_{stopped:07d}.pth"
    shutil.copy(tmp_path / checkpoint, cfg.OUTPUT_DIR)
    (tmp_path / "resumed/last_checkpoint").write_text(checkpoint)
    torch.manual_seed(17)
    resumed = Trainer(cfg)
    resumed.resume_or_load()
    assert resumed.start_iter == stopped + 1
    resumed.train()
    assert equal(weights(resumed.model), weights(whole.model))
    assert equal(weights(resumed._trainer.model), weights(whole._trainer.model))


def test_a_checkpoint_of_another_optimizer_is_an_error(cfg):
    cfg.SOLVER.MAX_ITER = 1
    Trainer(cfg).train()
    cfg.SOLVER.OPTIMIZER = "ADAMW"
    with pytest.raises(InputError, match=r"SOLVER\.OPTIMIZER"):
        Trainer(cfg).resume_or_load()


def test_precise_statistics_are_not_for_averaged_weights(cfg):
    cfg.MODEL.EMA.ENABLED = cfg.TEST.PRECISE_BN.ENABLED = True
    with pytest.raises(InputError, match=r"TEST\.PRECISE_BN.*MODEL\.EMA"):
        Trainer(cfg)


def test_precise_statistics_are_those_of_whole_batches(cfg):
    cfg.TEST.PRECISE_BN.ENABLED, cfg.TEST.PRECISE_BN.NUM_ITER = True, 3
    cfg.MODEL.RESNETS.NORM, cfg.SOLVER.MAX_ITER = "BN", 1
    norm = (trainer := Trainer(cfg)).model.backbone.bottom_up.stem.conv1.norm
    means = []
    norm.register_forward_pre_hook(lambda _, inputs: means.append(inputs[0].mean((0, 2, 3))))
    trainer.train()
    # After the step of training, of which the running mean keeps a tenth.
    torch.testing.assert_close(norm.running_mean, torch.stack(means[1:]).mean(0))
