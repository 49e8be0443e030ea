"""The page as Chromium shows it, without a network."""

import os
import re
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.helpers import bargaining
from tests.helpers.reports import sweep, write_run, written

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and chromedriver on the path")
OPTIONS = "headless=new no-sandbox disable-gpu disable-background-networking disable-component-update disable-sync"
OPTIONS += " no-first-run window-size=1280,1000"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser that reaches no host, with a page of a sweep with a failed run."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in OPTIONS.split():
        options.add_argument(f"--{option}")
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(DRIVER, log_output=os.devnull)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def sweep_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    rows = [*sweep(folder), write_run(folder, lam=7.0, status="failed")]
    for row in rows[3:]:
        row["method.note"] = f"<img src=x onerror=alert({row['method.lam']})>"
    return written(folder, rows)["report.html"]


@pytest.fixture
def page(browser, sweep_page):
    browser.set_window_size(1280, 1000)
    browser.get(sweep_page.as_uri())
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".chart .scatterlayer .trace"))
    return browser


def wait(browser, condition):
    return WebDriverWait(browser, 20).until(lambda _: condition())


def cells(page, table, column):
    rows = page.find_elements(By.CSS_SELECTOR, "table.results")[table].find_elements(By.CSS_SELECTOR, "tbody tr")
    return [row.find_elements(By.TAG_NAME, "td")[column].text for row in rows]


def traces(page, name):
    """The points of a method's traces in the first panel, as elements."""
    find = "return document.querySelector('.chart')._fullData"
    find += ".filter((t) => t.name === arguments[0] && t.xaxis === 'x').map((t) => t.uid)"
    found = [
        page.find_elements(By.CSS_SELECTOR, f".trace{uid} .points path") for uid in page.execute_script(find, name)
    ]
    return [points for points in found if points]


def test_the_page_renders_without_an_error_and_without_a_request(page):
    assert page.find_element(By.CSS_SELECTOR, ".chart .main-svg").size["width"] > 900
    assert not [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_pointing_at_a_setting_shows_its_name_and_values_with_intervals(page):
    _, points, _ = traces(page, "penalty")  # runs, settings, what the pointer finds
    assert len(points) == 3
    ActionChains(page).move_to_element(points[0]).perform()
    (label,) = wait(page, lambda: page.find_elements(By.CSS_SELECTOR, ".hoverlayer .hovertext"))
    shown = label.text
    assert "penalty lam 2" in shown
    assert re.search(r"accuracy 0\.752 \[0\.747, 0\.757\]", shown)
    assert re.search(r"demographic parity difference 0\.053 \[0\.045, 0\.062\]", shown)
    assert "3 seeds" in shown
    assert "<img src=x" in shown  # as text


def test_pointing_at_a_single_run_shows_its_seed(page):
    runs, _, _ = traces(page, "penalty")
    ActionChains(page).move_to_element(runs[2]).perform()
    (label,) = wait(page, lambda: page.find_elements(By.CSS_SELECTOR, ".hoverlayer .hovertext"))
    assert "seed 2: accuracy 0.829, demographic parity difference 0.244" in label.text


def test_nothing_from_a_configuration_becomes_an_element(page):
    assert not page.find_elements(By.TAG_NAME, "img")


def test_a_click_on_a_header_sorts_and_a_second_one_turns_the_order(page):
    header = page.find_elements(By.CSS_SELECTOR, "table.results")[0].find_elements(By.CSS_SELECTOR, "th button")[1]
    assert header.text == "lam"
    header.click()
    assert cells(page, 0, 1) == ["0.5", "1", "2", ""]
    header.click()
    assert cells(page, 0, 1) == ["2", "1", "0.5", ""]
    assert header.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"


def test_numbers_with_intervals_sort_as_numbers(page):
    headers = page.find_elements(By.CSS_SELECTOR, "table.results")[2].find_elements(By.CSS_SELECTOR, "th button")
    headers[3].click()
    numbers = [float(text.split()[0]) for text in cells(page, 2, 3)]
    assert numbers == sorted(numbers)
    assert len(numbers) == 5


def test_the_command_that_trains_the_choice_is_copied_by_its_button(page):
    """A browser without a clipboard leaves it selected."""
    button = page.find_element(By.CSS_SELECTOR, ".command button")
    line = page.find_element(By.CSS_SELECTOR, ".command code").text
    assert line == "python -m fairrun.train method=erm dataset=adult seed=0 results.save=chosen"
    button.click()
    wait(page, lambda: button.text.startswith(("Copied", "Selected")))
    assert page.execute_script("return getSelection().toString()") == line


def test_a_click_in_the_legend_hides_a_method(page):
    def shown():
        return len(page.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace"))

    before = shown()
    page.find_element(By.CSS_SELECTOR, ".legend .traces .legendtoggle").click()
    wait(page, lambda: shown() < before)


def test_the_attainment_surfaces_can_be_shown_instead(page):
    box = page.find_element(By.CSS_SELECTOR, "input[data-chart]")
    box.click()
    visible = "return document.querySelector('.chart').data.filter((t) => t.visible !== false).map((t) => t.meta)"
    assert set(page.execute_script(visible)) == {"attainment"}
    box.click()
    assert set(page.execute_script(visible)) == {"means"}


def test_hard_and_soft_differences_stand_side_by_side(page):
    left, right = (page.find_element(By.CSS_SELECTOR, f".chart .{name}title") for name in ("x", "x2"))
    assert left.text.startswith("demographic parity difference")
    assert right.text.startswith("soft demographic parity difference")
    assert left.rect["x"] + left.rect["width"] <= right.rect["x"]
    assert len(page.find_elements(By.CSS_SELECTOR, ".chart .shapelayer path")) == 4  # the anchors of both


@pytest.mark.parametrize("width", [1280, 800])
def test_the_page_fits_the_window_and_titles_do_not_overlap(page, width):
    page.set_window_size(width, 1000)
    inside = "return document.documentElement.scrollWidth <= window.innerWidth"
    wait(page, lambda: page.execute_script(inside))
    chart = page.find_element(By.CSS_SELECTOR, ".chart")
    wait(page, lambda: page.find_element(By.CSS_SELECTOR, ".main-svg").size["width"] <= chart.size["width"])
    boxes = [page.find_element(By.CSS_SELECTOR, f".chart {part}").rect for part in (".xtitle", ".legend")]
    title, legend = boxes
    assert title["y"] + title["height"] <= legend["y"] + 0.5  # they may touch, to a rounding
    assert legend["y"] + legend["height"] <= chart.rect["y"] + chart.rect["height"]


def test_the_failed_run_comes_first_with_its_reason(page):
    failures = page.find_element(By.ID, "failures")
    assert "the loss was not finite at step 3 with <lam>" in failures.text
    assert failures.location["y"] < page.find_element(By.CSS_SELECTOR, ".chart").location["y"]


def test_the_picture_of_bargaining_is_shown_and_fits(browser, tmp_path):
    files = written(tmp_path, bargaining.sweep(tmp_path))
    browser.set_window_size(800, 1000)
    browser.get(files["report.html"].as_uri())
    picture = wait(browser, lambda: browser.find_element(By.CSS_SELECTOR, "img.picture"))
    wait(browser, lambda: picture.get_property("naturalWidth") > 1000)
    assert 600 < picture.size["width"] < 800
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
