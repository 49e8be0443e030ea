"""Sweeps as a user starts them: real processes, real kills."""

import contextlib
import fcntl
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient

from fairrun.command.folders import sweep_name
from fairrun.command.words import later
from fairrun.results import records as results
from fairrun.runs.sweep.outcome import Outcome
from fairrun.trackers.mlflow import Mlflow
from hydra_plugins.fairrun_launcher import _summarise
from tests.helpers.command import DESCRIPTION, INLINE, ROOT, records, run_warm, start_warm
from tests.helpers.here import run_here
from tests.helpers.quick import few

EPOCHS = 300  # they take longer than a process that looks needs to kill another
SWEEP = ["-m", *DESCRIPTION, "method=erm,penalty", "seed=range(3)", "hydra.sweep.dir=sweep"]


def table(folder):
    """What a sweep found, without where and when."""
    frame = results.load(folder)
    frame["folder"] = [Path(path).name for path in frame["folder"]]
    return frame


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.slow
def test_stacked_gives_the_numbers_and_the_files_of_basic(tmp_path, csv):
    choices = ["method=erm,penalty", "method.optimizer.lr=0.001,0.01", "seed=0,1", "selection=best"]
    for launcher, workers in (("basic", []), ("stacked", ["hydra.launcher.workers=2"])):
        where = [f"hydra/launcher={launcher}", f"hydra.sweep.dir={launcher}", *workers]
        done = run_warm(tmp_path, "-m", *DESCRIPTION, *choices, *where)
        assert done.returncode == 0, done.stderr
    assert files(tmp_path / "stacked") == files(tmp_path / "basic")
    pd.testing.assert_frame_equal(table(tmp_path / "stacked"), table(tmp_path / "basic"))
    for path in (tmp_path / "basic").rglob("history.parquet"):
        assert path.read_bytes() == Path(str(path).replace("basic", "stacked")).read_bytes()
    (number,) = {record["side_by_side"] for record in records(tmp_path / "stacked")}
    assert number == 4  # of each method, in one stack for each of two workers


@pytest.mark.slow
def test_ranges_of_the_configuration_give_way_to_the_command_line(tmp_path, csv):
    """As those of a preset; the grid is of both."""
    params = "hydra.sweeper.params={seed: '0,1,2', method.optimizer.lr: '0.001,0.01'}"
    done = run_here(tmp_path, "-m", *DESCRIPTION, params, "seed=7,8", "hydra.sweep.dir=sweep", INLINE)
    assert done.returncode == 0, done.stderr
    found = {(record["seed"], record["config"]["method"]["optimizer"]["lr"]) for record in records(tmp_path / "sweep")}
    assert found == {(seed, lr) for seed in (7, 8) for lr in (0.001, 0.01)}
    assert len(records(tmp_path / "sweep")) == 4


def test_a_sweep_ends_with_a_front_and_the_same_command_trains_nothing(tmp_path, csv):
    command = [*(part for part in SWEEP if "sweep.dir" not in part), INLINE]
    first = run_here(tmp_path, *command)
    assert first.returncode == 0, first.stderr
    folder = tmp_path / "outputs" / "sweeps" / sweep_name(command[1:-1])
    assert first.stdout.endswith(f"open {folder.relative_to(tmp_path) / 'report.html'}\n")
    assert "6 of 6 runs" in first.stderr
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("record.json")}
    again = run_here(tmp_path, *command, "tracker=none")
    assert again.returncode == 0, again.stderr
    assert "6 runs, 6 of them done before" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("record.json")} == before
    assert len(before) == 6
    forced = run_here(tmp_path, *command, "resume=false")
    assert "6 trained now" in forced.stdout
    assert not {path: path.stat().st_mtime_ns for path in folder.rglob("record.json")}.items() & before.items()


