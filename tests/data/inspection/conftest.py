import zlib

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def noise():
    """A picture of 100 x 80 pixels, another for every key."""

    def make(key):
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        coarse = rng.integers(0, 256, (8, 10, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize((100, 80), Image.Resampling.NEAREST)

    return make


@pytest.fixture
def make_shelf(tmp_path, noise):
    """Writes a split in Locount layout of the categories box and cup; returns its name."""

    def make(texts, split="Train"):
        root = tmp_path / "shelf"
        images, annotations = root / f"Locount_Images{split}", root / f"Locount_GtTxts{split}"
        for folder in (images, annotations):
            folder.mkdir(parents=True, exist_ok=True)
        (root / "categories.txt").write_text("box\ncup\n")
        for key, text in texts.items():
            noise(split + key).save(images / f"{key}.jpg")
            (annotations / f"{key}.txt").write_text(text)
        return f"locount:{root}:{split.lower()}"

    return make
