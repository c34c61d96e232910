import argparse
import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from locount.cli import doctor

ROOT = Path(__file__).resolve().parents[2]


def run_doctor(capsys):
    status = doctor.run(argparse.Namespace())
    return status, capsys.readouterr().out


def test_a_working_installation_passes(capsys):
    status, out = run_doctor(capsys)
    assert status == 0, out
    assert "Everything required is there." in out
    for words in ("torch built for", "compiled operators work", "locount does not need it"):
        assert words in " ".join(out.split())


def test_every_requirement_is_examined():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"].split()
    assert {re.split("[=>]", line)[0] for line in lines} == set(doctor.REQUIRED)


AS_COMMAND = ["-c", "import sys; from locount.cli import main; sys.exit(main(['doctor']))"]


@pytest.mark.parametrize("how", [AS_COMMAND, [doctor.__file__]], ids=["command", "script"])
def test_without_any_package_it_names_each_and_the_cure(how):
    # -S leaves site-packages out: no torch, no detectron2, nothing but Python and this package.
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "projects" / "Locount")}
    command = [sys.executable, "-S", *how]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert result.returncode == 1
    assert result.stderr == ""
    for distribution in doctor.REQUIRED:
        assert f"PROBLEM  {distribution}: it isn't installed" in result.stdout
    assert result.stdout.count("PROBLEM") == len(doctor.REQUIRED)
    assert result.stdout.count(f"CURE     {doctor.INSTALL}") == 1


@pytest.fixture
def module_folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_package_whose_import_fails_is_broken_and_not_missing(module_folder):
    (module_folder / "broken_module.py").write_text("raise OSError('libGL.so.1: not found')")
    module, finding = doctor.check_package("pytest", "broken_module")
    assert module is None
    assert "broken" in finding.value
    assert "libGL.so.1: not found" in finding.problem
    assert finding.cure == "pip install --force-reinstall pytest"


def test_a_package_that_lacks_one_of_its_own_needs_names_it(module_folder):
    (module_folder / "needy_module.py").write_text("import no_such_module")
    _, finding = doctor.check_package("no-such-distribution", "needy_module")
    assert "no_such_module" in finding.problem
    assert finding.cure == doctor.INSTALL


def test_an_old_version_names_the_range():
    assert doctor.unmet_requirement("numpy", "1.2.0") == "numpy>=1.24"
    assert doctor.unmet_requirement("numpy", "2.4.6") is None
    assert doctor.unmet_requirement("detectron2", "0.6+pure.1") is None
    assert doctor.unmet_requirement("not-required", "1.0") is None


def test_torchvision_without_its_operators_is_broken(monkeypatch):
    import torchvision.ops

    def nms(boxes, scores, threshold):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(torchvision.ops, "nms", nms)
    finding = doctor._check_torchvision_operators()
    assert "operator torchvision::nms does not exist" in finding.problem
    assert finding.cure == doctor.REINSTALL_TORCH
