"""Loading a dataset against pycocotools, and the mapper against Detectron2's, in one run.

    python benchmarks/data.py [--images N] [--photos N] [--repeats N]
    python benchmarks/data.py --index N        # a training's start and memory, on N images

The data is made on the spot: texts in Locount layout and the same boxes as COCO json, and JPEG
photos of 1920 x 1080. All contestants take turns, on one thread, and medians are printed; imports
are not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, DatasetMapper
from detectron2.structures import BoxMode
from memory import peak_memory
from PIL import Image
from pycocotools.coco import COCO
from synthetic_shelves import HEIGHT, NUM_CATEGORIES, WIDTH, make_ground_truth

from locount import add_locount_config
from locount.data import LocountDatasetMapper, check_datasets, register_datasets
from locount.training.data_stream import DataStream

FULL_SIZE = 34022
LOADERS = ["pycocotools", "ours, cold", "ours, warm"]


def write_dataset(root: Path, num_images: int) -> None:
    """``num_images`` in Locount layout below ``root``, and ``root``/train.json."""
    columns = make_ground_truth(np.random.default_rng(0), num_images)
    corners = np.rint(columns["bbox"]).astype(int)
    corners[:, 2:] = np.minimum(corners[:, :2] + corners[:, 2:].clip(1), [WIDTH, HEIGHT])
    rows = np.column_stack([corners, columns["category"], columns["count"]])
    folders = [root / f"Locount_{kind}Train" for kind in ("Images", "GtTxts")]
    for folder in folders:
        folder.mkdir(parents=True)
    (root / "categories.txt").write_text("".join(f"category {k}\n" for k in range(NUM_CATEGORIES)))
    # Of images only the headers are read.
    Image.new("1", (WIDTH, HEIGHT)).save(root / "empty.png")
    picture = (root / "empty.png").read_bytes()
    bounds = np.searchsorted(columns["image"], np.arange(num_images + 1))
    for i in range(num_images):
        (folders[0] / f"{i:06}.png").write_bytes(picture)
        lines = rows[bounds[i] : bounds[i + 1]].tolist()
        text = "".join(f"{a},{b},{c},{d},category {k},{n}\n" for a, b, c, d, k, n in lines)
        (folders[1] / f"{i:06}.txt").write_text(text)
    annotations = [
        {
            "id": j + 1,
            "image_id": i + 1,
            "category_id": k + 1,
            "bbox": [a, b, c - a, d - b],
            "area": (c - a) * (d - b),
            "iscrowd": 0,
            "count": n,
        }
        for j, (i, (a, b, c, d, k, n)) in enumerate(
            zip(columns["image"].tolist(), rows.tolist(), strict=True)
        )
    ]
    images = [
        {"id": i + 1, "file_name": f"{i:06}.png", "width": WIDTH, "height": HEIGHT}
        for i in range(num_images)
    ]
    categories = [{"id": k + 1, "name": f"category {k}"} for k in range(NUM_CATEGORIES)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (root / "train.json").write_text(json.dumps(coco))


def load(name: str, root: Path) -> float:
    """Seconds until a loader has all records."""
    start = time.perf_counter()
    if name == "pycocotools":
        with contextlib.redirect_stdout(None):
            COCO(str(root / "train.json"))
    else:
        register_datasets([f"locount:{root}:train"])
        DatasetCatalog.get(f"locount:{root}:train")
    return time.perf_counter() - start


def compare_loaders(folder: Path, num_images: int, repeats: int) -> None:
    root, cache = folder / "shelves", folder / "cache"
    write_dataset(root, num_images)
    os.environ["LOCOUNT_CACHE"] = str(cache)
    times: dict[str, list[float]] = {name: [] for name in LOADERS}
    for _ in range(repeats):
        shutil.rmtree(cache, ignore_errors=True)
        for name in LOADERS:
            # A process of its own, which has imported what it needs and holds no data.
            with multiprocessing.get_context("fork").Pool(1) as process:
                times[name].append(process.apply(load, (name, root)))
    print(f"Loading {num_images:,} images and their boxes:\n")
    print_table(times, LOADERS[0], "s")


def write_photos(folder: Path, num_photos: int) -> list[dict]:
    """Textured JPEG photos, and records of 15 boxes each."""
    rng = np.random.default_rng(0)
    columns = make_ground_truth(rng, num_photos)
    records = []
    for i in range(num_photos):
        photo = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        for cell in (4, 16, 64, 256):
            noise = rng.normal(0, 4 * cell**0.5, (HEIGHT // cell + 1, WIDTH // cell + 1, 3))
            photo += cv2.resize(noise.astype(np.float32), (WIDTH, HEIGHT))
        path = str(folder / f"{i}.jpg")
        Image.fromarray((photo + 128).clip(0, 255).astype(np.uint8)).save(path, quality=90)
        here = columns["image"] == i
        annotations = [
            {"bbox": b, "bbox_mode": BoxMode.XYWH_ABS, "category_id": k, "count": n}
            for b, k, n in zip(
                *(columns[name][here].tolist() for name in ("bbox", "category", "count")),
                strict=True,
            )
        ]
        size = {"height": HEIGHT, "width": WIDTH, "image_id": i}
        records.append({"file_name": path, **size, "annotations": annotations})
    return records


def decoders() -> dict[str, Callable[[str], np.ndarray]]:
    """From a path to H x W x 3 pixels in BGR, side by side in memory."""
    from torchvision import io

    def by_torchvision(path: str) -> np.ndarray:
        # Deprecated there in favour of torchcodec, which says so with each call.
        with warnings.catch_warnings(action="ignore"):
            pixels = io.decode_jpeg(io.read_file(path), io.ImageReadMode.RGB)
        return cv2.cvtColor(pixels.permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2BGR)

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return {
        "Pillow": lambda path: np.ascontiguousarray(
            np.asarray(Image.open(path).convert("RGB"))[:, :, ::-1]
        ),
        "OpenCV": lambda path: cv2.imdecode(np.fromfile(path, np.uint8), flags),
        "torchvision": by_torchvision,
    }


def mappers() -> dict[str, Callable[[dict], dict]]:
    def ours(**keys: object) -> LocountDatasetMapper:
        cfg = get_cfg()
        add_locount_config(cfg)
        for key, value in keys.items():
            cfg.AUGMENTATION[key] = value
        return LocountDatasetMapper(cfg, is_train=True)

    return {
        "Detectron2's": DatasetMapper(get_cfg(), is_train=True),
        "ours": ours(),
        "ours, COLOR 0.2": ours(COLOR=0.2),
        **{f"ours, POLICY {policy}": ours(POLICY=policy) for policy in ("v0", "v1")},
    }


def take_turns(contestants: dict[str, Callable], inputs: list, repeats: int) -> dict:
    """Seconds of each call, every contestant after the other on each input."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for value in inputs:
            for name, run in contestants.items():
                start = time.perf_counter()
                run(value)
                times[name].append(time.perf_counter() - start)
    return times


