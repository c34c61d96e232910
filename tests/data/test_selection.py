import pytest
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog

from locount import add_locount_config
from locount.data import DatasetError, check_datasets, register_datasets
from locount.data.catalog import source_of
from locount.data.inspection import inspect_datasets
from locount.data.selection import Part, in_part
from locount.errors import InputError

BOX = "1,2,30,40,"


@pytest.fixture
def shop(make_split):
    """Two photos: a nut and three bolts in one, a nut in the other."""
    root = make_split({"1": f"{BOX}nut,1\n1,2,31,40,bolt,3", "2": f"{BOX}nut,2"})
    return f"locount:{root}:train"


@pytest.fixture
def write_map(tmp_path):
    def write(text, name="map.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def config(train=(), test=()):
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = train, test
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 1
    return cfg


def load(name):
    """Categories, and of each photo the category and count of its boxes."""
    register_datasets([name])
    classes = MetadataCatalog.get(name).thing_classes
    return classes, [
        [(a["category_id"], a["count"]) for a in record["annotations"]]
        for record in DatasetCatalog.get(name)
    ]


def test_all_categories_become_one(shop):
    assert load(shop) == (["bolt", "nut"], [[(1, 1), (0, 3)], [(1, 2)]])
    assert load(f"{shop}?as=small part") == (["small part"], [[(0, 1), (0, 3)], [(0, 2)]])


def test_a_map_orders_the_categories_and_leaves_out_what_has_no_target(shop, write_map):
    # A category of another dataset may be in the map, too: one map serves several.
    path = write_map("from,to\nnut,metal\ncup,china\nbolt,\n")
    assert load(f"{shop}?map={path}") == (["metal", "china"], [[(0, 1)], [(0, 2)]])


def test_categories_without_a_target_are_listed(shop, write_map):
    path = write_map("from,to\nwasher,metal\n")
    with pytest.raises(DatasetError, match=r"no target for 2 categories[^$]*\n  bolt\n  nut$"):
        register_datasets([f"{shop}?map={path}"])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nut,metal\n", r"map\.csv:1: is not the header"),
        ("from,to\nnut\n", r"map\.csv:2: 'nut' is not a line from,to"),
        ("from,to\nnut,a\nnut,b\n", r"map\.csv:3: 'nut' has a target already"),
        ("from,to\nnut,\n", "has no target at all"),
    ],
)
def test_a_faulty_map_is_an_error_with_its_line(shop, write_map, text, error):
    with pytest.raises(DatasetError, match=error):
        register_datasets([f"{shop}?map={write_map(text)}"])


