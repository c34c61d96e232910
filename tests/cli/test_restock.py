import cv2
import numpy as np

from locount.cli import main


def test_new_photos_and_how_they_are_used(tmp_path, capsys):
    for kind, name in (("Images", "a.png"), ("GtTxts", "a.txt")):
        (tmp_path / f"photos/Locount_{kind}Train").mkdir(parents=True)
        path = tmp_path / f"photos/Locount_{kind}Train" / name
        if kind == "Images":
            cv2.imwrite(str(path), np.zeros((40, 60, 3), np.uint8))
        else:
            path.write_text("0,0,30,20,Jar,3\n30,0,50,20,Tin,2\n")
    out = str(tmp_path / "more")
    assert main(["restock", f"locount:{tmp_path}/photos:train", out, "--photos", "4"]) == 0
    printed = capsys.readouterr().out
    assert "4 images" in printed
    assert "20 items" in printed
    assert f"locount:{out}:train" in printed
    assert main(["check-data", f"locount:{out}:train"]) == 0


def test_no_photos_are_refused(tmp_path, capsys):
    assert main(["restock", "locount:photos:train", str(tmp_path / "out"), "--photos", "0"]) == 2
    assert "not a whole number of 1 or more" in capsys.readouterr().err
