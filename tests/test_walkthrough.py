"""The commands of README and guides, one after the other, in a folder with a shop's photos."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from locount.cli import main

from .command_server import CLIENT

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Two iterations on small pictures in place of a training of hours. With a seed: so little trained,
# the 150 best boxes of a photo may end in a tie, which an exported model breaks in another way.
SHORT = (
    "locount train --opts SEED 1 SOLVER.MAX_ITER 2 SOLVER.IMS_PER_BATCH 2 DATALOADER.NUM_WORKERS 0"
    " INPUT.MIN_SIZE_TRAIN '(96,)' INPUT.MIN_SIZE_TEST 96"
)
# Beginnings of lines, and why they are not run.
LEFT_OUT = {
    "pip install": "needs a network",
    "make ": "takes minutes",
    "python benchmarks/": "takes minutes",
    "label-studio ": "another program",
}
# Beginnings of lines whose exit status is not 0.
STATUS = {"locount stock ": 1, "locount planogram check": 1}  # a check found something

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder with the programs `locount` and `python`."""
    folder = tmp_path_factory.mktemp("programs")
    path = str(folder / "socket")
    for name in ("locount", "python"):
        (folder / name).write_text(CLIENT.format(python=sys.executable, path=path))
        (folder / name).chmod(0o755)
    command = [sys.executable, Path(__file__).with_name("command_server.py"), path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "ready\n"
        yield folder
        server.kill()


@pytest.fixture
def shell(programs, tmp_path, monkeypatch):
    """Run a line in the folder of the shop."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def shell(line: str) -> None:
        command = ["bash", "-c", line.replace("locount train", SHORT)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        expected = next((n for start, n in STATUS.items() if line.startswith(start)), 0)
        assert (done.returncode, line) == (expected, line), done.stdout + done.stderr
        assert "Traceback" not in done.stderr

    return shell


def serve(line: str) -> None:
    """The page that `locount serve` shows."""
    command = [sys.executable, "-m", *line.partition("#")[0].split(), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        address = server.stdout.readline().split()[0]
        with urllib.request.urlopen(address) as page:
            assert page.status == 200
        server.send_signal(signal.SIGINT)
    assert server.returncode == 0


def walk(document: str, shell, people=None) -> None:
    """Run the blocks of a document.

    Args:
        people: what is done at a line that is only a comment.
    """
    for language, block in BLOCK.findall((ROOT / document).read_text()):
        if language == "python":
            Path("block.py").write_text(block)
            shell("python block.py")
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("# ") and people:
                people(line)
            elif line.startswith("locount serve"):
                serve(line)
            elif line and not line.startswith(("# ", *LEFT_OUT)):
                shell(line)


def render(folder: str, images: int, split: str = "train") -> list[Path]:
    """The photos of a dataset in Locount's layout."""
    options = ["--size", "568x320", "--split", split, "--seed", str(len(split))]
    assert main(["make-shelf", folder, "--images", str(images), *options]) == 0
    return sorted(Path(folder).glob(f"Locount_Images{split.title()}/*"))


def there(document: str, *names: str) -> None:
    """The document names each of the files, and each was written."""
    text = (ROOT / document).read_text()
    for name in names:
        assert Path(name).name in text, name
        assert Path(name).exists(), name


def test_readme(shell):
    shop = render("shop", 4)
    render("shop", 3, "test")
    shutil.copytree(shop[0].parent, "photos")
    shutil.copy(shop[0], "photo.jpg")
    shutil.copy(shop[1], "shelf.jpg")
    Path("minimums.csv").write_text("category,minimum\nproduct,1000\n")
    walk("README.md", shell)
    results = ("inventory.csv", "totals.csv", "predictions.json")
    there(
        "README.md", *(f"output/{run}/{name}" for run in ("predict", "stock") for name in results)
    )
    there("README.md", "found.jpg", "plan.csv", "output/shop/model_final.pth")


def test_guide(shell):
    shop = render("rendered", 90, "photos")  # a fifth must be enough for intervals
    shutil.copytree(shop[0].parent, "photos")
    options = ["--to", "label-studio", "--lossy", "category-list"]
    assert main(["convert", "locount:rendered:photos", "tasks", *options]) == 0
    shutil.copy("tasks/photos.json", "export.json")
    new = render("new", 2)[0].parent
    shutil.copytree(new, "few")
    shutil.copytree(new, "new_photos")
    walk("docs/guide.md", shell)
    written = ("first/pictures", "shop/report.html", "stock/inventory.csv", "stock/totals.csv")
    there("docs/guide.md", *(f"output/{name}" for name in written))
    there("docs/guide.md", "shop.pth", "shop_small.pth", "shop.onnx")


def test_labeling(shell):
    shutil.copytree(render("shop", 10)[0].parent, "photos")

    def people(line):
        """Each count is one more, and what Label Studio exports of it."""
        assert "correct them" in line
        tasks = json.loads(Path("labels/photos.json").read_text())
        for task in tasks:
            (prediction,) = task["predictions"]
            for result in prediction["result"]:
                if result["type"] == "number":
                    result["value"]["number"] += 1
            task["annotations"] = [{"result": prediction["result"], "was_cancelled": False}]
        Path("export.json").write_text(json.dumps(tasks))

    walk("docs/labeling.md", shell, people)
    there("docs/labeling.md", "labels/photos.json", "labels/interface.txt")
