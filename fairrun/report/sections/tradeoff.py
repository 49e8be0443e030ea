"""Section on the trade-off: accuracy against the metric on test rows."""

from collections.abc import Sequence

import pandas as pd

from fairrun.analysis.front import attainment, is_degenerate
from fairrun.analysis.recommend import named
from fairrun.analysis.relative import tasks
from fairrun.analysis.tradeoff import Tradeoff, words
from fairrun.config.keys import BOUND
from fairrun.config.metrics import rests_on_groups
from fairrun.config.values import value
from fairrun.report import few
from fairrun.report.charts.chart import ATTAINMENT, LEAST, Axis, Chart, Panel, Point, Rule, Series, seeds_said
from fairrun.report.charts.limits import fitted
from fairrun.report.charts.looks import Look, looks, published_look
from fairrun.report.few import MARK, few_rows
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section
from fairrun.report.sections.settings import degenerate_note, seed_summary_note
from fairrun.report.style import PUBLISHED, estimate

MAJORITY, MAX_DP = "always the majority", "the labels' difference"
DEGENERATE = "degenerate, nearly constant"
ORACLE = "test oracle: chosen on test"
LONGEST = 14  # characters of a label beside a point


def build(trade: Tradeoff, options: ReportOptions) -> Section:
    """The chart ``front``."""
    chart = front(trade, "" if trade.recommended is None else trade.recommended.name)
    return Section(title=f"Accuracy against {trade.heading}", charts={"front": chart}, notes=_notes(trade))


def _notes(trade: Tradeoff) -> list[str]:
    """What is below the chart."""
    notes = [seed_summary_note(trade), degenerate_note(trade)]
    if tasks(trade.runs):
        notes.append("Means over tasks, decisions at 0.5.")
    if rests_on_groups(trade.metric):
        notes.append(few.note(trade))
    if trade.other is not None:
        notes.append("Each panel has a front of its own, chosen on validation rows; tables show that of the first.")
    if any(len(panel.published) for panel in trade.panels):
        notes.append("Grey and hollow: points that others published, not run here.")
    return [note for note in notes if note]


def front(trade: Tradeoff, chosen: str = "") -> Chart:
    """Accuracy against the metric: a line for each method through its validation front.

    ``chosen`` is the name of the recommended configuration.  If the metric is a demographic parity difference (hard or
    soft) and the runs have both, the other one is in a second panel.
    """
    legend = f"{trade.dataset}, test rows, {seeds_said(trade.settings['seeds'].min(), trade.seeds)}"
    if len(trade.settings) > 1:
        legend += "; filled: on the validation front of all methods"
    if is_degenerate(trade.settings).any():
        legend += f"; crossed: {DEGENERATE}"
    about = " and ".join(words(panel.metric) for panel in trade.panels)
    methods = ", ".join(trade.settings["method"].unique())
    return Chart(
        panels=[_panel(panel, chosen, _accuracies(trade)) for panel in trade.panels],
        alt=f"Accuracy against {about} on test rows of {trade.dataset}, for {methods}",
        legend=legend,
    )


def _accuracies(trade: Tradeoff) -> tuple[float, float]:
    """The limits of the axis that panels share."""
    lows, highs = zip(*(_limits(panel, "accuracy", panel.anchors.majority) for panel in trade.panels), strict=True)
    return min(lows), max(highs)


def _limits(trade: Tradeoff, name: str, anchor: float) -> tuple[float, float]:
    column = f"test/{name}"
    few_seeds = trade.settings["seeds"] < LEAST
    values = [*trade.settings[column], *trade.published.get(column, ())]
    for _, row in trade.settings[few_seeds].iterrows():
        values += list(trade.runs_of(row)[column])
    ends = pd.DataFrame({end: trade.settings.loc[~few_seeds, f"{column}.{end}"] for end in ("low", "high")})
    return fitted(values, ends, near=[anchor] if trade.anchored else [])


def _panel(trade: Tradeoff, chosen: str, accuracies: tuple[float, float]) -> Panel:
    x, y = f"test/{trade.metric}", "test/accuracy"
    shown = looks(trade.settings["method"])
    keys = knobs(trade)
    series: list[Series] = []
    for method, rows in trade.settings.groupby("method", sort=False):
        look = shown[str(method)]
        runs = trade.runs[trade.runs["method"] == method]
        series += [_method(trade, rows, look, keys[str(method)], chosen), *_surfaces(trade, runs, look)]
    series += [_published(trade, number, str(name), own) for (number, name), own in _groups(trade.published)]
    if trade.test_oracle:
        series.append(_oracle(trade))
    rules = []
    if trade.anchored:
        majority, max_dp = trade.anchors
        rules = [Rule("y", majority, MAJORITY), Rule("x", max_dp, MAX_DP, ":")]
    unknown = int(trade.settings[[x, y]].isna().any(axis=1).sum())
    return Panel(
        x=Axis(
            metric_title(trade),
            *_limits(trade, trade.metric, trade.anchors.max_dp),
            1 if trade.greater_is_better else -1,
        ),
        y=Axis(f"{'mean ' * (trade.seed_summary != 'mean')}accuracy", *accuracies, 1),
        series=series,
        rules=[rule for rule in rules if rule.at == rule.at],
        missing=unknown,
    )


