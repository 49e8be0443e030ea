"""Checks a run before it is trained: first its configuration alone, then with the facts about its data."""

import contextlib
import dataclasses
import functools
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_type_hints

import torch
import yaml

from fairrun.config.build import build, class_of, recipes
from fairrun.config.check import InputError, is_integer, is_number, nearest, one_of, require, unknown
from fairrun.config.keys import CONF, ESTIMATOR, MEMBERS, ROLES, dotted, role
from fairrun.config.metrics import (
    METRICS,
    OF_TASKS,
    RELATIVE,
    can_be_traded,
    computed,
    of_classes,
    of_node,
    refuse_no_surrogate,
)
from fairrun.config.plugins import SAVED, can_be_saved
from fairrun.data.memory import memory
from fairrun.method.api import NEEDS, AnyMethod, PerTask
from fairrun.method.library import LibraryMethod
from fairrun.method.rows import share_without
from fairrun.models.ensemble import Ensemble
from fairrun.models.network import Network
from fairrun.report.options import ReportOptions
from fairrun.results.records import by_class
from fairrun.results.selection import RULES
from fairrun.runs.model import SAVES
from fairrun.trackers import Tracker
from fairrun.training.averages import KINDS, Averaging
from fairrun.training.native.parts import choose
from fairrun.training.schedule import Schedule
from fairrun.training.thresholds.frontier import CURVES, RATES, UNAWARE
from fairrun.training.thresholds.oxonfair import BOUNDED, MOST_GROUPS, check_installed
from fairrun.training.thresholds.postprocess import CONSTRAINTS, OXONFAIR

log = logging.getLogger(__name__)

ANY_CODE = "any_code"
MODEL = "mlp"  # the choice in conf/train.yaml
NONE = object()
SMALL = 10**7  # numbers in a layer of a network that every machine can hold
GROUP = "a group"  # in the place of a node that conf/train.yaml takes from one
COPIES = 6  # of the parameters, at least: as drawn, in training, their gradient, the optimizer's, after a step
COLUMNS = [*METRICS, *OF_TASKS, *RELATIVE]  # the metrics that a report can show for every run


