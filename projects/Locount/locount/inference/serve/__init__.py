"""`locount serve`: predictions of one photo at a time, in the browser."""

from .app import build_app

__all__ = ["build_app"]
