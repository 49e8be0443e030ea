"""One run as data: its configuration, whether it can be trained, its identity, and the record that it leaves."""

import dataclasses
import functools
import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import torch

import fairrun
from fairrun import quoted
from fairrun.build import build, class_of
from fairrun.check import (
    MATCH_RATE,
    NO_EFFECT,
    OVER_SEEDS,
    RELATIVE,
    SWITCHES,
    TUNED,
    InputError,
    is_integer,
    is_number,
    one_of,
    require,
)
from fairrun.data.table import Data, Table
from fairrun.fit import Run, Schedule
from fairrun.method import PerTask
from fairrun.metrics import LABELS_OF_EVERY_GROUP, MATCHED, METRICS, of_classes
from fairrun.models.functional import Network
from fairrun.native.parts import choose
from fairrun.postprocess import CONSTRAINTS
from fairrun.privacy import informed
from fairrun.results import by_class, dotted, method_name, telling, versions
from fairrun.selection import RULES, Metric, select

log = logging.getLogger(__name__)
GROUPS = ("method", "dataset", "model", "metric")
NAMES = [metric.__name__ for metric in METRICS]
OF_TASKS = [f"{MATCH_RATE}{metric.__name__}" for metric in MATCHED]  # metrics that only runs of several tasks have
COLUMNS = [*NAMES, *OF_TASKS, *RELATIVE]  # that a report can show


@dataclass(frozen=True)
class Job:
    """A run to be trained."""

    config: dict[str, Any]  # resolved
    choices: dict[str, str]  # the chosen file of each of GROUPS
    folder: Path  # for its record

    @property
    def name(self) -> str:
        """For people: method, data set and seed."""
        return f"{method_name(self.choices, self.config)} on {self.choices['dataset']}, seed {self.config['seed']}"

    def key(self, data_sha256: str) -> str:
        """What makes two runs the same run: the configuration without paths and tracker, the version, the data."""
        return digest([effective(self.config), fairrun.__version__, data_sha256])