def check(config: dict[str, Any], *, here: bool = True, single: bool = True) -> None:
    """Check all that can be known without the data.  Raises ``InputError``.

    ``here`` says that the run trains on this machine; its cores and GPU are then checked too.  ``single``: it is not
    part of a sweep.
    """
    for key, value in dotted(config).items():
        if value == "???":
            raise InputError(f"{key} must be given: {key}=VALUE")
    for key, least in (("seed", 0), ("epochs", 1), ("batch_size", 1), ("num_threads", 1)):
        require(is_integer(config[key]) and config[key] >= least, key, config[key], f"an integer >= {least}")
    one_of("selection", config["selection"], RULES)
    constraint = config["postprocess"]
    if constraint is not None:
        allowed = f"null or one of {', '.join(CONSTRAINTS)}"
        if constraint not in list(CONSTRAINTS):
            raise InputError(f"postprocess must be {allowed}, got {constraint!r}{nearest(constraint, CONSTRAINTS)}")
    bound = config["fairness_bound"]
    require(bound is None or (is_number(bound) and bound >= 0), "fairness_bound", bound, "null or a number >= 0")
    if constraint == OXONFAIR:
        _check_oxonfair(config["metric"]["name"], bound)
    if constraint in CURVES:
        name = config["metric"]["name"]
        require(name in RATES, "metric.name", name, f"one of {', '.join(RATES)} with postprocess={constraint}")
    if constraint == UNAWARE:
        includes = config["dataset"].get("include_sensitive", False)
        allowed = f"false with postprocess={UNAWARE}, which decides rows without their group"
        require(not includes, "dataset.include_sensitive", includes, allowed)
    of_node(config["metric"])
    refuse_no_surrogate(config)
    greater = config["metric"]["greater_is_better"]
    require(isinstance(greater, bool), "metric.greater_is_better", greater, "true or false")
    known = METRICS.get(config["metric"]["name"])
    nature = greater if known is None or known.greater_is_better is None else known.greater_is_better
    allowed = f"{str(nature).lower()}, as {config['metric']['name']} has it"
    require(greater == nature, "metric.greater_is_better", greater, allowed)
    cores = os.cpu_count() or 1
    threads = config["num_threads"]
    require(threads <= cores or not here, "num_threads", threads, f"at most {cores}, this machine's cores")
    one_of("dtype", config["dtype"], ("float32", "float64"))
    one_of("device", config["device"], ("cpu", "cuda"))
    gpu = config["device"] == "cpu" or not here or torch.cuda.is_available()
    require(gpu, "device", config["device"], "cpu: this machine has no GPU")
    choose(config["engine"], getattr(torch, config["dtype"]), config["device"])
    resume = config["resume"]
    require(isinstance(resume, bool) or resume == ANY_CODE, "resume", resume, f"true, false or {ANY_CODE}")
    minutes = config["checkpoint_minutes"]
    require(is_number(minutes) and minutes > 0, "checkpoint_minutes", minutes, "a number > 0")
    one_of("results.save", config["results"]["save"], SAVES)
    train_missing = config["results"]["train_missing"]
    require(isinstance(train_missing, bool), "results.train_missing", train_missing, "true or false")
    check_report(config["report"], config["metric"]["name"])
    patience = config["patience"]
    least = patience is None or (is_integer(patience) and patience >= 1)
    require(least, "patience", patience, "null, or epochs, an integer >= 1")
    best = patience is None or config["selection"] == "best"
    require(best, "selection", config["selection"], f"best with patience={patience}, which stops after the best epoch")
    schedule(config)
    averaging(config)
    method = build(config["method"], "method")
    allowed = "a class that derives from fairrun.method.Method or fairrun.method.LibraryMethod"
    require(isinstance(method, AnyMethod), "method._target_", config["method"]["_target_"], allowed)
    whole = isinstance(method, LibraryMethod)
    needs = frozenset({"s"}) if whole else NEEDS
    allowed = f"a frozenset of names among {', '.join(sorted(needs))}"
    sound = isinstance(method.needs, frozenset) and method.needs <= needs
    require(sound, f"the needs of {type(method).__name__}", method.needs, allowed)
    _check_batch_size(config["batch_size"], method)
    for remark in method.remarks(config["epochs"]):
        _warn_once(remark)
    if whole:
        allowed = f"null or another with {type(method).__name__}, which gives decisions and no probabilities"
        require(not (method.decides and constraint == UNAWARE), "postprocess", constraint, allowed)
        _check_saved(config)
        _say_what_has_no_effect(config)
    else:
        network(config, num_features=0)  # the data says how many features there are
    _check_tracker(json.dumps(config["tracker"], sort_keys=True), single)


def _check_oxonfair(metric: str, bound: float | None) -> None:
    """Refuse thresholds by OxonFair without the package, a bound, or a metric that it can bound."""
    check_installed()
    what = f"with postprocess={OXONFAIR}"
    require(bound is not None, "fairness_bound", bound, f"a number {what}, which bounds metric={metric} by it")
    require(metric in BOUNDED, "metric.name", metric, f"one of {', '.join(BOUNDED)} {what}")


def _check_saved(config: dict[str, Any]) -> None:
    """Refuse to save a classifier of a package for which there is no format that is safe to load."""
    save = config["results"]["save"]
    allowed = f"none or null with an estimator of another package than {', '.join(SAVED)}"
    require(save != "chosen" or can_be_saved(dotted(config)), "results.save", save, allowed)


def _say_what_has_no_effect(config: dict[str, Any]) -> None:
    """Warn of keys that a library does not read, where they have other values than by default."""
    usual = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    usual["model"] |= yaml.safe_load((CONF / "model" / f"{MODEL}.yaml").read_text(encoding="utf-8"))
    usual = dotted(usual)
    given = {key: value for key, value in dotted(config).items() if role(key).steps and value != usual.get(key, NONE)}
    named = dict.fromkeys("model" if key.startswith("model.") else key for key in given)
    if named:
        by = class_of(config["method"]["estimator"]["_target_"], ESTIMATOR).__name__
        _warn_once(f"{', '.join(named)}: no effect on {by}, which its library trains on all rows at once")


