"""Find and count the products on photos: pictures, tables and results."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import MAX_LISTED, InputError, printable, require
from .options import (
    add_output,
    add_prediction,
    at_least_1,
    interval_level,
    least_score,
    listed_paths,
    open_predictor,
    predictor_options,
    remark,
    report_failures,
    writing,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="photos, folders of photos, patterns, videos; - reads a list of paths from stdin; "
        "with --cluster also addresses such as s3://shop/monday",
    )
    add_prediction(parser)
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
    parser.add_argument(
        "--as-stored",
        action="store_true",
        help="take pixels as they are stored; by default photos are turned as their EXIF "
        "orientation says, which is how viewers show them",
    )
    parser.add_argument("--no-pictures", action="store_true", help="write tables and results only")
    parser.add_argument(
        "--json", action="store_true", help="print a line of JSON for each photo, and nothing else"
    )
    parser.add_argument(
        "--batch-size", type=at_least_1, metavar="N", help="images per step, at most"
    )
    parser.add_argument(
        "--amp", action="store_true", help="mixed precision: faster where the hardware has it"
    )


def run(args: argparse.Namespace) -> int:
    """0 if all inputs were used, 1 if not, 2 if none was."""
    if args.cluster is not None:
        return _run_on_cluster(args)
    import msgspec
    from tqdm import tqdm

    from ..inference.inputs import expand_inputs, is_video, summarize, unreadable
    from ..inference.journal import Entry
    from ..inference.run import Run

    inputs = expand_inputs(name for name in args.inputs if name != "-")
    unused = unreadable(inputs.passed_over)
    predictor = open_predictor(args)
    # How many there are is known only without a list and without videos.
    known = "-" not in args.inputs and not any(map(is_video, inputs.paths))
    total = len(inputs.paths) if known else None
    bar = tqdm(total=total, unit="photo", disable=True if args.json else None)
    level = interval_level(args, predictor)
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
        yield from inputs.paths
        yield from listed_paths(args.inputs)

    with writing(args.output):
        job = Run(
            predictor,
            args.output,
            score=least_score(args, predictor),
            level=level,
            every=args.every,
            pictures=not args.no_pictures,
            on_line=on_line,
        )
    summary = job.summary
    summary.failures += unused
    start = time.perf_counter()
    try:
        with bar:
            job(everything())
    except BrokenPipeError:
        raise
    except (OSError, KeyboardInterrupt) as error:
        cause = f"{error}: mend it. " if isinstance(error, OSError) else ""
        _remark(
            f"{cause}{summary.new} photos were done and are kept; the same command continues from "
            "there."
        )
        if isinstance(error, KeyboardInterrupt):
            raise
        return 1
    if not args.json:
        found = [row for row in summary.totals if row["boxes"]]
        _print_table(found)
        boxes, instances = (sum(row[key] for row in found) for key in ("boxes", "instances"))
        _print_sums(summary, boxes, instances, time.perf_counter() - start, args)
        print(f"model: {predictor.description}")
        if intervals and level is not None:
            more = summary.new + summary.kept - len(intervals)
            share = f"{100 * level:g} %"
            print(f"instances by photo, with intervals that hold the truth on {share} of photos:")
            print("\n".join(f"  {printable(line)}" for line in intervals))
            if more:
                print(f"  … and {more} more in {args.output / 'photos.csv'}")
    if summary.turned:
        _remark(
            f"{summary.turned} new photos were turned as their EXIF orientation says, as viewers "
            "do; --as-stored leaves them"
        )
    if summary.damaged:
        _remark(
            f"{summary.damaged} lines of the journal are damaged; photos that only these held were "
            "predicted again if they are among the inputs"
        )
    others = sorted(set(inputs.passed_over) - {failure.name for failure in unused})
    if others:
        _remark(f"{len(others)} other files were passed over: {summarize(others)}")
    return report_failures(summary.failures, summary.new + summary.kept)


def _run_on_cluster(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from ..inference.cluster import MODULES, predict_on_cluster

    for name, given in (
        ("--level", args.level is not None),
        ("--every", args.every != 1),
        ("--json", args.json),
    ):
        if given:
            raise InputError(f"{name} is not for --cluster: leave out one of them")
    require("ray", *MODULES)
    # Only for its settings: the workers have GPUs where this machine may have none.
    predictor = open_predictor(args, device="cpu", engine="torch", amp=False)
    inputs = [name for name in args.inputs if name != "-"]
    start = time.perf_counter()
    with tqdm(unit="photo", disable=None) as bar:
        summary = predict_on_cluster(
            predictor,
            [*inputs, *listed_paths(args.inputs)],
            str(args.output),
            address=args.cluster,
            score=least_score(args, predictor),
            options=predictor_options(args),
            on_progress=bar.update,
        )
    _print_sums(summary, summary.boxes, summary.instances, time.perf_counter() - start, args)
    status = report_failures(summary.failures, summary.used)
    if summary.lost:
        _remark(
            f"{summary.lost} photos have no row, because workers died with them; the same command "
            "tries them again"
        )
        return 1 if summary.used else 2
    return status


def _remark(text: str) -> None:
    remark(f"locount predict: {text}")


def _print_table(found: list[dict[str, Any]]) -> None:
    """Rows of totals.csv."""
    from tabulate import tabulate

    columns = ["category", "group", "photos", "boxes", "instances", "lowest_confidence"]
    if not any(row["group"] for row in found):
        columns.remove("group")
    if found:
        rows = [[row[column] for column in columns] for row in found]
        headers = [column.replace("_", " ") for column in columns]
        print(tabulate(rows, headers, tablefmt="github", floatfmt=".2f"))


def _print_sums(
    summary: Any, boxes: int, instances: int, seconds: float, args: argparse.Namespace
) -> None:
    """
    Args:
        summary: of a run, here or on a cluster.
    """
    of_new = "" if args.cluster is None else " (new)"
    kept = f", {summary.kept} from before" if summary.kept else ""
    print(
        f"photos: {summary.new} new ({summary.new / seconds:.1f} images/s){kept}\n"
        f"boxes: {boxes}, instances: {instances}{of_new}\n"
        f"results: {args.output}"
    )
