import itertools
import json
import os

import cv2
import numpy as np
import pytest
from detectron2.structures import BoxMode

from locount.data.catalog import source_of
from locount.data.restocking import Restocker, restock
from locount.errors import InputError

# Each category has a color; an item is 10 x 20 pixels of it on white.
COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
WHITE = 255


def photo(folder, *goods, size=(120, 60)):
    """A record of (x, y, category, count) whose items stand side by side, and its picture."""
    picture = np.full((size[1], size[0], 3), WHITE, np.uint8)
    annotations = []
    for x, y, category, count in goods:
        picture[y : y + 20, x : x + 10 * count] = COLORS[category]
        box = [x, y, x + 10 * count, y + 20]
        annotations.append(annotation(box, category, count))
    path = folder / f"{len(list(folder.iterdir()))}.png"
    cv2.imwrite(str(path), picture)
    return {"file_name": str(path), "annotations": annotations}


def annotation(box, category, count):
    mode = BoxMode.XYXY_ABS
    return {"bbox": box, "bbox_mode": mode, "category_id": category, "count": count}


def shown(goods):
    return [(g.box, g.category, g.items) for g in goods]


@pytest.mark.parametrize("joined", [False, True])
def test_labels_say_what_the_picture_shows(tmp_path, joined):
    records = [
        photo(tmp_path, (0, 0, 0, 3), (30, 0, 1, 5), (80, 0, 2, 1), (20, 40, 1, 2)),
        photo(tmp_path, (10, 10, 2, 6), (70, 10, 0, 4)),
    ]
    places = [{(0, x) for x in range(0, 90, 10)} | {(40, 20), (40, 30)}]
    places += [{(10, x) for x in range(10, 110, 10)}]
    restocker = Restocker(records, 1, joined)
    kinds = set()
    for number in range(40):
        picture, goods = restocker.restocked(number)
        labeled = []
        for (x1, y1, x2, y2), category, items in shown(goods):
            assert (x2 - x1, y2 - y1) == (10 * items, 20)
            assert (picture[int(y1) : int(y2), int(x1) : int(x2)] == COLORS[category]).all()
            labeled += [(y1, x) for x in range(int(x1), int(x2), 10)]
        assert len(labeled) == len(set(labeled))
        assert set(labeled) in places
        assert (picture != WHITE).any(axis=2).sum() == 200 * len(labeled)  # and nothing else
        kinds.add(tuple(shown(goods)))
        goods = sorted(goods, key=lambda g: (g.box[1], g.box[0]))
        for a, b in itertools.pairwise(goods):
            assert a.category != b.category or a.box[2] != b.box[0] or a.box[1] != b.box[1]
    assert len(kinds) > 20


def test_boxes_of_fractions_of_a_pixel_per_item_stay_in_their_row(tmp_path):
    rows = {(20, 120): 7, (0, 120): 9, (0, 61): 5}
    records = [
        {**photo(tmp_path), "annotations": [annotation([x1, 0, x2, 60], category, items)]}
        for category, ((x1, x2), items) in enumerate(rows.items())
    ]
    restocker = Restocker(records, 1)
    most = 0
    for number in range(30):
        goods = restocker.restocked(number)[1]
        ends = [goods[0].box[0], *(g.box[2] for g in goods)]
        assert sum(g.items for g in goods) == rows[ends[0], ends[-1]]
        assert [g.box[0] for g in goods] == pytest.approx(ends[:-1])
        most = max(most, len(goods))
    assert most > 2


def test_a_seed_and_a_number_decide(tmp_path):
    records = [photo(tmp_path, (0, 0, c, 4), (40, 0, 1 - c, 3)) for c in (0, 1)]
    first = [Restocker(records, 1).restocked(number) for number in range(8)]
    again = Restocker(records, 1)
    for number in reversed(range(8)):
        picture, goods = again.restocked(number)
        assert (picture == first[number][0]).all()
        assert goods == first[number][1]
    other = [Restocker(records, 2).restocked(number)[1] for number in range(8)]
    assert other != [goods for _, goods in first]


def test_every_photo_has_its_turn(tmp_path):
    sizes = [(60, 30), (70, 40), (80, 50)]
    records = [photo(tmp_path, (0, 0, i, 2), size=size) for i, size in enumerate(sizes)]
    restocker = Restocker(records, 1)
    for turn in range(3):
        pictures = [restocker.restocked(3 * turn + i)[0] for i in range(3)]
        assert sorted((p.shape[1], p.shape[0]) for p in pictures) == sizes


def test_goods_of_one_category_side_by_side_stay_apart_unless_they_are_joined(tmp_path):
    records = [photo(tmp_path, (0, 0, 0, 2), (20, 0, 0, 2)), photo(tmp_path, (0, 0, 1, 1))]
    boxes = {number: shown(Restocker(records, 1).restocked(number)[1]) for number in range(30)}
    as_it_was = [((0, 0, 20, 20), 0, 2), ((20, 0, 40, 20), 0, 2)]
    assert as_it_was in boxes.values()
    joined = Restocker(records, 1, joined=True)
    boxes = [shown(joined.restocked(number)[1]) for number in range(30)]
    assert as_it_was not in boxes
    assert [((0, 0, 40, 20), 0, 4)] in boxes


