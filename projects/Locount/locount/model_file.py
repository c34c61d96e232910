"""Model files: read so that nothing in them can run, and those that come with the project.

A model file is one of `torch.save` with the weights under "model". What training and `locount slim`
write holds beside them what prediction needs: the config, the classes, and a card where one was
given.
"""

from __future__ import annotations

import logging
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from detectron2.config import CfgNode, get_cfg

from .config import add_locount_config, check_config
from .config.checks import flatten
from .config.merging import merge
from .errors import InputError, listing
from .texts import parse_yaml

# Under which a model file holds its parts, beside "model": texts, the first in YAML, the second in
# Markdown.
CONFIG_KEY = "config"
CARD_KEY = "card"

# A symbolic link to weights/ in a checkout, a folder of files in a wheel.
FOLDER = Path(__file__).parent / "weights"
# What comes with the project, by its names, which work wherever weights are named.
SHIPPED = {"products": "products_lite0.pth", "shelf": "clcnet_s2_cls10_shelf.pth"}
# What predicts where no weights are named.
DEFAULT = "products"

# Formats of other programs, which Detectron2 reads; by suffix.
PICKLES = (".pkl", ".pyth")
# All that arrays need to be unpickled, by either version of numpy.
ARRAY_GLOBALS = (
    *("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
    *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
    *("numpy.ndarray", "numpy.dtype", "_codecs.encode", "collections.OrderedDict"),
)

AGAIN = "copy, download or train it again"
_NOT_OURS = "is not a file of torch.save: name a checkpoint, such as model_final.pth of a training"

logger = logging.getLogger(__name__)


def find_weights(name: str | os.PathLike) -> str:
    """The path of weights that come with the project by their name; any other path as it is.

    Raises:
        InputError: if they are not in this installation.
    """
    name = os.fspath(name)
    if name not in SHIPPED:
        return name
    path = FOLDER / SHIPPED[name]
    if not path.is_file():
        raise InputError(
            f"The weights {name!r} ({path}) are not in this installation: install it again, or "
            "name a model file with --weights or in MODEL.WEIGHTS."
        )
    return str(path)


def read_checkpoint(path: str | os.PathLike, *, mmap: bool = False) -> dict[str, Any]:
    """What a file of `torch.save` holds, if that is tensors and plain data.

    In files of torch 1.6 and newer every byte of the content is checked by its checksum.

    Args:
        mmap: leave the tensors in the file, to read what is beside them.

    Raises:
        InputError: if the file can't be read, is damaged, or holds anything else.
    """
    path = os.fspath(path)
    try:
        is_archive = _check_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap and is_archive)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror or error}).") from error
    except Exception as error:  # torch's unpickler fails on odd content in every way there is
        raise InputError(f"{path} {_explain(error)}.") from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path} holds a {type(content).__name__}, not the weights of a model by "
            "name: save a state_dict."
        )
    return content


def check_pickle(path: str) -> None:
    """Make sure that a pickle, as Detectron2's model zoo has them, holds arrays and plain data.

    Raises:
        InputError: if it does not, or can't be read.
    """
    try:
        with open(path, "rb") as file:
            _ArraysOnly(file, encoding="latin1").load()
    except _ForbiddenError as error:
        raise InputError(f"{path} {_refusal(str(error))}.") from error
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror or error}).") from error
    except Exception as error:  # see read_checkpoint
        raise InputError(f"{path} is not a pickle, or it is cut short: {AGAIN}.") from error


def check_weights(path: str, weights: Any) -> None:
    """Make sure that what a file holds for weights are tensors or arrays by their names.

    Raises:
        InputError: naming the first that is not.
    """
    if not isinstance(weights, Mapping) or not weights:
        odd = ["it"]
    else:
        odd = [n for n, w in weights.items() if not isinstance(n, str) or not _is_array(w)]
    if odd:
        raise InputError(
            f"{path} has no weights under 'model' ({odd[0]!r} is not an array with a name): save "
            "them with torch.save({'model': model.state_dict()}, FILE)."
        )


