"""What is known of each metric: one table, without torch, so that composing and reports read it at once.

The functions are in ``fairrun.training.metrics``.  A metric of a user's own has none of this but what its YAML says.
"""

import functools
import importlib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairrun.config.check import InputError, imported, one_of, require
from fairrun.config.plugins import folders

FUNCTIONS = "fairrun.training.metrics"
POSITIVE, ANY = (0.0, math.inf), (-math.inf, math.inf)  # ranges of values
LEAST_ROWS = 30  # test rows of a group; with fewer, metrics that rest on the group are uncertain
LEAST_CHOSEN = 50  # validation rows of a group that a rate counts; with fewer its standard error may exceed 0.07
NONE = "none"  # a surrogate that is none
FROM_SURROGATE = ("fairness_loss", "constraint")  # keys of methods that are ``metric.surrogate`` by default
MATCH_RATE = "match_rate_"  # prefix of metrics of decisions at the match-rate threshold; without it at 0.5


@dataclass(frozen=True)
class Metric:
    """A metric, computed on the validation and test rows of every run."""

    name: str  # of the function: an Outcome of R runs -> [R]; of the column
    greater_is_better: bool | None  # None: neither end is better, and no report trades it against accuracy
    surrogate: str = NONE  # the fairness loss that methods train with in its place: a name in LOSSES, or a path
    two_classes_only: bool = False
    labels_needed: tuple[int, ...] = ()  # a group without rows of these labels does not count
    at_match_rate: bool = False  # with several tasks also computed at the match-rate threshold
    of_probabilities: bool = False  # NaN for decisions by thresholds, which have no score of the label
    bounds: tuple[float, float] = (0.0, 1.0)  # the range of its values
    of_groups: bool = False  # whether it compares groups, or is that of one group
    module: str = FUNCTIONS  # where the function is

    @functools.cached_property
    def fn(self) -> Callable[[Any], Any]:
        """The function; its module is imported at the first use."""
        found: Callable[[Any], Any] = getattr(importlib.import_module(self.module), self.name)
        return found


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, at_match_rate=True),
        Metric("balanced_accuracy", True),
        Metric("roc_auc", True, two_classes_only=True, of_probabilities=True),
        Metric("log_loss", False, of_probabilities=True, bounds=POSITIVE),
        Metric("loss_variance", False, of_probabilities=True, bounds=POSITIVE),
        Metric("worst_tenth_loss", False, of_probabilities=True, bounds=POSITIVE),
        Metric("worst_group_log_loss", False, of_probabilities=True, bounds=POSITIVE, of_groups=True),
        Metric("selection_rate", None, two_classes_only=True),
        Metric("expected_calibration_error", False, two_classes_only=True, of_probabilities=True),
        Metric("demographic_parity_difference", False, "demographic_parity", two_classes_only=True, of_groups=True),
        Metric(
            "soft_demographic_parity_difference", False, "demographic_parity", two_classes_only=True, of_groups=True
        ),
        Metric(
            "equal_opportunity_difference", False, "equal_opportunity", True, (1,), at_match_rate=True, of_groups=True
        ),
        Metric(
            "false_positive_rate_difference",
            False,
            "false_positive_rate",
            True,
            (0,),
            at_match_rate=True,
            of_groups=True,
        ),
        Metric("equalized_odds_difference", False, "equalized_odds", True, (0, 1), of_groups=True),
        Metric("average_equalized_odds_difference", False, "average_equalized_odds", True, (0, 1), of_groups=True),
        Metric("accuracy_difference", False, of_groups=True),
        Metric("total_accuracy_deviation", False, bounds=POSITIVE, of_groups=True),
        Metric("worst_group_accuracy", True, of_groups=True),
        Metric("balanced_accuracy_difference", False, of_groups=True),
        Metric("worst_group_balanced_accuracy", True, of_groups=True),
    )
}
GROUP_METRICS = (  # one value per run and group, [R, S]: columns accuracy/s=0, accuracy/s=1, ...
    Metric("group_accuracy", True, of_groups=True),
    Metric("group_log_loss", False, of_probabilities=True, bounds=POSITIVE, of_groups=True),
    Metric("group_balanced_accuracy", True, of_groups=True),
    Metric("group_selection_rate", None, two_classes_only=True, of_groups=True),
    Metric("group_true_positive_rate", None, two_classes_only=True, of_groups=True),
    Metric("group_false_positive_rate", None, two_classes_only=True, of_groups=True),
    Metric("group_expected_calibration_error", False, two_classes_only=True, of_probabilities=True, of_groups=True),
)
MATCHED = tuple(metric for metric in METRICS.values() if metric.at_match_rate)
OF_TASKS = tuple(f"{MATCH_RATE}{metric.name}" for metric in MATCHED)  # columns of runs with several tasks only
# What a report adds to runs with several tasks (fairrun.analysis.relative), and whether greater values are better
RELATIVE = {f"{prefix}{name}": False for prefix in ("", MATCH_RATE) for name in ("arfg", "are")}
RELATIVE |= {"kg": True, "dg": False}


