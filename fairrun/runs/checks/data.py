"""Checks a configuration with the facts about its data, before it is trained."""

import dataclasses
from collections.abc import Sequence
from typing import Any, get_type_hints

from fairrun.config.build import build, class_of
from fairrun.config.check import InputError, require
from fairrun.config.keys import dotted
from fairrun.config.metrics import METRICS, OF_TASKS, RELATIVE, computed, of_classes, of_node
from fairrun.method.api import AnyMethod, PerTask
from fairrun.method.library import LibraryMethod
from fairrun.method.rows import share_without
from fairrun.models.network import Network
from fairrun.results.records import by_class
from fairrun.runs.built import layers_of
from fairrun.runs.checks.alone import check_batch_size, check_report, warn_once
from fairrun.training.thresholds.frontier import CURVES, UNAWARE
from fairrun.training.thresholds.oxonfair import MOST_GROUPS
from fairrun.training.thresholds.postprocess import OXONFAIR


def check_data(config: dict[str, Any], data: dict[str, Any]) -> None:
    """Check what depends on the data, using the facts about it.  Raises ``InputError``."""
    method = _trained(config, data)
    check_batch_size(config["batch_size"], method)
    whole = isinstance(method, LibraryMethod)
    if whole and data.get("streamed"):
        raise InputError(
            "method must be one that trains in steps, on images that exceed the memory bound, or dataset.rows.size "
            f"smaller: {type(method).__name__} reads all features at once"
        )
    layers = [] if whole else layers_of(config, data)
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
        warn_once(remark)
    if "val" in method.needs:
        _check_balanced(config, data)


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


def _check_report_of_one_label(config: dict[str, Any]) -> None:
    """Refuse metrics that only runs of several tasks have."""
    options = check_report(config["report"], config["metric"]["name"])
    for key, column in [("metric", options.metric), *(("columns", column) for column in options.columns or ())]:
        if column in (*OF_TASKS, *RELATIVE):
            raise InputError(
                f"report.{key} must be a metric of one label, got {column!r}, which runs of several tasks have"
            )


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
        warn_once(f"batch_size={batch_size}: some batches have no row of a group, and their steps ignore it: {often}")


def _check_balanced(config: dict[str, Any], data: dict[str, Any]) -> None:
    wanted = config["dataset"].get("split", {}).get("balanced", "?")  # a plugin's data set may have no such key
    cells = data["base_rates"]["balanced"]
    _refuse_empty_cells(f"dataset.split.balanced={wanted} needs training rows", data["groups"], cells)
    for group, cell in zip(data["groups"], cells, strict=True):
        for label, number in enumerate(by_class(cell)):
            if wanted != "?" and number < wanted:
                warn_once(
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