def stored(path: str, key: str, kind: type) -> Any:
    """A part of a model file, of type ``kind``; None where the file has no such part.

    Raises:
        InputError: if the file can't be read, or the part is of another type.
    """
    # Addresses, and pickles of other programs, have no such parts.
    if not os.path.isfile(path) or path.endswith(PICKLES):
        return None
    value = read_checkpoint(path, mmap=True).get(key)
    if value is None:
        return None
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise InputError(
            f"{path} was not written by this project: {key!r} in it is not what it should be "
            f"({error})."
        ) from error


def stored_config(path: str) -> CfgNode:
    """The config that a model file holds, not frozen.

    MODEL.DEVICE is Detectron2's default, whatever the model was trained on. Keys that this version
    does not know are left out, and a warning names them.

    Raises:
        InputError: if there is no such file, or no config in it, or it can't be used.
    """
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such model file.")
    text = stored(path, CONFIG_KEY, str)
    if text is None:
        raise InputError(
            f"{path} does not hold its config: name the config.yaml that training left beside it "
            "with --config-file, or `locount slim` it with that."
        )
    cfg = get_cfg()
    add_locount_config(cfg)
    try:
        unknown = merge(cfg, _keys(text), saved=True)
        check_config(cfg)
    except ValueError as error:
        reason = " ".join(map(str.strip, str(error).splitlines()))
        raise InputError(
            f"The config in {path} can't be used ({reason.removesuffix('.')}): name another one "
            "with --config-file."
        ) from error
    if unknown:
        logger.warning(
            "The config in %s has keys of another version, which are left out:\n%s",
            path,
            listing(unknown),
        )
    cfg.MODEL.DEVICE = get_cfg().MODEL.DEVICE
    return cfg


def _keys(text: str) -> dict[str, object]:
    nodes = parse_yaml(text)
    if not isinstance(nodes, dict):
        raise ValueError("it holds no keys and values")
    return dict(flatten(nodes))


def _check_archive(path: str) -> bool:
    """Whether a file is of torch 1.6 or newer, that is a zip archive; if so its sums are right."""
    with open(path, "rb") as file:
        start = file.read(2)
    if not zipfile.is_zipfile(path):
        if start == b"PK":
            raise InputError(f"{path} is cut short or damaged: {AGAIN}.")
        if start != b"\x80\x02":  # a pickle, as older versions of torch wrote it
            raise InputError(f"{path} {_NOT_OURS}.")
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            files = {name.partition("/")[2] for name in archive.namelist()}
            # torch fills what is marked as a folder with what happens to be in memory
            folders = any(entry.external_attr & 0x10 for entry in archive.infolist())
            if folders or archive.testzip() is not None:
                raise zipfile.BadZipFile("its checksums do not match")
    except Exception as error:  # zipfile reports damages of headers in many ways
        raise InputError(f"{path} is damaged ({error}): {AGAIN}.") from error
    if "constants.pkl" in files:
        raise InputError(
            f"{path} is a TorchScript file, as `locount export` writes it: name the checkpoint "
            "that it was made of."
        )
    if "data.pkl" not in files:
        raise InputError(f"{path} {_NOT_OURS}.")
    return True


def _is_array(value: Any) -> bool:
    """Whether a value is an array all of whose numbers are in the file."""
    if not isinstance(value, torch.Tensor):
        return isinstance(value, np.ndarray)
    return (
        value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and value.nbytes <= value.untyped_storage().nbytes()
    )


def _explain(error: Exception) -> str:
    """What torch means; its own messages are long, and advise to run what is in the file."""
    text = str(error)
    if forbidden := re.search(r"GLOBAL ([\w.]+)", text):
        return _refusal(forbidden[1])
    if "Unsupported" in text or "but got" in text:
        return _refusal("an object of Python")
    return f"is cut short or damaged, or was not written by torch.save: {AGAIN}"


def _refusal(name: str) -> str:
    return (
        f"holds more than arrays and plain data ({name}), which could run programs, so it is not "
        "loaded: save only the weights, with torch.save({'model': model.state_dict()}, FILE)"
    )


class _ForbiddenError(pickle.UnpicklingError):
    """Of an object that is not needed for arrays."""


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in ARRAY_GLOBALS:
            raise _ForbiddenError(f"{module}.{name}")
        return super().find_class(module, name)
