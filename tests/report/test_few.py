"""Metrics that rest on a group of few test rows are marked, and the group is named."""

import pandas as pd
import pytest

from fairrun.config.metrics import LEAST_CHOSEN, LEAST_ROWS
from fairrun.report import cli as report
from fairrun.report import few
from fairrun.report.options import ReportOptions
from fairrun.report.sections.tradeoff import front
from fairrun.report.tradeoffs import complete, tradeoffs
from tests.helpers import quick
from tests.helpers.reports import HARD, sweep, written

FOOTNOTE = "† adult: uncertain, rests on a group of fewer than 30 test rows: sex=M: 29"


def with_rows(rows, *counts):
    """The runs, with so many test rows of each group; half of them are of class 1."""
    return [row | {"base_rates.test": [[n, n // 2] for n in counts]} for row in rows]


def of(rows, **given):
    (found,) = tradeoffs(pd.DataFrame(rows), complete(pd.DataFrame(rows), ReportOptions(**given)))
    return found


def headings(text, first):
    """The headings of the tables in Markdown whose first heading is ``first``."""
    lines = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for line in lines for cell in line.strip("|").split("|")]


def test_metrics_that_compare_groups_are_marked_and_others_are_not(tmp_path):
    rows = with_rows(sweep(tmp_path), 50, 29)
    text = written(tmp_path, rows, columns=("roc_auc", "worst_group_accuracy"))["table.md"].read_text()
    found = headings(text, "method")
    assert {"demographic parity difference †", "worst group accuracy †", "hypervolume †", "AOPAC †"} <= set(found)
    assert {"accuracy", "roc auc", "seeds"} <= set(found)
    assert text.count(FOOTNOTE) == 4  # configurations, rates by group, methods, comparisons


def test_a_hypervolume_of_another_metric_is_not_marked(tmp_path):
    rows = with_rows([row | {"val/roc_auc": 0.9} for row in sweep(tmp_path)], 50, 29)
    found = headings(written(tmp_path, rows, metric="roc_auc")["table.md"].read_text(), "method")
    assert "hypervolume" in found and "roc auc" in found and not [name for name in found if "†" in name]


@pytest.mark.parametrize("counts", [(50, LEAST_ROWS), (50, 0)])
def test_enough_rows_or_none_are_no_mark(tmp_path, counts):
    files = written(tmp_path, with_rows(sweep(tmp_path), *counts))
    assert "†" not in files["table.md"].read_text() + files["report.html"].read_text()
    assert "few_test_rows" not in pd.read_csv(files["table.csv"])


def test_the_terminal_marks_tables_and_has_one_footnote(tmp_path, capsys):
    report.show(tmp_path, pd.DataFrame(with_rows(sweep(tmp_path), 50, 29)))
    printed = capsys.readouterr().out
    assert "demographic parity difference †" in printed and "hypervolume †" in printed
    assert printed.count(FOOTNOTE) == 1


def test_the_page_the_picture_and_the_csv_name_the_group(tmp_path):
    rows = with_rows(sweep(tmp_path), 50, 29)
    files = written(tmp_path, rows)
    page = files["report.html"].read_text()
    assert page.count(FOOTNOTE) == 1  # below the chart
    assert "demographic parity difference †" in page
    assert front(of(rows)).panels[0].x.title == "demographic parity difference †"
    assert set(pd.read_csv(files["table.csv"])["few_test_rows"]) == {"sex=M: 29"}


@pytest.mark.parametrize(
    ("metric", "expected"),
    quick.few([
        (HARD, ["50 validation rows: sex=M: 49"]),
        ("equalized_odds_difference", ["50 validation rows of label 0: sex=M: 25",
                                       "50 validation rows of label 1: sex=F: 30; sex=M: 24"]),
        ("roc_auc", []),
    ], 1),
)  # fmt: skip
def test_groups_whose_few_validation_rows_a_choice_rests_on_are_named_once(metric, expected, tmp_path, capsys):
    known = {f"{split}/{metric}": 0.3 for split in ("val", "test")}
    own = {"base_rates.val": [[LEAST_CHOSEN * 2, 30], [LEAST_CHOSEN - 1, 24]]}
    rows = [{**row, **known, **own} if metric != HARD else row | own for row in sweep(tmp_path)]
    text = "adult: partly noise, as what is chosen (a setting, a bound, thresholds) rests on a group of fewer than"
    warned = few.warnings(of(rows, metric=metric))
    assert warned == [f"{text} {rest}." for rest in expected]
    report.show(tmp_path, pd.DataFrame(rows), ReportOptions(metric=metric))
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("partly noise") == len(expected) and all(line in printed for line in warned)
    assert (tmp_path / "report.html").read_text().count("partly noise") == len(expected)


def test_where_nothing_is_chosen_by_groups_few_validation_rows_are_no_warning(tmp_path):
    alone = [row | {"base_rates.val": [[10, 5], [10, 5]]} for row in sweep(tmp_path)[:3]]
    assert not few.warnings(of(alone))
    assert few.warnings(of([row | {"postprocess": "equalized_odds"} for row in alone]))


def test_methods_whose_seeds_are_alike_are_named(tmp_path, capsys):
    rows = [row | ({"test/accuracy": 0.84} if row["method"] == "erm" else {}) for row in sweep(tmp_path)]
    text = "adult: all seeds of erm give the same accuracy: intervals without width say nothing"
    report.show(tmp_path, pd.DataFrame(rows))
    assert text in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "report.html").read_text().count("intervals without width") == 1
    assert not few.seeds_alike(of(sweep(tmp_path / "others")))
    assert not few.seeds_alike(of(rows[:2]))  # no interval


@pytest.mark.slow
def test_pairs_are_marked(tmp_path):
    rows = with_rows(sweep(tmp_path), 50, 29)
    text = written(tmp_path, rows, compare=(("penalty", "erm"),))["table.md"].read_text()
    assert "demographic parity difference †" in headings(text, "first")


def test_of_several_splits_the_smallest_number_that_is_not_0_counts(tmp_path):
    first, second, third = sweep(tmp_path)[:3]
    rows = [*with_rows([first], 50, 29), *with_rows([second], 50, 12), *with_rows([third], 50, 0)]
    assert few.few_rows(of(rows)) == {"sex=M": 12}


def test_data_sets_are_told_apart(tmp_path):
    rows = [*with_rows(sweep(tmp_path, 1), 50, 29), *with_rows(sweep(tmp_path, 1, dataset="law_school"), 50, 50)]
    marked = {found.dataset: few.note(found) for found in tradeoffs(pd.DataFrame(rows), complete(pd.DataFrame(rows)))}
    assert marked == {"adult": f"{FOOTNOTE}.", "law_school": ""}


def test_of_tasks_the_task_with_the_fewest_rows_counts(tmp_path):
    rows = [
        row
        | {"base_rates.a/test": [[50, 5], [40, 5]], "base_rates.b/test": [[20, 5], [35, 5]], "base_rates.test": None}
        for row in sweep(tmp_path)
    ]
    assert few.few_rows(of(rows, metric=HARD)) == {"sex=F": 20}
