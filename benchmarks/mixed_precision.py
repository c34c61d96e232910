"""What SOLVER.AMP.ENABLED gives: a training step in float32 against half precision, in turn.

    python benchmarks/mixed_precision.py [--config-file FILE] [--batch N] [--size H W]
        [--repeats N] [--cpu-time] [KEY VALUE ...]

One network and one batch of noise images with the boxes of synthetic_shelves.py. The fastest repeat
of each counts, as in counting_overhead.py.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence

import torch
from counting_overhead import CONFIG, Contestant, make_batch

from locount.config import load_config
from locount.training.mixed_precision import train_in_mixed_precision


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config-file", default=str(CONFIG))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 448), metavar=("H", "W"))
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE")
    args = parser.parse_args(argv)
    clock = time.process_time if args.cpu_time else time.perf_counter
    logging.disable(logging.INFO)

    cfg = load_config(args.config_file, ["MODEL.WEIGHTS", "", *args.opts])
    plain, mixed = (Contestant(cfg, cfg.MODEL.COUNT_HEAD.STRATEGY) for _ in range(2))
    mixed.model.load_state_dict(plain.model.state_dict())
    train_in_mixed_precision(mixed.model)
    batch = make_batch(cfg, args.batch, tuple(args.size))
    pairs = [
        [c.seconds("train", batch, clock) for c in (plain, mixed)] for _ in range(args.repeats)
    ]
    float32, bfloat16 = map(min, zip(*pairs, strict=True))
    print(
        f"{torch.get_num_threads()} threads, batch {len(batch)}, seconds a step: float32 "
        f"{float32:.3f}, half precision {bfloat16:.3f}, {float32 / bfloat16:.2f} times as fast"
    )


if __name__ == "__main__":
    main()
