"""The single-task runs that ARFG and ARE are divided by: which a sweep gets, and which it does not."""

import pytest
from omegaconf import OmegaConf

from fairrun.config.check import InputError
from fairrun.config.keys import dotted, identity
from fairrun.results import records as results
from fairrun.results.records import GROUPS
from fairrun.runs.checks.alone import check
from fairrun.runs.job import Job
from fairrun.runs.runner import Sweep
from fairrun.runs.single_task import complete
from fairrun.runs.sweep.outcome import Outcome
from tests.helpers.command import INLINE, records
from tests.helpers.here import run_here
from tests.helpers.synthetic import config

TASKS = ["dataset=csv", "dataset.label=hired", "dataset.positive=yes", "dataset.sensitive=[group]"]
TASKS += ["+dataset.tasks={a: {column: hired, positive: yes}, b: {column: x1, above: 0}}"]
TASKS += ["model=shared_bottom", "model.shared=[8]", "model.head=[4]", "epochs=2", "batch_size=32"]
SWEEP = ["-m", *TASKS, "dataset.path=table.csv", INLINE, "method=mtl,mtaf", "seed=0,1"]


@pytest.fixture
def jobs(tmp_path, csv):
    """Jobs of a sweep in ``tmp_path``, each by its overrides."""

    def make(*commands, first=0):
        made = []
        for k, overrides in enumerate(commands, first):
            cfg = config(*TASKS, f"dataset.path={tmp_path}/table.csv", *overrides)
            choices = dict.fromkeys(GROUPS, "none") | {"method": overrides[0].removeprefix("method=")}
            made.append(Job(OmegaConf.to_container(cfg, resolve=True), choices, tmp_path / str(k)))
        return made

    return make


def completed(folder, jobs, earlier=()):
    sweep = Sweep(folder)
    return complete(jobs, sweep.finished_or_refused(jobs), sweep, folder, earlier)


def train(folder, jobs):
    sweep = Sweep(folder)
    return dict(sweep.run(jobs, sweep.finished_or_refused(jobs)))


def without_method(job):
    return {key: value for key, value in identity(dotted(job.config)).items() if not key.startswith("method.")}


def test_all_methods_and_their_settings_share_one_single_task_run_a_seed(tmp_path, jobs):
    commands = [["method=mtl"], ["method=mtaf"], ["method=mtaf", "method.lam=2"], ["method=mtl", "seed=1"]]
    given = jobs(*commands)
    added, known = completed(tmp_path, given)
    assert known == {}
    assert [job.config["seed"] for job in added] == [0, 1]
    for job, like in zip(added, (given[0], given[3]), strict=True):
        assert job.choices["method"] == "stl"
        assert job.folder.parent == tmp_path / "stl"
        assert without_method(job) == without_method(like)


@pytest.mark.parametrize(
    ("overrides", "reduction"),
    [
        (["method=mtl"], "mean"),
        (["method=mtl", "method.reduction=sum"], "sum"),
        (["method=mtaf"], "mean"),
        (["method=mtaf", "method.variant=authors"], "sum"),
    ],
)
def test_a_single_task_run_has_the_optimizer_and_the_reduction_of_its_run(tmp_path, jobs, overrides, reduction):
    given = jobs([*overrides, "optimizer@method.optimizer=sgd", "method.optimizer.lr=0.3"])
    ((single,), _) = completed(tmp_path, given)
    node = single.config["method"]
    assert node.pop("optimizer") == given[0].config["method"]["optimizer"]
    assert node == {"_target_": "fairrun.methods.stl.STL", "reduction": reduction}


def test_a_run_of_stl_in_the_sweep_is_the_single_task_run_whatever_its_optimizer(tmp_path, jobs):
    added, _ = completed(tmp_path, jobs(["method=mtl"], ["method=stl", "method.optimizer.lr=0.3"]))
    assert added == []


@pytest.mark.parametrize("other", ["seed=1", "epochs=3", "dataset.split.seed=1", "dataset.path={}/other.csv"])
def test_a_run_of_stl_of_another_seed_setting_or_table_is_not(tmp_path, jobs, csv, other):
    csv[::-1].to_csv(tmp_path / "other.csv", index=False)
    given = jobs(["method=mtl"], ["method=stl", other.format(tmp_path)])
    (single,), _ = completed(tmp_path, given)
    assert without_method(single) == without_method(given[0])
    assert single.config["dataset"]["path"] == f"{tmp_path}/table.csv"


def test_a_run_that_is_refused_gets_none(tmp_path, jobs):
    added, known = completed(tmp_path, jobs(["method=mtl", "method.task_weight=-1"], ["method=mtaf", "epochs=0"]))
    assert added == []
    assert [outcome.status for outcome in known.values()] == ["refused", "refused"]


