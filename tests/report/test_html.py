"""What the page is made of: its sizes, roles, words and links."""

import itertools
import re
from html.parser import HTMLParser

import pytest
import yaml

from fairrun.config.metrics import METRICS
from fairrun.report import glossary
from tests.helpers import bargaining
from tests.helpers.reports import HARD, SOFT, on_searchpath, sweep, texts, write_run

LARGEST = 300_000  # bytes of a small sweep's page


class Elements(HTMLParser):
    """The elements of a page, as (tag, attributes)."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag, **attributes):
        wanted = {name.replace("_", "-").strip("-"): value for name, value in attributes.items()}
        return [own for name, own in self.found if name == tag and wanted.items() <= own.items()]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return texts(folder, sweep(folder), published=("fairbinn",))["report.html"].read_text()


@pytest.mark.slow
def test_the_page_is_small(page, tmp_path):
    assert len(page.encode()) < LARGEST
    rows = [write_run(tmp_path, lam=lam / 100, seed=seed) for lam in range(100) for seed in range(5)]
    assert len(texts(tmp_path, rows)["report.html"].read_bytes()) < 2_000_000


def test_the_title_is_of_data_and_methods_and_the_headline_is_first(page):
    assert "<title>adult: erm and penalty \u2013 fairrun report</title>" in page
    assert page.index("<h1>adult: erm and penalty</h1>") < page.index('<p class="headline">') < page.index("<main>")


def test_ids_are_unique_and_what_is_referred_to_is_there(page):
    elements = Elements(page)
    ids = [own["id"] for _, own in elements.found if own.get("id")]
    assert len(set(ids)) == len(ids)
    for _, own in elements.found:
        for name in ("aria-describedby", "aria-labelledby", "for", "data-term"):
            assert set(own.get(name, "").split()) <= set(ids)
        if own.get("href", "").startswith("#"):
            assert own["href"][1:] in ids


def test_tables_have_scopes_and_names_and_their_scrollers_take_the_focus(page):
    elements = Elements(page)
    assert all(own["scope"] in ("col", "row") for own in elements.all("th"))
    scrollers = elements.all("div", _class="scroll")
    assert len(scrollers) == len(elements.all("table"))
    assert all(own["tabindex"] == "0" and own["role"] == "region" and own["aria-label"] for own in scrollers)


def test_points_are_options_of_a_list_that_takes_the_focus(page):
    elements = Elements(page)
    lists = elements.all("div", role="listbox")
    assert len(lists) == 2 and all(own["tabindex"] == "0" and own["aria-label"] for own in lists)
    (point,) = [own for own in elements.all("div", role="option") if own["aria-label"].startswith("penalty lam 2:")][:1]
    assert "accuracy 0.752 [0.747, 0.757]" in point["aria-label"]
    assert all(own["aria-label"] for own in elements.all("figure"))


def test_a_column_that_is_the_same_in_all_rows_is_said_once(page):
    head = re.findall(r"<thead>.*?</thead>", page, flags=re.DOTALL)[0]
    assert "seeds" not in head and "demographic parity difference" in head
    assert "The same in all rows: seeds: 3; front: *" in page or "The same in all rows: seeds: 3" in page


@pytest.mark.parametrize("name", METRICS)
def test_the_glossary_defines_a_metric_without_its_formula_and_range(name):
    text = glossary.metric(name)
    assert text and not re.search(r"Formula|better|>= 0|\n", text)


def test_headings_that_the_glossary_defines_point_to_it(page):
    elements = Elements(page)
    terms = dict(re.findall(r'<dt>([^<]*)</dt><dd id="([^"]*)">', page))
    assert {"front", "hypervolume", "AOPAC", "95% interval", "erm"} <= set(terms)
    assert {"data-term": terms["hypervolume"]}.items() <= elements.all("button", data_term=terms["hypervolume"])[
        0
    ].items()


def test_data_sets_that_define_a_word_differently_have_an_entry_each(tmp_path):
    rows = sweep(tmp_path)
    rows += [row | {"base_rates.test": [[50, 10], [50, 10]]} for row in sweep(tmp_path, dataset="law_school")]
    entries = re.findall(r"<dt>hypervolume</dt><dd[^>]*>(\w+):", texts(tmp_path, rows)["report.html"].read_text())
    assert entries == ["adult", "law_school"]


def test_runs_are_links_to_their_folders_and_the_command_that_made_the_sweep_is_there(tmp_path):
    rows = sweep(tmp_path)
    own = "hydra.searchpath=[file:///home/a/conf]"  # which nobody has typed, and every command finds
    given = {"hydra": ["hydra.sweep.dir=a b", "hydra.mode=MULTIRUN", own], "task": ["benchmark=quickstart"]}
    node = {"overrides": given, "runtime": {"cwd": "/home/a", "config_sources": on_searchpath(own)}}
    (tmp_path / "multirun.yaml").write_text(yaml.safe_dump({"hydra": node}))
    text = texts(tmp_path, rows)["report.html"].read_text()
    links = [own["href"] for own in Elements(text).all("a")]
    assert all((tmp_path / link).is_dir() for link in links) and len(links) == 12
    assert "<code>fairrun sweep benchmark=quickstart &#39;hydra.sweep.dir=a b&#39;</code>" in text


def test_what_a_chart_says_of_a_line_covers_no_point(page):
    """A value beyond the axes stands below the panel; the text at a line lies behind the points."""
    assert "Beyond the axes: " in page and not re.search(r'class="rule-text[^>]*>[←→↑↓]', page)
    plots = page.split('<div class="plot">')[1:]
    places = [(plot.rfind('class="rule-text'), plot.find('<div class="points')) for plot in plots]
    both = [(texts, points) for texts, points in places if texts > -1 and points > -1]
    assert both and all(texts < points for texts, points in both)


def test_what_is_recommended_is_marked_in_chart_and_table(page):
    assert page.count('<span class="badge">recommended</span>') == 1
    assert len([own for own in Elements(page).all("div", role="option") if "chosen" in own["class"].split()]) == 2


def test_colours_of_a_page_are_those_of_the_methods(page):
    for method, colour in (("erm", "ink"), ("penalty", "orange")):
        buttons = [own for own in Elements(page).all("button") if own.get("data-name") == method]
        assert [own["class"] for own in buttons] == [f"c-{colour}"]


def test_curves_have_a_range_for_epochs_with_a_label(tmp_path):
    elements = Elements(texts(tmp_path, bargaining.sweep(tmp_path))["report.html"].read_text())
    (epochs,) = elements.all("input", type="range")
    assert elements.all("label", _for=epochs["id"]) and epochs["max"] == str(bargaining.EPOCHS - 1)


def test_a_sweep_without_values_of_the_metric_says_so_instead_of_an_empty_chart(tmp_path):
    rows = sweep(tmp_path)
    for row in rows:
        row[f"test/{HARD}"] = row[f"test/{SOFT}"] = float("nan")
    text = texts(tmp_path, rows)["report.html"].read_text()
    assert "there is nothing to draw" in text and "<figure" not in text


def test_comparisons_that_matter_come_first_and_the_others_are_folded(tmp_path):
    """Of ten pairs and five areas: the hypervolume against ERM, and against the best, which is method_d."""
    lams = {"erm": 0.0, "method_a": 0.1, "method_b": 0.2, "method_c": 0.3, "method_d": 0.5}
    best = {"method_d": {f"{split}/{HARD}": 0.01 for split in ("val", "test")}}
    runs = itertools.product(lams.items(), range(3))
    rows = [write_run(tmp_path, name, lam, seed, **best.get(name, {})) for (name, lam), seed in runs]
    files = texts(tmp_path, rows)
    page = files["report.html"].read_text()
    first, rest = page[page.index(">Methods compared</h3>") :].split("<details", 1)
    shown = re.findall(r"<tr><th scope=\"row\">(\S+)</th><td>(\S+)</td><td>(\S+)</td>", first)
    assert {area for area, *_ in shown} == {"hypervolume"} and len(shown) == 7
    assert all({"erm", "method_d"} & set(pair) for _, *pair in shown)
    assert f"{5 * 10 - 7} more rows" in rest.partition("</summary>")[0]
    assert files["table.md"].read_text().count("hypervolume | method_a") == 3


def test_few_comparisons_are_not_folded(tmp_path):
    page = texts(tmp_path, sweep(tmp_path))["report.html"].read_text()
    assert " more rows" not in page


def test_tables_of_several_data_sets_have_names_of_their_own(tmp_path):
    rows = [row for name in ("adult", "law_school") for row in sweep(tmp_path, dataset=name)]
    page = texts(tmp_path, rows)["report.html"].read_text()
    names = [own["aria-label"] for own in Elements(page).all("div", role="region")]
    assert len(names) > 10 and len(set(names)) == len(names)
