"""Jobs to stacks, stacks to records; in this process and on small tables."""

import json
import math
import platform
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairrun.config import plugins
from fairrun.config.check import InputError
from fairrun.config.source import own_hash
from fairrun.data.dataset import Dataset
from fairrun.results import records as results
from fairrun.runs import live, worker
from fairrun.runs.built import network
from fairrun.runs.executors import local
from fairrun.runs.executors.local import Loky
from fairrun.runs.job import Job, load, record, remark
from fairrun.runs.place import places
from fairrun.runs.plan import MOST_RUNS
from fairrun.runs.runner import Sweep
from fairrun.runs.sweep.trackers import Trackers
from fairrun.trackers import Tracker
from fairrun.training.run import Run
from tests.helpers.jobs import SHAPES, job, jobs_of, planned, train
from tests.helpers.modules import Net

CRASH = "raise RuntimeError('out of luck')"
PLUGIN = """
from dataclasses import dataclass
from fairrun.methods.erm import ERM

@dataclass(frozen=True)
class Unlucky(ERM):
    note: str = ""

    def update(self, model, state, batch):
        {body}
"""


BASE = ["method=penalty", "dataset=german"]


@pytest.mark.parametrize(
    "other",
    [
        "seed=1",
        "method.lam=7",
        "method.optimizer.lr=0.5",
        "tracker.mode=online",
        "resume=false",
        "checkpoint_minutes=9",
    ],
)
def test_jobs_that_differ_in_seed_or_float_fields_share_a_stack(other):
    base = [*BASE, "tracker=wandb"]
    assert len(planned([job("a", *base), job("b", *base, other)], None, 1)) == 1


@pytest.mark.parametrize(
    "other",
    [
        "method.fairness_loss=mmd",
        "optimizer@method.optimizer=sgd",
        "batch_size=32",
        "epochs=3",
        "model.width=32",
        "dataset.split.val=0.3",
        "metric=equal_opportunity_difference",
        "selection=best",
        "dtype=float64",
    ],
)
def test_jobs_that_differ_in_anything_else_do_not(other):
    assert len(planned([job("a", *BASE), job("b", *BASE, other)], None, 1)) == 2


@pytest.fixture(scope="module")
def german():
    """Jobs of many seeds and other top-level keys, from one composition."""
    base = job("base", "dataset=german")
    return lambda count, **keys: [
        Job(base.config | keys | {"seed": seed}, base.choices, Path(f"{keys}-{seed}")) for seed in range(count)
    ]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4), workers=st.integers(1, 5), size=st.integers(0, 9))
def test_a_plan_holds_every_job_once_in_stacks_that_keep_the_size(german, sizes, workers, size):
    jobs = [one for k, count in enumerate(sizes) for one in german(count, epochs=k + 1)]
    stacks = planned(jobs, size or None, workers)
    assert sorted(str(job.folder) for stack in stacks for job in stack) == sorted(str(job.folder) for job in jobs)
    assert all(len({job.config["epochs"] for job in stack}) == 1 for stack in stacks)
    assert all(1 <= len(stack) <= (size or MOST_RUNS["cpu"]) for stack in stacks)
    assert [len(stack) for stack in stacks] == sorted(map(len, stacks), reverse=True)


def test_the_size_is_what_the_cache_holds_and_work_for_every_worker(german):
    """2^20 bytes / (4 bytes x 256 rows x 64 units) = 16 runs; 128 jobs for 16 workers are 8 each."""
    assert [len(stack) for stack in planned(german(64, batch_size=256), None, 1)] == [16, 16, 16, 16]
    assert [len(stack) for stack in planned(german(64), None, 1)] == [32, 32]
    assert {len(stack) for stack in planned(german(128), None, 16)} == {8}
    assert [len(stack) for stack in planned(german(3), None, 8)] == [2, 1]  # a run alone costs almost what two cost
    assert {len(stack) for stack in planned(german(16, batch_size=1024), None, 1)} == {4}


