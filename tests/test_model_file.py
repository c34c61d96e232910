import pickle
import zipfile

import numpy as np
import pytest
import torch
import yaml
from detectron2.config import get_cfg

from locount import model_file
from locount.checkpoint import Checkpointer, load_weights
from locount.class_names import Classes
from locount.config import add_locount_config
from locount.errors import InputError
from locount.model_file import find_weights, read_checkpoint, stored, stored_config


class Touch:
    """Leaves a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "model.pth")


def read_bytes(path):
    with open(path, "rb") as file:
        return bytearray(file.read())


def write_bytes(path, content):
    with open(path, "wb") as file:
        file.write(content)


def save(path, **parts):
    torch.save({"model": {"w": torch.zeros(2)}, **parts}, path)
    return path


def test_a_flipped_bit_is_noticed_or_changes_nothing(path):
    # Every second byte, one bit each: what is between the files of the archive has no checksum.
    parts = {"config": "SEED: 1", "classes": {"names": ["cup"]}}
    torch.save({"model": {"w": torch.rand(9)}, **parts}, path)
    content, expected = read_bytes(path), read_checkpoint(path)
    messages = []
    for i in range(0, len(content), 2):
        flipped = content.copy()
        flipped[i] ^= 1 << (i // 2 % 8)
        write_bytes(path, flipped)
        try:
            read = read_checkpoint(path)
        except InputError as error:
            messages.append(str(error))
        else:
            assert torch.equal(read.pop("model")["w"], expected["model"]["w"])
            assert read == parts
    assert len(messages) > 0
    assert all("damaged" in message for message in messages)


def test_weights_marked_as_a_folder_are_damage(path):
    # torch would take them for empty, and give what happens to be in memory.
    save(path)
    content = read_bytes(path)
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"data/0"))
    content[entry + 38] ^= 0x10
    write_bytes(path, content)
    with pytest.raises(InputError, match="damaged"):
        read_checkpoint(path)


def write_half(path):
    content = read_bytes(save(path))
    write_bytes(path, content[: len(content) // 2])


def write_half_of_an_old_file(path):
    torch.save({"w": torch.zeros(9)}, path, _use_new_zipfile_serialization=False)
    write_bytes(path, read_bytes(path)[:-3])


def write_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", b"1")


def write_torchscript(path):
    torch.jit.trace(torch.nn.Identity(), torch.zeros(1)).save(path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: write_bytes(path, b""), "not a file of torch.save"),
        (lambda path: write_bytes(path, b"<html>"), "not a file of torch.save"),
        (write_half, "cut short"),
        (write_half_of_an_old_file, "cut short"),
        (write_archive, "not a file of torch.save"),
        (write_torchscript, "TorchScript"),
        (lambda path: torch.save([1], path), "holds a list"),
        (lambda path: torch.save(torch.nn.Linear(1, 1), path), r"more than arrays .*Linear"),
        (lambda path: torch.save({"state_dict": {}, "epoch": 3}, path), "'state_dict' is not an"),
        (lambda path: torch.save({"model": {"w": [0.0]}}, path), "'w' is not an array"),
        (lambda path: torch.save({"model": {"w": torch.zeros(1).expand(9)}}, path), "'w' is not"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_what_is_no_checkpoint_gets_one_line_that_names_it(path, write, message):
    write(path)
    with pytest.raises(InputError, match=message) as caught:
        load_weights(torch.nn.Linear(1, 1), path)
    assert str(caught.value).startswith(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["pth", "pkl", "pyth"])
def test_nothing_in_a_file_runs(tmp_path, suffix):
    path, ran = tmp_path / f"model.{suffix}", tmp_path / "ran"
    content = {"model": {"w": Touch(ran)}, "__author__": "me"}
    if suffix == "pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(InputError, match=r"more than arrays and plain data \(\w+\.open\)"):
        load_weights(torch.nn.Linear(1, 1), str(path))
    assert not ran.exists()


@pytest.mark.parametrize("protocol", [2, 4])  # 2: of Python 2, as much of the model zoo
def test_pickles_of_arrays_are_read_as_detectron2_reads_them(tmp_path, protocol):
    weights = {"weight": np.full((1, 1), 2.0, np.float32), "bias": np.ones(1, np.float32)}
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"model": weights, "__author__": "zoo"}, protocol))
    model = torch.nn.Linear(1, 1)
    load_weights(model, str(path))
    assert (model.weight.item(), model.bias.item()) == (2, 1)


def test_a_cut_pickle_says_so(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"model": {}})[:-3])
    with pytest.raises(InputError, match="cut short"):
        Checkpointer(torch.nn.Linear(1, 1)).load(str(path))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[", "The config in .* can't be used"),
        ("- 1", "can't be used"),
        ("SEED: many\nVERSION: new", "SEED is 'many'.*VERSION is 'new'"),
        ("MODEL: {META_ARCHITECTURE: Nope}", "META_ARCHITECTURE is 'Nope'; it must be one of"),
        ("PREDICT: {SCORE: 7.0}", r"can't be used \(PREDICT.SCORE is 7.0; .* at most 1\)"),
        ("A: !!python/object/apply:os.getcwd []", "can't be used .*could not determine"),
        ({"SEED": 1}, "'config' in it is not what it should be"),
        (None, "does not hold its config.*--config-file"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_line(path, config, message):
    save(path, config=config)
    with pytest.raises(InputError, match=message) as caught:
        stored_config(path)
    assert "\n" not in str(caught.value)


def test_a_config_comes_back_but_for_the_device(path):
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.SEED, cfg.PREDICT.SCORE = 5, 0.25
    device, cfg.MODEL.DEVICE = cfg.MODEL.DEVICE, "cpu"
    read = stored_config(save(path, config=cfg.dump()))
    cfg.MODEL.DEVICE = device
    assert yaml.safe_load(read.dump()) == yaml.safe_load(cfg.dump())


def test_keys_of_another_version_are_named_and_left_out(path, caplog):
    cfg = stored_config(save(path, config="SEED: 4\nMODEL: {NO_SUCH: {A: 1}}\n_BASE_: /none"))
    assert cfg.SEED == 4
    assert "MODEL.NO_SUCH" in caplog.text
    assert "_BASE_" in caplog.text


def test_gone_keys_of_a_model_file_are_named_only_where_they_did_something(path, caplog):
    text = (
        "MODEL: {PROPOSAL_GENERATOR: {NAME: BoxLossRPN}, BOX_SAMPLING: {STRATEGY: random},"
        " BOX_LOSS: {TERMS: [ciou], WEIGHTS: []}}"
    )
    cfg = stored_config(save(path, config=text))
    assert cfg.MODEL.PROPOSAL_GENERATOR.NAME == "ChunkedRPN"
    assert "MODEL.BOX_LOSS.TERMS: ['ciou']" in caplog.text
    assert "BOX_SAMPLING" not in caplog.text
    assert "WEIGHTS" not in caplog.text


@pytest.mark.parametrize(
    "classes", [["cup"], {"names": ["cup"]}, {"names": [1], "groups": [""], "ids": [1]}]
)
def test_classes_that_are_none_are_an_error(path, classes):
    with pytest.raises(InputError, match="'classes' in it is not what it should be"):
        Classes.of_checkpoint(save(path, classes=classes))


def test_a_class_without_id_is_an_error(path):
    save(path, classes={"names": ["cup"], "groups": [""], "ids": []})
    with pytest.raises(InputError, match="not every class"):
        Classes.of_checkpoint(path)


def test_a_file_without_a_part_has_none(path):
    assert stored(save(path), "card", str) is None
    assert stored("detectron2://a.pkl", "card", str) is None


def test_shipped_weights_have_names(monkeypatch, tmp_path):
    monkeypatch.setattr(model_file, "FOLDER", tmp_path)
    monkeypatch.setitem(model_file.SHIPPED, "ours", "ours.pth")
    with pytest.raises(InputError, match=r"ours\.pth.* not in this installation"):
        find_weights("ours")
    (tmp_path / "ours.pth").touch()
    assert find_weights("ours") == str(tmp_path / "ours.pth")
    assert find_weights("theirs.pth") == "theirs.pth"


def test_the_folder_of_the_package_is_the_one_of_the_repository():
    # It gets into wheels as a folder of the package (setup.cfg) and is not there twice.
    assert (model_file.FOLDER / model_file.SHIPPED["shelf"]).is_file()
