import io

import numpy as np
import pytest
from PIL import Image

from locount.data.inspection.copying import upright

ORIENTATION, MAKE = 274, 271


def jpeg(exif=None):
    data = io.BytesIO()
    Image.linear_gradient("L").save(data, "JPEG", **({"exif": exif} if exif else {}))
    return data.getvalue()


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_only_the_orientation_changes(byte_order):
    exif = Image.Exif()
    exif.endian = byte_order
    exif[MAKE], exif[ORIENTATION] = "camera", 6
    before = jpeg(exif)
    after = upright(before)
    changed = np.flatnonzero(np.frombuffer(before, np.uint8) != np.frombuffer(after, np.uint8))
    assert len(changed) == 1
    tags = Image.open(io.BytesIO(after)).getexif()
    assert (tags[ORIENTATION], tags[MAKE]) == (1, "camera")


def test_files_without_the_tag_have_nothing_to_change():
    exif = Image.Exif()
    exif[MAKE] = "camera"
    for data in (jpeg(), jpeg(exif), b"", b"\x89PNG\r\n"):
        assert upright(data) is None


def test_a_broken_directory_is_left_alone():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = jpeg(exif)
    start = data.index(b"Exif\0\0") + 6
    # The offset of the directory leads behind the end of the file.
    assert upright(data[: start + 4] + b"\xff\xff\xff\x7f" + data[start + 8 :]) is None
