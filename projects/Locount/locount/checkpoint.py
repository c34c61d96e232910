"""Checkpoints: weights that must fit, and slim ones to hand on."""

from __future__ import annotations

import io
import os
import pickle
import re
from pathlib import Path
from urllib.parse import urlparse

import torch
from detectron2.checkpoint import DetectionCheckpointer
from torch import nn

from .classes import CHECKPOINT_KEY
from .errors import InputError, listing
from .files import write_bytes

# Which config keys are behind a parameter that does not fit. Tried in turn on "name: problem"; a
# problem that starts with "(" is about the shape.
CONFIG_KEYS = (
    (r"\.count_pred\.", "MODEL.COUNT_HEAD.{STRATEGY,MAX_COUNT,BASE}"),
    (r"^roi_heads\..*\.(cls_score|bbox_pred)\.\w+: \(", "MODEL.ROI_HEADS.NUM_CLASSES"),
    (r"^roi_heads\.box_.*: not", "MODEL.ROI_BOX_CASCADE_HEAD.{IOUS,BBOX_REG_WEIGHTS}"),
    (r"^roi_heads\.box_head\.", "MODEL.ROI_BOX_HEAD"),
    (r"^roi_heads\.mask_", "MODEL.MASK_ON"),
    (r"^roi_heads\.keypoint_", "MODEL.KEYPOINT_ON"),
    (r"^proposal_generator\.", "MODEL.ANCHOR_GENERATOR"),
    (r"^backbone\.(fpn|refine)\.", "MODEL.BFP"),
    (r"^head\.", "MODEL.META_ARCHITECTURE and the node of its name"),
    (r"^backbone\.", "MODEL.BACKBONE, MODEL.RESNETS, MODEL.FPN"),
)


def slim_checkpoint(path: Path, output: Path) -> None:
    """Write what prediction needs of a training's checkpoint, in a third to a quarter of the size.

    That is the weights, those with two or more dimensions in half precision, and the names of the
    classes. Vectors stay as they are: they are small, and statistics of normalization layers may be
    beyond the range of half precision.

    Raises:
        InputError: if the file is no checkpoint of a training run, or a weight has no
            representation in half precision.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        weights = checkpoint["model"]
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise InputError(f"{path} is no checkpoint of train_net.py ({error}).") from error
    slim = {n: w.half() if w.is_floating_point() and w.dim() > 1 else w for n, w in weights.items()}
    broken = [n for n, w in slim.items() if not torch.equal(w.isfinite(), weights[n].isfinite())]
    if broken:
        raise InputError(f"{path}: too large for half precision:\n{listing(broken)}")
    kept = {"model": slim}
    if CHECKPOINT_KEY in checkpoint:
        kept[CHECKPOINT_KEY] = checkpoint[CHECKPOINT_KEY]
    content = io.BytesIO()
    torch.save(kept, content)
    write_bytes(output, content.getvalue())


def load_weights(model: nn.Module, path: str) -> None:
    """Load a checkpoint all of whose weights fit the model, and that has all of the model's.

    Detectron2 leaves out what does not fit and goes on with random numbers in its place. To start
    a training from other weights that is right; to predict it is not.

    Args:
        path: a file, or an address that Detectron2 knows.

    Raises:
        InputError: if there is no such file, it can't be read, or a parameter is missing, left over
            or of another shape; it lists the parameters and the config keys that say what they are.
    """
    if not path:
        raise InputError("There are no weights to load: name a checkpoint in MODEL.WEIGHTS.")
    if not urlparse(path).scheme and not os.path.isfile(path):
        raise InputError(f"{path}: no such checkpoint. Name an existing one in MODEL.WEIGHTS.")
    _StrictCheckpointer(model, path).load(path)


class _StrictCheckpointer(DetectionCheckpointer):
    """One that stops where its base class logs what it leaves out."""

    def __init__(self, model: nn.Module, path: str):
        super().__init__(model, save_to_disk=False)
        self.path = path

    def _load_file(self, filename: str) -> dict:
        try:
            return super()._load_file(filename)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise InputError(
                f"{self.path} can't be read as a checkpoint; it may be cut short. Copy or train it "
                f"anew. ({str(error).splitlines()[0]})"
            ) from error

    def _log_incompatible_keys(self, incompatible) -> None:
        by_name = dict.fromkeys(incompatible.missing_keys, "not in the checkpoint")
        by_name |= dict.fromkeys(incompatible.unexpected_keys, "not in the model")
        # Last, for these are among the missing too.
        by_name |= {
            name: f"{in_file} in the checkpoint, {in_model} in the model"
            for name, in_file, in_model in incompatible.incorrect_shapes
        }
        problems = [f"{name}: {problem}" for name, problem in by_name.items()]
        if problems:
            raise InputError(
                f"The weights in {self.path} do not fit the config:\n{listing(problems)}\n"
                "Use the config.yaml that training left beside the checkpoint, or look at "
                f"{', '.join(_config_keys(problems))}."
            )


def _config_keys(problems: list[str]) -> list[str]:
    """The config keys behind ``problems``, in the order of CONFIG_KEYS."""
    matches = {
        next((keys for pattern, keys in CONFIG_KEYS if re.search(pattern, problem)), "MODEL")
        for problem in problems
    }
    return [keys for _, keys in (*CONFIG_KEYS, ("", "MODEL")) if keys in matches]
