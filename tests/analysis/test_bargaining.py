"""How bargaining went: histories as methods of bargaining will log them, made up."""

import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairrun.analysis.bargaining import alignment, curve, second_stage
from fairrun.analysis.interval import interval
from fairrun.report.charts.picture import draw
from fairrun.report.sections.bargaining import alignment_table, caption, chart
from fairrun.results.records import HISTORY, RECORD
from tests.helpers.bargaining import CELLS, EPOCHS, bargain, sweep
from tests.helpers.records import rewrite
from tests.helpers.reports import WRITTEN, texts, trade, write_run, written


def found(folder, rows):
    return alignment(trade(folder, rows))


def by_hand(folder, lists, method="nash"):
    """A run a seed, with lists of bargained and aligned by epoch; the rectified rate is half of the latter, the
    infeasible rate of stage 1 the same.
    """
    rows = []
    for seed, (bargained, aligned) in enumerate(lists):
        failed = [v * (b > 0.5) for b, v in zip(bargained, aligned, strict=True)]
        values = {"train/bargained": bargained, "train/aligned": aligned, "train/infeasible": failed}
        values["train/aligned_rectified"] = [v / 2 for v in aligned]
        rows.append(bargain(folder, method, seed, num_epochs=len(aligned), **values))
    return rows


# The histories


def test_methods_that_log_no_bargaining_are_left_out(tmp_path):
    steps = found(tmp_path, sweep(tmp_path)).steps
    assert steps["method"].unique().tolist() == ["endless", "ksbs", "nash"]
    assert len(steps) == 3 * 3 * EPOCHS
    assert not steps["smallest_gain"].isna().any()


def test_without_a_method_of_bargaining_there_is_nothing_to_tell(tmp_path):
    assert found(tmp_path, [write_run(tmp_path, "erm", 0.0, seed) for seed in range(3)]) is None


def test_runs_without_a_history_are_left_out(tmp_path):
    rows = sweep(tmp_path, methods=["nash"])
    Path(rows[3]["folder"], HISTORY).unlink()
    assert found(tmp_path, rows).steps["seed"].unique().tolist() == [1, 2]
    for row in rows[4:]:
        Path(row["folder"], HISTORY).unlink()
    assert found(tmp_path, rows) is None


def test_a_history_without_some_of_the_columns_has_the_others(tmp_path):
    rows = sweep(tmp_path, methods=["nash"])
    for row in rows[3:]:
        steps = pd.read_parquet(Path(row["folder"], HISTORY))
        rewrite(row["folder"], steps.drop(columns=["train/goal_aligned", "train/infeasible"]))
    table = alignment_table(found(tmp_path, rows))
    assert table[["goal alone", "infeasible"]].to_numpy().tolist() == [["-", "-"]]
    assert chart(found(tmp_path, rows)).panels


def test_of_several_settings_the_first_is_shown_and_named(tmp_path):
    rows = [bargain(tmp_path, "nash", seed, lam) for lam in (2.0, 0.5) for seed in (0, 1)]
    rows += [bargain(tmp_path, "ksbs", seed) for seed in (0, 1)]
    told = found(tmp_path, rows)
    assert told.settings == {"ksbs": "", "nash": "lam 0.5"}
    assert len(told.of("nash")) == 2 * EPOCHS
    assert alignment_table(told)["method"].tolist() == ["ksbs", "nash lam 0.5"]
    assert "first is shown" in caption(told)
    assert "first is shown" not in caption(found(tmp_path / "one", sweep(tmp_path / "one")))


def test_players_have_the_names_of_their_groups(tmp_path):
    names = found(tmp_path, sweep(tmp_path)).players
    assert names == {f"alpha/s={s}/y={y}": f"sex={'FM'[s]}, y={y}" for s in (0, 1) for y in (0, 1)}


# Means


def test_a_curve_is_the_mean_over_the_seeds_that_have_a_value(tmp_path):
    """Epoch 1: (.5 + .75 + .625) / 3; epoch 2: the first seed alone; epoch 3: nobody."""
    values = [[0.5, 0.25, np.nan], [0.75, np.nan, np.nan], [0.625, np.nan, np.nan]]
    rows = by_hand(tmp_path, [([1, 1, 1], own) for own in values])
    points = curve(found(tmp_path, rows).steps, "aligned")
    assert points[["epoch", "mean"]].to_numpy().tolist() == [[1, 0.625], [2, 0.25]]
    assert tuple(points[["low", "high"]].to_numpy()[0]) == interval(np.array([0.5, 0.75, 0.625]))
    assert np.isnan(points["low"][1])


def test_the_second_stage_starts_with_the_median_seed(tmp_path):
    """Seeds come to it in epochs 2, 3 and 4, a fourth never; where half an epoch bargains it is of stage 2."""
    lists = [[1, 0, 0, 0], [1, 1, 0.5, 0], [1, 1, 0.75, 0], [1, 1, 1, 1]]
    steps = found(tmp_path, by_hand(tmp_path, [(bargained, [0.5] * 4) for bargained in lists])).steps
    assert second_stage(steps) == 3
    assert np.isnan(second_stage(steps[steps["seed"] == 3]))


def test_the_table_by_hand(tmp_path):
    """Seed 0 bargains for 2 epochs, aligned .5 and .75, then 1; seed 1 for 1, aligned .25, then .5 and 1."""
    rows = by_hand(tmp_path, [([1, 1, 0], [0.5, 0.75, 1.0]), ([1, 0, 0], [0.25, 0.5, 1.0])])
    row = alignment_table(found(tmp_path, rows)).iloc[0]
    expected = {"epochs bargained": "1.5", "stage 1, aligned": "0.438", "stage 1, rectified": "0.219"}
    expected |= {"stage 2, aligned": "0.875", "stage 2, rectified": "0.438", "infeasible": "0.438"}
    assert {column: row[column] for column in expected} == expected
    assert row["seeds"] == "2"


