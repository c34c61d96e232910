from pathlib import Path

import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """A cache of the test's own: the user's is neither read nor written."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("LOCOUNT_CACHE", str(folder))
    return folder


@pytest.fixture
def shared_data():
    """The folder of real photos beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("the real photos (../shared/data beside the repository) are not here")
    return SHARED


@pytest.fixture
def make_split(tmp_path):
    """Writes a split in Locount layout: texts by key, images of one size; returns the root."""

    def make(texts, split="Train", size=(100, 80), root=tmp_path / "shelves"):
        for key, text in texts.items():
            image = root / f"Locount_Images{split}" / f"{key}.jpg"
            image.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size).save(image)
            annotation = root / f"Locount_GtTxts{split}" / f"{key}.txt"
            annotation.parent.mkdir(parents=True, exist_ok=True)
            annotation.write_text(text)
        return root

    return make