def test_goods_stay_that_can_not_stand_side_by_side(tmp_path):
    records = [photo(tmp_path, (0, 0, 0, 4), (60, 0, 1, 3)) for _ in range(5)]
    # Four in a column, and a box that lies in another one.
    records[0]["annotations"] += [annotation([100, 0, 110, 60], 0, 4)]
    records[1]["annotations"] += [annotation([62, 2, 72, 20], 0, 1)]
    restocker = Restocker(records, 1)
    seen = 0
    for number in range(50):
        picture, goods = restocker.restocked(number)
        boxes = shown(goods)
        if ((100, 0, 110, 60), 0, 4) in boxes:
            assert (picture[:, 100:110] == WHITE).all()
            seen += 1
        if ((62, 2, 72, 20), 0, 1) in boxes:
            assert ((60, 0, 90, 20), 1, 3) in boxes
            seen += 1
    assert seen == 20


def test_goods_are_as_bright_as_where_they_come_to(tmp_path):
    records = [photo(tmp_path, (0, 0, 0, 1)), photo(tmp_path, (0, 0, 1, 1))]
    for record, level in zip(records, (50, 98), strict=True):
        picture = np.full((60, 120, 3), level, np.uint8)
        cv2.imwrite(record["file_name"], picture)
    restocker = Restocker(records, 1)
    levels = {int(restocker.restocked(number)[0][10, 5, 0]) for number in range(20)}
    assert levels == {50, 98, 70}  # 98 / 1.4 and 50 * 1.4


def test_what_can_not_be_restocked(tmp_path):
    records = [photo(tmp_path, (0, 0, 0, 3), (40, 0, 0, 1))]
    with pytest.raises(InputError, match=r"write \?as=CATEGORY in DATASETS\.TRAIN only"):
        Restocker(records, 1)
    covered = [annotation([0, 0, 30, 20], 1, 3), annotation([0, 0, 30, 20], 2, 3)]
    records.append({**photo(tmp_path), "annotations": covered})
    with pytest.raises(InputError, match="fewer than two categories here have goods that can move"):
        Restocker(records, 1)
    records.append(photo(tmp_path, (0, 0, 1, 1)))
    with pytest.raises(InputError, match="seed -1: give 0 or more"):
        Restocker(records, -1)


def test_what_is_written_is_a_dataset(tmp_path, make_split):
    root = make_split({"a": "0,0,30,20,Jar,3\n30,0,50,20,Tin,2\n", "b": "", "c": "5,5,15,30,Tin,1"})
    out = tmp_path / "out"
    (root / "Locount_ImagesTrain").rename(root / "Locount_ImagesVal2")
    (root / "Locount_GtTxtsTrain").rename(root / "Locount_GtTxtsVal2")
    restock(f"locount:{root}:val2", out, 6)
    source = source_of(f"locount:{out}:train")
    assert source.metadata()["thing_classes"] == ["Jar", "Tin"]
    records = source.load()
    items = [sum(a["count"] for a in record["annotations"]) for record in records]
    assert sorted(items[:3]) == sorted(items[3:]) == [0, 1, 5]
    assert all((record["width"], record["height"]) == (100, 80) for record in records)


def test_bad_input_writes_nothing(tmp_path, make_split):
    root = make_split({"a": "0,0,30,20,Jar,3\n30,0,50,20,Tin,2\n"})
    name, out = f"locount:{root}:train", tmp_path / "out"
    with pytest.raises(InputError, match="'photos' is not the name of a dataset"):
        restock("photos", out, 1)
    with pytest.raises(InputError, match="name a dataset of more categories"):
        restock(f"{name}?as=product", out, 1)
    path = root / "Locount_ImagesTrain" / "a.jpg"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match=r"a\.jpg"):
        restock(name, out, 1)
    assert not out.exists()


def test_a_folder_that_is_in_use_is_left_alone(tmp_path, make_split):
    root = make_split({"a": "0,0,30,20,Jar,3\n30,0,50,20,Tin,2\n"})
    with pytest.raises(InputError, match="not empty"):
        restock(f"locount:{root}:train", root, 1)
    assert len(os.listdir(root)) == 2


def test_crowd_regions_are_refused(tmp_path):
    record = {"id": 1, "file_name": "a.png", "width": 120, "height": 60}
    boxes = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "iscrowd": 1, "area": 81},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [20, 0, 9, 9], "iscrowd": 0, "area": 81},
    ]
    categories = [{"id": 1, "name": "Jar"}, {"id": 2, "name": "Can"}]
    text = json.dumps({"images": [record], "annotations": boxes, "categories": categories})
    (tmp_path / "photos.json").write_text(text)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((60, 120, 3), np.uint8))
    with pytest.raises(InputError, match="crowd regions"):
        restock(f"coco:{tmp_path}/photos.json:{tmp_path}", tmp_path / "out", 1)