@pytest.mark.slow
def test_what_the_report_shows_makes_no_run_another_run(tmp_path, csv):
    """The same sweep, asked for more: nothing is trained, and the report has it."""
    command = [*(part for part in SWEEP if "sweep.dir" not in part), INLINE]
    assert run_here(tmp_path, *command).returncode == 0
    again = run_here(
        tmp_path,
        *command,
        "report.columns=[balanced_accuracy]",
        "+report.compare.penalty=erm",
        "+report.compare.absent=erm",
        "report.seed_summary=worst",
        "report.curves=[train/loss]",
    )
    assert again.returncode == 0, again.stderr
    assert "6 runs, 6 of them done before" in again.stdout
    assert "balanced accuracy" in again.stdout
    assert "compared, seed by seed" in again.stdout
    assert "but the largest demographic parity difference" in again.stdout
    assert "report.curves is now report.histories" in again.stderr
    assert list(tmp_path.rglob("curves.png"))
    (pairs,) = tmp_path.rglob("pairs.csv")
    (row,) = pd.read_csv(pairs).to_dict("records")
    assert (row["first"], row["second"], row["seeds"]) == ("penalty", "erm", 3)
    other = run_here(tmp_path, *command, "report.columns=[roc_auc]", "hydra.sweep.dir=other")
    assert other.returncode == 0, other.stderr
    from_records = run_here(tmp_path, "other", module="fairrun.report")
    assert "roc auc" in from_records.stdout


@pytest.mark.slow
def test_it_works_in_batches_and_under_hydras_own_sweeper(tmp_path, csv):
    for name, batches in (
        ("whole", []),
        ("parts", ["hydra.sweeper.max_batch_size=4"]),
        ("own", ["hydra/sweeper=basic"]),
    ):
        done = run_here(tmp_path, *SWEEP[:-1], *batches, f"hydra.sweep.dir={name}", INLINE)
        assert done.returncode == 0, done.stderr
    for name in ("parts", "own"):
        pd.testing.assert_frame_equal(table(tmp_path / "whole"), table(tmp_path / name))


@pytest.mark.slow
def test_failures_come_first_in_the_summary_and_each_is_in_its_log(tmp_path, csv):
    rates = "method.optimizer.lr=0.1,1e30,-1"
    sweep = ["optimizer@method.optimizer=sgd", rates, "hydra.sweep.dir=sweep", INLINE]
    done = run_here(tmp_path, "-m", *DESCRIPTION, *sweep)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    refused, failed = (done.stdout.rindex(f"sweep/{k} {what}") for k, what in ((2, "refused"), (1, "failed")))
    assert failed < refused < done.stdout.index("1 run finished, 1 failed, 1 refused")
    assert "the loss was not finite" in (tmp_path / "sweep" / "1" / "train.log").read_text()
    assert "must be > 0, got -1" in (tmp_path / "sweep" / "2" / "train.log").read_text()
    assert (tmp_path / "sweep" / "0" / "train.log").read_text() == ""
    assert "report.html" in done.stdout  # of what is finished
    said = "refused: sweep/2: method.optimizer.lr must be > 0, got -1"
    assert said in done.stdout
    listed = run_here(tmp_path, "results", "sweep", module="fairrun")
    assert said in listed.stdout and "sweep: 1 finished, 1 failed, 1 refused" in listed.stdout


@pytest.mark.slow
def test_a_refused_run_is_trained_once_nothing_is_wrong_and_a_finished_one_stays_when_refused(tmp_path, csv):
    sweep = ["-m", *DESCRIPTION, "seed=0,1", "hydra.sweep.dir=sweep", INLINE]
    (tmp_path / "table.csv").rename(tmp_path / "elsewhere.csv")
    assert run_here(tmp_path, *sweep).returncode == 1
    assert not records(tmp_path / "sweep")  # nothing of the sweep can be trained
    for command in ("results", "report"):
        refused = run_here(tmp_path, command, "sweep", module="fairrun")
        assert refused.returncode == 1 and "got 'sweep': all 2 runs ended with an error\n" in refused.stderr
        assert "  sweep/0 and 1 more: dataset.path must be" in refused.stderr
    (tmp_path / "elsewhere.csv").rename(tmp_path / "table.csv")
    done = run_here(tmp_path, *sweep)
    assert done.returncode == 0 and "2 runs, 0 of them done before" in done.stdout
    assert sorted(record["seed"] for record in records(tmp_path / "sweep")) == [0, 1]
    (tmp_path / "table.csv").rename(tmp_path / "elsewhere.csv")
    assert run_here(tmp_path, *sweep, "seed=0,1,2").returncode == 1
    assert [record["status"] for record in records(tmp_path / "sweep")] == ["finished", "finished", "refused"]
    listed = run_here(tmp_path, "results", "sweep", module="fairrun").stdout
    assert "refused: sweep/2: dataset.path must be" in listed and "sweep: 2 finished, 1 refused" in listed
    (tmp_path / "elsewhere.csv").rename(tmp_path / "table.csv")
    assert run_here(tmp_path, *sweep, "seed=0,1,2").returncode == 0
    assert [record["status"] for record in records(tmp_path / "sweep")] == 3 * ["finished"]