def test_seeds_with_their_own_rows_share_a_stack_and_are_what_they_are_alone(tmp_path, monkeypatch):
    """Their validation rows have labels of their own, their rules too; a run of the same rows shares them."""
    own = ["dataset=german", "epochs=2", "selection=best", "postprocess=equalized_odds", "results.save=chosen"]
    commands = [[*own, f"seed={k}", f"dataset.split.seed={min(k, 2)}"] for k in range(4)]
    loaded, load_one = [], Dataset.load
    monkeypatch.setattr(Dataset, "load", lambda self: loaded.append(self.split.seed) or load_one(self))
    train(tmp_path / "stacked", jobs_of(tmp_path / "stacked", *commands))
    assert loaded == [0, 1, 2]  # each split is read and encoded once
    stacked = [results.read(tmp_path / "stacked" / str(k)) for k in range(4)]
    assert {record["side_by_side"] for record in stacked} == {4}
    for k, command in enumerate(commands):
        train(tmp_path / str(k), [job(tmp_path / str(k) / "run", *command)])
        alone = results.read(tmp_path / str(k) / "run")
        assert all(stacked[k][fact] == alone[fact] for fact in ("metrics", "epoch", "rows", "base_rates", "model"))
        ours, theirs = (
            results.read_history(folder, alone) for folder in (tmp_path / "stacked" / str(k), tmp_path / str(k) / "run")
        )
        assert ours.equals(theirs)


@pytest.mark.parametrize(("most", "stacks"), [(100, [2, 2, 2]), (70, [1] * 6), (30, [1] * 6)])
def test_a_stack_whose_runs_have_their_own_rows_is_as_large_as_memory_bears(most, stacks, monkeypatch):
    """Each table takes 4 bytes x 10 rows, so 100 bytes hold two, 70 one, and one that is larger is alone."""
    monkeypatch.setattr("fairrun.runs.plan.TABLES_BYTES", most)
    jobs = [job(f"{k}", *BASE, f"seed={k}", f"dataset.split.seed={k}") for k in range(6)]
    assert [len(stack) for stack in planned(jobs, None, 1)] == stacks
    same = [job(f"{k}", *BASE, f"seed={k}") for k in range(6)]
    assert [len(stack) for stack in planned(same, None, 1)] == [6]


def test_runs_of_a_stack_that_share_rows_take_the_memory_of_one_table(monkeypatch):
    monkeypatch.setattr("fairrun.runs.plan.TABLES_BYTES", 100)  # of two tables
    shared = [job(f"{k}", *BASE, f"seed={k}", f"dataset.split.seed={k // 2}") for k in range(6)]
    assert [len(stack) for stack in planned(shared, None, 1)] == [3, 3]


@pytest.mark.parametrize("fact", [{"features": 2}, {"rows": {"train": 5}}, {"base_rates": {"balanced": [[2, 1]]}}])
def test_runs_whose_tables_have_other_shapes_do_not_share_a_stack(fact):
    jobs = [job(f"{k}", *BASE, f"seed={k}", f"dataset.split.seed={k}") for k in range(2)]
    facts = lambda config: SHAPES | (fact if config["seed"] else {})  # noqa: E731
    assert len(planned(jobs, None, 1)) == 1 and len(planned(jobs, None, 1, facts=facts)) == 2


@pytest.mark.parametrize("fact", [{"streamed": True}, {"unlabelled": {"a": 1}}])
def test_features_in_a_file_and_missing_labels_are_those_of_all_runs_of_a_stack(fact):
    jobs = [job(f"{k}", *BASE, f"seed={k}", f"dataset.split.seed={k // 2}") for k in range(4)]
    assert [len(stack) for stack in planned(jobs, None, 1, facts=lambda config: SHAPES | fact)] == [2, 2]


def test_a_network_may_say_how_many_runs_are_worth_a_stack():
    """2^20 bytes / (4 bytes x 1024 rows x 64 units) = 4 runs, of which a step is all overhead."""
    jobs = [job(f"heads{k}", "model=shared_bottom", "batch_size=1024", f"seed={k}") for k in range(64)]
    assert {len(stack) for stack in planned(jobs, None, 2, lambda config: network(config, 1, 2))} == {16}


