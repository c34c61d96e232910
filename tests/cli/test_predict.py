import cv2
import numpy as np
import pytest
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.modeling import build_model

from locount.cli import main
from locount.config import load_config


@pytest.fixture
def model(photos, tmp_path):
    """Config and weights of a small network that was never trained, as a run leaves them."""
    cfg = load_config(
        "configs/Shelf/clcnet_s2_cls10_small.yaml",
        ["MODEL.ROI_HEADS.NUM_CLASSES", 2, "DATASETS.TEST", (f"locount:{photos}:test",)],
    )
    (tmp_path / "config.yaml").write_text(cfg.dump())
    DetectionCheckpointer(build_model(cfg), str(tmp_path)).save("model")
    return [
        *("--config-file", str(tmp_path / "config.yaml")),
        *("--weights", str(tmp_path / "model.pth")),
    ]


def test_every_photo_gets_its_picture(model, photos, tmp_path, capsys):
    inputs = sorted(map(str, photos.glob("Locount_ImagesTest/*.jpg")))
    output = tmp_path / "pictures"
    arguments = ["predict", *inputs, *model, "--output", str(output), "--score-threshold", "0"]
    assert main(arguments) == 0
    pictures = sorted(output.iterdir())
    assert [p.stem for p in pictures] == ["0", "1", "2"]
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert cv2.imread(str(pictures[0])).shape == cv2.imread(inputs[0]).shape


def test_a_photo_that_cannot_be_read_is_named(model, tmp_path, capsys):
    photo = tmp_path / "broken.jpg"
    photo.write_bytes(b"no image")
    assert main(["predict", str(photo), *model, "--output", str(tmp_path / "pictures")]) == 2
    assert "broken.jpg" in capsys.readouterr().err


def test_photos_of_the_same_name_would_overwrite_each_other(model, tmp_path, capsys):
    names = [str(tmp_path / folder / "1.jpg") for folder in ("a", "b")]
    assert main(["predict", *names, *model, "--output", str(tmp_path / "pictures")]) == 2
    error = capsys.readouterr().err
    assert names[0] in error
    assert names[1] in error
    assert not (tmp_path / "pictures").exists()


def test_pictures_have_the_pixels_of_the_photo(model, tmp_path):
    # An orientation tag of 6 asks viewers to turn the photo; the boxes speak of stored pixels.
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    output = tmp_path / "pictures"
    assert main(["predict", str(tmp_path / "turned.jpg"), *model, "--output", str(output)]) == 0
    assert cv2.imread(str(output / "turned.png")).shape == (40, 60, 3)
