"""Checkpoints: written whole, read safely, weights that must fit, and slim ones to hand on."""

from __future__ import annotations

import io
import os
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlparse

import fvcore.common.checkpoint
import msgspec
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode, get_cfg
from torch import nn

from .calibration import CALIBRATION_KEY, Calibration
from .class_names import CHECKPOINT_KEY
from .config import load_config, named_keys
from .config.checks import get
from .data.config_checks import num_classes_option
from .errors import InputError, listing
from .files import new_file
from .model_file import (
    CARD_KEY,
    CONFIG_KEY,
    check_pickle,
    check_weights,
    find_weights,
    read_checkpoint,
    stored_config,
)

# Which config keys decide on a parameter that does not fit. Tried in turn on "name: problem"; a
# problem that starts with "(" is about the shape.
CONFIG_KEYS = (
    (r"(^|\.)count_pred\.", "MODEL.COUNT_HEAD.{STRATEGY,MAX_COUNT,BASE}"),
    (r"(^|\.)iou_pred\.", "MODEL.IOU_AWARE.LOSS_WEIGHT"),
    (r"^roi_heads\..*\.(cls_score|bbox_pred)\.\w+: \(", "MODEL.ROI_HEADS.NUM_CLASSES"),
    (r"^roi_heads\.box_.*: not", "MODEL.ROI_BOX_CASCADE_HEAD.{IOUS,BBOX_REG_WEIGHTS}"),
    (r"^roi_heads\.box_head\.", "MODEL.ROI_BOX_HEAD"),
    (r"^roi_heads\.mask_", "MODEL.MASK_ON"),
    (r"^roi_heads\.keypoint_", "MODEL.KEYPOINT_ON"),
    (r"^proposal_generator\.", "MODEL.ANCHOR_GENERATOR"),
    (r"^backbone\.(fpn|refine)\.", "MODEL.BFP"),
    (r"^head\.", "MODEL.META_ARCHITECTURE and the node of its name"),
    (r"^network\.", "MODEL.DETR"),
    (r"^backbone\.", "MODEL.BACKBONE, MODEL.RESNETS, MODEL.FPN"),
)


# What of a config is about the machine that trained; a slim checkpoint goes to others.
OF_THE_MACHINE = ("DATASETS.TRAIN", "DATASETS.TEST", "MODEL.DEVICE", "MODEL.WEIGHTS", "OUTPUT_DIR")


class _TensorFiles(fvcore.common.checkpoint.Checkpointer):
    """What Detectron2's checkpointer reads files of `torch.save` with."""

    def _load_file(self, f: str) -> dict[str, Any]:
        return read_checkpoint(f)