def test_the_size_follows_the_activations_of_a_network_for_images():
    """2^20 bytes / (4 bytes x 64 rows x 16 channels x 8 x 8) = 4 runs; of 28 x 28, two are too many already."""
    jobs = [job(f"cnn{k}", "model=cnn", "dataset=coloured_digits", f"seed={k}") for k in range(8)]
    for size, runs in ((8, 4), (28, 2)):
        assert {
            len(stack) for stack in planned(jobs, None, 1, lambda config, size=size: network(config, 3 * size**2))
        } == {runs}


def test_a_model_that_does_not_fit_the_data_is_refused_before_training(tmp_path):
    jobs = [job(tmp_path / "a", "model=cnn", "dataset=coloured_digits", "model.channels=1")]
    (outcome,) = Sweep(tmp_path).finished_or_refused(jobs).values()
    assert outcome.status == "refused"
    assert outcome.failure.startswith("model.channels must be such that the data's 192 features are channels x size")


def test_every_job_gets_the_record_that_it_gets_alone(tmp_path, described):
    commands = [
        [*described, "method=penalty", f"seed={seed}", f"method.lam={lam}"] for seed in (0, 1) for lam in (0, 2)
    ]
    commands += [[*described, "method=group_dro", "seed=5"]]
    together = jobs_of(tmp_path / "together", *commands)
    outcomes = train(tmp_path, together)
    assert {outcome.status for outcome in outcomes.values()} == {"finished"}
    for one in together:
        alone = Job(one.config, one.choices, tmp_path / "alone" / one.folder.name)
        train(tmp_path, [alone])
        first, second = results.read(one.folder), results.read(alone.folder)
        for key in first.keys() - {"written", "wall_time_s", "side_by_side"}:
            assert first[key] == second[key], key
        assert (one.folder / results.HISTORY).read_bytes() == (alone.folder / results.HISTORY).read_bytes()


def test_a_finished_run_is_known_and_not_trained_again(tmp_path, described):
    jobs = jobs_of(tmp_path, described, [*described, "seed=1"])
    first = train(tmp_path, jobs)
    written = [(job.folder / results.RECORD).stat().st_mtime_ns for job in jobs]
    again = train(tmp_path, jobs)
    assert [(job.folder / results.RECORD).stat().st_mtime_ns for job in jobs] == written
    assert all(first[job.folder].trained and not again[job.folder].trained for job in jobs)
    assert all(first[job.folder].record == again[job.folder].record for job in jobs)


@pytest.mark.parametrize("other", ["tracker=wandb", "checkpoint_minutes=9", "method.optimizer.lr=0.001"])
def test_what_changes_nothing_in_the_results_does_not_make_another_run(tmp_path, described, other):
    train(tmp_path, jobs_of(tmp_path, described))
    (outcome,) = train(tmp_path, jobs_of(tmp_path, [*described, other])).values()
    assert not outcome.trained


def test_moved_data_are_the_same_data(tmp_path, described):
    train(tmp_path, jobs_of(tmp_path, described))
    (tmp_path / "table.csv").rename(tmp_path / "moved.csv")
    (outcome,) = train(tmp_path, jobs_of(tmp_path, [*described, f"dataset.path={tmp_path}/moved.csv"])).values()
    assert not outcome.trained


def test_resume_false_trains_again(tmp_path, described):
    train(tmp_path, jobs_of(tmp_path, described))
    (outcome,) = train(tmp_path, jobs_of(tmp_path, [*described, "resume=false"])).values()
    assert outcome.trained


def test_another_runs_results_are_not_overwritten(tmp_path, described):
    train(tmp_path, jobs_of(tmp_path, described))
    before = (tmp_path / "0" / results.RECORD).read_bytes()
    with pytest.raises(InputError, match=r"got those of another run by fairrun .*\(seed=0\); take another folder"):
        train(tmp_path, jobs_of(tmp_path, [*described, "seed=1"]))
    assert (tmp_path / "0" / results.RECORD).read_bytes() == before


def test_the_keys_of_another_runs_results_are_named_in_words(tmp_path, described):
    train(tmp_path, jobs_of(tmp_path, [*described, "dataset.include_sensitive=true"]))
    with pytest.raises(InputError, match=r"\(dataset.include_sensitive=true\); take another folder"):
        train(tmp_path, jobs_of(tmp_path, described))


