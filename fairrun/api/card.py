"""A model card: what a model was trained on, what it does to whom, and what it is not known to do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from fairrun.command.words import written
from fairrun.config.keys import active_keys, dotted, is_below, is_setting, role
from fairrun.config.metrics import GROUP_METRICS, LEAST_ROWS, METRICS
from fairrun.data.groups import parse_sensitive
from fairrun.report.tables import line
from fairrun.results.records import dataset_name, method_name
from fairrun.runs.job import remark
from fairrun.training.outcome import Outcome
from fairrun.training.thresholds.frontier import CURVES, UNAWARE
from fairrun.training.thresholds.postprocess import OXONFAIR, probabilities

RESAMPLES, LEVEL = 1000, 0.95
WHOLE = ("accuracy", "balanced_accuracy", "worst_group_accuracy")
OF_GROUP = ("accuracy", "selection_rate", "true_positive_rate", "false_positive_rate")


def card(
    record: Mapping[str, Any],
    scores: pd.DataFrame,
    about: Mapping[str, Any],
    *,
    by_chance: bool = False,
    bound: float | None = None,
) -> str:
    """The model card of a run, as Markdown; ``scores`` and ``about`` (model.json) are those that the run saved.

    ``by_chance``: scores are probabilities of a random decision.  ``bound``: of the run's curve, whose rules decide;
    metrics of ``record`` are of these decisions.
    """
    test = scores[scores["split"] == "test"]
    parts = [
        _head(record, about, bound),
        _inputs(record, about),
        _decisions(record, by_chance, bound),
        _data(record),
        _metrics(record, test, _chances(record, test, about, by_chance)),
        _limits(record),
    ]
    return "\n".join(line for part in parts for line in [*part, ""])


def _head(record: Mapping[str, Any], about: Mapping[str, Any], bound: float | None) -> Iterator[str]:
    config, choices = record["config"], record["choices"]
    method, data = method_name(choices, config), dataset_name(choices, config)
    yield f"# Model card: {method} on {data}" + ("" if bound is None else f", within the bound {bound:g}")
    yield ""
    yield f"- Predicts: {_predicted(record, about)}; {_predictor(config, choices)}"
    yield f"- Trained: method {method}, seed {record['seed']}, epoch {record['epoch']}; written {record['written']}"
    versions = record["versions"]
    yield f"- Made by: fairrun {versions['fairrun']}, torch {versions['torch']}; run {record['key'][:12]}"
    yield f"- Hyper-parameters: {', '.join(f'{key}={written(value)}' for key, value in _parameters(config))}"


def _parameters(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the run was trained with: keys of its method and, where they count, of its network and steps."""
    for key, value in active_keys(dotted(dict(config))).items():
        if is_setting(key) and (role(key).steps or is_below(key, "method")) and value is not None:
            yield key, value


