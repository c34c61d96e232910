import math

from locount.data.inspection import inspect_datasets


def test_boxes_and_items(make_shelf):
    name = make_shelf(
        {"a": "5,5,40,40,cup,3\n50,5,90,40,cup,11\n", "b": "5,5,40,40,box,1", "c": ""}
    )
    stats = inspect_datasets([name], decode=False).statistics[name]
    assert stats.summary == [
        {
            "images": 3,
            "images without a box": 1,
            "boxes": 3,
            "items": 15,
            "boxes per image": 1.0,
            "most boxes in an image": 2,
            "items per image": 5.0,
            "most items in an image": 14,
            "mean count": 5.0,
            "largest count": 11,
        }
    ]
    assert [(row["boxes"], row["items"]) for row in stats.images] == [(2, 14), (1, 1), (0, 0)]
    assert stats.counts == [{"count": n, "boxes": 1} for n in (1, 3, 11)]
    assert [(r["name"], r["images"], r["boxes"], r["items"]) for r in stats.categories] == [
        ("box", 1, 1, 1),
        ("cup", 1, 2, 14),
    ]
    # All sides are below 150 pixels; the counts are one of each range.
    assert {row["subset"]: row["boxes"] for row in stats.subsets} == {
        "SS": 3, "MS": 0, "LS": 0, "IN": 1, "MN": 1, "LN": 1,
    }  # fmt: skip


def test_groups_are_those_of_locount(make_split):
    name = f"locount:{make_split({'a': '1,2,30,40,Bowl,3', 'b': '1,2,30,40,Spoon,2'})}:train"
    stats = inspect_datasets([name], decode=False).statistics[name]
    (group,) = stats.groups
    assert (group["boxes"], group["items"], group["images"]) == (2, 5, 2)
    assert {row["group"] for row in stats.categories if row["boxes"]} == {group["name"]}
    assert len(stats.categories) == 140


def test_a_dataset_without_boxes(make_shelf):
    name = make_shelf({"a": ""})
    report = inspect_datasets([name])
    assert math.isnan(report.statistics[name].summary[0]["mean count"])
    assert "2 of 2 categories have no box: box, cup" in report.text()