def test_a_finished_run_of_stl_anywhere_in_the_folder_is_taken(tmp_path, jobs):
    before = jobs(["method=stl"], first=7)
    train(tmp_path, before)
    assert completed(tmp_path, jobs(["method=mtl"])) == ([], {})
    record = results.read(before[0].folder)
    results.write(before[0].folder, record | {"status": "failed"}, None)
    assert len(completed(tmp_path, jobs(["method=mtl"]))[0]) == 1


def test_another_optimizer_has_a_single_task_run_of_its_own(tmp_path, jobs):
    """As in a grid or a search over learning rates, in whatever order."""
    (first,), _ = completed(tmp_path, jobs(["method=mtl"]))
    train(tmp_path, [first])
    (other,), known = completed(tmp_path, jobs(["method=mtl", "method.optimizer.lr=0.3"], first=1))
    assert other.folder != first.folder
    assert other.config["method"]["optimizer"]["lr"] == 0.3
    assert other.folder not in known
    both = jobs(["method=mtl", "method.optimizer.lr=0.3"], ["method=mtl"])
    found, known = completed(tmp_path, both)
    assert {job.folder for job in found} == {first.folder, other.folder}
    assert known[first.folder].status == "finished"
    assert completed(tmp_path, both, earlier={first.folder, other.folder})[0] == []


def test_without_leave_to_train_them_runs_that_lack_one_are_refused(tmp_path, jobs):
    strict = ["method=mtl", "results.train_missing=false"]
    given = jobs(strict, [*strict, "seed=3"], ["method=stl"])
    said = (
        "results.train_missing must be true, or the sweep hold a run of method=stl with seed 3"
        " (same data, split, model, epochs), got false"
    )
    assert completed(tmp_path, given) == ([], {given[1].folder: Outcome("refused", said)})


def test_without_leave_to_train_them_those_that_are_there_do(tmp_path, jobs):
    added, _ = completed(tmp_path, jobs(["method=mtl"]))
    train(tmp_path, added)
    added, known = completed(tmp_path, jobs(["method=mtl", "results.train_missing=false"]))
    assert [known[job.folder].status for job in added] == ["finished"]
    assert len(known) == 1


def test_a_run_that_is_finished_is_not_refused(tmp_path, jobs):
    given = jobs(["method=mtl", "results.train_missing=false"])
    train(tmp_path, given)
    added, known = completed(tmp_path, given)
    assert added == []
    assert known[given[0].folder].status == "finished"


def test_leave_is_given_by_true_or_false(jobs):
    (one,) = jobs(["method=mtl", "results.train_missing=maybe"])
    with pytest.raises(InputError, match=r"results.train_missing must be true or false, got 'maybe'"):
        check(one.config)


@pytest.mark.slow
def test_a_sweep_trains_its_single_task_runs_once_side_by_side_and_its_report_has_them(tmp_path, csv):
    first = run_here(tmp_path, *SWEEP, "hydra.sweep.dir=sweep")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 single-task runs added (method=stl): ARFG and ARE divide by them" in first.stdout
    assert "6 runs, 0 of them done before" in first.stdout
    added = records(tmp_path / "sweep" / "stl")
    assert [record["seed"] for record in sorted(added, key=lambda record: record["seed"])] == [0, 1]
    assert [record["side_by_side"] for record in added] == [2, 2]
    assert {record["choices"]["method"] for record in added} == {"stl"}
    assert "| stl " in (tmp_path / "sweep" / "table.md").read_text()
    again = run_here(tmp_path, *SWEEP, "hydra.sweep.dir=sweep")
    assert "runs of stl added" not in again.stdout
    assert "6 runs, 6 of them done before" in again.stdout
    assert "6 runs finished, 0 failed; 0 trained now" in again.stdout


@pytest.mark.slow
def test_under_hydras_own_launcher_the_single_task_runs_are_the_same(tmp_path, csv):
    for launcher in ("basic", "stacked"):
        own = [f"hydra/launcher={launcher}", f"hydra.sweep.dir={launcher}", "seed=0"]
        given = [part for part in SWEEP[:-1] if part != INLINE or launcher == "stacked"]
        done = run_here(tmp_path, *given, *own, "hydra/sweeper=basic")  # it makes no report
        assert done.returncode == 0, done.stdout + done.stderr
    paths = [path.relative_to(tmp_path / "basic") for path in (tmp_path / "basic").rglob("*")]
    assert sorted(paths) == sorted(path.relative_to(tmp_path / "stacked") for path in (tmp_path / "stacked").rglob("*"))
    (basic,), (stacked,) = (records(tmp_path / launcher / "stl") for launcher in ("basic", "stacked"))
    assert (basic["key"], basic["metrics"]) == (stacked["key"], stacked["metrics"])


def test_a_single_run_gets_none(tmp_path, csv):
    done = run_here(
        tmp_path, *TASKS, "dataset.path=table.csv", "method=mtl", "results.train_missing=false", "hydra.run.dir=out"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(records(tmp_path)) == 1