class Checkpointer(DetectionCheckpointer, _TensorFiles):
    """Detectron2's, for files that can't run anything and are never half written.

    A file is read if it holds tensors, arrays and plain data only, and its checksums are right.
    Saving replaces a file, and `last_checkpoint`, only after the new content is on the disk.
    """

    path_manager: _WholeFiles

    def __init__(
        self, model: nn.Module, save_dir: str = "", *, cfg: CfgNode | None = None, **options: Any
    ):
        """
        Args:
            cfg: goes into the files.
            options: of the base class, such as the objects that are saved too.
        """
        super().__init__(model, save_dir, **options)
        self.path_manager = _WholeFiles(self.path_manager)
        self.path = ""
        self._parts = {} if cfg is None else {CONFIG_KEY: cfg.dump()}

    def save(self, name: str, **parts: Any) -> None:
        """Write a checkpoint, whole or not at all.

        Raises:
            InputError: if the file can't be written. What was there before still is.
        """
        try:
            super().save(name, **self._parts, **parts)
        except (OSError, RuntimeError) as error:
            raise _unwritten(os.path.join(self.save_dir, f"{name}.pth"), error) from error

    def load(self, path: str, *args: Any, **options: Any) -> dict[str, Any]:
        """As in the base class; weights may be named as :func:`find_weights` takes them.

        What does not fit the model is left out, and a warning lists it.

        Raises:
            InputError: if there is no such file, it can't be used, or nothing in it fits.
        """
        self.path = path = find_weights(path)
        # Detectron2's main branch has options after a question mark.
        files = (path, path.partition("?")[0])
        if path and not urlparse(path).scheme and not any(map(os.path.isfile, files)):
            raise InputError(f"{path}: no such checkpoint. Name an existing one in MODEL.WEIGHTS.")
        try:
            return super().load(path, *args, **options)
        except OSError as error:
            raise InputError(
                f"{path} can't be fetched ({error}). Get the file some other way and name it in "
                "MODEL.WEIGHTS."
            ) from error

    def get_checkpoint_file(self) -> str:
        try:
            return super().get_checkpoint_file()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.save_dir}/last_checkpoint is damaged: write the name of the checkpoint to "
                "resume from into it, such as model_0000999.pth."
            ) from error

    def _load_file(self, filename: str) -> dict[str, Any]:
        if filename.endswith(".pkl"):
            check_pickle(filename)
        elif filename.endswith(".pyth"):
            read_checkpoint(filename)
        try:
            loaded = super()._load_file(filename)
        except (AssertionError, TypeError) as error:
            raise InputError(f"{filename} has no weights of a model.") from error
        check_weights(filename, loaded["model"])
        return loaded

    def _load_model(self, checkpoint: dict[str, Any]) -> Any:
        try:
            return super()._load_model(checkpoint)
        except (RuntimeError, TypeError, ValueError) as error:
            raise InputError(f"The weights in {self.path} can't be used: {error}") from error

    def _log_incompatible_keys(self, incompatible: Any) -> None:
        parameters = dict(self.model.named_parameters())
        fitting = parameters.keys() - set(incompatible.missing_keys)
        problems = _problems(incompatible)
        if not fitting:
            raise InputError(
                f"Nothing in {self.path} fits the model, so no training can start from it:\n"
                f"{listing(problems)}\nName weights of the same network in MODEL.WEIGHTS."
            )
        self.logger.info(
            "%d of the model's %d parameters start from %s.",
            len(fitting),
            len(parameters),
            self.path,
        )
        if problems:
            self.logger.warning("Left out, or trained from scratch:\n%s", listing(problems))


def slim_checkpoint(
    path: Path, output: Path, *, config_file: Path | None = None, card: str | None = None
) -> bool:
    """Write what prediction needs of a training's checkpoint, in a third to a quarter of the size.

    That is the weights, those with two or more dimensions in half precision, the config, the names
    of the classes, and the card. Vectors stay as they are: they are small, and statistics of
    normalization layers may be beyond the range of half precision. What the config says of the
    machine is left out.

    Args:
        config_file: for a checkpoint without config, or in place of its own. Where it does not name
            the number of classes, that is the checkpoint's.
        card: what those who get the file should know about it, in Markdown; by default the one in
            the checkpoint.

    Returns:
        Whether the output holds a config.

    Raises:
        InputError: if the file is not a checkpoint of a training run, a weight can't be written in
            half precision, or the output can't be written.
    """
    checkpoint = read_checkpoint(path)
    weights: Any = checkpoint.get("model")
    check_weights(str(path), weights)
    slim = {n: w.half() if w.is_floating_point() and w.dim() > 1 else w for n, w in weights.items()}
    broken = [n for n, w in slim.items() if not torch.equal(w.isfinite(), weights[n].isfinite())]
    if broken:
        raise InputError(f"{path}: too large for half precision:\n{listing(broken)}")
    cfg = None
    classes = checkpoint.get(CHECKPOINT_KEY)
    if config_file is not None:
        cfg = load_config(str(config_file))
        option = num_classes_option(cfg)
        if option and classes and option not in named_keys(str(config_file)):
            cfg.merge_from_list([option, len(classes["names"])])
    elif CONFIG_KEY in checkpoint:
        cfg = stored_config(str(path))
    parts = {
        "model": slim,
        CONFIG_KEY: cfg and _of_any_machine(cfg).dump(),
        CHECKPOINT_KEY: classes,
        CARD_KEY: card or checkpoint.get(CARD_KEY),
        # Of detections of the config in the checkpoint.
        CALIBRATION_KEY: None if config_file else checkpoint.get(CALIBRATION_KEY),
    }
    _write({key: part for key, part in parts.items() if part is not None}, output)
    return cfg is not None


