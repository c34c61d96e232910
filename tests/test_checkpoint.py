import logging
import resource

import pytest
import torch
from detectron2.modeling import build_model

from locount.checkpoint import Checkpointer, load_weights, slim_checkpoint
from locount.class_names import Classes
from locount.errors import InputError
from locount.model_file import stored_config


@pytest.fixture
def weights(tiny_cfg, tmp_path):
    """Of a model with two stages, counts of base 10 and three classes."""
    path = tmp_path / "model.pth"
    torch.save({"model": build_model(tiny_cfg).state_dict()}, path)
    return str(path)


def test_weights_that_fit_are_loaded(tiny_cfg, weights):
    model = build_model(tiny_cfg)
    load_weights(model, weights)
    expected = torch.load(weights)["model"]
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "parameter", "keys"),
    [
        # Counts up to 56 in two stages: 10 and 100 bins with base 10, 8 and 64 with base 2.
        (
            ["MODEL.COUNT_HEAD.BASE", 2],
            r"box_predictor\.1\.count_pred\.bias: \(100,\) in the checkpoint, \(64,\) in the model",
            r"look at MODEL\.COUNT_HEAD\.\{STRATEGY,MAX_COUNT,BASE\}\.",
        ),
        (
            ["MODEL.COUNT_HEAD.STRATEGY", "none"],
            r"box_predictor\.0\.count_pred\.weight: not in the model",
            r"look at MODEL\.COUNT_HEAD\.\{STRATEGY,MAX_COUNT,BASE\}\.",
        ),
        # A background class beside each.
        (
            ["MODEL.ROI_HEADS.NUM_CLASSES", 5],
            r"box_predictor\.0\.cls_score\.bias: \(4,\) in the checkpoint, \(6,\) in the model",
            r"look at MODEL\.ROI_HEADS\.NUM_CLASSES\.",
        ),
        (
            [
                *("MODEL.COUNT_HEAD.BASE", 2, "MODEL.ROI_BOX_CASCADE_HEAD.IOUS", (0.5, 0.6, 0.7)),
                *("MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS", ((1.0, 1.0, 1.0, 1.0),) * 3),
            ],
            r"box_predictor\.2\.cls_score\.weight: not in the checkpoint",
            r"MODEL\.ROI_BOX_CASCADE_HEAD\.\{IOUS,BBOX_REG_WEIGHTS\}",
        ),
        (
            ["MODEL.BACKBONE.NAME", "build_bfp_backbone"],
            r"backbone\.refine\.g\.bias: not in the checkpoint",
            r"look at MODEL\.BFP\.",
        ),
        (["MODEL.RESNETS.DEPTH", 34], r"backbone\S+: not in the checkpoint", r"MODEL\.RESNETS"),
    ],
)
def test_weights_that_do_not_fit_name_parameters_and_config_keys(
    tiny_cfg, weights, changes, parameter, keys
):
    tiny_cfg.merge_from_list(changes)
    with pytest.raises(InputError, match=parameter) as caught:
        load_weights(build_model(tiny_cfg), weights)
    assert caught.match(keys)
    assert caught.match(weights)


@pytest.mark.parametrize(
    ("path", "message"),
    [("", r"MODEL\.WEIGHTS"), ("none.pth", r"none\.pth: no such"), ("half.pth", "cut short")],
)
def test_weights_that_are_no_checkpoint_are_named(
    tiny_cfg, weights, tmp_path, monkeypatch, path, message
):
    monkeypatch.chdir(tmp_path)
    with open(weights, "rb") as whole, open("half.pth", "wb") as half:
        half.write(whole.read()[:100_000])
    with pytest.raises(InputError, match=message):
        load_weights(build_model(tiny_cfg), path)


def test_a_slim_checkpoint_predicts_without_the_training(tiny_cfg, weights, tmp_path):
    whole = torch.load(weights)
    classes = {"names": ["a", "b", "c"], "groups": ["", "", ""], "ids": [1, 2, 3]}
    torch.save({**whole, "optimizer": {"state": 1}, "iteration": 7, "classes": classes}, weights)
    slim = tmp_path / "slim.pth"
    slim_checkpoint(weights, slim)
    assert torch.load(slim).keys() == {"model", "classes"}
    model = build_model(tiny_cfg)
    load_weights(model, str(slim))
    for name, value in model.state_dict().items():
        # Half precision has 11 significant bits; vectors are kept.
        rtol = 2**-11 if value.dim() > 1 else 0
        torch.testing.assert_close(value, whole["model"][name], rtol=rtol, atol=2**-25)


def test_weights_beyond_half_precision_are_named(weights, tmp_path):
    checkpoint = torch.load(weights)
    name = next(n for n, w in checkpoint["model"].items() if w.dim() > 1)
    checkpoint["model"][name][0] = 1e5  # the largest number of half precision is 65504
    torch.save(checkpoint, weights)
    with pytest.raises(InputError, match=name):
        slim_checkpoint(weights, tmp_path / "slim.pth")
    assert not (tmp_path / "slim.pth").exists()


