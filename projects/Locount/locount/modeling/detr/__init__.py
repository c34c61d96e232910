from .detector import CountingDETR

__all__ = ["CountingDETR"]
