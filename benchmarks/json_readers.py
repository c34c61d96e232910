"""Ways to read a COCO results file into arrays: seconds of CPU time, and peak memory.

pip install orjson
python benchmarks/json_readers.py DT.json
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from memory import peak_memory

KEYS = ("image_id", "category_id", "score", "count")


def columns_of_dicts(entries: list[dict]) -> list[np.ndarray]:
    return [np.array([e[key] for e in entries]) for key in (*KEYS, "bbox")]


def read(name: str, data: bytes) -> list[np.ndarray]:
    if name.endswith("without garbage collection"):
        gc.disable()
    if name.startswith("orjson"):
        import orjson

        return columns_of_dicts(orjson.loads(data))
    if name in OURS:
        import msgspec

        from locount.coco.columns import typed_columns
        from locount.coco.reading import DETECTION, flat_table

        if name == OURS[0]:
            return list(typed_columns(msgspec.Raw(data), DETECTION).values())
        return list(flat_table(msgspec.Raw(data), "detections", DETECTION).columns.values())
    return columns_of_dicts(json.loads(data))


OURS = ("msgspec, typed, piece by piece", "compiled (start of numba included)")
READERS = ("json", "orjson", "orjson without garbage collection", *OURS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.reader:
        data = args.path.read_bytes()
        start = time.process_time()
        read(args.reader, data)
        seconds = time.process_time() - start
        memory = peak_memory() / 2**30
        print(f"| {args.reader} | {seconds:.1f} s | {memory:.1f} GB |")
        return
    print("| reader | CPU time | peak memory |\n|---|---|---|", flush=True)
    for reader in READERS:
        subprocess.run([sys.executable, __file__, args.path, "--reader", reader], check=True)


if __name__ == "__main__":
    main()
