"""Draw docs/shelves_contact_sheet.jpg: rendered shelves with the boxes of their ground truth.

python docs/draw_contact_sheet.py
"""

from pathlib import Path

import cv2
import numpy as np

from locount.shelf.categories import CLASSES
from locount.shelf.render import render

SEED, INDICES, COLUMNS = 2024, (16, 19, 39, 47, 30, 9), 2
WIDTH = 700  # of one picture
FONT = cv2.FONT_HERSHEY_SIMPLEX
SINGLE, GROUP = (90, 200, 60), (50, 50, 235)


def annotated(index: int) -> np.ndarray:
    """Red boxes are groups with their number, green ones single items."""
    picture = render(SEED, index)
    scale = WIDTH / picture.image.shape[1]
    image = cv2.resize(picture.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    for box, category, count in zip(picture.boxes, picture.categories, picture.counts, strict=True):
        x1, y1, x2, y2 = (int(v) for v in np.rint(box * scale))
        color = GROUP if count > 1 else SINGLE
        cv2.rectangle(image, (x1, y1), (x2 - 1, y2 - 1), color, 1)
        if count > 1:
            text = f"{CLASSES[category]} x{count}"
            (w, h), _ = cv2.getTextSize(text, FONT, 0.36, 1)
            x, y = min(x1, WIDTH - w - 4), max(y1 - h - 4, 0)  # above the box: nothing is hidden
            cv2.rectangle(image, (x, y), (x + w + 4, y + h + 4), color, -1)
            place = (x + 2, y + h + 1)
            cv2.putText(image, text, place, FONT, 0.36, (255, 255, 255), 1, cv2.LINE_AA)
    return image


def main() -> None:
    pictures = [annotated(i) for i in INDICES]
    rows = [np.hstack(pictures[i : i + COLUMNS]) for i in range(0, len(pictures), COLUMNS)]
    path = Path(__file__).with_name("shelves_contact_sheet.jpg")
    cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 72])
    print(path)


if __name__ == "__main__":
    main()
