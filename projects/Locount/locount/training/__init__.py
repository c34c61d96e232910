"""Training: what runs it, what it is made of, and several trainings side by side."""

from .trainer import Trainer

__all__ = ["Trainer"]