@pytest.mark.slow
def test_a_run_refused_for_a_value_of_another_type_leaves_the_types_of_the_others(tmp_path, csv):
    done = run_here(tmp_path, "-m", *DESCRIPTION, "seed=0,abc", "hydra.sweep.dir=sweep", INLINE)
    assert done.returncode == 1 and "refused: sweep/1: seed must be an integer >= 0, got 'abc'" in done.stdout
    frame = results.load(tmp_path / "sweep")
    assert list(frame["status"]) == ["finished", "refused"]
    assert pd.api.types.is_numeric_dtype(frame["seed"])


def test_runs_that_fail_alike_are_summed_up(caplog):
    outcomes = {Path(str(k)): Outcome("refused", "batch_size must be >= 1, got 0") for k in range(3000)}
    outcomes |= {Path("a"): Outcome("failed", "Traceback\nout of luck"), Path("b"): Outcome("finished", trained=True)}
    with caplog.at_level(logging.INFO):
        _summarise(outcomes)
    assert [entry.getMessage() for entry in caplog.records] == [
        "0 and 2999 more refused: batch_size must be >= 1, got 0",
        "a failed: out of luck",
        "1 run finished, 1 failed, 3000 refused; 1 trained now",
    ]


REFUSED = [
    (["seed=range(0)"], "seed must have a value, got none from 'seed=range(0)'"),
    (["hydra.sweep.subdir=same"], "hydra.sweep.subdir must differ between jobs, got"),
    (["hydra.launcher.stack_size=0"], "hydra.launcher.stack_size must be auto or an integer >= 1, got 0"),
    (["hydra.launcher.stack_size=some"], "hydra.launcher.stack_size must be auto or an integer >= 1, got 'some'"),
    (["hydra.launcher.executor=threads"], "hydra.launcher.executor must be one of inline, loky, ray, dask, slurm"),
    (["hydra.launcher.workers=0"], "hydra.launcher.workers must be auto or an integer >= 1, got 0"),
    (["hydra/launcher=dask"], "hydra.launcher.address must be the address of a Dask scheduler, got None"),
    (["checkpoint_minutes=0"], "checkpoint_minutes must be a number > 0, got 0"),
    (["resume=maybe"], "resume must be true, false or any_code, got 'maybe'"),
    (["hydra.launcher.stack_siz=3"], "stack_siz"),
    (["num_threads=0"], "num_threads must be an integer >= 1, got 0"),
    (["hydra.job.chdir=true"], "hydra.job.chdir must be false with hydra/launcher=stacked"),
    (["hydra/launcher=slurm", "hydra.launcher.options.timeout_min=long"], "hydra.launcher must be one that works"),
    (["method=erm,foo"], "method=foo is no choice"),
]


@pytest.mark.parametrize(("overrides", "said"), few(REFUSED, 5), ids=lambda value: str(value)[:40])
def test_a_sweep_that_cannot_be_is_refused_in_one_message(tmp_path, csv, overrides, said):
    workers = [] if any("launcher" in override for override in overrides) else [INLINE]
    done = run_here(tmp_path, *SWEEP, *workers, *overrides)
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    assert said in output
    assert "Traceback" not in output
    assert not records(tmp_path)


