from pathlib import Path

import yaml

from locount.cli import main
from locount.config import load_config
from locount.data.anchor_fitting import Anchors, recall, training_shapes
from locount.data.catalog import source_of

CONFIG = str(Path(__file__).parents[2] / "configs/Shelf/cascade_rcnn_small.yaml")


def test_the_printed_lines_are_a_config_with_the_printed_recall(photos, capsys):
    dataset = f"locount:{photos}:train"
    assert main(["fit-anchors", dataset, "--config-file", CONFIG, "--ratios", "2"]) == 0
    table, lines = capsys.readouterr().out.split("\n\n")
    cfg = load_config(CONFIG)
    shapes = training_shapes(source_of(dataset).load(), cfg)
    before = recall(shapes, Anchors.from_config(cfg))
    cfg.MODEL.ANCHOR_GENERATOR.merge_from_other_cfg(
        type(cfg)(yaml.safe_load(lines)["MODEL"]["ANCHOR_GENERATOR"])
    )
    anchors = Anchors.from_config(cfg)
    assert (anchors.sizes.shape, anchors.ratios.shape) == ((3, 1), (3, 2))
    after = recall(shapes, anchors)
    for row, expected in zip(table.splitlines()[2:], (before, after), strict=True):
        assert [float(cell) for cell in row.split("|")[2:-1]] == [
            float(f"{value:.1f}") for value in expected.values()
        ]
    # the photos have boxes of two shapes alone
    assert after["mean IoU"] > 99 > before["mean IoU"]


def test_wrong_input_has_status_2(photos, capsys):
    assert main(["fit-anchors", "nothing", "--config-file", CONFIG]) == 2
    assert "'nothing' is not a dataset" in capsys.readouterr().err
