"""The facts about data sets, as lines."""

import pandas as pd
import pytest
from omegaconf import OmegaConf

from fairrun.config.build import build
from fairrun.facts.facts import facts_of
from fairrun.facts.text import lines
from tests.helpers.synthetic import config


def told(*overrides):
    node = OmegaConf.to_container(config(*overrides).dataset, resolve=True)
    found = facts_of(build(node, "dataset"))
    return found, "\n".join(lines(found))


@pytest.fixture
def loans(tmp_path):
    """240 rows: 160 of group a, of which 40 repay, and 80 of group b, of which 40 repay; some incomes are missing."""
    rows = [("a", k < 40, k) for k in range(160)] + [("b", k < 40, k) for k in range(80)]
    frame = pd.DataFrame(rows, columns=["group", "repaid", "income"]).assign(town=["x", "y", "z"] * 80)
    frame["income"] = ((frame["income"] * 7919) % 101).astype(float).mask(frame.index % 10 == 0)
    frame.sample(frac=1, random_state=0).to_csv(tmp_path / "loans.csv", index=False)
    return [f"dataset.path={tmp_path}/loans.csv", "dataset.label=repaid", "dataset.positive=true"]


def test_groups_labels_majority_and_the_labels_own_difference_are_counted(loans):
    found, text = told("dataset=csv", *loans, "dataset.sensitive=[group]")
    cells = [line.split() for line in text.splitlines()]
    assert ["group=a", "160", "66.7%", "120", "40", "25.0%", "48"] in cells
    assert ["group=b", "80", "33.3%", "40", "40", "50.0%", "24"] in cells
    assert ["all", "240", "100.0%", "160", "80", "33.3%", "72"] in cells
    text = " ".join(text.split())
    assert "accuracy of the majority, always label 0 0.6667 of all rows, 0.6667 of test rows" in text
    assert "demographic parity difference of the labels 0.2500 of all rows, 0.2500 of test rows" in text
    assert "24 missing cells" in text and found.account.column("income").role == "feature"
    assert "group 'group=b' has 24 test rows" in text


def test_several_tasks_and_several_classes_are_told_each(loans):
    tasks = "{paid: {column: repaid, positive: true}, rich: {column: income, above: 50}}"
    _, text = told(
        "dataset=csv", *loans, "dataset.sensitive=[group]", f"+dataset.tasks={tasks}", "dataset.missing=drop"
    )
    assert "task paid" in text and "task rich" in text
    _, text = told("dataset=coloured_digits", "dataset.label=digit", "dataset.positive=null")
    assert "label 9" in text and "base rate" not in text and "parity" not in text


def test_a_known_data_set_has_its_columns_with_roles():
    found, text = told("dataset=german")
    assert "1000 rows: 560 training, 140 validation, 300 test" in text
    roles = {column.name: column.role for column in found.account.columns}
    assert roles["sex"] == "sensitive" and "label" in roles.values() and "feature" in roles.values()


def test_images_are_counted_without_reading_them(monkeypatch):
    from fairrun.datasets.digits import ColouredDigits

    monkeypatch.setattr(ColouredDigits, "pixels", None)
    _, text = told("dataset=coloured_digits")
    assert "1797 rows" in text and "colour=red" in text