def test_a_stage_in_which_bargaining_fails_is_stage_1(tmp_path):
    values = {"train/bargained": [0.1, 0.1, 0], "train/infeasible": [0.9, 0.9, 0], "train/aligned": [0.1, 0.1, 1]}
    told = found(tmp_path, [bargain(tmp_path, "nash", seed, num_epochs=3, **values) for seed in range(2)])
    assert second_stage(told.steps) == 3
    assert alignment_table(told).iloc[0]["infeasible"].startswith("0.900")


def test_players_of_runs_with_other_groups_are_numbered(tmp_path):
    rows = sweep(tmp_path, methods=["ksbs", "nash"])
    assert not any(name.startswith("s=") for name in found(tmp_path, rows).players.values())
    record = Path(rows[-3]["folder"], RECORD)  # the first run of nash
    record.write_text(json.dumps(json.loads(record.read_text()) | {"groups": ["race=A", "race=B"]}))
    assert all(name.startswith("s=") for name in found(tmp_path, rows).players.values())


def test_the_table_says_where_stage_2_never_starts_and_where_nobody_bargains(tmp_path):
    table = alignment_table(found(tmp_path, sweep(tmp_path, ["endless", "goal", "nash"]))).set_index("method")
    assert table["stage 2, aligned"].eq("stage 2 never starts").tolist() == [True, False, False]
    assert table["epochs bargained"].str.split(" ").str[0].tolist() == ["10.0", "0.0", "4.0"]
    assert table.loc["goal", ["stage 1, aligned", "stage 1, rectified", "infeasible"]].tolist() == ["-"] * 3


# The picture


def titles(shown):
    return [panel.title for panel in shown.panels]


def test_the_chart_has_a_panel_of_players_for_every_method(tmp_path):
    shown = chart(found(tmp_path, sweep(tmp_path)))
    firsts = ["smallest gain of a player", "alignment (dashed: rectified)", "steps without an agreement"]
    assert titles(shown) == [*firsts, *(f"shares of alpha: {method}" for method in ("endless", "ksbs", "nash"))]


def test_the_lines_are_the_means(tmp_path):
    told = found(tmp_path, sweep(tmp_path))
    panels = chart(told).panels
    rates = panels[1].series
    assert [one.look.style for one in rates] == ["-", "--"] * 3
    np.testing.assert_array_equal([y for _, y in rates[3].line], curve(told.of("ksbs"), "aligned_rectified")["mean"])
    shares = panels[5].series
    for one, cell in zip(shares, CELLS, strict=True):
        means = curve(told.of("nash"), f"alpha/{cell}")["mean"]
        np.testing.assert_array_equal([y for _, y in one.line], means)
    assert len({(one.look.colour, one.look.style) for one in shares}) == 4


def test_a_group_has_a_colour_and_a_label_a_line_style(tmp_path):
    """Also where the names of groups are of several attributes."""
    told = found(tmp_path, sweep(tmp_path))
    told = dataclasses.replace(told, groups=["sex=F, race=a", "sex=F, race=b"])
    colours, styles = zip(*((one.look.colour, one.look.style) for one in chart(told).panels[3].series), strict=True)
    assert styles == ("-", "--") * 2
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert list(told.players.values())[1] == "sex=F, race=a, y=1"


def test_a_line_marks_where_stage_2_starts(tmp_path):
    panel = chart(found(tmp_path, sweep(tmp_path))).panels[0]
    assert [rule.at for rule in panel.rules if rule.axis == "x"] == [6.5, 4.5]


def test_a_method_that_logs_no_players_has_no_panel_of_them(tmp_path):
    rows = [bargain(tmp_path, "goal", seed) for seed in range(2)]
    assert len(titles(chart(found(tmp_path, rows)))) == 3


# The report


@pytest.mark.slow
def test_a_report_on_bargaining_has_its_picture_and_its_section(tmp_path):
    files = written(tmp_path, sweep(tmp_path))
    assert set(files) == WRITTEN | {f"bargaining.{kind}" for kind in ("png", "pdf", "svg")}
    text = files["report.html"].read_text()
    assert "<h3>Bargaining</h3>" in text
    assert "<td>stage 2 never starts</td>" in text
    assert text.count('<figure id="bargaining-') == 1
    assert not re.search(r"https?://|url\(", text)


def test_a_report_without_bargaining_has_no_such_section(tmp_path):
    files = texts(tmp_path, [write_run(tmp_path, "erm", 0.0, seed) for seed in range(2)])
    assert "Bargaining" not in files["report.html"].read_text()


@pytest.mark.slow
def test_data_sets_have_a_picture_each(tmp_path):
    rows = [*sweep(tmp_path), write_run(tmp_path, "erm", 0.0, 0, "compas")]
    files = written(tmp_path, rows)
    assert {"bargaining_adult.png", "bargaining_adult.pdf"} <= set(files)
    assert "bargaining_compas.png" not in files


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 12])
def test_the_picture_of_the_same_runs_is_the_same_for_one_seed_and_for_many(tmp_path, seeds):
    rows = sweep(tmp_path, ["nash"], seeds)
    pictures = [io.BytesIO(), io.BytesIO()]
    for picture in pictures:
        draw(chart(found(tmp_path, rows))).savefig(picture, dpi=150)
    first, second = (picture.getvalue() for picture in pictures)
    assert first == second
