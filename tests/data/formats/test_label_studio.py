import json

import pytest

from locount.errors import InputError

from .cases import BOX, content, read


def label_studio(data, *results):
    value = {"x": 40, "y": 25, "width": 20, "height": 50, "rectanglelabels": ["rice"]}
    box = {"id": "r", "type": "rectanglelabels", "from_name": "label", "value": value}
    results = [{"id": "r", **result} for result in results]
    return json.dumps([{"data": data, "annotations": [{"result": [box, *results]}]}])


def test_answers_about_a_photo_are_listed_and_the_boxes_kept(files, caplog):
    choice = {"type": "choices", "from_name": "quality", "value": {"choices": ["good"]}}
    relation = {"type": "relation", "from_id": "r", "to_id": "r", "direction": "right"}
    text = label_studio({"image": "a.jpg"}, choice, relation)
    folder = files({"train.json": text, "train/a.jpg": ""})
    assert content(read("label-studio", folder)) == {("train", "a.jpg"): BOX}
    assert "not read: choices of quality (1), relation of no control (1)" in caplog.text


def test_a_count_of_label_studio_is_a_whole_number(files):
    def number(value):
        return {"type": "number", "from_name": "count", "value": {"number": value}}

    folder = files({"train.json": label_studio({"image": "a.jpg"}, number(3.0)), "train/a.jpg": ""})
    assert [count for *_, count in content(read("label-studio", folder))["train", "a.jpg"]] == [3]
    text = {"type": "textarea", "from_name": "count", "value": {"text": ["3"]}}
    for wrong, word in ((number(2.5), "the count is 2.5"), (text, "of the type textarea")):
        (folder / "train.json").write_text(label_studio({"image": "a.jpg"}, wrong))
        with pytest.raises(InputError, match=word):
            read("label-studio", folder)
    assert content(read("label-studio", folder, count="")) == {("train", "a.jpg"): BOX}


def test_the_key_of_the_photo_that_label_studio_must_have_is_named(files):
    folder = files({"train.json": label_studio({"photo": "a.jpg", "shop": 3})})
    with pytest.raises(InputError, match=r"no key 'image', only 'photo', 'shop': rename"):
        read("label-studio", folder)
