"""`_C`: detectron2's compiled extension, or a stand-in that says what lacks it."""

try:
    from detectron2 import _C
except ImportError:

    class _MissingExtension:
        def __getattr__(self, name: str):
            raise ImportError(
                f"detectron2._C.{name} is compiled code, and this pure-Python build of detectron2 "
                "has none: rotated boxes don't work, nor on a GPU detectron2's own deformable "
                "convolution. Build detectron2 from its repository to have them."
            )

    _C = _MissingExtension()
