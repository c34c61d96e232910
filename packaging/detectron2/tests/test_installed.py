"""What the corrections are for, tried on the installed wheel."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.usefixtures("pure_detectron2")


def tiny_trainer(folder: Path, make_scheduler):
    """A trainer of one number whose learning rate is read off its log, and its checkpointer."""
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.engine import SimpleTrainer, hooks

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, data):
            return {"loss": (self.weight * data).sum()}

    class Rates(hooks.HookBase):
        values: list

        def after_step(self):
            self.values.append(self.trainer.optimizer.param_groups[0]["lr"])

    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    trainer = SimpleTrainer(model, [torch.ones(1)] * 100, optimizer)
    rates = Rates()
    rates.values = []
    checkpointer = DetectionCheckpointer(model, str(folder), trainer=trainer)
    trainer.register_hooks(
        [
            rates,
            hooks.LRScheduler(optimizer, make_scheduler(optimizer)),
            hooks.PeriodicCheckpointer(checkpointer, period=4),
        ]
    )
    return trainer, checkpointer, rates.values


def torch_scheduler(optimizer):
    return torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 6], gamma=0.1)


def detectron2_scheduler(optimizer):
    from detectron2.config import get_cfg
    from detectron2.solver import build_lr_scheduler

    cfg = get_cfg()
    cfg.SOLVER.STEPS, cfg.SOLVER.MAX_ITER, cfg.SOLVER.WARMUP_ITERS = (1, 6), 10, 0
    return build_lr_scheduler(cfg, optimizer)


@pytest.mark.parametrize("make_scheduler", [torch_scheduler, detectron2_scheduler])
def test_resuming_goes_on_with_the_learning_rate_schedule(tmp_path, make_scheduler):
    trainer, _, first = tiny_trainer(tmp_path, make_scheduler)
    trainer.train(0, 4)

    trainer, checkpointer, second = tiny_trainer(tmp_path, make_scheduler)
    checkpointer.resume_or_load("", resume=True)
    start = trainer.iter + 1
    trainer.train(start, 10)

    assert start == 4
    # Step 0 at the first rate, 1 to 5 at a tenth of it, 6 to 9 at a hundredth.
    assert first + second == pytest.approx([1.0] + [0.1] * 5 + [0.01] * 4)


@pytest.mark.slow
def test_two_processes_train_one_model_and_write_its_log(tmp_path):
    script = Path(__file__).with_name("two_processes.py")
    subprocess.run([sys.executable, script, tmp_path], check=True)
    # The mean of the gradients 0 and 1, in both processes.
    steps = json.loads((tmp_path / "steps.json").read_text())
    assert steps == pytest.approx([0.5, 0.5])
    assert "total_loss" in (tmp_path / "metrics.json").read_text()
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_export_imports_without_caffe2():
    import detectron2.export

    assert callable(detectron2.export.TracingAdapter)


def test_model_zoo_finds_its_config_files():
    from detectron2 import model_zoo

    name = "COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml"
    assert Path(model_zoo.get_config_file(name)).is_file()
    assert model_zoo.get_config(name).MODEL.RESNETS.DEPTH == 50
    assert model_zoo.get_config("common/models/fcos.py") is not None
    with pytest.raises(RuntimeError, match="no_such_config"):
        model_zoo.get_config_file("no_such_config.yaml")


def test_environment_report_says_that_the_extension_is_left_out():
    from detectron2.utils.collect_env import collect_env_info

    assert "not part of this pure-Python build" in collect_env_info()


def test_projects_are_importable():
    from detectron2.projects import deeplab, point_rend

    assert callable(deeplab.add_deeplab_config)
    assert callable(point_rend.add_pointrend_config)


def test_every_augmentation_keeps_boxes_and_image_together():
    from detectron2.data import transforms

    augmentations = [
        transforms.ResizeShortestEdge(20),
        transforms.RandomExtent((0.8, 1.2), (0.1, 0.1)),
        transforms.RandomRotation([-10, 10]),
        transforms.ResizeScale(0.5, 2.0, 30, 40),
        transforms.FixedSizeCrop((30, 40)),
        transforms.RandomFlip(prob=1.0),
        transforms.RandomContrast(0.5, 1.5),
        transforms.RandomLighting(0.1),
    ]
    inputs = transforms.AugInput(np.full((24, 32, 3), 128, np.uint8), boxes=np.ones((1, 4)))
    transforms.AugmentationList(augmentations)(inputs)
    assert inputs.image.shape == (30, 40, 3)
    assert inputs.boxes.shape == (1, 4)


def test_a_sample_that_cannot_be_mapped_is_replaced_by_another():
    from detectron2.data import MapDataset

    dataset = MapDataset([0, 1], lambda number: number or None)
    assert dataset[0] == 1


def test_class_histogram_counts_instances(caplog):
    from detectron2.data.build import print_instances_class_histogram

    entries = [{"annotations": [{"category_id": 0}, {"category_id": 0}, {"category_id": 1}]}]
    with caplog.at_level(logging.INFO):
        print_instances_class_histogram(entries, ["cup", "jar"])
    table = caplog.text.replace(" ", "")
    assert "|cup|2|jar|1|" in table
    assert "|total|3|" in table


def test_polygon_masks():
    from detectron2.structures import PolygonMasks
    from detectron2.structures.masks import polygons_to_bitmask

    square = np.array([0.0, 0.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0])
    assert polygons_to_bitmask([square], 4, 4).sum() == 4
    assert polygons_to_bitmask([], 4, 4).sum() == 0
    assert PolygonMasks([[square], []]).nonempty().tolist() == [True, False]


def test_visualizer_draws_a_panoptic_segmentation():
    from detectron2.data import Metadata
    from detectron2.utils.visualizer import Visualizer

    metadata = Metadata(name="tiny").set(
        stuff_classes=["wall"], stuff_colors=[(0, 0, 255)], thing_classes=["cup"],
        thing_colors=[(255, 0, 0)],
    )  # fmt: skip
    segments = [
        {"id": 1, "isthing": True, "category_id": 0, "score": 0.9},
        {"id": 2, "isthing": False, "category_id": 0},
    ]
    ids = torch.ones(40, 40, dtype=torch.int64)
    ids[20:] = 2
    drawn = Visualizer(np.zeros((40, 40, 3), np.uint8), metadata).draw_panoptic_seg(ids, segments)
    assert drawn.get_image().any()


def test_semantic_segmentation_evaluator(tmp_path):
    from detectron2.data import DatasetCatalog, MetadataCatalog
    from detectron2.evaluation import SemSegEvaluator
    from PIL import Image

    truth = np.array([[0, 0], [1, 1]], dtype=np.uint8)
    Image.fromarray(truth).save(tmp_path / "truth.png")
    files = {"file_name": "image.jpg", "sem_seg_file_name": str(tmp_path / "truth.png")}
    DatasetCatalog.register("tiny_sem_seg", lambda: [files])
    MetadataCatalog.get("tiny_sem_seg").set(stuff_classes=["a", "b"], ignore_label=255)
    try:
        evaluator = SemSegEvaluator("tiny_sem_seg", distributed=False, output_dir=str(tmp_path))
        evaluator.reset()
        scores = torch.nn.functional.one_hot(torch.from_numpy(truth).long(), 2).permute(2, 0, 1)
        evaluator.process([files], [{"sem_seg": scores}])
        assert evaluator.evaluate()["sem_seg"]["mIoU"] == 100
    finally:
        DatasetCatalog.remove("tiny_sem_seg")
        MetadataCatalog.remove("tiny_sem_seg")


def test_coco_evaluator_without_the_extension(tmp_path):
    from detectron2.data import MetadataCatalog
    from detectron2.evaluation import COCOEvaluator
    from detectron2.structures import Boxes, Instances

    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 8, 8], "area": 64, "iscrowd": 0}
    truth = {
        "info": {},
        "images": [{"id": 1, "file_name": "a.jpg", "height": 10, "width": 10}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [box],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    MetadataCatalog.get("tiny_coco").set(
        json_file=str(tmp_path / "truth.json"), thing_dataset_id_to_contiguous_id={1: 0}
    )
    try:
        evaluator = COCOEvaluator("tiny_coco", ("bbox",), distributed=False)
        evaluator.reset()
        found = Instances((10, 10), pred_boxes=Boxes(torch.tensor([[0.0, 0.0, 8.0, 8.0]])))
        found.scores, found.pred_classes = torch.tensor([0.9]), torch.tensor([0])
        evaluator.process([{"image_id": 1}], [{"instances": found}])
        assert evaluator.evaluate()["bbox"]["AP"] == pytest.approx(100)
    finally:
        MetadataCatalog.remove("tiny_coco")


def test_what_needs_the_extension_says_so():
    from detectron2.structures import RotatedBoxes, pairwise_iou_rotated

    boxes = RotatedBoxes(torch.tensor([[5.0, 5.0, 4.0, 4.0, 30.0]]))
    with pytest.raises(ImportError, match="pure-Python build"):
        pairwise_iou_rotated(boxes, boxes)
