import pytest
from PIL import Image


@pytest.fixture
def files(tmp_path):
    """Writes texts, and photos for names of photos; returns the folder."""

    def make(contents):
        for name, text in contents.items():
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".jpg"):
                Image.new("RGB", (100, 80)).save(path)
            else:
                path.write_text(text)
        return tmp_path / "in"

    return make
