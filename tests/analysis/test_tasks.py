"""Several tasks: the planes, the rule that picks a setting, tables and picture; made-up runs on Adult."""

import contextlib
import io

import numpy as np
import pandas as pd
import pytest

from fairrun.analysis.interval import interval
from fairrun.analysis.tasks import ARE, ARFG, multitask
from fairrun.config.check import InputError
from fairrun.report import cli as report
from fairrun.report.charts.picture import draw
from fairrun.report.options import ReportOptions
from fairrun.report.sections.tasks import captioned, chart, methods_table, settings_table
from fairrun.report.tradeoffs import check, complete, tradeoffs
from tests.helpers.reports import WRITTEN, texts, trade, write_run

TASKS = ("income", "capital_gain")
GAP = "false_positive_rate_difference"
METRIC = {"name": GAP, "greater_is_better": False, "surrogate": "none"}
STL = (0.16, 0.2), (0.12, 0.08)  # errors and gaps of the two tasks


def task_run(folder, method, errors, gaps, seed=0, lam=0.0, val=None, dataset="adult", tasks=TASKS):
    """Write a run of several tasks -> its row of the frame: errors and gaps of tasks at the match-rate threshold,
    at 0.5 half of them; ``val``: errors and gaps on validation rows where they are others.
    """
    scores = {}
    for split, (wrong, apart) in {"val": val or (errors, gaps), "test": (errors, gaps)}.items():
        for prefix, share in (("match_rate_", 1), ("", 0.5)):
            accuracies, spreads = [1 - share * e for e in wrong], [share * g for g in apart]
            scores |= {f"{split}/{prefix}accuracy": np.mean(accuracies), f"{split}/{prefix}{GAP}": np.mean(spreads)}
            for task, accuracy, gap in zip(tasks, accuracies, spreads, strict=True):
                scores |= {f"{split}/{prefix}accuracy/{task}": accuracy, f"{split}/{prefix}{GAP}/{task}": gap}
                scores |= {f"{split}/accuracy/{task}/s=0": accuracy}
    return write_run(folder, method, lam, seed, dataset, METRIC, **scores)