def of_name(column: str) -> Metric | None:
    """The metric of a column, "match_rate_accuracy" or "accuracy/income"; None for one of a user's own."""
    return METRICS.get(column.partition("/")[0].removeprefix(MATCH_RATE))


def can_be_traded(column: str) -> bool:
    """Whether a metric can be traded against accuracy: it is not accuracy itself, and one of its ends is good.

    So is every metric that the tables do not know, of a user's own.
    """
    metric = of_name(column)
    return metric is None or (metric.name != "accuracy" and metric.greater_is_better is not None)


def rests_on_groups(column: str) -> bool:
    """Whether a metric compares groups.  Every metric of a user's own counts as one that does."""
    metric = of_name(column)
    if metric is None:
        return column.partition("/")[0].removeprefix(MATCH_RATE) not in ("are", "kg")
    return metric.of_groups


def bounds(column: str) -> tuple[float, float]:
    """The range of the values of a column, as in ``of_name``; that of a metric of a user's own is not known."""
    metric = of_name(column)
    if metric is None:
        relative = column.partition("/")[0].removeprefix(MATCH_RATE)
        return POSITIVE if relative in ("arfg", "are") else ANY
    return metric.bounds


def of_node(node: Mapping[str, Any]) -> Metric:
    """The metric of the resolved config node ``metric``.  Raises ``InputError`` unless there is such a metric."""
    target = str(node.get("_target_") or "")
    module, _, name = target.rpartition(".")
    own = module not in ("", FUNCTIONS)
    require(not own or node["name"] == name, "metric.name", node["name"], f"{name}, the name of metric._target_")
    require(not own or name not in METRICS, "metric._target_", target, f"a function of another name: {name} is taken")
    if not own:
        one_of("metric.name", node["name"], [*METRICS, *OF_TASKS])
        return METRICS[node["name"].removeprefix(MATCH_RATE)]
    imported(target, "metric")
    return Metric(name, node["greater_is_better"], node["surrogate"], bounds=ANY, module=module)


def refuse_no_surrogate(config: Mapping[str, Any]) -> None:
    """Raise ``InputError`` where the method takes its fairness loss from the metric, and the metric names none."""
    name = config["metric"]["name"]
    for key in FROM_SURROGATE:
        value = config["method"].get(key)
        if isinstance(value, str) and (value == NONE or value.startswith(f"{NONE}_")):  # stackelberg appends a word
            files = [folder / "metric" / f"{name}.yaml" for folder in [*folders(), Path("conf")]]
            file = next((f", in {file}" for file in files if file.exists()), "")
            raise InputError(
                f"metric.surrogate must be the loss that method.{key} takes, got none for metric.name={name}: give it "
                f"a name or the path of a function (metric.surrogate=equal_opportunity){file}, or give method.{key}"
            )


def computed(node: Mapping[str, Any]) -> list[Metric]:
    """The metrics of a run: those of the table, and that of the config node ``metric``."""
    return list(dict.fromkeys([*METRICS.values(), of_node(node)]))


def of_classes(metrics: Collection[Metric], num_classes: int) -> list[Metric]:
    """The metrics that a label of so many classes has."""
    return [metric for metric in metrics if num_classes == 2 or not metric.two_classes_only]


def default(key: str, *, _parent_: Any) -> Any:
    """The resolver ``${metric:KEY}`` of conf/train.yaml: what the table says where the metric's YAML says nothing.

    The name and the surrogate are those of ``_target_``.  The direction is that of the column ``name``.
    """
    module, _, name = str(_parent_.get("_target_") or "").rpartition(".")
    of_target = METRICS.get(name) if module == FUNCTIONS else None
    if key == "name":
        return name
    if key == "surrogate":
        return of_target.surrogate if of_target else NONE
    metric = of_name(_parent_.name) or of_target
    if metric is None:
        raise InputError(f"metric.greater_is_better must be given for {module}.{name}: true or false")
    return metric.greater_is_better
