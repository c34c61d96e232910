import csv
from collections import Counter

from locount.data.formats.locount.categories import (
    LOCOUNT_CATEGORIES,
    LOCOUNT_CLASSES,
    LOCOUNT_GROUPS,
)


def test_ids_are_positions_and_names_are_unique_and_stripped():
    assert [category.id for category in LOCOUNT_CATEGORIES] == list(range(140))
    assert len(set(LOCOUNT_CLASSES)) == 140
    assert all(name == name.strip() and "," not in name for name in LOCOUNT_CLASSES)


def test_the_authors_spelling_is_kept():
    assert {"Rise", "Baby washing and nursing supplie", "Draw bar box"} <= set(LOCOUNT_CLASSES)
    assert LOCOUNT_CLASSES[4] == "Baby handkerchiefs"  # a trailing space in the authors' files


def test_nine_groups_stand_at_the_positions_of_their_classes():
    assert len(Counter(LOCOUNT_GROUPS)) == 9
    assert LOCOUNT_GROUPS[LOCOUNT_CLASSES.index("Baby crib")] == "Baby Stuffs"
    assert LOCOUNT_GROUPS[LOCOUNT_CLASSES.index("Dairy")] == "Drinks"


def test_categories_are_those_of_the_dataset(shared_data):
    with open(shared_data / "locount" / "categories.csv", newline="") as file:
        facts = [(int(row["id"]), row["name"], row["group"]) for row in csv.DictReader(file)]
    assert [tuple(category) for category in LOCOUNT_CATEGORIES] == facts
