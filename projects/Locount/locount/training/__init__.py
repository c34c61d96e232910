"""Training: what runs it, what it is made of, and several trainings side by side."""

__all__ = ["Trainer"]


def __getattr__(name: str):
    # On first use, because prediction needs a module of this package, but no evaluation.
    if name == "Trainer":
        from .trainer import Trainer

        return Trainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
