"""Tiles against what is in the photo: objects that every view shows as far as they are in it."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.structures import Boxes, Instances

from locount.config import add_locount_config
from locount.errors import InputError
from locount.inference.tiles import Tiling, joined_count, merge

SIZE = (240, 480)  # of photos, height and width


@dataclass(frozen=True)
class Thing:
    """Items in columns and rows that fill a box, XYXY."""

    box: tuple[int, int, int, int]
    columns: int = 1
    rows: int = 1
    kind: int = 0

    @property
    def count(self):
        return self.columns * self.rows


def visible(low, high, number, border_low, border_high):
    """Of ``number`` items between low and high those whose middle is seen; one that is seen at all
    is seen."""
    middles = low + (np.arange(number) + 0.5) * (high - low) / number
    return max(int(((border_low <= middles) & (middles < border_high)).sum()), 1)


def look(things, region, least=0.0, scale=1.0, score=0.9):
    """What a model that makes no mistakes says of a view in which nothing below ``least`` pixels
    can be seen."""
    x1, y1, x2, y2 = region
    boxes, kinds, counts = [], [], []
    for thing in things:
        a, b, c, d = thing.box
        left, top, right, bottom = max(a, x1), max(b, y1), min(c, x2), min(d, y2)
        if min(right - left, bottom - top) * scale > least:
            boxes.append((left - x1, top - y1, right - x1, bottom - y1))
            kinds.append(thing.kind)
            counts.append(visible(a, c, thing.columns, x1, x2) * visible(b, d, thing.rows, y1, y2))
    n = len(boxes)
    return Instances(
        (y2 - y1, x2 - x1),
        pred_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
        scores=torch.full((n,), score),
        pred_classes=torch.tensor(kinds, dtype=torch.int64),
        pred_counts=torch.tensor(counts, dtype=torch.int64),
        count_scores=torch.full((n,), 0.5),
    )


def through(things, regions, least_in_whole=1e9, order=None, size=SIZE):
    """The things through the whole view, which shows those from a size on, and tiles."""
    regions = np.vstack([(0, 0, *size[::-1]), regions])
    least = [least_in_whole] + [0] * (len(regions) - 1)
    found = [look(things, r, m) for r, m in zip(regions.tolist(), least, strict=True)]
    order = np.arange(len(regions)) if order is None else order
    return merge([found[i] for i in order], regions[order], size)


def told(instances):
    """Kind, box and count of each, sorted."""
    boxes = instances.pred_boxes.tensor.round().int().tolist()
    kinds, counts = instances.pred_classes.tolist(), instances.pred_counts.tolist()
    return sorted(zip(kinds, map(tuple, boxes), counts, strict=True))


def truth(things):
    return sorted((thing.kind, thing.box, thing.count) for thing in things)


# Two tiles side by side that share a strip of 40 pixels.
PAIR = np.array([(0, 0, 160, 240), (120, 0, 280, 240)])


@pytest.mark.parametrize(
    "box",
    [
        (10, 10, 60, 60),  # in the left tile
        (125, 10, 150, 60),  # in both
        (130, 10, 200, 60),  # cut by the left one
        (80, 10, 140, 60),  # cut by the right one
        (100, 10, 160, 60),  # to the border of the left one
        (120, 10, 200, 60),  # from the border of the right one
        (158, 10, 220, 60),  # a sliver in the left one
        (0, 0, 100, 240),  # along the photo's borders
    ],
)
def test_what_a_tile_shows_whole_is_taken_from_it(box):
    things = [Thing(box, columns=5)]
    assert told(through(things, PAIR, size=(240, 280))) == truth(things)


def test_a_cut_box_of_another_class_goes_where_a_tile_shows_more():
    # The left tile takes the sliver of a cup for a box.
    left = look([Thing((130, 10, 160, 60), kind=1)], PAIR[0].tolist())
    right = look([Thing((130, 10, 200, 60), kind=0)], PAIR[1].tolist())
    assert told(merge([left, right], PAIR, (240, 280))) == [(0, (130, 10, 200, 60), 1)]


def test_a_group_wider_than_the_strip_is_joined_with_its_count():
    # 20 items of 10 pixels: 12 in the left tile, 12 in the right one, 4 in both.
    group = Thing((40, 10, 240, 60), columns=20)
    assert [look([group], r).pred_counts.item() for r in PAIR.tolist()] == [12, 12]
    (joined,) = told(through([group], PAIR, size=(240, 280)))
    assert joined == (0, group.box, 20)


def test_a_joined_box_has_the_least_scores_of_its_parts():
    group = Thing((40, 10, 240, 60), columns=20)
    parts = [look([group], r, score=s) for r, s in zip(PAIR.tolist(), (0.9, 0.6), strict=True)]
    parts[0].count_scores[:] = 0.25
    joined = merge(parts, PAIR, (240, 280))
    assert joined.scores.tolist() == pytest.approx([0.6])
    assert joined.count_scores.tolist() == [0.25]


def test_an_item_wider_than_the_strip_stays_one():
    item = Thing((40, 10, 240, 60))
    assert told(through([item], PAIR, size=(240, 280))) == truth([item])


def test_a_row_of_items_higher_than_the_strip_is_counted_once():
    # Ten items of 20 x 100 pixels that a seam of 40 pixels cuts: both tiles see ten.
    tiles = np.array([(0, 0, 280, 140), (0, 100, 280, 240)])
    row = Thing((40, 70, 240, 170), columns=4)
    assert [look([row], r).pred_counts.item() for r in tiles.tolist()] == [4, 4]
    assert told(through([row], tiles, size=(240, 280))) == truth([row])


def test_two_rows_that_a_seam_parts_are_two():
    tiles = np.array([(0, 0, 280, 140), (0, 100, 280, 240)])
    rows = Thing((40, 20, 240, 220), columns=10, rows=10)
    assert told(through([rows], tiles, size=(240, 280))) == truth([rows])


def test_groups_side_by_side_stay_apart():
    groups = [Thing((20, 10, 140, 60), columns=12), Thing((140, 10, 270, 60), columns=13)]
    assert told(through(groups, PAIR, size=(240, 280))) == truth(groups)


def test_what_the_whole_view_shows_is_not_joined():
    # The tiles would make it 20.
    group = Thing((40, 10, 240, 60), columns=20)
    whole = look([group], (0, 0, 280, 240), score=0.3)
    whole.pred_counts[:] = 21
    parts = [look([group], r, score=0.9) for r in PAIR.tolist()]
    merged = merge([whole, *parts], np.vstack([(0, 0, 280, 240), PAIR]), (240, 280))
    assert told(merged) == [(0, group.box, 21)]


def test_boxes_of_one_view_leave_each_other_alone():
    # A group and one of its items, as a model may find both: not a matter of tiles.
    things = [Thing((10, 10, 60, 60), columns=5), Thing((10, 10, 20, 60))]
    assert told(through(things, PAIR, size=(240, 280))) == truth(things)


def test_a_part_that_no_other_tile_confirms_stays():
    # The right tile sees nothing at all.
    left = look([Thing((40, 10, 240, 60), columns=20)], PAIR[0].tolist())
    nothing = look([], PAIR[1].tolist())
    assert told(merge([left, nothing], PAIR, (240, 280))) == [(0, (40, 10, 160, 60), 12)]


def scene(random):
    """Things that don't overlap, of all sizes, one to a cell of a random grid."""
    edges = [
        np.unique(np.concatenate([[0, side], random.integers(0, side, random.integers(0, 9))]))
        for side in SIZE[::-1]
    ]
    things = []
    for x1, x2 in zip(edges[0][:-1].tolist(), edges[0][1:].tolist(), strict=True):
        for y1, y2 in zip(edges[1][:-1].tolist(), edges[1][1:].tolist(), strict=True):
            if random.random() < 0.7:
                side = random.integers(4, 30)
                columns, rows = max((x2 - x1) // side, 1), max((y2 - y1) // side, 1)
                things.append(
                    Thing((x1, y1, x2, y2), int(columns), int(rows), int(random.integers(2)))
                )
    return things


@pytest.mark.parametrize("seed", range(150))
def test_everything_comes_back_once(seed):
    random = np.random.default_rng(seed)
    tiling = Tiling(tuple(random.integers([100, 60], [400, 100]).tolist()))
    regions = tiling.regions(*SIZE)
    things = scene(random)
    least = random.choice([0, 40, 1e9])  # pixels of what the whole view shows
    merged = told(through(things, regions, least))
    assert [entry[:2] for entry in merged] == [entry[:2] for entry in truth(things)]
    tile = regions[0, 2:] - regions[0, :2]
    counts = {entry[:2]: entry[2] for entry in merged}
    for thing in things:
        sides = np.subtract(thing.box[2:], thing.box[:2])
        shown = sides.min() > least or (sides < 0.2 * tile).all()
        if shown or thing.count == 1:
            assert counts[thing.kind, thing.box] == thing.count


@pytest.mark.parametrize("seed", range(40))
def test_counts_of_joined_groups_are_exact_where_seams_part_items(seed):
    # Items of 8 x 8 pixels on a raster that tiles of 64 x 64 share, 16 pixels with each other.
    random = np.random.default_rng(seed)
    regions = Tiling((64, 64)).regions(208, 448)
    columns, rows = random.integers(1, [50, 20]).tolist()
    x, y = (8 * random.integers(0, [56 - columns, 26 - rows], endpoint=True)).tolist()
    group = Thing((x, y, x + 8 * columns, y + 8 * rows), columns, rows)
    assert told(through([group], regions, size=(208, 448))) == truth([group])


@pytest.mark.parametrize("seed", range(40))
def test_the_order_of_views_does_not_matter(seed):
    random = np.random.default_rng(seed)
    regions = np.vstack([(0, 0, *SIZE[::-1]), Tiling((160, 90)).regions(*SIZE)])
    found = [look(scene(random), region) for region in regions.tolist()]  # views disagree
    for instances in found:
        instances.scores = torch.from_numpy(random.choice([0.3, 0.6, 0.9], len(instances)))
    first = merge(found, regions, SIZE)
    order = random.permutation(len(regions))
    second = merge([found[i] for i in order], regions[order], SIZE)
    for name, value in first.get_fields().items():
        other = second.get(name)
        assert torch.equal(getattr(value, "tensor", value), getattr(other, "tensor", other))
    assert (first.scores.diff() <= 0).all()


def test_nothing_found():
    merged = through([], PAIR, size=(240, 280))
    assert len(merged) == 0
    assert merged.image_size == (240, 280)
    assert merged.has("pred_counts")


def test_models_that_do_not_count():
    found = [look([Thing((40, 10, 240, 60))], r) for r in PAIR.tolist()]
    for instances in found:
        instances.remove("pred_counts")
        instances.remove("count_scores")
    merged = merge(found, PAIR, (240, 280))
    assert merged.pred_boxes.tensor.tolist() == [[40, 10, 240, 60]]
    assert not merged.has("pred_counts")


@pytest.mark.parametrize(
    ("boxes", "counts", "expected"),
    [
        ([(0, 0, 60, 10), (40, 0, 100, 10)], (6, 6), 10),  # 6 + 6 - 2
        ([(0, 0, 60, 10), (40, 0, 100, 10)], (1, 1), 1),
        ([(0, 0, 60, 10), (0, 0, 60, 10)], (6, 6), 6),  # two tiles show the same
        ([(0, 0, 60, 10), (60, 0, 100, 10)], (6, 4), 10),  # nothing is shown twice
        # Three in a row: 4 + 4 + 4 - 2 - 2
        ([(0, 0, 40, 10), (20, 0, 60, 10), (40, 0, 80, 10)], (4, 4, 4), 8),
        # Four quarters of 6 x 6 items that share strips of 2: 4 * 16 less 2 * 8 + 2 * 8 - 4
        (
            [(0, 0, 40, 40), (20, 0, 60, 40), (0, 20, 40, 60), (20, 20, 60, 60)],
            (16, 16, 16, 16),
            36,
        ),
    ],
)
def test_joined_counts(boxes, counts, expected):
    strip = np.array([20, 20])
    assert joined_count(np.array(boxes, dtype=float), np.array(counts), strip) == expected


@pytest.fixture
def cfg():
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = 60, 100
    return cfg


@pytest.mark.parametrize(
    ("tiles", "size", "tile", "number"),
    [
        ("60x100", (200, 400), (100, 60), 5 * 5),  # (400 - 25) / 75 and (200 - 15) / 45, rounded up
        ("60x100", (400, 200), (60, 100), 5 * 5),
        ("50x100", (200, 400), (100, 50), 5 * 5),
        ((100, 50), (400, 200), (50, 100), 5 * 5),
        ("4", (130, 325), (100, 40), 4 * 4),  # 4 - 3 / 4 = 3.25 sides
        (2, (140, 70), (40, 80), 2 * 2),
        ("500x500", (200, 501), (500, 200), 2 * 1),
    ],
)
def test_sizes_of_tiles(cfg, tiles, size, tile, number):
    regions = Tiling.of(tiles, cfg).regions(*size)
    assert len(regions) == number
    assert ((regions[:, 2:] - regions[:, :2]) == tile).all()


@pytest.mark.parametrize("tiles", [1, "100x60", "150x80"])
def test_a_photo_that_one_tile_holds_has_none(cfg, tiles):
    tiling = Tiling.of(tiles, cfg)
    assert len(tiling.regions(60, 100)) == len(tiling.regions(100, 60)) == 0


@pytest.mark.parametrize("seed", range(50))
def test_tiles_cover_the_photo_and_share_a_quarter(seed):
    random = np.random.default_rng(seed)
    tile = random.integers(32, 200, 2)
    height, width = random.integers(33, 1000, 2).tolist()
    regions = Tiling((tile.max(), tile.min())).regions(height, width)
    covered = np.zeros((height, width), dtype=bool)
    for x1, y1, x2, y2 in regions.tolist():
        covered[y1:y2, x1:x2] = True
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
    assert covered.all() or not len(regions)
    for axis in (0, 1):
        starts, ends = np.unique(regions[:, axis]), np.unique(regions[:, axis + 2])
        if len(starts) > 1:
            assert (ends[:-1] - starts[1:] >= 0.25 * (ends[0] - starts[0]) - 1).all()


@pytest.mark.parametrize("tiles", ["all", "", "0", "-1", "101", "1.5", "20x900", "10x", 0, (9, 9)])
def test_tiles_that_make_no_sense(cfg, tiles):
    with pytest.raises(InputError, match="give none, auto, how many"):
        Tiling.of(tiles, cfg)


@pytest.mark.parametrize(
    ("size", "sides", "counts", "number"),
    [
        # In a view of 60 x 100 items are a fourth as large; 3 tiles are 2.5 of them long.
        ((240, 400), [64, 64], [1, 1], 3),
        (
            (240, 400),
            [64],
            [4],
            4,
        ),  # items of 32 are to be 5 times larger, but have 4 times the pixels
        ((240, 400), [160, 160], [1, 1], 1),  # in the view 40 pixels
        ((240, 400), [159, 159], [1, 1], 2),
        ((60, 100), [2, 2], [1, 1], 3),  # two are 1.75 of them long, and its pixels may be doubled
        ((30, 50), [2, 2], [1, 1], 1),  # the view doubles them
        ((240, 400), [], [], 2),
        ((240, 400), [256, 16], [16, 1], 3),  # 16 items of 64 in one box, and one of 16
        ((2400, 4000), [64], [1], 4),  # at most
        ((400, 240), [64, 64], [1, 1], 3),
    ],
)
def test_as_many_tiles_as_the_items_are_small(cfg, size, sides, counts, number):
    cfg.PREDICT.ITEM_SIZE = 40.0
    boxes = np.array([(0, 0, side, side) for side in sides], dtype=float).reshape(-1, 4)
    tiling = Tiling.of("auto", cfg).of_photo(*size, boxes, np.array(counts, dtype=int))
    assert tiling == Tiling(number=number)


def test_which_tiles_are_the_default_is_said_by_the_config(cfg):
    assert Tiling.of(None, cfg) is None
    cfg.PREDICT.TILES = "auto"
    assert Tiling.of(None, cfg) == Tiling.of("auto", cfg)
    assert Tiling.of("none", cfg) is None
    assert Tiling.of(3, cfg) == Tiling(number=3).of_photo(50, 50, np.empty((0, 4)), np.empty(0))


def test_a_model_that_takes_photos_as_they_are_gets_tiles_that_enlarge_them(cfg):
    cfg.INPUT.MIN_SIZE_TEST = 0
    box = np.array([[0.0, 0, 9, 9]])
    assert Tiling.of("auto", cfg).of_photo(900, 900, box, np.ones(1)) == Tiling(number=3)
