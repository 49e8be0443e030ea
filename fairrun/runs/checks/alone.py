"""Checks a configuration before its data are read."""

import functools
import json
import logging
import os
from typing import Any

import torch
import yaml

from fairrun.config.build import build, class_of
from fairrun.config.check import InputError, is_integer, is_number, null_or_one_of, one_of, require
from fairrun.config.keys import CONF, ESTIMATOR, dotted, role
from fairrun.config.metrics import (
    METRICS,
    OF_TASKS,
    RELATIVE,
    can_be_traded,
    of_node,
    refuse_no_surrogate,
)
from fairrun.config.plugins import SAVED, can_be_saved
from fairrun.method.api import NEEDS, AnyMethod
from fairrun.method.library import LibraryMethod
from fairrun.report.options import ReportOptions
from fairrun.results.selection import RULES
from fairrun.runs.built import averaging, network, schedule
from fairrun.runs.model import SAVES
from fairrun.trackers import Tracker
from fairrun.training.native.parts import choose
from fairrun.training.thresholds.frontier import CURVES, RATES, UNAWARE
from fairrun.training.thresholds.oxonfair import BOUNDED, check_installed
from fairrun.training.thresholds.postprocess import CONSTRAINTS, OXONFAIR

log = logging.getLogger(__name__)

ANY_CODE = "any_code"
MODEL = "mlp"  # the choice in conf/train.yaml
NONE = object()
READ_WITH: dict[str, tuple[str, tuple[str, ...]]] = {  # by key: another, with which of its values the key counts
    "averaging.decay": ("averaging.kind", ("ema",)),
    "averaging.start": ("averaging.kind", ("swa",)),
    "dataset.bins": ("dataset.numbers", ("bins", "piecewise", "periodic")),
}
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
    _check_postprocess(config)
    _check_metric(config)
    _check_machine(config, here)
    _check_results(config)
    check_report(config["report"], config["metric"]["name"])
    _check_patience(config)
    schedule(config)
    averaging(config)
    _say_what_is_unread(config)
    _check_method(config)
    _check_tracker(json.dumps(config["tracker"], sort_keys=True), single)


def _check_postprocess(config: dict[str, Any]) -> None:
    constraint = config["postprocess"]
    null_or_one_of("postprocess", constraint, CONSTRAINTS)
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


def _check_oxonfair(metric: str, bound: float | None) -> None:
    """Refuse thresholds by OxonFair without the package, a bound, or a metric that it can bound."""
    check_installed()
    what = f"with postprocess={OXONFAIR}"
    require(bound is not None, "fairness_bound", bound, f"a number {what}, which bounds metric={metric} by it")
    require(metric in BOUNDED, "metric.name", metric, f"one of {', '.join(BOUNDED)} {what}")


def _check_metric(config: dict[str, Any]) -> None:
    of_node(config["metric"])
    refuse_no_surrogate(config)
    greater = config["metric"]["greater_is_better"]
    require(isinstance(greater, bool), "metric.greater_is_better", greater, "true or false")
    known = METRICS.get(config["metric"]["name"])
    nature = greater if known is None or known.greater_is_better is None else known.greater_is_better
    allowed = f"{str(nature).lower()}, as {config['metric']['name']} has it"
    require(greater == nature, "metric.greater_is_better", greater, allowed)


def _check_machine(config: dict[str, Any], here: bool) -> None:
    """Check what trains: threads, numbers, device and engine."""
    cores = os.cpu_count() or 1
    threads = config["num_threads"]
    require(threads <= cores or not here, "num_threads", threads, f"at most {cores}, this machine's cores")
    one_of("dtype", config["dtype"], ("float32", "float64"))
    one_of("device", config["device"], ("cpu", "cuda"))
    gpu = config["device"] == "cpu" or not here or torch.cuda.is_available()
    require(gpu, "device", config["device"], "cpu: this machine has no GPU")
    choose(config["engine"], getattr(torch, config["dtype"]), config["device"])