@pytest.mark.slow
def test_a_sweep_grows_in_its_folder_and_keeps_what_is_done(tmp_path, csv):
    """First 2 seeds, then the same in another order with a third: ERM's is number 2, which penalty's seed 0 has."""
    given = ["-m", *DESCRIPTION, "epochs=1", "method=erm,penalty", "hydra.sweep.dir=sweep", INLINE]
    assert run_here(tmp_path, *given, "seed=0,1").returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "sweep").glob("*/*.json")}
    done = run_here(tmp_path, *given, "seed=1,0,2")
    assert done.returncode == 0, done.stderr
    assert "6 runs, 4 of them done before" in done.stdout + done.stderr
    assert len(before) == 4 and all(path.read_bytes() == content for path, content in before.items())
    found = {path.parent.name: json.loads(path.read_text()) for path in (tmp_path / "sweep").glob("*/record.json")}
    assert {name: (r["choices"]["method"], r["seed"]) for name, r in found.items()} == {
        "0": ("erm", 0),
        "1": ("erm", 1),
        "2": ("penalty", 0),
        "3": ("penalty", 1),
        "5": ("penalty", 2),
        "6": ("erm", 2),
    }
    numbers = {p.parent.parent.name: p.read_text() for p in (tmp_path / "sweep").glob("*/.hydra/hydra.yaml")}
    assert all(f"num: {name}" in text for name, text in numbers.items())
    assert run_here(tmp_path, *given, "seed=1,0,2").stdout.count(" 6 of them done before") == 1