def metric_title(trade: Tradeoff) -> str:
    """The title of the metric's axis."""
    mark = MARK if rests_on_groups(trade.metric) and few_rows(trade) else ""
    return f"{trade.heading}{mark}{'' if trade.seed_summary == 'mean' else f' of {trade.seeds}'}"


def knobs(trade: Tradeoff) -> dict[str, list[str]]:
    """The keys in which the configurations of each method differ."""
    keys = [key for key in trade.by if key != "method"]
    return {
        str(method): [key for key in keys if rows[key].map(value).nunique() > 1]
        for method, rows in trade.settings.groupby("method", sort=False)
    }


def _method(trade: Tradeoff, rows: pd.DataFrame, look: Look, keys: Sequence[str], chosen: str) -> Series:
    x, y = f"test/{trade.metric}", "test/accuracy"
    rows = rows.sort_values(x)
    line = rows[rows["method_front"]].dropna(subset=[x, y])
    method = str(rows["method"].iloc[0])
    return Series(
        name=method,
        look=look,
        points=[_point(trade, row, keys, chosen) for _, row in rows.iterrows()],
        runs=[_run(trade, run, row["seeds"]) for _, row in rows.iterrows() for _, run in trade.runs_of(row).iterrows()],
        line=_pairs(line, x, y) if len(line) > 1 else (),
        knob=", ".join("bound" if key == BOUND else key.removeprefix("method.") for key in keys),
    )


def _pairs(rows: pd.DataFrame, x: str, y: str) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in zip(rows[x], rows[y], strict=True)]


def _point(trade: Tradeoff, row: pd.Series, keys: Sequence[str], chosen: str) -> Point:
    x, y = f"test/{trade.metric}", "test/accuracy"
    name = named(row, trade.by)
    label = ", ".join(value(row[key]) or "-" for key in keys)
    says = [f"accuracy {estimate(row, y)}", f"{trade.heading} {estimate(row, x)}"]
    says.append(f"on validation rows {estimate(row, 'val/accuracy')} and {estimate(row, f'val/{trade.metric}')}")
    says.append(f"{row['seeds']} seed{'s' * bool(row['seeds'] != 1)}; {'on' if row['front'] else 'not on'} the front")
    return Point(
        x=float(row[x]),
        y=float(row[y]),
        name=name,
        says=[*says, *["recommended"] * (name == chosen)],
        seeds=int(row["seeds"]),
        label=label if len(label) <= LONGEST else "",
        x_ends=(float(row[f"{x}.low"]), float(row[f"{x}.high"])),
        y_ends=(float(row[f"{y}.low"]), float(row[f"{y}.high"])),
        filled=bool(row["front"]),
        crossed=bool(is_degenerate(row.to_frame().T).iloc[0]),
        chosen=name == chosen,
    )


def _run(trade: Tradeoff, run: pd.Series, seeds: int) -> Point:
    x, y = float(run[f"test/{trade.metric}"]), float(run["test/accuracy"])
    says = [f"accuracy {y:.3f}, {words(trade.metric)} {x:.3f}"]
    return Point(x, y, f"{named(run, trade.by)}, seed {run['seed']}", says, int(seeds))


def _groups(points: pd.DataFrame) -> list[tuple[tuple[int, str], pd.DataFrame]]:
    return list(points.groupby(["number", "method"]))


def _published(trade: Tradeoff, number: int, method: str, rows: pd.DataFrame) -> Series:
    x, y = f"test/{trade.metric}", "test/accuracy"
    rows = rows.sort_values([x, y])
    name = f"{PUBLISHED}{method}"
    points = [
        Point(a, b, f"{name}, not run here", [f"accuracy {b:.4f}, {words(trade.metric)} {a:.4f}"], filled=False)
        for a, b in _pairs(rows, x, y)
    ]
    return Series(name, published_look(number), points, line=_pairs(rows, x, y), width=0.6, muted=True)


def _surfaces(trade: Tradeoff, runs: pd.DataFrame, look: Look) -> list[Series]:
    """The attainment surfaces of one, half and all of the seeds, as steps."""
    surface = attainment(runs, trade.metric, greater_is_better=trade.greater_is_better)
    found = []
    for percent, width, style in ((0, 1.0, ":"), (50, 2.0, "-"), (100, 1.0, "--")):
        own = surface[surface["percent"] == percent].sort_values("test/accuracy")
        line = _pairs(own, f"test/{trade.metric}", "test/accuracy")
        method = str(runs["method"].iloc[0])
        drawn = Look(look.colour, look.marker, style)  # type: ignore[arg-type]
        found.append(Series(method, drawn, line=line, steps=True, width=width, view=ATTAINMENT, listed=False))
    return found


def _oracle(trade: Tradeoff) -> Series:
    x = f"test/{trade.metric}"
    oracle = trade.settings[trade.settings["test_oracle"]].sort_values(x)
    return Series(ORACLE, Look("ink", style=":"), line=_pairs(oracle, x, "test/accuracy"), width=1.1)
