"""Section on several tasks: error against gap of each task, and ARE against ARFG, on test rows."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairrun.analysis.interval import RULE
from fairrun.analysis.published import RELATIVE
from fairrun.analysis.tasks import GAINS, HYPERVOLUME_POINT, SLACK, VANILLA, Multitask, Plane, _figures, multitask
from fairrun.analysis.tradeoff import Tradeoff, value, words
from fairrun.config.metrics import MATCH_RATE
from fairrun.report import few
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section, Table
from fairrun.report.style import (
    PUBLISHED,
    UNKNOWN,
    count_those_beyond,
    draw_legend,
    draw_method,
    dress,
    estimate,
    look,
    published_look,
    span,
)
from fairrun.report.terminal import Shown, without_zero

WIDE = 3  # most panels in a row
ONE: dict[str, Any] = {"color": "0.35", "linewidth": 0.9, "linestyle": "--", "zorder": 1}


def build(trade: Tradeoff, options: ReportOptions) -> Section | None:
    """The picture and tables of ``tasks``, ``tasks.csv`` (configurations) and ``tasks_methods.csv``.

    None if no run has several tasks.
    """
    found = multitask(trade)
    if found is None:
        return None
    settings = found.settings.drop(columns="dataset", errors="ignore")
    return Section(
        title="Tasks",
        pictures={"tasks": draw(found)},
        alt=f"Error against gap of each task, and ARE against ARFG, on {trade.dataset}",
        tables=captioned(found),
        terminal=_terminal(found),
        csv={"tasks.csv": settings.assign(**few.column(trade)), "tasks_methods.csv": found.methods},
        of_groups=[*(f"{words(task)}: gap" for task in found.tasks), "ARFG", "DG", "hypervolume"],
    )


def draw(found: Multitask) -> Figure:
    """Draw a panel for each task, and one of ARE against ARFG with lines at 1; lower left is better.

    Each method has its own colour.  Single runs are faint; configurations are points with intervals.  Configurations on
    the method's validation front in the panel are filled and joined.  Published points are grey and hollow.
    Configurations far outside the others are counted but not drawn.
    """
    wide = min(WIDE, len(found.planes))
    height = -(-len(found.planes) // wide)
    figure = Figure(figsize=(0.6 + 4.1 * wide, 1.3 + 3.7 * height), layout="constrained")
    panels = list(figure.subplots(height, wide, squeeze=False).ravel())
    for axes, plane in zip(panels, found.planes, strict=False):
        _draw_plane(axes, found, plane)
    for axes in panels[len(found.planes) :]:
        axes.remove()
    figure.suptitle(_title(found), x=0.01, ha="left", fontsize=10)
    draw_legend(figure, panels[: len(found.planes)])
    return figure


def _title(found: Multitask) -> str:
    text = f"{found.dataset}: test rows, means over {found.seeds} with 95% intervals, decisions at the match-rate "
    text += (
        "threshold; lower left is better\nfilled and joined: each method's front in the panel, chosen on validation "
    )
    text += "rows; open: other configurations; faint: single runs"
    return text + "; grey: published, not run here" * bool(len(found.published))


def _draw_plane(axes: Axes, found: Multitask, plane: Plane) -> None:
    x, y = f"test/{plane.gap}", f"test/{plane.error}"
    for (k, method), own in plane.published.groupby(["number", "method"]):
        grey = published_look(k)
        hollow: dict[str, Any] = {"marker": grey.marker, "markersize": 5, "markerfacecolor": "white"}
        axes.plot(
            own["gap"], own["error"], color=grey.colour, linestyle="", zorder=2, label=f"{PUBLISHED}{method}", **hollow
        )
    for method, k in found.numbers.items():
        runs = found.runs[found.runs["method"] == method]
        axes.scatter(runs[x], runs[y], s=9, alpha=0.22, color=look(k).colour, marker=look(k).marker, linewidths=0)
        rows = plane.settings[plane.settings["method"] == method]
        draw_method(axes, rows.sort_values(x), x, y, look(k), method)
    if plane.relative:
        axes.axvline(1, **ONE)
        axes.axhline(1, **ONE)
    axes.set_xlim(_limits(found, plane, x, plane.published["gap"].tolist()))
    axes.set_ylim(_limits(found, plane, y, plane.published["error"].tolist()))
    count_those_beyond(axes, plane.settings[x], plane.settings[y])
    axes.set_title(plane.title, fontsize=10, loc="left")
    axes.set_xlabel(plane.labels[1])
    axes.set_ylabel(plane.labels[0])
    dress(axes)


def _limits(found: Multitask, plane: Plane, column: str, beside: list[float]) -> tuple[float, float]:
    """The limits of an axis: ``span`` up to twice the largest of median, published points and near front points.

    A front point is near within three times of the median and the published points.
    """
    settings = plane.settings
    beside = [*beside, 1.0] if plane.relative else beside
    middle = max([settings[column].median(), *beside])
    fronts = settings.loc[settings["method_front"], column]
    near = max([middle, *fronts[fronts <= 3 * middle]])
    ends = settings.loc[settings[column] <= near, f"{column}.high"]
    far = max(2 * near - settings[column].min(), ends.max())
    runs = found.runs[column]
    return span(runs[runs <= far], settings[settings[column] <= far], column, beside)


FIGURES = "Error: 1 - accuracy; gap: false positive rate difference; ARE, ARFG: error and gap over those of single-task"
FIGURES += " runs, mean over tasks. All: lower is better"


def settings_table(found: Multitask, prefix: str = MATCH_RATE) -> pd.DataFrame:
    """A row of text for each configuration, at the match-rate threshold, or with ``prefix`` "" at the threshold 0.5.

    At the match-rate threshold the table also has KG and DG, a star for the Pareto front of ARE and ARFG, and rows of
    published methods.
    """
    figures = _figures(prefix, found.tasks) | (GAINS if prefix else {})
    rows = []
    for _, row in found.settings.iterrows():
        cells = {c.removeprefix("method."): value(row[c]) for c in found.by} | {"seeds": str(row["seeds"])}
        cells |= {name: estimate(row, f"test/{column}", digits=4) for name, column in figures.items()}
        rows.append(cells | ({"front": "*" if row["front"] else ""} if prefix else {}))
    empty = dict.fromkeys(rows[0], "") | dict.fromkeys(figures, UNKNOWN)
    return pd.DataFrame(rows + [empty | cells for cells in (_published_cells(found) if prefix else [])])


def _published_cells(found: Multitask) -> list[dict[str, str]]:
    """A row of text for each published method."""
    headings = {str(k): f"{words(task)}: " for k, task in enumerate(found.tasks, 1)}
    rows = []
    for _, own in found.published.groupby("number"):
        cells = {"method": f"{PUBLISHED}{own['method'].iloc[0]}"}
        for _, point in own.iterrows():
            error, gap = (f"{point[name]:.4f}" for name in ("error", "gap"))
            if point["task"] == RELATIVE:
                cells |= {"ARE": error, "ARFG": gap}
            elif point["task"] in headings:
                heading = headings[point["task"]]
                cells |= {f"{heading}error": error, f"{heading}gap": gap}
        rows.append(cells)
    return rows


def methods_table(found: Multitask) -> pd.DataFrame:
    """A row of text for each method."""
    rows = []
    for _, row in found.methods.iterrows():
        cells = {"method": row["method"], "configurations": str(row["settings"]), "seeds": str(row["seeds"])}
        cells["hypervolume"] = estimate(row, "hypervolume", digits=4)
        cells["picked"] = row["picked"] or "none"
        figures = _figures(MATCH_RATE, found.tasks)
        figures = {name: figures[name] for name in ("ARE", "ARFG")} | figures
        rows.append(cells | {name: estimate(row, f"test/{column}", digits=4) for name, column in figures.items()})
    return pd.DataFrame(rows)


def captioned(found: Multitask) -> list[Table]:
    """The tables with captions: configurations at the match-rate threshold, those at 0.5, and methods."""
    over = f"test rows, mean over {found.seeds} [95% interval: {RULE}]"
    text = (
        f"{found.dataset}, decisions at the match-rate threshold (as many rows decided 1 as have label 1 in training)"
    )
    text += f": {over}. {FIGURES}. KG (higher is better), DG (lower is better): accuracy and gap minus those of "
    text += "single-task runs, mean over tasks; intervals take these as exact. "
    text += "* Pareto front of ARE and ARFG of all configurations, chosen on validation rows."
    if len(found.published):
        sources = "; ".join(found.published["source"].unique())
        text += f" Published by others, not run here: {sources}."
    half = f"{found.dataset}, decisions at 0.5: {over}. {FIGURES}."
    point = f"({HYPERVOLUME_POINT[0]:g}, {HYPERVOLUME_POINT[1]:g})"
    methods = f"{found.dataset}: {over}, match-rate threshold. Hypervolume of ARE and ARFG, reference point "
    methods += f"{point}, higher is better: every seed's front is chosen on its own "
    methods += (
        f"validation rows and valued on test rows. Picked: {rule(found)}; its figures are of test rows. {FIGURES}."
    )
    return [
        Table("tasks", settings_table(found), text, "Configurations, match-rate threshold"),
        Table("tasks-half", settings_table(found, ""), half, "Configurations, threshold 0.5"),
        Table("tasks-methods", methods_table(found), methods, "Methods, ARE and ARFG"),
    ]


def rule(found: Multitask) -> str:
    """The rule that picks a configuration, in words."""
    origin = f"that of {VANILLA} + {SLACK:g}" if found.vanilla else f"1 + {SLACK:g}: no run of {VANILLA} has one"
    text = f"the configuration with the least ARFG among those whose ARE is at most {found.bound:.4f} ({origin})"
    return f"{text}, means over seeds on validation rows"


def _terminal(found: Multitask) -> list[Shown]:
    """The tables for the terminal."""
    over = "test rows, mean over seeds [95% interval]"
    titles = f"at the match-rate threshold: {over}", f"at 0.5: {over}", f"match-rate threshold: {over}"
    published = "; published: by others, not run here; sources: table.md" * bool(len(found.published))
    point = f"({HYPERVOLUME_POINT[0]:g}, {HYPERVOLUME_POINT[1]:g})"
    corner = f"hypervolume: of the front of ARE and ARFG, reference {point}"
    notes = f"* front of ARE and ARFG: chosen on validation rows{published}", "", f"{corner}\npicked: {rule(found)}"
    tables = [_short(table.rows) for table in captioned(found)]
    return [
        Shown(rows, f"{found.dataset}, tasks {title}", note, list(rows.loc[:, :"seeds"]), file="table.md")
        for rows, title, note in zip(tables, titles, notes, strict=True)
    ]


def _short(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the figures behind the seeds shortened."""
    figures = list(table.loc[:, "seeds":])[1:]
    return table.assign(**{name: without_zero(table[name]) for name in figures})
