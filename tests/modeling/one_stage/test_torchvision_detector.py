"""torchvision's SSD behind Detectron2's interface."""

from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torch import nn

from locount.config import load_config
from locount.errors import InputError
from locount.modeling import TorchvisionDetector
from locount.modeling.one_stage.torchvision_detector import build_torchvision_detector
from locount.training.mixed_precision import train_in_mixed_precision

CONFIGS = Path(__file__).parents[3] / "configs"


def make_cfg(*opts):
    options = [
        *("MODEL.DEVICE", "cpu"),
        *("MODEL.TORCHVISION.NAME", "ssdlite320_mobilenet_v3_large"),
        *("MODEL.TORCHVISION.PRETRAINED_BACKBONE", False),
        *("MODEL.TORCHVISION.NUM_CLASSES", 3),
        *("MODEL.TORCHVISION.SCORE_THRESH_TEST", 0.0),
        *("TEST.DETECTIONS_PER_IMAGE", 7),
        *opts,
    ]
    return load_config(str(CONFIGS / "Base-SSD.yaml"), options)


class _Echo(nn.Module):
    """A detector that finds what it was last trained on, and keeps the images that it sees."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images, targets=None):
        self.images = images
        if self.training:
            self.targets = targets
            return {"bbox_regression": self.weight.sum(), "loss_objectness": self.weight.sum()}
        return [{**t, "scores": torch.ones(len(t["labels"]))} for t in self.targets]


def test_labels_and_boxes_go_there_and_back(batch):
    echo = _Echo()
    model = TorchvisionDetector(detector=echo, input_format="BGR")
    model.train()(batch)
    # Classes 2 and 0; behind the background, which is label 0, they are 3 and 1.
    assert echo.targets[0]["labels"].tolist() == [3, 1]
    assert echo.targets[1]["boxes"].shape == (0, 4)
    batch[0]["height"], batch[0]["width"] = 128, 32
    full, empty = (output["instances"] for output in model.eval()(batch))
    assert full.pred_classes.tolist() == [2, 0]
    # From 64 x 64 pixels to a height of 128 and a width of 32: x is halved, y doubled.
    expected = batch[0]["instances"].gt_boxes.tensor * torch.tensor([0.5, 2, 0.5, 2])
    assert torch.equal(full.pred_boxes.tensor, expected)
    assert full.image_size == (128, 32)
    assert len(empty) == 0
    assert not full.has("pred_counts")


def test_losses_are_named_like_losses(batch):
    model = TorchvisionDetector(detector=_Echo(), input_format="BGR")
    assert set(model(batch)) == {"loss_bbox_regression", "loss_objectness"}


@pytest.mark.parametrize(("input_format", "channel"), [("BGR", 0), ("RGB", 2)])
def test_images_are_rgb_between_0_and_1(input_format, channel):
    # Blue, the last of R, G and B.
    image = torch.zeros(3, 4, 4, dtype=torch.uint8)
    image[channel] = 255
    echo = _Echo()
    model = TorchvisionDetector(detector=echo, input_format=input_format)
    targets = Instances((4, 4), gt_boxes=Boxes(torch.zeros(0, 4)), gt_classes=torch.zeros(0).long())
    model([{"image": image, "instances": targets}])
    assert echo.images[0][:, 0, 0].tolist() == [0, 0, 1]


def test_it_trains_and_predicts_with_and_without_objects(batch):
    model = build_model(make_cfg())
    # A box of no width is left out: the same as the image without objects.
    boxes = torch.tensor([[8.0, 8, 8, 56]])
    thin = Instances((64, 64), gt_boxes=Boxes(boxes), gt_classes=torch.tensor([1]))
    batch = [*batch, {**batch[0], "instances": thin}]
    with EventStorage():
        losses = model.train()(batch)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    batch[0]["height"], batch[0]["width"] = 128, 32
    with torch.no_grad():
        outputs = model.eval()(batch)
    for output, x in zip(outputs, batch, strict=True):
        detections = output["instances"]
        assert len(detections) <= 7
        assert detections.image_size == (x["height"], x["width"])
        assert set(detections.pred_classes.tolist()) <= {0, 1, 2}
    assert max(map(len, (output["instances"] for output in outputs))) > 0


def test_class_0_is_no_background(batch):
    # Every object is of class 0: were that the background, it would train nothing.
    model = build_model(make_cfg()).train()
    batch[0]["instances"].gt_classes[:] = 0
    with EventStorage():
        losses = model(batch[:1] * 2)  # SSDlite normalizes a map of one pixel
    sum(losses.values()).backward()
    layer = model.detector.head.classification_head.module_list[0][1]
    gradient = layer.bias.grad.unflatten(0, (-1, 4)).sum(dim=0)
    # Gradient descent raises the logit of the class that there is most of all.
    assert gradient[1:].argmin() == 0


def test_ssd512_has_the_papers_maps_and_boxes():
    with torch.device("meta"):  # shapes alone
        detector = build_torchvision_detector("ssd512_vgg16", num_classes=3)
        features = list(detector.backbone(torch.zeros(1, 3, 512, 512)).values())
    assert [f.shape[-1] for f in features] == [64, 32, 16, 8, 4, 2, 1]
    # The paper's 24,564 default boxes.
    per_location = detector.anchor_generator.num_anchors_per_location()
    assert sum(n * f.shape[-1] ** 2 for n, f in zip(per_location, features, strict=True)) == 24564


def test_losses_in_bfloat16_are_nearly_those_of_float32(batch):
    torch.manual_seed(0)
    model = build_model(make_cfg())
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    with EventStorage():
        expected = model.train()(batch)
        train_in_mixed_precision(model)
        losses = model(batch)
    for key, loss in losses.items():
        torch.testing.assert_close(loss, expected[key], rtol=0.05, atol=0.05)
        assert loss.dtype == torch.float32


def test_an_image_format_without_colors_is_an_error():
    with pytest.raises(InputError, match=r"INPUT\.FORMAT is 'L'"):
        build_model(make_cfg("INPUT.FORMAT", "L"))


def test_more_detections_take_more_candidates():
    # SSDlite's own are 300 of each class.
    name, options = "ssdlite320_mobilenet_v3_large", {"num_classes": 1}
    few = build_torchvision_detector(name, **options, detections_per_img=150)
    many = build_torchvision_detector(name, **options, detections_per_img=1000)
    assert (few.topk_candidates, many.topk_candidates) == (300, 1000)
