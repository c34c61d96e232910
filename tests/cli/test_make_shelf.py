from locount.cli import main
from locount.data.catalog import source_of


def test_train_and_test_in_one_folder(tmp_path, capsys):
    out = str(tmp_path / "shelves")
    assert main(["make-shelf", out, "--images", "2", "--size", "480x320"]) == 0
    arguments = ["make-shelf", out, "--images", "1", "--seed", "2", "--split", "test"]
    assert main(arguments) == 0
    assert f"locount:{out}:test" in capsys.readouterr().out
    assert [r["width"] for r in source_of(f"locount:{out}:train").load()] == [480, 480]
    assert [r["width"] for r in source_of(f"locount:{out}:test").load()] == [640]


def test_a_second_run_finds_the_work_done(tmp_path, capsys):
    arguments = ["make-shelf", str(tmp_path), "--images", "1"]
    assert main(arguments) == 0
    assert main(arguments) == 0
    assert "there already" in capsys.readouterr().out


def test_style_and_rule(tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["make-shelf", out, "--images", "1", "--style", "varied", "--rule", "row"]) == 0
    assert (tmp_path / "out" / "categories.txt").read_text().splitlines()[-1] == "Case"
    assert main(["make-shelf", str(tmp_path / "other"), "--rule", "shelf"]) == 2
    assert "there are item, row, touching" in capsys.readouterr().err


def test_bad_sizes_are_explained(tmp_path, capsys):
    assert main(["make-shelf", str(tmp_path / "out"), "--size", "big"]) == 2
    assert "WIDTHxHEIGHT" in capsys.readouterr().err