def sweep(folder, seeds=3, dataset="adult"):
    """stl, mtl, and two methods that trade error for gap by lam; mtaf is better than mtl_fair in both."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(seeds):

        def near(errors, gaps):
            return tuple(tuple(v * (1 + rng.normal(0, 0.02)) for v in values) for values in (errors, gaps))

        rows.append(task_run(folder, "stl", *near(*STL), seed, dataset=dataset))
        rows.append(task_run(folder, "mtl", *near((0.159, 0.198), (0.121, 0.09)), seed, dataset=dataset))
        for method, cost in (("mtl_fair", 0.03), ("mtaf", 0.02)):
            for lam in (0.5, 1.0, 2.0):
                errors = [e * (1 + cost * lam) for e in STL[0]]
                gaps = [g * np.exp(-lam - (0.2 if method == "mtaf" else 0)) for g in STL[1]]
                rows.append(task_run(folder, method, *near(errors, gaps), seed, lam, dataset=dataset))
    return rows


def told(folder, rows, **options):
    return multitask(trade(folder, rows, **options))


def by_hand(folder, extra=()):
    """stl: errors .2 and .1, gaps .1 and .05; settings of mtaf by lam: (ARE, ARFG) on validation and on test rows."""
    rows = [task_run(folder, "stl", (0.2, 0.1), (0.1, 0.05))]
    points = [("mtl", 0.0, (1.0, 1.0), (1.0, 1.2)), ("mtaf", 1.0, (1.008, 0.5), (1.05, 0.6))]
    points += [("mtaf", 2.0, (1.02, 0.2), (1.0, 0.1)), ("mtaf", 3.0, (1.005, 0.7), (1.1, 0.4)), *extra]
    for method, lam, *figures in points:
        val, test = (((0.2 * are, 0.1 * are), (0.1 * arfg, 0.05 * arfg)) for are, arfg in figures)
        rows.append(task_run(folder, method, *test, 0, lam, val=val))
    return rows


# Planes and fronts


def test_runs_of_one_label_have_no_such_report(tmp_path):
    assert told(tmp_path, [write_run(tmp_path, "erm", 0.0, seed) for seed in range(2)]) is None


def test_settings_are_means_over_seeds_with_intervals(tmp_path):
    rows = [task_run(tmp_path, "stl", *STL, seed) for seed in (0, 1)]
    rows += [task_run(tmp_path, "mtl", (0.16 + seed / 100, 0.2), (0.1, 0.04), seed) for seed in (0, 1)]
    row = told(tmp_path, rows).settings.set_index("method").loc["mtl"]
    assert row["test/match_rate_error/income"] == pytest.approx(0.165)
    assert row["test/error/income"] == pytest.approx(0.0825)
    low, high = interval(np.array([0.16, 0.17]))
    found = row[["test/match_rate_error/income.low", "test/match_rate_error/income.high"]].to_numpy(dtype=float)
    np.testing.assert_allclose(found, [low, high])
    assert row[f"test/{ARFG}"] == pytest.approx((0.1 / 0.12 + 0.04 / 0.08) / 2)
    assert row[f"val/{ARE}"] == pytest.approx((0.165 / 0.16 + 1) / 2)


def test_every_plane_has_fronts_of_its_own_that_validation_rows_choose(tmp_path):
    """Of mtaf on validation rows lam 1 beats lam 2 in task 1, and the other way round in task 2; (ARE, ARFG) is
    (1, 1.25) and (1, 1).  On test rows all is equal.
    """
    same = (0.2, 0.2), (0.1, 0.1)
    rows = [task_run(tmp_path, "stl", *same)]
    rows.append(task_run(tmp_path, "mtaf", *same, lam=1.0, val=((0.1, 0.3), (0.05, 0.2))))
    rows.append(task_run(tmp_path, "mtaf", *same, lam=2.0, val=((0.2, 0.2), (0.1, 0.1))))
    planes = told(tmp_path, rows).planes
    assert [plane.title for plane in planes] == ["income", "capital gain", "ARE against ARFG"]
    assert [plane.settings["method_front"].tolist() for plane in planes] == [
        [True, False, True],  # the last is stl
        [False, True, True],
        [False, True, True],
    ]


def test_the_hypervolume_by_hand(tmp_path):
    """Reference (1.2, 1).  mtaf: validation rows choose all three settings; on test rows (ARE, ARFG) = (1.05, .6),
    (1, .1), (1.1, .4), of which the second dominates the others: .2 x .9 = .18.  mtl: ARFG 1.2 is beyond the reference.
    """
    found = told(tmp_path, by_hand(tmp_path)).methods.set_index("method")["hypervolume"]
    assert found["mtaf"] == pytest.approx(0.18)
    assert found["mtl"] == 0


def test_what_validation_rows_do_not_choose_adds_nothing_to_the_hypervolume(tmp_path):
    """A setting that is dominated on validation rows and best on test rows."""
    rows = by_hand(tmp_path, [("mtaf", 4.0, (1.3, 0.9), (0.5, 0.01))])
    assert told(tmp_path, rows).methods.set_index("method")["hypervolume"]["mtaf"] == pytest.approx(0.18)


def test_the_hypervolume_has_a_value_a_seed(tmp_path):
    rows = sweep(tmp_path, seeds=4)
    found = told(tmp_path, rows).methods.set_index("method").loc["mtaf"]
    assert found["seeds"] == 4
    assert found["hypervolume.low"] < found["hypervolume"] < found["hypervolume.high"]


# The rule


def test_the_rule_picks_the_least_arfg_within_the_are_of_mtl(tmp_path):
    """mtl has ARE 1, so 1.01 is allowed: lam 1 (1.008, .5) and lam 3 (1.005, .7), not lam 2 (1.02, .2)."""
    found = told(tmp_path, by_hand(tmp_path))
    row = found.methods.set_index("method").loc["mtaf"]
    assert found.bound == pytest.approx(1.01) and found.vanilla
    assert row["picked"] == "lam 1"
    assert row[f"test/{ARE}"] == pytest.approx(1.05)
    assert row[f"test/{ARFG}"] == pytest.approx(0.6)
    assert row["test/match_rate_error/income"] == pytest.approx(0.21)


def test_the_rule_follows_the_are_of_mtl(tmp_path):
    """mtl with ARE 1.02: 1.03 is allowed, so lam 2."""
    rows = [row for row in by_hand(tmp_path) if row["method"] != "mtl"]
    worse = (0.2 * 1.02, 0.1 * 1.02), (0.1, 0.05)
    found = told(tmp_path, [*rows, task_run(tmp_path / "more", "mtl", *worse)])
    assert found.methods.set_index("method").loc["mtaf", "picked"] == "lam 2"


def test_without_mtl_the_rule_allows_an_are_of_1_01_and_says_so(tmp_path):
    found = told(tmp_path, [row for row in by_hand(tmp_path) if row["method"] != "mtl"])
    assert found.bound == pytest.approx(1.01) and not found.vanilla
    assert found.methods.set_index("method").loc["mtaf", "picked"] == "lam 1"


def test_where_no_setting_is_allowed_none_is_picked(tmp_path):
    rows = [row for row in by_hand(tmp_path) if row.get("method.lam") not in (1.0, 3.0)]
    row = methods_table(told(tmp_path, rows)).set_index("method").loc["mtaf"]
    assert row[["picked", "ARE", "income: gap"]].tolist() == ["none", "-", "-"]


# Tables


def test_the_tables_have_a_row_a_setting_and_a_method(tmp_path):
    found = told(tmp_path, sweep(tmp_path))
    table = settings_table(found)
    figures = [f"{task}: {name}" for task in ("income", "capital gain") for name in ("error", "gap")]
    assert list(table) == ["method", "lam", "seeds", *figures, "ARE", "ARFG", "KG", "DG", "front"]
    assert len(table) == 8
    assert table[table["method"] == "stl"]["ARFG"].item().startswith("1.0000 [")
    assert list(settings_table(found, "")) == ["method", "lam", "seeds", *figures, "ARE", "ARFG"]
    assert methods_table(found)["method"].tolist() == ["mtaf", "mtl", "mtl_fair", "stl"]


@pytest.mark.slow
def test_figures_that_compare_groups_are_marked_where_a_group_has_few_test_rows(tmp_path):
    rows = [row | {"base_rates.income/test": [[50, 9], [29, 9]]} for row in sweep(tmp_path)]
    text = texts(tmp_path, rows)["table.md"].read_text()
    assert (
        "income: error | income: gap † | capital gain: error | capital gain: gap † | ARE | ARFG † | KG | DG †" in text
    )
    assert "† adult: uncertain, rests on a group of fewer than 30 test rows: sex=M: 29." in text


def test_published_rows_follow_labelled_so(tmp_path):
    found = told(tmp_path, sweep(tmp_path), published=("mtaf",))
    table = settings_table(found).set_index("method")
    row = table.loc["published: MTA-F (Tables 3, 4)"]
    figures = ["income: error", "income: gap", "capital gain: error", "capital gain: gap", "ARE", "ARFG", "KG", "lam"]
    assert row[figures].tolist() == ["0.1891", "0.0083", "0.1319", "0.0016", "1.0820", "0.0437", "-", ""]
    assert table.loc["published: MTL (Table 1)", "ARE"] == "-"
    assert not settings_table(found, "")["method"].str.startswith("published").any()


def test_the_captions(tmp_path, snapshot):
    """With published rows; without a run of mtl, whose ARE bounds what the rule may pick."""
    rows = sweep(tmp_path)
    several = told(tmp_path, rows, published=("mtaf",)), told(tmp_path, [row for row in rows if row["method"] != "mtl"])
    snapshot("captions_of_tasks.md", "".join(f"{table.caption}\n" for found in several for table in captioned(found)))


def test_without_single_task_runs_the_planes_are_those_of_the_tasks(tmp_path, caplog):
    found = told(tmp_path, [row for row in sweep(tmp_path) if row["method"] != "stl"])
    assert [plane.title for plane in found.planes] == ["income", "capital gain"]
    table = settings_table(found)
    assert (table[["ARE", "ARFG", "KG", "DG"]] == "-").all(axis=None)
    assert table["income: error"].str.startswith("0.1").all()
    chart(found)
    assert "method=stl,mtl,mtl_fair,mtaf" in caplog.text


# The report


def test_metrics_of_tasks_can_be_shown_in_the_other_tables(tmp_path):
    names = ["arfg", "are", "match_rate_arfg", "kg", "dg", "accuracy/income", f"{GAP}/capital_gain"]
    found = trade(tmp_path, sweep(tmp_path), columns=names)
    assert found.settings[[f"test/{name}" for name in names]].notna().all(axis=None)
    assert [found.directions[name].split()[0] for name in names] == [
        *("lower",) * 3,
        "higher",
        "lower",
        "higher",
        "lower",
    ]
    assert not trade(tmp_path, sweep(tmp_path / "b"), metric="arfg").greater_is_better


def test_what_is_asked_for_and_no_run_has_is_named(tmp_path, caplog):
    rows = [row | {"report.columns": ["arfg", "accuracy/foo"]} for row in sweep(tmp_path)]
    assert trade(tmp_path, rows).columns == ["arfg"]
    assert trade(tmp_path, rows, columns=["kg", "accuracy/bar"]).columns == ["kg"]
    for name in ("foo", "bar"):
        assert f"report.columns has 'accuracy/{name}', which no run has" in caplog.text
    with pytest.raises(InputError, match=r"columns must be one of .*, got 'foo/income'"):
        check(pd.DataFrame(rows), ReportOptions(columns=("foo/income",)))


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """What the command wrote, by name, and printed: of a data set with tasks and one without."""
    folder = tmp_path_factory.mktemp("report")
    sweep(folder)
    for seed in (0, 1):
        write_run(folder, "erm", 0.0, seed, "compas", METRIC, **{f"{split}/{GAP}": 0.1 for split in ("val", "test")})
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        report.main([str(folder), "--published", "mtaf"])
    return {path.name: path for path in folder.iterdir() if path.is_file()}, shown.getvalue()


@pytest.mark.slow
def test_a_report_on_tasks_has_their_pictures_and_tables(reported):
    files, _ = reported
    more = {"tasks.csv", "tasks_methods.csv"}
    names = ("front_adult", "front_compas", "tasks_adult")
    pictures = {f"{name}.{kind}" for name in names for kind in ("png", "pdf", "svg")}
    others = {name for name in WRITTEN if not name.startswith("front")}
    assert set(files) - {report.LISTING} == others | pictures | more
    for name in ("report.html", "table.md", "table.tex"):
        assert "published: MTA-F (Tables 3, 4)" in files[name].read_text()
    settings = pd.read_csv(files["tasks.csv"])
    assert settings["dataset"].eq("adult").all() and len(settings) == 8
    assert not settings["method"].str.startswith("published").any()
    assert {"hypervolume", "picked", f"test/{ARFG}"} <= set(pd.read_csv(files["tasks_methods.csv"]))


def test_the_page_has_a_section_on_tasks(reported):
    files, _ = reported
    text = files["report.html"].read_text()
    assert text.count("<h3>Tasks</h3>") == 1
    assert text.count('<figure id="tasks-') == 1
    for title in ("Configurations, match-rate threshold", "Configurations, threshold 0.5", "Methods, ARE and ARFG"):
        assert f"<h4>{title}</h4>" in text


def test_the_command_prints_the_tables_of_tasks(reported):
    _, shown = reported
    said = (
        "adult, tasks at the match-rate threshold",
        "adult, tasks at 0.5",
        "MTA-F (Tables",  # folded, behind "published:"
        "picked: the configuration",
    )
    assert all(text in shown for text in said)
    assert "compas, tasks" not in shown


def test_methods_told_apart_by_a_key_are_measured_against_the_same_single_task_runs(tmp_path):
    found = told(tmp_path, sweep(tmp_path), split_by=["method.lam"])
    assert "mtaf, lam 2" in found.names
    assert found.settings[f"test/{ARFG}"].notna().all()
    assert found.vanilla


# The reference


@pytest.mark.slow
def test_a_reference_is_missed_only_where_its_kind_of_points_would_be_drawn(tmp_path, caplog):
    told(tmp_path, sweep(tmp_path), published=("mtaf",))
    trade(tmp_path, [write_run(tmp_path, "erm", 0.0)], published=("mtaf",))
    assert not caplog.messages
    trade(tmp_path, sweep(tmp_path / "b", dataset="compas"), published=("mtaf",))
    assert caplog.messages == ["report.published has no point of the tasks on compas"]


# The picture


def test_the_chart_has_a_panel_a_task_and_one_of_are_against_arfg(tmp_path):
    found = told(tmp_path, sweep(tmp_path), published=("mtaf",))
    panels = chart(found).panels
    assert [panel.title for panel in panels] == ["income", "capital gain", "ARE against ARFG"]
    income, _, relative = ({one.name: one for one in panel.series} for panel in panels)
    chosen = found.settings[(found.settings["method"] == "mtaf") & found.settings["method_front"]]
    expected = chosen.sort_values(f"test/{ARFG}")[[f"test/{ARFG}", f"test/{ARE}"]]
    np.testing.assert_array_equal(relative["mtaf"].line, expected)
    published = "published: MTA-F (Tables 3, 4)"
    for series, expected in ((income, (0.0083, 0.1891)), (relative, (0.0437, 1.082))):
        assert [(point.x, point.y) for point in series[published].points] == [expected]
    assert {panel.better for panel in panels} == {"↙"}


def test_lines_mark_what_is_as_single_task_runs(tmp_path):
    rules = chart(told(tmp_path, sweep(tmp_path))).panels[2].rules
    assert [(rule.axis, rule.at) for rule in rules] == [("x", 1.0), ("y", 1.0)]


@pytest.mark.slow
def test_a_setting_that_is_far_off_does_not_squash_the_panel(tmp_path):
    """Of ARFG 50, and one without a known gap."""
    rows = [*sweep(tmp_path), *(task_run(tmp_path, "mtaf", STL[0], (10.0, 1.0), seed, 9.0) for seed in range(3))]
    rows += [task_run(tmp_path, "mtaf", STL[0], (np.nan, 0.1), seed, 10.0) for seed in range(3)]
    found = chart(told(tmp_path, rows))
    assert found.panels[2].x.high < 3 and found.panels[2].missing == 2
    written = [text.get_text() for text in draw(found).axes[2].texts]
    assert "not shown: 2 far off or undefined" in written


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [("a",), ("a", "b", "c", "d")])
def test_any_number_of_tasks_can_be_drawn(tmp_path, tasks):
    many = len(tasks)
    rows = [
        task_run(tmp_path, method, (error,) * many, (0.1,) * many, seed, tasks=tasks)
        for method, error in (("stl", 0.2), ("mtl", 0.19))
        for seed in (0, 1)
    ]
    found = told(tmp_path, rows)
    assert len(draw(chart(found)).axes) == many + 1
    assert settings_table(found)["ARE"].tolist()[0].startswith("0.95")


@pytest.mark.slow
def test_the_picture_of_the_same_runs_is_the_same(tmp_path):
    found = told(tmp_path, sweep(tmp_path, seeds=2))
    first, second = io.BytesIO(), io.BytesIO()
    for file in (first, second):
        draw(chart(found)).savefig(file, dpi=50)
    assert first.getvalue() == second.getvalue()


def test_runs_of_other_tasks_on_the_data_set_have_a_report_of_their_own(tmp_path):
    """Also runs of one label: an accuracy of one task is not compared with a mean over tasks."""
    rows = [task_run(tmp_path, method, *STL, seed) for method in ("stl", "mtl") for seed in range(2)]
    third = ((*STL[0], 0.3), (*STL[1], 0.2))
    tasks = (*TASKS, "hours")
    rows += [task_run(tmp_path, method, *third, seed, 1.0, tasks=tasks) for method in ("stl", "mtl") for seed in (0, 1)]
    rows += [write_run(tmp_path, "erm", 2.0, seed, "adult", METRIC) for seed in range(2)]
    trades = tradeoffs(frame := report.load(tmp_path), complete(frame))
    names = ["adult, income and capital_gain", "adult, income and capital_gain and hours", "adult, one label"]
    assert sorted(trade.dataset for trade in trades) == names
    assert {trade.dataset: len(trade.runs) for trade in trades} == dict(zip(names, (4, 4, 2), strict=True))
