"""The reference says what the package declares, and leaves nothing out."""

import dataclasses
import importlib

import pytest

from fairrun.about import declared, files
from fairrun.config.keys import CONF
from fairrun.config.metrics import ANY, FUNCTIONS, GROUP_METRICS, METRICS, POSITIVE
from tests.helpers.synthetic import ALL_METHODS
from website import datasets, facts, keys, links, methods, metrics

DATASETS = list(files.choices("dataset"))
OF_USERS = {"csv", "image_folder"}  # which hold a user's own rows
UNSEEN = OF_USERS | {"celeba", "celeba_attributes", "lsac"}  # which need files of a user's


@pytest.fixture(scope="module")
def pages():
    return {uri: text for made in (methods, metrics, datasets, keys) for uri, text in made.pages().items()}


@pytest.mark.parametrize("name", ALL_METHODS)
def test_a_methods_page_has_every_field(pages, name):
    found = files.composed("method", name)
    module, _, cls = files.target(found, "optimizer").rpartition(".")
    fields = {field.name for field in dataclasses.fields(getattr(importlib.import_module(module), cls))}
    page = pages[f"reference/methods/{name}.md"]
    assert not {field for field in fields if f"`method.{field}`" not in page}
    assert f"({methods.ROOT}{module.replace('.', '/')}.py)" in page


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("irw", "| sees groups in training | no |"),
        ("irw", "| needs of the network | a last linear layer, `classifier` |"),
        ("irw", "| `method.layers` | `last` | one of last, all |"),
        ("irw", "| classes of the label | two or more |"),
        ("group_dro", "| sees groups in training | yes |"),
        ("nash_ltr", "| sees groups in training | of the validation batch |"),
        ("mtaf", "| tasks | several |"),
        ("penalty", "| classes of the label | two |"),
    ],
)
def test_a_methods_page_says_what_it_needs(pages, name, row):
    assert row in pages[f"reference/methods/{name}.md"]


def test_a_method_without_needs_names_none(pages):
    assert "needs of the network" not in pages["reference/methods/erm.md"]


@pytest.mark.parametrize("metric", [*METRICS.values(), *GROUP_METRICS], ids=lambda metric: metric.name)
def test_a_metric_has_a_formula_and_the_range_of_its_table(metric):
    assert metrics.formula(metric.name)
    doc = declared.docstring(f"{FUNCTIONS}.{metric.name}")[0]
    said = {"in [0, 1]": (0.0, 1.0), ">= 0": POSITIVE}
    stated = next((bounds for words, bounds in said.items() if words in doc), ANY)
    assert stated == metric.bounds or metric in GROUP_METRICS


def test_formulas_are_those_of_the_docstrings():
    assert metrics.formula("accuracy") == "P(y_pred = y)"
    assert metrics.formula("log_loss") == "(1/N) sum_i l_i, l_i = -log p_i[y_i]"


def test_the_page_of_metrics_has_all(pages):
    page = pages[metrics.PAGE]
    assert not [name for name in METRICS if f"\n## {name}\n" not in page]
    assert "left out, as groups without rows of label 1; NaN where none is left" in page


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_has_known_problems_and_facts(pages, name):
    page = pages[f"reference/datasets/{name}.md"]
    assert ("## Known problems" in page) == (name not in OF_USERS)
    assert (datasets.NOT_COUNTED in page) == (name in UNSEEN)


def test_a_data_sets_page_has_its_facts(pages):
    page = pages["reference/datasets/german.md"]
    assert "| sex=female | 310 | 31.0% | 64.8% | 174 | 43 | 93 |" in page
    assert "CC BY 4.0" in page and "c713e1dc52c65b798c5821617b17714704374adbbe9649d8b985b6fe14e5852d" in page


def counted_anew(name):
    assert facts.counted(name) == facts.read()[name], f"{facts.COMMAND} {name}"


@pytest.mark.parametrize("name", ["coloured_digits", "german"])
def test_facts_are_of_todays_data(name):
    counted_anew(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*DATASETS} - UNSEEN))
def test_all_facts_are_of_todays_data(name):
    counted_anew(name)


def test_pages_have_every_key(pages):
    common = files.leaves(files.read(CONF / "train.yaml").keys)
    assert not [key for key in common if f"| `{key}` |" not in pages["reference/keys/index.md"]]
    for node, group in keys.NODES.values():
        page = pages[f"reference/keys/{group.rpartition('/')[2]}.md"]
        own = {key for name in files.choices(group) for key in files.leaves(files.composed(group, name))}
        assert not [key for key in own if f"| `{node}.{key}` |" not in page]


def test_what_a_page_names_by_a_link_exists(pages):
    led = {uri: links.source_pages({uri: text}) for uri, text in pages.items()}
    assert "source/fairrun/methods/erm.py.md" in led["reference/methods/erm.md"]
    wanted = [f"source/conf/dataset/{name}.yaml.md" for name in DATASETS]
    assert not [uri for uri in wanted if not any(uri in found for found in led.values())]
