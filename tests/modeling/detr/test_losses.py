import math

import pytest
import torch
from detectron2.utils.events import EventStorage
from transformers import DeformableDetrConfig, DFineConfig, RTDetrV2Config
from transformers.loss.loss_rt_detr import RTDetrLoss

from locount.counting import IGNORED_COUNT, CountPartition
from locount.modeling import CountClassifier, CountLoss
from locount.modeling.detr.library import LOSSES
from locount.modeling.detr.losses import SetLosses, match

CONFIGS = {
    "deformable_detr": DeformableDetrConfig(num_labels=2),
    "rtdetr_v2": RTDetrV2Config(num_labels=2),
    "d_fine": DFineConfig(num_labels=2),
}
# Two objects far from each other, and two queries that each are at one.
BOXES = torch.tensor([[0.2, 0.2, 0.2, 0.2], [0.7, 0.7, 0.2, 0.2]])
NINES = CountClassifier(CountPartition(9, 10, 1), 0)


def target(*counts):
    n = len(counts)
    return {
        "class_labels": torch.arange(n) % 2,
        "boxes": BOXES[:n],
        "counts": torch.tensor(counts).long(),
    }


def layer(logits, boxes=BOXES):
    return {"logits": torch.tensor(logits)[None], "pred_boxes": boxes[None]}


def of(name, targets, **options):
    return SetLosses(LOSSES[name](CONFIGS[name]), targets, **options)


def test_class_loss_of_deformable_detr_is_twice_the_focal_loss_per_object():
    losses = of("deformable_detr", [target(1, 1)])
    losses.add_layer(layer([[0.0, 0.0], [0.0, 0.0]]))
    # Of four scores of 0.5 two are right. Each costs (1 - 0.5)² log 2, times 0.25 or 0.75.
    expected = 2 * 2 * (0.25 + 0.75) / 4 * math.log(2) / 2
    torch.testing.assert_close(losses.sums["loss_ce"], torch.tensor(expected))
    assert losses.sums["loss_bbox"] == 0


@pytest.mark.parametrize("name", LOSSES)
def test_boxes_cost_five_times_l1_and_twice_giou(name):
    losses = of(name, [target(1, 1)])
    losses.add_layer(layer([[9.0, -9.0], [-9.0, 9.0]], BOXES + torch.tensor([0.1, 0, 0, 0])))
    # Each box is 0.1 too far right, half its width: GIoU 1/3; divided by the two objects.
    torch.testing.assert_close(losses.sums["loss_bbox"], torch.tensor(5 * 0.1))
    torch.testing.assert_close(losses.sums["loss_giou"], torch.tensor(2 * (1 - 1 / 3)))


def test_box_losses_are_the_librarys():
    objects = {"class_labels": torch.tensor([0, 1, 0]), "boxes": torch.rand(3, 4) + 0.1}
    outputs = {"logits": torch.randn(1, 5, 2), "pred_boxes": torch.rand(1, 5, 4) + 0.1}
    losses = of("rtdetr_v2", [objects])
    losses.add_layer(outputs)
    matches = [match(outputs["logits"][0], outputs["pred_boxes"][0], objects)]
    theirs = RTDetrLoss(CONFIGS["rtdetr_v2"]).loss_boxes(outputs, [objects], matches, 3)
    torch.testing.assert_close(losses.sums["loss_bbox"], 5 * theirs["loss_bbox"])
    torch.testing.assert_close(losses.sums["loss_giou"], 2 * theirs["loss_giou"])


def test_layers_add_up_and_those_of_the_encoder_apart():
    once, twice = (of("rtdetr_v2", [target(1, 1)]) for _ in range(2))
    one = layer([[1.0, 0.0], [0.0, 1.0]], BOXES + 0.01)
    once.add_layer(one)
    twice.add_layer(one)
    twice.add_layer(one)
    twice.add_layer(one, suffix="_enc")
    for name, loss in once.sums.items():
        torch.testing.assert_close(twice.sums[name], 2 * loss)
        torch.testing.assert_close(twice.sums[f"{name}_enc"], loss)


def count_outputs(*bins):
    outputs = torch.zeros(1, len(bins), NINES.num_outputs)
    for query, b in enumerate(bins):
        outputs[0, query, b] = 50.0
    return outputs.requires_grad_()


def test_counts_are_trained_at_matched_queries_whose_count_is_known():
    # The first query is sure of 3, which is right; the second object's count is not known.
    outputs = count_outputs(3, 3)
    losses = of("rtdetr_v2", [target(3, IGNORED_COUNT)])
    with EventStorage():
        losses.add_layer(
            layer([[1.0, 0.0], [0.0, 1.0]]) | {"counts": outputs}, CountLoss(NINES, weight=0.1)
        )
    assert losses.sums["loss_count"] < 1e-6
    # Now it is sure of 4: cross-entropy 50, times 0.1, a mean over one object.
    outputs = count_outputs(4, 3)
    losses = of("rtdetr_v2", [target(3, IGNORED_COUNT)])
    with EventStorage():
        losses.add_layer(
            layer([[1.0, 0.0], [0.0, 1.0]]) | {"counts": outputs}, CountLoss(NINES, weight=0.1)
        )
    torch.testing.assert_close(losses.sums["loss_count"], torch.tensor(5.0))
    losses.sums["loss_count"].backward()
    assert (outputs.grad[0].abs().sum(dim=1) > 0).tolist() == [True, False]


@pytest.mark.parametrize(("cost", "trained"), [(0.0, 4), (0.1, 3)])
def test_the_count_has_a_say_in_the_matching_by_its_cost(cost, trained):
    # Two queries at one object of 3; the one that counts 4 is a little more sure of the class.
    outputs = count_outputs(4, 3)
    losses = of("rtdetr_v2", [target(3)], count_cost=cost)
    same_place = BOXES[[0, 0]]
    with EventStorage():
        losses.add_layer(
            layer([[0.05, 0.0], [0.0, 0.0]], same_place) | {"counts": outputs},
            CountLoss(NINES, weight=1.0),
        )
    assert (losses.sums["loss_count"] > 1) == (trained == 4)


@pytest.mark.parametrize("name", LOSSES)
def test_without_objects_only_the_class_is_trained(name):
    logits = torch.zeros(1, 2, 2, requires_grad=True)
    losses = of(name, [target()])
    losses.add_layer({"logits": logits, "pred_boxes": BOXES[None]})
    sum(losses.sums.values()).backward()
    assert all(loss.isfinite() for loss in losses.sums.values())
    assert (logits.grad > 0).all()
