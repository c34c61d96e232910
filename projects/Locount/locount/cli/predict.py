"""Find and count the products on photos: pictures, tables and results."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MAX_LISTED, InputError, listing, printable
from .options import (
    add_device,
    add_level,
    add_model,
    add_output,
    add_score,
    add_tiles,
    at_least_1,
    interval_level,
    open_predictor,
    remark,
    writing,
)

if TYPE_CHECKING:
    from ..inference.run import Summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="photos, folders of photos, patterns, videos; - reads a list of paths from stdin; "
        "with --cluster also addresses such as s3://shop/monday",
    )
    add_model(parser)
    add_output(
        parser,
        "folder for the results; a run continues what another one left there (default: "
        "%(default)s)",
        default=Path("output/predict"),
        metavar="DIR",
    )
    parser.add_argument(
        "--cluster",
        metavar="local|auto|HOST:PORT",
        help="predict on the machines of a Ray cluster and write Parquet (docs/scale.md): one of "
        "this machine, the one that it is part of, or one by its address",
    )
    add_score(parser, "default: PREDICT.SCORE of the config")
    add_level(parser)
    parser.add_argument(
        "--every", type=at_least_1, default=1, metavar="N", help="take every Nth frame of a video"
    )
    parser.add_argument(
        "--as-stored",
        action="store_true",
        help="take pixels as they are stored; by default photos are turned as their EXIF "
        "orientation says, which is how viewers show them",
    )
    add_tiles(parser)
    parser.add_argument("--no-pictures", action="store_true", help="write tables and results only")
    parser.add_argument(
        "--json", action="store_true", help="print a line of JSON for each photo, and nothing else"
    )
    add_device(parser)
    parser.add_argument(
        "--batch-size", type=at_least_1, metavar="N", help="images per step, at most"
    )
    parser.add_argument(
        "--amp", action="store_true", help="mixed precision: faster where the hardware has it"
    )


def run(args: argparse.Namespace) -> int:
    """0 if all inputs were used, 1 if not, 2 if nothing could be done."""
    if args.cluster is not None:
        return _run_on_cluster(args)
    import msgspec
    from tqdm import tqdm

    from ..inference.inputs import OTHER_PICTURES, Failure, expand_inputs, is_video, summarize
    from ..inference.journal import Entry
    from ..inference.run import Run
    from ..texts import listed_lines

    inputs = expand_inputs(name for name in args.inputs if name != "-")
    paths = inputs.paths
    unused = [path for path in inputs.passed_over if path.lower().endswith(OTHER_PICTURES)]
    predictor = open_predictor(
        args,
        device=args.device,
        engine=args.engine,
        batch_size=args.batch_size,
        amp=args.amp,
        as_stored=args.as_stored,
        tiles=args.tiles,
    )
    # How many there are is known only without a list and without videos.
    known = "-" not in args.inputs and not any(map(is_video, paths))
    bar = tqdm(
        total=len(paths) if known else None, unit="photo", disable=True if args.json else None
    )

    score = predictor.cfg.PREDICT.SCORE if args.score is None else args.score
    level = interval_level(args, predictor, score)
    intervals: list[str] = []

    def on_line(line: bytes) -> None:
        bar.update()
        if level is not None and len(intervals) < MAX_LISTED:
            entry = msgspec.json.decode(line, type=Entry)
            if entry.totals is not None:
                intervals.append(f"{entry.file_name}: {entry.totals.photo}")
        if args.json:
            print(line.decode(), flush=True)

    def everything() -> Iterator[str]:
        yield from paths
        if "-" in args.inputs:
            yield from listed_lines(sys.stdin.buffer, "the list of paths")

    with writing(args.output):
        job = Run(
            predictor,
            args.output,
            score=score,
            level=level,
            every=args.every,
            pictures=not args.no_pictures,
            on_line=on_line,
        )
    job.summary.failures += [
        Failure(path, "is in a format that can't be read: save it as JPEG") for path in unused
    ]
    start = time.perf_counter()
    try:
        with bar:
            job(everything())
    except BrokenPipeError:
        raise
    except (OSError, KeyboardInterrupt) as error:
        cause = f"{error}: mend it. " if isinstance(error, OSError) else ""
        remark(
            f"locount predict: {cause}{job.summary.new} photos were done and are kept; the same "
            "command continues from there."
        )
        if isinstance(error, KeyboardInterrupt):
            raise
        return 1
    if not args.json:
        _print_totals(job.summary, args.output, time.perf_counter() - start)
        print(f"model: {predictor.description}")
        if intervals and level is not None:
            more = job.summary.new + job.summary.kept - len(intervals)
            share = f"{100 * level:g} %"
            print(f"instances by photo, with intervals that hold the truth on {share} of photos:")
            print("\n".join(f"  {printable(line)}" for line in intervals))
            if more:
                print(f"  … and {more} more in {args.output / 'photos.csv'}")
    if job.summary.turned:
        remark(
            f"locount predict: {job.summary.turned} new photos were turned as their EXIF "
            "orientation says, as viewers do; --as-stored leaves them"
        )
    if job.summary.damaged:
        remark(
            f"locount predict: {job.summary.damaged} lines of the journal are damaged; "
            "photos that only these held were predicted again if they are among the inputs"
        )
    others = sorted(set(inputs.passed_over) - set(unused))
    if others:
        remark(f"locount predict: {len(others)} other files were passed over: {summarize(others)}")
    if job.summary.failures:
        remark(
            f"locount predict: {len(job.summary.failures)} inputs were not used, or only in "
            f"part:\n{listing(job.summary.failures)}"
        )
    return 1 if job.summary.failures else 0


def _run_on_cluster(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from ..inference.cluster import predict_on_cluster, require_ray
    from ..texts import listed_lines

    for name, given in (
        ("--level", args.level is not None),
        ("--every", args.every != 1),
        ("--json", args.json),
    ):
        if given:
            raise InputError(f"{name} is not for --cluster: leave out one of them")
    require_ray()
    options = {
        **{"engine": args.engine, "batch_size": args.batch_size, "amp": args.amp},
        **{"as_stored": args.as_stored, "tiles": args.tiles},
    }
    if args.device is not None:
        options["device"] = args.device
    # Only for its settings: the workers have GPUs where this machine may have none.
    predictor = open_predictor(args, device="cpu", as_stored=args.as_stored, tiles=args.tiles)
    inputs = [name for name in args.inputs if name != "-"]
    if "-" in args.inputs:
        inputs += listed_lines(sys.stdin.buffer, "the list of paths")
    start = time.perf_counter()
    with tqdm(unit="photo", disable=None) as bar:
        summary = predict_on_cluster(
            predictor,
            inputs,
            str(args.output),
            address=args.cluster,
            score=predictor.cfg.PREDICT.SCORE if args.score is None else args.score,
            options=options,
            on_progress=bar.update,
        )
    speed = summary.new / (time.perf_counter() - start)
    print(
        f"photos: {summary.new} new ({speed:.1f} images/s), {summary.kept} from before\n"
        f"boxes: {summary.boxes}, instances: {summary.instances} (new)\nresults: {args.output}"
    )
    if summary.failures:
        print(
            f"locount predict: {len(summary.failures)} inputs were not used:\n"
            f"{listing(summary.failures)}",
            file=sys.stderr,
        )
    if summary.lost:
        print(
            f"locount predict: {summary.lost} photos have no row, because workers died with them; "
            "the same command tries them again",
            file=sys.stderr,
        )
    return 1 if summary.failures or summary.lost else 0


def _print_totals(summary: Summary, output: Path, seconds: float) -> None:
    from tabulate import tabulate

    found = [row for row in summary.totals if row["boxes"]]
    columns: tuple[str, ...] = (
        "category",
        "group",
        "photos",
        "boxes",
        "instances",
        "lowest_confidence",
    )
    if not any(row["group"] for row in found):
        columns = tuple(column for column in columns if column != "group")
    rows = [[row[column] for column in columns] for row in found]
    if rows:
        headers = [column.replace("_", " ") for column in columns]
        print(tabulate(rows, headers, tablefmt="github", floatfmt=".2f"))
    kept = f", {summary.kept} from before" if summary.kept else ""
    print(
        f"photos: {summary.new} new ({summary.new / seconds:.1f} images/s){kept}\n"
        f"boxes: {sum(row['boxes'] for row in found)}, "
        f"instances: {sum(row['instances'] for row in found)}\n"
        f"results: {output}"
    )
