"""The table of rates by group, against numbers by hand."""

import pandas as pd
import pytest

from fairrun.report.sections.groups import build, by_group
from tests.helpers.reports import sweep, texts, trade, write_run

FEW = [[50, 30], [29, 10]]
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")


def with_rates(rows):
    """Group g of seed k has accuracy .8 - g / 10 + k / 100, and other rates of .5 + g / 10; the penalty .1 less."""
    for row in rows:
        less = 0.1 * (row["method"] == "penalty")
        for g in range(2):
            row[f"test/accuracy/s={g}"] = 0.8 - g / 10 + row["seed"] / 100 - less
            row |= {f"test/{name}/s={g}": 0.5 + g / 10 - less for name in RATES}
    return rows


def test_the_recommended_configuration_and_the_baseline_are_side_by_side_for_each_group(tmp_path):
    found = trade(tmp_path, with_rates([row | {"fairness_bound": 0.2} for row in sweep(tmp_path)]))
    table = by_group(found).set_index(["group", "configuration"])
    assert [*table.index] == [(group, name) for group in ("sex=F", "sex=M") for name in ("penalty lam 1", "erm")]
    erm = table.loc["sex=M", "erm"]
    assert erm["rows"] == 50 and erm["base_rate"] == pytest.approx(10 / 50)
    assert erm["accuracy"] == pytest.approx(0.71) and erm["accuracy.low"] < 0.71 < erm["accuracy.high"]
    assert table.loc[("sex=M", "penalty lam 1"), "true_positive_rate"] == pytest.approx(0.5)
    (shown,) = build(found, None).tables
    assert [*shown.rows] == ["group", "configuration", "rows", "base rate", "selection rate", "accuracy",
                             "true positive rate", "false positive rate"]  # fmt: skip
    assert shown.marked == [0, 2] and shown.rows["accuracy"].iloc[1].startswith("0.810 [")


def test_one_configuration_is_shown_alone_and_none_without_a_choice(tmp_path):
    rows = with_rates(sweep(tmp_path / "a")[:3])
    (shown,) = build(trade(tmp_path, rows), None).tables
    assert set(shown.rows["configuration"]) == {"erm"} and not shown.marked
    off = {"val/selection_rate": 0.0}
    constant = [write_run(tmp_path / "b", lam=lam, seed=k, **off) for lam in (1.0, 2.0) for k in range(2)]
    assert build(trade(tmp_path, with_rates(constant)), None) is None


def test_several_classes_have_accuracies_alone(tmp_path):
    cells = [[30, 10, 10], [20, 5, 5]]
    rows = [row | {"base_rates.test": cells} for row in with_rates(sweep(tmp_path)[:3])]
    rows = pd.DataFrame(rows).drop(columns=[c for c in rows[0] if "_rate/" in c]).to_dict("records")
    (shown,) = build(trade(tmp_path, rows), None).tables
    assert [*shown.rows] == ["group", "configuration", "rows", "accuracy"] and not shown.terms
    assert [*shown.rows["rows"]] == ["30", "20"]


def test_several_tasks_have_means_and_the_rows_of_the_task_with_the_fewest(tmp_path):
    cells = {"base_rates.a/test": [[50, 5], [40, 5]], "base_rates.b/test": [[35, 5], [45, 5]], "base_rates.test": None}
    rows = [row | cells | {"test/accuracy/a": 0.8, "test/accuracy/b": 0.7} for row in with_rates(sweep(tmp_path)[:3])]
    (shown,) = build(trade(tmp_path, rows), None).tables
    assert [*shown.rows["rows"]] == ["35", "40"] and "base rate" not in shown.rows
    for text in (shown.lead, shown.caption):
        assert "rates are means over tasks, decisions at 0.5, and rows those of the task with the fewest" in text


def test_the_badge_is_at_the_configuration_and_groups_of_few_rows_are_marked(tmp_path):
    rows = with_rates([row | {"fairness_bound": 0.2, "base_rates.test": FEW} for row in sweep(tmp_path)])
    files = texts(tmp_path, rows)
    page = files["report.html"].read_text()
    body = page[page.index(">Rates by group</h") : page.index(">Methods</h")]
    assert body.count('penalty lam 1 <span class="badge">recommended</span></td>') == 2 == body.count("badge")
    assert body.count('<th scope="row">sex=F</th>') == body.count('<th scope="row">sex=M †</th>') == 2
    assert "† Fewer than 30 test rows: uncertain." in body
    assert (
        "| sex=M † | erm | 29 |" in files["table.md"].read_text()
        and "† adult: uncertain" in files["table.md"].read_text()
    )
    assert set(pd.read_csv(tmp_path / "groups.csv")["group"]) == {"sex=F", "sex=M"}


def test_runs_of_a_configuration_with_a_mapping_have_their_title_and_rates(tmp_path):
    own = {"dataset.sensitive": [{"column": "age", "bins": [25]}], "dataset.task": {"column": "gain", "above": 2}}
    rows = with_rates([row | {"fairness_bound": 0.2} | own for row in sweep(tmp_path)])
    rows += with_rates([row | {"fairness_bound": 0.2, "dataset.sensitive": ["sex"]} for row in sweep(tmp_path / "b")])
    page = texts(tmp_path, rows)["report.html"].read_text()
    assert page.count(">Rates by group</h") == 2 and "sensitive age &gt;= 25" in page and "{&#39;" not in page
