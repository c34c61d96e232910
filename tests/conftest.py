import cv2
import numpy as np
import pytest


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """Tests leave the user's cache alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCOUNT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Three photos a split, each with a stack of two red cups and one blue box; Locount layout."""
    root = tmp_path_factory.mktemp("photos")
    for split in ("Train", "Test"):
        images, texts = root / f"Locount_Images{split}", root / f"Locount_GtTxts{split}"
        images.mkdir()
        texts.mkdir()
        for i in range(3):
            x = 4 + 8 * i
            image = np.full((64, 64, 3), 200, np.uint8)
            cv2.rectangle(image, (x, 8), (x + 15, 39), (0, 0, 255), -1)
            cv2.rectangle(image, (x + 16, 24), (x + 31, 39), (255, 0, 0), -1)
            cv2.imwrite(str(images / f"{i}.jpg"), image)
            (texts / f"{i}.txt").write_text(
                f"{x},8,{x + 16},40,cup,2\n{x + 16},24,{x + 32},40,box,1\n"
            )
    (root / "categories.txt").write_text("box\ncup\n")
    return root
