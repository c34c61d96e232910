import argparse
import importlib.metadata
import os
import subprocess
import sys

import pytest

import locount
from locount.cli import main, options
from locount.cli.main import COMMANDS, command_module


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["guess"], "locount: 'guess' is not a command (see `locount --help`)\n"),
        (["predct"], "locount: 'predct' is not a command; did you mean 'predict'? (see"),
        ([], "locount: the following arguments are required: COMMAND (see"),
        (["slim", "--x"], "locount slim: the following arguments are required: IN.pth, OUT.pth ("),
        (["predict", "x", "-o", "s3://a/b"], "--output s3://a/b is an address, which only"),
        (["serve", "--host", ".shop"], "locount serve: can't listen on .shop, port 8000 ("),
        (["predict", "x", "--score", "50"], "--score: 50 is not a number from 0 to 1"),
    ],
)
def test_usage_errors_are_one_line_that_leads_on(arguments, message, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"locount {locount.__version__}\n"
    assert importlib.metadata.version("locount") == locount.__version__


SHARED = ("-w", "-c", "-o", "--run", "--opts", "--score", "--device")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_shared_word_means_one_thing_everywhere(command):
    """What it is short for, its type and how many values it takes."""

    def meanings(*modules):
        parser = argparse.ArgumentParser()
        for add_arguments in modules:
            add_arguments(parser)
        shared = [a for a in parser._actions if a.help != argparse.SUPPRESS]
        return {
            name: (action.option_strings, action.type, action.nargs)
            for action in shared
            for name in action.option_strings
            if name in SHARED
        }

    module = command_module(command)
    expected = meanings(
        options.add_model,
        options.add_device,
        lambda parser: options.add_score(parser, ""),
        lambda parser: options.add_output(parser, ""),
    )
    assert expected.keys() == set(SHARED)
    assert meanings(module.add_arguments).items() <= expected.items()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_argument_has_help(command):
    parser = argparse.ArgumentParser()
    command_module(command).add_arguments(parser)
    assert all(action.help for action in parser._actions)


def run_main(lines, *arguments, **options):
    """A program that changes something and then runs the command line."""
    program = f"import sys\nfrom locount.cli import main\n{lines}\nsys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], text=True, check=False, **options
    )


def test_a_reader_that_goes_away_ends_it_quietly():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out:
        run = run_main("", "configs", stdout=out, stderr=subprocess.PIPE)
    assert (run.returncode, run.stderr) == (141, "")


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_a_stream_that_was_closed_is_not_missed(stream, monkeypatch):
    """Python has None for a standard stream that was closed before it started."""
    monkeypatch.setattr(sys, stream, None)
    assert main(["configs"]) == 0
    assert main(["evaluate", "none.json", "none.json"]) == 2
    assert getattr(sys, stream) is not None


def test_ctrl_c_ends_it_with_one_line():
    interrupt = """
import locount.cli.configs
def run(args): raise KeyboardInterrupt
locount.cli.configs.run = run"""
    run = run_main(interrupt, "configs", capture_output=True)
    assert run.returncode == 130
    assert run.stderr == "\nlocount configs: interrupted\n"


def test_a_full_disk_is_no_traceback():
    full = """
import locount.cli.configs
def run(args): raise OSError(28, "No space left on device", "x.csv")
locount.cli.configs.run = run"""
    run = run_main(full, "configs", capture_output=True)
    assert (run.returncode, run.stderr) == (
        2,
        "locount configs: x.csv: No space left on device\n",
    )


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0"}


@pytest.mark.parametrize(
    ("locale", "printed"),
    [
        (ASCII, "café 2–3\n".encode()),
        ({"PYTHONIOENCODING": "latin-1"}, b"caf\xe9 2\\u20133\n"),
    ],
)
def test_every_text_can_be_printed_in_every_locale(locale, printed):
    text = r"""
import locount.cli.configs
def run(args): print("caf\xe9 2\u20133")
locount.cli.configs.run = run"""
    program = f"from locount.cli import main\n{text}\nmain(['configs'])"
    command, env = [sys.executable, "-c", program], {**os.environ, **locale}
    assert subprocess.run(command, capture_output=True, check=True, env=env).stdout == printed


def test_a_name_that_the_locale_does_not_allow_is_no_traceback():
    name = r"""
import locount.cli.configs
def run(args): open("caf\xe9.jpg")
locount.cli.configs.run = run"""
    run = run_main(name, "configs", capture_output=True, env={**os.environ, **ASCII})
    assert run.returncode == 2
    assert run.stderr.startswith("locount configs: café.jpg can't be the name of a file in ascii")
    assert "set LC_ALL to C.UTF-8" in run.stderr


def test_libraries_are_quiet_and_we_are_not():
    warn = """
import locount.cli.configs
def run(args):
    import logging, warnings
    for module in ("torch.jit", "locount.counting"):
        warnings.warn_explicit(f"of {module}", FutureWarning, "file.py", 1, module)
    logging.getLogger("locount.data").info("Reading")
    logging.getLogger("timm").info("Reading")
    logging.getLogger("timm").warning("Odd")
    return 0
locount.cli.configs.run = run"""
    run = run_main(warn, "configs", capture_output=True)
    lines = run.stderr.splitlines()
    assert lines == [
        "file.py:1: FutureWarning: of locount.counting",
        "INFO: Reading",
        "WARNING: Odd",
    ]


def test_the_package_is_the_command_too():
    command = [sys.executable, "-m", "locount", "configs", "SSD512"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("Locount/ssd512_VGG_16_1x")
    assert not run.stderr


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
    assert capsys.readouterr().err.startswith(
        f"locount compare: argument {option}: 0 is not a whole number of 1 or more"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--num-gpus", "0"], "argument --num-gpus: 0 is not a whole number of 1 or more"),
        (["--num-machines", "2", "--machine-rank", "2"], "machines are numbered from 0 on"),
    ],
)
def test_processes_that_cannot_be_are_refused(options, words, capsys):
    assert main(["train", "-c", "Shelf/cascade_rcnn_small", *options]) == 2
    assert words in capsys.readouterr().err


def test_the_command_line_starts_without_torch():
    program = "import sys, locount.cli, locount.evaluation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
