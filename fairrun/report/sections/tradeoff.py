"""Section on the trade-off: accuracy against the metric on test rows, as a picture and as a chart."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle

from fairrun.analysis.front import is_degenerate
from fairrun.analysis.relative import tasks
from fairrun.analysis.tradeoff import Tradeoff, words
from fairrun.config.metrics import rests_on_groups
from fairrun.report import few
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section
from fairrun.report.sections.settings import degenerate_note, seed_summary_note
from fairrun.report.sections.tradeoff_chart import chart
from fairrun.report.style import (
    DEGENERATE,
    PUBLISHED,
    accuracy_limits,
    accuracy_title,
    draw_legend,
    draw_method,
    dress,
    limits,
    look,
    metric_title,
    published_look,
)

MAJORITY, MAX_DP = "always the majority", "the labels' difference"
WIDEST = 60  # characters of what a data set is called above a picture


def build(trade: Tradeoff, options: ReportOptions) -> Section:
    """The picture ``front``, and the chart for the page."""
    return Section(pictures={"front": draw(trade)}, chart=chart(trade), notes=_notes(trade))


def _notes(trade: Tradeoff) -> list[str]:
    """Captions of the chart."""
    notes = [seed_summary_note(trade), degenerate_note(trade)]
    if rests_on_groups(trade.metric):
        notes.append(few.note(trade))
    if trade.other is not None:
        notes.append(
            f"Left: {words(trade.metric)}; right: {words(trade.other.metric)}, each with a front of its own that "
            "validation rows choose; the stars and ends of fronts in the tables are those of the left one."
        )
    if trade.anchored:
        notes.append("Dashed: accuracy of always deciding for the majority. Dotted: the labels' own difference.")
    if any(len(panel.published) for panel in trade.panels):
        notes.append("Grey and hollow: points that others published, not run here.")
    return [note for note in notes if note]


def draw(trade: Tradeoff) -> Figure:
    """Draw accuracy against the metric.

    Each method has its own colour.  Single runs are faint; configurations are points with intervals.  Configurations on
    the method's validation front are filled and joined, with the interval of accuracy as a band.  A ring marks the
    Pareto front of all methods.

    If the metric is a demographic parity difference (hard or soft) and the runs have both, the other one is beside it.
    Lines show the labels' anchors if they are known, and grey points show published results.
    """
    panels = trade.panels
    figure = Figure(figsize=(7.5 if len(panels) == 1 else 12, 5), layout="constrained")
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(row, panels, strict=True):
        _draw_panel(axes, panel)
        axes.set_xlim(limits(panel, f"test/{panel.metric}"))
        axes.set_xlabel(metric_title(panel, " " if len(panels) == 1 else "\n"))
        dress(axes)
    row[0].set_ylim(accuracy_limits(trade))
    row[0].set_ylabel(accuracy_title(trade))
    _draw_title(row[0], trade)
    draw_legend(figure, row)
    return figure


def _draw_title(axes: Axes, trade: Tradeoff) -> None:
    name = trade.dataset if len(trade.dataset) <= WIDEST else f"{trade.dataset[: WIDEST - 3]}..."
    title = f"{name}: means over {trade.seeds} with 95% intervals"
    if trade.seed_summary != "mean":
        title += f", but the {trade.heading}"
    axes.set_title(title, fontsize=10, loc="left", pad=16)
    legend = "means over tasks, decisions at 0.5; " * bool(tasks(trade.runs))
    legend += "faint: single runs; open: configurations that are not on their method's validation front"
    if len(trade.panels) > 1:
        legend += "; a front for each panel"
    if any(len(panel.published) for panel in trade.panels):
        legend += "; grey: published by others, not run here"
    note = axes.text(0, 1.015, legend, transform=axes.transAxes, fontsize=8, color="0.4")
    note.set_in_layout(len(trade.panels) == 1)  # else a note wider than a panel would move the panels apart


def _draw_panel(axes: Axes, trade: Tradeoff) -> None:
    x, y = f"test/{trade.metric}", "test/accuracy"
    _draw_anchors(axes, trade)
    _draw_published(axes, trade, x, y)
    for k, (method, rows) in enumerate(trade.settings.groupby("method", sort=False)):
        runs = trade.runs[trade.runs["method"] == method]
        axes.scatter(runs[x], runs[y], s=9, alpha=0.22, color=look(k).colour, marker=look(k).marker, linewidths=0)
        draw_method(axes, rows.sort_values(x), x, y, look(k), str(method))
    front = trade.settings[trade.settings["front"]].sort_values(x)
    ring = MarkerStyle("o", fillstyle="none")
    name = "front of all, chosen on validation"
    axes.scatter(front[x], front[y], s=90, marker=ring, color="black", linewidths=0.9, zorder=4, label=name)
    constant = trade.settings[is_degenerate(trade.settings)]
    if len(constant):
        axes.scatter(constant[x], constant[y], s=40, marker="x", color="black", zorder=5, label=DEGENERATE)
    if trade.test_oracle:
        oracle = trade.settings[trade.settings["test_oracle"]].sort_values(x)
        axes.plot(oracle[x], oracle[y], ":", color="black", linewidth=1.2, label="test oracle: chosen on test")


def _draw_anchors(axes: Axes, trade: Tradeoff) -> None:
    if not trade.anchored:
        return
    text: dict[str, Any] = {"fontsize": 7.5, "color": "0.35", "zorder": 1}
    axes.axhline(trade.anchors.majority, color="0.35", linewidth=0.9, linestyle="--", zorder=1)
    across = axes.get_yaxis_transform()
    axes.text(0.7, trade.anchors.majority, MAJORITY, transform=across, ha="center", va="bottom", **text)
    axes.axvline(trade.anchors.max_dp, color="0.35", linewidth=0.9, linestyle=":", zorder=1)
    up = axes.get_xaxis_transform()
    axes.text(trade.anchors.max_dp, 0.4, f" {MAX_DP}", transform=up, rotation=90, ha="left", va="center", **text)


def _draw_published(axes: Axes, trade: Tradeoff, x: str, y: str) -> None:
    for (k, method), own in trade.published.groupby(["number", "method"]):
        look, points = published_look(k), own.sort_values([x, y])
        hollow: dict[str, Any] = {"marker": look.marker, "markersize": 4, "markerfacecolor": "white"}
        label = f"{PUBLISHED}{method}"
        axes.plot(points[x], points[y], color=look.colour, linewidth=0.7, zorder=2, label=label, **hollow)
