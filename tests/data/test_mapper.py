import copy

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import DatasetMapper
from detectron2.data import transforms as T
from detectron2.data.detection_utils import SizeMismatchError
from detectron2.structures import BoxMode
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from locount import add_locount_config
from locount.counting import IGNORED_COUNT
from locount.data import LocountDatasetMapper, read_image
from locount.data.augmentation import AutoAugment, RandomColor
from locount.data.catalog import source_of
from locount.errors import InputError


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """20 x 10 pixels, all different."""
    path = tmp_path_factory.mktemp("mapper") / "photo.png"
    Image.fromarray(np.arange(600, dtype=np.uint16).astype(np.uint8).reshape(10, 20, 3)).save(path)
    return str(path)


def record(photo, *annotations):
    """Of annotations (box, class, count); without the count where it is None."""
    dicts = [
        {"bbox": [*map(float, box)], "bbox_mode": BoxMode.XYXY_ABS, "category_id": category}
        | ({} if count is None else {"count": count})
        for box, category, count in annotations
    ]
    return {"file_name": photo, "height": 10, "width": 20, "image_id": 1, "annotations": dicts}


def mapper(*augmentations, is_train=True, **options):
    return LocountDatasetMapper(
        is_train, augmentations=list(augmentations), image_format="BGR", **options
    )


def test_counts_stay_with_their_boxes_through_crop_and_flip(photo):
    # The crop is x 8 to 20: it leaves nothing of the first box, the second is a crowd, and the
    # third moves to x 4 to 12. Mirrored in a width of 12 that is x 0 to 8.
    data = record(photo, ([0, 0, 4, 4], 5, 2), ([9, 0, 13, 4], 6, 3), ([12, 2, 20, 10], 7, 40))
    data["annotations"][1]["iscrowd"] = 1
    instances = mapper(T.CropTransform(8, 0, 12, 10), T.HFlipTransform(12))(data)["instances"]
    assert instances.gt_boxes.tensor.tolist() == [[0, 2, 8, 10]]
    assert instances.gt_classes.tolist() == [7]
    assert instances.gt_counts.tolist() == [40]
    assert instances.gt_counts.dtype == torch.int64


def test_boxes_of_whole_pixels_are_scaled_by_fractions(make_split):
    # 3 * 1.5 = 4.5. Detectron2 scales in place, so boxes that stayed integers would be cut to 4.
    root = make_split({"a": "3,1,5,9,Soap,1"}, size=(20, 10))
    (data,) = source_of(f"locount:{root}:train").load()
    instances = mapper(T.ResizeTransform(10, 20, 15, 30))(data)["instances"]
    assert instances.gt_boxes.tensor.tolist() == [[4.5, 1.5, 7.5, 13.5]]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_fields_stay_aligned_whatever_is_left_out(photo, seed):
    # Class and place of a box can be told from its count. The boxes are one pixel wide, so a crop
    # leaves them or drops them; the different heights make it drop some between others.
    np.random.seed(seed)  # noqa: NPY002, the state that Detectron2 draws from
    boxes = [([i, 0, i + 1, 1 + i % 10], i % 3, i + 1) for i in range(20)]
    augmentations = [T.RandomCrop("relative_range", [0.3, 0.3]), T.RandomFlip()]
    instances = mapper(*augmentations)(record(photo, *boxes))["instances"]
    counts = instances.gt_counts
    assert torch.equal(instances.gt_classes, (counts - 1) % 3)
    # A crop and a flip move all boxes alike: their distances stay, to the left or to the right.
    steps = instances.gt_boxes.tensor[:, 0].diff().abs()
    assert torch.equal(steps, counts.diff().float())


def test_a_group_that_is_cut_trains_no_count(photo):
    # The crop is x 8 to 20. Of the first group 8 of 10 columns are left, 0.2 * 4 items are hidden;
    # of the second 9 of 10, 0.4 items; of the single item 1 of 6 columns, of the last group 12 of
    # 20.
    data = record(
        photo,
        ([6, 0, 16, 4], 0, 4),
        ([7, 4, 17, 8], 1, 4),
        ([3, 8, 9, 9], 2, 1),
        ([0, 9, 20, 10], 3, 9),
    )
    cut = mapper(T.CropTransform(8, 0, 12, 10), max_hidden_items=0.5, min_visible=0.1)
    instances = cut(data)["instances"]
    assert instances.gt_classes.tolist() == [0, 1, 2, 3]
    assert instances.gt_counts.tolist() == [IGNORED_COUNT, 4, 1, IGNORED_COUNT]
    cut = mapper(T.CropTransform(8, 0, 12, 10), max_hidden_items=0.5, min_visible=0.7)
    assert cut(data)["instances"].gt_counts.tolist() == [IGNORED_COUNT, 4]


def test_an_annotation_without_count_is_one_item(photo):
    data = record(photo, ([0, 0, 4, 4], 0, None), ([5, 5, 9, 9], 1, 3))
    assert mapper()(data)["instances"].gt_counts.tolist() == [1, 3]


