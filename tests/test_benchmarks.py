"""The benchmarks run; their figures are for people to read."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_no_benchmark_is_imported_in_place_of_a_library():
    # A script's folder comes first on the path, and numba imports "coverage" if there is one.
    names = {path.stem for path in BENCHMARKS.glob("*.py")}
    libraries = {"coverage", *sys.stdlib_module_names, *packages_distributions()}
    assert names
    assert not names & libraries


@pytest.mark.slow
def test_everything_of_the_gpu_benchmark_runs_at_toy_size():
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), "--toy"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    printed = run.stdout
    assert printed.count("## ") == 6
    assert "with counting" in printed
    assert "0 photos where their number, order, a class or a count differs" in printed