def test_changed_data_make_another_run(tmp_path, described):
    train(tmp_path, jobs_of(tmp_path, described))
    frame = pd.read_csv(tmp_path / "table.csv")
    frame.loc[0, "x1"] += 1
    frame.to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(InputError, match=r"another run by fairrun .*\(same configuration, other data\)"):
        train(tmp_path / "new", jobs_of(tmp_path, [*described, f"dataset.path={tmp_path}/./table.csv"]))


@pytest.fixture
def recorded_by_other_code(tmp_path, described):
    """Jobs that are done, the first by a method that has changed since."""
    jobs = jobs_of(tmp_path, described, [*described, "seed=1"])
    train(tmp_path, jobs)
    path = jobs[0].folder / results.RECORD
    entry = results.read(jobs[0].folder)
    entry["sources"]["fairrun.methods.erm"] = "other"
    path.write_text(json.dumps(entry | {"key": "other"}))
    return jobs


def test_runs_by_other_code_are_named_and_trained_again(tmp_path, recorded_by_other_code, caplog):
    outcomes = train(tmp_path, recorded_by_other_code)
    assert [outcomes[job.folder].trained for job in recorded_by_other_code] == [True, False]
    assert "1 run is done by other code and trained again (changed: fairrun.methods.erm); resume=" in caplog.text
    assert not any(outcome.trained for outcome in train(tmp_path, recorded_by_other_code).values())


def test_runs_by_other_code_are_kept_where_that_is_asked_for(tmp_path, recorded_by_other_code):
    asked = [replace(job, config=job.config | {"resume": "any_code"}) for job in recorded_by_other_code]
    assert not any(outcome.trained for outcome in train(tmp_path, asked).values())


def test_runs_of_a_version_that_recorded_no_code_are_trained_again(tmp_path, described, caplog):
    (only,) = jobs_of(tmp_path, described)
    train(tmp_path, [only])
    entry = results.read(only.folder)
    del entry["sources"]
    (only.folder / results.RECORD).write_text(json.dumps(entry))
    (outcome,) = train(tmp_path, [only]).values()
    assert outcome.trained and "changed: fairrun, fairrun.datasets.csv, fairrun.methods.erm" in caplog.text


@pytest.mark.parametrize("resume", ["true", "any_code"])
def test_a_run_that_started_from_other_weights_is_another_run(resume, tmp_path, described):
    path, net = tmp_path / "start.pt", ["model=module", "model.module._target_=tests.helpers.modules.Net"]
    torch.save(Net(8, 1).state_dict(), path)
    (only,) = jobs_of(tmp_path, [*described, *net, f"model.weights={path}", "dataset.keep_columns=[x5]"])
    only = replace(only, config=only.config | {"resume": resume == "true" or resume})
    assert [outcome.trained for outcome in train(tmp_path, [only]).values()] == [True]
    assert [outcome.trained for outcome in train(tmp_path, [only]).values()] == [False]
    torch.save(Net(8, 1).state_dict(), path)
    with pytest.raises(InputError, match=r"another run .*\(same configuration, other content of model\.weights\)"):
        train(tmp_path, [only])
    torch.save(Net(8, 1).state_dict(), tmp_path / "other.pt")
    node = only.config["model"] | {"weights": str(tmp_path / "other.pt")}
    with pytest.raises(InputError, match=r"another run .*\(model\.weights=.*start\.pt\)"):
        train(tmp_path, [replace(only, config=only.config | {"model": node})])


def test_a_worker_with_other_source_code_trains_nothing(tmp_path, described):
    (only,) = jobs_of(tmp_path, described)
    result = worker.train(worker.Task("a", [only.config], None, tmp_path, [], "other", [], False, False))
    assert isinstance(result, worker.Failure) and "must have the source code of the command" in result.reason


