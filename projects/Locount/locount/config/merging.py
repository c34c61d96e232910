"""Values of a file or of a command line into a config, with errors that name the key.

A config.yaml of an earlier version holds every key that there was, so its values go through
:func:`renewed` first.
"""

from __future__ import annotations

import contextlib
import difflib
import logging
import os
from collections.abc import Mapping, Sequence
from typing import SupportsFloat

from detectron2.config import CfgNode

from ..config_files import get_config_file
from ..errors import InputError, listing
from ..texts import TextError, read_yaml
from .checks import RENAMED, allowed, flatten, get, project_keys

# Nodes and keys of earlier versions, and what to write instead.
GONE = {
    "MODEL.BOX_LOSS": "delete it. Its TERMS are a value of MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE "
    '("balanced_l1" or "ciou") now, its WEIGHTS is MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT',
    "MODEL.BOX_SAMPLING": "delete it. Background is drawn at random, as Detectron2 does",
    "MODEL.BFP.REDUCTION": "delete it. The non-local block has the channels of the FPN",
    "MODEL.YOLO.LABEL_SMOOTH": "delete it. Targets of a class are 0 and 1",
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
    "MODEL.BFP.REDUCTION": 1,
    "MODEL.YOLO.LABEL_SMOOTH": 0.0,
    "MODEL.REPPOINTS.TRANSFORM": "moment",
}

# The key of the files that a file is based on, and how many they can be.
BASE = "_BASE_"
MAX_FILES = 50

logger = logging.getLogger(__name__)


def find_config(config_file: str | os.PathLike) -> str:
    """The path of a config that is named by it, or as :mod:`locount.config_files` names its own.

    Raises:
        InputError: if it is neither.
    """
    name = os.fspath(config_file)
    return name if os.path.isfile(name) else get_config_file(name)


def file_keys(config_file: str | os.PathLike) -> dict[str, object]:
    """The keys and values of a YAML file and of the files it is based on.

    Args:
        config_file: as for :func:`find_config`.

    Raises:
        InputError: for a file that is missing or is not a config.
    """
    return dict(flatten(read_nodes(config_file)))


def read_nodes(config_file: str | os.PathLike) -> dict:
    """The nodes of a YAML file, over those of the files that its ``_BASE_`` names.

    Raises:
        InputError: as :func:`file_keys`.
    """
    return _read(find_config(config_file), [])


def _read(path: str, read: list[str]) -> dict:
    read.append(path)
    if len(read) > MAX_FILES:
        raise InputError(f"{read[0]} is based on itself, or on over {MAX_FILES} files: see _BASE_.")
    try:
        content = read_yaml(path)
    except TextError as error:
        raise InputError(f"{read[0]}: {BASE}: {error}" if read[1:] else str(error)) from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no keys and values, so it is not a config.")
    bases = content.pop(BASE, [])
    nodes: dict = {}
    for base in bases if isinstance(bases, list) else [bases]:
        if not isinstance(base, str) or "://" in base:
            raise InputError(
                f"{path}: {BASE} is {base!r}; it must be the path of a file, from this one, or a "
                "list of such paths."
            )
        base = os.path.join(os.path.dirname(path), os.path.expanduser(base))
        _lay_over(nodes, _read(base, read))
    _lay_over(nodes, content)
    return nodes


def _lay_over(nodes: dict, others: dict) -> None:
    for key, value in others.items():
        if isinstance(value, dict) and isinstance(nodes.get(key), dict):
            _lay_over(nodes[key], value)
        else:
            nodes[key] = value


def merge_saved(cfg: CfgNode, saved: Mapping, source: str) -> list[str]:
    """Give keys of a config the values of one that another version may have saved.

    Args:
        saved: its nodes.
        source: of it, for messages.

    Returns:
        The keys that this version does not have, with their values; they are left out.

    Raises:
        InputError: as :func:`merge`.
    """
    known = dict(flatten(cfg))
    values = renewed(dict(flatten(saved)), source)
    merge(cfg, {key: value for key, value in values.items() if key in known}, source)
    return [f"{key}: {value}" for key, value in values.items() if key not in known]


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
    except (ValueError, AssertionError, TypeError, RecursionError, MemoryError):
        field = project_keys().get(key)
        return f"{key} is {value!r}; it must be {allowed(field.type if field else type(present))}."
    return None
