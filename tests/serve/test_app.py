import copy
import json
import socket
import urllib.error
import urllib.request

import numpy as np
import pytest

from locount.cli import main
from locount.inference import Predictor
from locount.serve.app import answer
from locount.stock import find_rows


@pytest.fixture
def post(served):
    def post(body, media_type="image/jpeg"):
        request = urllib.request.Request(
            f"{served[0]}/predict", body, {"Content-Type": media_type}, method="POST"
        )
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["detail"]

    return post


@pytest.fixture
def photo(photos):
    return photos / "Locount_ImagesTest/0.jpg"


def test_detections_are_those_of_the_predictor(served, post, photo):
    status, answer = post(photo.read_bytes())
    expected = served[1](photo).everything
    assert status == 200
    assert (answer["width"], answer["height"]) == (64, 64)
    assert [d["count"] for d in answer["detections"]] == expected.counts.tolist()
    np.testing.assert_allclose([d["score"] for d in answer["detections"]], expected.scores)
    corners = np.array([d["bbox"] for d in answer["detections"]])
    corners[:, 2:] += corners[:, :2]
    np.testing.assert_allclose(corners, expected.boxes, rtol=1e-5)
    assert [c["name"] for c in answer["categories"]] == ["box", "cup"]


@pytest.mark.parametrize(
    ("body", "media_type", "status", "words"),
    [
        (b"%PDF-1.7", "application/pdf", 415, "JPEG, PNG, WebP or BMP"),
        (b"no picture", "image/jpeg", 415, "JPEG, PNG, WebP or BMP"),
        (b"", "image/png", 415, "JPEG, PNG, WebP or BMP"),
        (bytes(20_000_001), "image/png", 413, "over 20 MB"),
    ],
)
def test_what_is_no_photo_is_refused_with_the_cure(post, body, media_type, status, words):
    code, detail = post(body, media_type)
    assert code == status
    assert words in detail


def test_a_truncated_photo_is_refused(post, photo):
    assert post(photo.read_bytes()[:-100])[0] == 422


@pytest.mark.parametrize("path", ["docs", "openapi.json", "redoc", "../app.py", "app.py"])
def test_nothing_else_is_served(served, path):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{served[0]}/{path}")


def test_a_taken_port_is_said_before_the_model_is_loaded(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = ["serve", "--config-file", "none.yaml", "--weights", "none.pth", "--port", port]
        assert main(command) == 2
    assert f"port {port}" in (message := capsys.readouterr().err)
    assert "--port" in message


def test_intervals_are_of_the_score_that_the_page_starts_with(calibrated, photo):
    predictor = Predictor(calibrated, device="cpu")
    content = answer(predictor, photo.read_bytes(), 0.9)
    sure = [d for d in content["detections"] if d.score >= content["score"]]
    total = sum(d.count for d in sure)
    photo_total = content["totals"].photo
    assert (photo_total.low, photo_total.count, photo_total.high) == (total - 4, total, total + 4)
    assert all(d.count_high == d.count + 1 for d in sure)
    assert {d.count_low for d in content["detections"][len(sure) :]} <= {None}
    assert f"<dd>{total} ({total - 4}–{total + 4})</dd>" in content["page"]
    assert answer(predictor, photo.read_bytes())["totals"] is None


def test_rows_and_gaps_are_of_the_score_that_the_page_starts_with(served, photo):
    content = answer(served[1], photo.read_bytes())
    sure = [d for d in content["detections"] if d.score >= content["score"]]
    boxes = np.array([d.bbox for d in sure], float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    rows = find_rows(boxes)
    places = content["shelf"]["places"]
    assert [(p["row"] - 1, p["position"] - 1) for p in places] == list(
        zip(rows.row, rows.position, strict=True)
    )
    assert sum(row["items"] for row in content["shelf"]["shares"]) == sum(d.count for d in sure)
    assert f"<dt>Rows</dt><dd>{len(rows)}</dd>" in content["page"]


def test_a_photo_without_boxes_says_that_it_has_no_rows(served, photo):
    predictor = copy.copy(served[1])
    predictor.cfg = served[1].cfg.clone()
    predictor.cfg.defrost()
    predictor.cfg.PREDICT.SCORE = 2.0  # that none has
    content = answer(predictor, photo.read_bytes())
    assert content["shelf"]["places"] == []
    assert "Nothing was found, so there are no rows." in content["page"]
