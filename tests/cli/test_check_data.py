import csv
import json

import pytest

from locount.cli import main


@pytest.fixture
def names(photos):
    return [f"locount:{photos}:{split}" for split in ("train", "test")]


def test_warnings_alone_are_no_failure(names, capsys):
    # The fixture's two splits hold the same photos; each by itself is clean.
    assert main(["check-data", names[0]]) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out
    assert main(["check-data", *names, "--no-images"]) == 0


def test_errors_are_status_1_and_listed(names, capsys):
    assert main(["check-data", *names]) == 1
    out = capsys.readouterr().out
    assert "error: image in two datasets, 3" in out
    assert "Locount_ImagesTest/0.jpg: has the same pixels as " in out
    assert "| cup    |        3 |       3 |       6 |         2.00 |               2 |" in out


def test_json_is_all_there_is_on_stdout(names, tmp_path, capsys):
    assert main(["check-data", *names, "--json", "--fix", str(tmp_path / "fixed")]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["errors"], report["warnings"]) == (3, 0)
    assert report["findings"][0]["kind"] == "image in two datasets"
    assert report["statistics"][names[0]]["summary"][0]["items"] == 9
    assert (tmp_path / "fixed" / "changes.csv").exists()


def test_output_files(names, tmp_path):
    folder = tmp_path / "report"
    main(["check-data", *names, "--output", str(folder)])
    assert {path.name for path in folder.iterdir()} == {
        "report.json",
        "findings.csv",
        *(f"{n}.csv" for n in ("summary", "subsets", "groups", "categories", "counts", "images")),
        "distributions.png",
        "categories.png",
        "contact_sheet.jpg",
    }
    with open(folder / "counts.csv", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows == [(name, count, "3") for name in names for count in "12"]
    assert (folder / "distributions.png").read_bytes()[:4] == b"\x89PNG"


def test_bad_use_is_status_2_and_writes_nothing(names, tmp_path, capsys):
    output = tmp_path / "report"
    assert main(["check-data", "locount:nowhere:train", "--output", str(output)]) == 2
    assert "nowhere" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["check-data", names[0], "--fix", str(tmp_path / "file" / "fixed")]) == 2
    assert "name a folder that you may write to" in capsys.readouterr().err
    (tmp_path / "file").unlink()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "old").write_text("")
    assert main(["check-data", names[0], "--fix", str(tmp_path / "full")]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
