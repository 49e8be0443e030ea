"""The one entry point: compose, check, build, train, evaluate, write.

``python -m fairrun.train method=penalty method.lam=1 dataset=adult``; ``--help`` lists every key.  Heavy imports wait
until a job runs, so that help and mistakes on the command line are answered at once.
"""

import functools
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, InstantiationException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

if TYPE_CHECKING:
    from fairrun.data.table import Data
    from fairrun.selection import Metric

log = logging.getLogger(__name__)
PACKAGE = Path(__file__).parent
CONF = PACKAGE / "conf" if (PACKAGE / "conf").exists() else PACKAGE.parent / "conf"  # in a wheel; in a checkout
GROUPS = ("method", "dataset", "model", "metric")


class Refused(CompactHydraException):
    """Shown without a traceback."""


class OutputFolder(Callback):
    """Refuses a folder that cannot be written with one message, before Hydra would with a traceback."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Before a single run."""
        _make_folder("hydra.run.dir", config.hydra.run.dir)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Before a sweep."""
        _make_folder("hydra.sweep.dir", config.hydra.sweep.dir)


def _make_folder(key: str, folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
        reason = "permission denied"
    except OSError as error:
        writable, reason = False, str(error.strerror)
    if not writable:
        sys.exit(f"{key} must be a folder that can be written, got {folder!r} ({reason})")


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def main(cfg: DictConfig) -> float:
    """Train one run; returns its validation score, for sweepers that optimise it."""
    from fairrun.check import InputError

    try:
        return run(cfg)
    except (InputError, OmegaConfBaseException) as error:
        log.error("%s", error)
        if HydraConfig.get().mode == RunMode.RUN:
            sys.exit(1)
        raise Refused(str(error)) from None  # the other jobs of the sweep go on


def run(cfg: DictConfig) -> float:
    """Check everything, then train one run and write its folder.  Raises ``InputError``."""
    from fairrun.check import InputError
    from fairrun.results import versions, write
    from fairrun.selection import Metric, select

    started = time.time()
    for key in sorted(OmegaConf.missing_keys(cfg)):
        raise InputError(f"{key} must be given: {key}=VALUE")
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    check_settings(config)
    metric = Metric(**config["metric"])
    method, tracker = build(cfg.method, "method"), build(cfg.tracker, "tracker")
    build(cfg.model, "model", num_features=1)  # its values are checked before the data says how many features there are
    tracker.check()
    data = _load(OmegaConf.to_yaml(cfg.dataset, resolve=True))
    network = build(cfg.model, "model", num_features=len(data.features))
    trained = _fit(network, method, data, config)
    epoch, score = select(trained.history, config["selection"], metric, config["fairness_bound"])
    choices = HydraConfig.get().runtime.choices
    record = {
        "status": "finished" if trained.failure is None else "failed",
        "failure": trained.failure,
        "seed": config["seed"],
        "epoch": int(trained.history["epoch"].iloc[epoch]),
        "score": score,
        "metrics": {k: v for k, v in trained.history.iloc[epoch].to_dict().items() if k != "epoch"},
        "choices": {group: choices[group] for group in GROUPS},
        "config": config,
        "groups": data.groups,
        "rows": {split: len(getattr(data, split).y) for split in ("train", "val", "test")},
        "data_sha256": data.sha256,
        "versions": versions(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "wall_time_s": round(time.time() - started, 3),
    }
    folder = Path(HydraConfig.get().runtime.output_dir)
    write(folder, record, trained.history)
    tracker.log(folder, _sweep_name(), record, trained.history)
    _show(record, metric, folder)
    if trained.failure is not None:
        raise InputError(f"the run failed: {trained.failure}")
    return score


def check_settings(config: dict[str, Any]) -> None:
    """Check the top-level keys.  Raises ``InputError``."""
    import torch

    from fairrun.check import is_integer, is_number, one_of, require
    from fairrun.metrics import METRICS
    from fairrun.selection import RULES

    for key, least in (("seed", 0), ("epochs", 1), ("batch_size", 1), ("num_threads", 1)):
        require(is_integer(config[key]) and config[key] >= least, key, config[key], f"an integer >= {least}")
    one_of("selection", config["selection"], RULES)
    bound = config["fairness_bound"]
    require(bound is None or (is_number(bound) and bound >= 0), "fairness_bound", bound, "null or a number >= 0")
    one_of("metric.name", config["metric"]["name"], [metric.__name__ for metric in METRICS])
    greater = config["metric"]["greater_is_better"]
    require(isinstance(greater, bool), "metric.greater_is_better", greater, "true or false")
    cores = os.cpu_count() or 1
    require(
        config["num_threads"] <= cores, "num_threads", config["num_threads"], f"at most {cores}, this machine's cores"
    )
    one_of("dtype", config["dtype"], ("float32", "float64"))
    one_of("device", config["device"], ("cpu", "cuda"))
    require(
        config["device"] == "cpu" or torch.cuda.is_available(),
        "device",
        config["device"],
        "cpu: this machine has no GPU",
    )


def build(node: DictConfig, key: str, **extra: Any) -> Any:
    """The object that a config node describes.  Raises ``InputError`` that names the key, the value and what is
    allowed.
    """
    from fairrun.check import InputError, check_fields

    for name, child in node.items():
        if isinstance(child, DictConfig) and "_target_" in child:
            build(child, f"{key}.{name!s}")  # for its own message: a parent's error would not name the child's key
    values: Any = OmegaConf.to_container(node, resolve=True)
    try:
        cls = get_class(node["_target_"])
    except (ImportError, ValueError) as error:
        raise InputError(
            f"{key}._target_ must be a class that can be imported, got {node['_target_']!r}: {error}"
        ) from None
    check_fields(cls, values, key)
    try:
        return instantiate(node, _convert_="all", **extra)
    except InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise InputError(f"{key}.{error.__cause__}") from None
        raise


@functools.lru_cache(maxsize=1)
def _load(dataset: str) -> "Data":
    """The data of a data set's config, as YAML; jobs in one process that share it load it once."""
    node = OmegaConf.create(dataset)
    assert isinstance(node, DictConfig)
    return build(node, "dataset").load()