def calibrated_checkpoint(path: Path, output: Path, calibration: Calibration) -> None:
    """Write a model file with a calibration; its config shows what the calibration is about.

    Raises:
        InputError: if the file holds no config, or the output can't be written.
    """
    cfg = stored_config(str(path))
    cfg.PREDICT.SCORE, cfg.PREDICT.MAX_OVERLAP = calibration.score, calibration.max_overlap
    parts = {CONFIG_KEY: cfg.dump(), CALIBRATION_KEY: msgspec.to_builtins(calibration)}
    _write(read_checkpoint(path) | parts, output)


def _write(parts: dict[str, Any], output: Path) -> None:
    content = io.BytesIO()
    torch.save(parts, content)
    try:
        with new_file(output, durable=True) as file:
            file.write(content.getvalue())
    except OSError as error:
        raise _unwritten(output, error) from error


def load_weights(model: nn.Module, path: str) -> None:
    """Load a checkpoint all of whose weights fit the model, and that has all of the model's.

    To start a training from other weights it is right to leave out what does not fit, as
    :class:`Checkpointer` does, and to continue with random numbers in its place. For prediction it
    is not.

    Args:
        path: a file, a name of :func:`find_weights`, or an address that Detectron2 knows.

    Raises:
        InputError: if there is no such file, it can't be read, or a parameter is missing, left over
            or of another shape; it lists the parameters and the config keys that say what they are.
    """
    if not path:
        raise InputError(
            "There are no weights to load: name a model file with --weights or in MODEL.WEIGHTS."
        )
    _StrictCheckpointer(model, save_to_disk=False).load(path)


class _StrictCheckpointer(Checkpointer):
    """One that stops where its base class warns of what it leaves out."""

    def _log_incompatible_keys(self, incompatible: Any) -> None:
        problems = _problems(incompatible)
        if problems:
            raise InputError(
                f"The weights in {self.path} do not fit the config:\n{listing(problems)}\n"
                "Use the config.yaml that training left beside the checkpoint, or look at "
                f"{', '.join(_config_keys(problems))}."
            )


class _WholeFiles:
    """Detectron2's PathManager; local files that it opens to write are :func:`new_file`."""

    def __init__(self, path_manager: Any):
        self._path_manager = path_manager

    def __getattr__(self, name: str) -> Any:
        return getattr(self._path_manager, name)

    def open(self, path: str, mode: str = "r", **options: Any) -> AbstractContextManager[IO]:
        if "w" in mode:
            return new_file(Path(path), mode, durable=True)
        return self._path_manager.open(path, mode, **options)


def _unwritten(path: str | Path, error: OSError | RuntimeError) -> Exception:
    """What to raise after ``error``; torch hides that of the file in one of its own."""
    cause = error if isinstance(error, OSError) else error.__context__
    if not isinstance(cause, OSError):
        return error
    return InputError(f"can't write {path} ({cause.strerror}): make room, or name another place.")


def _of_any_machine(cfg: CfgNode) -> CfgNode:
    """The config with Detectron2's defaults for what a slim checkpoint does not say."""
    cfg, defaults = cfg.clone(), get_cfg()
    cfg.merge_from_list([part for key in OF_THE_MACHINE for part in (key, get(defaults, key))])
    return cfg


def _problems(incompatible: Any) -> list[str]:
    """A line for each parameter that the checkpoint or the model lacks, or that has two shapes."""
    by_name = dict.fromkeys(incompatible.missing_keys, "not in the checkpoint")
    by_name |= dict.fromkeys(incompatible.unexpected_keys, "not in the model")
    # Last, for these are among the missing too.
    by_name |= {
        name: f"{in_file} in the checkpoint, {in_model} in the model"
        for name, in_file, in_model in incompatible.incorrect_shapes
    }
    return [f"{name}: {problem}" for name, problem in by_name.items()]


def _config_keys(problems: list[str]) -> list[str]:
    """The config keys that decide on ``problems``, in the order of CONFIG_KEYS."""
    matches = {
        next((keys for pattern, keys in CONFIG_KEYS if re.search(pattern, problem)), "MODEL")
        for problem in problems
    }
    return [keys for _, keys in (*CONFIG_KEYS, ("", "MODEL")) if keys in matches]
