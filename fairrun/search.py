"""Settings that trade validation accuracy against fairness, by Optuna's ask and tell; no other module imports optuna.

The same space, sampler, seed, batches and results give the same settings.  So a search that was interrupted is done
over by its command, which finds what is trained already.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from fairrun.check import InputError, is_integer, is_number, one_of, require
from fairrun.results import read

try:
    import optuna
except ModuleNotFoundError as error:
    if error.name != "optuna":
        raise
    raise InputError("hydra/sweeper=search needs the package optuna: pip install 'fairrun[optuna]'") from None

Setting = dict[str, Any]  # the value of each key that is searched
Values = tuple[float, float]  # accuracy, and the fairness metric, on validation rows, mean over seeds
Space = dict[str, optuna.distributions.BaseDistribution]
SAMPLERS: dict[str, Callable[[int, int], optuna.samplers.BaseSampler]] = {  # of the seed and the size of a batch
    "tpe": lambda seed, batch: optuna.samplers.TPESampler(seed=seed),
    "nsga2": lambda seed, batch: optuna.samplers.NSGAIISampler(seed=seed, population_size=max(2, batch)),
}
TOLD = "trials.json"


class Search:
    """Asks for settings, a batch at a time, and is told what came of them."""

    def __init__(self, space: Space, sampler: str, *, seed: int, batch: int, greater_is_better: bool) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        directions = ["maximize", "maximize" if greater_is_better else "minimize"]
        self.study = optuna.create_study(sampler=SAMPLERS[sampler](seed, batch), directions=directions)
        self.space = space
        self.waiting: list[optuna.Trial] = []

    def ask(self, count: int) -> list[Setting]:
        """The next ``count`` settings; some may be equal to others or to earlier ones."""
        self.waiting = [self.study.ask(self.space) for _ in range(count)]
        return [trial.params for trial in self.waiting]

    def tell(self, values: Sequence[Values | None]) -> None:
        """What came of the settings that were asked for last; None: nothing that could be measured."""
        for trial, value in zip(self.waiting, values, strict=True):
            state = optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE
            self.study.tell(trial, value, state=state)

    def front(self) -> list[tuple[Setting, Values]]:
        """The settings that no other is better than in both, with their values; the most accurate first."""
        best = {json.dumps(trial.params): (trial.params, tuple(trial.values)) for trial in self.study.best_trials}
        return sorted(best.values(), key=lambda found: found[1], reverse=True)


def check(trials: Any, batch: Any, sampler: Any, seed: Any) -> None:
    """Raise ``InputError`` for a key of the sweeper that cannot be used."""
    for key, value, least in (("trials", trials, 1), ("batch", batch, 1), ("seed", seed, 0)):
        require(is_integer(value) and value >= least, f"hydra.sweeper.{key}", value, f"an integer >= {least}")
    one_of("hydra.sweeper.sampler", sampler, SAMPLERS)


def flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The ranges and values in ``node`` by dotted key."""
    leaves: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict) and value and not value.keys() & {"low", "high", "log"}:
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def check_keys(heading: str, keys: Sequence[str], config: Mapping[str, Any]) -> None:
    """Raise ``InputError`` for a key that ``config``, by dotted key, does not have."""
    allowed = [key for key in config if not key.endswith("_target_")]
    for key in keys:
        if key not in allowed:
            near = [k for k in allowed if k.split(".")[0] == key.split(".")[0]] or allowed
            raise InputError(f"hydra.sweeper.{heading} must hold keys among {', '.join(near)}, got {key!r}")


def space(heading: str, ranges: Mapping[str, Any], config: Mapping[str, Any]) -> Space:
    """The ranges under ``heading``; ``config``, by dotted key, says which are of integers.  Raises ``InputError``."""
    check_keys(heading, list(ranges), config)
    return {key: _distribution(f"hydra.sweeper.{heading}.{key}", node, config[key]) for key, node in ranges.items()}


def _distribution(key: str, node: Any, default: Any) -> optuna.distributions.BaseDistribution:
    if isinstance(node, list):
        plain = all(is_number(v) or v is None or isinstance(v, bool | str) for v in node)
        require(node and plain, key, node, "a list of numbers, strings, true, false or null, one at least")
        return optuna.distributions.CategoricalDistribution(node)
    known = isinstance(node, dict) and {"low", "high"} <= node.keys() <= {"low", "high", "log"}
    require(known, key, node, "a list of values, or {low: NUMBER, high: NUMBER} with or without log: true")
    low, high, log = node["low"], node["high"], node.get("log", False)
    require(is_number(low) and is_number(high) and low < high, key, node, "two numbers, low < high")
    require(isinstance(log, bool) and (low > 0 or not log), key, node, "log: true with low > 0, or log: false")
    if all(map(is_integer, (low, high, default))):
        return optuna.distributions.IntDistribution(low, high, log=log)
    return optuna.distributions.FloatDistribution(low, high, log=log)


def values(folders: Sequence[Path], metric: str) -> Values | None:
    """Means over the finished runs in ``folders``, None if one of them has no value."""
    metrics = [read(folder)["metrics"] for folder in folders]
    columns = [[run[f"val/{name}"] for run in metrics] for name in ("accuracy", metric)]
    return None if None in columns[0] + columns[1] else (fmean(columns[0]), fmean(columns[1]))


class Told:
    """What the search was told, in the sweep's folder.

    A run that failed may finish when it is tried again; the search goes on from what it was told, or it would ask for
    other settings than those that are trained.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self.path = folder / TOLD
        self.trials: list[dict[str, Any]] = json.loads(self.path.read_bytes()) if resume and self.path.exists() else []

    def check(self, first: int, settings: Sequence[Setting]) -> None:
        """Raise ``InputError`` if the trials from number ``first`` on had other settings."""
        for told, setting in zip(self.trials[first:], settings, strict=False):
            if told["setting"] != setting:
                raise InputError(
                    f"{self.path} must be of this search, got another's (ranges, sampler, seed, batch and the version of"
                    " optuna make a search); take another hydra.sweep.dir, or resume=false to replace it"
                )

    def add(self, first: int, settings: Sequence[Setting], found: Sequence[Values | None]) -> list[Values | None]:
        """Keep what was ``found``, where nothing was told before -> what the search is to be told."""
        new = [{"setting": s, "values": v} for s, v in zip(settings, found, strict=True)]
        self.trials += new[max(0, len(self.trials) - first) :]
        part = self.path.with_name(TOLD + ".part")
        part.write_text(json.dumps(self.trials, indent=1))
        os.replace(part, self.path)
        return [trial["values"] for trial in self.trials[first : first + len(settings)]]
