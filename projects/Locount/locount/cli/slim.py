"""Make a small file of a training's checkpoint, for prediction."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_config_file, remark


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", metavar="IN.pth", type=Path, help="file that a training wrote"
    )
    parser.add_argument("output", metavar="OUT.pth", type=Path, help="the file to write")
    add_config_file(parser, "config of the model (default: the one in the checkpoint)")
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="Markdown that says what the model is for; its first paragraph is shown with results",
    )


def run(args: argparse.Namespace) -> int:
    from ..checkpoint import slim_checkpoint
    from ..texts import read_text

    before = args.checkpoint.stat().st_size if args.checkpoint.is_file() else 0
    has_config = slim_checkpoint(
        args.checkpoint,
        args.output,
        config_file=args.config_file,
        card=None if args.card is None else read_text(args.card),
    )
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB of {before / 1e6:.1f} MB")
    if not has_config:
        remark(
            f"locount slim: {args.checkpoint} does not contain its config, so predicting with "
            f"{args.output} needs one too; --config-file puts it in"
        )
    return 0
