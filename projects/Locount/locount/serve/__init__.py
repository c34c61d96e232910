"""`locount serve`: predictions of one photo at a time, in the browser."""

from .app import build_app
from .server import build_server

__all__ = ["build_app", "build_server"]
