import base64
import io
import re

import pytest
from PIL import Image

from locount.errors import InputError
from locount.report import build_report
from locount.report.galleries import MAX_TILE_BYTES, TILE


def test_the_page_needs_no_other_file(run_dir):
    html = build_report(run_dir).html
    assert not re.search(r'(src|href)="(?!data:image/jpeg;base64,|#)', html)
    assert not re.search(r"url\(|@import", html)


def test_pictures_are_small_and_whole(run_dir):
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', build_report(run_dir).html)
    # A missed bowl, a bowl of 4 said to be 6, and two right ones of different photos, twice each.
    assert len(pictures) == 2 * (1 + 1 + 2)
    for text in pictures:
        data = base64.b64decode(text)
        assert len(data) <= MAX_TILE_BYTES
        picture = Image.open(io.BytesIO(data))
        picture.load()
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
    # Those of the second photo are left: a wrong count and a right one.
    assert report.html.count("data:image/jpeg") == 2 * 2


def test_a_photo_of_another_size_is_not_drawn_on(run_dir):
    photo = run_dir / "inference/locount__shelves_test/1.jpg"
    Image.new("RGB", (50, 40)).save(photo)
    (problem,) = build_report(run_dir).problems
    assert "50 x 40" in problem


def test_no_detections_make_a_page(run_dir):
    (run_dir / "inference/locount__shelves_test/locount_instances_results.json").write_text("[]")
    html = build_report(run_dir).html
    # All is missed: a gallery of one box of each photo, and two that say they have none.
    assert html.count("data:image/jpeg") == 2 * 2
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
