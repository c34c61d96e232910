from .cases import BOX, CVAT, content, read


def test_a_project_of_cvat_has_folders_of_its_subsets(files):
    text = CVAT.format("").replace("<image", '<image subset="Train"')
    folder = files({"annotations.xml": text, "images/Train/a.jpg": ""})
    assert content(read("cvat", folder)) == {("annotations", "Train/a.jpg"): BOX}
    (folder / "images/Train/a.jpg").rename(folder / "images/a.jpg")
    assert content(read("cvat", folder)) == {("annotations", "a.jpg"): BOX}


def test_what_cvat_says_of_photos_is_listed(files, caplog):
    text = CVAT.format("").replace('<image name="a', '<image subset="Train" name="a')
    other = text[text.index("<image") : text.index("</annotations>")]
    other = other.replace("a.jpg", "b.jpg").replace("Train", "Test")
    text = text.replace("</annotations>", f"{other}</annotations>")
    read("cvat", files({"train.xml": text, "train/a.jpg": "", "train/b.jpg": ""}))
    assert "subsets 'Train' (1), 'Test' (1)" in caplog.text
    assert "2 tags of whole images" in caplog.text
