from .neck import build_timm_yolo_backbone as _  # noqa: F401, only registration
from .yolo import YOLO

__all__ = ["YOLO"]