def test_a_folder_in_use_is_refused(tmp_path, csv):
    (tmp_path / "sweep").mkdir()
    with (tmp_path / "sweep" / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run_here(tmp_path, *SWEEP, INLINE)
    assert done.returncode == 1
    assert "hydra.sweep.dir must not be in use, got 'sweep'" in done.stderr


@pytest.mark.slow
def test_methods_that_are_swept_may_have_keys_that_the_default_has_not(tmp_path, csv):
    one = ["-m", "method=penalty,lagrangian", "method.fairness_loss=correlation", "seed=0", *DESCRIPTION, INLINE]
    assert run_here(tmp_path, *one, "hydra.sweep.dir=sweep").returncode == 0
    found = {record["choices"]["method"]: record["config"]["method"] for record in records(tmp_path)}
    assert {name: node["fairness_loss"] for name, node in found.items()} == dict.fromkeys(
        ("penalty", "lagrangian"), "correlation"
    )


LACKING = ["method=erm,penalty", "method.lam=0.5,1", "seed=0,1", "hydra.sweep.dir=sweep"]


@pytest.mark.slow
@pytest.mark.parametrize("batches", [[], pytest.param(["hydra.sweeper.max_batch_size=1"], marks=pytest.mark.slow)])
def test_a_method_that_lacks_a_swept_key_is_trained_once(tmp_path, csv, batches):
    """ERM with each seed, penalty with each seed and weight; every folder has the number of its job."""
    done = run_here(tmp_path, "-m", *DESCRIPTION, *LACKING, *batches, INLINE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("method.lam: left out with method=erm, which has no such key") == 1
    found = [(r["choices"]["method"], r["config"]["method"].get("lam"), r["seed"]) for r in records(tmp_path / "sweep")]
    expected = [("erm", None, 0), ("erm", None, 1), *(("penalty", lam, seed) for lam in (0.5, 1) for seed in (0, 1))]
    assert found == expected
    folders = sorted(path.parent.name for path in (tmp_path / "sweep").rglob("record.json"))
    assert folders == ["0", "1", "4", "5", "6", "7"]
    overrides = (tmp_path / "sweep" / "0" / ".hydra" / "overrides.yaml").read_text()
    assert "method=erm" in overrides and "method.lam" not in overrides
    again = run_here(tmp_path, "-m", *DESCRIPTION, *LACKING, *batches, INLINE)
    assert again.returncode == 0 and "trained now" in again.stdout and " 1 trained now" not in again.stdout


@pytest.mark.slow
def test_jobs_of_other_launchers_lack_the_keys_that_their_method_lacks(tmp_path, csv):
    done = run_here(tmp_path, "-m", *DESCRIPTION, *LACKING[:2], "epochs=1", "hydra/launcher=basic")
    assert done.returncode == 0, done.stderr
    found = [(r["choices"]["method"], r["config"]["method"].get("lam")) for r in records(tmp_path)]
    assert found == [("erm", None), ("penalty", 0.5), ("penalty", 1)]


@pytest.mark.slow
def test_a_key_that_no_method_of_a_sweep_has_is_refused_with_the_nearest(tmp_path, csv):
    done = run_here(tmp_path, "-m", *DESCRIPTION, "method=erm,penalty", "method.lamm=1,2", INLINE)
    assert done.returncode == 1
    assert "method.lamm is no key: did you mean method.lam?" in done.stdout + done.stderr
    assert not list(tmp_path.rglob("record.json"))


MISTYPED = """# @package _global_
bach_size: 3
epoch: 3
results: {train_mising: false}
schedule: {evry: 3}
method: {optimizer: {lrr: 1}}
dataset: {split: {tset: 1}}
model: {widht: 1}
"""
MEANT = {
    "bach_size": "batch_size",
    "epoch": "epochs",
    "results.train_mising": "results.train_missing",
    "schedule.evry": "schedule.every",
    "method.optimizer.lrr": "method.optimizer.lr",
    "dataset.split.tset": "dataset.split.test",
    "model.widht": "model.width",
}


@pytest.mark.parametrize("mode", [[], ["-m", "seed=0,1", INLINE]], ids=["run", "sweep"])
def test_every_unknown_key_of_an_experiment_is_refused_once_with_the_nearest_key(tmp_path, csv, mode):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "typo.yaml").write_text(MISTYPED)
    searchpath = f"hydra.searchpath=[file://{tmp_path}/mine]"
    done = run_here(tmp_path, *mode, *DESCRIPTION, searchpath, "experiment=typo")
    output = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in output
    for key, meant in MEANT.items():
        assert output.count(f"{key} is no key: did you mean {meant}?") == 1
    assert not list(tmp_path.rglob("record.json"))


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        (["-m", "method=a,b", "method.x=1"], ["-m", "method=a,b", "method.x=choice(1)"]),
        (["method.x=[1,2]", "--multirun", "method=a,b"], ["method.x=choice([1,2])", "--multirun", "method=a,b"]),
        (["-m", "experiment=a,b", "dataset.x=1"], ["-m", "experiment=a,b", "dataset.x=choice(1)"]),
        (["-m", "method=a,b", "method.x=1,2", "+method.y=1", "model.x=1", "seed=0"], None),
        (["-m", "method=a", "method.x=1", "seed=0,1"], None),
        (["method=a,b", "method.x=1"], None),
        (["-m", "method=a,b", "method.x=", "--config-dir=x", "method.y=(1"], None),
    ],
)
def test_only_single_values_of_a_swept_group_become_sweeps(given, becomes):
    assert later(given) == (becomes or given)


def test_a_sweep_of_one_value_is_in_the_folder_of_the_value():
    assert sweep_name(["method=a,b", "method.x=choice(1)"]) == sweep_name(["method=a,b", "method.x=1"])


def test_the_folder_is_named_by_the_command():
    one = ["method=erm,penalty", "seed=range(5)", "dataset=adult"]
    assert sweep_name(one).startswith("erm-penalty_adult_")
    more = ["tracker=wandb", "resume=false", "tracker.project=x", "report.columns=[roc_auc]", "+report.compare.a=b"]
    assert sweep_name([*one, *more]) == sweep_name(one)
    assert sweep_name(["seed=range(6)", *one[::2]]) != sweep_name(one)
    assert len(sweep_name([f"method={'x' * 300}"])) < 80
    assert "/" not in sweep_name(["dataset=../../x", "experiment=paper/row"])


def trains(work, since):
    """Whether a stack has told of an epoch since then."""
    for path in work.glob("*.json"):
        with contextlib.suppress(FileNotFoundError):  # a stack that is done meanwhile
            if path.stat().st_mtime > since:
                return True
    return False


