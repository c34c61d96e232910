import base64
import io
import re

import pytest
from PIL import Image

from locount.calibration import Calibration
from locount.errors import InputError
from locount.model_file import stored_config
from locount.report import build_report
from locount.report.galleries import MAX_TILE_BYTES, TILE


def test_the_page_needs_no_other_file(run_dir):
    html = build_report(run_dir).html
    assert not re.search(r'(src|href)="(?!data:image/jpeg;base64,|#)', html)
    assert not re.search(r"url\(|@import", html)


def test_pictures_are_small_and_whole(run_dir):
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', build_report(run_dir).html)
    # Two whole photos, then twice each: a missed bowl, a bowl of 4 said to be 6, and two right ones
    # of different photos.
    assert len(pictures) == 2 + 2 * (1 + 1 + 2)
    for i, text in enumerate(pictures):
        data = base64.b64decode(text)
        picture = Image.open(io.BytesIO(data))
        picture.load()
        if i < 2:
            assert picture.size == (100, 80)
            continue
        assert len(data) <= MAX_TILE_BYTES
        assert picture.width <= TILE[0]
        assert picture.height <= TILE[1]


def test_names_are_text_not_markup(run_dir):
    html = build_report(run_dir).html
    assert "&lt;b&gt;cup&lt;/b&gt; &amp; co" in html
    assert "<b>cup</b>" not in html


def test_figures_of_the_paper_are_for_reference_on_other_data(run_dir):
    html = build_report(run_dir).html
    assert "paper 43.5" in html  # APlc of CLCNet-s(2)-cls(10)
    assert "can't be compared" in html


def test_a_run_that_only_evaluated_has_no_curves_and_says_so(run_dir):
    assert "no metrics.json" not in build_report(run_dir).html
    (run_dir / "metrics.json").unlink()
    report = build_report(run_dir)
    assert "no metrics.json" in report.html
    assert report.problems == []


def test_half_a_line_of_a_killed_run_is_named(run_dir):
    with open(run_dir / "metrics.json", "a") as file:
        file.write('{"iteration": 5')
    (problem,) = build_report(run_dir).problems
    assert "metrics.json:4" in problem


def test_keys_of_another_version_do_no_harm(run_dir):
    with open(run_dir / "config.yaml", "a") as file:
        file.write("A_KEY_OF_ANOTHER_VERSION: 1\n")
    assert build_report(run_dir).problems == []


def test_every_dataset_has_its_part_unless_one_is_asked_for(run_dir, add_evaluation):
    add_evaluation(run_dir, "other")
    html = build_report(run_dir).html
    assert html.count("<article") == 2
    assert html.count("<h2 class") == 2
    one = build_report(run_dir, "locount:/shelves:test").html
    assert one.count("<article") == 1
    assert ">other</h2>" not in one
    with pytest.raises(InputError, match="locount:/shelves:test"):
        build_report(run_dir, "none")


def test_missing_photos_are_named_and_the_rest_goes_on(run_dir):
    photo = run_dir / "inference/locount__shelves_test/1.jpg"
    photo.unlink()
    report = build_report(run_dir)
    (problem,) = report.problems
    assert str(photo) in problem
    assert str(photo) in report.html
    # Those of the second photo are left: the whole, a wrong count and a right one.
    assert report.html.count("data:image/jpeg") == 1 + 2 * 2


def test_a_photo_of_another_size_is_not_drawn_on(run_dir):
    photo = run_dir / "inference/locount__shelves_test/1.jpg"
    Image.new("RGB", (50, 40)).save(photo)
    (problem,) = build_report(run_dir).problems
    assert "50 x 40" in problem


def test_no_detections_make_a_page(run_dir):
    (run_dir / "inference/locount__shelves_test/locount_instances_results.json").write_text("[]")
    html = build_report(run_dir).html
    # All is missed: whole photos, a gallery of one box of each, and two that say they have none.
    assert html.count("data:image/jpeg") == 2 + 2 * 2
    assert html.count("Nothing was found, so there are no rows.") == 2
    assert html.count("There is none") == 2


