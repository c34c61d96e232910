import json
import logging
import uuid

import numpy as np
import pytest
import torch
import torch.distributed as dist
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import print_csv_format
from detectron2.structures import Boxes, BoxMode, Instances
from torch.multiprocessing import start_processes

from locount.evaluation import LocountEvaluator, evaluate_detections


def annotation(box, category=0, **rest):
    return {"bbox": box, "bbox_mode": BoxMode.XYXY_ABS, "category_id": category, **rest}


def random_dataset(num_images=12, seed=0):
    """Dataset dicts, and for each image the instances a mediocre detector finds in it."""
    rng = np.random.default_rng(seed)
    dataset, outputs = [], []
    for image_id in rng.permutation(num_images).tolist():
        corner = rng.integers(0, 300, (6, 2))
        boxes = np.concatenate([corner, corner + rng.integers(20, 200, (6, 2))], axis=1)
        classes, counts = rng.integers(0, 2, 6), rng.integers(1, 15, 6)
        dataset.append(
            {
                "image_id": image_id,
                "file_name": f"{image_id}.jpg",
                "height": 500,
                "width": 500,
                "annotations": [
                    annotation(b, category=c, count=n)
                    for b, c, n in zip(
                        boxes.tolist(), classes.tolist(), counts.tolist(), strict=True
                    )
                ],
            }
        )
        instances = Instances((500, 500))
        instances.pred_boxes = Boxes(
            torch.tensor(boxes + rng.normal(0, 4, boxes.shape), dtype=torch.float32)
        )
        # few distinct scores, so that their order decides
        instances.scores = torch.tensor(rng.integers(1, 5, 6) / 5, dtype=torch.float32)
        instances.pred_classes = torch.tensor(classes)
        instances.pred_counts = torch.tensor(np.maximum(1, counts + rng.integers(-2, 3, 6)))
        outputs.append({"instances": instances})
    return dataset, outputs


@pytest.fixture
def register():
    """Register dataset dicts under a new name with two categories; undone after the test."""
    names = []

    def _register(dataset, **metadata):
        names.append(f"test_{uuid.uuid4().hex}")
        DatasetCatalog.register(names[-1], lambda: dataset)
        MetadataCatalog.get(names[-1]).set(thing_classes=["cup", "bottle"], **metadata)
        return names[-1]

    yield _register
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def run(name, dataset, outputs, **arguments):
    evaluator = LocountEvaluator(name, **arguments)
    evaluator.process(dataset, outputs)
    return evaluator.evaluate()["bbox"]


def same(a, b):
    assert a.keys() == b.keys()
    np.testing.assert_equal(a, b)


def test_files_evaluate_to_the_same_figures(register, tmp_path):
    dataset, outputs = random_dataset()
    metrics = run(register(dataset), dataset, outputs, output_dir=str(tmp_path / "new"))
    files = [tmp_path / "new" / f"locount_{f}.json" for f in ("ground_truth", "instances_results")]
    assert sorted((tmp_path / "new").iterdir()) == files
    same(evaluate_detections(*files).metrics, metrics)
    assert 10 < metrics["APlc"] < metrics["AP"] < 100


def test_ap_at_100_beside_ap_at_more(register):
    # 101 boxes, all found: the best 100 reach 100 of the 101 recall points from 0 to 1, the last of
    # which is 100 / 100, and a recall of 100 / 101.
    corners = torch.arange(101.0)[:, None] * 10
    boxes = torch.cat([corners, corners, corners + 10, corners + 10], dim=1)
    image = {"image_id": 1, "height": 1010, "width": 1010}
    image["annotations"] = [annotation(box) for box in boxes.tolist()]
    found = Instances((1010, 1010), pred_boxes=Boxes(boxes), scores=torch.linspace(1, 0.5, 101))
    found.pred_classes = torch.zeros(101, dtype=torch.int64)
    metrics = run(register([image]), [image], [{"instances": found}], max_dets=(100, 300, 500))
    assert metrics["AP@100"] == pytest.approx(100 * 100 / 101)
    assert metrics["AR100"] == pytest.approx(100 * 100 / 101)
    assert metrics["AP"] == metrics["AP@300"] == metrics["AR500"] == pytest.approx(100)
    assert "AP@500" not in metrics


def test_ap_and_recall_at_several_numbers_and_all_else_at_the_largest(register, tmp_path):
    dataset, outputs = random_dataset()
    metrics = run(
        register(dataset), dataset, outputs, max_dets=(150, 1, 2), output_dir=str(tmp_path)
    )
    files = [tmp_path / f"locount_{f}.json" for f in ("ground_truth", "instances_results")]
    expected = dict(evaluate_detections(*files).metrics)
    for n in (1, 2):
        expected |= {
            k: v
            for k, v in evaluate_detections(*files, max_dets=n).metrics.items()
            if k[-1] == str(n)
        }
        expected[f"AP@{n}"] = evaluate_detections(*files, max_dets=n).metrics["AP"]
    assert {"AR1", "AR2", "AR150", "ARlc1", "ARlc2", "ARlc150"} <= metrics.keys()
    same({name: expected[name] for name in metrics}, metrics)