@pytest.mark.parametrize("kills", few([[INLINE], [INLINE, "hydra.launcher.workers=2", INLINE]], 1), ids=len)
def test_a_sweep_killed_again_and_again_ends_as_if_it_had_not_been(kills, tmp_path, csv):
    """Where workers train, the main process is killed alone: its workers must not go on for ever either."""
    long = [*SWEEP[:-1], "epochs=20", "hydra.launcher.stack_size=1"]
    whole = run_warm(tmp_path, *long, "hydra.sweep.dir=whole", INLINE)
    assert whole.returncode == 0, whole.stderr
    moments = random.Random(0)
    for executor in kills:
        since = time.time()
        often = ["checkpoint_minutes=0.0001", "hydra.sweep.dir=killed"]
        sweep = start_warm(tmp_path, *long, *often, executor)
        while not trains(tmp_path / "killed" / ".work", since):
            assert sweep.is_alive() and time.time() < since + 120
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.2))
        sweep.kill()
        sweep.join()
        assert sweep.exitcode == -signal.SIGKILL
        assert all(record["status"] == "finished" for record in records(tmp_path / "killed"))
    last = run_warm(tmp_path, *long, "hydra.sweep.dir=killed", INLINE)
    assert last.returncode == 0, last.stderr
    killed, uninterrupted = table(tmp_path / "killed"), table(tmp_path / "whole")
    often = killed.pop("checkpoint_minutes")  # runs that were done before a kill have the short time
    assert set(often) <= {0.0001, 5} and set(uninterrupted.pop("checkpoint_minutes")) == {5}
    pd.testing.assert_frame_equal(killed, uninterrupted)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    for path in (tmp_path / "whole").rglob("history.parquet"):
        assert path.read_bytes() == Path(str(path).replace("whole", "killed")).read_bytes()


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing(tmp_path, csv):
    (tmp_path / "plugin.py").write_text(PLUGIN + "ALWAYS = False")
    sweep = ["-m", *DESCRIPTION, *DEADLY]
    done = run_warm(tmp_path, *sweep, "hydra.sweep.dir=sweep")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "deaths").read_text() == "x"
    assert [record["status"] for record in records(tmp_path)] == 4 * ["finished"]


@pytest.mark.slow
def test_a_stack_that_kills_its_workers_fails_with_the_reason_and_the_others_are_trained(tmp_path, csv):
    (tmp_path / "plugin.py").write_text(PLUGIN + "ALWAYS = True")
    sweep = ["-m", *DESCRIPTION, *DEADLY]
    done = run_warm(tmp_path, *sweep, "hydra.sweep.dir=sweep")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    frame = results.load(tmp_path / "sweep").set_index(["method._target_", "seed"])
    assert list(frame.loc["fairrun.methods.erm.ERM", "status"]) == ["finished", "finished"]
    assert list(frame.loc["plugin.Deadly", "status"]) == ["failed", "failed"]
    assert frame.loc["plugin.Deadly", "failure"].str.startswith("lost twice: ").all()


DEADLY = ["plugins=[plugin]", "method._target_=plugin.Deadly,fairrun.methods.erm.ERM", "seed=range(2)"]
PLUGIN = """
import os, signal
from pathlib import Path
from dataclasses import dataclass
from fairrun.methods.erm import ERM

@dataclass(frozen=True)
class Deadly(ERM):
    def update(self, model, state, batch):
        deaths = Path("deaths")
        if batch.epoch == 1 and (ALWAYS or not deaths.exists()):
            deaths.write_text("x")
            os.kill(os.getpid(), signal.SIGKILL)
        return super().update(model, state, batch)
"""


@pytest.mark.slow
def test_a_sweep_at_weights_and_biases_is_one_group_with_a_summary(tmp_path, csv):
    home = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "netrc"), "WANDB_API_KEY": "", "WANDB_SILENT": "true"}
    sweep = ["-m", *DESCRIPTION, "method=erm,penalty", "hydra.sweep.dir=sweep", "tracker=wandb", INLINE]
    done = run_warm(tmp_path, *sweep, **home)
    assert done.returncode == 0, done.stderr
    assert "W&B, offline: 2 runs logged, 0 already were" in done.stdout
    assert len(list((tmp_path / "sweep").glob("[0-9]/wandb/offline-run-*"))) == 2
    assert len(list((tmp_path / "sweep").glob("summary_*/wandb/offline-run-*"))) == 1
    again = run_warm(tmp_path, *sweep, **home)
    assert "W&B, offline: 0 runs logged, 2 already were" in again.stdout


