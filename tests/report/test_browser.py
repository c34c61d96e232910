"""The page in a real browser."""

import pytest
from selenium.webdriver.common.by import By

from locount.report import build_report


@pytest.fixture
def page(browser, run_dir, add_evaluation, tmp_path):
    add_evaluation(run_dir, "other")
    file = tmp_path / "report.html"
    file.write_text(build_report(run_dir).html, encoding="utf-8")
    browser.get(file.as_uri())
    return browser


def rows(page):
    cells = page.find_elements(By.CSS_SELECTOR, "#dataset-1-table tbody th")
    return [cell.text for cell in cells if cell.is_displayed()]


def test_nothing_is_asked_for_and_nothing_complains(page):
    assert page.get_log("browser") == []
    names = page.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in names if not name.startswith("data:")] == []
    assert page.execute_script("return [...document.images].every(i => i.naturalWidth > 0)")


def test_a_click_sorts_and_another_turns_the_order(page):
    name, boxes = page.find_elements(By.CSS_SELECTOR, "#dataset-1-table thead th")[:2]
    name.click()
    assert rows(page) == ["<b>cup</b> & co", "apple", "bowl"]
    name.click()
    assert rows(page) == ["bowl", "apple", "<b>cup</b> & co"]
    boxes.click()  # the most first: two bowls; the others keep their order
    assert rows(page) == ["bowl", "apple", "<b>cup</b> & co"]
    assert boxes.get_attribute("aria-sort") == "descending"
    assert name.get_attribute("aria-sort") is None
    boxes.click()
    assert rows(page) == ["apple", "<b>cup</b> & co", "bowl"]


def test_what_is_undefined_is_last_in_both_orders(page):
    page.execute_script("document.querySelector('#dataset-1-table td').dataset.value = ''")
    undefined = rows(page)[0]
    boxes = page.find_elements(By.CSS_SELECTOR, "#dataset-1-table thead th")[1]
    for _ in range(2):
        boxes.click()
        assert rows(page)[-1] == undefined


def test_typing_filters_one_table(page):
    field = page.find_element(By.ID, "dataset-1-filter")
    field.send_keys("BO")
    assert rows(page) == ["bowl"]
    assert page.find_element(By.CSS_SELECTOR, "output[for=dataset-1-filter]").text == "1 of 3"
    others = page.find_elements(By.CSS_SELECTOR, "#dataset-2-table tbody tr")
    assert all(row.is_displayed() for row in others)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_as_wide_as_the_screen(page, width):
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") == width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page, scheme):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    # Contrast of WCAG 2 between a text and the nearest ground behind it; 4.5 is its level AA. The
    # canvas turns any CSS colour into sRGB.
    lowest = page.execute_script("""
        const canvas = document.createElement("canvas");
        const context = canvas.getContext("2d", {willReadFrequently: true});
        function rgba(color) {
          context.clearRect(0, 0, 1, 1);
          context.fillStyle = color;
          context.fillRect(0, 0, 1, 1);
          return context.getImageData(0, 0, 1, 1).data;
        }
        function luminance(color) {
          const [r, g, b] = [...rgba(color)].slice(0, 3).map((c) => c / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        }
        let worst = [99, ""];
        for (const element of document.querySelectorAll("p, li, dt, dd, td, th, a, caption, h1")) {
          if (element.closest(".skip") || !element.textContent.trim()) continue;
          let behind = element;
          while (rgba(getComputedStyle(behind).backgroundColor)[3] < 255)
            behind = behind.parentElement;
          const pair = [luminance(getComputedStyle(element).color),
                        luminance(getComputedStyle(behind).backgroundColor)];
          const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
          if (contrast < worst[0]) worst = [contrast, element.textContent];
        }
        return worst;
    """)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    # Where the heat map changes from dark ink to light, neither reaches 4.5 on all grounds.
    assert lowest[0] >= 4.4, lowest
