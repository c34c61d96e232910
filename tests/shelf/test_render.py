import hashlib
import subprocess
import sys

import numpy as np
import pytest

from locount.shelf import render as renderer
from locount.shelf.camera import Camera
from locount.shelf.categories import CATALOG, CLASSES, GOODS, GROUPS, MAX_COUNT
from locount.shelf.layout import Item, Placed, View, choose_item, pile_up
from locount.shelf.render import render
from locount.shelf.scene import Shelf
from locount.shelf.sprites import paste


def test_a_picture_depends_on_seed_and_index_only(pictures):
    # Not on the pictures rendered before it, nor on the process.
    code = (
        "import hashlib; from locount.shelf.render import render; p = render(11, 5); "
        "print(hashlib.sha256(p.image.tobytes() + p.boxes.tobytes()).hexdigest())"
    )
    fresh = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    here = hashlib.sha256(pictures[5].image.tobytes() + pictures[5].boxes.tobytes()).hexdigest()
    assert fresh.stdout.strip() == here


def test_seeds_and_indices_differ(pictures):
    images = [p.image for p in (*pictures[:3], render(12, 0), render(0, 11))]
    assert len({image.tobytes() for image in images}) == 5


def test_boxes_lie_in_the_image_and_are_not_empty(pictures):
    for picture in pictures:
        assert picture.image.shape == (360, 640, 3)
        x1, y1, x2, y2 = picture.boxes.T
        assert (x1 >= 0).all() and (x1 + 4 < x2).all() and (x2 <= 640).all()  # noqa: PT018
        assert (y1 >= 0).all() and (y1 + 4 < y2).all() and (y2 <= 360).all()  # noqa: PT018


def test_counts_have_the_shape_of_locount(pictures):
    counts = np.concatenate([p.counts for p in pictures])
    assert counts.min() == 1
    assert counts.max() <= MAX_COUNT
    assert 0.7 < (counts == 1).mean() < 0.9
    assert 0.02 < (counts > 10).mean() < 0.1


def test_pictures_are_full_but_not_crowded(pictures):
    assert 15 < np.mean([len(p.boxes) for p in pictures]) < 35
    assert min(len(p.boxes) for p in pictures) > 3


@pytest.mark.parametrize("style", ["plain", "varied"])
def test_a_greater_extent_shows_more_goods_of_the_same_size(style):
    usual = [render(11, i, style=style) for i in range(4)]
    wide = [render(11, i, 1280, 720, style=style, extent=2) for i in range(4)]
    number = [sum(len(p.boxes) for p in pictures) for pictures in (usual, wide)]
    assert 2 < number[1] / number[0] < 8  # four times the shelves
    heights = [
        np.median(np.concatenate([p.boxes[:, 3] - p.boxes[:, 1] for p in pictures]))
        for pictures in (usual, wide)
    ]
    assert 0.5 < heights[1] / heights[0] < 2
    assert (render(11, 0, style=style, extent=1).image == usual[0].image).all()


def test_every_category_occurs_single_and_in_groups(pictures):
    categories = np.concatenate([p.categories for p in pictures])
    counts = np.concatenate([p.counts for p in pictures])
    assert set(categories[counts == 1].tolist()) == set(range(len(CLASSES)))
    assert set(categories[counts > 1].tolist()) == set(range(len(CLASSES)))


def test_names_can_be_written_and_groups_have_several_members():
    assert len(set(CLASSES)) == len(CLASSES) == len(GROUPS)
    assert not any("," in name for name in CLASSES)
    assert all(GROUPS.count(group) >= 2 for group in GROUPS)
    assert len({goods.name for goods in GOODS}) == len(GOODS)


FORMS = [
    ("plain" if goods in CATALOG else "varied", category, form)
    for category, goods in enumerate(GOODS)
    for form in ["single", *goods.piles]
]


@pytest.mark.parametrize(("style", "category", "form"), FORMS)
def test_boxes_are_tight(style, category, form):
    # The pile alone, white on black, through a camera that tilts and bends: its box is that of the
    # pixels that it covers.
    camera = Camera(640, 360, zoom=1.0, roll=0.03, perspective=(0.1, 0.03), lens=0.05)
    view = View(tilt=0.2, yaw=-0.25, scale=1.0)
    rng = np.random.default_rng(category)
    item = choose_item(rng, category, form, view, 100)
    count = {"single": 1, "stack": 2}.get(form, 3)
    placed = Placed(pile_up(item, form, count, 2, view), 400.0)
    shelf = Shelf(ceiling=0, front=330, edge=8, view=view)
    standing = renderer._set_up(placed, shelf, 0.0, {}, rng, renderer.STYLES[style])
    plane = np.zeros((*camera.plane[::-1], 3), np.uint8)
    for sprite, x, y in standing.sprites:
        paste(plane, sprite._replace(paint=255 - sprite.keep), x, y)
    rows, columns = np.nonzero(camera.project(plane)[..., 0] > 100)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    (box,) = renderer._boxes(renderer._units(standing, "item"), camera, 0.6)
    np.testing.assert_allclose(box, seen, atol=2)


