"""Make a small file of a training's checkpoint, for prediction."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="IN.pth", type=Path, help="as train_net.py leaves it")
    parser.add_argument("output", metavar="OUT.pth", type=Path)


def run(args: argparse.Namespace) -> int:
    from ..checkpoint import slim_checkpoint

    slim_checkpoint(args.checkpoint, args.output)
    before, after = (path.stat().st_size / 1e6 for path in (args.checkpoint, args.output))
    print(f"{args.output}: {after:.1f} MB of {before:.1f} MB")
    return 0
