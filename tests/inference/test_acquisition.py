import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances

from locount.class_names import Classes
from locount.inference.acquisition import Corrections, choose, look
from locount.inference.prediction import Prediction


def prediction(scores, **fields):
    """Boxes side by side, of which those from 0.5 on count."""
    x = torch.arange(len(scores), dtype=torch.float32)[:, None] * 10
    instances = Instances(
        (10, 100),
        pred_boxes=Boxes(torch.cat([x, x * 0, x + 9, x * 0 + 9], dim=1)),
        pred_classes=torch.zeros(len(scores), dtype=torch.int64),
        scores=torch.tensor(scores),
        **fields,
    )
    return Prediction("photo", instances, Classes(("a",), ("",), (1,))).counting(0.5, 1)


def test_scores_are_probabilities_of_being_right():
    fields = {"pred_counts": torch.tensor([3, 1, 1]), "count_scores": torch.tensor([0.5, 0.75, 0])}
    found = Corrections.expected(prediction([1.0, 0.5, 0.25], **fields), 1)
    # Wrong boxes 0 + 1/2; missed 1/4; counts of right boxes that are wrong 1 * 1/2 + 1/2 * 1/4.
    assert found == pytest.approx((0.5, 0.25, 0.625))
    assert found.total == pytest.approx(1.375)


def test_a_model_without_count_scores_has_no_wrong_counts():
    assert Corrections.expected(prediction([0.5]), 1) == pytest.approx((0.5, 0, 0))
    assert Corrections.expected(prediction([]), 1) == (0, 0, 0)


def test_a_part_of_a_better_box_is_not_missed():
    part = Instances(
        (10, 10),
        pred_boxes=Boxes(torch.tensor([[0.0, 0, 8, 8], [0, 0, 4, 8]])),
        pred_classes=torch.tensor([0, 0]),
        scores=torch.tensor([1.0, 0.25]),
    )
    found = Prediction("photo", part, Classes(("a",), ("",), (1,))).counting(0.5, 0.7)
    assert Corrections.expected(found, 0.7).missed == 0
    assert Corrections.expected(found, 1).missed == 0.25


def test_photos_look_different_by_their_colors_and_edges():
    white, black = (np.full((30, 40, 3), value, np.uint8) for value in (255, 0))
    edge = white.copy()
    edge[:, 20:] = 250  # of the same color bin

    def distance(a, b):
        return np.linalg.norm(look(a) - look(b))

    assert distance(white, white) == 0
    # No color is shared, and neither has edges: half of the squared distance is that of colors.
    assert distance(white, black) == pytest.approx(0.5**0.5)
    assert 0 < distance(white, edge) < distance(black, edge) <= 1
    assert distance(white, np.full((90, 120, 3), 255, np.uint8)) == 0


LOOKS = np.array([[0.0], [0.1], [0.5], [0.6]])
NONE = np.empty((0, 1))


def test_the_next_photo_has_much_to_correct_and_looks_new():
    choices = choose([9, 8, 3, 1], LOOKS, NONE, 4)
    # 10, 9, 4, 2 times 1; then 9 * 0.1, 4 * 0.5, 2 * 0.6; then 9 * 0.1, 2 * 0.1.
    assert [choice.index for choice in choices] == [0, 2, 1, 3]
    assert [choice.nearest for choice in choices] == [None, 0, 0, 2]
    assert [choice.distance for choice in choices] == pytest.approx([1, 0.5, 0.1, 0.1])


def test_photos_like_annotated_ones_come_later():
    first, *_ = choose([9, 8, 3, 1], LOOKS, np.array([[0.02], [0.9]]), 2)
    # 10 * 0.02, 9 * 0.08, 4 * 0.4, 2 * 0.3
    assert first == (2, pytest.approx(0.4), 1)


def test_without_anything_to_correct_the_looks_decide():
    assert [choice.index for choice in choose([0] * 4, LOOKS, LOOKS[:1], 2)] == [3, 1]


def test_a_photo_is_chosen_once():
    choices = choose([1, 1, 1], np.zeros((3, 1)), NONE, 3)
    assert sorted(choice.index for choice in choices) == [0, 1, 2]