def check_keys(config: dict[str, Any]) -> None:
    """Refuse keys that nothing reads: neither conf/train.yaml nor the class of their node has them.

    Raises one ``InputError`` that names them all.
    """
    if "experiment" in config:
        raise InputError("the file of the experiment must begin with the line # @package _global_")
    if "benchmark" in config:
        raise InputError("benchmark=NAME must go with -m, which trains its jobs as one sweep")
    if wrong := list(_not_text(config, "")):
        raise InputError("\n".join(wrong))
    wrong = list(_unknown_plain(config, _plain_keys(), ""))
    for name, node in config.items():
        if name != "metric":  # its _target_ is a function; its keys are those of conf/train.yaml
            wrong += _unknown_fields(node, name)
    if wrong:
        raise InputError("\n".join(wrong))


@functools.cache
def _plain_keys() -> dict[str, Any]:
    """The keys of conf/train.yaml with their values, and the nodes that it takes from groups, as ``GROUP``."""
    own = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    groups = {key: GROUP for key in ROLES if "." not in key}
    found = groups | {key: node for key, node in own.items() if key not in ("defaults", "hydra")}
    return found | {"model": GROUP}  # whose fields its class has, but for MEMBERS


def _not_text(node: dict[Any, Any], prefix: str) -> Iterator[str]:
    """A message for every key that is no text."""
    for name, value in node.items():
        if not isinstance(name, str):
            yield f"keys must be text, got {name!r} in {prefix.rstrip('.') or 'the configuration'}"
        elif isinstance(value, dict):
            yield from _not_text(value, f"{prefix}{name}.")


def _unknown_plain(node: dict[str, Any], known: dict[str, Any], prefix: str) -> Iterator[str]:
    """A message for every key that conf/train.yaml does not have, or that only it has, and for what is no node."""
    yield from (f"{prefix}{name} must be given" for name in known if name not in node)
    for name, value in node.items():
        key = f"{prefix}{name}"
        if name not in known:
            yield unknown(key, [f"{prefix}{other}" for other in known])
        elif known[name] == GROUP:
            if not (isinstance(value, dict) and isinstance(value.get("_target_"), str)):
                yield f"{key} must be a mapping with _target_, as a choice of the group {name} gives it, got {value!r}"
        elif isinstance(known[name], dict) and known[name]:  # users choose the keys of an empty mapping
            if isinstance(value, dict):
                yield from _unknown_plain(value, known[name], f"{key}.")
            else:
                yield f"{key} must be a mapping with the keys {', '.join(known[name])}, got {value!r}"


def _unknown_fields(node: Any, key: str) -> Iterator[str]:
    """A message for every key that the class of its node does not have."""
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            cls = class_of(node["_target_"], key)
            fields = [f"{key}.{field.name}" for field in dataclasses.fields(cls)]
            fields += [f"{key}.{MEMBERS}"] if key == "model" else []
            keys = [f"{key}.{name}" for name in node if name != "_target_"]
            yield from (unknown(name, fields) for name in keys if name not in fields)
            node = {name: value for name, value in node.items() if name not in recipes(cls)}
        for name, value in node.items():
            yield from _unknown_fields(value, f"{key}.{name}")


def schedule(config: dict[str, Any]) -> Schedule:
    """How learning rates change.  Raises ``InputError``."""
    every, factor, warmup, low = _values(config, "schedule", "every", "factor", "warmup", "cosine_to")
    allowed = "null, or epochs, an integer >= 1"
    for key, value in (("every", every), ("warmup", warmup)):
        require(value is None or (is_integer(value) and value >= 1), f"schedule.{key}", value, allowed)
    require(is_number(factor) and factor > 0, "schedule.factor", factor, "a number > 0")
    require(low is None or (is_number(low) and 0 <= low < 1), "schedule.cosine_to", low, "null, or a number in [0, 1)")
    fewer = f"null, or less than epochs={config['epochs']}"
    require(warmup is None or warmup < config["epochs"], "schedule.warmup", warmup, fewer)
    return Schedule(every, factor, warmup, low)


def averaging(config: dict[str, Any]) -> Averaging | None:
    """Which mean of parameters is evaluated, or None for those of the last step.  Raises ``InputError``."""
    kind, decay, start = _values(config, "averaging", "kind", "decay", "start")
    require(kind is None or kind in KINDS, "averaging.kind", kind, f"null or one of {', '.join(KINDS)}")
    require(is_number(decay) and 0 <= decay < 1, "averaging.decay", decay, "a number in [0, 1)")
    require(is_number(start) and 0 <= start < 1, "averaging.start", start, "a number in [0, 1)")
    return None if kind is None else Averaging(kind, decay, start)


