"""Localization and counting of products on shelf photos: Locount and CLCNet on Detectron2."""

import importlib
import warnings

__version__ = "0.1.0"
__all__ = ["Prediction", "Predictor", "__version__", "add_locount_config", "evaluate_detections"]

# Where names are; on first use, because most of it imports torch, for which `locount evaluate` need
# not wait.
_HOMES = {
    "Prediction": "inference",
    "Predictor": "inference",
    "add_locount_config": "config",
    "evaluate_detections": "evaluation",
}


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with warnings.catch_warnings():
        # Of torch.jit.script, which Detectron2 uses where it is imported.
        warnings.simplefilter("ignore", FutureWarning)
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
