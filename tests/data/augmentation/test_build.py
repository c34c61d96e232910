import pytest
from detectron2.config import get_cfg
from detectron2.data import transforms as T

from locount import add_locount_config
from locount.data import LocountDatasetMapper
from locount.data.augmentation import AutoAugment, CopyPaste, RandomColor
from locount.errors import InputError


def build(is_train=True, **keys):
    cfg = get_cfg()
    add_locount_config(cfg)
    for key, value in keys.items():
        cfg.AUGMENTATION[key] = value
    return LocountDatasetMapper(cfg, is_train)


def kinds(mapper):
    return [type(a) for a in mapper.augmentations.augs]


def test_everything_is_off_by_default():
    mapper = build()
    assert kinds(mapper) == [T.ResizeShortestEdge, T.RandomFlip]
    assert mapper.copy_paste is None


def test_everything_that_is_asked_for_is_there():
    mapper = build(COLOR=0.2, POLICY="v1", COPY_PASTE=3, MAX_HIDDEN_ITEMS=0.25, MIN_VISIBLE=0.3)
    assert kinds(mapper) == [T.ResizeShortestEdge, T.RandomFlip, RandomColor, AutoAugment]
    assert isinstance(mapper.copy_paste, CopyPaste)
    assert (mapper.max_hidden_items, mapper.min_visible) == (0.25, 0.3)


def test_testing_augments_nothing():
    mapper = build(is_train=False, COLOR=0.2, POLICY="v1", COPY_PASTE=3)
    assert kinds(mapper) == [T.ResizeShortestEdge]
    assert mapper.copy_paste is None


def test_all_faults_of_a_config_are_listed():
    with pytest.raises(InputError) as error:
        build(COLOR=1.5, POLICY="v2", COPY_PASTE=-1, MAX_HIDDEN_ITEMS=-0.1, MIN_VISIBLE=2.0)
    for key in ("COLOR", "POLICY", "COPY_PASTE", "MAX_HIDDEN_ITEMS", "MIN_VISIBLE"):
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
