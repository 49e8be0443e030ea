"""Section on several tasks: error against gap of each task, and ARE against ARFG, on test rows."""

import pandas as pd

from fairrun.analysis.interval import RULE
from fairrun.analysis.published import RELATIVE
from fairrun.analysis.recommend import named
from fairrun.analysis.tasks import GAINS, HYPERVOLUME_POINT, SLACK, VANILLA, Multitask, Plane, _figures, multitask
from fairrun.analysis.tradeoff import Tradeoff, words
from fairrun.config.metrics import MATCH_RATE
from fairrun.config.values import value
from fairrun.report import few
from fairrun.report.charts.chart import LEAST, Axis, Chart, Panel, Point, Rule, Series, seeds_said
from fairrun.report.charts.limits import fitted
from fairrun.report.charts.looks import Look, looks, published_look
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section, Table
from fairrun.report.style import PUBLISHED, UNKNOWN, estimate
from fairrun.report.terminal import Shown, without_zero


def build(trade: Tradeoff, options: ReportOptions) -> Section | None:
    """The chart and tables of ``tasks``, ``tasks.csv`` (configurations) and ``tasks_methods.csv``.

    None if no run has several tasks.
    """
    found = multitask(trade)
    if found is None:
        return None
    settings = found.settings.drop(columns="dataset", errors="ignore")
    return Section(
        title="Tasks",
        charts={"tasks": chart(found)},
        tables=captioned(found),
        terminal=_terminal(found),
        csv={"tasks.csv": settings.assign(**few.column(trade)), "tasks_methods.csv": found.methods},
        of_groups=[*(f"{words(task)}: gap" for task in found.tasks), "ARFG", "DG", "hypervolume"],
    )


def chart(found: Multitask) -> Chart:
    """A panel for each task, and one of ARE against ARFG with lines at 1; lower left is better.

    Configurations far outside the others are counted but not drawn.
    """
    legend = f"{found.dataset}, test rows, {seeds_said(found.settings['seeds'].min(), found.seeds)}; decisions at the "
    legend += "match-rate threshold; filled: on the method's front in the panel, chosen on validation rows"
    return Chart(
        panels=[_plane(found, plane) for plane in found.planes],
        alt=f"Error against gap of each task, and ARE against ARFG, on {found.dataset}",
        legend=legend,
    )


def _plane(found: Multitask, plane: Plane) -> Panel:
    x, y = f"test/{plane.gap}", f"test/{plane.error}"
    shown = looks(found.names)
    limits = [_limits(found, plane, column, list(plane.published[name])) for column, name in ((x, "gap"), (y, "error"))]
    inside = pd.Series(True, index=plane.settings.index)
    for column, ends in zip((x, y), limits, strict=True):
        inside &= plane.settings[column].between(*ends)
    series = [
        _method(found, plane, plane.settings[inside & (plane.settings["method"] == method)], method, shown[method])
        for method in plane.settings["method"].unique()
    ]
    for (number, name), own in plane.published.groupby(["number", "method"]):
        said = f"{PUBLISHED}{name}"
        points = [
            Point(
                row["gap"], row["error"], f"{said}, not run here", _says(plane, row["gap"], row["error"]), filled=False
            )
            for _, row in own.iterrows()
        ]
        series.append(Series(said, published_look(int(number)), points, muted=True))
    rules = [Rule("x", 1.0, ""), Rule("y", 1.0, "single-task")] if plane.relative else []
    return Panel(
        x=Axis(plane.labels[1].partition(":")[0], *limits[0], -1),
        y=Axis(plane.labels[0].partition(":")[0], *limits[1], -1),
        series=series,
        title=plane.title,
        rules=rules,
        missing=int((~inside).sum()),
    )


def _says(plane: Plane, gap: float, error: float) -> list[str]:
    names = [label.partition(":")[0] for label in plane.labels]
    return [f"{names[0]} {error:.4f}", f"{names[1]} {gap:.4f}"]


