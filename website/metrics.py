"""The page about metrics: their formulas, ranges and needs, by their docstrings and the table of metrics."""

import math
import re
from collections.abc import Iterator

from fairrun.about import declared
from fairrun.config.metrics import FUNCTIONS, GROUP_METRICS, MATCH_RATE, METRICS, Metric
from website.markdown import block, code, link, page, prose, table

PAGE = "reference/metrics.md"
FORMULA = "Formula: "


def pages() -> dict[str, str]:
    """The one page."""
    head = declared.source(FUNCTIONS)
    intro = [prose(part) for part in (head.docstring if head else "").split("\n\n")[2:]]
    listed = [
        (link(code(m.name), f"#{m.name}"), _better(m), _range(m), "groups" if m.of_groups else "all rows")
        for m in METRICS.values()
    ]
    return {
        PAGE: page(
            "Metrics",
            "Every run has all of these on validation and test rows. `metric=NAME` (or `metric.name=NAME`) chooses the "
            "one that is traded against accuracy.",
            *(line for part in intro for line in ("", part)),
            *table(("metric", "better", "range", "of"), listed),
            *(line for metric in METRICS.values() for line in _section(metric)),
            "## Of each group",
            "",
            "The columns are `test/NAME/s=K`, for instance `test/accuracy/s=0` of the first group. Trackers and "
            "`model.metrics` have the group's name: `test/accuracy/sex=Female`.",
            *(line for metric in GROUP_METRICS for line in _section(metric, "###")),
        )
    }


def formula(name: str) -> str:
    """The formula that the docstring of a metric's function gives: after "Formula: ", or its first words; or ""."""
    doc = " ".join(declared.docstring(f"{FUNCTIONS}.{name}")[0].split())
    if FORMULA in doc:
        return _sentence(doc.partition(FORMULA)[2])
    return doc.partition(", ")[0] if doc.startswith("P(") else ""


def _sentence(text: str) -> str:
    """The first sentence, without its full stop; sentences end before a capital letter."""
    return re.split(r"\.(?=$|\s+[A-Z])", text)[0]


def _section(metric: Metric, level: str = "##") -> Iterator[str]:
    name = metric.name.removeprefix("group_")
    doc = declared.docstring(f"{FUNCTIONS}.{metric.name}")[0].split("\n\n")
    yield from ("", f"{level} {name}")
    yield from (line for part in doc if not part.startswith(FORMULA) for line in ("", prose(part)))
    yield from block(formula(metric.name))
    yield from table(("", ""), _facts(metric))


def _facts(metric: Metric) -> Iterator[tuple[str, str]]:
    yield "better", _better(metric)
    yield "range", _range(metric)
    if metric in METRICS.values():
        yield "groups without rows", absent(metric)
    yield "classes of the label", "two" if metric.two_classes_only else "two or more"
    if metric.of_probabilities:
        yield "decisions by thresholds", "NaN: they have no probability of the label"
    if metric.at_match_rate:
        yield "of several tasks", f"also `{MATCH_RATE}{metric.name}`, at the match-rate threshold"
    if metric.surrogate != "none":
        yield "methods train with", code(metric.surrogate)


def absent(metric: Metric) -> str:
    """What a group without the rows that a metric needs does to it."""
    if not metric.of_groups:
        return "do not matter"
    rows = " and of ".join(f"label {label}" for label in metric.labels_needed)
    return (
        f"left out, as groups without rows of {rows}; NaN where none is left"
        if rows
        else "left out; NaN where none is left"
    )


def _better(metric: Metric) -> str:
    return {True: "higher", False: "lower", None: "neither"}[metric.greater_is_better]


def _range(metric: Metric) -> str:
    low, high = metric.bounds
    return f">= {low:g}" if math.isinf(high) else f"[{low:g}, {high:g}]"
