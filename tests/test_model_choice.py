import pytest

from locount.checkpoint import slim_checkpoint
from locount.errors import InputError
from locount.model_choice import choose, newest_checkpoint, open_config
from locount.model_file import DEFAULT


@pytest.fixture
def run_dir(tmp_path):
    """The folder of a training that was stopped and went on."""
    for name in ("config.yaml", "model_0000009.pth", "model_final.pth"):
        (tmp_path / name).touch()
    return tmp_path


def test_without_a_name_it_is_the_one_that_comes_with_the_project():
    assert choose() == (None, DEFAULT)


def test_a_run_is_its_config_and_its_newest_checkpoint(run_dir):
    final = str(run_dir / "model_final.pth")
    config = str(run_dir / "config.yaml")
    assert choose(run=run_dir) == (config, final)
    (run_dir / "last_checkpoint").write_text("model_0000009.pth\n")
    assert choose(run=run_dir) == (config, str(run_dir / "model_0000009.pth"))
    # What is named is taken in place of the run's.
    assert choose(weights="other.pth", run=run_dir) == (config, "other.pth")


def test_a_run_without_its_files_names_what_is_missing(run_dir):
    (run_dir / "last_checkpoint").write_text("model_0000019.pth")
    with pytest.raises(InputError, match=r"model_0000019\.pth is missing"):
        newest_checkpoint(run_dir)
    with pytest.raises(InputError, match=r"none/config\.yaml is missing: name the OUTPUT_DIR"):
        choose(run=run_dir / "none")


def test_options_are_over_the_config_of_a_model_file(untrained, tmp_path):
    path = tmp_path / "slim.pth"
    slim_checkpoint(untrained / "model.pth", path, config_file=untrained / "config.yaml")
    cfg = open_config(*choose(weights=path), ["PREDICT.SCORE", "0.75"])
    assert cfg.PREDICT.SCORE == 0.75
    assert str(path) == cfg.MODEL.WEIGHTS
    assert open_config(*choose(weights=path)).PREDICT.SCORE == 0.05
    for key, value, problem in (
        ("PREDICT.SCOER", 1, "nearest one is PREDICT.SCORE"),
        ("PREDICT.SCORE", 7, "PREDICT.SCORE is 7"),
        ("MODEL.EMA.DECAY", 0.5, "nothing reads it with MODEL.EMA.ENABLED False"),
    ):
        with pytest.raises(InputError, match=problem):
            open_config(*choose(weights=path), [key, value])
