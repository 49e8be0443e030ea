"""The page as Chromium shows it, without a network."""

import os
import re
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.helpers import bargaining
from tests.helpers.reports import sweep, texts, write_run

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
    return texts(folder, rows)["report.html"]


@pytest.fixture
def page(browser, sweep_page):
    browser.set_window_size(1280, 1000)
    browser.get(sweep_page.as_uri())
    return browser


def wait(browser, condition):
    return WebDriverWait(browser, 20).until(lambda _: condition())


def cells(page, table, column):
    rows = page.find_elements(By.CSS_SELECTOR, "table.results")[table].find_elements(By.CSS_SELECTOR, "tbody tr")
    return [row.find_elements(By.CSS_SELECTOR, "th, td")[column].text for row in rows if row.is_displayed()]


def headers(page, table):
    return page.find_elements(By.CSS_SELECTOR, "table.results")[table].find_elements(By.CSS_SELECTOR, "th button")


def tip(page):
    return page.execute_script("return document.getElementById('tip').hidden ? '' : tip.textContent")


def test_the_page_renders_without_an_error_and_without_a_request(page):
    assert page.find_element(By.CSS_SELECTOR, ".plot").size["width"] > 400
    assert not [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_pointing_at_a_configuration_shows_its_name_and_values_with_intervals(page):
    marker = page.find_elements(By.CSS_SELECTOR, ".point[data-series=penalty] svg")[0]
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", marker)
    ActionChains(page).move_to_element(marker).perform()
    shown = wait(page, lambda: tip(page))
    assert "penalty lam 2" in shown
    assert re.search(r"accuracy 0\.752 \[0\.747, 0\.757\]", shown)
    assert re.search(r"demographic parity difference 0\.053 \[0\.045, 0\.062\]", shown)
    assert "3 seeds" in shown
    assert "<img src=x" in shown  # as text


def test_arrow_keys_go_from_point_to_point_and_say_each(page):
    points = page.find_element(By.CSS_SELECTOR, ".points")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", points)
    points.send_keys(Keys.ARROW_RIGHT)
    first = wait(page, lambda: tip(page))
    points.send_keys(Keys.ARROW_RIGHT)
    assert wait(page, lambda: tip(page) != first)
    active = page.find_element(By.ID, points.get_attribute("aria-activedescendant"))
    assert active.get_attribute("aria-selected") == "true" and active.get_attribute("role") == "option"
    points.send_keys(Keys.ESCAPE)
    assert not tip(page)


def test_nothing_from_a_configuration_becomes_an_element(page):
    assert not page.find_elements(By.TAG_NAME, "img")


def test_a_click_on_a_header_sorts_and_a_second_one_turns_the_order(page):
    header = headers(page, 0)[1]
    assert header.text.split()[0] == "lam"
    header.click()
    assert cells(page, 0, 1) == ["0.5", "1", "2", ""]
    header.click()
    assert cells(page, 0, 1) == ["2", "1", "0.5", ""]
    assert header.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"


def test_numbers_with_intervals_sort_as_numbers(page):
    headers(page, 2)[1].click()
    numbers = [float(text.split()[0]) for text in cells(page, 2, 1)]
    assert numbers == sorted(numbers)
    assert len(numbers) == 5


def test_rows_are_filtered_by_words_and_counted(page):
    page.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    box = page.find_element(By.CSS_SELECTOR, "#runs-1-filter")
    box.send_keys("penalty 0.5")
    count = page.find_element(By.CSS_SELECTOR, "output[for=runs-1-filter]")
    wait(page, lambda: count.text == "3 of 12 rows")
    shown = [row for row in page.find_elements(By.CSS_SELECTOR, "#runs-1 tbody tr") if row.is_displayed()]
    assert len(shown) == 3
    assert shown[0].find_element(By.TAG_NAME, "a").get_attribute("href").endswith("adult-penalty-0.5-0/")


def test_the_command_that_trains_the_choice_is_copied_by_its_button(page):
    """A browser without a clipboard leaves it selected."""
    button = page.find_element(By.CSS_SELECTOR, "main .command button")
    line = page.find_element(By.CSS_SELECTOR, "main .command code").text
    assert line == "fairrun train method=erm dataset=adult seed=0 results.save=chosen"
    button.click()
    wait(page, lambda: button.text.startswith(("Copied", "Selected")))
    assert page.execute_script("return getSelection().toString()") == line


def test_a_click_in_the_legend_hides_a_method_and_a_second_one_shows_it(page):
    def shown():
        return [
            one for one in page.find_elements(By.CSS_SELECTOR, ".point[data-series=penalty] svg") if one.is_displayed()
        ]

    assert len(shown()) == 6  # in two panels
    button = page.find_element(By.CSS_SELECTOR, ".legend button[data-name=penalty]")
    for pressed, count in (("false", 0), ("true", 6)):
        button.click()
        assert button.get_attribute("aria-pressed") == pressed and len(shown()) == count


def test_the_attainment_surfaces_can_be_shown_instead(page):
    switch = page.find_element(By.CSS_SELECTOR, "input[data-class=surfaces]")
    shown = lambda name: page.find_element(By.CSS_SELECTOR, f"g.{name}").value_of_css_property("display")  # noqa: E731
    assert (shown("means"), shown("attainment")) == ("inline", "none")
    switch.click()
    assert (shown("means"), shown("attainment")) == ("none", "inline")


def test_labels_stand_beside_their_points_and_on_no_other(page):
    boxes = "return [...document.querySelectorAll('.plot')[0].querySelectorAll('.label')]"
    boxes += ".filter((one) => one.style.visibility !== 'hidden').map((one) => one.getBoundingClientRect().toJSON())"
    found = page.execute_script(boxes)
    assert found
    for k, one in enumerate(found):
        for other in found[k + 1 :]:
            apart = one["right"] <= other["left"] or other["right"] <= one["left"]
            assert apart or one["bottom"] <= other["top"] or other["bottom"] <= one["top"]


@pytest.mark.parametrize("width", [1280, 800, 390])
def test_the_page_fits_the_window(page, width):
    page.set_window_size(width, 1000)
    wait(page, lambda: page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"))


def test_the_failed_run_comes_before_the_results_with_its_reason(page):
    failures = page.find_element(By.ID, "failures")
    assert "the loss was not finite at step 3 with <lam>" in failures.text
    assert failures.location["y"] < page.find_element(By.TAG_NAME, "figure").location["y"]


def test_curves_are_read_epoch_by_epoch(browser, tmp_path):
    files = texts(tmp_path, bargaining.sweep(tmp_path))
    browser.get(files["report.html"].as_uri())
    epochs = browser.find_element(By.CSS_SELECTOR, "input[type=range]")
    reading = browser.find_element(By.CSS_SELECTOR, ".reading")
    last = reading.text
    assert "nash" in last
    epochs.send_keys(Keys.HOME)
    assert browser.find_element(By.CSS_SELECTOR, ".epoch output").text == "1"
    assert reading.text != last
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