@pytest.mark.slow
def test_epochs_of_a_sweep_are_live_and_no_run_is_logged_twice(tmp_path, csv):
    live = ["tracker=tensorboard", "tracker.live=true", "hydra.sweep.dir=sweep", "hydra.launcher.workers=2"]
    done = run_warm(tmp_path, "-m", *DESCRIPTION, "method=erm,penalty", *live)
    assert done.returncode == 0, done.stderr
    assert "0 runs logged, 2 already were" in done.stdout
    assert len(list((tmp_path / "sweep").glob("[0-9]/tensorboard/events*"))) == 2
    assert not (tmp_path / "sweep" / ".work").exists()


def at_mlflow(folder):
    """The sweep's runs in a data base of MLflow that are not deleted: name, status and epochs, by id."""
    if not (folder / "mlflow.db").exists():
        return {}
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("fairrun").experiment_id], "tags.job_type = 'train'")
    steps = {run.info.run_id: client.get_metric_history(run.info.run_id, "train/loss") for run in found}
    return {
        run.info.run_id: (run.info.run_name, run.info.status, sorted(m.step for m in steps[run.info.run_id]))
        for run in found
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_runs_that_are_live_at_mlflow_are_there_once_with_all_epochs_after_kills(tmp_path, csv):
    """The first kill leaves no time for anything; the second one, as from the keyboard, ends the runs at MLflow too."""
    Mlflow(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", experiment="fairrun").check(single=False)
    live = ["tracker=mlflow", f"tracker.tracking_uri=sqlite:///{tmp_path}/mlflow.db", "tracker.live=true", INLINE]
    sweep = ["-m", *DESCRIPTION, "seed=0,1", *live, "checkpoint_minutes=0.0001", "hydra.sweep.dir=sweep"]
    sweep += [f"epochs={EPOCHS}", "batch_size=2"]
    for number, status in ((signal.SIGKILL, "RUNNING"), (signal.SIGINT, "KILLED")):
        before, process = at_mlflow(tmp_path).keys(), start_warm(tmp_path, *sweep)
        deadline = time.monotonic() + 120
        while len(new := {id: run for id, run in at_mlflow(tmp_path).items() if run[2]}.keys() - before) < 2:
            assert process.is_alive() and time.monotonic() < deadline, ((tmp_path / ".stderr").read_text(), new)
            time.sleep(0.1)
        os.kill(process.pid, number)
        process.join()
        assert [run[1] for run in at_mlflow(tmp_path).values()] == [status, status]
        assert not records(tmp_path / "sweep")
    done = run_warm(tmp_path, *sweep)
    assert done.returncode == 0, done.stderr
    everything = ("FINISHED", list(range(1, EPOCHS + 1)))
    assert sorted(at_mlflow(tmp_path).values()) == [(f"erm table seed={seed}", *everything) for seed in (0, 1)]
    assert "0 runs logged, 2 already were" in done.stdout


@pytest.mark.slow
def test_what_a_wandb_agent_starts_is_a_run_under_the_agents_id(tmp_path, csv):
    """The command of docs/wandb_sweep.yaml with a value for each parameter, on a small table and offline."""
    sweep = yaml.safe_load(Path(ROOT, "docs", "wandb_sweep.yaml").read_text())
    values = [f"{key}={node.get('values', [node.get('min')])[0]}" for key, node in sweep["parameters"].items()]
    assert sweep["command"][:3] == ["${env}", "fairrun", "train"] and sweep["command"][-1] == "${args_no_hyphens}"
    given = [word for word in sweep["command"][3:-1] if word not in ("dataset=adult", "tracker.mode=online")]
    home = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "netrc"), "WANDB_API_KEY": "", "WANDB_SILENT": "true"}
    for _ in range(2):  # the second time the run is done before
        done = run_warm(
            tmp_path, *DESCRIPTION, *given, *values, "epochs=1", "hydra.run.dir=run", **home, WANDB_RUN_ID="agents"
        )
        assert done.returncode == 0, done.stderr
        assert len(list((tmp_path / "run").glob("wandb/offline-run-*-agents"))) == 1
        shutil.rmtree(tmp_path / "run" / "wandb")
        (tmp_path / "run" / "wandb.json").unlink()


