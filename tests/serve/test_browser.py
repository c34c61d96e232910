import csv
import io
import time

import cv2
import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from locount.inference import Predictor
from locount.serve import build_app, build_server
from locount.shelf.render import render


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A rendered picture."""
    path = tmp_path_factory.mktemp("shelf") / "my shelf.png"
    cv2.imwrite(str(path), render(seed=1, index=0, width=320, height=180).image)
    return path


@pytest.fixture
def page(browser, served):
    browser.get(served[0])
    browser.get_log("browser")  # of the pages before: the browser serves other tests too
    browser.refresh()
    yield browser
    assert browser.get_log("browser") == []


@pytest.fixture
def result(page, shelf):
    """The page with the result of the rendered picture."""
    page.find_element(By.ID, "file").send_keys(str(shelf))
    result = page.find_element(By.ID, "result")
    WebDriverWait(page, 60).until(lambda _: result.is_displayed())
    return page


def number(page, name):
    return int(page.find_element(By.ID, name).text)


def move_slider(page, score):
    page.execute_script(
        "const e = document.getElementById('score'); e.value = arguments[0];"
        "e.dispatchEvent(new Event('input'));",
        score,
    )


def download(page):
    """The rows of the table that the link gives."""
    page.find_element(By.ID, "csv").click()
    path = page.downloads / "my shelf.csv"
    deadline = time.monotonic() + 30
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    path.unlink()
    return rows


def test_counts_follow_the_slider(result, served, shelf):
    prediction = served[1](shelf)
    middle = float(np.median(prediction.scores).round(2))
    for score in (0.05, middle, 1):
        move_slider(result, score)
        kept = prediction.above(score)
        assert number(result, "count") == len(kept)
        assert number(result, "instances") == kept.counts.sum()
        assert len(result.find_elements(By.CSS_SELECTOR, "#boxes rect:not(.gap)")) == len(kept)
        rows = download(result)
        assert sum(int(row["instances"]) for row in rows) == kept.counts.sum()
        rows = [row for row in rows if row["category"]]
        named = {row["category"]: float(row["lowest_confidence"]) for row in rows}
        lowest = dict(zip(kept.names, kept.scores, strict=True))  # the best come first
        assert named == pytest.approx(lowest, abs=1e-4)


def test_boxes_lie_on_the_photo(result, served, shelf):
    move_slider(result, 0)
    expected = served[1](shelf).boxes
    places = result.execute_script("""
        const photo = document.getElementById("image").getBoundingClientRect();
        const scale = 320 / photo.width;
        return [...document.querySelectorAll("#boxes rect:not(.gap)")].map((rect) => {
          const [x, y] = [rect.x.baseVal.value, rect.y.baseVal.value];
          const m = rect.getScreenCTM();
          return [(m.a * x + m.e - photo.x) * scale, (m.d * y + m.f - photo.y) * scale];
        });
    """)
    np.testing.assert_allclose(places, expected[:, :2], atol=0.5)


def test_a_row_shows_its_boxes_alone(result):
    move_slider(result, 0)
    row = result.find_element(By.CSS_SELECTOR, "#stock tr")
    boxes = int(row.find_elements(By.TAG_NAME, "td")[0].text)
    row.find_element(By.TAG_NAME, "button").click()
    assert len(result.find_elements(By.CSS_SELECTOR, "#boxes rect:not(.gap)")) == boxes
    result.find_element(By.CSS_SELECTOR, "#stock button").click()
    assert len(result.find_elements(By.CSS_SELECTOR, "#boxes rect:not(.gap)")) == number(
        result, "count"
    )


def test_a_file_of_another_kind_is_refused_in_words(page, tmp_path):
    (tmp_path / "list.txt").write_text("cups")
    page.find_element(By.ID, "file").send_keys(str(tmp_path / "list.txt"))
    assert "JPEG, PNG, WebP or BMP" in page.find_element(By.ID, "message").text


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_as_wide_as_the_screen(result, width):
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    result.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert result.execute_script("return document.documentElement.scrollWidth") == width
    finally:
        result.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_intervals_are_shown_at_the_score_they_are_of(page, running, calibrated, shelf):
    predictor = Predictor(calibrated, device="cpu")
    with running(build_server(build_app(predictor, level=0.9))) as address:
        page.get(address)
        page.find_element(By.ID, "file").send_keys(str(shelf))
        result = page.find_element(By.ID, "result")
        WebDriverWait(page, 60).until(lambda _: result.is_displayed())
        total = int(predictor(shelf).above(0.05).counts.sum())
        shown = f"{total} ({max(0, total - 4)}–{total + 4})"
        assert page.find_element(By.ID, "instances").text == shown
        assert "90 % of photos" in page.find_element(By.ID, "shelf").text
        assert shown in page.find_element(By.ID, "shelf").text
        for row in download(page):
            number = int(row["instances"])
            assert int(row["instances_low"]) == max(0, number - 2)
            assert int(row["instances_high"]) == number + 2
        move_slider(page, 1)
        assert "(" not in page.find_element(By.ID, "instances").text
        note = page.find_element(By.ID, "other-score").text
        assert note == "Rows, gaps and intervals are of score 0.05."
        assert not page.find_element(By.ID, "shelf").is_displayed()


def test_several_photos_have_a_row_each(page, shelf, tmp_path):
    other = tmp_path / "gray.png"
    cv2.imwrite(str(other), np.full((90, 160, 3), 128, np.uint8))
    page.find_element(By.ID, "file").send_keys(f"{shelf}\n{other}")
    rows = WebDriverWait(page, 60).until(
        lambda _: len(found := page.find_elements(By.CSS_SELECTOR, "#photos tr")) == 2 and found
    )
    assert [row.find_element(By.TAG_NAME, "th").text for row in rows] == [shelf.name, other.name]
    assert "counted twice" in page.find_element(By.ID, "several").text
    rows[1].find_element(By.TAG_NAME, "button").click()
    assert page.find_element(By.ID, "boxes").get_attribute("viewBox") == "0 0 160 90"
