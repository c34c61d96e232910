"""Draw a model's boxes with category and count on photos."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="image files")
    parser.add_argument("--config-file", required=True, help="config.yaml of a training run")
    parser.add_argument("--weights", required=True, help="checkpoint, such as model_final.pth")
    parser.add_argument("--output", required=True, type=Path, help="folder for the pictures")
    parser.add_argument(
        "--score-threshold", type=float, default=0.5, help="least score drawn (default: 0.5)"
    )


def run(args: argparse.Namespace) -> int:
    pictures: dict[Path, Path] = {}
    for photo in args.photos:
        picture = args.output / f"{photo.stem}.png"
        if picture in pictures:
            raise InputError(
                f"{pictures[picture]} and {photo} would both become {picture}: "
                "draw them into different folders."
            )
        pictures[picture] = photo

    # Here and not above: `--help` should not wait for torch.
    import cv2
    from detectron2.data import MetadataCatalog
    from detectron2.engine import DefaultPredictor

    from ..config import load_config
    from ..data import read_image, register_datasets
    from ..inference import draw_detections

    cfg = load_config(args.config_file, ["MODEL.WEIGHTS", args.weights])
    register_datasets(cfg.DATASETS.TEST)
    predictor = DefaultPredictor(cfg)
    class_names = MetadataCatalog.get(cfg.DATASETS.TEST[0]).thing_classes
    args.output.mkdir(parents=True, exist_ok=True)
    for picture, photo in pictures.items():
        image = read_image(photo, "BGR")
        detections = predictor(image)["instances"].to("cpu")
        detections = detections[detections.scores >= args.score_threshold]
        cv2.imwrite(str(picture), draw_detections(image, detections, class_names))
        counts = detections.pred_counts.tolist() if detections.has("pred_counts") else None
        instances = sum(counts) if counts is not None else len(detections)
        print(f"{picture}: {len(detections)} boxes, {instances} instances")
    return 0
