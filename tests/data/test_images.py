import struct

import cv2
import numpy as np
import pytest
from detectron2.data import detection_utils
from PIL import Image

from locount.data import DatasetError, read_image
from locount.data.images import open_picture, read_image_sizes

ORIENTATION = 274  # EXIF tag
STALE = ["C1_P03_N1_S2_1.JPG", "C1_P03_N3_S2_1.JPG"]


@pytest.fixture
def turned(tmp_path):
    """A picture of 30 x 20 pixels whose tag says that it is to be turned by 90 degrees."""
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (30, 20), "red").save(path, exif=exif)
    return path


def test_stored_size_and_pixels_whatever_the_tag_says(turned):
    assert detection_utils.read_image(str(turned)).shape == (30, 20, 3)
    assert read_image(turned).shape == (20, 30, 3)
    assert read_image_sizes([str(turned)])[0].tolist() == [[20, 30]]


@pytest.mark.parametrize("name", STALE)
def test_a_stale_tag_does_not_turn_a_photo(shared_data, name):
    path = shared_data / "exif_photos" / name
    with Image.open(path) as image:
        assert image.getexif()[ORIENTATION] == 3
        pixels = np.asarray(image)
    np.testing.assert_array_equal(read_image(path, "RGB"), pixels)
    turned = detection_utils.read_image(str(path), "RGB")
    np.testing.assert_array_equal(turned, pixels[::-1, ::-1])


def test_an_untagged_picture_is_read_as_detectron2_reads_it(tmp_path):
    path = tmp_path / "gradient.png"
    Image.fromarray(np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)).save(path)
    for image_format in ("BGR", "RGB", "L"):
        theirs = detection_utils.read_image(str(path), image_format)
        np.testing.assert_array_equal(read_image(path, image_format), theirs)


def wavy(channels):
    """A smooth picture, which JPEG keeps well."""
    y, x = np.mgrid[:48, :64] / 8
    return (120 + 100 * np.stack([np.sin(x + k * y) for k in range(channels)], -1)).astype(np.uint8)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_is_decoded_as_by_pillow(tmp_path, options):
    # By different versions of one library: a level of rounding is allowed.
    path = tmp_path / "photo.jpg"
    Image.fromarray(wavy(3)).save(path, **options)
    for image_format in ("BGR", "RGB", "L"):
        ours = read_image(path, image_format).astype(int)
        theirs = detection_utils.read_image(str(path), image_format)
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK"])
def test_other_pictures_become_three_channels_without_transparency(tmp_path, mode):
    path = tmp_path / ("photo.jpg" if mode == "CMYK" else "photo.png")
    picture = Image.fromarray(wavy(3)).convert("P" if mode == "PA" else mode)
    if mode == "PA":
        picture.info["transparency"] = 3
    elif mode in ("LA", "RGBA"):
        picture.putalpha(Image.fromarray(wavy(1)[..., 0]))
    picture.save(path)
    with Image.open(path) as stored:
        expected = np.asarray(stored.convert("RGB"))
    np.testing.assert_array_equal(read_image(path, "RGB"), expected)
    np.testing.assert_array_equal(read_image(path, "BGR"), expected[..., ::-1])


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_of_16_bits_the_upper_8_are_read(tmp_path, kind):
    gray = wavy(1)[..., 0]
    path = tmp_path / f"gray.{kind}"
    Image.fromarray(gray.astype(np.uint16) * 256 + 255).save(path)
    np.testing.assert_array_equal(read_image(path), np.stack([gray] * 3, -1))
    Image.fromarray(gray.astype(np.uint16) * 256).save(tmp_path / "0.tif", tiffinfo={262: 0})
    np.testing.assert_array_equal(read_image(tmp_path / "0.tif")[..., 0], 255 - gray)
    colors = tmp_path / f"colors.{kind}"
    cv2.imwrite(str(colors), wavy(3).astype(np.uint16) * 256 + 255)
    np.testing.assert_array_equal(read_image(colors), wavy(3))


def test_of_12_bits_the_upper_8_are_read(tmp_path):
    # Two pixels of 0xabc and 0x123 in three bytes.
    numbers = {256: 2, 257: 1, 258: 12, 259: 1, 262: 1, 277: 1, 278: 1, 279: 3}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in numbers.items())
    at = 8 + 2 + 12 * 9 + 4
    entries += struct.pack("<HHII", 273, 4, 1, at)
    entries = b"".join(sorted(entries[i : i + 12] for i in range(0, len(entries), 12)))
    content = b"II*\0\x08\0\0\0" + struct.pack("<H", 9) + entries + bytes(4) + b"\xab\xc1\x23"
    assert open_picture(content).pixels[0, :, 0].tolist() == [0xAB, 0x12]


def test_over_16_bits_a_channel_are_refused(tmp_path):
    path = tmp_path / "deep.tif"
    Image.fromarray(wavy(1)[..., 0] / np.float32(255)).save(path)
    with pytest.raises(DatasetError, match=r"deep\.tif .*16 bits"):
        read_image(path)
    _, errors = read_image_sizes([str(path)])
    assert "16 bits" in errors[0]


@pytest.mark.parametrize(
    ("name", "tags"),
    [("IMG.NEF", {}), ("preview.tif", {254: 1}), ("raw.tif", {50706: b"\1\4\0\0"})],
)
def test_the_preview_in_a_raw_file_is_not_taken_for_the_photo(tmp_path, name, tags):
    path = tmp_path / name
    Image.fromarray(wavy(3)).save(path, "TIFF", tiffinfo=tags)
    with pytest.raises(DatasetError, match="RAW file of a camera: export it as JPEG"):
        read_image(path)


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tif"])
def test_of_several_pictures_the_first_is_read(tmp_path, kind):
    path = tmp_path / f"several.{kind}"
    first, second = (Image.new("RGB", (8, 6), color) for color in ("red", "blue"))
    first.save(path, save_all=True, append_images=[second], lossless=True)
    assert read_image(path, "RGB").tolist() == [[[255, 0, 0]] * 8] * 6


def test_a_whole_progressive_photo_gives_no_complaints(tmp_path, capfd):
    path = tmp_path / "progressive.jpg"
    Image.fromarray(wavy(3)).save(path, progressive=True)
    read_image(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_unreadable_images_are_named(tmp_path, content):
    path = tmp_path / "bad.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"bad\.jpg can't be read"):
        read_image(path)
    sizes, errors = read_image_sizes([str(path)])
    assert sizes.tolist() == [[0, 0]]
    assert list(errors) == [0]


def test_a_photo_cut_short_is_named_when_its_pixels_are_read(tmp_path):
    path = tmp_path / "short.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DatasetError, match=r"short\.jpg .*truncated"):
        read_image(path)


def test_no_images_have_no_sizes():
    sizes, errors = read_image_sizes([])
    assert sizes.shape == (0, 2)
    assert errors == {}
