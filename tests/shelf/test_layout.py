import itertools

import numpy as np
import pytest

from locount.shelf.camera import Frame
from locount.shelf.categories import CATALOG, CLASSES, DRAWN_PITCH, MAX_COUNT, MIN_PITCH
from locount.shelf.layout import Item, View, choose_item, pile_up, queue_step
from locount.shelf.plain import GAP, Plain
from locount.shelf.scene import Shelf

VIEW = View(tilt=0.2, yaw=0.3, scale=1.0)


def item(name, **changes):
    values = {"width": 20.0, "height": 30.0, "depth": 20.0, "pitch": 5.0, "upside_down": False}
    return Item(CLASSES.index(name), **{**values, **changes}, variants=1, seed=0)


def steps(pile):
    """How far each item is from the one drawn before it."""
    return np.abs(np.diff(pile.feet, axis=0))


@pytest.fixture(scope="module")
def shelves():
    """What is on 80 shelves of several heights."""
    shelves = []
    frame = Frame(np.array([0, 0, 640, 360]), np.array([20, 0, 620, 360]))
    for seed in range(80):
        rng = np.random.default_rng(seed)
        view = View(0.05 + 0.2 * rng.random(), rng.random() - 0.5, 1.0)
        goods = rng.permutation(len(CATALOG))[:8].tolist()
        height = 60 + 180 * rng.random()
        shelf = Shelf(ceiling=0, front=height + 4, edge=8, view=view)
        placed = list(Plain().fill_shelf(rng, goods, shelf, frame))
        shelves.append((view, height, placed))
    return shelves


def test_nested_items_overlap_by_more_than_half():
    # 30 high and 5 apart: they share 25 of 30 + 5 rows.
    pile = pile_up(item("Paper cup"), "nest", 4, 1, VIEW)
    assert steps(pile).tolist() == [[0, 5]] * 3
    assert (30 - 5) / (30 + 5) > 0.5
    assert pile.height == 30 + 3 * 5


def test_stacked_items_touch():
    pile = pile_up(item("Can"), "stack", 3, 1, VIEW)
    assert steps(pile).tolist() == [[0, 30]] * 2


def test_a_block_is_filled_from_below():
    # Seven in three columns: three, three, and one on top.
    pile = pile_up(item("Can"), "block", 7, 3, VIEW)
    layers, columns = -pile.feet[:, 1] / 30, pile.feet[:, 0] / 20 + 1
    assert layers.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert columns.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert (pile.width, pile.height) == (60, 90)


def test_items_of_a_queue_stand_behind_each_other():
    # 21.2 further back is 21.2 * 0.3 to the side and 21.2 * 0.2 upwards, less than can be seen: so
    # the step is 6 / 0.2 = 30.
    pile = pile_up(item("Can"), "queue", 3, 1, VIEW)
    assert queue_step(pile.item, VIEW) == pytest.approx(30)
    np.testing.assert_allclose(steps(pile), [[9, 6]] * 2)
    assert pile.feet[-1, 1] == 0  # the foremost is drawn last


def test_books_of_a_row_touch():
    pile = pile_up(item("Book", width=7.0), "row", 5, 1, VIEW)
    assert steps(pile).tolist() == [[7, 0]] * 4


def test_items_boxed_one_by_one_stand_apart(shelves):
    neighbours = [
        (a, b)
        for _, _, placed in shelves
        for a, b in itertools.pairwise(placed)
        if a.pile.item == b.pile.item
    ]
    assert len(neighbours) > 100
    for a, b in neighbours:
        assert a.pile.count == b.pile.count == 1
        gap = b.x - a.x - a.pile.width
        assert gap >= GAP[0] * min(a.pile.item.width, 40) - 1e-9


def test_no_group_is_hidden_by_what_stands_next_to_it(shelves):
    # Blocks, queues and rows are counted across: neighbours leave them free.
    for _, _, placed in shelves:
        for a, b in itertools.pairwise(placed):
            if a.pile.form in ("block", "queue", "row"):
                assert b.x - b.pile.width / 2 >= a.x + a.pile.width / 2


def test_groups_fit_under_the_shelf_above_and_into_the_photo(shelves):
    for _, height, placed in shelves:
        for pile, x in placed:
            assert pile.height <= height
            if pile.count > 1:
                assert x - pile.width / 2 >= 20
                assert x + pile.width / 2 <= 620 + 1e-9


def test_every_further_item_shows_enough_to_be_counted(shelves):
    groups = [pile for _, _, placed in shelves for pile, _ in placed if pile.count > 1]
    assert {pile.form for pile in groups} == {"nest", "stack", "block", "queue", "row"}
    for pile in groups:
        assert pile.count <= MAX_COUNT
        assert steps(pile).max(axis=1).min() >= DRAWN_PITCH - 1e-9


def test_the_camera_leaves_the_pitch_countable():
    # Two feet one above the other, anywhere in the photo, in the default size.
    for seed in range(200):
        camera = Plain().choose_camera(np.random.default_rng(seed), 640, 360)
        x, y = np.meshgrid(np.linspace(5, 635, 9), np.linspace(5, 355, 7))
        lower = np.stack(camera.look(x.ravel(), y.ravel()), axis=1)
        shown = camera.locate(lower) - camera.locate(lower - (0, DRAWN_PITCH))
        assert np.hypot(*shown.T).min() >= MIN_PITCH


def test_the_camera_finds_what_it_looks_at():
    camera = Plain().choose_camera(np.random.default_rng(0), 640, 360)
    photo = np.array([[0.0, 0.0], [640, 360], [320, 180], [17, 301]])
    plane = np.stack(camera.look(photo[:, 0], photo[:, 1]), axis=1)
    np.testing.assert_allclose(camera.locate(plane), photo, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_sizes_follow_the_picture(scale):
    small, large = (
        choose_item(np.random.default_rng(3), 0, "single", View(0.2, 0, s), 120 * s)
        for s in (1.0, scale)
    )
    assert large.width == pytest.approx(scale * small.width)
    assert large.height == pytest.approx(scale * small.height)
