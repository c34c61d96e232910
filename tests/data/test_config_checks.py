import pytest
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog

from locount import add_locount_config
from locount.data import DatasetError, check_datasets


def config(train, **options):
    """A config that trains on one dataset of two categories; '__' in an option is a dot."""
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.DATASETS.TRAIN = (train,)
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 2
    cfg.MODEL.COUNT_HEAD.STRATEGY = "classification"
    cfg.merge_from_list([x for key, v in options.items() for x in (key.replace("__", "."), v)])
    return cfg


@pytest.fixture
def train(make_split):
    return f"locount:{make_split({'a': '1,2,30,40,nut,1', 'b': '1,2,30,40,bolt,56'})}:train"


def test_data_that_fits_the_model_passes(train):
    check_datasets(config(train), [train])
    check_datasets(config(train), [])


@pytest.mark.parametrize(
    ("architecture", "option"),
    [
        ("GeneralizedRCNN", "MODEL.ROI_HEADS.NUM_CLASSES"),
        ("RetinaNet", "MODEL.RETINANET.NUM_CLASSES"),
        ("CountingRetinaNet", "MODEL.RETINANET.NUM_CLASSES"),
        ("CountingFCOS", "MODEL.FCOS.NUM_CLASSES"),
        ("TorchvisionDetector", "MODEL.TORCHVISION.NUM_CLASSES"),
        ("CountingDETR", "MODEL.DETR.NUM_CLASSES"),
    ],
)
def test_another_number_of_classes_names_the_option_and_its_value(train, architecture, option):
    cfg = config(train, MODEL__META_ARCHITECTURE=architecture)
    cfg.merge_from_list([option, 80])
    with pytest.raises(DatasetError, match=f"{option} is 80, .*: set {option} 2;"):
        check_datasets(cfg, [train])
    cfg.merge_from_list([option, 2])
    check_datasets(cfg, [train])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, None),
        ({"TEST__DETECTIONS_PER_IMAGE": -1}, None),  # without a limit
        (
            {"TEST__DETECTIONS_PER_IMAGE": 2, "MODEL__RPN__POST_NMS_TOPK_TEST": 3},
            "b.jpg has 3 boxes, which can't all be found, for TEST.DETECTIONS_PER_IMAGE is 2 (",
        ),
        (
            {"MODEL__RPN__POST_NMS_TOPK_TEST": 2},
            "b.jpg has 3 boxes, which can't all be found, for MODEL.RPN.POST_NMS_TOPK_TEST is 2 (",
        ),
        ({"MODEL__RPN__POST_NMS_TOPK_TEST": 2, "MODEL__META_ARCHITECTURE": "RetinaNet"}, None),
        (
            {"MODEL__DETR__NUM_QUERIES": 2, "MODEL__META_ARCHITECTURE": "CountingDETR"},
            "b.jpg has 3 boxes, which can't all be found, for MODEL.DETR.NUM_QUERIES is 2 (",
        ),
    ],
)
def test_more_boxes_than_detections_are_said(make_split, caplog, options, said):
    two = "1,2,30,40,nut,1\n41,2,70,40,nut,1\n"
    root = make_split({"a": two, "b": f"{two}1,42,30,70,bolt,1"})
    train = f"locount:{root}:train"
    cfg = config(train, **options)
    cfg.MODEL.RETINANET.NUM_CLASSES = cfg.MODEL.DETR.NUM_CLASSES = 2
    with caplog.at_level("WARNING"):
        check_datasets(cfg, [train])
    assert said in caplog.text if said else not caplog.text


def test_a_model_without_classes_fits_any_data(train):
    check_datasets(config(train, MODEL__META_ARCHITECTURE="ProposalNetwork"), [train])


def test_large_counts_are_listed_by_line(make_split):
    root = make_split({"a": "1,2,30,40,nut,11\n1,2,30,40,nut,10\n1,2,30,40,bolt,57"})
    name = f"locount:{root}:train"
    cfg = config(name, MODEL__COUNT_HEAD__MAX_COUNT=10)
    with pytest.raises(DatasetError, match="MAX_COUNT, which is 10: set it to 57") as caught:
        check_datasets(cfg, [name])
    assert [(problem.line, problem.text) for problem in caught.value.problems] == [
        (1, "the count is 11"),
        (3, "the count is 57"),
    ]
    assert caught.value.problems[0].path == str(root / "Locount_GtTxtsTrain" / "a.txt")


def test_large_counts_matter_only_where_counts_are_learnt_as_classes(train, make_split):
    make_split({"a": "1,2,30,40,nut,99"}, split="Test")
    test = train.replace(":train", ":test")
    check_datasets(config(train), [train, test])
    check_datasets(config(test, MODEL__COUNT_HEAD__STRATEGY="none"), [test])
    with pytest.raises(DatasetError, match="99"):
        check_datasets(config(test), [test])


def test_datasets_of_different_categories_are_an_error(train, make_split, tmp_path):
    root = make_split({"a": "1,2,30,40,bolt,1\n1,2,31,40,screw,1"}, root=tmp_path / "other")
    other = f"locount:{root}:train"
    with pytest.raises(DatasetError, match="only the first has 'nut'; only the second has 'screw'"):
        check_datasets(config(train), [train, other])


def test_faults_of_test_data_show_at_the_start(train, make_split):
    make_split({"a": "1,2,30,40,nut,0"}, split="Test")
    test = train.replace(":train", ":test")
    with pytest.raises(DatasetError, match="the count is 0"):
        check_datasets(config(train), [train, test])


def test_a_dataset_without_counts_is_one_of_single_items():
    name = "checked_without_counts"
    box = {"bbox": [0, 0, 1, 1], "bbox_mode": 0, "category_id": 0}
    DatasetCatalog.register(name, lambda: [{"file_name": "a.jpg", "annotations": [box]}])
    MetadataCatalog.get(name).set(thing_classes=["nut", "bolt"])
    check_datasets(config(name, MODEL__COUNT_HEAD__MAX_COUNT=1), [name])
