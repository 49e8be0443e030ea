"""What a report writes, and what it says to bad input; the page as a browser shows it in test_page.py."""

import os
import re
import string
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from fairrun.config.check import InputError
from fairrun.report import cli as report
from fairrun.report.options import ReportOptions
from fairrun.report.sections import histories, methods
from fairrun.report.sections.tradeoff import front
from fairrun.report.style import estimate
from fairrun.report.tradeoffs import complete, tradeoffs
from fairrun.results import records as results
from tests.helpers.quick import few
from tests.helpers.records import rewrite
from tests.helpers.reports import HARD, SOFT, WRITTEN, sweep, texts, trade, write_run, written

# Files


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The tables and the page of the sweep of ``reports.sweep``, by name."""
    folder = tmp_path_factory.mktemp("plain")
    return texts(folder, sweep(folder))


def test_a_report_writes_pictures_tables_and_a_page(tmp_path):
    sweep(tmp_path)
    paths = report.report(tmp_path)
    assert {path.name for path in paths} == WRITTEN
    assert all(path.parent == tmp_path for path in paths)
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "front.pdf").read_bytes().startswith(b"%PDF")


def test_the_command_prints_the_table_and_ends_with_the_page(tmp_path, capsys):
    sweep(tmp_path)
    report.main([str(tmp_path), "--test-oracle"])
    shown = capsys.readouterr().out
    assert "adult: test rows, mean over seeds [95% interval]" in shown
    assert "test oracle" in shown
    assert shown.endswith(f"open {tmp_path / 'report.html'}\n")
    assert all((tmp_path / name).exists() for name in WRITTEN)


@pytest.mark.slow
def test_several_data_sets_have_a_picture_each_and_share_tables_and_page(tmp_path):
    files = written(tmp_path, [*sweep(tmp_path), *sweep(tmp_path, dataset="law_school")])
    pictures = {f"front_{dataset}.{kind}" for dataset in ("adult", "law_school") for kind in ("png", "pdf", "svg")}
    assert set(files) == {name for name in WRITTEN if not name.startswith("front")} | pictures
    assert pd.read_csv(files["table.csv"])["dataset"].unique().tolist() == ["adult", "law_school"]
    text = files["report.html"].read_text()
    assert text.count("<figure") == 2


@pytest.mark.parametrize(
    ("key", "values", "names"),
    few(
        [
            ("data_sha256", ["ab" * 32, "cd" * 32], ["adult, data abababab", "adult, data cdcdcdcd"]),
            ("dataset.sensitive", [["race"], ["sex", "race"]], ["adult, sensitive race", "adult, sensitive sex, race"]),
            (
                "dataset.sensitive",
                [["sex", {"column": "age", "bins": [25]}], [{"column": "age", "bins": [25, 60.5]}]],
                ["adult, sensitive age cut at 25 and 60.5", "adult, sensitive sex, age >= 25"],
            ),
            ("dataset.split.seed", [1, 2], ["adult, split.seed 1", "adult, split.seed 2"]),
            ("dataset.rows.variant", ["all", "complete"], ["adult, rows.variant all", "adult, rows.variant complete"]),
        ],
        2,
    ),
)
def test_other_rows_groups_or_splits_are_other_problems_with_fronts_of_their_own(tmp_path, key, values, names):
    rows = [row | {key: value} for value in values for row in sweep(tmp_path / str(value))]
    found = tradeoffs(pd.DataFrame(rows), complete(pd.DataFrame(rows)))
    assert [trade.dataset for trade in found] == names
    if key == "dataset.sensitive":
        pictures = [path.name for path in written(tmp_path, rows)["report.html"].parent.glob("front_*.png")]
        assert len(pictures) == 2 and not any(set(name) & set(" ,/${}:") for name in pictures)
    assert all(len(trade.runs) == len(rows) / 2 and key not in trade.by for trade in found)


@pytest.mark.slow
def test_data_sets_whose_names_read_alike_or_are_long_have_pictures_of_their_own(tmp_path):
    names = ["a-b", "a/b", "long " * 60]
    rows = [row | {"dataset": name} for k, name in enumerate(names) for row in sweep(tmp_path / str(k), seeds=1)]
    page = written(tmp_path, rows)["report.html"]
    assert len(list(page.parent.glob("front_*.png"))) == len(names)
    labels = re.findall(r"\\label\{(.*)\}", (page.parent / "table.tex").read_text())
    assert len(set(labels)) == len(labels) and all(set(label) <= set(string.printable) - set(" /") for label in labels)


def test_a_split_for_each_seed_and_other_features_are_the_same_problem(tmp_path):
    rows = [row | {"dataset.split.seed": row["seed"], "dataset.scale": "all"} for row in sweep(tmp_path / "a")]
    rows += [row | {"dataset.split.seed": row["seed"], "dataset.scale": "none"} for row in sweep(tmp_path / "b")]
    (only,) = tradeoffs(pd.DataFrame(rows), complete(pd.DataFrame(rows)))
    assert only.dataset == "adult" and "dataset.scale" in only.by and "dataset.split.seed" not in only.by


@pytest.mark.slow
def test_a_report_of_the_same_runs_is_the_same(tmp_path):
    rows = sweep(tmp_path)
    first = {name: path.read_bytes() for name, path in written(tmp_path, rows).items()}
    assert {name: path.read_bytes() for name, path in written(tmp_path, rows).items()} == first


def with_histories(rows):
    """The same runs, which got better over four epochs, by their seed."""
    for row in rows:
        history = pd.DataFrame({"epoch": range(1, 5), "train/loss": [0.9, 0.7, 0.6, 0.5 + row["seed"] / 10]})
        rewrite(row["folder"], history)
    return rows


@pytest.mark.slow
def test_histories_are_drawn_over_epochs_where_they_are_asked_for(tmp_path):
    asked = [row | {"report.histories": ["train/loss"]} for row in with_histories(sweep(tmp_path))]
    files = written(tmp_path, asked)
    assert set(files) == WRITTEN | {"curves.png", "curves.pdf", "curves.svg"}
    assert "Over epochs" in files["report.html"].read_text()
    assert "curves.png" not in written(tmp_path, asked, histories=())


@pytest.mark.slow
def test_a_report_removes_the_pictures_of_an_earlier_one_that_it_does_not_have(tmp_path):
    rows = with_histories(sweep(tmp_path))
    (tmp_path / "mine.png").write_bytes(b"mine")
    for asked, pictures in (
        (("train/loss",), {"curves.png", "front.png", "mine.png"}),
        ((), {"front.png", "mine.png"}),
    ):
        written(tmp_path, rows, histories=asked)
        assert {path.name for path in tmp_path.glob("*.png")} == pictures
    (tmp_path / report.LISTING).write_text("[")
    assert set(written(tmp_path, rows)) == WRITTEN


def test_the_parts_of_a_report_that_was_killed_are_removed_and_those_of_one_at_work_are_not(tmp_path):
    rows = sweep(tmp_path)
    killed, at_work = tmp_path / ".report-abc", tmp_path / ".report-xyz"
    for part in (killed, at_work):
        part.mkdir()
        (part / "front.png").write_bytes(b"half")
    os.utime(killed, times=(1, 1))
    written(tmp_path, rows)
    assert not killed.exists() and at_work.exists()


def test_curves_are_means_over_seeds_a_line_a_setting(tmp_path):
    found = trade(tmp_path, with_histories(sweep(tmp_path)))
    steps = histories.steps_of(found, ["train/loss"])
    assert len(steps) == 4 * 3 * 4
    (panel,) = histories.chart(found, steps).panels
    assert [[y for _, y in one.line] for one in panel.series] == [pytest.approx([0.9, 0.7, 0.6, 0.6])] * 4
    assert panel.title == "loss, training rows"
    assert [one.name for one in panel.series] == ["erm", "penalty lam 0.5", "penalty lam 1", "penalty lam 2"]
    assert len({(one.look.colour, one.look.style) for one in panel.series}) == 4


def test_a_column_that_no_history_has_is_named_and_left_out(tmp_path, caplog):
    found = trade(tmp_path, with_histories(sweep(tmp_path)))
    assert list(histories.steps_of(found, ["train/loss", "train/lost"])) == ["epoch", "train/loss", "setting", "seed"]
    assert "report.histories has 'train/lost', which no history has" in caplog.text
    assert histories.steps_of(trade(tmp_path, sweep(tmp_path / "b")), ["train/loss"]) is None


# Tables


@pytest.mark.slow
def test_what_was_left_out_as_outliers_is_in_the_table_of_settings(tmp_path, plain):
    rows = sweep(tmp_path)
    for row in rows:
        if row["method"] == "penalty":
            row |= {
                "train/removed": 0.03,
                "train/removal_precision": 0.9,
                "train/removal_recall": 0.2 + row["seed"] / 10,
            }
    text = texts(tmp_path, rows)["table.md"].read_text()
    assert "| removed | removal precision | removal recall | front |" in text
    assert "| 0.030 [0.030, 0.030] | 0.900 [0.900, 0.900] | 0.300 [" in text
    assert "Removed: training rows left out as outliers" in text
    assert "removed" not in plain["table.md"].read_text()


def test_the_csv_has_a_row_a_setting_in_full_precision(plain):
    table = pd.read_csv(plain["table.csv"])
    assert table["method"].tolist() == ["erm", "penalty", "penalty", "penalty"]
    assert table["method.lam"].tolist()[1:] == [0.5, 1.0, 2.0]
    expected = np.mean([0.85 - 0.5 / 20 + seed / 500 for seed in range(3)])
    assert table["test/accuracy"][1] == pytest.approx(expected, abs=1e-15)
    assert table["front"].all()


def test_the_markdown_has_a_table_of_settings_methods_and_comparisons(plain):
    text = plain["table.md"].read_text()
    headers = re.findall(r"^\| (?:method|area) .*$", text, flags=re.MULTILINE)
    assert len(headers) == 3
    assert "| penalty | 0.5 | 3 | 0.827 [0.822, 0.832] |" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({row.count("|") for row in block.splitlines()}) == 1


def test_the_areas_of_methods_are_told(tmp_path):
    """ERM with seed k is at (.85 + k / 500, .3 + k / 300): hypervolume from (.6, 1), and AOPAC over .4 x .4."""
    table = methods.methods_table(trade(tmp_path, sweep(tmp_path)))
    accuracy, gap = 0.25 + np.arange(3) / 500, 0.3 + np.arange(3) / 300
    assert table["hypervolume"][0].startswith(f"{np.mean(accuracy * (1 - gap)):.4f} [")
    assert table["AOPAC"][0].startswith(f"{np.mean(accuracy * (0.4 - gap)) / 0.16:.4f} [")


def test_the_test_oracle_is_labelled_wherever_it_stands_and_absent_by_default(tmp_path, plain):
    for name in ("table.md", "table.tex", "table.csv", "methods.csv"):
        assert "oracle" not in plain[name].read_text()
    assert "oracle" not in plain["report.html"].read_text()
    files = texts(tmp_path, sweep(tmp_path), test_oracle=True)
    for name in ("table.md", "table.tex", "report.html"):
        text = files[name].read_text()
        assert "Test oracle: chosen on test rows, for comparison only." in text
        assert "test (oracle)" in text
    assert "test_oracle/aopac" in pd.read_csv(files["methods.csv"])


SPECIAL = re.compile(r"(?<!\\)[&%$#_]")


def test_the_latex_compiles_with_booktabs_alone(tmp_path):
    """No TeX here: rows have as many cells as the table has columns, and no special character stands bare."""
    rows = [
        *sweep(tmp_path, dataset="law_school"),
        *(write_run(tmp_path, "group_dro", 3.0, 0, "law_school") for _ in "1"),
    ]
    text = texts(tmp_path, rows, test_oracle=True)["table.tex"].read_text()
    commands = set(re.findall(r"\\([a-z]+)", text.split("\n", 1)[1]))
    assert commands == {"begin", "end", "centering", "caption", "label", "toprule", "midrule", "bottomrule"}
    blocks = re.findall(r"\\begin{tabular}{(l+r+)}\n\\toprule\n(.*?)\\bottomrule", text, flags=re.DOTALL)
    assert len(blocks) == 4
    for columns, body in blocks:
        for row in body.replace("\\midrule\n", "").splitlines():
            assert row.endswith(r" \\")
            cells = re.split(r"(?<!\\)&", row.removesuffix(r"\\"))
            assert len(cells) == len(columns)
            assert not any(SPECIAL.search(cell) for cell in cells)
    for caption in re.findall(r"\\caption{(.*)}", text):
        assert not SPECIAL.search(caption)
        assert caption.count("{") == caption.count("}") == 0
    assert text.isascii()


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.5, 0.25, 0.75), "0.500 [0.250, 0.750]"),
        ((0.5, np.nan, np.nan), "0.500"),
        ((np.nan, np.nan, np.nan), "-"),
        ((-0.0001, -0.0004, 0.0001), "0.000 [0.000, 0.000]"),
    ],
)
def test_a_mean_is_shown_with_what_is_known(numbers, text):
    row = pd.Series(dict(zip(("x", "x.low", "x.high"), numbers, strict=True)))
    assert estimate(row, "x") == text


# More columns, and methods compared seed by seed

MORE = {"balanced_accuracy": 0.7, "log_loss": 0.25}


def richer(folder, block=None, **options):
    """A sweep with more metrics on test rows; ``block``: what the configuration asks of the report."""
    values = {f"{split}/{name}": v for split in ("val", "test") for name, v in MORE.items()}
    asked = {f"report.{key}": v for key, v in (block or {}).items()}
    return [row | asked for row in sweep(folder, **values, **options)]


def test_more_columns_are_in_every_table_of_settings(tmp_path):
    files = texts(tmp_path, richer(tmp_path), columns=["balanced_accuracy", "accuracy", HARD, "log_loss"])
    table = pd.read_csv(files["table.csv"])
    assert table["test/balanced_accuracy"].tolist() == pytest.approx([0.7] * 4)
    assert "test/log_loss.high" in table
    header = f"| method | lam | seeds | accuracy | {HARD.replace('_', ' ')} | balanced accuracy | log loss | front |"
    assert header in files["table.md"].read_text()
    assert "| 0.700 [0.700, 0.700] | 0.250 [0.250, 0.250] | \\* |" in files["table.md"].read_text()
    assert "balanced accuracy & log loss & front" in files["table.tex"].read_text()
    assert (
        "The same in all rows: seeds: 3; balanced accuracy: 0.700 [0.700, 0.700]; " in files["report.html"].read_text()
    )


def test_areas_of_parity_are_not_shown_beside_a_metric_that_is_no_difference(tmp_path, plain):
    metric = {"name": "worst_group_accuracy", "greater_is_better": True, "surrogate": "none"}
    text = texts(tmp_path, sweep(tmp_path, metric=metric))["table.md"].read_text()
    assert "hypervolume" in text and "AOPAC" not in text
    assert "AOPAC" in plain["table.md"].read_text()


def test_methods_are_compared_seed_by_seed_in_every_column(tmp_path):
    """Penalty minus ERM with weight lam: accuracy -lam / 20, difference -lam / 8, with every seed."""
    files = texts(tmp_path, richer(tmp_path), columns=["log_loss"], compare=(("penalty", "erm"),))
    pairs = pd.read_csv(files["pairs.csv"])
    assert pairs[["dataset", "first", "second"]].drop_duplicates().to_numpy().tolist() == [["adult", "penalty", "erm"]]
    lam = np.array([0.5, 1, 2])
    for name, expected in (("accuracy", -lam / 20), (HARD, -lam / 8), ("log_loss", 0 * lam)):
        for end in ("", ".low", ".high"):
            np.testing.assert_allclose(pairs[f"test/{name}{end}"], expected, atol=1e-12)
    row = "| penalty lam 1 | erm | 3 | -0.050 [-0.050, -0.050] | -0.125 [-0.125, -0.125] | 0.000 [0.000, 0.000] |"
    assert row in files["table.md"].read_text()
    assert "penalty lam 1 & erm & 3 & -0.050 [-0.050, -0.050]" in files["table.tex"].read_text()
    assert "<h3>Compared, seed by seed</h3>" in files["report.html"].read_text()


def test_without_a_pair_there_is_no_table_of_pairs(plain):
    files = plain
    assert "seed by seed" not in files["table.md"].read_text() + files["report.html"].read_text()
    assert pd.read_csv(files["pairs.csv"]).empty


def test_a_data_set_that_lacks_a_method_has_no_pair(tmp_path):
    rows = [*sweep(tmp_path), write_run(tmp_path, dataset="law_school")]
    pairs = pd.read_csv(texts(tmp_path, rows, compare=(("penalty", "erm"),))["pairs.csv"])
    assert pairs["dataset"].unique().tolist() == ["adult"]
    assert pairs["seeds"].tolist() == [3] * 3


def test_the_report_shows_what_any_record_asks_for(tmp_path):
    """A folder of two commands: one asks for a column and a pair, the other for another column and the same pair."""
    asked = {"columns": ["balanced_accuracy"], "compare.penalty": "erm", "compare.ltr": "erm"}
    rows = richer(tmp_path / "a", asked)[3:]
    rows += richer(tmp_path / "b", {"columns": ["log_loss", "balanced_accuracy"], "compare.penalty": "erm"})[:3]
    found = trade(tmp_path, rows)
    assert found.columns == ["balanced_accuracy", "log_loss"]
    assert found.pairs["first"].tolist() == ["penalty"] * 3
    assert "report" not in " ".join(found.by)


def test_options_come_before_what_the_records_ask_for(tmp_path):
    rows = richer(tmp_path, {"columns": ["balanced_accuracy"], "compare.penalty": "erm"})
    found = trade(tmp_path, rows, columns=["log_loss"], compare=())
    assert found.columns == ["log_loss"]
    assert found.pairs.empty


@pytest.mark.slow
def test_the_command_takes_columns_and_pairs_and_prints_them_within_160_columns(tmp_path, capsys):
    names = [f"metric_of_number_{k}" for k in range(5)]
    sweep(tmp_path, **{f"test/{name}": -0.25 for name in names})
    report.main([str(tmp_path), "--columns", ",".join(names), "--compare", "penalty=erm,erm=penalty"])
    shown = capsys.readouterr().out
    assert "adult: compared, seed by seed: first minus second on test rows" in shown
    assert "penalty lam" in shown
    assert shown.count("[-.250, -.250]") >= len(names) * 4  # of settings
    assert shown.count("[.000, .000]") >= len(names) * 6  # of pairs
    tables = shown[: shown.index("open ")]
    assert max(map(len, tables.splitlines())) <= 160
    assert "…" not in tables


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--columns", "roc_auc,foo"], "columns must be one of accuracy, demographic_parity_difference, roc_auc"),
        (["--compare", "penalty=foo"], "compare must be one of erm, penalty, got 'foo'"),
        (
            ["--split-by", "model.width"],
            "split_by must be a key of the runs' configuration, such as model.width, got",
        ),
        (["--compare", "penalty"], "compare must be pairs as in penalty=erm,ltr=erm, got 'penalty'"),
    ],
)
def test_columns_and_pairs_that_no_run_has_are_refused(tmp_path, options, said):
    sweep(tmp_path)
    with pytest.raises(SystemExit) as stop:
        report.main([str(tmp_path), *options])
    assert str(stop.value.code).startswith(said)


@pytest.mark.parametrize("recorded", [True, False])
def test_a_key_may_make_a_method_several(tmp_path, recorded):
    """Each weight of the penalty has a front and areas of its own; ERM, which has no weight, is as it was."""
    rows = [row | {"report.split_by": ["method.lam"] * recorded} for row in sweep(tmp_path)]
    options = {} if recorded else {"split_by": ["method.lam"]}
    found = trade(tmp_path, rows, **options)
    assert found.methods["method"].tolist() == ["erm", "penalty, lam 0.5", "penalty, lam 1", "penalty, lam 2"]
    assert found.methods["settings"].tolist() == [1, 1, 1, 1]
    assert found.methods["aopac"].nunique() > 2
    assert trade(tmp_path, rows, split_by=[]).methods["method"].tolist() == ["erm", "penalty"]


# Pictures


def test_axes_are_named_and_an_arrow_points_to_the_better_corner(tmp_path):
    rows = sweep(tmp_path)
    panel, _ = front(trade(tmp_path, rows)).panels
    assert (panel.x.title, panel.y.title, panel.better) == (HARD.replace("_", " "), "accuracy", "↖")
    (panel,) = front(trade(tmp_path, rows, "worst_group_accuracy")).panels
    assert (panel.x.title, panel.better) == ("worst group accuracy", "↗")


def test_a_method_is_a_line_through_its_validation_front_on_test_rows(tmp_path):
    found = trade(tmp_path, sweep(tmp_path))
    lines = {one.name: one.line for one in front(found).panels[0].shown.series}
    rows = found.settings[found.settings["method"] == "penalty"].sort_values(f"test/{HARD}")
    np.testing.assert_array_equal(lines["penalty"], rows[[f"test/{HARD}", "test/accuracy"]])
    assert not lines["erm"]  # of one configuration


def test_the_knobs_values_stand_at_the_points_and_the_recommended_one_is_marked(tmp_path):
    erm, penalty = front(trade(tmp_path, sweep(tmp_path)), "penalty lam 1").panels[0].shown.series
    assert [(one.label, one.chosen) for one in penalty.points] == [("2", False), ("1", True), ("0.5", False)]
    assert penalty.knob == "lam" and (erm.knob, erm.points[0].label) == ("", "")


def test_the_limits_hold_every_run_and_a_wild_interval_does_not_stretch_them(tmp_path):
    """Three seeds, which are drawn one by one; and four, of which an interval is longer than the scale."""
    few = trade(tmp_path, sweep(tmp_path), "worst_group_accuracy")
    axis = front(few).panels[0].y
    assert axis.low < few.runs["test/accuracy"].min() and few.runs["test/accuracy"].max() < axis.high
    rows = sweep(tmp_path / "b", seeds=4)
    rows[0] |= {"test/accuracy": 0.1}
    axis = front(trade(tmp_path, rows, "worst_group_accuracy")).panels[0].y
    assert axis.low > 0.4 and axis.high < 1.1


def test_methods_that_are_told_apart_are_compared_by_their_whole_names(tmp_path):
    sweep(tmp_path)
    report.main([str(tmp_path), "--split-by", "method.lam", "--compare", "penalty, lam 0.5=erm,penalty, lam 2=erm"])
    assert pd.read_csv(tmp_path / "pairs.csv")["first"].tolist() == ["penalty, lam 0.5", "penalty, lam 2"]
    with pytest.raises(SystemExit, match=r"compare must be one of erm, penalty, lam 0\.5, .* got 'penalty'"):
        report.main([str(tmp_path), "--split-by", "method.lam", "--compare", "penalty=erm"])


def test_a_recorded_key_that_no_run_has_costs_nobody_the_report(tmp_path, caplog):
    rows = [row | {"report.split_by": ["model.widht", "method.lam"]} for row in sweep(tmp_path)]
    assert trade(tmp_path, rows).methods["method"].tolist() == [
        "erm",
        "penalty, lam 0.5",
        "penalty, lam 1",
        "penalty, lam 2",
    ]
    assert "report.split_by has 'model.widht', which no run has" in caplog.text


# Hard and soft parity, with anchors and what others published


def panels_of(found):
    return [panel.shown for panel in front(found).panels]


def lines(panel):
    return {one.name: one.line for one in panel.series}


def test_hard_and_soft_differences_are_drawn_side_by_side_each_with_its_own_front(tmp_path):
    """On validation rows penalty 2 is unfair by the soft difference alone: it is on the front on the left only."""
    rows = sweep(tmp_path)
    for row in rows[-3:]:
        row[f"val/{SOFT}"] = 0.9
    left, right = panels_of(trade(tmp_path, rows))
    assert right.x.title == "soft demographic parity difference"
    assert (left.y.low, left.y.high) == (right.y.low, right.y.high)
    assert [len(lines(panel)["penalty"]) for panel in (left, right)] == [3, 2]


def test_the_anchors_are_rules_in_both_panels_and_far_ones_do_not_stretch_the_axes(tmp_path):
    for panel in panels_of(trade(tmp_path, sweep(tmp_path))):
        assert [(rule.axis, rule.at) for rule in panel.rules] == [("y", 0.6), ("x", pytest.approx(0.4))]
        assert 0.6 < panel.y.low < 0.76  # the majority's accuracy is far below


def test_without_counts_of_labels_and_for_other_metrics_there_are_no_anchors(tmp_path):
    rows = sweep(tmp_path)
    unknown = pd.DataFrame(rows).drop(columns="base_rates.test")
    for found in (trade(tmp_path, unknown), trade(tmp_path, rows, "worst_group_accuracy")):
        assert not any(panel.rules for panel in panels_of(found))
    assert len(panels_of(trade(tmp_path, rows, "worst_group_accuracy"))) == 1


def test_published_points_are_drawn_in_the_panel_of_their_kind_and_labelled(tmp_path):
    left, right = panels_of(trade(tmp_path, sweep(tmp_path), published=("fairbinn",)))
    assert lines(left)["published: FCRL"][0] == (0.0251, 0.7895)
    assert len(lines(left)["published: FCRL"]) == 9
    assert len(lines(right)["published: Distraction"]) == 11
    assert "published: Distraction" not in lines(left)
    assert not {"published: FCRL", "published: MIFR"} & set(lines(right))
    assert {one.muted for one in left.series if one.name.startswith("published")} == {True}


def test_the_areas_of_published_points_are_in_a_table_that_says_so(tmp_path):
    files = texts(tmp_path, sweep(tmp_path), published=("fairbinn",))
    table = pd.read_csv(files["quoted.csv"])
    assert table["kind"].value_counts().to_dict() == {"hard": 7, "soft": 1}
    assert "published" not in "".join(files[name].read_text() for name in ("methods.csv", "comparisons.csv"))
    for name in ("table.md", "table.tex", "report.html"):
        text = files[name].read_text()
        assert "points that others published, not run here" in text
        assert "published: Adversarial Forgetting" in text
        assert "chosen on test rows" in text


def test_the_record_asks_for_a_reference_and_one_that_is_gone_is_left_out(tmp_path, caplog):
    rows = [row | {"report.published": None} for row in sweep(tmp_path)]
    rows[1]["report.published"], rows[4]["report.published"] = "fairbinn", "gone.csv"
    assert len(trade(tmp_path, rows).published) == 32
    assert "got 'gone.csv'; the report goes without it" in caplog.text
    assert trade(tmp_path, rows, published=()).published.empty


def test_a_reference_without_a_point_of_the_data_set_says_so(tmp_path, caplog):
    found = trade(tmp_path, sweep(tmp_path, dataset="compas"), published=("fairbinn",))
    assert found.published.empty
    assert "report.published has no point of the demographic parity difference on compas" in caplog.text


def test_a_reference_that_cannot_be_read_is_refused(tmp_path):
    sweep(tmp_path)
    with pytest.raises(
        SystemExit, match=r"published must be null, fairbinn, mtaf or a CSV file that exists, got 'foo'"
    ):
        report.main([str(tmp_path), "--published", "foo"])


# The worst seed, and degenerate runs


@pytest.mark.slow
def test_the_worst_seed_is_labelled_wherever_it_is_shown(tmp_path, capsys):
    """ERM with seed k has the difference .3 + k / 300: .307 with seed 2."""
    sweep(tmp_path)
    report.main([str(tmp_path), "--seed-summary", "worst"])
    shown = capsys.readouterr().out
    assert "mean over seeds [95% interval], but the largest demographic parity difference" in shown
    assert "| erm |  | 3 | 0.852 [0.847, 0.857] | 0.307 |" in (tmp_path / "table.md").read_text()
    for name in ("table.md", "table.tex", "report.html"):
        assert (
            "Largest demographic parity difference: that of the worst seed of a configuration"
            in (tmp_path / name).read_text()
        )
    assert pd.read_csv(tmp_path / "table.csv")["over_seeds"].unique().tolist() == ["worst"]
    frame = results.load(tmp_path)
    left, right = panels_of(tradeoffs(frame, complete(frame, ReportOptions(seed_summary="worst")))[0])
    assert left.x.title == "largest demographic parity difference of 3 seeds"
    assert right.x.title == "largest soft demographic parity difference of 3 seeds"
    assert left.y.title == "mean accuracy"


def test_the_records_ask_for_the_worst_seed(tmp_path):
    rows = [row | {"report.seed_summary": "worst"} for row in sweep(tmp_path)]
    assert trade(tmp_path, rows).seed_summary == "worst"
    assert trade(tmp_path, rows, seed_summary="mean").seed_summary == "mean"
    assert trade(tmp_path, rows, "worst_group_accuracy").heading == "smallest worst group accuracy"


@pytest.mark.slow
def test_degenerate_runs_are_counted_and_told(tmp_path, capsys):
    rates = {"val/selection_rate": 0.25}
    rows = [*sweep(tmp_path, **rates), write_run(tmp_path, lam=9.0, **rates), write_run(tmp_path, lam=9.0, seed=1)]
    rows[-2]["val/selection_rate"] = 0.0
    files = texts(tmp_path, rows)
    assert pd.read_csv(files["table.csv"])["degenerate"].tolist() == [0, 0, 0, 0, 1]
    note = "1 of 14 runs are degenerate, nearly constant or no better than chance"
    assert all(note in files[name].read_text() for name in ("table.md", "table.tex"))
    assert files["report.html"].read_text().count(note) == 2  # below the chart, and of the table
    assert "| degenerate | front |" in files["table.md"].read_text()
    report.show(tmp_path, pd.DataFrame(rows))
    assert note in capsys.readouterr().out


def test_without_a_degenerate_run_nothing_is_said_of_it_but_in_the_csv(tmp_path):
    files = texts(tmp_path, sweep(tmp_path, **{"val/selection_rate": 0.25}))
    assert pd.read_csv(files["table.csv"])["degenerate"].tolist() == [0] * 4
    for name in ("table.md", "table.tex", "report.html"):
        assert "are degenerate" not in files[name].read_text()


# Odd sweeps


def test_one_run_has_a_report_without_intervals_and_comparisons(tmp_path):
    files = written(tmp_path, [write_run(tmp_path)])
    assert set(files) == WRITTEN
    assert len(pd.read_csv(files["comparisons.csv"])) == 0
    assert "| penalty | 1 | 0.800 | 0.175 | \\* |" in files["table.md"].read_text()


@pytest.mark.slow
def test_more_methods_than_colours_have_a_report(tmp_path):
    rows = [write_run(tmp_path, f"method_{k}", k / 10, seed) for k in range(12) for seed in range(2)]
    assert set(written(tmp_path, rows)) == WRITTEN
    assert len(trade(tmp_path, rows).comparisons) == 5 * 12 * 11 / 2


def test_a_metric_whose_greater_values_are_better_has_a_report(tmp_path):
    """The penalty only costs here: its weakest setting is best in both."""
    files = texts(tmp_path, sweep(tmp_path), "worst_group_accuracy")
    assert pd.read_csv(files["table.csv"])["front"].tolist() == [True, False, False, False]


@pytest.mark.parametrize("share", few(["one run", "all runs"], 1))
def test_undefined_values_of_the_metric_have_a_report(tmp_path, share):
    rows = sweep(tmp_path)
    for row in rows[:1] if share == "one run" else rows:
        row[f"test/{HARD}"] = row[f"val/{HARD}"] = np.nan
    files = written(tmp_path, rows)  # pictures too
    assert set(files) == WRITTEN - ({"groups.csv"} if share == "all runs" else set())  # nothing is recommended
    assert "| erm |  | 3 | 0.852 [0.847, 0.857] | - |" in files["table.md"].read_text()
    text = files["report.html"].read_text()
    assert "nan" not in re.findall(r"\w+", text)


def test_records_that_do_not_count_labels_have_a_report_without_areas(tmp_path):
    frame = pd.DataFrame(sweep(tmp_path)).drop(columns=["base_rates.val", "base_rates.test"])
    trades = tradeoffs(frame, complete(frame))
    assert "Areas are unknown" in methods.caption(trades[0])
    assert set(methods.methods_table(trades[0])["AOPAC"]) == {"-"}


def corrupt(folder):
    path = folder / "broken"
    path.mkdir()
    return {"folder": str(path), "status": "corrupt", "failure": "record.json ends early"}


def test_failed_and_corrupt_runs_are_named_with_their_reason_and_left_out(tmp_path):
    rows = [*sweep(tmp_path), write_run(tmp_path, lam=7.0, status="failed"), corrupt(tmp_path)]
    files = texts(tmp_path, rows)
    assert pd.read_csv(files["table.csv"])["method.lam"].tolist()[1:] == [0.5, 1.0, 2.0]
    text = files["report.html"].read_text()
    failures = text[text.index('id="failures"') : text.index("<figure")]
    assert "<td>adult-penalty-7-0</td><td>penalty adult 0</td><td>failed</td><td>the loss was not finite" in failures
    assert "<td>broken</td><td>-</td><td>corrupt</td><td>record.json ends early</td>" in failures


@pytest.mark.slow
def test_a_data_set_of_which_no_run_finished_is_among_the_failures_only(tmp_path):
    rows = [*sweep(tmp_path), write_run(tmp_path, dataset="compas", status="failed")]
    files = written(tmp_path, rows)
    assert set(files) == WRITTEN
    assert "<td>penalty compas 0</td><td>failed</td>" in files["report.html"].read_text()


# The page's text


def text_of(tmp_path, rows):
    return texts(tmp_path, rows)["report.html"].read_text()


def test_the_page_needs_no_network(plain):
    text = plain["report.html"].read_text()
    assert not re.search(r"https?://|//cdn|@import|url\(", text)
    assert not re.search(r"<script [^>]*src|<link [^>]*href=\"(?!data:)", text)


def test_the_page_tells_the_data(plain):
    text = plain["report.html"].read_text()
    assert "<tr><td>300</td><td>80</td><td>100</td></tr>" in text
    assert "<tr><td>sex=F</td><td>40</td><td>60.0%</td><td>50</td><td>60.0%</td></tr>" in text
    assert "ab" * 32 in text


def test_the_page_tells_the_configuration_that_all_runs_share(plain):
    text = plain["report.html"].read_text()
    assert "<tr><td>epochs</td><td>10</td></tr>" in text
    assert "<tr><td>seed</td>" not in text
    assert "<tr><td>torch</td><td>2.9</td></tr>" in text


def test_what_comes_from_a_configuration_is_escaped(tmp_path):
    rows = [*sweep(tmp_path), write_run(tmp_path, lam=7.0, status="failed")]
    for k, row in enumerate(rows[3:]):
        row["method.note"] = f"</script><script>alert({k})</script>"
    text = text_of(tmp_path, rows)
    assert "<b>mmd</b>" not in text
    assert "&lt;b&gt;mmd&lt;/b&gt;" in text
    assert "with &lt;lam&gt;" in text
    assert "<script>alert" not in text


# Bad input


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(InputError, match="must hold results of runs"):
        report.report(tmp_path)


def test_a_folder_without_a_finished_run_is_refused_with_the_reasons(tmp_path):
    rows = [write_run(tmp_path, status="failed"), corrupt(tmp_path)]
    with pytest.raises(InputError) as refusal:
        report.show(tmp_path, pd.DataFrame(rows))
    for words in ("a report needs a finished run", "adult-penalty-1-0: the loss was not finite", "ends early"):
        assert words in str(refusal.value)


def test_a_folder_of_corrupt_records_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a report needs a finished run, got 1 that are not\n.*broken: record\.json"):
        report.show(tmp_path, pd.DataFrame([corrupt(tmp_path)]))


def test_a_metric_that_no_run_has_is_refused_and_the_metrics_there_are_listed(tmp_path, capsys):
    sweep(tmp_path)
    with pytest.raises(SystemExit) as stop:
        report.main([str(tmp_path), "--metric", "foo"])
    known = "demographic_parity_difference, soft_demographic_parity_difference, worst_group_accuracy"
    assert stop.value.code == f"metric must be one of {known}, got 'foo'"
    assert not (tmp_path / "front.png").exists()


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "accuracy/s=0"])
def test_the_other_axis_a_metric_of_one_split_and_one_of_a_group_are_no_choice(tmp_path, name):
    with pytest.raises(InputError, match="metric must be one of"):
        trade(tmp_path, sweep(tmp_path), name)


def test_runs_made_with_different_metrics_need_a_metric_by_name(tmp_path):
    other = {"name": "worst_group_accuracy", "greater_is_better": True, "surrogate": "none"}
    rows = [*sweep(tmp_path / "a"), *sweep(tmp_path / "b", metric=other)]
    with pytest.raises(InputError, match=r"must share one metric, got .*; name one with --metric"):
        trade(tmp_path, rows)
    assert trade(tmp_path, rows, "worst_group_accuracy").greater_is_better
    assert not trade(tmp_path, rows, SOFT).greater_is_better


def test_a_metric_of_the_runs_own_keeps_its_direction(tmp_path):
    own = {"name": "parity_difference_upside_down", "greater_is_better": True, "surrogate": "none"}
    scores = {f"{split}/{own['name']}": 0.5 for split in ("val", "test")}
    assert trade(tmp_path, [write_run(tmp_path, metric=own, **scores)]).greater_is_better


@pytest.mark.slow
def test_a_report_that_cannot_be_written_says_so(tmp_path):
    sweep(tmp_path)
    (tmp_path / "front.png").mkdir()
    with pytest.raises(SystemExit, match=r"the report must be able to write into .*front\.png"):
        report.main([str(tmp_path)])


def test_a_report_starts_without_torch():
    code = "import sys, fairrun.report.cli; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
