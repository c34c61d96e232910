"""What comes as a picture: only what is allowed is opened, and every failure is a named error."""

import io
import json
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from locount.cli import main
from locount.data import DatasetError
from locount.data.images import (
    FORMATS,
    NotAdmittedError,
    open_picture,
    orientation_text,
    read_image_sizes,
    read_orientations,
)
from locount.data.inspection.photos import inspect_photo

from .mutator import EXAMPLES, survive

ORIENTATION = 274  # EXIF tag


def picture(width=48, height=32):
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))


def saved(format, **options):
    file = io.BytesIO()
    picture().save(file, format, **options)
    return file.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags


@pytest.mark.parametrize("suffix", [".jpg", ".eps"])
def test_a_postscript_file_starts_no_program(tmp_path, monkeypatch, suffix):
    started = []
    monkeypatch.setattr("subprocess.Popen", lambda *args, **kwargs: started.append(args))
    path = tmp_path / f"loop{suffix}"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n")
    with pytest.raises(DatasetError, match=r"is not one of .*JPEG"):
        open_picture(path)
    assert list(read_image_sizes([str(path)])[1]) == [0]
    assert "can't be read" in inspect_photo(str(path)).error
    assert started == []


def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "a.jpg"
    os.mkfifo(path)
    with pytest.raises(DatasetError, match="not a regular file"):
        open_picture(path)
    assert "not a regular file" in read_image_sizes([str(path)])[1][0]
    assert read_orientations([str(path)]) == {}


def test_an_empty_file_is_called_empty(tmp_path):
    path = tmp_path / "a.jpg"
    path.touch()
    with pytest.raises(DatasetError, match="the file is empty"):
        open_picture(path)
    assert "the file is empty" in read_image_sizes([str(path)])[1][0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_turned_as_viewers_turn_it(orientation, format):
    data = saved(format, exif=exif(orientation))
    with Image.open(io.BytesIO(data)) as image:
        stored, shown = np.asarray(image.convert("RGB")), ImageOps.exif_transpose(image)
    turned = open_picture(data, "RGB", upright=True)
    assert turned.orientation == orientation
    # OpenCV and Pillow may decode by different versions of one library.
    np.testing.assert_allclose(turned.pixels.astype(int), np.asarray(shown.convert("RGB")), atol=1)
    np.testing.assert_allclose(open_picture(data, "RGB").pixels.astype(int), stored, atol=1)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_tags_without_a_meaning_turn_nothing(orientation):
    data = saved("JPEG", exif=exif(orientation))
    assert open_picture(data, upright=True).orientation == 1


def test_a_damaged_exif_block_turns_nothing():
    data = saved("WEBP", exif=b"Exif\0\0no TIFF header")
    assert open_picture(data, upright=True).orientation == 1


def test_a_tiff_file_with_a_tag_is_shown_but_is_no_part_of_a_dataset(tmp_path):
    path = tmp_path / "scan.tif"
    path.write_bytes(saved("TIFF", exif=exif(6)))
    assert open_picture(path, upright=True).pixels.shape == (48, 32, 3)
    with pytest.raises(DatasetError, match="TIFF file with an orientation tag"):
        open_picture(path)
    assert list(read_image_sizes([str(path)])[1]) == [0]


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_jpeg_cut_short_is_refused_in_spite_of_an_end_mark(mode, options, share):
    file = io.BytesIO()
    picture(160, 160).convert(mode).save(file, "JPEG", **options)
    data = file.getvalue()
    open_picture(data)
    with pytest.raises(DatasetError, match="truncated"):
        open_picture(data[: int(share * len(data))] + b"\xff\xd9")


def test_a_photo_that_ends_in_grey_is_whole():
    grey = cv2.imencode(".jpg", np.full((40, 40, 3), 128, np.uint8))[1].tobytes()
    assert (open_picture(grey).pixels == 128).all()


def png(width, height):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_the_number_of_pixels_is_bounded_before_they_are_decoded():
    for size in ((20_000, 20_000), (2**31 - 1, 2**31 - 1)):
        with pytest.raises(DatasetError, match="can't be read"):
            open_picture(png(*size))
    with pytest.raises(DatasetError, match="over 1 million"):
        open_picture(png(1001, 1000), max_pixels=1_000_000)
    asked = []
    with pytest.raises(NotAdmittedError):
        open_picture(png(30, 20), admit=lambda number: asked.append(number))
    assert asked == [600]


SEEDS = {format: saved(format) for format in FORMATS}


def damage(choice):
    data = bytearray(SEEDS[choice.choice(sorted(SEEDS))])
    for _ in range(choice.randint(0, 6)):
        data[choice.randrange(len(data))] = choice.randrange(256)
    share = choice.random()
    if share > 0.7:
        del data[int(share * len(data)) :]
    try:
        pixels = open_picture(bytes(data), name="photo", upright=True).pixels
    except DatasetError as error:
        message = str(error)
    else:
        assert (pixels.ndim, pixels.dtype) == (3, np.uint8)
        return
    assert message.startswith("photo can't be read as an image (")


def test_a_damaged_file_is_a_picture_or_a_named_error(record_property):
    record_property("tried", 12 * EXAMPLES)
    survive(damage, 12 * EXAMPLES)


@pytest.mark.parametrize("orientation", [3, 6])
def test_converting_photos_with_a_tag_says_so(tmp_path, caplog, capsys, orientation):
    (tmp_path / "a.jpg").write_bytes(saved("JPEG", exif=exif(orientation)))
    image = {"id": 1, "file_name": "a.jpg", "width": 48, "height": 32}
    boxes = {3: [1, 1, 30, 30], 6: [1, 1, 30, 40]}  # of an upright photo that is higher than wide
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": boxes[orientation], "count": 2}
    content = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "cup"}]}
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    command = ["convert", tmp_path / "boxes.json", tmp_path / "out", "--to", "locount"]
    options = ["--from", "coco", "--split", "train", "--image-root", tmp_path]
    assert main([*map(str, [*command, *options])]) == {3: 0, 6: 2}[orientation]
    said = caplog.text + capsys.readouterr().err
    assert f"a.jpg: has the EXIF orientation {orientation}" in said
    assert "cut it to the image" not in said  # the boxes are right


def test_a_tag_hides_no_other_problem_and_photos_of_others_are_not_named(tmp_path, capsys):
    for name in ("a.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(saved("JPEG", exif=exif(6)))
    image = {"id": 1, "file_name": "a.jpg", "width": 48, "height": 32}
    box = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 30, 40]}
    boxes = [{"id": 1, **box}, {"id": 2, **box, "bbox": [1, 1, 9, 9], "category_id": 7}]
    content = {"images": [image], "annotations": boxes, "categories": [{"id": 1, "name": "cup"}]}
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    command = ["convert", tmp_path / "boxes.json", tmp_path / "out", "--to", "locount"]
    options = ["--from", "coco", "--split", "train", "--image-root", tmp_path]
    assert main([*map(str, [*command, *options])]) == 2
    said = capsys.readouterr().err
    assert "a.jpg: has the EXIF orientation 6" in said
    assert 'annotations[1]: "category_id" is 7' in said
    assert "other.jpg" not in said


def test_a_problem_of_a_tag_is_named_with_both_cures(tmp_path):
    (tmp_path / "a.jpg").write_bytes(saved("JPEG", exif=exif(3)))
    assert read_orientations([str(tmp_path / "a.jpg"), str(tmp_path / "none.jpg")]) == {0: 3}
    assert "check-data --fix" in (text := orientation_text(3))
    assert "auto-orient" in text
