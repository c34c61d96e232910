"""From dataset dicts to what models train on, counts included."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import DatasetMapper
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.structures import Boxes, BoxMode

from ..config import check_config
from .augmentation import AutoAugment, CountAugInput, RandomColor, count_what_is_visible
from .images import read_image


class LocountDatasetMapper(DatasetMapper):
    """Detectron2's mapper with three differences.

    * ``instances.gt_counts`` (int64) holds the count of each box; an annotation without ``count``
      is one item. It stays aligned with ``gt_boxes`` and ``gt_classes`` whatever crops and filters
      leave out.
    * A group of which too little is left in the picture has IGNORED_COUNT there, and a box of which
      almost nothing is left is dropped.
    * Images are read as they are stored: see :func:`locount.data.images.read_image`.

    Semantic segmentation is not read.
    """

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        max_hidden_items: float = math.inf,
        min_visible: float = 0.0,
        **kwargs,
    ):
        """
        Args:
            max_hidden_items, min_visible: as for :func:`count_what_is_visible`.
            kwargs: as for :class:`DatasetMapper`.
        """
        super().__init__(is_train, **kwargs)
        self.max_hidden_items, self.min_visible = max_hidden_items, min_visible

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict:
        ret = super().from_config(cfg, is_train)
        if is_train:
            check_config(cfg, features=False)
            node, image_format = cfg.AUGMENTATION, cfg.INPUT.FORMAT
            if node.COLOR > 0:
                ret["augmentations"].append(RandomColor(node.COLOR, image_format))
            if node.POLICY != "none":
                ret["augmentations"].append(AutoAugment(node.POLICY, image_format))
            ret["max_hidden_items"] = node.MAX_HIDDEN_ITEMS
            ret["min_visible"] = node.MIN_VISIBLE
        return ret

    def __call__(self, dataset_dict: dict) -> dict:
        # The base method calls detection_utils.read_image by name, which turns the image by its
        # EXIF tag, and has no hook for it. So its steps are here; the annotations still go
        # through the base class.
        dataset_dict = copy.deepcopy(dataset_dict)
        image = read_image(dataset_dict["file_name"], self.image_format)
        utils.check_image_size(dataset_dict, image)
        if not self.is_train:
            dataset_dict.pop("annotations", None)

        annotations = [a for a in dataset_dict.get("annotations", ()) if not a.get("iscrowd", 0)]
        aug_input = CountAugInput(image, boxes=_boxes(annotations))
        transforms = self.augmentations(aug_input)
        image_shape = aug_input.image.shape[:2]
        chw = np.ascontiguousarray(aug_input.image.transpose(2, 0, 1))
        dataset_dict["image"] = torch.as_tensor(chw)
        if self.proposal_topk is not None:
            utils.transform_proposals(
                dataset_dict, image_shape, transforms, proposal_topk=self.proposal_topk
            )
        if "annotations" in dataset_dict:
            self._make_instances(dataset_dict, annotations, aug_input, transforms)
        return dataset_dict

    def _make_instances(
        self,
        dataset_dict: dict,
        annotations: list[dict],
        aug_input: CountAugInput,
        transforms: T.TransformList,
    ) -> None:
        classes = np.array([a["category_id"] for a in annotations], dtype=np.int64)
        counts = np.array([a.get("count", 1) for a in annotations], dtype=np.int64)
        # The base method drops empty boxes without saying which. With positions in place of
        # classes it says which are left.
        dataset_dict["annotations"] = [{**a, "category_id": i} for i, a in enumerate(annotations)]
        self._transform_annotations(dataset_dict, transforms, aug_input.image.shape[:2])
        instances = dataset_dict["instances"]
        kept = instances.gt_classes.numpy()
        counts, is_object = count_what_is_visible(
            counts[kept], aug_input.visible[kept], self.max_hidden_items, self.min_visible
        )
        if not self.recompute_boxes:
            instances.gt_boxes = Boxes(aug_input.boxes[kept])
        instances.gt_classes = torch.from_numpy(classes[kept])
        instances.gt_counts = torch.from_numpy(counts)
        dataset_dict["instances"] = instances[torch.from_numpy(is_object)]


def _boxes(annotations: list[dict]) -> np.ndarray:
    boxes = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS) for a in annotations]
    return np.array(boxes, dtype=float).reshape(-1, 4)
