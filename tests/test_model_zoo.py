from pathlib import Path

import pytest

from locount import model_zoo
from locount.cli import main
from locount.config import load_config
from locount.errors import InputError

CONFIGS = Path(__file__).parents[1] / "configs"
NAME = "Locount/clcnet_s2_cls10_R_50_FPN_1x"


def test_every_config_of_the_repository_has_a_name():
    leaves = {p for p in CONFIGS.rglob("*.yaml") if not p.name.startswith("Base-")}
    assert {CONFIGS / f"{name}.yaml" for name in model_zoo.names()} == leaves


@pytest.mark.parametrize("name", [NAME, f"{NAME}.yaml"])
def test_a_name_is_the_config_wherever_it_is_asked_for(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = load_config(str(CONFIGS / f"{NAME}.yaml"))
    assert model_zoo.get_config(name) == load_config(name) == expected
    assert model_zoo.get_config(name, ["SOLVER.MAX_ITER", 7]).SOLVER.MAX_ITER == 7


def test_a_file_of_that_path_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"{NAME}.yaml"
    file.parent.mkdir()
    file.write_text("SOLVER:\n  MAX_ITER: 3\n")
    assert load_config(f"{NAME}.yaml").SOLVER.MAX_ITER == 3


@pytest.mark.parametrize("name", ["Locount/clcnet_s2_cls10", f"configs/{NAME}.yml"])
def test_a_name_that_is_none_leads_to_the_nearest(name):
    with pytest.raises(InputError, match=rf"{name} is not a file.*{NAME}.*locount configs"):
        load_config(name)


def test_the_list_has_a_line_for_each_or_for_those_with_a_word(capsys):
    assert main(["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == model_zoo.names()
    assert all(len(line.split()) > 1 for line in lines)
    assert main(["configs", "SSD512"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Locount/ssd512_VGG_16_1x ")
    assert main(["configs", "perpetuum"]) == 2
