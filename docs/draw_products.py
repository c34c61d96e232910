"""Draws docs/products.jpg: rendered shelves, with what the weights that come with Locount found.

python docs/draw_products.py
"""

from pathlib import Path

import cv2
import numpy as np

from locount import Predictor
from locount.shelf.render import render

# Of the test series of docs/results.md, by their seed: pictures that show rows and single items.
SHELVES = ((98, 3, "row"), (99, 1, "touching"), (99, 3, "touching"), (99, 7, "touching"))


def main() -> None:
    predictor = Predictor()
    pictures = []
    for seed, index, rule in SHELVES:
        image = render(seed, index, style="varied", rule=rule).image
        pictures.append(np.asarray(predictor(image).plot())[:, :, ::-1])
    rows = [np.hstack(pictures[i : i + 2]) for i in (0, 2)]
    cv2.imwrite(
        str(Path(__file__).with_name("products.jpg")),
        np.vstack(rows),
        [cv2.IMWRITE_JPEG_QUALITY, 85],
    )


if __name__ == "__main__":
    main()
