import copy
import math

import pytest
import torch
from detectron2.engine import SimpleTrainer
from detectron2.modeling import build_model
from detectron2.structures import Boxes
from detectron2.utils import comm
from detectron2.utils.events import EventStorage

from locount.training.divergence import DivergenceError, StepWatch


@pytest.fixture
def model(tiny_cfg):
    return build_model(tiny_cfg)


def train(model, *batches):
    """Steps on each batch in turn, watched from iteration 7 on."""
    watch = StepWatch(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    trainer = SimpleTrainer(model, batches, optimizer)
    with EventStorage() as storage:
        for iteration in range(7, 7 + len(batches)):
            trainer.iter = storage.iter = iteration
            with watch.step(iteration):
                trainer.run_step()


def flat(batch):
    """The batch with a box of no width: the logarithm of its size, a target, is infinite."""
    batch = copy.deepcopy(batch)
    boxes = torch.tensor([[8.0, 8, 8, 56], [30, 20, 50, 40]])
    batch[0]["instances"].gt_boxes = Boxes(boxes)
    return batch


def named(batch, name):
    return [{**image, "file_name": f"{name}-{image['file_name']}"} for image in batch]


def test_a_loss_that_breaks_is_named_with_iteration_and_images(model, batch):
    fine, broken = named(batch, "fine"), named(flat(batch), "broken")
    with pytest.raises(DivergenceError, match=r"iteration 8: loss_\w+ is (nan|inf)") as caught:
        train(model, fine, broken)
    assert caught.match(r"images are broken-full\.jpg, broken-empty\.jpg\.")


def test_other_processes_than_the_main_one_name_their_images(model, batch, monkeypatch):
    monkeypatch.setattr(comm, "is_main_process", lambda: False)
    with pytest.raises(DivergenceError, match=r"iteration 7: loss_\w+ is (nan|inf).* full\.jpg"):
        train(model, flat(batch))


@pytest.mark.parametrize(
    "layer", ["proposal_generator.rpn_head.anchor_deltas", "roi_heads.box_predictor.0.bbox_pred"]
)
def test_a_predicted_box_that_is_infinite_stops_training(model, batch, layer):
    # Shifts of the largest float, times the size of a box.
    model.get_submodule(layer).bias.data.fill_(torch.finfo(torch.float32).max)
    with pytest.raises(DivergenceError, match=r"iteration 7: .*NaN.* images are full\.jpg"):
        train(model, batch)


@pytest.fixture
def ciou_model(tiny_cfg):
    tiny_cfg.MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE = "ciou"
    return build_model(tiny_cfg)


def test_a_box_loss_that_meets_nan_is_explained(ciou_model, batch):
    # In the last stage, which hands its boxes only to the loss. Whether finite weights make NaN or
    # infinity depends on the order in which a processor adds.
    layer = ciou_model.roi_heads.box_predictor[1].bbox_pred
    layer.register_forward_hook(lambda layer, features, shifts: shifts * math.nan)
    with pytest.raises(DivergenceError, match=r"iteration 7: bad box.* images are full\.jpg"):
        train(ciou_model, batch)


def test_weights_that_a_box_loss_meets_are_traced_to_their_step(ciou_model, batch):
    layer = ciou_model.roi_heads.box_predictor[1].bbox_pred
    layer.weight.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(DivergenceError, match=r"7: its gradients made 1 weight.*images are first-"):
        train(ciou_model, named(batch, "first"), named(batch, "second"))


def test_gradients_that_break_weights_are_traced_to_their_step(model, batch):
    layer = model.roi_heads.box_predictor[1].cls_score
    layer.weight.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(
        DivergenceError, match=r"iteration 7: its gradients made 1 weight"
    ) as caught:
        train(model, named(batch, "first"), named(batch, "second"))
    assert caught.match(r"roi_heads\.box_predictor\.1\.cls_score\.weight")
    assert caught.match(r"images are first-full\.jpg, first-empty\.jpg\.")


def test_weights_that_are_broken_from_the_start_are_no_batchs_fault(model, batch):
    model.roi_heads.box_predictor[1].cls_score.weight.data[0, 0] = math.nan
    with pytest.raises(DivergenceError, match=r"before the first step\. Start from other weights"):
        train(model, batch)


def test_other_errors_pass(model):
    with pytest.raises(AssertionError, match="not ours"), StepWatch(model).step(7):
        raise AssertionError("not ours")
