import math

import pytest
import torch
from transformers import DeformableDetrConfig, DFineConfig
from transformers.loss.loss_deformable_detr import DeformableDetrHungarianMatcher
from transformers.loss.loss_rt_detr import RTDetrHungarianMatcher

from locount.modeling.detr.losses import match

BOX = [0.5, 0.5, 0.2, 0.2]


def objects(*labels, boxes=None):
    boxes = [BOX] * len(labels) if boxes is None else boxes
    return {"class_labels": torch.tensor(labels).long(), "boxes": torch.tensor(boxes).view(-1, 4)}


@pytest.mark.parametrize(
    "matcher",
    [
        RTDetrHungarianMatcher(DFineConfig()),
        DeformableDetrHungarianMatcher(class_cost=2, bbox_cost=5, giou_cost=2),
    ],
)
def test_matches_are_those_of_the_library(matcher):
    logits, boxes = torch.randn(1, 40, 7), torch.rand(1, 40, 4) * 0.5 + 0.1
    truth = objects(*range(7), boxes=(torch.rand(7, 4) * 0.5 + 0.1).tolist())
    (expected,) = matcher({"logits": logits, "pred_boxes": boxes}, [truth])
    found = match(logits[0], boxes[0], truth)
    assert [i.tolist() for i in found] == [i.tolist() for i in expected]


def test_the_library_and_its_deformable_detr_differ_in_the_weight_of_the_class():
    assert DeformableDetrConfig().class_cost != DFineConfig().matcher_class_cost == 2


def test_no_more_pairs_than_queries_or_objects():
    queries, found = match(torch.zeros(2, 1), torch.tensor([BOX, BOX]), objects(0, 0, 0))
    assert sorted(queries.tolist()) == [0, 1]
    assert len(set(found.tolist())) == 2
    assert [len(i) for i in match(torch.zeros(2, 1), torch.tensor([BOX, BOX]), objects())] == [0, 0]


def test_a_broken_prediction_is_matched_last():
    boxes = torch.tensor([BOX, [math.nan] * 4, BOX])
    queries, _ = match(torch.zeros(3, 1), boxes, objects(0, 0))
    assert queries.tolist() == [0, 2]


def test_a_discount_decides_between_queries_that_are_alike():
    for cheap in (0, 1):
        discount = torch.zeros(2, 1)
        discount[cheap] = 0.1
        queries, _ = match(torch.zeros(2, 1), torch.tensor([BOX, BOX]), objects(0), discount)
        assert queries.tolist() == [cheap]
