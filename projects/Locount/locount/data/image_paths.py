"""Where the images are that annotation files name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable


def image_path(root: str, name: str) -> str:
    r"""The path of an image, which is below ``root`` in any case.

    A name may have the backslashes of Windows, ``./`` and ``..``; different spellings of one place
    give one path.

    Raises:
        ValueError: with a cure, for a URL, and for a name that leads out of ``root``. A file from
            somebody else could have any picture of this machine read otherwise.
    """
    if "\\" in name and not os.path.exists(os.path.join(root, name)):
        name = name.replace("\\", "/")
    if "://" in name:
        raise ValueError("the image is on a server: download it, and write its path")
    if "\0" in name:
        raise ValueError(f"the image name {name!r} contains a NUL character: correct it")
    if os.path.isabs(name) or not {"", ".", ".."}.isdisjoint(name.split("/")):
        name = os.path.relpath(os.path.join(root, name), root or ".")
        if name.split(os.sep)[0] == os.pardir:
            raise ValueError(
                f"the image name leads out of the folder of images, {root or '.'}: write a name "
                "below it, or give a folder that contains all images"
            )
    return os.path.join(root, name)


def image_paths(root: str, names: Iterable[str]) -> list[str]:
    """The paths of those names that have one."""
    paths = []
    for name in names:
        with contextlib.suppress(ValueError):
            paths.append(image_path(root, name))
    return paths
