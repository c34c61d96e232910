"""One HTML file that shows what a trained model can do."""

from .build import build_report

__all__ = ["build_report"]
