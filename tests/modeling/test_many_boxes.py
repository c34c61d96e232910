"""More boxes than the 300 that are usual, with nothing but config keys."""

import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage


def test_a_thousand_boxes_are_learnt_and_found(tiny_cfg):
    cfg = tiny_cfg
    cfg.MODEL.RPN.PRE_NMS_TOPK_TEST = cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 2000
    cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST = 1.0
    cfg.TEST.DETECTIONS_PER_IMAGE = 1000
    model = build_model(cfg)
    column, row = torch.meshgrid(torch.arange(40), torch.arange(25), indexing="xy")
    corner = 12.0 * torch.stack([column, row], dim=2).reshape(-1, 2)
    objects = Instances((320, 480), gt_boxes=Boxes(torch.cat([corner, corner + 11], dim=1)))
    objects.gt_classes = torch.arange(1000) % 3
    objects.gt_counts = 1 + torch.arange(1000) % 50
    image = {"image": torch.randint(256, (3, 320, 480)), "height": 320, "width": 480}
    with EventStorage():
        losses = model.train()([{**image, "instances": objects}])
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert losses["loss_count_stage1"] > 0
    with torch.inference_mode():
        (found,) = model.eval()([image])
    assert len(found["instances"]) == 1000
