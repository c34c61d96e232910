"""Values of a file or of a command line into a config, with errors that name the key.

A config.yaml of an earlier version holds every key that there was, so its values go through
:func:`renewed` first.
"""

from __future__ import annotations

import contextlib
import difflib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import SupportsFloat

import yaml
from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager

from ..config_files import get_config_file
from ..errors import InputError, listing
from .checks import RENAMED, allowed, get, project_keys

# Nodes and keys of earlier versions, and what to write instead.
GONE = {
    "MODEL.BOX_LOSS": "delete it. Its TERMS are a value of MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE "
    '("balanced_l1" or "ciou") now, its WEIGHTS is MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT',
    "MODEL.BOX_SAMPLING": "delete it. Background is drawn at random, as Detectron2 does",
    "MODEL.REPPOINTS.TRANSFORM": "delete it. Boxes are spanned by the points' moments",
}
# The values, as a config.yaml has them, with which they did nothing, or what is done now.
GONE_DEFAULTS = {
    "MODEL.BOX_LOSS.TERMS": [],
    "MODEL.BOX_LOSS.WEIGHTS": [],
    "MODEL.BOX_LOSS.APPLY_TO": ["rpn", "roi"],
    "MODEL.BOX_LOSS.ALPHA": 0.5,
    "MODEL.BOX_LOSS.GAMMA": 1.5,
    "MODEL.BOX_LOSS.BETA": 1.0,
    "MODEL.BOX_SAMPLING.STRATEGY": "random",
    "MODEL.BOX_SAMPLING.BINS": 3,
    "MODEL.BOX_SAMPLING.FLOOR": 0.0,
    "MODEL.REPPOINTS.TRANSFORM": "moment",
}

logger = logging.getLogger(__name__)


def find_config(config_file: str | os.PathLike) -> str:
    """The path of a config that is named by it, or as :mod:`locount.config_files` names its own.

    Raises:
        InputError: if it is neither.
    """
    name = os.fspath(config_file)
    return name if PathManager.isfile(name) else get_config_file(name)


def file_keys(config_file: str | os.PathLike) -> dict[str, object]:
    """The keys and values of a YAML file and of the files it is based on.

    Args:
        config_file: as for :func:`find_config`.

    Raises:
        InputError: for a file that is missing or is not a config.
    """
    try:
        config_file = find_config(config_file)
        loaded = CfgNode.load_yaml_with_base(config_file, allow_unsafe=False)
        return dict(flatten(loaded))
    except (OSError, yaml.YAMLError, UnicodeError, TypeError, AttributeError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{config_file} can't be read as the YAML of a config: {text}") from error


def option_keys(opts: Sequence[object]) -> dict[str, object]:
    """The keys and values of options, which are keys and values in turn."""
    if len(opts) % 2:
        raise InputError(f"Options are KEY VALUE KEY VALUE ...; {opts[-1]!r} has no value.")
    return {str(key): value for key, value in zip(opts[::2], opts[1::2], strict=True)}


def renewed(values: Mapping[str, object], source: str = "") -> dict[str, object]:
    """The values of an earlier version as this one has them.

    Names that changed are the new ones, and keys that are gone are left out where they did nothing;
    the log says so. Everything else is as it was.

    Args:
        source: of the values, for the log.
    """
    kept = {}
    for key, value in values.items():
        if key in GONE_DEFAULTS and value == GONE_DEFAULTS[key]:
            continue
        if isinstance(value, str) and value in RENAMED:
            logger.info("%s%s: %s is now called %s.", source, key, value, RENAMED[value])
            value = RENAMED[value]
        kept[key] = value
    if len(kept) < len(values):
        logger.info("%sits keys that are gone had their defaults and are left out.", source)
    return kept


def merge(cfg: CfgNode, values: Mapping[str, object], source: str = "") -> None:
    """Give keys of a config their values.

    Args:
        source: of the values, for the message.

    Raises:
        InputError: listing each key that does not exist, with the nearest one that does, and each
            value of another type.
    """
    # Of a node that is gone all keys have one cure.
    items = renewed(values, source).items()
    problems = list(dict.fromkeys(filter(None, (_set(cfg, *item) for item in items))))
    if len(problems) == 1:
        raise InputError(f"{source}{problems[0]}")
    if problems:
        raise InputError(f"{source}{len(problems)} keys can't be used:\n{listing(problems)}")


def _set(cfg: CfgNode, key: str, value: object) -> str | None:
    """Set one value; what is wrong with it if it can't be."""
    for node, cure in GONE.items():
        if f"{key}.".startswith(f"{node}."):
            return f"{node} is gone: {cure}."
    try:
        present = get(cfg, key)
    except (KeyError, TypeError):
        near = difflib.get_close_matches(key, dict(flatten(cfg)), n=1)
        nearest = f"; the nearest one is {near[0]}" if near else ""
        return f"{key} is not a key of the config{nearest}."
    if isinstance(present, CfgNode):
        return f"{key} is a node: give values to its keys, {', '.join(present)}."
    if (
        isinstance(present, float)
        and isinstance(value, str | SupportsFloat)
        and not isinstance(value, bool)
    ):
        with contextlib.suppress(ValueError, TypeError):
            value = float(value)  # 1 for 1.0
    try:
        cfg.merge_from_list([key, value])
    except (ValueError, AssertionError):
        field = project_keys().get(key)
        return f"{key} is {value!r}; it must be {allowed(field.type if field else type(present))}."
    return None


def flatten(node: Mapping, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every key of nested nodes, such as "MODEL.FCOS.NORM", with its value."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