def effective(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration by dotted key, without what changes nothing in the results."""
    without = (*NO_EFFECT, TUNED)
    kept = {k: v for k, v in dotted(config).items() if k.split(".")[0] not in without and k != "dataset.path"}
    nulls = ("dataset.task", *SWITCHES)  # as where there is no such key
    return {key: value for key, value in telling(kept).items() if value is not None or key not in nulls}


def digest(value: Any) -> str:
    """SHA-256 of ``value`` as JSON; 1 and 1.0 are the same."""
    return hashlib.sha256(json.dumps(_canonical(value), sort_keys=True).encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def check(config: dict[str, Any], *, here: bool = True) -> None:
    """Check all that can be known without the data.  Raises ``InputError``.

    ``here``: it is trained on this machine, whose cores and GPU are looked at too.
    """
    for key, value in dotted(config).items():
        if value == "???":
            raise InputError(f"{key} must be given: {key}=VALUE")
    for key, least in (("seed", 0), ("epochs", 1), ("batch_size", 1), ("num_threads", 1)):
        require(is_integer(config[key]) and config[key] >= least, key, config[key], f"an integer >= {least}")
    one_of("selection", config["selection"], RULES)
    constraint = config["postprocess"]
    if constraint is not None:
        require(constraint in CONSTRAINTS, "postprocess", constraint, f"null or one of {', '.join(CONSTRAINTS)}")
        last = config["selection"] == "last"
        require(last, "selection", config["selection"], f"last with postprocess={constraint}")
    bound = config["fairness_bound"]
    require(bound is None or (is_number(bound) and bound >= 0), "fairness_bound", bound, "null or a number >= 0")
    metric = ", ".join(Metric._fields)
    require(set(config["metric"]) == set(Metric._fields), "metric", ", ".join(config["metric"]), f"the keys {metric}")
    one_of("metric.name", config["metric"]["name"], [*NAMES, *OF_TASKS])
    greater = config["metric"]["greater_is_better"]
    require(isinstance(greater, bool), "metric.greater_is_better", greater, "true or false")
    cores = os.cpu_count() or 1
    threads = config["num_threads"]
    require(threads <= cores or not here, "num_threads", threads, f"at most {cores}, this machine's cores")
    one_of("dtype", config["dtype"], ("float32", "float64"))
    one_of("device", config["device"], ("cpu", "cuda"))
    gpu = config["device"] == "cpu" or not here or torch.cuda.is_available()
    require(gpu, "device", config["device"], "cpu: this machine has no GPU")
    choose(config["engine"], getattr(torch, config["dtype"]), config["device"])
    require(isinstance(config["resume"], bool), "resume", config["resume"], "true or false")
    minutes = config["checkpoint_minutes"]
    require(is_number(minutes) and minutes > 0, "checkpoint_minutes", minutes, "a number > 0")
    train_missing = config["results"]["train_missing"]
    require(isinstance(train_missing, bool), "results.train_missing", train_missing, "true or false")
    check_report(config["report"])
    schedule(config)
    method = build(config["method"], "method")
    _check_batch_size(config["batch_size"], method)
    for remark in getattr(method, "remarks", _no_remarks)(config["epochs"]):
        _say(remark)
    network(config, num_features=0)  # the data says how many features there are
    _check_tracker(json.dumps(config["tracker"], sort_keys=True))


def schedule(config: dict[str, Any]) -> Schedule | None:
    """When learning rates change; None: never.  Raises ``InputError``."""
    node = config["schedule"]
    require(isinstance(node, dict) and set(node) == {"every", "factor"}, "schedule", node, "the keys every, factor")
    every, factor = node["every"], node["factor"]
    allowed = "null, or epochs, an integer >= 1"
    require(every is None or (is_integer(every) and every >= 1), "schedule.every", every, allowed)
    require(is_number(factor) and factor > 0, "schedule.factor", factor, "a number > 0")
    return None if every is None else Schedule(every, factor)


def network(
    config: dict[str, Any],
    num_features: int,
    num_tasks: int = 0,
    categories: Sequence[int] = (),
    num_classes: int = 2,
) -> Network:
    """The network of a configuration, which is told of the data what its class has a field for.

    ``num_tasks`` 0: one label.  Raises ``InputError``.
    """
    cls = class_of(config["model"]["_target_"], "model")
    told = {
        "num_features": num_features,
        "num_tasks": max(1, num_tasks),
        "categories": list(categories),
        "num_classes": num_classes,
    }
    fields = {field.name for field in dataclasses.fields(cls)}
    model: Network = build(config["model"], "model", **{key: value for key, value in told.items() if key in fields})
    return model


def network_of(config: dict[str, Any], data: dict[str, Any]) -> Network:
    """The network of a configuration, by the facts of its data."""
    return network(config, data["features"], len(data["tasks"]), data["categories"], max(2, len(data["classes"])))


def _no_remarks(epochs: int) -> list[str]:
    return []


@functools.cache
def _say(remark: str) -> None:
    """Once, however many runs it is true of."""
    log.warning(remark)


def check_report(node: Any) -> None:
    """Check what a report is asked to show.  Raises ``InputError``."""
    keys = ("columns", "curves", "compare", "over_seeds", "reference", "methods_by")
    require(isinstance(node, dict) and set(node) == set(keys), "report", node, f"the keys {', '.join(keys)}")
    columns, compare = node["columns"], node["compare"]
    require(isinstance(columns, list), "report.columns", columns, "a list of metrics")
    for name in columns:
        metric, _, task = str(name).partition("/")
        of_task = task and "s=" not in task  # accuracy/income; accuracy/s=0 is of a group
        one_of("report.columns", metric if of_task else name, COLUMNS)
    curves = node["curves"]
    named = isinstance(curves, list) and all(str(name).startswith(("train/", "val/", "test/")) for name in curves)
    require(named, "report.curves", curves, "a list of columns of histories, as [train/loss, test/accuracy]")
    names = isinstance(compare, dict) and all(isinstance(name, str) for name in (*compare, *compare.values()))
    require(names, "report.compare", compare, "a mapping of a method's name to another's")
    one_of("report.over_seeds", node["over_seeds"], OVER_SEEDS)
    reference = node["reference"]
    require(reference is None or isinstance(reference, str), "report.reference", reference, "null, a name or a path")
    if reference is not None:
        quoted.read(reference)
    keys_of_config = isinstance(node["methods_by"], list) and all(isinstance(key, str) for key in node["methods_by"])
    require(keys_of_config, "report.methods_by", node["methods_by"], "a list of keys of the configuration")


@functools.cache
def _check_tracker(node: str) -> None:
    build(json.loads(node), "tracker").check()


@functools.lru_cache(maxsize=1)
def _load(node: str) -> Data:
    return build(json.loads(node), "dataset").load()


def load(config: dict[str, Any]) -> Data:
    """The data set of a configuration; runs in one process that share it load it once.  Raises ``InputError``."""
    return _load(json.dumps(config["dataset"]))


def facts(data: Data) -> dict[str, Any]:
    """What a record says of its data."""
    splits = {split: getattr(data, split) for split in ("train", "val", "test")}
    rows = {split: len(table.y) for split, table in splits.items()}
    splits["balanced"] = data.train.rows(data.balanced)  # counted in train
    of_tasks = dict(splits)
    if data.tasks:
        of_tasks = {
            f"{task}/{split}": table.task(t) for t, task in enumerate(data.tasks) for split, table in splits.items()
        }
    cells = {key: _counted(table, len(data.groups), data.num_classes) for key, table in of_tasks.items()}
    return {
        "groups": data.groups,
        "tasks": list(data.tasks),
        "features": len(data.features),
        "categories": list(data.categories),
        "classes": list(data.classes),
        "rows": rows,
        "base_rates": cells,  # [rows, rows of class 1, of class 2, ...] of each group; of several tasks by "task/split"
        "exclusive": _exclusive(data),
        "data_sha256": data.sha256,
    }


def _counted(table: Table, num_groups: int, num_classes: int) -> list[list[int]]:
    """Of each group how many rows there are, and of class 1, class 2, and so on."""
    cells = num_classes * table.s + table.y.long()
    rows = cells.bincount(minlength=num_groups * num_classes).unflatten(0, (num_groups, num_classes))
    rows[:, 0] = rows.sum(-1)
    found: list[list[int]] = rows.tolist()
    return found


def _exclusive(data: Data) -> dict[str, int]:
    """How many training rows have label 0 in a task and label 1 in every other, by task."""
    ones = data.train.y.sum(-1)
    return {
        task: int(((data.train.y[:, t] == 0) & (ones == len(data.tasks) - 1)).sum())
        for t, task in enumerate(data.tasks)
    }


def check_data(config: dict[str, Any], data: dict[str, Any]) -> None:
    """Check what can only be known with the data, by its facts.  Raises ``InputError``."""
    model = network_of(config, data)
    method = _informed(config, data)
    _check_batch_size(config["batch_size"], method)
    layers = list(model.init([torch.Generator()]))
    _check_tasks(config, method, layers, data)
    if data["classes"]:
        _check_classes(config, method, len(data["classes"]))
    _check_metric(config["metric"]["name"], data)
    if config["postprocess"] is not None:
        what = f"postprocess={config['postprocess']} needs validation rows"
        _refuse_empty_cells(what, data["groups"], data["base_rates"]["val"])
    if "fairness" in method.needs:
        _check_fairness_layers(config, layers)
    if "classifier" in method.needs:
        last = "classifier.weight" in layers
        allowed = (
            f"a network whose last layer is linear and named classifier: {type(method).__name__} compares its gradients"
        )
        require(last, "model", config["model"]["_target_"], allowed)
    if "s" in method.needs:
        _say_which_groups_batches_lack(config["batch_size"], data)
    if getattr(method, "exclusive_rows", False):
        _say_which_tasks_batches_lack(config["batch_size"], data)
    if "val" in method.needs:
        _check_balanced(config, data)


def _check_batch_size(batch_size: int, method: Any) -> None:
    least, because = getattr(method, "smallest_batch", (1, ""))
    require(batch_size >= least, "batch_size", batch_size, f">= {least} with method.{because}")


def _informed(config: dict[str, Any], data: dict[str, Any]) -> Any:
    """The method that is trained, with the ``alpha`` of its reports if it asks for that."""
    method = build(config["method"], "method")
    try:
        return informed(method, _train_rows(data), config["seed"])
    except InputError as error:
        raise InputError(f"method.{error}") from None


def _train_rows(data: dict[str, Any]) -> list[int]:
    """How many training rows each group has."""
    return [cell[0] for cell in next(cells for key, cells in data["base_rates"].items() if key.endswith("train"))]


def _check_tasks(config: dict[str, Any], method: Any, layers: list[str], data: dict[str, Any]) -> None:
    """That method, model and data are all of one label, or all of several."""
    tasks, name = data["tasks"], type(method).__name__
    heads = any(part.startswith("head.") for part in layers)
    if "tasks" not in method.needs:
        require(not tasks, "dataset.task", None, f"one of {', '.join(tasks)}: {name} learns one label")
        require(
            not heads,
            "model",
            config["model"]["_target_"],
            f"a network with one output (mlp, linear): {name} learns one label",
        )
        require(
            config["metric"]["name"] in NAMES, "metric.name", config["metric"]["name"], f"one of {', '.join(NAMES)}"
        )
        return
    dataset = config["dataset"]
    chosen = {key: dataset[key] for key in ("tasks", "task") if key in dataset}
    require(tasks, "dataset.tasks", chosen, f"labels by name, and dataset.task null: {name} learns several together")
    require(
        heads,
        "model",
        config["model"]["_target_"],
        f"shared_bottom, which has a head for each task: {name} learns several",
    )
    require(config["postprocess"] is None, "postprocess", config["postprocess"], "null with several tasks")
    hints = get_type_hints(type(method))
    for field in dataclasses.fields(method):
        value = getattr(method, field.name)
        if hints[field.name] == PerTask and isinstance(value, list):
            allowed = f"a number, or a list of {len(tasks)}, one for each of {', '.join(tasks)}"
            require(len(value) == len(tasks), f"method.{field.name}", value, allowed)


def _check_classes(config: dict[str, Any], method: Any, num_classes: int) -> None:
    """That method, model, metric and decisions can be of more than two classes."""
    given = f"{config['dataset'].get('label')!r} with {num_classes} classes"
    two = f"a column with two values, and dataset.positive one of them: {type(method).__name__} learns two classes"
    if not getattr(method, "multiclass", False):
        raise InputError(f"dataset.label must be {two}, got {given}")
    target = config["model"]["_target_"]
    fields = [field.name for field in dataclasses.fields(class_of(target, "model"))]
    require("num_classes" in fields, "model", target, f"a network of several classes (mlp, linear, cnn) for {given}")
    names = [metric.__name__ for metric in of_classes(METRICS, num_classes)]
    name, constraint = config["metric"]["name"], config["postprocess"]
    require(name in names, "metric.name", name, f"one of {', '.join(names)} for {given}")
    require(constraint is None, "postprocess", constraint, f"null for {given}")
    for column in config["report"]["columns"]:
        require(column in names, "report.columns", column, f"metrics among {', '.join(names)} for {given}")


def _check_fairness_layers(config: dict[str, Any], layers: list[str]) -> None:
    if not any(name.startswith("fairness") for name in layers):
        method = config["method"]["_target_"].rpartition(".")[2]
        key = {key: value for key, value in config["model"].items() if key in ("fairness_layers", "depth")}
        raise InputError(f"model.fairness_layers must be >= 1: {method} has a player that moves them only, got {key}")


def _check_metric(name: str, data: dict[str, Any]) -> None:
    for label in LABELS_OF_EVERY_GROUP.get(name.removeprefix(MATCH_RATE), ()):
        for key, cells in data["base_rates"].items():
            task, _, split = key.rpartition("/")
            for group, (rows, positive) in zip(data["groups"], cells, strict=True):
                if split in ("val", "test") and (rows - positive, positive)[label] == 0:
                    of = f" of task {task!r}" if task else ""
                    raise InputError(
                        f"metric.name={name} needs {split} rows of every group with label {label}{of}, got none of "
                        f"{group!r} (among its {rows} {split} rows); merge or drop the group, or choose another metric"
                    )


def _say_which_groups_batches_lack(batch_size: int, data: dict[str, Any]) -> None:
    rows = _train_rows(data)
    shares = {group: share_without(n, sum(rows), batch_size) for group, n in zip(data["groups"], rows, strict=True)}
    often = ", ".join(f"{share:.0%} for {group!r}" for group, share in shares.items() if share > 0.01)
    if often:
        _say(f"batch_size={batch_size}: batches without a row of a group, of which their step knows nothing: {often}")


def _say_which_tasks_batches_lack(batch_size: int, data: dict[str, Any]) -> None:
    shares = {task: share_without(n, data["rows"]["train"], batch_size) for task, n in data["exclusive"].items()}
    mostly = ", ".join(f"{share:.0%} for task {task!r}" for task, share in shares.items() if share > 0.5)
    if mostly:
        _say(
            f"batch_size={batch_size}: most batches have no row with label 0 in a task and 1 in every other, from which"
            f" the task's head learns fairness: {mostly}"
        )


def share_without(group: int, total: int, batch_size: int) -> float:
    """How probable it is that ``batch_size`` of ``total`` rows, drawn without replacement, are none of ``group`` of
    them: C(total - group, batch_size) / C(total, batch_size), in [0, 1].
    """
    others, batch_size = total - group, min(batch_size, total)
    if batch_size > others:
        return 0.0
    log_all, log_others = (math.lgamma(n + 1) - math.lgamma(n - batch_size + 1) for n in (total, others))
    return math.exp(log_others - log_all)


def _check_balanced(config: dict[str, Any], data: dict[str, Any]) -> None:
    wanted = config["dataset"].get("split", {}).get("balanced", "?")  # a plugin's data set may have no such key
    cells = data["base_rates"]["balanced"]
    _refuse_empty_cells(f"dataset.split.balanced={wanted} needs training rows", data["groups"], cells)
    for group, cell in zip(data["groups"], cells, strict=True):
        for label, number in enumerate(by_class(cell)):
            if wanted != "?" and number < wanted:
                _say(f"dataset.split.balanced={wanted}: {group!r} with label {label} has {number}, half of its rows")


def _refuse_empty_cells(what: str, groups: list[str], cells: list[list[int]]) -> None:
    for group, cell in zip(groups, cells, strict=True):
        for label, number in enumerate(by_class(cell)):
            if number == 0:
                missing = f"{group!r} with label {label}"
                raise InputError(f"{what} of every group and label, got none of {missing}; merge or drop the group")


def record(job: Job, trained: Run, data: dict[str, Any], **stack: Any) -> dict[str, Any]:
    """What a trained run leaves.  ``data``: its facts; ``stack``: what is known of how it was trained."""
    metric = Metric(**job.config["metric"])
    history = trained.history
    if trained.postprocessed:
        history = history.copy()
        history.loc[history.index[-1], list(trained.postprocessed)] = list(trained.postprocessed.values())
    epoch, score = select(history, job.config["selection"], metric, job.config["fairness_bound"])
    chosen = history.iloc[epoch].to_dict()
    return {
        "status": "finished" if trained.failure is None else "failed",
        "failure": trained.failure,
        "seed": job.config["seed"],
        "epoch": int(chosen.pop("epoch")),
        "score": score,
        "metrics": chosen,
        **_origin(job, data),
        **stack,
    }


def collapse(record: dict[str, Any]) -> str | None:
    """What is to be said of a finished run whose decisions on all validation rows, at the epoch that counts, are alike;
    None of any other.
    """
    rate = record["metrics"].get("val/selection_rate")
    if record["status"] != "finished" or rate not in (0, 1):
        return None
    epoch = f"epoch {record['epoch']}, the one that counts"
    return f"collapsed to a constant prediction: val/selection_rate is {rate:g} at {epoch}"


def failed(job: Job, reason: str, data: dict[str, Any]) -> dict[str, Any]:
    """The record of a run that could not be trained to its end."""
    nothing: dict[str, Any] = {"epoch": None, "score": None, "metrics": {}}
    seed = job.config["seed"]
    return {"status": "failed", "failure": reason, "seed": seed, **nothing, **_origin(job, data)}


def _origin(job: Job, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "choices": job.choices,
        "config": job.config,
        **data,
        "key": job.key(data["data_sha256"]),
        "versions": _versions(),
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


_versions = functools.cache(versions)


def is_finished(job: Job, record: dict[str, Any], data_sha256: str) -> bool:
    """Whether ``record``, found in the job's folder, is of this very run and complete.

    Raises ``InputError`` where it is of another run, which must not be overwritten.
    """
    if record.get("key") == job.key(data_sha256):
        return bool(record["status"] == "finished")
    theirs, ours = effective(record["config"]), effective(job.config)
    missing = "no such key"
    both = ((k, theirs.get(k, missing), ours.get(k, missing)) for k in sorted(theirs.keys() | ours.keys()))
    differ = [f"{k}={old}" for k, old, new in both if old != new]
    by = f"fairrun {record['versions']['fairrun']}"
    raise InputError(
        f"{job.folder} must be new or hold this run's own results, got those of another run by {by}"
        f" ({', '.join(differ[:4]) or 'same configuration'}); take another folder, or resume=false to replace them"
    )