def _check_results(config: dict[str, Any]) -> None:
    """Check what is kept, and what is taken from there."""
    resume = config["resume"]
    require(isinstance(resume, bool) or resume == ANY_CODE, "resume", resume, f"true, false or {ANY_CODE}")
    minutes = config["checkpoint_minutes"]
    require(is_number(minutes) and minutes > 0, "checkpoint_minutes", minutes, "a number > 0")
    one_of("results.save", config["results"]["save"], SAVES)
    train_missing = config["results"]["train_missing"]
    require(isinstance(train_missing, bool), "results.train_missing", train_missing, "true or false")


def _check_patience(config: dict[str, Any]) -> None:
    patience = config["patience"]
    least = patience is None or (is_integer(patience) and patience >= 1)
    require(least, "patience", patience, "null, or epochs, an integer >= 1")
    best = patience is None or config["selection"] == "best"
    require(best, "selection", config["selection"], f"best with patience={patience}, which stops after the best epoch")


def _check_method(config: dict[str, Any]) -> None:
    """Check the method, and that the network can be built or, with a library's method, is not needed."""
    method = build(config["method"], "method")
    allowed = "a class that derives from fairrun.method.Method or fairrun.method.LibraryMethod"
    require(isinstance(method, AnyMethod), "method._target_", config["method"]["_target_"], allowed)
    whole = isinstance(method, LibraryMethod)
    needs = frozenset({"s"}) if whole else NEEDS
    allowed = f"a frozenset of names among {', '.join(sorted(needs))}"
    sound = isinstance(method.needs, frozenset) and method.needs <= needs
    require(sound, f"the needs of {type(method).__name__}", method.needs, allowed)
    check_batch_size(config["batch_size"], method)
    for remark in method.remarks(config["epochs"]):
        warn_once(remark)
    if not whole:
        network(config, num_features=0)  # the data says how many features there are
        return
    constraint = config["postprocess"]
    allowed = f"null or another with {type(method).__name__}, which gives decisions and no probabilities"
    require(not (method.decides and constraint == UNAWARE), "postprocess", constraint, allowed)
    _check_saved(config)
    _say_what_has_no_effect(config)


def _check_saved(config: dict[str, Any]) -> None:
    """Refuse to save a classifier of a package for which there is no format that is safe to load."""
    save = config["results"]["save"]
    allowed = f"none or null with an estimator of another package than {', '.join(SAVED)}"
    require(save != "chosen" or can_be_saved(dotted(config)), "results.save", save, allowed)


def _say_what_is_unread(config: dict[str, Any]) -> None:
    """Warn of keys that another key makes say nothing, where they have other values than by default."""
    usual, given = _usual(), dotted(config)
    for key, (other, values) in READ_WITH.items():
        if given.get(key, usual[key]) != usual[key] and given.get(other) not in values:
            is_so = "null" if given.get(other) is None else given[other]
            warn_once(f"{key}={given[key]}: no effect with {other}={is_so}; it counts with {', '.join(values)}")


def _say_what_has_no_effect(config: dict[str, Any]) -> None:
    """Warn of keys that a library does not read, where they have other values than by default."""
    usual = _usual()
    given = {key: value for key, value in dotted(config).items() if role(key).steps and value != usual.get(key, NONE)}
    named = dict.fromkeys("model" if key.startswith("model.") else key for key in given)
    if named:
        by = class_of(config["method"]["estimator"]["_target_"], ESTIMATOR).__name__
        warn_once(f"{', '.join(named)}: no effect on {by}, which its library trains on all rows at once")


@functools.cache
def _usual() -> dict[str, Any]:
    """The values by default, by dotted key: of a table and of a network as the files of all have them."""
    files = {"model": f"model/{MODEL}", "dataset": "dataset/_table"}
    usual = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    for node, file in files.items():
        usual[node] = usual.get(node, {}) | yaml.safe_load((CONF / f"{file}.yaml").read_text(encoding="utf-8"))
    return dotted(usual)


@functools.cache
def warn_once(remark: str) -> None:
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


def check_batch_size(batch_size: int, method: AnyMethod) -> None:
    """Refuse batches that are too small for a method's hyper-parameters."""
    least, because = method.smallest_batch
    require(batch_size >= least, "batch_size", batch_size, f">= {least} with method.{because}")
