import pytest

from locount.shelf.render import render


@pytest.fixture(scope="session")
def pictures():
    """Sixty pictures: some 1,400 boxes."""
    return [render(11, i) for i in range(60)]