def _values(config: dict[str, Any], name: str, *keys: str) -> list[Any]:
    """The values of the ``keys`` of a node, which has no others."""
    node = config[name]
    require(isinstance(node, dict) and set(node) == set(keys), name, node, f"the keys {', '.join(keys)}")
    return [node[key] for key in keys]


def network(
    config: dict[str, Any],
    num_features: int,
    num_tasks: int = 0,
    categories: Sequence[int] = (),
    num_classes: int = 2,
) -> Network:
    """Build the network of a configuration for data of the given shape.

    Its class gets only the arguments that it has fields for.  ``num_tasks`` 0 means one label.  Raises ``InputError``.
    """
    told = {
        "num_features": num_features,
        "num_tasks": max(1, num_tasks),
        "categories": list(categories),
        "num_classes": num_classes,
    }
    node = {key: value for key, value in config["model"].items() if key != MEMBERS}
    model = build(_with_told(node, "model", told), "model")
    allowed = "a class that derives from fairrun.models.network.Network"
    require(isinstance(model, Network), "model._target_", config["model"]["_target_"], allowed)
    found: Network = model
    members = config["model"].get(MEMBERS)
    if members is None:
        return found
    require(is_integer(members) and members >= 2, "model.members", members, "null, or an integer >= 2")
    return Ensemble(found, members, num_classes)


