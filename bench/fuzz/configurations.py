"""Random configurations: composed, checked, checked with data, and some of them trained for an epoch."""

import functools
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf, open_dict

from bench.composition import composed
from bench.fuzz.cases import Counts, count, outcome
from fairrun.command.environment import resolved
from fairrun.command.guard import check_hydra
from fairrun.command.mistakes.choices import refuse_missing_groups
from fairrun.command.mistakes.overrides import mistakes
from fairrun.command.renames import current
from fairrun.config.check import InputError
from fairrun.config.keys import CONF, dotted
from fairrun.results.records import GROUPS
from fairrun.runs.checks.alone import check
from fairrun.runs.checks.data import check_data
from fairrun.runs.checks.keys import check_keys
from fairrun.runs.job import Job, facts, load
from fairrun.runs.runner import Sweep
from hydra_plugins.fairrun_compose import settle

CHOICES = {
    "method": 1.0,
    "model": 0.3,
    "metric": 0.3,
    "optimizer@method.optimizer": 0.2,
    "tracker": 0.02,
    "experiment": 0.05,
}
VALUES = [
    *("null", "true", "false", "-1", "0", "1", "2", "7", "0.5", "-0.0", "1e30", "1e-300", "nan", "inf", "-inf", "''"),
    *(
        "abc",
        "'  '",
        "'1'",
        "größe",
        "[]",
        "[null]",
        "[1,2]",
        "[a,b]",
        "[[1]]",
        "{}",
        "{a: 1}",
        "???",
        "last",
        "float32",
    ),
    *("os.system", "fairrun.train.Path", "fairrun.methods.erm.ERM", "{_target_: os.system}", "{_target_: null}"),
    *("${seed}", "${nothing}", "${oc.env:NOT_THERE}", "'${oc.decode:${seed}}'", "x.csv", "/", ".."),
]
NO_EFFORT = {"epochs": 1, "num_threads": 1, "device": "cpu"}


@functools.cache
def options(group: str) -> list[str]:
    """The choices of a group."""
    folder = CONF / group.partition("@")[0]
    files = sorted(folder.rglob("*.yaml"))
    return [str(file.relative_to(folder).with_suffix("")) for file in files if not file.name.startswith("_")]


@functools.cache
def keys(group: str) -> list[str]:
    """The keys of a choice of the method, with all others."""
    plain: Any = OmegaConf.to_container(composed([group]))
    plain.pop("hydra")
    return [*dotted(plain), *plain]


def draw(rng: random.Random) -> list[str]:
    """Overrides: choices of groups, and values of some keys, of which most are wrong."""
    chosen = [f"{group}={rng.choice(options(group))}" for group, share in CHOICES.items() if rng.random() < share]
    own = [_value(rng, rng.choice(keys(chosen[0]))) for _ in range(rng.choice((0, 0, 1, 1, 2, 3)))]
    return chosen + own


def _value(rng: random.Random, key: str) -> str:
    if rng.random() < 0.05:
        return f"~{key}"
    sign = rng.choice(["", "", "", "++", "+"])
    return f"{sign}{key}{'.x' if rng.random() < 0.05 else ''}={rng.choice(VALUES)}"


def table(folder: Path) -> list[str]:
    """Write a small table with two sensitive attributes -> the overrides that describe it."""
    rng = np.random.default_rng(0)
    n = 240
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["x0", "x1", "x2"])
    frame["kind"] = rng.choice(["a", "b", "c"], n)
    frame["group"] = rng.choice(["north", "south"], n)
    for name in ("hired", "kept"):
        frame[name] = np.where(frame["x0"] + rng.normal(size=n) > 0, "yes", "no")
    frame.to_csv(folder / "table.csv", index=False)
    return [
        "dataset=csv",
        f"dataset.path={folder}/table.csv",
        "dataset.label=hired",
        "dataset.positive='yes'",
        "dataset.sensitive=[group]",
    ]


def job_of(overrides: Sequence[str], folder: Path) -> Job:
    """The job of a command line.  Raises what the command would say."""
    refuse_missing_groups(overrides)
    try:
        config = composed(current(list(overrides), lambda: ["erm"]))
    except (ValueError, TypeError, KeyError) as error:
        if said := mistakes(overrides):
            raise InputError("\n".join(said)) from error
        raise
    check_hydra(config.hydra, overrides)
    choices = dict(config.hydra.runtime.choices)
    settle(config, choices["method"], overrides)
    with open_dict(config):
        del config["hydra"]
    plain, recorded = resolved(config)
    return Job(plain, {group: choices[group] for group in GROUPS}, folder, recorded)


def tried(overrides: Sequence[str], folder: Path, train: bool) -> bool:
    """Compose and check a configuration, train it if asked -> whether it was trained."""
    job = job_of(overrides, folder)
    check_keys(job.config)
    check(job.config)
    if job.choices["dataset"] != "csv":  # an experiment's, which would have to be fetched
        return False
    check_data(job.config, facts(load(job.config)))
    return train and trained(job)


def trained(job: Job) -> bool:
    """Train a job for an epoch.  Raises ``AssertionError`` where it fails with a traceback."""
    small = Job(
        job.config | NO_EFFORT | {"tracker": {"_target_": "fairrun.trackers.NoTracker"}}, job.choices, job.folder
    )
    sweep = Sweep(small.folder.parent, None)
    outcomes = dict(sweep.run([small], sweep.finished_or_refused([small])))
    ended = outcomes[small.folder]
    assert "Traceback" not in str(ended.failure), ended.failure
    return ended.trained


def run(number: int, seed: int, share: float = 0.3) -> Counts:
    """Try so many configurations; ``share`` of those that can be trained are."""
    rng, counts = random.Random(seed), Counts("configurations")
    with tempfile.TemporaryDirectory() as name:
        described = table(Path(name))
        for k in range(number):
            overrides, train = draw(rng), rng.random() < share
            own = [] if any(o.startswith("experiment") for o in overrides) else described

            def again(parts: Sequence[str], own: list[str] = own, train: bool = train, k: int = k) -> str:
                return outcome(lambda: tried([*own, *parts], Path(name, f"{k}"), train))

            count(counts, again(overrides), overrides, again)
    return counts