def test_number_of_products_per_image(register):
    dataset, outputs = random_dataset(num_images=5)
    evaluator = LocountEvaluator(register(dataset), score=0.6)
    evaluator.process(dataset, outputs)
    errors = [
        sum(int(n) for n, s in zip(d.pred_counts, d.scores, strict=True) if s >= 0.6)
        - sum(a["count"] for a in image["annotations"])
        for image, d in zip(dataset, (o["instances"] for o in outputs), strict=True)
    ]
    found = evaluator.evaluate()["count"]
    assert found["MAE"] == pytest.approx(np.abs(errors).mean())
    assert found["bias"] == pytest.approx(np.mean(errors))
    assert set(found) == {"MAE", "RMSE", "bias", "MAE-cv"}


def test_order_of_images_does_not_matter(register):
    dataset, outputs = random_dataset()
    name = register(dataset)
    same(run(name, dataset[::-1], outputs[::-1]), run(name, dataset, outputs))


def test_no_counts_are_ones(register):
    """Without any count the joint figures are the count-blind ones: AC is 1 for every pair."""
    dataset, outputs = random_dataset()
    for image, output in zip(dataset, outputs, strict=True):
        for a in image["annotations"]:
            del a["count"]
        output["instances"].remove("pred_counts")
    metrics = run(register(dataset), dataset, outputs)
    assert metrics["APlc"] == pytest.approx(metrics["AP"], abs=1e-9)


def test_no_detections_score_zero(register):
    dataset, _ = random_dataset(num_images=2)
    empty = Instances((500, 500))
    empty.pred_boxes, empty.scores = Boxes(torch.zeros(0, 4)), torch.zeros(0)
    empty.pred_classes = empty.pred_counts = torch.zeros(0, dtype=torch.int64)
    metrics = run(register(dataset), dataset, [{"instances": empty}] * 2)
    assert metrics["AP"] == metrics["APlc"] == metrics["ARlc150"] == 0


def test_dataset_category_ids_in_files(register, tmp_path):
    dataset, outputs = random_dataset()
    name = register(dataset, thing_dataset_id_to_contiguous_id={90: 0, 7: 1})
    metrics = run(name, dataset, outputs, output_dir=str(tmp_path))
    results = json.loads((tmp_path / "locount_instances_results.json").read_bytes())
    classes = torch.cat([o["instances"].pred_classes for o in outputs]).tolist()
    assert [r["category_id"] for r in results] == [[90, 7][c] for c in classes]
    # the order of categories differs, so the last bit of a mean may
    assert metrics == pytest.approx(run(register(dataset), dataset, outputs), nan_ok=True)


def test_widths_are_not_rounded_to_float32(register, tmp_path):
    dataset, outputs = random_dataset(num_images=1)
    run(register(dataset), dataset, outputs, output_dir=str(tmp_path))
    results = json.loads((tmp_path / "locount_instances_results.json").read_bytes())
    corners = outputs[0]["instances"].pred_boxes.tensor.tolist()
    assert [r["bbox"][2:] for r in results] == [[x1 - x0, y1 - y0] for x0, y0, x1, y1 in corners]


def test_image_predicted_twice_counts_once(register, caplog):
    dataset, outputs = random_dataset()
    name = register(dataset)
    with caplog.at_level(logging.WARNING):
        twice = run(name, [*dataset, dataset[0]], [*outputs, outputs[1]])
    assert "1 predictions for images that already had some" in caplog.text
    same(twice, run(name, dataset, outputs))


def test_missing_image_is_missed(register, caplog):
    dataset, outputs = random_dataset(num_images=2)
    with caplog.at_level(logging.WARNING):
        metrics = run(register(dataset), dataset[:1], outputs[:1])
    assert "1 of 2 images have no predictions" in caplog.text
    assert metrics["AR150"] < 100


def test_unknown_image_is_an_error(register):
    dataset, outputs = random_dataset(num_images=2)
    with pytest.raises(ValueError, match="1 images with predictions are not in"):
        run(register(dataset[:1]), dataset, outputs)


def test_unregistered_dataset_is_an_error():
    with pytest.raises(KeyError, match="not registered"):
        LocountEvaluator("nobody_registered_this")


def test_detectron2_prints_the_figures(register, caplog):
    dataset, outputs = random_dataset()
    metrics = run(register(dataset), dataset, outputs)
    with caplog.at_level(logging.INFO):
        print_csv_format({"bbox": metrics})
    assert "copypaste: AP,AP50,AP75,AR150,APlc,APlc50,APlc75,ARlc150" in caplog.text


def _evaluate_share(rank, num_processes, folder, name, dataset, outputs):
    """One process's part: images dealt in turn, one of them to all as a padding sampler does."""
    torch.set_num_threads(1)
    store = f"file://{folder}/store{num_processes}"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=num_processes)
    mine = [i for i in range(len(dataset)) if i % num_processes == rank or i == 0]
    evaluator = LocountEvaluator(name)
    evaluator.process([dataset[i] for i in mine], [outputs[i] for i in mine])
    results = evaluator.evaluate()
    if rank:
        assert results == {}
    else:
        (folder / "metrics.json").write_text(json.dumps(results["bbox"]))


@pytest.mark.parametrize("num_processes", [2, 3])
def test_figures_do_not_depend_on_processes(register, tmp_path, num_processes):
    dataset, outputs = random_dataset()
    name = register(dataset)
    arguments = (num_processes, tmp_path, name, dataset, outputs)
    # forked, so that the dataset is registered in the children too
    start_processes(_evaluate_share, arguments, nprocs=num_processes, start_method="fork")
    same(json.loads((tmp_path / "metrics.json").read_text()), run(name, dataset, outputs))
