import importlib.metadata
import sys
from pathlib import Path

import pytest

BACKEND = Path(__file__).resolve().parent.parent / "build_backend"
sys.path.insert(0, str(BACKEND))


def installed_version() -> str:
    try:
        return importlib.metadata.version("detectron2")
    except importlib.metadata.PackageNotFoundError:
        return "none"


@pytest.fixture
def pure_detectron2():
    version = installed_version()
    if not version.startswith("0.6+pure."):
        pytest.skip(f"the installed detectron2 is {version}, not this folder's 0.6+pure wheel")
