"""Find the best score threshold, and how far a model's numbers can be trusted.

On annotated photos that the model was not trained on. Intervals hold for photos of the same kind.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .options import add_max_overlap, add_output, add_score

if TYPE_CHECKING:
    from ..evaluation.annotations import Detections, GroundTruth

LEVELS = (0.8, 0.9, 0.95)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        metavar="GT DT",
        help="COCO json of held-back photos, and results of the model on them (as for `locount "
        "evaluate`, with low scores too); several pairs are taken together",
    )
    parser.add_argument(
        "--dataset", nargs="+", metavar="NAME", help="datasets to predict, instead of files"
    )
    parser.add_argument(
        "-w",
        "--weights",
        metavar="FILE",
        help="model file with its config (default: the weights that come with locount)",
    )
    add_output(parser, "write the model file with its calibration there", metavar="FILE")
    add_score(parser, "default: the one with the least error of totals")
    add_max_overlap(parser, " (default: PREDICT.MAX_OVERLAP of the model)")
    parser.add_argument(
        "--test",
        nargs="+",
        metavar="GT DT",
        help="say how many numbers of other photos the intervals cover; with --dataset, names of "
        "datasets",
    )


def run(args: argparse.Namespace) -> int:
    from ..calibration.coverage import coverage
    from ..calibration.fit import calibrate
    from ..checkpoint import calibrated_checkpoint
    from ..evaluation.tables import table
    from ..model_file import DEFAULT, find_weights, stored_config

    if bool(args.dataset) == bool(args.files):
        raise InputError("give either files, GT and DT, or --dataset")
    weights = find_weights(args.weights or DEFAULT)
    max_overlap = args.max_overlap
    if max_overlap is None:
        max_overlap = stored_config(weights).PREDICT.MAX_OVERLAP
    read = _predicted if args.dataset else _read
    gt, dt = read(weights, args.dataset or args.files)
    test = read(weights, args.test) if args.test else None
    calibration = calibrate(
        gt,
        dt,
        score=args.score,
        max_overlap=max_overlap,
        source=", ".join(args.dataset or args.files[1::2]),
    )
    rows = coverage(calibration, *(test or (gt, dt)), LEVELS)
    # Of the photos that it was made of, what it covers says nothing.
    columns = ["of", "level", "photos", "predicted", "width", *(["covered"] if test else [])]
    print(table([[row[column] for column in columns] for row in rows], columns))
    print(f"\n{len(gt.image_ids)} photos, levels up to {calibration.totals.highest_level:g}")
    print(f"PREDICT.SCORE {calibration.score:g} PREDICT.MAX_OVERLAP {calibration.max_overlap:g}")
    if args.output:
        calibrated_checkpoint(Path(weights), args.output, calibration)
        print(args.output)
    return 0


def _read(weights: str, files: Sequence[str]) -> tuple[GroundTruth, Detections]:
    from ..calibration.fit import joined
    from ..class_names import Classes
    from ..data.config_checks import difference
    from ..evaluation.reading import read_detections, read_ground_truth

    if len(files) % 2:
        raise InputError(f"give pairs of files, GT and DT; there are {len(files)}")
    sets = []
    for gt_file, dt_file in zip(files[::2], files[1::2], strict=True):
        gt = read_ground_truth(gt_file)
        sets.append((gt, read_detections(dt_file, gt)))
    gt, dt = joined(sets)
    classes = Classes.of_checkpoint(weights)
    if classes and sorted(classes.ids) != gt.category_ids.tolist():
        ids = difference(gt.category_ids.tolist(), sorted(classes.ids))
        raise InputError(
            f"{files[0]} and {weights} have different ids of categories ({ids}): use the files of "
            "an evaluation of that model, or name another with --weights"
        )
    return gt, dt


def _predicted(weights: str, datasets: Sequence[str]) -> tuple[GroundTruth, Detections]:
    """As `train_net.py --eval-only` does."""
    from ..config import changed
    from ..data import check_datasets
    from ..inference import Predictor
    from ..report.run_folder import DETECTIONS, GROUND_TRUTH
    from ..training import Trainer

    predictor = Predictor(weights)
    with tempfile.TemporaryDirectory() as folder:
        opts = ("DATASETS.TEST", tuple(datasets), "OUTPUT_DIR", folder)
        cfg = changed(predictor.cfg, *opts)
        check_datasets(cfg, datasets)
        predictor.classes.check_data(datasets[0])
        Trainer.test(cfg, predictor.model)
        found = sorted(path.parent for path in Path(folder, "inference").glob(f"*/{GROUND_TRUTH}"))
        files = [str(path / name) for path in found for name in (GROUND_TRUTH, DETECTIONS)]
        return _read(weights, files)
