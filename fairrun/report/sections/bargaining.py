"""Section on bargaining: the alignment of players and their shares of the weights, over epochs."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from fairrun.analysis.bargaining import ALPHA, Alignment, alignment, second_stage
from fairrun.analysis.interval import RULE, interval
from fairrun.analysis.tradeoff import Tradeoff
from fairrun.report.charts.chart import Axis, Chart, Panel, Rule
from fairrun.report.charts.curves import curves_said, over_epochs
from fairrun.report.charts.limits import fitted
from fairrun.report.charts.looks import PLAYERS, STYLES, Look, Style, looks
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section, Table
from fairrun.report.style import UNKNOWN, estimate

PANELS: tuple[tuple[str, dict[str, Style]], ...] = (  # title -> columns with their line styles
    ("smallest gain of a player", {"smallest_gain": "-"}),
    ("alignment (dashed: rectified)", {"aligned": "-", "aligned_rectified": "--"}),
    ("steps without an agreement", {"infeasible": "-"}),
)
STAGE = "stage 2 starts"


def build(trade: Tradeoff, options: ReportOptions) -> Section | None:
    """The chart ``bargaining`` and a table; None if no method bargained."""
    found = alignment(trade)
    if found is None:
        return None
    table = Table("bargaining", alignment_table(found), caption(found), in_files=False, lead=LEAD, terms=TERMS)
    return Section(title="Bargaining", charts={"bargaining": chart(found)}, tables=[table])


def chart(found: Alignment) -> Chart:
    """Means over seeds with intervals as bands, over epochs.

    The first panels show smallest gain, alignment rate and steps without an agreement, with a colour for each method.
    The others, one for each method, show each player's share of alpha.  Lines show where stage 2 starts.
    """
    players = list(found.players)
    shares = [method for method in found.settings if found.of(method)[players].notna().any(axis=None)]
    panels = [_of_methods(found, title, columns) for title, columns in PANELS]
    alphas = [value for method in shares for value in found.of(method)[players].to_numpy().ravel()]
    panels += [_of_players(found, method, fitted([*alphas, 0.0])) for method in shares]
    alt = f"Gains and alignment of the players and their shares of the weights, over epochs, on {found.dataset}"
    seeds = found.steps.groupby("method")["seed"].nunique().min()
    return Chart(panels, alt, int(seeds), of_epochs=True, legend=f"{found.dataset}: {curves_said(int(seeds))}")


def _epochs(found: Alignment) -> Axis:
    epochs = found.steps["epoch"]
    return Axis("epoch", float(epochs.min()) - 0.5, float(epochs.max()) + 0.5, integers=True)


def _of_methods(found: Alignment, title: str, columns: Mapping[str, Style]) -> Panel:
    shown = looks(found.methods)
    series = []
    for method, setting in found.settings.items():
        for column, style in columns.items():
            look = replace(shown[method], style=style)
            name = f"{method} {setting}".strip()
            series.append(over_epochs(found.of(method), column, name, look, listed=style == "-"))
    gains = "smallest_gain" in columns
    values = [value for one in series for _, value in one.line]
    ends = fitted([*values, 0.0]) if gains else (-0.03, 1.03)
    starts = dict.fromkeys(start for method in found.settings if (start := _stage(found, method)))
    zero = [Rule("y", 0.0, "", "-")] if gains else []
    return Panel(_epochs(found), Axis("", *ends), series, title, [*zero, *starts])


def _of_players(found: Alignment, method: str, ends: tuple[float, float]) -> Panel:
    steps = found.of(method)
    series = [over_epochs(steps, player, found.players[player], look) for player, look in _shades(found).items()]
    start = _stage(found, method)
    rules = [Rule("y", 0.0, "", "-"), *([start] if start else [])]
    return Panel(_epochs(found), Axis("", *ends), series, f"shares of alpha: {method}", rules)


def _stage(found: Alignment, method: str) -> Rule | None:
    start = second_stage(found.of(method))
    return None if start != start else Rule("x", start - 0.5, STAGE, ":")


def _shades(found: Alignment) -> dict[str, Look]:
    """The look of each player: one colour for each group, one line style for each label."""
    cells = {player: player.removeprefix(ALPHA).partition("/") for player in found.players}
    groups, labels = (list(dict.fromkeys(cell[k] for cell in cells.values())) for k in (0, 2))
    return {
        player: Look(PLAYERS[groups.index(group) % len(PLAYERS)], style=STYLES[labels.index(label) % len(STYLES)])
        for player, (group, _, label) in cells.items()
    }


def alignment_table(found: Alignment) -> pd.DataFrame:
    """A row of text for each method: rates by stage, as means over seeds with intervals."""
    rows = []
    for method, setting in found.settings.items():
        steps = found.of(method)
        stages = steps[steps["stage"] == 1], steps[steps["stage"] == 2]
        cells = {"method": f"{method} {setting}".strip(), "seeds": str(steps["seed"].nunique())}
        cells["epochs bargained"] = _estimate(steps.groupby("seed")["bargained"].sum(min_count=1), digits=1)
        for number, stage in enumerate(stages, 1):
            for column, name in (("aligned", "aligned"), ("aligned_rectified", "rectified")):
                cells[f"stage {number}, {name}"] = _estimate(stage.groupby("seed")[column].mean())
        if len(stages[0]) and stages[1].empty:
            cells |= {"stage 2, aligned": "stage 2 never starts", "stage 2, rectified": UNKNOWN}
        cells["goal alone"] = _estimate(steps.groupby("seed")["goal_aligned"].mean())
        rows.append(cells | {"infeasible": _estimate(stages[0].groupby("seed")["infeasible"].mean())})
    return pd.DataFrame(rows)


def _estimate(by_seed: pd.Series, digits: int = 3) -> str:
    values = by_seed.dropna().to_numpy()
    low, high = interval(values, (0.0, 1.0))  # a share
    return estimate(pd.Series({"x": by_seed.mean(), "x.low": low, "x.high": high}), "x", digits)


LEAD = "Share of steps that lower every player's loss, mean over epochs and seeds [95% interval]."
TERMS = {
    "player": "a cell of group and label; a step is aligned if it lowers every player's loss (every g_i . d > 0)",
    "aligned": "share of aligned steps before rectification",
    "rectified": "share of aligned steps with the row weights that were used, max(d, 0)",
    "goal alone": "share of aligned steps for the direction that the goal alone would take, all epochs",
    "infeasible": "share of stage 1's steps without an agreement",
    "stage 1": "the epochs in which more than half of the steps were bargained, or were to be",
}


def caption(found: Alignment) -> str:
    """The caption of the table, which explains its rows."""
    text = f"{found.dataset}: share of steps that lower every player's loss (every g_i . d > 0), mean over epochs and "
    text += f"seeds [95% interval: {RULE}]; a player is a cell of group and label. Aligned: before rectification; "
    text += "rectified: with the row weights that were used, max(d, 0); goal alone: the direction that the goal alone "
    text += "would take, all epochs; infeasible: share of stage 1's steps without an agreement. An epoch is of stage 1 "
    text += "where more than half of its steps were bargained, or were to be."
    first = " Of a method with several configurations the first is shown."
    return text + first * any(found.settings.values())
