"""The package as `pip install` leaves it: a wheel, an environment of its own, an empty folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest

import locount

ROOT = Path(__file__).parents[1]
TEST_TOOLS = {"hypothesis", "pytest", "pytest-xdist", "ruff", "selenium", "unearth"}
TINY = ["INPUT.MIN_SIZE_TRAIN", "(64,)", "INPUT.MIN_SIZE_TEST", "64", "SOLVER.IMS_PER_BATCH", "2"]
TINY += ["SOLVER.MAX_ITER", "1", "SOLVER.STEPS", "()", "DATALOADER.NUM_WORKERS", "0"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, for setuptools builds in the folder of the sources.
    source = folder / "source"
    ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
    for name in ("projects", "configs", "weights"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "-w", folder, source], check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """Run a program of an environment with the wheel, in an empty folder."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (site,) = folder.glob("venv/lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--python", folder / "venv/bin/python"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], check=True)
    # What it requires is this environment's, whose own way to find locount a .pth line leaves out.
    paths = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (site / "others.pth").write_text("".join(f"{path}\n" for path in sorted(paths)))
    empty = folder / "empty"
    empty.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def run(program, *arguments):
        command = [folder / "venv/bin" / program, *arguments]
        done = subprocess.run(
            command, cwd=empty, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Warning" not in done.stdout + done.stderr
        return done.stdout

    run.folder = empty
    return run


def test_it_holds_configs_and_weights_and_asks_for_no_test_tools(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        headers = BytesParser().parsebytes(archive.read(metadata))
    configs = {f"locount/model_zoo/{p.relative_to(ROOT)}" for p in ROOT.glob("configs/**/*.yaml")}
    assert len(configs) > 50
    assert configs <= names
    assert {f"locount/weights/{p.name}" for p in ROOT.glob("weights/*.pth")} <= names
    assert not [name for name in names if name.partition("/")[0] == "tests"]
    required = {
        requirement.split(">")[0].split("=")[0].strip().lower()
        for requirement in headers.get_all("Requires-Dist")
        if "extra ==" not in requirement
    }
    assert "torch" in required
    assert not required & TEST_TOOLS


def test_a_photo_is_all_it_takes(run):
    home = run("python", "-c", "import locount; print(locount.__file__)")
    assert Path(home.strip()).is_relative_to(run.folder.parent)
    assert run("locount", "--version") == f"locount {locount.__version__}\n"
    run("locount", "make-shelf", "shelves", "--images", "1", "--size", "640x360")
    photo = next(str(path) for path in (run.folder / "shelves").rglob("*.jpg"))
    assert "products" in run("locount", "predict", photo, "--output", "found")
    assert list((run.folder / "found/pictures").iterdir())
    program = """
import sys
from locount import Predictor
prediction = Predictor()(sys.argv[1])
prediction.plot().save("found.png")
print(prediction.total)
"""
    total = int(run("python", "-c", program, photo))
    rows = (run.folder / "found/totals.csv").read_text().splitlines()
    column = rows[0].split(",").index("instances")
    assert total == sum(int(row.split(",")[column]) for row in rows[1:]) > 0
    assert (run.folder / "found.png").stat().st_size > 0


def test_it_trains_and_evaluates_by_the_name_of_a_config(run):
    assert "Locount/clcnet_s2_cls10_R_50_FPN_1x" in run("locount", "configs")
    name = "Shelf/clcnet_s2_cls10_small"
    run("locount", "train", "-c", name, "--data", "shelf:4:1", "-o", "shop", "--opts", *TINY)
    run("locount", "eval", "--run", "shop", "--data", "shelf:2:2")
    run("locount", "report", "--run", "shop")
    assert (run.folder / "shop/report.html").stat().st_size > 0
