"""Every metric of R runs on one split, by the names of its columns."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fairrun.config.metrics import GROUP_METRICS, MATCH_RATE, MATCHED, METRICS, Metric, of_classes
from fairrun.data.table import Table
from fairrun.data.target import Target
from fairrun.training.outcome import Outcome, decided, matched, outcome, outcome_of_classes
from fairrun.training.tables import ROWS_MULTIPLE

Evaluation = Callable[[Tensor, Table], dict[str, Tensor]]  # logits and rows of a split -> every metric by name, [R]


def evaluation(target: Target, num_groups: int, rates: Sequence[float], metrics: Sequence[Metric]) -> Evaluation:
    """The function that evaluates runs: one label, or several tasks and their means.

    ``rates``: the share of label 1 among the training rows of each task.
    """
    if not target.tasks:
        made = outcome if target.num_classes == 2 else outcome_of_classes
        return lambda logits, table: evaluate(made(logits, table, num_groups), metrics)
    return lambda logits, table: evaluate_tasks(logits, table, num_groups, target.tasks, rates, metrics)


def evaluate(o: Outcome, metrics: Sequence[Metric] = tuple(METRICS.values())) -> dict[str, Tensor]:
    """Every metric by name and group metric as "name/s=g", each [R]; NaN for a run with a logit that is not finite."""
    num_classes = o.rows.shape[-1]
    values = {metric.name: _computed(metric, o) for metric in of_classes(metrics, num_classes)}
    for metric in of_classes(GROUP_METRICS, num_classes):
        for g, value in enumerate(metric.fn(o).unbind(-1)):
            values[f"{metric.name.removeprefix('group_')}/s={g}"] = value
    return _known(o, values)


def evaluate_decisions(
    p: Tensor, table: Table, num_groups: int, metrics: Sequence[Metric] = tuple(METRICS.values())
) -> dict[str, Tensor]:
    """As ``evaluate``, of random decisions, each of which is 1 with the row's probability ``p`` [R, N] float64.

    Metrics that need the label's probability are NaN.
    """
    values = evaluate(decided(p, table, num_groups), metrics)
    no_meaning = {m.name.removeprefix("group_") for m in (*metrics, *GROUP_METRICS) if m.of_probabilities}
    return {
        name: torch.full_like(value, torch.nan) if name.partition("/")[0] in no_meaning else value
        for name, value in values.items()
    }


def evaluate_tasks(
    logits: Tensor,
    table: Table,
    num_groups: int,
    tasks: Sequence[str],
    rates: Sequence[float],
    metrics: Sequence[Metric] = tuple(METRICS.values()),
) -> dict[str, Tensor]:
    """Every metric of each task, "name/task" and "name/task/s=g", and its mean over tasks, "name" and "name/s=g".

    A task's metrics are of the rows that have its label.  ``logits`` [R, M, T] are padded as in ``outcome``.  ``rates``
    is the share of label 1 among the training rows of each task.  Metrics with ``at_match_rate`` are also computed at
    the threshold of ``matched``, as "match_rate_name".
    """
    found, table = {}, table.without_features()
    for t, (task, rate) in enumerate(zip(tasks, rates, strict=True)):
        o = outcome(_logits_of_task(logits, table, t), table.task(t), num_groups)
        at_rate = matched(o, rate)
        matched_values = {f"{MATCH_RATE}{metric.name}": metric.fn(at_rate) for metric in MATCHED}
        found[task] = evaluate(o, metrics) | _known(o, matched_values)
    names = next(iter(found.values()))
    means = {name: torch.stack([values[name] for values in found.values()]).mean(0) for name in names}
    return means | {_of_task(name, task): value for task, values in found.items() for name, value in values.items()}


def _logits_of_task(logits: Tensor, table: Table, t: int) -> Tensor:
    """The logits of task ``t`` for the rows that have its label, padded as in ``outcome``."""
    own, known = logits[..., t], ~table.y[:, t].isnan()
    if not known.all():
        own = F.pad(own[:, : len(known)][:, known], (0, -int(known.sum()) % ROWS_MULTIPLE))
    return own.contiguous()


def _of_task(name: str, task: str) -> str:
    """The name of a metric or group metric for one task: "accuracy/s=0" -> "accuracy/TASK/s=0"."""
    metric, slash, group = name.partition("/")
    return f"{metric}/{task}{slash}{group}"


def _computed(metric: Metric, o: Outcome) -> Tensor:
    """A metric of each run, [R].  Raises ``ValueError`` if the metric's function returns anything else."""
    value: Tensor = metric.fn(o)
    shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if shape != [len(o.p)]:
        raise ValueError(f"metric {metric.name} must be one value a run, a tensor [{len(o.p)}], got {shape}")
    return value


def _known(o: Outcome, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Replace the values of a run with a logit that is not finite by NaN."""
    known = o.logits.abs().flatten(1).amax(-1).isfinite()
    return {name: torch.where(known, value, torch.nan) for name, value in values.items()}