def _with_told(node: dict[str, Any], key: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """The node of a network, and those of networks in it, with what their classes are ``told`` of the data."""
    cls = class_of(node["_target_"], key)
    inner = {
        name: _with_told(value, f"{key}.{name}", told)
        for name, value in node.items()
        if isinstance(value, dict) and "_target_" in value and name not in recipes(cls)
    }
    return node | inner | {field.name: told[field.name] for field in dataclasses.fields(cls) if field.name in told}


def network_of(config: dict[str, Any], data: dict[str, Any]) -> Network:
    """Build the network of a configuration from the facts about its data."""
    return network(config, *_told(data))


def _told(data: dict[str, Any]) -> tuple[int, int, list[int], int]:
    """What ``network`` is told of the data: features, tasks, categories and classes."""
    return data["features"], len(data["tasks"]), data["categories"], max(2, len(data["classes"]))


@functools.cache
def _warn_once(remark: str) -> None:
    """Log a warning once per process."""
    log.warning(remark)


def check_report(node: Any, metric: str) -> ReportOptions:
    """The options that the node ``report`` gives a report.  Raises ``InputError``."""
    options = ReportOptions.from_config(node, list(dict.fromkeys([*COLUMNS, metric])))
    if options.metric not in (None, metric):
        one_of("report.metric", options.metric, [name for name in COLUMNS if can_be_traded(name)])
    return options


@functools.cache
def _check_tracker(node: str, single: bool) -> None:
    tracker = build(json.loads(node), "tracker")
    require(
        isinstance(tracker, Tracker), "tracker._target_", json.loads(node)["_target_"], "a fairrun.trackers.Tracker"
    )
    require(isinstance(tracker.live, bool), "tracker.live", tracker.live, "true or false")
    tracker.check(single=single)


def _check_report_of_one_label(config: dict[str, Any]) -> None:
    """Refuse metrics that only runs of several tasks have."""
    options = check_report(config["report"], config["metric"]["name"])
    for key, column in [("metric", options.metric), *(("columns", column) for column in options.columns or ())]:
        if column in (*OF_TASKS, *RELATIVE):
            raise InputError(
                f"report.{key} must be a metric of one label, got {column!r}, which runs of several tasks have"
            )


def check_data(config: dict[str, Any], data: dict[str, Any]) -> None:
    """Check what depends on the data, using the facts about it.  Raises ``InputError``."""
    method = _trained(config, data)
    _check_batch_size(config["batch_size"], method)
    whole = isinstance(method, LibraryMethod)
    if whole and data.get("streamed"):
        raise InputError(
            "method must be one that trains in steps, on images that exceed the memory bound, or dataset.rows.size "
            f"smaller: {type(method).__name__} reads all features at once"
        )
    layers = [] if whole else list(_layers(json.dumps([config["model"], _told(data)])))
    _check_tasks(config, method, layers, data)
    if data["classes"]:
        _check_classes(config, method, len(data["classes"]))
    _check_metric(config["metric"], data)
    if not data["tasks"]:
        _check_report_of_one_label(config)
    if config["postprocess"] is not None:
        what = f"postprocess={config['postprocess']} needs validation rows"
        least = 2 if config["postprocess"] in CURVES else 1  # one for each part
        _refuse_empty_cells(what, data["groups"], data["base_rates"]["val"], least)
    if config["postprocess"] == UNAWARE:
        what = f"postprocess={UNAWARE} needs training rows"
        _refuse_empty_cells(what, data["groups"], data["base_rates"]["train"])
        if data.get("streamed"):
            raise InputError(
                f"postprocess must be another than {UNAWARE} on images that exceed the memory bound: it tells groups "
                "by all features at once"
            )
    if config["postprocess"] == OXONFAIR and len(data["groups"]) > MOST_GROUPS:
        allowed = f"at most {MOST_GROUPS} with postprocess={OXONFAIR}, which searches all combinations of thresholds"
        raise InputError(f"groups must be {allowed}, got {len(data['groups'])}: {', '.join(data['groups'][:8])}")
    _check_groups(config, method, layers)
    if "s" in method.needs and not whole:
        _say_which_groups_batches_lack(config["batch_size"], data)
    for remark in method.remarks_on(data, config["batch_size"]):
        _warn_once(remark)
    if "val" in method.needs:
        _check_balanced(config, data)


@functools.lru_cache
def _layers(described: str) -> tuple[str, ...]:
    """The names of a network's parameters.  Raises ``InputError`` if memory cannot hold them, without making them.

    ``described``: the node ``model`` and what the network is told of the data, as JSON, which many runs share.
    """
    node, told = json.loads(described)
    model = network({"model": node}, *told)
    size, model = (model.size, model.member) if isinstance(model, Ensemble) else (1, model)
    small = model.widest * max(model.widest, told[0]) < SMALL
    with contextlib.nullcontext() if small else torch.device("meta"):  # shapes alone, which takes torch a second
        theta = model.init([torch.Generator()])
    needed = COPIES * size * sum(4 * p.numel() for p in theta.values()) / 2**30
    there = memory() / 2**30
    if needed > there:
        raise InputError(
            f"model must be smaller: its parameters, their gradients and the optimizer's numbers need {needed:.0f} GB "
            f"for one run, this process may use {there:.0f} GB"
        )
    return tuple(theta)


def _check_batch_size(batch_size: int, method: AnyMethod) -> None:
    least, because = method.smallest_batch
    require(batch_size >= least, "batch_size", batch_size, f">= {least} with method.{because}")


def _trained(config: dict[str, Any], data: dict[str, Any]) -> AnyMethod:
    """The configuration's method, told how many training rows each group has."""
    method: AnyMethod = build(config["method"], "method")
    try:
        return method.with_group_sizes(_train_rows(data), config["seed"])
    except InputError as error:
        raise InputError(f"method.{error}") from None


def _train_rows(data: dict[str, Any]) -> list[int]:
    """How many training rows each group has; of several tasks that are labelled for some rows only, the fewest."""
    of_tasks = [cells for key, cells in data["base_rates"].items() if key.endswith("train")]
    return [min(rows for rows, *_ in of_group) for of_group in zip(*of_tasks, strict=True)]


def _check_tasks(config: dict[str, Any], method: AnyMethod, layers: list[str], data: dict[str, Any]) -> None:
    """Check that method, model and data agree: one label, or several tasks."""
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
        metric = config["metric"]["name"]
        require(metric not in OF_TASKS, "metric.name", metric, f"one of {', '.join(METRICS)}")
        return
    dataset = config["dataset"]
    chosen = ", ".join(f"dataset.{key}={dataset[key]}" for key in ("tasks", "task") if key in dataset)
    if not tasks:
        raise InputError(
            f"{name} needs several tasks, got {chosen or 'one label'}: use experiment=mtaf/adult, or set "
            "dataset.tasks, dataset.task=null and model=shared_bottom, or shared_trunk for images"
        )
    if "unlabelled" in data and not method.allows_missing_labels:
        missing = ", ".join(f"{rows} without {task!r}" for task, rows in data["unlabelled"].items() if rows)
        allowed = f"drop with {name}, for which every row must have the labels of all tasks (rows: {missing})"
        raise InputError(f"dataset.missing must be {allowed}, got {dataset.get('missing')!r}")
    require(
        heads,
        "model",
        config["model"]["_target_"],
        f"shared_bottom, or shared_trunk for images, which have a head for each task: {name} learns several",
    )
    require(config["postprocess"] is None, "postprocess", config["postprocess"], "null with several tasks")
    for key, value in config["method"].items():
        if get_type_hints(type(method)).get(key) == PerTask and isinstance(value, list):
            allowed = f"a number, or a list of {len(tasks)}, one for each of {', '.join(tasks)}"
            require(len(value) == len(tasks), f"method.{key}", value, allowed)


def _check_classes(config: dict[str, Any], method: AnyMethod, num_classes: int) -> None:
    """Check that method, model, metric, post-processing and report can deal with more than two classes."""
    given = f"{config['dataset'].get('label')!r} with {num_classes} classes"
    two = f"a column with two values, and dataset.positive one of them: {type(method).__name__} learns two classes"
    if not method.multiclass:
        raise InputError(f"dataset.label must be {two}, got {given}")
    target = config["model"]["_target_"]
    fields = [field.name for field in dataclasses.fields(class_of(target, "model"))]
    require("num_classes" in fields, "model", target, f"a network of several classes (mlp, linear, cnn) for {given}")
    names = [metric.name for metric in of_classes(computed(config["metric"]), num_classes)]
    name, constraint = config["metric"]["name"], config["postprocess"]
    require(name in names, "metric.name", name, f"one of {', '.join(names)} for {given}")
    require(constraint is None, "postprocess", constraint, f"null for {given}")
    for column in check_report(config["report"], name).columns or ():
        require(column in names, "report.columns", column, f"metrics among {', '.join(names)} for {given}")


def _check_groups(config: dict[str, Any], method: AnyMethod, layers: Sequence[str]) -> None:
    """Check that the network has the layers that the method names."""
    uses = {"fairness": "has a player that moves them only", "classifier": "reads that layer"}
    for group in sorted(uses.keys() & method.needs):
        if not any(name.startswith(f"{group}.") for name in layers):
            network_class: type[Network] = class_of(config["model"]["_target_"], "model")
            remedy = network_class.remedies[group]
            key = remedy.partition(" ")[0]
            got = dotted(config["model"]).get(key)
            names = ", ".join(name.partition(".")[2] for name in layers if name.startswith("base."))
            there = f"; there are {names}" if key.startswith("groups.") else ""
            raise InputError(f"model.{remedy}: {type(method).__name__} {uses[group]}, got {got!r}{there}")


def _check_metric(node: dict[str, Any], data: dict[str, Any]) -> None:
    """Check that every group has validation and test rows with each label that the metric needs."""
    name = node["name"]
    for label in of_node(node).labels_needed:
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
    num_rows = data["rows"]["train"]
    shares = {group: share_without(n, num_rows, batch_size) for group, n in zip(data["groups"], rows, strict=True)}
    often = ", ".join(f"{share:.0%} for {group!r}" for group, share in shares.items() if share > 0.01)
    if often:
        _warn_once(f"batch_size={batch_size}: some batches have no row of a group, and their steps ignore it: {often}")


def _check_balanced(config: dict[str, Any], data: dict[str, Any]) -> None:
    wanted = config["dataset"].get("split", {}).get("balanced", "?")  # a plugin's data set may have no such key
    cells = data["base_rates"]["balanced"]
    _refuse_empty_cells(f"dataset.split.balanced={wanted} needs training rows", data["groups"], cells)
    for group, cell in zip(data["groups"], cells, strict=True):
        for label, number in enumerate(by_class(cell)):
            if wanted != "?" and number < wanted:
                _warn_once(
                    f"dataset.split.balanced={wanted}: {group!r} with label {label} has {number}, half of its rows"
                )


def _refuse_empty_cells(what: str, groups: list[str], cells: list[list[int]], least: int = 1) -> None:
    """Raise ``InputError`` if a group has fewer than ``least`` rows of a label."""
    each = "" if least == 1 else f", {least} of each"
    for group, cell in zip(groups, cells, strict=True):
        for label, number in enumerate(by_class(cell)):
            if number < least:
                missing = f"{number or 'none'} of {group!r} with label {label}"
                raise InputError(f"{what} of every group and label{each}, got {missing}; merge or drop the group")