def print_table(times: dict[str, list[float]], base: str, unit: str) -> None:
    """Medians, and how many times the base's the median is."""
    factor = {"s": 1, "ms": 1000}[unit]
    print("| | median | times the first |\n|---|---|---|")
    for name, values in times.items():
        ratio = median(values) / median(times[base])
        print(f"| {name} | {factor * median(values):.1f} {unit} | {ratio:.2f} |")
    print()


def compare_mappers(folder: Path, num_photos: int, repeats: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    records = write_photos(folder, num_photos)
    paths = [record["file_name"] for record in records]
    print(f"Decoding JPEG of {WIDTH} x {HEIGHT}:\n")
    print_table(take_turns(decoders(), paths, repeats), "Pillow", "ms")
    print("Mapping to Detectron2's default training sizes (short side 800, long side <= 1333):\n")
    print_table(take_turns(mappers(), records, repeats), "Detectron2's", "ms")


class Pixelless:
    """In place of the mapper: a record without its picture."""

    def __call__(self, record: dict) -> dict:
        return {**record, "image": torch.zeros(3, 1, 1)}


def write_index(root: Path, num_images: int) -> None:
    """``root``/train.json with 8 boxes an image, and of one picture as many links."""
    rng, per_folder, last_id = np.random.default_rng(0), 10000, 0
    sizes = {"height": HEIGHT, "width": WIDTH}
    with open(root / "train.json", "wb") as index, open(root / "boxes", "wb+") as boxes:
        for start in range(0, num_images, per_folder):
            names = range(start, min(start + per_folder, num_images))
            folder = root / "train" / f"{start // per_folder:04}"
            folder.mkdir(parents=True)
            Image.new("1", (WIDTH, HEIGHT)).save(folder / "picture.png")
            for i in names:
                os.link(folder / "picture.png", folder / f"{i}.png")
            images = [{"id": i, "file_name": f"{folder.name}/{i}.png", **sizes} for i in names]
            columns = make_ground_truth(rng, len(names), boxes_per_image=8)
            values = (columns[key].tolist() for key in ("image", "category", "bbox", "count"))
            annotations = [
                {"id": j, "image_id": start + i, "category_id": k, "bbox": box, "count": n}
                for j, (i, k, box, n) in enumerate(zip(*values, strict=True), last_id + 1)
            ]
            last_id += len(annotations)
            for file, entries in ((index, images), (boxes, annotations)):
                file.write(b"," if start else b"" if file is boxes else b'{"images":[')
                file.write(json.dumps(entries)[1:-1].encode())
        categories = [{"id": k, "name": f"category {k}"} for k in range(NUM_CATEGORIES)]
        index.write(f'],"categories":{json.dumps(categories)},"annotations":['.encode())
        boxes.seek(0)
        shutil.copyfileobj(boxes, index)
        index.write(b"]}")
    print(
        f"{num_images:,} images, {last_id:,} boxes, {os.path.getsize(root / 'train.json'):,} bytes"
    )


def memory(pid: int) -> tuple[float, ...]:
    """GB of a process: resident, its share of these (PSS), and what no other process shares."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return kilobytes["Rss"] / 1e6, kilobytes["Pss"] / 1e6, own / 1e6


def start_training(root: Path, num_images: int, workers: int, batches: int) -> None:
    """CPU seconds of the main process, and the memory of all processes, for a start and batches."""
    write_index(root, num_images)
    os.environ["LOCOUNT_CACHE"] = str(root / "cache")
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.DATASETS.TRAIN = (f"coco:{root}:train",)
    cfg.DATALOADER.NUM_WORKERS, cfg.SOLVER.IMS_PER_BATCH, cfg.SEED = workers, 8, 1
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = NUM_CATEGORIES
    stream = iter(DataStream(cfg, Pixelless()))
    print(f"peak before: {peak_memory() / 1e9:.2f} GB\n\n| | CPU | peak |\n|---|---|---|")
    for name, run in {
        "checking the data": lambda: check_datasets(cfg, cfg.DATASETS.TRAIN),
        "to the first batch": lambda: next(stream),
        f"{batches} batches": lambda: [len(next(stream)) for _ in range(batches)],
        "shuffling": lambda: torch.randperm(num_images).tolist(),
    }.items():
        start = time.process_time()
        run()
        spent = time.process_time() - start
        print(f"| {name} | {spent:.1f} s | {peak_memory() / 1e9:.2f} GB |")
    print("\n| process | resident GB | share (PSS) | not shared |\n|---|---|---|---|")
    names = ["main", *(f"worker {i}" for i in range(workers))]
    pids = [os.getpid(), *(process.pid for process in multiprocessing.active_children())]
    for name, pid in zip(names, pids, strict=False):
        print("| {} | {:.2f} | {:.2f} | {:.2f} |".format(name, *memory(pid)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=FULL_SIZE, help="to load, 0: none")
    parser.add_argument("--photos", type=int, default=8, help="to map, 0: none")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--index", type=int, default=0, help="images to start a training with")
    parser.add_argument("--workers", type=int, default=4, help="of that training")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.index:
            start_training(Path(folder), args.index, args.workers, batches=500)
            return
        if args.photos:
            compare_mappers(Path(folder), args.photos, args.repeats)
        if args.images:
            compare_loaders(Path(folder), args.images, args.repeats)


if __name__ == "__main__":
    main()