def test_no_ground_truth_makes_a_page_of_dashes(run_dir):
    folder = run_dir / "inference/locount__shelves_test"
    (folder / "locount_ground_truth.json").write_text(
        '{"images": [], "categories": [], "annotations": []}'
    )
    (folder / "locount_instances_results.json").write_text("[]")
    assert "No category has ground truth" in build_report(run_dir).html


@pytest.mark.parametrize("name", ["config.yaml", "inference"])
def test_a_folder_that_is_no_run_says_what_is_missing(run_dir, name):
    (run_dir / name).rename(run_dir / "elsewhere")
    with pytest.raises(InputError, match=name):
        build_report(run_dir)


def test_detections_of_another_dataset_are_an_error_with_their_file(run_dir):
    file = run_dir / "inference/locount__shelves_test/locount_instances_results.json"
    file.write_text('[{"image_id": 99, "category_id": 0, "bbox": [0, 0, 1, 1], "score": 1}]')
    with pytest.raises(InputError, match=f"(?s){re.escape(str(file))}.*99"):
        build_report(run_dir)


def test_only_photos_of_the_named_folder_are_shown(run_dir, tmp_path):
    inside = build_report(run_dir, photo_root=run_dir)
    assert inside.problems == []
    (tmp_path / "shop").mkdir()
    outside = build_report(run_dir, photo_root=tmp_path / "shop")
    assert "1.jpg is not in" in outside.problems[0]
    assert len(outside.html) < len(inside.html)


def table_of(html, title):
    """The cells of the first table of that title, by row."""
    table = re.search(rf'aria-label="{title}.*?</table>', html, re.DOTALL).group()
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]


def test_shelves_say_what_stands_on_each_photo(run_dir):
    report = build_report(run_dir)
    assert report.problems == []
    html = report.html
    # Of score 0.3 and more: cups ×12 on the first photo, on the second bowls ×6 beside apples ×2.
    head, *photos = table_of(html, "Photos")
    assert head == ["Photo", "Items in truth", "Rows", "Boxes", "Items", "Facings", "Gaps", "Note"]
    assert [row[:5] for row in photos] == [
        ["1.jpg", "13", "1", "1", "12"],
        ["2.jpg", "6", "1", "2", "8"],
    ]
    assert "not enough to tell rows apart" in photos[0][-1]
    assert "there are no intervals" in html.lower()
    assert "counted twice" in html


def test_intervals_of_the_weights_are_in_the_report(run_dir, calibrated):
    """Of weights whose totals are within 4 and those of categories within 2."""
    calibration = Calibration.of_model_file(str(calibrated))
    cfg = stored_config(str(calibrated))
    cfg.defrost()
    cfg.MODEL.WEIGHTS = str(calibrated)
    cfg.PREDICT.SCORE, cfg.PREDICT.MAX_OVERLAP = calibration.score, calibration.max_overlap
    (run_dir / "config.yaml").write_text(cfg.dump())
    # A training began with these weights; its own are others.
    assert [row[4] for row in table_of(build_report(run_dir).html, "Photos")[1:]] == ["13", "8"]

    (run_dir / "last_checkpoint").unlink()  # as `locount eval` leaves it
    html = build_report(run_dir).html
    assert [row[4] for row in table_of(html, "Photos")[1:]] == ["13 (9–17)", "8 (4–12)"]
    assert "cover it on 100.0 %" in html  # 13 and 6 items in truth
    # The first card.
    shares = {row[0]: row[1] for row in table_of(html, "Shares of the length")[1:]}
    assert shares == {"&lt;b&gt;cup&lt;/b&gt; &amp; co": "12 (10–14)", "apple": "1 (0–3)"}

    # Another score than that of the calibration.
    cfg.PREDICT.SCORE = 0.5
    (run_dir / "config.yaml").write_text(cfg.dump())
    assert [row[4] for row in table_of(build_report(run_dir).html, "Photos")[1:]] == ["12", "8"]
