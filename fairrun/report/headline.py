"""The first sentence of a page: what the recommended configuration gains and costs, each number with its interval."""

import math

import pandas as pd

from fairrun.analysis.interval import LEAST
from fairrun.analysis.recommend import Comparison, Estimate, Recommendation, named
from fairrun.analysis.tradeoff import Tradeoff, words
from fairrun.config.names import counted
from fairrun.report.style import estimate

PARTS = {1 / 2: "halves", 1 / 3: "cuts to a third", 1 / 4: "cuts to a quarter", 1 / 10: "cuts to a tenth"}
TOLERANCE = 0.1  # of a part, relatively
LARGEST = 3  # names in a title


def title(trades: list[Tradeoff]) -> str:
    """What a page is about: its data sets and methods."""
    datasets = [trade.dataset for trade in trades]
    methods = list(dict.fromkeys(name for trade in trades for name in trade.settings["method"]))
    return f"{_listed(datasets, 'data sets')}: {_listed(methods, 'methods')}"


def _listed(names: list[str], noun: str) -> str:
    if len(names) > LARGEST:
        return f"{len(names)} {noun}"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def headline(trade: Tradeoff) -> str:
    """The sentence about one data set, and whether no command makes its run any more.

    It says that something rises or falls only where the 95% interval of the difference, seed by seed, leaves 0 out.
    """
    return f"{_sentence(trade)}{' No command makes this any more: see below.' * bool(trade.otherwise)}"


def _sentence(trade: Tradeoff) -> str:
    found = trade.recommended
    if found is None:
        if len(trade.settings) > 1:
            return "No configuration can be recommended: all are degenerate or have an undefined value."
        return f"{_values(trade, trade.settings.iloc[0])}."
    if found.comparison is None:
        rows = trade.settings
        (row,) = (row for _, row in rows.iterrows() if named(row, trade.by) == found.name)
        return f"{_values(trade, row)}: the choice among {len(rows)} configurations."
    if math.isnan(found.comparison.differences[found.metric].low):
        return f"{_sides(found, found.comparison)}."
    if found.undecided:
        return f"{found.name} {_nothing(found, found.comparison)}."
    return f"{found.name} {_gain(found, found.comparison)} {_cost(found, found.comparison)}."


def _values(trade: Tradeoff, row: pd.Series) -> str:
    seeds = f"{row['seeds']} seed{'s' * bool(row['seeds'] != 1)}"
    accuracy, metric = (estimate(row, f"test/{name}") for name in ("accuracy", trade.metric))
    return f"{named(row, trade.by)} has accuracy {accuracy} and {trade.heading} {metric} ({seeds})"


def _sides(found: Recommendation, compared: Comparison) -> str:
    """Both configurations side by side, where the seeds are too few to say what differs."""
    (accuracy, other_accuracy), (metric, other_metric) = (compared.means[name] for name in ("accuracy", found.metric))
    seeds = counted(compared.seeds, "seed")
    why = "too few for an interval" if compared.seeds < LEAST else "a value is undefined"
    numbers = [
        f"{mean:.3f}" if mean == mean else "undefined" for mean in (metric, accuracy, other_metric, other_accuracy)
    ]
    text = f"{found.name} has {words(found.metric)} {numbers[0]} and accuracy {numbers[1]}, {compared.name} "
    return f"{text}{numbers[2]} and {numbers[3]} ({seeds}: {why})"


def _nothing(found: Recommendation, compared: Comparison) -> str:
    """Neither of both differs clearly."""
    accuracy, metric = (compared.differences[name] for name in ("accuracy", found.metric))
    new, old = compared.means[found.metric]
    text = f"does not differ clearly from {compared.name}{', the plain choice' * bool(found.plain)}: "
    text += f"{words(found.metric)} {old:.3f} \u2192 {new:.3f} (by {_signed(metric)}), accuracy by {_signed(accuracy)}"
    return text


def _gain(found: Recommendation, compared: Comparison) -> str:
    change = compared.differences[found.metric]
    new, old = compared.means[found.metric]
    metric = f"the {words(found.metric)} of {compared.name}"
    arrow = f"{old:.3f} \u2192 {new:.3f}"
    if not change.clear:
        return f"does not clearly change {metric} ({arrow}; by {_signed(change)})"
    verb = _verb(new, old, change) if not found.greater_is_better else _plain(change)
    what = verb.replace("cuts", f"cuts {metric}") if verb.startswith("cuts") else f"{verb} {metric}"
    return f"{what} ({arrow}; by {_size(change)})"


def _verb(new: float, old: float, change: Estimate) -> str:
    """What the change does; a part is named where the interval excludes a change half as large."""
    sure = min(abs(change.low), abs(change.high)) > abs(change.mean) / 2
    ratio = new / old if old > 0 else math.nan
    parts = [text for part, text in PARTS.items() if abs(ratio / part - 1) <= TOLERANCE]
    return parts[0] if parts and sure else "lowers" if new < old else "raises"


def _plain(change: Estimate) -> str:
    return "lowers" if change.mean < 0 else "raises"


def _cost(found: Recommendation, compared: Comparison) -> str:
    change = compared.differences["accuracy"]
    metric = compared.differences[found.metric]
    improved = metric.clear and metric.mean * (1 if found.greater_is_better else -1) > 0
    if not change.clear:
        return f"with no clear change of accuracy (by {_signed(change)})"
    if change.mean > 0:
        return f"and gains {_size(change)} of accuracy"
    return f"for {_size(change)} of accuracy" if improved else f"and costs {_size(change)} of accuracy"


def _size(change: Estimate) -> str:
    """The size of a change, with the interval in its direction."""
    return _signed(change if change.mean >= 0 else Estimate(-change.mean, -change.high, -change.low))


def _signed(change: Estimate) -> str:
    digits = 3 if abs(change.mean) >= 0.001 else 4
    mean, low, high = (f"{round(value, digits) + 0.0:.{digits}f}" for value in change)
    return f"{mean} [{low}, {high}]"