def _predicted(record: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """The label and the value of it that is decided 1; of several tasks each of them, of classes their values."""
    dataset, known = record["config"]["dataset"], (about["encoder"] or {}).get("labels", {})
    if record["classes"]:
        return f"{dataset['label']} (one of {', '.join(record['classes'])})"
    if record["tasks"]:
        return ", ".join(f"{task}: {_decided(dataset['tasks'][task], known.get(task))}" for task in record["tasks"])
    label = dataset["tasks"][dataset["task"]] if dataset.get("task") else dataset
    return _decided(label, known.get(""))


def _decided(label: Mapping[str, Any], known: Sequence[Any] | None) -> str:
    """A label, and what is decided 1 and 0 of it; ``known`` are the values of the training rows by their class."""
    column = label.get("column", label.get("label"))
    if "above" in label:
        return f"{column} (1 is above {label['above']})"
    ones, others = (known[1], f", 0 is {known[0]}") if known else (label["positive"], "")
    return f"{column} (1 is {ones}{others})"


def _inputs(record: Mapping[str, Any], about: Mapping[str, Any]) -> Iterator[str]:
    yield "## Inputs"
    yield ""
    if about["encoder"] is None:
        yield f"- {record['features']} numbers of an image."
        return
    encoding = about["encoder"]["encoding"]
    columns = list(about["encoder"].get("become", [*encoding["numeric"], *encoding["categories"]]))
    yield f"- Columns: {', '.join(columns)}; {record['features']} features of them."
    sensitive = [entry.column for entry in parse_sensitive(record["config"]["dataset"]["sensitive"])]
    used = [column for column in sensitive if column in columns]
    yield f"- The sensitive attribute ({', '.join(sensitive)}) is {'one of them' if used else 'none of them'}."


def _predictor(config: Mapping[str, Any], choices: Mapping[str, str]) -> str:
    estimator = config["method"].get("estimator")
    if estimator is None:
        return f"network: {choices['model']}"
    return f"classifier: {(estimator.get('classifier') or estimator['_target_']).rpartition('.')[2]}"


def _decisions(record: Mapping[str, Any], by_chance: bool, bound: float | None) -> Iterator[str]:
    """What decides, what it needs to know of a row, and whether its bound is kept."""
    yield "## Decisions"
    yield ""
    constraint, metric = record["config"]["postprocess"], record["config"]["metric"]["name"]
    is_curve = constraint in CURVES and bound is None
    if constraint is not None and not is_curve:
        yield f"- Decisions are by the rules of postprocess={constraint}, fitted on validation rows."
    elif by_chance:
        yield "- Decisions are random, by a classifier that is drawn anew for each row."
    else:
        yield f"- Decisions are {'the most probable class' if record['classes'] else '1 at probabilities above 0.5'}."
    yield from _bound_of(record, bound)
    which = "Decisions"
    if is_curve:
        bounds = ", ".join(f"{point['bound']:g}" for point in record["frontier"])
        yield f"- fairrun.load(FOLDER, bound=...) decides within a bound of {_words(metric)}, one of {bounds}."
        which = "Decisions within a bound (fairrun.load(FOLDER, bound=...))"
    if constraint == UNAWARE:
        yield f"- {which} take a row's group from its other features."
    elif constraint is not None:
        random = "" if constraint in (OXONFAIR, *CURVES) else "; some are random"
        yield f"- {which} need the sensitive attribute of each row{random}."
    if constraint is not None:
        yield f"- {which} are predict's; predict_proba and a network's to_torch give the score before them."


def _bound_of(record: Mapping[str, Any], bound: float | None) -> Iterator[str]:
    """The bound that decisions were chosen for, and whether they keep it on test rows."""
    traded = record["config"]["metric"]
    bound = record["config"]["fairness_bound"] if bound is None else bound
    found = record["metrics"].get(f"test/{traded['name']}")
    if bound is None or found is None:
        return
    least = traded["greater_is_better"]
    kept = found >= bound if least else found <= bound
    yield f"- Bound: {_words(traded['name'])} of at {'least' if least else 'most'} {bound:g}, on validation rows."
    yield f"- On test rows it is {found:.4f}: the bound is {'kept' if kept else 'not kept'} there."


def _data(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## Data"
    yield ""
    rows = record["rows"]
    counts = f"{rows['train']} train, {rows['val']} validation, {rows['test']} test"
    yield f"- Rows: {counts} (SHA-256 {record['data_sha256'][:12]})"
    for task in record["tasks"] or [""]:
        yield ""
        if task:
            yield f"Label {task}:"
            yield ""
        if record["classes"]:
            yield line(["group", *(f"{split} rows" for split in ("train", "validation", "test"))])
        else:
            yield line(["group", "train rows", "of label 1", "test rows", "of label 1"])
        yield line(["---"] * (4 if record["classes"] else 5))
        cells = [record["base_rates"][f"{task}/{split}" if task else split] for split in ("train", "val", "test")]
        for name, train, val, tested in zip(record["groups"], *cells, strict=True):
            if record["classes"]:
                yield line([name, *(str(cell[0]) for cell in (train, val, tested))])
            else:
                yield line([name, *(text for n, ones in (train, tested) for text in (str(n), _share(ones, n)))])


def _metrics(record: Mapping[str, Any], test: pd.DataFrame, chances: np.ndarray | None) -> Iterator[str]:
    yield "## Metrics on test rows"
    yield ""
    traded = record["config"]["metric"]["name"]
    names = [*dict.fromkeys([*WHOLE, traded])]
    names += [f"{name}/s={g}" for g in range(len(record["groups"])) for name in OF_GROUP]
    names = [name for name in names if record["metrics"].get(f"test/{name}") is not None]
    ranges = {} if chances is None else _intervals(record, test, chances, names)
    yield line(["metric", "group", "value", f"{LEVEL:.0%} interval"])
    yield line(["---"] * 4)
    for name in names:
        metric, found, number = name.partition("/s=")
        group = record["groups"][int(number)] if found else "all"
        low_high = f"[{ranges[name][0]:.3f}, {ranges[name][1]:.3f}]" if name in ranges else ""
        yield line([_words(metric), group, f"{record['metrics'][f'test/{name}']:.4f}", low_high])
    yield ""
    if ranges:
        yield f"Intervals: percentiles over {RESAMPLES} resamples of the test rows."
        yield "They do not cover other seeds or other data."
    else:
        yield "Intervals are not given: they need decisions of one label of two classes, by scores and known groups."


def _chances(
    record: Mapping[str, Any], test: pd.DataFrame, about: Mapping[str, Any], by_chance: bool
) -> np.ndarray | None:
    """The probability of the decision 1 of each test row; None for several labels or classes, or rules of features."""
    by_rules = about["rules"] is not None
    if record["tasks"] or record["classes"] or (by_rules and about.get("group_model") is not None):
        return None
    scores = test["score"].to_numpy(dtype=float)
    if by_rules:
        groups = torch.from_numpy(test["group"].cat.codes.to_numpy().astype(np.int64))
        return probabilities(about["rules"], torch.from_numpy(scores).logit(), groups).numpy()
    return scores if by_chance else (scores > 0.5).astype(float)


def _intervals(
    record: Mapping[str, Any], test: pd.DataFrame, chances: np.ndarray, names: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """The interval of every metric that counts decisions, which are 1 with the ``chances`` [N]."""
    groups = len(record["groups"])
    s, y = test["group"].cat.codes.to_numpy(), test["label"].to_numpy()
    kinds, counts = np.unique(np.stack([2 * s + y, chances]), axis=1, return_counts=True)  # rows that count alike
    cells = kinds[0].astype(int)
    draws = np.random.default_rng(0).multinomial(counts.sum(), counts / counts.sum(), RESAMPLES)
    drawn, ones = (_summed(values, cells, 2 * groups) for values in (draws, draws * kinds[1]))
    right = torch.stack([(drawn - ones)[..., 0], ones[..., 1]], dim=-1)
    of_group = {metric.name.removeprefix("group_"): metric for metric in GROUP_METRICS}
    found = {}
    for name in names:
        head, is_group, number = name.partition("/s=")
        metric = of_group[head] if is_group else METRICS.get(head)
        if metric is None or metric.of_probabilities or metric.name.startswith(("soft_", "group_roc")):
            continue
        values = []
        nothing = torch.zeros(1, 0, dtype=torch.float64)
        for rows, correct in zip(drawn, right, strict=True):
            value = metric.fn(Outcome(nothing, nothing, nothing, nothing[0], nothing[0].long(), rows, correct[None]))
            values.append(float(value[0, int(number)] if is_group else value[0]))
        if np.isfinite(values).any():
            low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            found[name] = (float(low), float(high))
    return found


def _summed(values: np.ndarray, cells: np.ndarray, number: int) -> torch.Tensor:
    """[draws, kinds] -> [draws, groups, labels], for the cell 2 s + y of each kind of rows."""
    found = np.stack([values[:, cells == cell].sum(axis=1) for cell in range(number)], axis=1)
    return torch.from_numpy(found).double().view(len(values), -1, 2)


def _limits(record: Mapping[str, Any]) -> Iterator[str]:
    yield "## Limits"
    yield ""
    few = sorted(
        {
            (name, cell[0])
            for split, cells in record["base_rates"].items()
            if split.endswith("test")
            for name, cell in zip(record["groups"], cells, strict=True)
            if cell[0] < LEAST_ROWS
        }
    )
    for name, rows in few:
        yield f"- {name}: {rows} test rows, so its metrics are uncertain."
    if said := remark(dict(record)):
        yield f"- {said}."
    for warning in record.get("account", {}).get("warnings", []):
        yield f"- {warning}."
    yield "- Groups are those of the table above; what the model does to others, and within groups, is not known."
    yield "- Metrics are of rows drawn like the training rows. A model of the past repeats what its labels say of it."


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