def _fit(network: Any, method: Any, data: "Data", config: dict[str, Any]) -> Any:
    import torch
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeRemainingColumn

    from fairrun.fit import fit

    torch.set_num_threads(config["num_threads"])
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:3], TimeRemainingColumn(), TextColumn("loss {task.fields[loss]:.4f}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("training", total=config["epochs"], loss=float("nan"))
        (trained,) = fit(
            network,
            [method],
            [config["seed"]],
            data,
            epochs=config["epochs"],
            batch_size=config["batch_size"],
            dtype=getattr(torch, config["dtype"]),
            device=config["device"],
            progress=lambda epoch, loss: bar.update(task, completed=epoch, loss=loss),
        )
    return trained


def _sweep_name() -> str | None:
    config = HydraConfig.get()
    return Path(config.sweep.dir).name if config.mode == RunMode.MULTIRUN else None


def _show(record: dict[str, Any], metric: "Metric", folder: Path) -> None:
    """A short table on the terminal."""
    from rich.console import Console
    from rich.table import Table

    metrics, choices = record["metrics"], record["choices"]
    table = Table(title=f"{choices['method']} on {choices['dataset']}, seed {record['seed']}, epoch {record['epoch']}")
    table.add_column("metric")
    for split in ("val", "test"):
        table.add_column(split, justify="right")
    for name in dict.fromkeys(("accuracy", "roc_auc", "worst_group_accuracy", metric.name)):
        table.add_row(name, *(f"{metrics[f'{split}/{name}']:.4f}" for split in ("val", "test")))
    per_group = Table(title="test rows by group")
    names = ("accuracy", "selection_rate", "true_positive_rate", "false_positive_rate")
    for name in ("group", *names):
        per_group.add_column(name.replace("_", " "), justify="left" if name == "group" else "right")
    for g, group in enumerate(record["groups"]):
        per_group.add_row(group, *(f"{metrics[f'test/{name}/s={g}']:.4f}" for name in names))
    console = Console()
    console.print(table, per_group)
    console.print(f"{folder}", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    main()
