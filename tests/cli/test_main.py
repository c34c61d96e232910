import subprocess
import sys

import pytest

from locount.cli import main
from locount.cli.main import COMMANDS


def test_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"locount {command}" in capsys.readouterr().out


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        main(["guess"])
    assert end.value.code == 2
    assert "guess" in capsys.readouterr().err


def test_bad_input_is_told_without_a_traceback(tmp_path, capsys):
    missing = str(tmp_path / "missing.json")
    assert main(["evaluate", missing, missing]) == 2
    error = capsys.readouterr().err
    assert "missing.json" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("option", ["--budget", "--jobs"])
def test_a_comparison_of_nothing_is_refused(option, capsys):
    options = {"--train": "shelf:1:1", "--test": "shelf:1:2", "--budget": "1", option: "0"}
    assert main(["compare", "a.yaml", *(word for pair in options.items() for word in pair)]) == 2
    assert capsys.readouterr().err == f"locount compare: {option} is 0; it must be 1 or more\n"


def test_the_command_line_starts_without_torch():
    program = "import sys, locount.cli, locount.evaluation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
