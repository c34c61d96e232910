"""The configs that come with the project, by their names.

A name is the path below configs/ without its ending, such as
``Locount/clcnet_s2_cls10_R_50_FPN_1x``. It stands for the file wherever a config is named, if there
is no file of that path.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from detectron2.config import CfgNode

__all__ = ["describe", "get_config", "get_config_file", "names"]

# A symbolic link to configs/ in a checkout, a folder of files in a wheel.
FOLDER = Path(__file__).parent / "configs"
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


def get_config(name: str, opts: Sequence[object] = ()) -> CfgNode:
    """A config by its name, or from a file, ready to use and not frozen.

    It is what ``locount.config.load_config`` returns.

    >>> get_config("Locount/clcnet_s2_cls10_R_50_FPN_1x").MODEL.ROI_HEADS.NAME
    'CLCNetROIHeads'

    Args:
        opts: keys and values in turn, over those of the config.

    Raises:
        InputError: if there is no such config, or options can't be used.
    """
    from ..config import load_config  # here and not above: names need not wait for torch

    return load_config(name, opts)


def describe(name: str) -> str:
    """The first sentence of the comment that a config begins with."""
    lines = Path(get_config_file(name)).read_text(encoding="utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    text = " ".join(line.lstrip("# ") for line in comment)
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]
