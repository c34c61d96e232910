"""From dataset dicts to what models train on, counts included."""

from __future__ import annotations

import copy

import numpy as np
import torch
from detectron2.data import DatasetMapper
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T

from .images import read_image


class LocountDatasetMapper(DatasetMapper):
    """Detectron2's mapper with two differences.

    * ``instances.gt_counts`` (int64) holds the count of each box; an annotation without ``count``
      is one item. It stays aligned with ``gt_boxes`` and ``gt_classes`` whatever crops and filters
      leave out.
    * Images are read as they are stored: see :func:`locount.data.images.read_image`.

    Semantic segmentation is not read.
    """

    def __call__(self, dataset_dict: dict) -> dict:
        # The base method calls detection_utils.read_image by name, which turns the image by its
        # EXIF tag, and has no hook for it. So its steps stand here; the annotations still go
        # through the base class.
        dataset_dict = copy.deepcopy(dataset_dict)
        image = read_image(dataset_dict["file_name"], self.image_format)
        utils.check_image_size(dataset_dict, image)

        aug_input = T.AugInput(image)
        transforms = self.augmentations(aug_input)
        image_shape = aug_input.image.shape[:2]
        chw = np.ascontiguousarray(aug_input.image.transpose(2, 0, 1))
        dataset_dict["image"] = torch.as_tensor(chw)
        if self.proposal_topk is not None:
            utils.transform_proposals(
                dataset_dict, image_shape, transforms, proposal_topk=self.proposal_topk
            )
        if not self.is_train:
            dataset_dict.pop("annotations", None)
        elif "annotations" in dataset_dict:
            self._transform_annotations(dataset_dict, transforms, image_shape)
        return dataset_dict

    def _transform_annotations(
        self, dataset_dict: dict, transforms: T.TransformList, image_shape: tuple[int, int]
    ) -> None:
        annotations = dataset_dict["annotations"]
        classes = torch.tensor([a["category_id"] for a in annotations], dtype=torch.int64)
        counts = torch.tensor([a.get("count", 1) for a in annotations], dtype=torch.int64)
        # The base method drops crowd and empty boxes without saying which. With positions in the
        # place of classes it tells which are left.
        dataset_dict["annotations"] = [{**a, "category_id": i} for i, a in enumerate(annotations)]
        super()._transform_annotations(dataset_dict, transforms, image_shape)
        instances = dataset_dict["instances"]
        kept = instances.gt_classes
        instances.gt_classes = classes[kept]
        instances.gt_counts = counts[kept]
