"""Search, with Optuna, for configurations that trade validation accuracy against fairness.

The same space, sampler, seed, batches and results give the same trials.  So the command of an interrupted search asks
for the same trials again and finds those that are trained.  No other module imports Optuna.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from fairrun.config.check import InputError, is_integer, is_number, one_of, require, unknown
from fairrun.results.records import read, replace

try:
    import optuna
except ModuleNotFoundError as error:
    if error.name != "optuna":
        raise
    raise InputError("hydra/sweeper=search needs the package optuna: pip install 'fairrun[optuna]'") from None

Setting = dict[str, Any]  # a configuration: the value of each key that is searched
Values = tuple[float, float]  # accuracy and the fairness metric on validation rows, each a mean over seeds
Space = dict[str, optuna.distributions.BaseDistribution]
SAMPLERS = ("tpe", "nsga2")
TOLD = "trials.json"


class Search:
    """Proposes configurations, a batch at a time, from the values of earlier ones."""

    def __init__(self, space: Space, sampler: str, *, seed: int, batch: int, greater_is_better: bool) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.space = space
        self.study = optuna.create_study(
            sampler=_sampler(sampler, seed, batch),
            directions=["maximize", "maximize" if greater_is_better else "minimize"],
        )
        self.waiting: list[optuna.Trial] = []

    def ask(self, count: int) -> list[Setting]:
        """The next ``count`` configurations.  Some may equal each other or earlier ones."""
        self.waiting = [self.study.ask(self.space) for _ in range(count)]
        return [trial.params for trial in self.waiting]

    def tell(self, values: Sequence[Values | None]) -> None:
        """Take the values of the configurations that ``ask`` gave last; None for one that could not be measured."""
        for trial, value in zip(self.waiting, values, strict=True):
            state = optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE
            self.study.tell(trial, value, state=state)

    def front(self) -> list[tuple[Setting, Values]]:
        """The Pareto front: configurations with their values, the most accurate first."""
        best = {json.dumps(t.params): (t.params, (t.values[0], t.values[1])) for t in self.study.best_trials}
        return sorted(best.values(), key=lambda found: found[1], reverse=True)


def _sampler(name: str, seed: int, batch: int) -> optuna.samplers.BaseSampler:
    one_of("hydra.sweeper.sampler", name, SAMPLERS)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.NSGAIISampler(seed=seed, population_size=max(2, batch))


def divide(
    headings: Mapping[str, Any], given: Collection[str], config: Mapping[str, Any]
) -> tuple[Space, dict[str, Any]]:
    """Divide the keys under ``headings`` into ranges to search and fixed values.

    The headings scientific and nuisance hold ranges; the heading fixed holds values.  The keys in ``given`` are left
    out.  ``config`` holds every allowed key, dotted, with its default.  A default that is an integer makes a range of
    integers.  Raises ``InputError``.
    """
    ranges: Space = {}
    fixed: dict[str, Any] = {}
    for heading, node in headings.items():
        require(isinstance(node, dict), f"hydra.sweeper.{heading}", node, "a mapping of keys")
        for key, value in leaves(node).items():
            if key not in given:
                _check_key(heading, key, config)
                if heading == "fixed":
                    fixed[key] = value
                else:
                    ranges[key] = _range(f"hydra.sweeper.{heading}.{key}", value, config[key])
    if both := sorted(ranges.keys() & fixed.keys()):
        raise InputError(f"hydra.sweeper.fixed must hold no key that has a range, got {', '.join(both)}")
    if not ranges:
        raise InputError("a search needs a range that the command line leaves open, got none; sweep=NAME has some")
    return ranges, fixed


def leaves(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Ranges and values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict) and value and not value.keys() & {"low", "high", "log"}:
            found |= leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _check_key(heading: str, key: str, config: Mapping[str, Any]) -> None:
    allowed = [name for name in config if not name.endswith("_target_")]
    if key not in allowed:
        raise InputError(f"hydra.sweeper.{heading}: {unknown(key, allowed)}")


def _range(key: str, node: Any, default: Any) -> optuna.distributions.BaseDistribution:
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


def measured(folders: Sequence[Path], metric: str) -> Values | None:
    """Mean values over the finished runs in ``folders``; None if one of the runs lacks a value."""
    runs = [read(folder)["metrics"] for folder in folders]
    accuracy, fairness = ([run[f"val/{name}"] for run in runs] for name in ("accuracy", metric))
    return None if None in accuracy + fairness else (fmean(accuracy), fmean(fairness))


class History:
    """The values of each trial, kept in the sweep's folder.

    A run that failed may finish when it is tried again, which changes its values.  The search still goes on from the
    values kept here.  From changed values it would ask for configurations that are not trained yet.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self.path = folder / TOLD
        self.trials: list[dict[str, Any]] = []
        if resume and self.path.exists():
            try:
                self.trials = json.loads(self.path.read_bytes())
            except ValueError:
                raise InputError(f"{self.path} is damaged: delete it, and trained runs give it anew") from None

    def check(self, first: int, settings: Sequence[Setting]) -> None:
        """Raise ``InputError`` if the trials from number ``first`` on had other configurations."""
        for trial, setting in zip(self.trials[first:], settings, strict=False):
            if trial["setting"] != setting:
                makes = "ranges, sampler, seed, batch and optuna's version make a search"
                advice = "take another hydra.sweep.dir, or resume=false to replace it"
                raise InputError(f"{self.path} must be of this search, got another's ({makes}); {advice}")

    def add(self, first: int, settings: Sequence[Setting], values: Sequence[Values | None]) -> list[Values | None]:
        """Keep the ``values`` of trials that have none yet, and give the kept values of all ``settings``."""
        new = [{"setting": s, "values": v} for s, v in zip(settings, values, strict=True)]
        self.trials += new[max(0, len(self.trials) - first) :]
        replace(self.path, json.dumps(self.trials, indent=1).encode())
        return [trial["values"] for trial in self.trials[first : first + len(settings)]]
