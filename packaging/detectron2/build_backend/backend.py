"""PEP 517 backend: setuptools, run on the corrected source tree of detectron2 0.6.

The tree lives in a temporary folder, so that building leaves nothing in the repository.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from correction import apply_corrections
from corrections import CORRECTIONS
from sdist import unpack_sdist
from setuptools import build_meta

HERE = Path(__file__).resolve().parent.parent

PROJECTS = {
    "deeplab": "DeepLab",
    "panoptic_deeplab": "Panoptic-DeepLab",
    "point_rend": "PointRend",
}
"""Package below `detectron2.projects` -> folder below `projects` of the source tree."""


def build_wheel(
    wheel_directory: str,
    config_settings: dict | None = None,
    metadata_directory: str | None = None,
) -> str:
    wheel_directory = os.path.abspath(wheel_directory)
    with _working_tree() as tree:
        prepare_tree(tree)
        return build_meta.build_wheel(wheel_directory)


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: dict | None = None
) -> str:
    """The metadata needs no sources, so a resolver that only asks for it downloads nothing."""
    metadata_directory = os.path.abspath(metadata_directory)
    with _working_tree():
        return build_meta.prepare_metadata_for_build_wheel(metadata_directory)


def build_sdist(sdist_directory: str, config_settings: dict | None = None) -> str:
    raise RuntimeError(
        "This folder builds a wheel only: its sources are fetched from your package index. "
        "Use `pip wheel --no-deps .` or `python -m build --wheel .`"
    )


def prepare_tree(tree: Path) -> None:
    """Put the corrected packages `detectron2` and `detectron2.projects.*` into `tree`."""
    with tempfile.TemporaryDirectory() as folder:
        sources = unpack_sdist(Path(folder))
        apply_corrections(sources, CORRECTIONS)
        shutil.copytree(sources / "detectron2", tree / "detectron2")
        for package, project in PROJECTS.items():
            shutil.copytree(
                sources / "projects" / project / package, tree / "detectron2/projects" / package
            )
    shutil.copytree(HERE / "added", tree, dirs_exist_ok=True)


@contextlib.contextmanager
def _working_tree() -> Iterator[Path]:
    """A temporary folder with this package's own files, entered for as long as it exists."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder).resolve()
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(HERE / name, tree)
        os.chdir(tree)
        try:
            yield tree
        finally:
            os.chdir(before)