@pytest.fixture
def small_disk():
    """No file gets beyond 4096 bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_save_that_is_killed_keeps_the_old_checkpoint(tmp_path, monkeypatch, step):
    model = torch.nn.Linear(2, 2)
    checkpointer = Checkpointer(model, str(tmp_path))
    checkpointer.save("model_final")
    before = (tmp_path / "model_final.pth").read_bytes()

    def stop(*_):
        raise KeyboardInterrupt

    torch.nn.init.zeros_(model.weight)
    with monkeypatch.context() as patch:
        patch.setattr(f"os.{step}", stop)
        with pytest.raises(KeyboardInterrupt):
            checkpointer.save("model_final")
    assert (tmp_path / "model_final.pth").read_bytes() == before
    assert (tmp_path / "last_checkpoint").read_text() == "model_final.pth"
    assert names(tmp_path) == ["last_checkpoint", "model_final.pth"]


def test_the_last_checkpoint_is_named_after_it_is_whole(tmp_path, monkeypatch):
    checkpointer = Checkpointer(torch.nn.Linear(2, 2), str(tmp_path))
    checkpointer.save("first")
    replaced = []
    monkeypatch.setattr("os.replace", lambda _, path: replaced.append(path.name))
    checkpointer.save("second")
    assert replaced == ["second.pth", "last_checkpoint"]


def test_a_full_disk_is_one_line_and_leaves_no_half_file(tmp_path, small_disk):
    checkpointer = Checkpointer(torch.nn.Linear(100, 100), str(tmp_path))
    with pytest.raises(InputError, match=r"can't write .*model\.pth \(File too large\): make room"):
        checkpointer.save("model")
    assert names(tmp_path) == []


def test_slim_on_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path, weights, small_disk):
    output = tmp_path / "slim.pth"
    output.write_text("before")
    with pytest.raises(InputError, match=r"can't write .*slim\.pth \(File too large\)"):
        slim_checkpoint(weights, output)
    assert output.read_text() == "before"
    assert names(tmp_path) == ["model.pth", "slim.pth"]


def test_checkpoints_hold_the_config(tiny_cfg, tmp_path):
    Checkpointer(torch.nn.Linear(1, 1), str(tmp_path), cfg=tiny_cfg).save("model", iteration=3)
    saved = torch.load(tmp_path / "model.pth")
    assert saved["config"] == tiny_cfg.dump()
    assert saved["iteration"] == 3


def test_a_damaged_last_checkpoint_is_named(tmp_path):
    (tmp_path / "last_checkpoint").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="last_checkpoint is damaged"):
        Checkpointer(torch.nn.Linear(1, 1), str(tmp_path)).get_checkpoint_file()


def test_a_start_takes_what_fits_and_says_what_begins_anew(tiny_cfg, weights, caplog):
    tiny_cfg.MODEL.ROI_HEADS.NUM_CLASSES = 5
    model = build_model(tiny_cfg)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with caplog.at_level(logging.INFO):
        Checkpointer(model).load(weights, checkpointables=[])
    expected = torch.load(weights)["model"]
    # Weight and bias of the classes, in both stages.
    anew = {
        f"roi_heads.box_predictor.{i}.cls_score.{p}" for i in (0, 1) for p in ("weight", "bias")
    }
    for name, value in model.state_dict().items():
        assert torch.equal(value, (before if name in anew else expected)[name])
    parameters = len(list(model.parameters()))
    assert f"{parameters - 4} of the model's {parameters} parameters start from" in caplog.text
    assert all(f"{name}: (" in caplog.text for name in anew)


def test_a_start_from_another_network_is_an_error(weights):
    with pytest.raises(InputError, match=r"Nothing in .*model\.pth fits the model"):
        Checkpointer(torch.nn.Linear(1, 1)).load(weights)


def test_weights_that_cannot_be_fetched_are_named(tmp_path):
    with pytest.raises(InputError, match=r"http://127.0.0.1:9/a\.pth can't be fetched"):
        Checkpointer(torch.nn.Linear(1, 1)).load("http://127.0.0.1:9/a.pth")


def test_a_slim_checkpoint_has_a_card_and_a_config_without_the_machine(tiny_cfg, tmp_path):
    tiny_cfg.DATASETS.TRAIN = ("locount:/home/me:train",)
    tiny_cfg.OUTPUT_DIR = "/home/me/output"
    tiny_cfg.PREDICT.SCORE = 0.25
    model = build_model(tiny_cfg)
    classes = Classes(("a", "b", "c"), ("", "", ""), (1, 2, 3))
    Checkpointer(model, str(tmp_path), cfg=tiny_cfg, classes=classes).save("model")
    slim_checkpoint(tmp_path / "model.pth", tmp_path / "slim.pth", card="# Cups\n")
    # And once more, as a slim one is made of a slim one.
    slim_checkpoint(tmp_path / "slim.pth", tmp_path / "slim.pth")
    saved = torch.load(tmp_path / "slim.pth")
    assert saved["card"] == "# Cups\n"
    assert "/home" not in saved["config"]
    cfg = stored_config(str(tmp_path / "slim.pth"))
    assert (cfg.PREDICT.SCORE, cfg.MODEL.ROI_HEADS.NUM_CLASSES) == (0.25, 3)
    assert Classes.of_checkpoint(str(tmp_path / "slim.pth")) == classes


def test_a_config_that_leaves_the_number_of_classes_to_the_data_gets_the_checkpoints(tmp_path):
    weights = {
        "model": {"a": torch.ones(2)},
        "classes": Classes(("cup",), ("",), (1,)).state_dict(),
    }
    torch.save(weights, tmp_path / "model.pth")
    config = tmp_path / "config.yaml"
    for text, expected in (("", 1), ("MODEL: {ROI_HEADS: {NUM_CLASSES: 5}}\n", 5)):
        config.write_text(f"VERSION: 2\n{text}")
        slim_checkpoint(tmp_path / "model.pth", tmp_path / "slim.pth", config_file=config)
        num_classes = stored_config(str(tmp_path / "slim.pth")).MODEL.ROI_HEADS.NUM_CLASSES
        assert num_classes == expected
