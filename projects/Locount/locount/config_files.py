"""The configs that come with the project: their files, by their names.

A name is the path below configs/ without its ending, such as
``Locount/clcnet_s2_cls10_R_50_FPN_1x``. It serves wherever a config is named, if there is no file
of that path.
"""

from __future__ import annotations

import difflib
import itertools
import re
from pathlib import Path

from .errors import InputError

# A symbolic link to configs/ in a checkout, a folder of files in a wheel.
FOLDER = Path(__file__).parent / "model_zoo/configs"
SUFFIX = ".yaml"


def names() -> list[str]:
    """All names, sorted; what configs are based on is not among them.

    >>> "Locount/clcnet_s2_cls10_R_50_FPN_1x" in names()
    True
    """
    paths = FOLDER.glob(f"*/*{SUFFIX}")
    return sorted(
        f"{path.parent.name}/{path.stem}" for path in paths if not path.name.startswith("Base-")
    )


def get_config_file(name: str) -> str:
    """The path of a config by its name, with or without ".yaml".

    Raises:
        InputError: if there is no such config; it names the nearest ones.
    """
    stem = name.removesuffix(SUFFIX)
    if stem in names():
        return str(FOLDER / f"{stem}{SUFFIX}")
    near = difflib.get_close_matches(stem.removeprefix("configs/"), names())
    nearest = f" Near it are {', '.join(near)}." if near else ""
    raise InputError(
        f"{name} is not a file, nor a config that comes with locount.{nearest} `locount configs` "
        "lists them all."
    )


def describe(name: str) -> str:
    """The first sentence of the comment that a config begins with."""
    lines = Path(get_config_file(name)).read_text(encoding="utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    text = " ".join(line.lstrip("# ") for line in comment)
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]