def _method(found: Multitask, plane: Plane, rows: pd.DataFrame, method: str, look: Look) -> Series:
    x, y = f"test/{plane.gap}", f"test/{plane.error}"
    rows = rows.sort_values(x)
    line = rows[rows["method_front"]]
    names = [label.partition(":")[0] for label in plane.labels]
    keys = [key for key in found.by if key != "method" and rows[key].map(value).nunique() > 1]
    points = [
        Point(
            x=float(row[x]),
            y=float(row[y]),
            name=named(row, found.by),
            says=[f"{names[0]} {estimate(row, y, 4)}", f"{names[1]} {estimate(row, x, 4)}", f"{row['seeds']} seeds"],
            seeds=int(row["seeds"]),
            label=", ".join(value(row[key]) for key in keys),
            x_ends=(float(row[f"{x}.low"]), float(row[f"{x}.high"])),
            y_ends=(float(row[f"{y}.low"]), float(row[f"{y}.high"])),
            filled=bool(row["method_front"]),
        )
        for _, row in rows.iterrows()
    ]
    seeds = {named(row, found.by): int(row["seeds"]) for _, row in rows.iterrows()}
    runs = [
        Point(float(run[x]), float(run[y]), f"{name}, seed {run['seed']}", _says(plane, run[x], run[y]), seeds[name])
        for _, run in found.runs[found.runs["method"] == method].iterrows()
        if (name := named(run, found.by)) in seeds
    ]
    pairs = list(line[[x, y]].itertuples(index=False, name=None)) if len(line) > 1 else ()
    knob = ", ".join(key.removeprefix("method.") for key in keys)
    return Series(method, look, points, runs, pairs, knob=knob)


def _limits(found: Multitask, plane: Plane, column: str, beside: list[float]) -> tuple[float, float]:
    """The limits of an axis up to twice the largest of median, published points and near front points.

    A front point is near within three times of the median and the published points.
    """
    settings = plane.settings
    beside = [*beside, 1.0] if plane.relative else beside
    middle = max([settings[column].median(), *beside])
    fronts = settings.loc[settings["method_front"], column]
    near = max([middle, *fronts[fronts <= 3 * middle]])
    shown = settings[settings[column] <= near]
    ends = pd.DataFrame({end: shown[f"{column}.{end}"] for end in ("low", "high")})
    far = max(2 * near - settings[column].min(), ends["high"].max())
    few_seeds = int(found.settings["seeds"].min()) < LEAST
    runs = found.runs[column]
    values = [*settings.loc[settings[column] <= far, column], *(runs[runs <= far] if few_seeds else ()), *beside]
    return fitted(values, None if few_seeds else ends)


FIGURES = "Error: 1 - accuracy; gap: false positive rate difference; ARE, ARFG: error and gap over those of single-task"
FIGURES += " runs, mean over tasks. All: lower is better"

TERMS = {
    "error": "1 - accuracy of the task",
    "gap": "false positive rate difference of the task",
    "ARE": "error over that of single-task runs, mean over tasks",
    "ARFG": "gap over that of single-task runs, mean over tasks",
    "KG": "accuracy minus that of single-task runs, mean over tasks (higher is better); intervals take these as exact",
    "DG": "gap minus that of single-task runs, mean over tasks (lower is better); intervals take these as exact",
    "match-rate threshold": "as many rows decided 1 as have label 1 in training",
}


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
    terms = TERMS | {"picked": rule(found)}
    if len(found.published):
        terms |= {"published": "by others, not run here: " + "; ".join(found.published["source"].unique())}
    means = f"Test rows, means over {found.seeds} [95% interval]"
    matched, at_half = "Configurations, match-rate threshold", "Configurations, threshold 0.5"
    area = {"hypervolume": f"of ARE and ARFG, reference point {point}; every seed's front is chosen on validation rows"}
    return [
        Table(
            "tasks", settings_table(found), text, matched, lead=f"{means}. All but KG: lower is better.", terms=terms
        ),
        Table(
            "tasks-half", settings_table(found, ""), half, at_half, lead=f"{means}. All: lower is better.", terms=TERMS
        ),
        Table(
            "tasks-methods",
            methods_table(found),
            methods,
            "Methods, ARE and ARFG",
            lead=f"{means}.",
            terms=terms | area,
        ),
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
