import logging
import shutil

import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.data import MetadataCatalog

from locount.class_names import CHECKPOINT_KEY, Classes, find_classes
from locount.cli import main
from locount.config import load_config
from locount.errors import InputError

CLASSES = Classes(("box", "cup"), ("", "crockery"), (3, 7))


@pytest.fixture
def cfg(untrained):
    return load_config(str(untrained / "config.yaml"))


@pytest.fixture
def weights(tmp_path):
    """A checkpoint that holds the classes."""
    checkpointer = DetectionCheckpointer(torch.nn.Linear(1, 1), str(tmp_path))
    checkpointer.add_checkpointable(CHECKPOINT_KEY, CLASSES)
    checkpointer.save("model")
    return str(tmp_path / "model.pth")


def test_a_checkpoint_carries_the_classes(weights, cfg):
    cfg.DATASETS.TEST = ("locount:/nowhere:test",)
    assert find_classes(cfg, weights) == CLASSES


def test_a_resumed_run_must_have_the_same_classes(weights, tmp_path):
    def resume(classes):
        checkpointer = DetectionCheckpointer(torch.nn.Linear(1, 1), str(tmp_path))
        checkpointer.add_checkpointable(CHECKPOINT_KEY, classes)
        checkpointer.load(weights)

    resume(CLASSES)
    with pytest.raises(InputError, match="number 0 is 'box' in one and 'cup' in"):
        resume(Classes(("cup", "box"), ("", ""), (3, 7)))
    with pytest.raises(InputError, match="only the first has 'cup'"):
        resume(Classes(("box",), ("",), (3,)))


def test_data_in_another_order_than_the_model_is_an_error():
    """Files without a list of categories sort them: detections of one would be of another."""
    for name, classes in (("same", ["box", "cup"]), ("new", ["carton", "cup"]), ("bad", ["cup"])):
        MetadataCatalog.get(f"order_{name}").thing_classes = classes
    CLASSES.check_data("order_same")
    CLASSES.check_data("order_new")
    with pytest.raises(InputError, match="order_bad has 'cup' as category number 0, and the model"):
        CLASSES.check_data("order_bad")


@pytest.mark.usefixtures("own_handlers")
@pytest.mark.parametrize("command", [["eval", "--data"], ["calibrate", "--dataset"]])
def test_commands_refuse_data_in_another_order(command, photos, calibrated, tmp_path, capsys):
    root = tmp_path / "photos"
    shutil.copytree(photos, root)
    (root / "categories.txt").write_text("cup\nbox\n")
    content = torch.load(calibrated, weights_only=True)
    weights = tmp_path / "model.pth"
    torch.save({**content, CHECKPOINT_KEY: CLASSES.state_dict()}, weights)
    model = ["--weights", str(weights), "--output", str(tmp_path / "out")]
    assert main([*command, f"locount:{root}:test", *model]) == 2
    assert "has 'cup' as category number 0, and the model as number 1" in capsys.readouterr().err


def test_a_checkpoint_of_another_number_of_classes_is_an_error(weights, cfg):
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 3
    with pytest.raises(InputError, match="trained on 2 classes, and the config has 3"):
        find_classes(cfg, weights)


def test_else_the_dataset_of_the_config_tells(cfg, untrained):
    assert find_classes(cfg, str(untrained / "model.pth")).names == ("box", "cup")


def test_else_classes_are_numbered(cfg, untrained, caplog):
    cfg.DATASETS.TEST = cfg.DATASETS.TRAIN = ("locount:/nowhere:test",)
    with caplog.at_level(logging.WARNING):
        classes = find_classes(cfg, str(untrained / "model.pth"))
    assert classes.names == ("class 0", "class 1")
    assert "/nowhere" in caplog.text


def test_ids_of_a_coco_file_stay(tmp_path):
    from detectron2.data import MetadataCatalog

    MetadataCatalog.get("with gaps").set(
        thing_classes=["box", "cup"], thing_dataset_id_to_contiguous_id={7: 1, 3: 0}
    )
    assert Classes.of_dataset("with gaps").ids == (3, 7)
    assert Classes.of_dataset("without names") is None
