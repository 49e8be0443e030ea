"""Section on the choice: which configuration to take, what it costs, and the command that trains it and saves it."""

import math

from fairrun.analysis.interval import LEAST
from fairrun.analysis.recommend import BASELINES, Comparison, Estimate, Kept, Recommendation
from fairrun.analysis.tradeoff import Tradeoff, words
from fairrun.config.keys import BOUND
from fairrun.config.metrics import rests_on_groups
from fairrun.config.names import MOST_NAMED, counted
from fairrun.config.plugins import can_be_saved
from fairrun.report.few import MARK, few_rows
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section
from fairrun.results.again import OVERRIDES, command

OF_TODAY = "; runs here have several states of these data, and it reads them as they are now"


def build(trade: Tradeoff, options: ReportOptions) -> Section | None:
    """The sentence and the command; None if there is only one configuration."""
    if len(trade.settings) < 2:
        return None
    found = trade.recommended
    if found is None:
        text = "every configuration is degenerate or has an undefined value on validation rows: none is recommended."
        return Section(title="Which model to take", sentences=[f"{trade.dataset}: {text}"])
    mark = MARK if rests_on_groups(trade.metric) and few_rows(trade) else ""
    run = trade.runs[trade.runs["folder"] == str(found.folder)]
    saves = can_be_saved(run.dropna(axis="columns").iloc[0])
    again = None if trade.otherwise else command(found.folder, saves=saves)
    sentences = sentences_of(found, mark)
    if trade.otherwise:
        sentences.append(f"There is no command to train it again, as {trade.otherwise}.")
    elif again is None:
        sentences.append(f"There is no command to train it again: {found.folder} has no {OVERRIDES} that can be read.")
    else:
        left = "and saves the model" if saves else "but saves no model, as no file of its classifier is safe to load"
        if (bound := found.setting.get(BOUND)) is not None and saves:
            left += f", which fairrun.load(FOLDER, bound={bound:g}) loads with these thresholds"
        which = "it" if found.plain is None else found.name
        sentences.append(f"This command trains {which} with one of its seeds, {left}{OF_TODAY * trade.several_states}:")
    return Section(title="Which model to take", sentences=sentences, commands=[again] if again else [])


def sentences_of(found: Recommendation, mark: str = "") -> list[str]:
    """What to take and why, what it costs, and who keeps the bound.  ``mark`` stands behind the metric's name."""
    cost = _values(found, mark) if found.comparison is None else _differences(found, found.comparison, mark)
    text = " ".join(
        [f"{found.dataset}: {_choice(found, mark)}.", f"On test rows {cost}.", *_kept(found), *_plain(found)]
    )
    return [text, *_others(found)]


def _choice(found: Recommendation, mark: str) -> str:
    metric, several = f"{found.heading}{mark}", found.among > 1
    take = "the rule picks" if found.undecided else "take"
    number = f"{found.among} of {found.of}"
    if found.bound is not None:
        limit = f"{metric} is {'at least' if found.greater_is_better else 'at most'} {found.bound:g} on validation rows"
        if found.rule == "nearest":
            reached = _number(found.values[f"val/{found.metric}"].mean)
            return f"there is no configuration whose {limit}; nearest is {found.name} with {reached}"
        which = f"most accurate of the configurations ({number})" if several else "only configuration"
        return f"{take} {found.name}, the {which} whose {limit}"
    front = f"the validation front of accuracy and {metric}"
    if found.rule == "knee":
        return f"{take} {found.name}, the knee of {front} ({number} configurations are on it)"
    if several:
        return f"{take} {found.name}, the most accurate of the configurations ({number}) on {front}, which has no knee"
    return f"{take} {found.name}, the only configuration on {front}"


