import pytest

from locount.shelf.brush import Brush
from locount.shelf.categories import GOODS
from locount.shelf.goods import draw_item
from locount.shelf.layout import Item, View


@pytest.mark.parametrize("category", range(len(GOODS)), ids=[g.name for g in GOODS])
@pytest.mark.parametrize(("width", "height"), [(3, 3), (3, 40), (9, 40), (40, 3)])
def test_goods_can_be_narrow_and_low(category, width, height):
    view = View(tilt=0.2, yaw=0.1, scale=1)
    for seed in range(8):
        item = Item(category, width, height, 10, 2, bool(seed % 2), 1, seed)
        sprite = draw_item(Brush(item, view, 0.3, 0, False, False, rich=seed < 4))
        assert 0 < sprite.outline[:, 0].max() - sprite.outline[:, 0].min() < width + 20