def test_a_map_that_is_missing_is_an_error(shop, tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv can't be read"):
        register_datasets([f"{shop}?map={tmp_path / 'nowhere.csv'}"])


def test_photos_repeat_in_training_only(shop):
    once, twice = load(shop), load(f"{shop}?repeat=2")
    assert twice == (once[0], once[1] * 2)
    cfg = config(test=(f"{shop}?repeat=2&as=part",))
    with pytest.raises(DatasetError, match="more than once"):
        check_datasets(cfg, cfg.DATASETS.TEST)
    # Reports are about photos, so they are not taken for copies of each other.
    report = inspect_datasets([f"{shop}?repeat=2&as=part"], decode=False)
    assert len(report.datasets[0].records) == 2
    assert report.datasets[0].classes == ["part"]


def test_parts_are_disjoint_cover_and_are_runs_of_names():
    # Five photos in two parts: places 0, 1, 2 (0 * 2 // 5 to 2 * 2 // 5 are 0) and 3, 4.
    files = ["10.jpg", "1.jpg", "2.jpg", "3.jpg", "20.jpg"]
    first = in_part(files, Part(0, 0, 2), 1, "")
    assert [f for f, chosen in zip(files, first, strict=True) if chosen] == [
        "1.jpg",
        "2.jpg",
        "3.jpg",
    ]
    assert in_part(files, Part(1, 1, 2), 1, "") == [not chosen for chosen in first]


def test_runs_deal_pieces_in_turn():
    # Eight photos, two parts of two runs: four pieces of two.
    files = [f"{i}.jpg" for i in range(8)]
    assert in_part(files, Part(1, 1, 2), 2, "") == [False, False, True, True] * 2


@pytest.mark.parametrize("num_files", [20, 23, 29])
def test_every_photo_is_in_one_part(num_files):
    files = [f"{i}.jpg" for i in range(num_files)]
    parts = [in_part(files, Part(k, k, 5), 4, "") for k in range(5)]
    assert [sum(column) for column in zip(*parts, strict=True)] == [1] * num_files
    rest = in_part(files, Part(1, 4, 5), 4, "")
    assert rest == [not chosen for chosen in parts[0]]


def test_photos_by_name(make_split, tmp_path):
    root = make_split({f"shop{i}/{k}": f"{BOX}nut,{i}{k}" for i in (1, 2) for k in (1, 2)})
    name, path = f"locount:{root}:train", tmp_path / "list.txt"
    path.write_text("shop1/2.jpg\n\nshop2/1.jpg\n")
    assert load(f"{name}?photos={path}")[1] == [[(0, 12)], [(0, 21)]]
    assert load(f"{name}?without={path}")[1] == [[(0, 11)], [(0, 22)]]
    assert load(f"{name}?without={path}&part=1/2&repeat=2")[1] == [[(0, 22)]] * 2
    assert len(inspect_datasets([f"{name}?photos={path}"]).datasets[0].records) == 2


def test_a_list_of_photos_that_are_not_there(make_split, tmp_path):
    root = make_split({"1": f"{BOX}nut,1", "2": f"{BOX}nut,2"})
    (root / "Locount_ImagesTrain" / "2.jpg").write_bytes(b"not a picture")
    name, path = f"locount:{root}:train?skip_invalid", tmp_path / "list.txt"
    path.write_text("1.jpg\n2.jpg\n")  # 2.jpg is there, and can't be used
    assert load(f"{name}&photos={path}")[1] == [[(0, 1)]]
    path.write_text("1.jpg\n\n3.jpg\n")
    with pytest.raises(DatasetError, match=r"list\.txt:3: '3\.jpg' is not a photo below"):
        DatasetCatalog.get(register(f"{name}&without={path}"))
    path.write_text("\n")
    with pytest.raises(DatasetError, match=r"list\.txt: names no photo"):
        DatasetCatalog.get(register(f"{name}&photos={path}&as=x"))


def test_a_part_by_name(shop):
    assert load(f"{shop}?part=1/2&repeat=3&as=x") == (["x"], [[(0, 2)]] * 3)
    with pytest.raises(DatasetError, match="has 2 photos, which can't be cut into 3 pieces"):
        DatasetCatalog.get(register(f"{shop}?part=1-2/3"))


def register(name):
    register_datasets([name])
    return name


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("as=", "without the name of a category: write as=CATEGORY"),
        ("as=x&map=y", "exclude each other"),
        ("as=x&as=y", "given twice"),
        ("photos=x&without=y", "exclude each other"),
        ("photos=", "without a file: write photos=FILE.txt"),
        ("part=2/2", "parts count from 0: write part=0/10"),
        ("part=1", "not a part"),
        ("part=2-1/5", "not a part"),
        ("runs=2", "needs part="),
        ("repeat=0", "not a whole number from 1 on"),
        ("shuffle", "not an option; there are mend, skip_invalid, photos=FILE.txt"),
        ("style=varied", "not an option"),  # of rendered shelves
    ],
)
def test_options_that_cannot_be_read_say_what_is_right(shop, query, error):
    with pytest.raises(DatasetError, match=error):
        register_datasets([f"{shop}?{query}"])


def test_every_kind_of_dataset_has_the_options(make_split, tmp_path, monkeypatch):
    root = make_split({"a": f"{BOX}Soap,1"}, root=tmp_path / "locount")
    (root / "a.json").write_text(
        '{"images": [{"id": 1, "file_name": "a.jpg", "height": 80, "width": 100}], '
        '"categories": [{"id": 9, "name": "cup"}], "annotations": '
        '[{"id": 1, "image_id": 1, "category_id": 9, "bbox": [1, 2, 3, 4]}]}'
    )
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    for name in (
        f"coco:{root}/a.json:{root}/Locount_ImagesTrain",
        "locount_train",
    ):
        assert load(f"{name}?as=product") == (["product"], [[(0, 1)]])
    assert source_of("shelf:3:1?as=product").metadata() == {"thing_classes": ["product"]}


def test_datasets_that_differ_say_how_to_train_together(shop, make_split, tmp_path):
    other = f"locount:{make_split({'a': f'{BOX}cup,1'}, root=tmp_path / 'other')}:train"
    cfg = config(train=(shop, other))
    with pytest.raises(DatasetError) as caught:
        check_datasets(cfg, cfg.DATASETS.TRAIN)
    text = str(caught.value)
    assert "only the first has 'bolt', 'nut'; only the second has 'cup'" in text
    cured = [f"{shop}?as=product", f"{other}?as=product"]
    assert all(repr(name) in text for name in cured)
    check_datasets(cfg, cured)
