"""A job's configuration, composed fast, is the one that Hydra composes."""

import pytest
import yaml
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf, open_dict

from fairrun.train import CONF
from hydra_plugins.fairrun_compose import Composer
from tests.helpers.quick import few

SWEEPS = {
    "values": [
        ["method=penalty", f"method.lam={lam}", f"seed={seed}"] for lam, seed in ((0, 0), (0.5, 1), ("1e-3", 1))
    ],
    "groups": [[f"method={m}", f"dataset={d}"] for m in ("erm", "group_dro") for d in ("german", "adult")],
    "group and value": [[f"method={m}", f"method.optimizer.lr={lr}"] for m in ("erm", "penalty") for lr in (0.1, 0.2)],
    "packaged group": [[f"optimizer@method.optimizer={o}", "seed=3"] for o in ("sgd", "adam", "sgd")],
    "kinds of values": [
        [f"fairness_bound={bound}", f"dataset.sensitive={s}", f"tracker.project={p}"]
        for bound, s, p in (("null", "[sex]", "a"), ("0.1", "[sex,race]", "'1e-3'"), ("1", "[race]", "'yes'"))
    ],
    "additions": [["dataset=csv", f"+dataset.proxies.group=[x{k}]", "dataset.label=y"] for k in range(3)],
    "a mapping": [["+report.compare.penalty=erm", f"seed={seed}", "report.columns=[roc_auc]"] for seed in (0, 1)],
    "interpolation": [["method.optimizer.lr=${fairness_bound}", f"fairness_bound={b}"] for b in (0.1, 0.2)],
    "an entry of a list": [[f"dataset.sensitive.0={column}", "seed=1"] for column in ("sex", "race")],
    "hydra's own": [["tracker=wandb", f"seed={seed}", "tracker.project=${hydra:job.num}"] for seed in (0, 1)],
}
SWEEPS["kinds of values"] = [["tracker=wandb", *job] for job in SWEEPS["kinds of values"]]


@pytest.fixture
def context():
    """What Hydra gives a launcher."""
    setup_globals()
    hydra = Hydra.create_main_hydra2(task_name="train", config_search_path=create_config_search_path(str(CONF)))
    yield HydraContext(config_loader=hydra.config_loader, callbacks=_Silent())
    GlobalHydra.instance().clear()


class _Silent:
    def __getattr__(self, name):
        return lambda **_: None


def master(context, folder, *overrides):
    overrides = [*overrides, f"hydra.sweep.dir={folder}"]
    return context.config_loader.load_configuration("train", overrides, run_mode=RunMode.MULTIRUN)


def hydras_own(context, config, overrides, number):
    """What BasicLauncher does for one job -> its resolved configuration; the files are in its folder."""
    composed = context.config_loader.load_sweep_config(config, list(overrides))
    with open_dict(composed):
        composed.hydra.job.id = composed.hydra.job.num = number
    keys = {"job_dir_key": "hydra.sweep.dir", "job_subdir_key": "hydra.sweep.subdir"}
    resolve = lambda cfg: OmegaConf.to_container(cfg, resolve=True)  # noqa: E731
    return run_job(resolve, composed, **keys, hydra_context=context, configure_logging=False).return_value


SUBDIRS = ["${hydra.job.num}", "${hydra.job.override_dirname}", "s${seed}-${hydra.job.num}"]
CASES = [(name, SUBDIRS[1]) for name in SWEEPS] + [("values", SUBDIRS[0]), ("values", SUBDIRS[2])]


@pytest.mark.parametrize(("name", "subdir"), few(CASES, 4))
def test_files_and_values_are_hydras_own(name, subdir, context, tmp_path):
    fast, slow = (master(context, tmp_path / folder, f"hydra.sweep.subdir={subdir}") for folder in ("fast", "slow"))
    for number, (job, ours) in enumerate(
        zip(SWEEPS[name], Composer(context.config_loader, fast).all(SWEEPS[name], 5), strict=True)
    ):
        ours.save()
        theirs = hydras_own(context, slow, job, 5 + number)
        assert swapped(ours.resolved) == theirs
        other = tmp_path / "slow" / ours.folder.relative_to(tmp_path / "fast")
        for file in ("config.yaml", "hydra.yaml", "overrides.yaml"):
            one, two = ((folder / ".hydra" / file).read_text() for folder in (ours.folder, other))
            assert swapped(yaml.safe_load(one)) == yaml.safe_load(two), file
            assert swapped(OmegaConf.to_container(OmegaConf.create(one))) == OmegaConf.to_container(
                OmegaConf.create(two)
            )


def swapped(value):
    """The folders' names made equal."""
    if isinstance(value, dict):
        return {key: swapped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [swapped(item) for item in value]
    return value.replace("/fast", "/slow") if isinstance(value, str) else value


def test_jobs_that_share_their_groups_are_composed_once(context, tmp_path, monkeypatch):
    loads = []
    compose = context.config_loader.load_sweep_config
    monkeypatch.setattr(context.config_loader, "load_sweep_config", lambda *a: loads.append(a) or compose(*a))
    jobs = [[f"method={m}", f"seed={seed}"] for m in ("erm", "penalty") for seed in range(20)]
    composed = list(Composer(context.config_loader, master(context, tmp_path)).all(jobs, 0))
    assert [c.resolved["seed"] for c in composed] == 2 * list(range(20))
    assert len(loads) == 2