@pytest.mark.parametrize("size", [(320, 320), (1280, 720)])
def test_other_sizes(size):
    picture = render(1, 0, *size)
    assert picture.image.shape == (size[1], size[0], 3)
    assert len(picture.boxes) > 0
    assert (picture.boxes[:, 2:] <= size).all()


@pytest.fixture(scope="module", params=["varied", "shop"])
def varied(request):
    return [
        {rule: render(3, i, style=request.param, rule=rule) for rule in ("item", "row", "touching")}
        for i in range(12)
    ]


def test_varied_boxes_lie_in_the_image(varied):
    for picture in (p for rules in varied for p in rules.values()):
        (x1, y1, x2, y2), counts = picture.boxes.T, picture.counts
        assert (x1 >= 0).all() and (x1 < x2).all() and (x2 <= 640).all()  # noqa: PT018
        assert (y1 >= 0).all() and (y1 < y2).all() and (y2 <= 360).all()  # noqa: PT018
        assert counts.min(initial=1) >= 1
        assert counts.max(initial=1) <= MAX_COUNT
        assert set(picture.categories.tolist()) <= set(range(len(GOODS)))


def test_rules_differ_in_boxes_and_not_in_goods(varied):
    assert sum(len(r["row"].boxes) for r in varied) < sum(len(r["item"].boxes) for r in varied)
    for rules in varied:
        assert sum(rules["row"].counts) == sum(rules["touching"].counts)


def test_a_shop_has_views_without_goods_and_varied_shelves_in_others():
    numbers = [len(render(3, i, style="shop").boxes) for i in range(12)]
    assert min(numbers) == 0
    assert max(numbers) > 5


def test_shelves_of_a_shop_are_varied_ones_moved_up_or_down():
    frame = Camera(640, 360, 0.97, 0, (0, 0), 0).frame()
    height = frame.around[3] - frame.around[1]
    moves = []
    for seed in range(20):
        shop, varied = (
            renderer.STYLES[style].build_rack(np.random.default_rng(seed), frame, 1.0, 1)
            for style in ("shop", "varied")
        )
        fronts = np.array([[s.front, s.ceiling] for r in (shop, varied) for s in r.shelves])
        by_shelf = np.diff(fronts.reshape(2, -1), axis=0)
        assert np.ptp(by_shelf) < 1e-9
        moves.append(by_shelf[0, 0] / height)
    assert np.abs(moves).min() >= 0.15
    assert np.abs(moves).max() <= 1
    assert min(moves) < 0 < max(moves)


def test_pictures_change_with_the_version_only():
    # The figures of the weights hold for these. All random numbers are drawn before the quality is.
    digest = hashlib.sha256()
    for i in range(3):
        picture = render(11, i)
        digest.update(repr((picture.boxes.tolist(), picture.counts.tolist())).encode())
        digest.update(str(picture.quality).encode())
    of_version = {2: "0ccf262f7da4c062"}
    assert digest.hexdigest()[:16] == of_version[renderer.RENDERER_VERSION]


def standing(form, count, columns):
    """A pile of cans of 20 x 30 pixels, with their middle at 100 and their feet at about 300."""
    view = View(tilt=0.1, yaw=0.0, scale=1.0)
    item = Item(CLASSES.index("Can"), 20.0, 30.0, 20.0, 5.0, False, 1, 0)
    shelf = Shelf(ceiling=0, front=304, edge=8, view=view)
    placed = Placed(pile_up(item, form, count, columns, view), 100.0)
    rng = np.random.default_rng(0)
    return renderer._set_up(placed, shelf, 0.0, {}, rng, renderer.STYLES["plain"])


@pytest.mark.parametrize(
    ("form", "rule", "counts"),
    [
        # Five cans in two columns: levels of two, two and one.
        ("block", "item", [5]),
        ("block", "row", [2, 2, 1]),
        ("block", "touching", [5]),
        ("stack", "row", [1] * 5),
        ("stack", "touching", [5]),
        # Of goods behind each other the foremost counts, but by the rule of items.
        ("queue", "item", [5]),
        ("queue", "row", [1]),
        ("nest", "row", [5]),  # what is in each other stays together
    ],
)
def test_a_pile_by_each_rule(form, rule, counts):
    camera = Camera(640, 360, zoom=1.0, roll=0.0, perspective=(0.0, 0.0), lens=0.0)
    units = renderer._units(standing(form, 5, 2), rule)
    kept = list(zip(units, renderer._boxes(units, camera, 0.6), strict=True))
    boxes, categories, found, *_ = renderer._merge(kept, rule)
    assert found.tolist() == counts
    assert set(categories.tolist()) == {CLASSES.index("Can")}
    if (form, rule) == ("block", "row"):
        # The lowest level is covered: its box ends where the next level's feet are.
        low, middle, _ = boxes
        assert abs(low[1] - middle[3]) <= 2
