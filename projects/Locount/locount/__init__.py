"""Localization and counting of products on shelf photos: Locount and CLCNet on Detectron2."""

__all__ = ["add_locount_config"]


def __getattr__(name: str):
    # On first use, because it imports torch, for which `locount evaluate` need not wait.
    if name == "add_locount_config":
        from .config import add_locount_config

        return add_locount_config
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
