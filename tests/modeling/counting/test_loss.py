import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.box_regression import Box2BoxTransform
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from locount.counting import CountPartition
from locount.modeling import (
    CountClassifier,
    CountingFastRCNNOutputLayers,
    CountLoss,
    balance_counts,
)
from locount.modeling.counting.loss import inverse_sqrt_weights


def test_weights_by_hand():
    # 16, 4 and 1 objects: 1/4, 1/2 and 1, times 21 / (4 + 2 + 1) = 3. The empty bin is like 1.
    weights = inverse_sqrt_weights(torch.tensor([16, 4, 0, 1]))
    torch.testing.assert_close(weights, torch.tensor([0.75, 1.5, 3.0, 3.0]))


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=60).filter(any))
def test_the_mean_weight_of_the_objects_is_one(num_objects):
    num_objects = torch.tensor(num_objects)
    weights = inverse_sqrt_weights(num_objects)
    torch.testing.assert_close((weights * num_objects).sum() / num_objects.sum(), torch.tensor(1.0))
    assert (weights > 0).all()


def test_each_stage_is_balanced_by_its_own_bins():
    partition = CountPartition(12, 10, 2)
    stages = nn.ModuleList(
        CountingFastRCNNOutputLayers(
            ShapeSpec(channels=4),
            box2box_transform=Box2BoxTransform((10.0, 10.0, 5.0, 5.0)),
            num_classes=2,
            count_loss=CountLoss(CountClassifier(partition, stage), balance="inverse_sqrt"),
        )
        for stage in range(2)
    )
    balance_counts(stages, torch.tensor([1, 1, 1, 1, 11]))
    # Stage 0: four in bin 0, one in bin 1: 1/2 and 1, times 5 / (2 + 1). Stage 1: the same, of the
    # counts 1 and 11.
    torch.testing.assert_close(stages[0].count_loss.bin_weights[:2], torch.tensor([5 / 6, 5 / 3]))
    torch.testing.assert_close(
        stages[1].count_loss.bin_weights[[1, 11]], torch.tensor([5 / 6, 5 / 3])
    )
    assert not any("weights" in name for name in stages.state_dict())


def test_weights_are_where_the_parameters_are():
    # Else every step of a training on a GPU would wait for a copy.
    counting = nn.ModuleList(
        [nn.Linear(1, 1, device="meta"), CountLoss(CountClassifier(CountPartition(9, 10, 1), 0))]
    )
    balance_counts(counting, torch.tensor([1, 2]))
    assert counting[1].bin_weights.device == counting[0].weight.device