def _differences(found: Recommendation, compared: Comparison, mark: str) -> str:
    accuracy, metric = (compared.differences[name] for name in ("accuracy", found.metric))
    cost = _change(accuracy, "accuracy", "costs {} of accuracy", "gains {} of accuracy")
    name = f"the {words(found.metric)}{mark}"
    gain = _change(metric, name, f"lowers {name} by {{}}", f"raises {name} by {{}}")
    loss = metric.mean * (-1 if found.greater_is_better else 1)
    worse = accuracy.mean < 0 < loss and bool(_rounded(accuracy.mean)) and bool(_rounded(loss))
    sure = not (accuracy.unclear or metric.unclear)
    better = f": {compared.name} is better in both" if sure else f": {compared.name} has the better means of both"
    seeds = _over(compared.seeds, "shared ")
    comma = "," * accuracy.unclear
    said = f"{cost}{comma} against {compared.name}, and {gain}"
    none = f"does not differ clearly from {compared.name} in accuracy, by {_text(accuracy)}, nor in {name}, by "
    return f"it {none + _text(metric) if compared.undecided else said} ({seeds}){better if worse else ''}"


def _change(change: Estimate, name: str, falls: str, rises: str) -> str:
    """A mean change in words, with its interval; none is claimed where that contains 0."""
    if change.unclear:
        return f"shows no clear change of {name}, by {_text(change)}"
    if not math.isnan(change.mean) and not _rounded(change.mean):
        return f"changes {name} by {_text(change)}"
    return (falls if change.mean <= 0 else rises).format(_text(_positive(change)))


def _values(found: Recommendation, mark: str) -> str:
    accuracy, metric = (_text(found.values[f"test/{name}"]) for name in ("accuracy", found.metric))
    text = f"its accuracy is {accuracy}, and its {found.heading}{mark} {metric} ({_over(found.seeds)})"
    if found.baseline is None:
        return f"{text}; there is no run of {BASELINES[0]} to compare it with"
    if found.baseline == found.method:
        return f"{text}; it is {found.method} itself, with which others are compared"
    return f"{text}; no run of {found.baseline} has the same keys and seeds, to compare it with"


def _kept(found: Recommendation) -> list[str]:
    if found.kept is None:
        return []
    seeds = found.kept.seeds
    text = f"There {seeds} of its {found.kept.of} seeds keep{'s' * (seeds == 1)} the bound"
    value = "mean" if found.heading == words(found.metric) else found.heading.partition(" ")[0]  # or largest
    reached = _number(found.values[f"test/{found.metric}"].mean)
    if found.kept.by_mean:
        return [f"{text}."]
    warning = ": do not rely on it" * (not seeds)
    return [f"{text}; their {value}, {reached}, does not{warning}."]


def _plain(found: Recommendation) -> list[str]:
    """That the baseline does as well, where nothing differs clearly, or that it breaks the bound."""
    if not found.undecided or found.comparison is None:
        return []
    name = found.comparison.name
    return [f"So {name} is the plain choice." if found.plain else f"But {name} breaks the bound on validation rows."]


def _others(found: Recommendation) -> list[str]:
    """The other configurations that keep the bound on validation rows alone."""
    if not found.broken:
        return []
    named = [_broken(one) for one in found.broken[:MOST_NAMED]]
    more = len(found.broken) - len(named)
    text = ", ".join(named) + f", and {more} more" * bool(more)
    return [f"Others keep the bound on validation rows but not on test rows: {text}."]


def _broken(one: Kept) -> str:
    return f"{one.name} (kept by {one.seeds} of {one.of} seeds)"


def _over(seeds: int, which: str = "") -> str:
    number = counted(seeds, f"{which}seed")
    return f"{number}, 95% intervals" if seeds >= LEAST else f"{number}: too few for an interval"


def _positive(change: Estimate) -> Estimate:
    """The size of a change, with the interval in its direction."""
    return change if change.mean > 0 else Estimate(-change.mean, -change.high, -change.low)


def _text(found: Estimate) -> str:
    mean, ends = _number(found.mean), found[1:]
    return mean if math.isnan(found.low) else f"{mean} [{', '.join(map(_number, ends))}]"


def _number(value: float) -> str:
    return "an undefined value" if math.isnan(value) else f"{_rounded(value):.3f}"


def _rounded(value: float) -> float:
    return round(value, 3) + 0.0  # no -0
