"""The trade-off on one data set: its configurations, its methods, and comparisons of methods."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd

from fairrun.analysis import published
from fairrun.analysis.compare import Pair, paired
from fairrun.analysis.front import (
    REMOVAL,
    Anchors,
    anchors,
    aopac,
    chosen,
    columns_of,
    finished,
    hypervolume,
    settings,
    summarise,
)
from fairrun.analysis.ideal import ideal_area
from fairrun.analysis.interval import difference, interval
from fairrun.config.keys import BOUND
from fairrun.config.metrics import RELATIVE, of_name, rests_on_groups
from fairrun.config.values import value

if TYPE_CHECKING:
    from fairrun.analysis.recommend import Recommendation

AOPAC = {"aopac": published.KINDS["hard"], "soft_aopac": published.KINDS["soft"]}
IDEAL = {f"{name}_ideal": name for name in AOPAC}  # AOPAC as a share of the area of the ideal front
AREAS = ("hypervolume", *AOPAC, *IDEAL)
NOTHING = pd.DataFrame(columns=[*published.COLUMNS])
ORACLE = "test_oracle/"  # prefix of an area whose settings were chosen on test rows


@dataclass(frozen=True)
class Tradeoff:
    """One data set of a sweep; ``tradeoff`` makes it."""

    dataset: str
    metric: str
    greater_is_better: bool
    columns: list[str]  # more metrics to show
    test_oracle: bool  # whether there are also fronts chosen on test rows
    keep_degenerate: bool  # whether runs with nearly constant predictions may be on fronts
    seed_summary: str  # the metric of a configuration: mean over its seeds, or worst seed
    runs: pd.DataFrame  # finished runs, one for each configuration and seed
    by: list[str]  # the columns in which configurations differ
    settings: pd.DataFrame  # a row for each configuration: summarise
    methods: pd.DataFrame  # a row for each method: by_method
    comparisons: pd.DataFrame  # a row for each area and pair of methods: compare
    pairs: pd.DataFrame  # a row for each pair of configurations: paired
    anchors: Anchors
    ideal: float  # the AOPAC of the ideal front
    published: pd.DataFrame  # published points of this data set and metric
    published_tasks: pd.DataFrame  # published figures of this data set's tasks: published.of_tasks
    other: "Tradeoff | None"  # the same runs with the other demographic parity difference (hard or soft)
    several_states: bool = False  # whether other runs of the same problem have other rows
    # What a report adds
    recommended: "Recommendation | None" = None  # None: only one configuration, or none can be chosen
    otherwise: str = ""  # what the command of the recommended run does today, where it does not make that run

    @property
    def panels(self) -> "list[Tradeoff]":
        """The trade-offs to draw side by side."""
        return [self] if self.other is None else [self, self.other]

    @property
    def anchored(self) -> bool:
        """Whether the anchors are known and the metric is a demographic parity difference, which they bound."""
        return self.metric in AOPAC.values() and self.anchors.majority == self.anchors.majority

    @property
    def areas(self) -> list[str]:
        """The areas to show: AOPAC only for two classes, and if lower values of the metric are better."""
        several = self.anchors.majority == self.anchors.majority and self.anchors.max_dp != self.anchors.max_dp
        return ["hypervolume"] if several or self.greater_is_better else list(AREAS)

    @property
    def heading(self) -> str:
        """The metric in words; "largest ..." (or "smallest ...") if the worst seed of a configuration counts."""
        if self.seed_summary == "mean":
            return words(self.metric)
        return f"{'smallest' if self.greater_is_better else 'largest'} {words(self.metric)}"

    @property
    def direction(self) -> str:
        """Whether higher or lower values of the metric are better."""
        return "higher is better" if self.greater_is_better else "lower is better"

    @property
    def directions(self) -> dict[str, str]:
        """The shown metrics, and whether higher or lower values of each are better."""
        return {"accuracy": "higher is better", self.metric: self.direction} | {
            n: direction(n, self.runs) for n in self.columns
        }

    @property
    def of_groups(self) -> list[str]:
        """The headings of shown metrics that compare groups."""
        return [
            self.heading if name == self.metric else words(name) for name in self.directions if rests_on_groups(name)
        ]

    def runs_of(self, setting: pd.Series) -> pd.DataFrame:
        """The runs of a row of ``settings``."""
        same = pd.Series(True, index=self.runs.index)
        for key in self.by:
            same &= self.runs[key].map(value) == value(setting[key])
        return self.runs[same]

    @property
    def removal(self) -> dict[str, str]:
        """Columns about training rows removed as outliers, at the selected epoch -> their names in words."""
        found = [column for column in REMOVAL if column in self.settings and self.settings[column].notna().any()]
        return {column: words(column.removeprefix("train/")) for column in found}

    @property
    def seeds(self) -> str:
        """The number of seeds of each configuration: "5 seeds", or "3 to 5 seeds" if it differs."""
        low, high = self.settings["seeds"].min(), self.settings["seeds"].max()
        return f"{high} seed{'s' * bool(high > 1)}" if low == high else f"{low} to {high} seeds"

    @property
    def hypervolume_point(self) -> tuple[float, float]:
        """The reference point of the hypervolume: accuracy of the majority, and the worst value of the metric.

        The worst value is 1 for a difference, and 0 for a metric whose higher values are better.  The point depends on
        the test labels alone.  So it is the same for every method, seed and sweep, and no configuration is outside it
        by its metric.
        """
        return (self.anchors.majority, 0.0 if self.greater_is_better else 1.0)


def tradeoff(
    runs: pd.DataFrame,
    metric: str,
    *,
    greater_is_better: bool,
    test_oracle: bool = False,
    columns: Sequence[str] = (),
    compared: Sequence[Pair] = (),
    seed_summary: str = "mean",
    keep_degenerate: bool = False,
    points: pd.DataFrame | None = None,
    several_states: bool = False,
) -> Tradeoff:
    """Analyse the runs of one data set.

    ``columns`` are more metrics to show, ``compared`` pairs of methods, and ``points`` published results as
    ``published.read`` returns them.  ``several_states``: other runs of the problem have other rows.  Raises
    ``InputError`` if no run finished.
    """
    runs = finished(runs)
    by = settings(runs)
    dataset = str(runs["dataset"].iloc[0])
    more = [name for name in dict.fromkeys(columns) if name not in ("accuracy", metric)]
    options: dict[str, Any] = {"greater_is_better": greater_is_better, "test_oracle": test_oracle}
    kept: dict[str, Any] = {"seed_summary": seed_summary, "keep_degenerate": keep_degenerate}
    table = summarise(runs, metric, columns=more, **kept, **options)
    values = areas(runs, metric, **options)
    points = NOTHING if points is None else points
    trade = Tradeoff(
        dataset=dataset,
        metric=metric,
        columns=more,
        **kept,
        **options,
        runs=runs,
        by=by,
        settings=table,
        methods=by_method(table, values, by),
        comparisons=compare(values),
        pairs=paired(runs, by, ["accuracy", metric, *more], compared),
        anchors=anchors(runs),
        ideal=ideal_area(runs),
        published=published.of(points, dataset, metric),
        published_tasks=published.of_tasks(points, dataset),
        other=None,
        several_states=several_states,
    )
    other = _other(runs, metric)
    return trade if other is None else replace(trade, other=_drawn_by(trade, other, points))


def _drawn_by(trade: Tradeoff, metric: str, points: pd.DataFrame) -> Tradeoff:
    """The trade-off with another metric, to draw beside ``trade``.  Methods and pairs stay those of ``trade``."""
    options: dict[str, Any] = {"greater_is_better": False, "columns": []}
    kept: dict[str, Any] = {"test_oracle": trade.test_oracle, "seed_summary": trade.seed_summary}
    kept["keep_degenerate"] = trade.keep_degenerate
    table = summarise(trade.runs, metric, **options, **kept)
    return replace(
        trade, metric=metric, settings=table, published=published.of(points, trade.dataset, metric), **options
    )


def _other(runs: pd.DataFrame, metric: str) -> str | None:
    """The soft demographic parity difference for the hard one, and the hard one for the soft.

    None if the runs do not have it, or both are the same in all of them, as decisions by thresholds have no scores.
    """
    both = list(AOPAC.values())
    if metric not in both:
        return None
    other = both[1 - both.index(metric)]
    values = [[runs.get(f"{split}/{name}", pd.Series()) for name in (metric, other)] for split in ("val", "test")]
    known = all(second.notna().any() for _, second in values)
    return other if known and any(not first.equals(second) for first, second in values) else None


def areas(
    runs: pd.DataFrame, metric: str, *, greater_is_better: bool = False, test_oracle: bool = False
) -> pd.DataFrame:
    """A row for each method and seed: the areas of the Pareto front that this seed's validation values choose.

    The columns are ``method``, ``seed``, ``hypervolume`` (in accuracy and ``metric``), ``aopac`` and ``soft_aopac`` (of
    the front chosen in accuracy and the hard or soft demographic parity difference), and ``aopac_ideal`` and
    ``soft_aopac_ideal`` (their share of the ideal front's area).  With ``test_oracle`` there are also
    ``test_oracle/...``, the same areas for fronts chosen on test values.  If some runs of a seed failed, the front is
    that of the other runs.
    """
    labels, ideal = anchors(runs), ideal_area(runs)
    reference = (labels.majority, 0.0 if greater_is_better else 1.0)
    values, rows = runs[["method", "seed", *columns_of([metric, *AOPAC.values()], runs)]], []
    for (method, seed), own in values.groupby(["method", "seed"]):
        row = {"method": method, "seed": seed}
        for prefix, split in (("", "val"), (ORACLE, "test"))[: 1 + test_oracle]:
            points = chosen(own, metric, greater_is_better=greater_is_better, split=split)
            row[f"{prefix}hypervolume"] = hypervolume(points, reference, greater_is_better=greater_is_better)
            for name, dp in AOPAC.items():
                known = f"{split}/{dp}" in own
                row[prefix + name] = aopac(chosen(own, dp, split=split), labels) if known else float("nan")
            row |= {prefix + name: share(row[prefix + of], ideal) for name, of in IDEAL.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def share(area: float, ideal: float) -> float:
    """``area`` as a share of the ideal front's area; NaN if the latter is 0."""
    return area / ideal if ideal > 0 else float("nan")


def by_method(table: pd.DataFrame, areas: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """A row for each method: its areas, as means over seeds with intervals, and its configurations.

    The columns are ``settings``, the number of configurations; ``chosen``, the number of those on the method's
    validation front; ``seeds``; ``most_accurate`` and ``fairest``, the two ends of that front; and the areas.
    """
    rows = []
    for method, own in table.groupby("method", sort=False):
        front = own[own["method_front"]].sort_values("val/accuracy", kind="stable")
        ends = [describe(front.iloc[k], by) if len(front) else "" for k in (-1, 0)]
        values = areas[areas["method"] == method]
        row = {"method": method, "settings": len(own), "chosen": len(front), "seeds": len(values)}
        row |= {"most_accurate": ends[0], "fairest": ends[1]}
        for name in areas.columns[2:]:
            row[name] = values[name].mean(skipna=False)
            row[f"{name}.low"], row[f"{name}.high"] = interval(values[name].to_numpy(), _range(name))
        rows.append(row)
    return pd.DataFrame(rows)


def compare(areas: pd.DataFrame) -> pd.DataFrame:
    """A row for each area and pair of methods: ``first`` minus ``second`` over the seeds that both have.

    The columns are ``area``, ``first``, ``second``, ``seeds``, ``difference`` with ``.low`` and ``.high`` (95% interval
    of the mean of the paired differences), and ``first_better`` (number of seeds).  Pairs without a common seed and
    areas that no method has are left out.  All fronts are chosen on validation rows.
    """
    rows = []
    by_seed = {method: own.set_index("seed") for method, own in areas.groupby("method", sort=False)}
    for name in [name for name in AREAS if areas[name].notna().any()]:
        for first, second in combinations(by_seed, 2):
            shared = by_seed[first].index.intersection(by_seed[second].index)
            if len(shared):
                values = (by_seed[first].loc[shared, name] - by_seed[second].loc[shared, name]).to_numpy()
                low, high = interval(values, difference(_range(name)))
                row = {"area": name, "first": first, "second": second, "seeds": len(shared)}
                row |= {"difference": values.mean(), "difference.low": low, "difference.high": high}
                rows.append(row | {"first_better": int((values > 0).sum())})
    columns = ["area", "first", "second", "seeds", "difference", "difference.low", "difference.high", "first_better"]
    return pd.DataFrame(rows, columns=columns)


def _range(area: str) -> tuple[float, float]:
    """The range of an area; AOPAC counts points below the majority's accuracy negatively, and may be below 0."""
    return (0.0, 1.0) if area.removeprefix(ORACLE) == "hypervolume" else (-float("inf"), 1.0)


def direction(name: str, runs: pd.DataFrame) -> str:
    """Whether higher or lower values of a metric of the ``runs`` are better, in words."""
    greater = greater_is_better(name, runs)
    if greater is None:
        return "neither end is better"
    return "higher is better" if greater else "lower is better"


def greater_is_better(name: str, runs: pd.DataFrame) -> bool | None:
    """Whether greater values of a metric are better; None: neither greater nor smaller.  "metric/task" is for one task.

    The configuration of ``runs`` made with this metric decides, else the table of metrics.  For a user's own metric
    that neither knows, lower values count as better.
    """
    own = dict(zip(runs["metric.name"], runs["metric.greater_is_better"], strict=True))
    if name in own:
        return bool(own[name])
    metric = of_name(name)
    return metric.greater_is_better if metric else RELATIVE.get(name.partition("/")[0], False)


def describe(row: pd.Series, by: list[str]) -> str:
    """A configuration in words, without its method: "lam 0.5, epochs 10"; empty if only the method varies.

    A point of a run's own curve, which no key chooses, is "at the bound 0.05 of its curve".
    """
    known = [(c, value(row[c])) for c in by if c != "method"]
    said = [
        f"at the bound {text} of its curve" if c == BOUND else f"{c.removeprefix('method.')} {text}"
        for c, text in known
        if text
    ]
    return ", ".join(said)


def words(name: str) -> str:
    """The name of a column in words: "demographic parity difference"."""
    return name.replace("_", " ")