@pytest.mark.slow
def test_a_batch_with_a_failure_does_not_keep_later_ones_from_being_trained(tmp_path, csv):
    rates = ["optimizer@method.optimizer=sgd", "method.optimizer.lr=1e30,0.1", "hydra.sweeper.max_batch_size=1"]
    done = run_here(tmp_path, "-m", *DESCRIPTION, *rates, "hydra.sweep.dir=sweep", INLINE)
    assert done.returncode == 1
    assert [record["status"] for record in records(tmp_path)] == ["failed", "finished"]
    assert "report.html" in done.stdout


@pytest.mark.slow
def test_choices_may_be_given_by_a_glob(tmp_path, csv):
    done = run_here(tmp_path, "-m", *DESCRIPTION, "method=glob(erm*)", "hydra.sweep.dir=s", INLINE)
    assert done.returncode == 0, done.stderr
    assert [record["choices"]["method"] for record in records(tmp_path)] == ["erm"]


@pytest.mark.slow
def test_a_run_outlives_the_shell_that_started_it(tmp_path, csv):
    command = [sys.executable, "-m", "fairrun.train", *DESCRIPTION, "epochs=100", "hydra.run.dir=out"]
    variables = os.environ | {"PYTHONPATH": ROOT}
    shell = ["sh", "-c", '"$@" >/dev/null 2>&1 & while [ ! -e out/.work/*.json ]; do sleep 0.1; done', "sh", *command]
    subprocess.run(shell, cwd=tmp_path, env=variables, check=True, timeout=120)
    deadline = time.monotonic() + 120
    while not records(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert records(tmp_path)[0]["status"] == "finished"


def test_a_signal_saves_what_all_workers_train_and_the_sweep_goes_on_from_it(tmp_path, csv):
    sweep = ["-m", *DESCRIPTION, "method=erm,penalty", "epochs=4000", "hydra.sweep.dir=sweep"]
    sweep += ["hydra.launcher.executor=loky", "hydra.launcher.workers=2", "checkpoint_minutes=60"]
    process = start_warm(tmp_path, *sweep)
    work, deadline = tmp_path / "sweep" / ".work", time.monotonic() + 120
    while sum(json.loads(path.read_text())[0] > 0 for path in work.glob("*.json")) < 2:
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 128 + signal.SIGTERM
    assert "stopped by SIGTERM; the same command goes on" in (tmp_path / ".stderr").read_text()
    while len(list(work.glob("*.pt"))) < 2:  # without end, this process's checkpoints would have come after an hour
        assert time.monotonic() < deadline
        time.sleep(0.05)


RAISES = """
from dataclasses import dataclass
from fairrun.methods.erm import ERM

@dataclass(frozen=True)
class Early(ERM):
    def __post_init__(self):
        raise KeyError("early")

@dataclass(frozen=True)
class Late(ERM):
    def update(self, model, state, batch):
        raise IndexError("late")
"""


def test_what_a_plug_in_raises_names_its_line_and_stops_no_other_job(tmp_path, csv):
    (tmp_path / "raises.py").write_text(RAISES)
    methods = "method._target_=raises.Early,raises.Late,fairrun.methods.erm.ERM"
    done = run_warm(tmp_path, "-m", *DESCRIPTION, "plugins=[raises]", methods, "hydra.sweep.dir=sweep", INLINE)
    assert done.returncode == 1
    frame = results.load(tmp_path / "sweep")
    assert sorted(frame["status"]) == ["failed", "finished", "refused"]
    said = f"IndexError: late (in update, {tmp_path}/raises.py:13)"
    assert frame.set_index("status").loc["failed", "failure"] == said
    assert f"got raises.Early: KeyError: 'early' (in __post_init__, {tmp_path}/raises.py:8)" in done.stdout
