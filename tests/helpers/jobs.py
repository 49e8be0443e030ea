"""Jobs of a small table, and their training without Hydra."""

from pathlib import Path

from omegaconf import OmegaConf

from fairrun.results.records import GROUPS
from fairrun.runs.built import network
from fairrun.runs.job import Job
from fairrun.runs.plan import plan
from fairrun.runs.runner import Sweep
from tests.helpers.synthetic import config

SHAPES = {key: [] for key in ("groups", "tasks", "categories", "classes")}
SHAPES |= {"features": 1, "rows": {"train": 6, "val": 2, "test": 2}, "base_rates": {"balanced": [[4, 2], [4, 2]]}}


def job(folder, *overrides):
    cfg = config(*overrides)
    choices = dict.fromkeys(GROUPS, "none")
    for override in overrides:
        group, _, name = override.partition("=")
        choices |= {group: name} if group in GROUPS else {}
    return Job(OmegaConf.to_container(cfg, resolve=True), choices, Path(folder))


def jobs_of(folder, *commands):
    return [job(folder / str(k), *overrides) for k, overrides in enumerate(commands)]


def planned(jobs, stack_size, workers, built=lambda config: network(config, 1), facts=lambda config: SHAPES):
    return plan(jobs, stack_size, workers, built, facts)


def train(folder, jobs, **options):
    sweep = Sweep(folder, "sweep", **options)
    return dict(sweep.run(jobs, sweep.finished_or_refused(jobs)))