def test_an_image_without_a_box_gives_empty_fields(photo):
    every = mapper(T.RandomFlip(), AutoAugment("v1"))
    instances = every(record(photo))["instances"]
    assert len(instances) == 0
    assert instances.gt_boxes.tensor.shape == (0, 4)
    for field in (instances.gt_classes, instances.gt_counts):
        assert field.shape == (0,)
        assert field.dtype == torch.int64


def test_an_image_whose_boxes_are_all_cut_away_gives_empty_fields(photo):
    data = record(photo, ([0, 0, 4, 4], 0, 3))
    instances = mapper(T.CropTransform(8, 0, 12, 10))(data)["instances"]
    assert len(instances) == len(instances.gt_counts) == 0


def test_apart_from_counts_it_maps_like_detectron2(photo):
    data = record(photo, ([0, 0, 4, 4], 5, 2), ([12, 2, 20, 10], 7, 40))
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.AUGMENTATION.MIN_VISIBLE = 0.0
    cfg.INPUT.CROP.ENABLED = True
    cfg.INPUT.MIN_SIZE_TRAIN = (17, 23)
    for is_train in (True, False):
        np.random.seed(0)  # noqa: NPY002, the state that Detectron2 draws from
        ours = LocountDatasetMapper(cfg, is_train)(copy.deepcopy(data))
        np.random.seed(0)  # noqa: NPY002
        theirs = DatasetMapper(cfg, is_train)(copy.deepcopy(data))
        assert ours.keys() == theirs.keys()
        assert torch.equal(ours["image"], theirs["image"])
        if is_train:
            ours, theirs = ours["instances"], theirs["instances"]
            assert torch.equal(ours.gt_boxes.tensor, theirs.gt_boxes.tensor)
            assert torch.equal(ours.gt_classes, theirs.gt_classes)


def test_precomputed_proposals_are_mapped_like_detectron2(photo):
    data = record(photo, ([0, 0, 4, 4], 0, 1)) | {
        "proposal_boxes": np.array([[2.0, 2, 6, 6], [0, 0, 4, 4]]),
        "proposal_objectness_logits": np.array([1.0, 2.0]),
        "proposal_bbox_mode": BoxMode.XYXY_ABS,
    }
    proposals = mapper(T.HFlipTransform(20), precomputed_proposal_topk=1)(data)["proposals"]
    assert proposals.proposal_boxes.tensor.tolist() == [[14, 2, 18, 6]]


def test_the_record_is_left_as_it_was(photo):
    data = record(photo, ([0, 0, 4, 4], 5, 2))
    before = copy.deepcopy(data)
    mapper(T.HFlipTransform(20))(data)
    assert data == before


def test_an_image_of_another_size_than_its_record_is_an_error(photo):
    with pytest.raises(SizeMismatchError, match=r"photo\.png"):
        mapper()(record(photo) | {"width": 21})


@pytest.mark.parametrize("is_train", [True, False])
def test_stale_orientation_tags_do_not_turn_the_photo(shared_data, is_train):
    path = str(shared_data / "exif_photos" / "C1_P03_N1_S2_1.JPG")
    pixels = read_image(path)
    data = {"file_name": path, "height": pixels.shape[0], "width": pixels.shape[1]}
    mapped = mapper(is_train=is_train)(data | {"annotations": []})
    np.testing.assert_array_equal(mapped["image"].permute(1, 2, 0), pixels)


def configured(is_train=True, **keys):
    cfg = get_cfg()
    add_locount_config(cfg)
    for key, value in keys.items():
        cfg.AUGMENTATION[key] = value
    return LocountDatasetMapper(cfg, is_train)


def kinds(mapper):
    return [type(a) for a in mapper.augmentations.augs]


def test_everything_is_off_by_default():
    mapper = configured()
    assert kinds(mapper) == [T.ResizeShortestEdge, T.RandomFlip]


def test_everything_that_is_asked_for_is_there():
    mapper = configured(COLOR=0.2, POLICY="v1", MAX_HIDDEN_ITEMS=0.25, MIN_VISIBLE=0.3)
    assert kinds(mapper) == [T.ResizeShortestEdge, T.RandomFlip, RandomColor, AutoAugment]
    assert (mapper.max_hidden_items, mapper.min_visible) == (0.25, 0.3)


def test_testing_augments_nothing():
    mapper = configured(is_train=False, COLOR=0.2, POLICY="v1")
    assert kinds(mapper) == [T.ResizeShortestEdge]


def test_all_faults_of_a_config_are_listed():
    with pytest.raises(InputError) as error:
        configured(COLOR=1.5, POLICY="v2", MAX_HIDDEN_ITEMS=-0.1, MIN_VISIBLE=2.0)
    for key in ("COLOR", "POLICY", "MAX_HIDDEN_ITEMS", "MIN_VISIBLE"):
        assert f"AUGMENTATION.{key} is" in str(error.value)


@pytest.mark.parametrize(
    ("node", "key", "value", "message"),
    [
        ("INPUT", "FORMAT", "L", "INPUT.FORMAT is 'L'"),
        ("MODEL", "MASK_ON", True, "set MODEL.MASK_ON"),
    ],
)
def test_policies_need_colors_and_boxes(node, key, value, message):
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.AUGMENTATION.POLICY = "v0"
    cfg[node][key] = value
    with pytest.raises(InputError, match=message):
        LocountDatasetMapper(cfg, is_train=True)