def test_a_worker_allows_the_packages_that_its_task_names(tmp_path, described, monkeypatch):
    (tmp_path / "elsewhere.py").write_text("from fairrun.methods.erm import ERM\n\nclass Far(ERM): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    (only,) = jobs_of(tmp_path, [*described, "method._target_=elsewhere.Far"])
    for allowed, sound in (([], False), (["elsewhere"], True)):
        monkeypatch.setenv(plugins.VARIABLE, "")  # as on another machine
        result = worker.train(worker.Task("a", [only.config], None, tmp_path, allowed, own_hash(), [], False, False))
        assert isinstance(result, worker.Trained) == sound, result


def test_a_record_says_which_process_trained(tmp_path, described):
    (only,) = jobs_of(tmp_path, described)
    train(tmp_path, [only])
    entry = results.read(only.folder)
    assert entry["host"] == platform.node()
    assert entry["versions"]["python"] == platform.python_version()


def test_a_corrupt_record_is_named_and_its_run_trained_again(tmp_path, described, caplog):
    jobs = jobs_of(tmp_path, described, [*described, "seed=1"])
    train(tmp_path, jobs)
    path = jobs[0].folder / results.RECORD
    path.write_bytes(path.read_bytes()[:100])
    outcomes = train(tmp_path, jobs)
    assert [outcomes[job.folder].trained for job in jobs] == [True, False]
    assert str(path) in caplog.text
    assert results.read(jobs[0].folder)["status"] == "finished"


def test_a_run_that_diverges_fails_alone_and_is_tried_again(tmp_path, described):
    rates = [[*described, "optimizer@method.optimizer=sgd", f"method.optimizer.lr={lr}"] for lr in (0.1, 1e30, 0.2)]
    jobs = jobs_of(tmp_path, *rates)
    for _ in range(2):
        outcomes = train(tmp_path, jobs)
        assert [outcomes[job.folder].status for job in jobs] == ["finished", "failed", "finished"]
    assert outcomes[jobs[1].folder].trained
    assert "lr=1e+30" in results.read(jobs[1].folder)["failure"]


def test_what_cannot_be_trained_is_refused_first_and_the_rest_is_trained(tmp_path, described):
    refused = [
        [*described, "method=penalty", "method.lam=-1"],
        [*described, "dataset.label=nothing"],
        [*described, "dataset.label=???"],
    ]
    jobs = jobs_of(tmp_path, described, *refused)
    outcomes = train(tmp_path, jobs)
    assert [folder.name for folder in outcomes] == ["1", "2", "3", "0"]
    assert [outcomes[job.folder].status for job in jobs] == ["finished", "refused", "refused", "refused"]
    for one, said in zip(
        jobs[1:], ("method.lam must be >= 0", "dataset.label must hold", "must be given"), strict=True
    ):
        assert said in outcomes[one.folder].failure
        assert results.read(one.folder)["failure"] == outcomes[one.folder].failure


RAISING = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Rows:
    def frame(self, path):
        raise KeyError("no such column")
"""


def test_rows_that_raise_are_refused_beside_what_is_done_before(tmp_path, described, monkeypatch):
    (tmp_path / "raising.py").write_text(RAISING)
    monkeypatch.setenv(plugins.VARIABLE, "raising")
    monkeypatch.syspath_prepend(tmp_path)
    jobs = jobs_of(tmp_path, described, ["dataset=german", "dataset.rows._target_=raising.Rows"])
    train(tmp_path, jobs[:1])
    sweep = Sweep(tmp_path, "sweep")
    assert places(jobs, tmp_path, sweep) == {job.folder: job.folder for job in jobs}
    done, refused = sweep.finished_or_refused(jobs).values()
    assert done.status == "finished"
    assert refused.status == "refused" and "KeyError: 'no such column'" in refused.failure


def test_a_method_that_crashes_fails_its_stack_with_reason_and_trace(tmp_path, described, monkeypatch):
    (tmp_path / "unlucky.py").write_text(PLUGIN.format(body=CRASH))
    monkeypatch.setenv(plugins.VARIABLE, "unlucky")
    monkeypatch.syspath_prepend(tmp_path)
    jobs = jobs_of(tmp_path, [*described, "method._target_=unlucky.Unlucky"], described)
    outcomes = train(tmp_path, jobs)
    crashed, fine = (outcomes[job.folder] for job in jobs)
    assert crashed.status == "failed"
    assert crashed.failure.startswith("Traceback")
    said = f"RuntimeError: out of luck (in update, {tmp_path}/unlucky.py:10)"
    assert results.read(jobs[0].folder)["failure"] == said
    assert fine.status == "finished"


def test_results_that_cannot_be_written_fail_their_run_only(tmp_path, described):
    jobs = jobs_of(tmp_path, described, [*described, "seed=1"])
    jobs[0].folder.write_text("a file is where the folder should be")
    outcomes = train(tmp_path, jobs)
    assert outcomes[jobs[0].folder].status == "failed"
    assert "could not be written" in outcomes[jobs[0].folder].failure
    assert outcomes[jobs[1].folder].status == "finished"


def test_workers_read_the_same_data_from_a_file_and_give_the_same_records(tmp_path, described):
    commands = [[*described, f"seed={seed}", f"dtype={dtype}"] for seed in (0, 1) for dtype in ("float32", "float64")]
    here, there = jobs_of(tmp_path / "here", *commands), jobs_of(tmp_path / "there", *commands)
    train(tmp_path / "here", here)
    train(tmp_path / "there", there, executor=Loky(2, 1))
    for one, other in zip(here, there, strict=True):
        assert results.read(one.folder)["metrics"] == results.read(other.folder)["metrics"]
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.slow
@pytest.mark.parametrize(("named", "processes"), [("", 0), ("mypkg", 1)])
def test_one_stack_is_trained_in_the_process_of_the_sweep_unless_code_of_ones_own_could_end_it(
    tmp_path, described, monkeypatch, named, processes
):
    monkeypatch.setenv(plugins.VARIABLE, named)
    monkeypatch.setattr(local._Process, "_all", {})
    jobs = jobs_of(tmp_path / "sweep", *([*described, f"seed={seed}"] for seed in (0, 1)))
    outcomes = train(tmp_path / "sweep", jobs, executor=Loky(2, 1))
    assert len(local._Process._all) == processes
    alone = jobs_of(tmp_path / "alone", *([*described, f"seed={seed}"] for seed in (0, 1)))
    for one, other in zip(jobs, alone, strict=True):
        assert outcomes[one.folder].trained
        train(tmp_path / "alone", [other])
        assert results.read(one.folder)["history_sha256"] == results.read(other.folder)["history_sha256"]
    for process in local._Process._all.values():
        process._ended.release()


def test_a_record_tells_the_rows_and_positives_of_every_group(tmp_path, described):
    (one,) = jobs_of(tmp_path, described)
    train(tmp_path, [one])
    written, data = results.read(one.folder), load(one.config)
    for split in ("train", "val", "test"):
        rows = getattr(data, split)
        cells = written["base_rates"][split]
        assert sum(n for n, _ in cells) == written["rows"][split] == len(rows.y)
        assert sum(positive for _, positive in cells) == rows.y.sum()
        assert cells[2] == [int((rows.s == 2).sum()), int(rows.y[rows.s == 2].sum())]
    assert math.isfinite(written["score"])
    assert torch.get_num_threads() == 1


def test_the_first_degenerate_run_of_a_sweep_is_named_with_its_values(tmp_path, described, caplog):
    commands = [
        [*described, "method=penalty", f"method.lam={lam}", "method.optimizer.lr=0.1"] for lam in (0, 1000, 1000000)
    ]
    jobs = jobs_of(tmp_path, *commands)
    outcomes = train(tmp_path, jobs)
    rates = {folder: outcome.record["metrics"]["val/selection_rate"] for folder, outcome in outcomes.items()}
    constant = {folder: rate for folder, rate in rates.items() if not 0.01 <= rate <= 0.99}
    assert 0 < len(constant) < 3
    messages = [entry.getMessage() for entry in caplog.records]
    words = ("nearly constant or no better than chance", "are degenerate")
    said, *more = [text for text in messages if any(word in text for word in words)]
    folder, rate = next(iter(constant.items()))
    assert f"penalty on table, seed 0, in {folder}: " in said
    assert f"val/selection_rate is {rate:.4g}, val/balanced_accuracy is " in said
    assert said.endswith("at epoch 2, the one that counts")
    assert more == ["more runs are degenerate; the report counts them"] * (len(constant) > 1)


@pytest.mark.parametrize(("rates", "said"), [((0.5, 0.0), False), ((1.0, 0.5), False), ((1e-9, 0.995), True)])
def test_a_degenerate_epoch_counts_only_where_all_are(rates, said):
    """The first epoch is the more accurate."""
    history = pd.DataFrame({"epoch": [1, 2], "val/accuracy": [0.8, 0.7], "val/selection_rate": rates})
    history["val/demographic_parity_difference"] = 0.1
    facts = {"data_sha256": "ab"}
    entry = record(job("a", *BASE, "selection=best"), Run(history, {}, None), facts)
    assert (remark(entry) is not None) == said
    assert entry["epoch"] == (2 if rates == (1.0, 0.5) else 1)
    assert remark(entry | {"status": "failed"}) is None


def test_the_same_run_twice_is_trained_for_both_folders(tmp_path, described):
    jobs = jobs_of(tmp_path, described, described)
    outcomes = train(tmp_path, jobs, stack_size=1)
    assert [outcomes[job.folder].status for job in jobs] == ["finished", "finished"]
    assert results.read(jobs[0].folder)["metrics"] == results.read(jobs[1].folder)["metrics"]


def test_data_left_by_a_killed_sweep_are_not_taken_for_changed_ones(tmp_path, described, monkeypatch):
    (tmp_path / ".work").mkdir()
    monkeypatch.setattr("shutil.rmtree", lambda *args, **options: None)  # as a kill would leave the folder
    train(tmp_path, jobs_of(tmp_path / "a", described), executor=Loky(2, 1))
    frame = pd.read_csv(tmp_path / "table.csv")
    frame["x0"] = frame["x0"].to_numpy()[::-1]
    frame.to_csv(tmp_path / "table.csv", index=False)
    (one,) = jobs_of(tmp_path / "b", [*described, f"dataset.path={tmp_path}/./table.csv"])
    train(tmp_path, [one], executor=Loky(2, 1))
    (alone,) = jobs_of(tmp_path / "c", [*described, f"dataset.path={tmp_path}/./table.csv"])
    train(tmp_path / "alone", [alone])
    assert results.read(one.folder)["metrics"] == results.read(alone.folder)["metrics"]


def test_checkpoints_of_later_batches_outlive_a_batch(tmp_path, described):
    checkpoint = tmp_path / ".work" / "of-another-stack.pt"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"state")
    for _ in range(2):
        train(tmp_path, jobs_of(tmp_path, described), executor=Loky(2, 1))
    assert list(checkpoint.parent.iterdir()) == [checkpoint]


class Witness(Tracker):
    """Notes which files were there whenever it was told something."""

    live = True

    def __init__(self, folder):
        self.folder, self.seen = folder, []

    def epochs(self, folder, sweep, begun, rows):
        self._see(f"epoch {rows[-1]['epoch']}")

    def log(self, folder, sweep, record, history):
        self._see(f"log {len(history)}")
        raise ConnectionError("no route")

    def finish(self, folder, sweep):
        self._see("finish")

    def stop(self):
        self._see("stop")
        raise ConnectionError("no route")

    def _see(self, what):
        self.seen.append((what, len(list(self.folder.rglob("record.json")))))


class Witnessed(Sweep):
    def __init__(self, folder, name):
        super().__init__(folder, name)
        self.witness = Witness(folder)
        self.trackers = Witnesses(name, self.witness)


class Witnesses(Trackers):
    def __init__(self, sweep, witness):
        super().__init__(sweep)
        self._made = {"all": witness}

    def of(self, job):
        return self._made["all"]


def test_a_tracker_is_told_of_a_stacks_end_when_all_its_files_are_written(tmp_path, monkeypatch, caplog):
    """Killed while it tells trackers, a command loses no result.  What a tracker raises costs no run."""
    monkeypatch.setattr(live, "LOOK_S", 60)
    jobs = jobs_of(tmp_path, ["seed=0", "epochs=2"], ["seed=1", "epochs=2"])
    sweep = Witnessed(tmp_path, "sweep")
    outcomes = dict(sweep.run(jobs, {}))
    assert [outcome.status for outcome in outcomes.values()] == ["finished", "finished"]
    assert sweep.witness.seen == [("epoch 2", 2), ("epoch 2", 2), ("log 2", 2), ("log 2", 2), ("stop", 2)]
    said = [record.message for record in caplog.records]
    assert sum("is written, but is not logged yet: ConnectionError: no route" in line for line in said) == 2
    assert sum("runs that stopped are open at their tracker: ConnectionError" in line for line in said) == 1
