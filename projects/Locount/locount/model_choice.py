"""Which model is meant: by its file, by the folder of its training, or by config and weights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from detectron2.config import CfgNode

from . import config_files
from .config import load_config, merge_options, without_missing_gpu
from .config.merging import find_config
from .errors import InputError
from .model_file import DEFAULT, find_weights, stored_config

Path_ = str | os.PathLike


def choose(
    config_file: Path_ | None = None, weights: Path_ | None = None, run: Path_ | None = None
) -> tuple[str | None, str | None]:
    """The config and the weights that are meant where only one of them is named, or none.

    Args:
        run: the OUTPUT_DIR of a training, whose config and newest checkpoint are taken for what is
            not named.

    Returns:
        The config, None for that in the weights; and the weights, None for those that the config
        names. Without any argument these are None and the weights that come with the project.

    Raises:
        InputError: if the folder has no such files.
    """
    if run is not None:
        config_file = config_file or _of_run(run, "config.yaml")
        weights = weights or newest_checkpoint(run)
    elif config_file is None and weights is None:
        weights = DEFAULT
    config = None if config_file is None else find_config(config_file)
    return config, None if weights is None else os.fspath(weights)


def open_config(
    config_file: str | None, weights: str | None, opts: Sequence[object] = ()
) -> CfgNode:
    """The config of a model as :func:`choose` returns it; not frozen, its MODEL.WEIGHTS set.

    Args:
        opts: keys and values in turn, over those of the config.

    Raises:
        InputError: for a file that can't be used, and for options as ``load_config``.
    """
    if config_file is not None:
        cfg = load_config(config_file, opts)
    else:
        cfg = stored_config(find_weights(DEFAULT if weights is None else weights))
        merge_options(cfg, opts)
        cfg = without_missing_gpu(cfg)
    if weights is not None:
        cfg.MODEL.WEIGHTS = weights
    cfg.MODEL.WEIGHTS = find_weights(cfg.MODEL.WEIGHTS)
    return cfg


def open_model(cfg: CfgNode | Path_ | None, weights: Path_ | None) -> CfgNode:
    """As :func:`open_config`, of a model by one name, whatever that is the name of.

    Args:
        cfg: a config; or the path of a YAML file, of a model file, or of the folder of a training;
            or a name of a config that comes with the project. None for that in the weights.
        weights: None for those that the config names; without a config those of the project.

    Raises:
        InputError: for what can't be used, and for weights beside a model file.
    """
    if isinstance(cfg, CfgNode):
        own: CfgNode = cfg.clone()
        own.defrost()
        own.MODEL.WEIGHTS = find_weights(own.MODEL.WEIGHTS if weights is None else weights)
        return own
    if cfg is None:
        return open_config(*choose(weights=weights))
    name = os.fspath(cfg)
    if os.path.isdir(name):
        return open_config(*choose(weights=weights, run=name))
    if name.endswith((".yaml", ".yml")) or name in config_files.names():
        return open_config(*choose(name, weights))
    if weights is not None:
        raise InputError(f"{cfg} is not a config: name a .yaml file.")
    return open_config(*choose(weights=name))


def newest_checkpoint(run: Path_) -> str:
    """The checkpoint that a training saved last: model_final.pth of one that ended.

    Raises:
        InputError: if there is none.
    """
    pointer = Path(run, "last_checkpoint")
    if not pointer.is_file():
        return _of_run(run, "model_final.pth")
    return _of_run(run, pointer.read_text("utf-8", "replace").strip())


def _of_run(run: Path_, name: str) -> str:
    path = Path(run, name)
    if not path.is_file():
        raise InputError(
            f"{path} is missing: name the OUTPUT_DIR of a training, or a model file with --weights."
        )
    return str(path)
