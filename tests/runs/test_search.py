"""A search: what is asked for, on the way through the command line too."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from statistics import fmean

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from fairrun.command.folders import sweep_name
from fairrun.config.check import InputError
from fairrun.runs.search import SAMPLERS, History, Search, divide
from hydra_plugins.fairrun_sweepers import _overrides
from tests.helpers.command import INLINE, ROOT, records, run, start_warm
from tests.helpers.here import run_here
from tests.helpers.quick import few

CONFIG = {"method._target_": "x", "method.lam": 1.0, "method.loss": "mmd", "batch_size": 64, "epochs": 10}
RANGES = {
    "scientific": {"method": {"lam": {"low": 0.0, "high": 1.0}, "loss": ["mmd", "correlation"]}},
    "nuisance": {"batch_size": {"low": 8, "high": 512, "log": True}},
    "fixed": {"epochs": 3},
}
SPACE, _ = divide(RANGES, (), CONFIG)


def searched(sampler, *, trials=40, batch=5, seed=0, greater_is_better=False):
    """A search over ``SPACE`` whose best settings have lam between 0.2 and 0.3, and its settings by trial."""
    search = Search(SPACE, sampler, seed=seed, batch=batch, greater_is_better=greater_is_better)
    sign = -1 if greater_is_better else 1
    settings = []
    for first in range(0, trials, batch):
        asked = search.ask(min(batch, trials - first))
        settings += asked
        lams = [setting["method.lam"] for setting in asked]
        search.tell([None if lam > 0.9 else (-((lam - 0.2) ** 2), sign * (lam - 0.3) ** 2) for lam in lams])
    return search, settings


@pytest.mark.slow
def test_the_same_results_give_the_same_settings_in_any_process():
    code = "import json; from tests.runs.test_search import *; print(json.dumps([searched(s)[1] for s in SAMPLERS]))"
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    assert json.loads(done.stdout) == [searched(sampler)[1] for sampler in SAMPLERS]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_another_seed_gives_other_settings(sampler):
    assert searched(sampler)[1] != searched(sampler, seed=1)[1]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_more_trials_begin_with_those_of_fewer_whatever_the_last_batch_holds(sampler):
    assert searched(sampler, trials=40)[1][:23] == searched(sampler, trials=23)[1]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("greater_is_better", [False, True])
def test_a_search_comes_nearer_to_the_best_settings(sampler, greater_is_better):
    _, settings = searched(sampler, trials=100, batch=10, greater_is_better=greater_is_better)
    near = [0.1 < setting["method.lam"] < 0.4 for setting in settings]
    assert sum(near[-20:]) >= 2 * sum(near[:20])


def test_settings_are_within_their_ranges():
    _, settings = searched("tpe")
    assert all(0 <= s["method.lam"] <= 1 for s in settings)
    assert {s["method.loss"] for s in settings} == {"mmd", "correlation"}
    sizes = [s["batch_size"] for s in settings]
    assert all(isinstance(size, int) and 8 <= size <= 512 for size in sizes)
    assert sum(size < 64 for size in sizes) > 10  # of a log scale half is below 64; of a linear one a ninth


def test_a_float_key_is_searched_between_integers_too():
    space, _ = divide({"scientific": {"method": {"lam": {"low": 0, "high": 1}}}}, (), CONFIG)
    lam = Search(space, "tpe", seed=0, batch=1, greater_is_better=False).ask(1)[0]["method.lam"]
    assert isinstance(lam, float)
    assert lam not in (0, 1)


def test_the_front_holds_what_no_other_setting_is_better_than():
    search = Search(SPACE, "tpe", seed=0, batch=5, greater_is_better=False)
    settings = search.ask(5)
    search.tell([(0.8, 0.1), (0.9, 0.2), (0.8, 0.2), (0.7, 0.3), None])
    assert search.front() == [(settings[1], (0.9, 0.2)), (settings[0], (0.8, 0.1))]


def test_a_search_goes_on_when_every_trial_fails():
    for sampler in SAMPLERS:
        search = Search(SPACE, sampler, seed=0, batch=2, greater_is_better=False)
        for _ in range(8):
            search.ask(2)
            search.tell([None, None])
        assert search.front() == []


def test_what_the_command_line_gives_is_not_searched_and_not_fixed():
    space, fixed = divide(RANGES, {"method.lam", "epochs"}, CONFIG)
    assert list(space) == ["method.loss", "batch_size"]
    assert fixed == {}
    assert divide(RANGES, (), CONFIG)[1] == {"epochs": 3}


LAM = "hydra.sweeper.scientific.method.lam must be "
BAD_RANGES = [
    ({"low": 1, "high": 1}, LAM + "two numbers, low < high"),
    ({"low": 0, "high": "x"}, LAM + "two numbers, low < high"),
    ({"low": 0, "high": float("inf")}, LAM + "two numbers, low < high"),
    ({"low": 0, "high": 1, "log": True}, LAM + "log: true with low > 0"),
    ({"low": 1, "high": 2, "log": 1}, LAM + "log: true with low > 0"),
    ({"low": 1, "high": 2, "step": 1}, LAM + "a list of values, or {low: NUMBER, high: NUMBER}"),
    ({"low": 1}, LAM + "a list of values, or {low: NUMBER, high: NUMBER}"),
    ({}, LAM + "a list of values, or {low: NUMBER, high: NUMBER}"),
    (1, LAM + "a list of values, or {low: NUMBER, high: NUMBER}"),
    ([], LAM + "a list of numbers, strings, true, false or null"),
    ([[1]], LAM + "a list of numbers, strings, true, false or null"),
    ({"lo": 1}, "method.lam.lo is no key: did you mean method.lam?"),
]


@pytest.mark.parametrize(("bad", "said"), BAD_RANGES)
def test_a_bad_range_is_refused(bad, said):
    with pytest.raises(InputError) as error:
        divide({"scientific": {"method": {"lam": bad}}}, (), CONFIG)
    assert said in str(error.value)


def test_a_bad_space_is_refused():
    for headings, said in (
        ({"scientific": {}, "nuisance": {}, "fixed": {"epochs": 3}}, "a search needs a range"),
        ({"scientific": 3}, "hydra.sweeper.scientific must be a mapping of keys, got 3"),
        ({"scientific": {"method": {"lamm": [1]}}}, "method.lamm is no key: did you mean method.lam?"),
        (
            {"scientific": {"epochs": [1]}, "fixed": {"epoch": 3}},
            "hydra.sweeper.fixed: epoch is no key",
        ),
        ({"scientific": {"epochs": [1]}, "fixed": {"epochs": 3}}, "no key that has a range, got epochs"),
    ):
        with pytest.raises(InputError) as error:
            divide(headings, (), CONFIG)
        assert said in str(error.value)


@given(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab0'\" ,=\\$[]{}:")
)
def test_a_value_is_the_same_behind_an_override(value):
    (override,) = OverridesParser.create().parse_overrides(_overrides({"key": value}))
    assert override.value() == value
    assert type(override.value()) is type(value)


def test_a_search_is_told_again_what_it_was_told_first(tmp_path):
    settings = [{"a": 0.1}, {"a": 0.2}, {"a": 0.3}]
    assert History(tmp_path, resume=True).add(0, settings[:2], [None, (0.8, 0.1)]) == [None, (0.8, 0.1)]
    again = History(tmp_path, resume=True)
    again.check(0, settings)
    assert again.add(0, settings, [(0.7, 0.1), (0.8, 0.1), (0.9, 0.1)]) == [None, [0.8, 0.1], (0.9, 0.1)]
    assert len(History(tmp_path, resume=True).trials) == 3
    with pytest.raises(InputError, match="must be of this search"):
        again.check(1, [{"a": 0.7}])
    assert History(tmp_path, resume=False).add(0, settings[:1], [(0.5, 0.5)]) == [(0.5, 0.5)]


def test_the_folder_is_of_the_search_but_for_the_number_of_trials():
    command = ["hydra/sweeper=search", "hydra.sweeper.seed=1"]
    name = sweep_name(["sweep=penalty"], command)
    assert name == sweep_name(["sweep=penalty"], [*command, "hydra.sweeper.trials=80", "hydra.launcher.workers=3"])
    others = [[], ["hydra/sweeper=search"], [*command, "hydra.sweeper.batch=5"]]
    others += [[*command, "+hydra.sweeper.nuisance.batch_size=[1,2]"]]
    assert len({name, *(sweep_name(["sweep=penalty"], other) for other in others)}) == 5


SEARCH = ["-m", "hydra/sweeper=search", "dataset=german", "epochs=1", "seed=0,1", INLINE]
PENALTY = [*SEARCH, "sweep=penalty", "model.width=8", "hydra.sweeper.sampler=nsga2"]


def told(folder):
    return json.loads((folder / "trials.json").read_text())


@pytest.fixture(scope="module")
def penalty(tmp_path_factory):
    """A search over lam and lr: four batches of two trials of two seeds."""
    folder = tmp_path_factory.mktemp("penalty")
    done = run_here(folder, *PENALTY, "hydra.sweeper.trials=8", "hydra.sweeper.batch=2", "hydra.sweep.dir=sweep")
    assert done.returncode == 0, done.stderr
    return folder / "sweep", done


@pytest.mark.slow
def test_a_key_whose_value_a_preset_may_name_is_searched_in_whole_numbers_too(tmp_path):
    """conf/method/jtt.yaml has first_epochs as an interpolation."""
    asked = ["sweep=jtt", "model.width=8", "hydra.sweeper.trials=3", "hydra.sweep.dir=sweep"]
    done = run_here(tmp_path, *SEARCH, *asked)
    assert done.returncode == 0, done.stderr
    assert all(isinstance(trial["setting"]["method.first_epochs"], int) for trial in told(tmp_path / "sweep"))


def test_every_trial_is_run_with_every_seed_and_a_batch_is_a_stack(penalty):
    folder, _ = penalty
    trials = told(folder)
    assert len(trials) == 8
    assert {record["seed"] for record in records(folder)} == {0, 1}
    assert all(record["side_by_side"] == 4 for record in records(folder))
    for setting in (trial["setting"] for trial in trials):
        assert 0.01 <= setting["method.lam"] <= 3
        assert 1e-4 <= setting["method.optimizer.lr"] <= 1e-2
        runs = [r for r in records(folder) if r["config"]["method"]["lam"] == setting["method.lam"]]
        assert {r["config"]["method"]["optimizer"]["lr"] for r in runs} >= {setting["method.optimizer.lr"]}
        assert {r["config"]["epochs"] for r in runs} == {1}  # of the command line, not of the fixed values


def test_a_trial_is_worth_its_validation_means_over_seeds(penalty):
    folder, _ = penalty
    for number, trial in enumerate(told(folder)[:2]):
        metrics = [records(folder / str(2 * number + seed))[0]["metrics"] for seed in (0, 1)]
        for value, name in zip(trial["values"], ("accuracy", "demographic_parity_difference"), strict=True):
            assert value == fmean(run[f"val/{name}"] for run in metrics)


def test_a_search_ends_with_its_front_and_a_report(penalty):
    folder, done = penalty
    values = [tuple(trial["values"]) for trial in told(folder)]
    best = {v for v in values if not any(w[0] >= v[0] and w[1] <= v[1] and w != v for w in values)}
    lines = [line.split("front: validation ")[1] for line in done.stdout.splitlines() if "front: v" in line]
    shown = {line.split(" with ")[0] for line in lines}
    assert shown == {f"accuracy {a:.4f}, demographic_parity_difference {f:.4f}" for a, f in best}
    assert "german: test rows" in done.stdout
    assert (folder / "front.png").exists()


@pytest.mark.slow
def test_a_killed_search_is_continued_to_the_same_end(tmp_path, penalty):
    command = [*PENALTY, "hydra.sweeper.batch=2", "hydra.sweep.dir=sweep"]
    folder = tmp_path / "sweep"
    one_run_of_the_second_batch = folder / "5" / "record.json"
    process = start_warm(tmp_path, *command, "hydra.sweeper.trials=8", "hydra.launcher.stack_size=1")
    while not one_run_of_the_second_batch.exists() and process.is_alive():
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    before = {path: path.read_bytes() for path in folder.rglob("record.json")}
    assert len(before) < 16
    done = run_here(tmp_path, *command, "hydra.sweeper.trials=8")
    assert done.returncode == 0, done.stderr
    assert all(path.read_bytes() == content for path, content in before.items())
    assert told(folder) == told(penalty[0])
    trained = [{k: r[k] for k in ("key", "score", "metrics")} for r in records(folder)]
    assert trained == [{k: r[k] for k in ("key", "score", "metrics")} for r in records(penalty[0])]


@pytest.mark.slow
def test_more_trials_continue_a_search_in_its_folder(tmp_path, penalty):
    for trials, trained in ((3, 6), (8, 10)):
        done = run_here(tmp_path, *PENALTY, f"hydra.sweeper.trials={trials}", "hydra.sweeper.batch=2")
        assert done.returncode == 0, done.stderr
        counts = [int(line.split("; ")[1].split()[0]) for line in done.stdout.splitlines() if "trained now" in line]
        assert sum(counts) == trained
    (folder,) = (tmp_path / "outputs" / "sweeps").iterdir()
    assert told(folder) == told(penalty[0])


def test_a_folder_of_another_search_is_refused(tmp_path, penalty):
    shutil.copytree(penalty[0], tmp_path / "sweep")
    done = run_here(tmp_path, *PENALTY, "hydra.sweep.dir=sweep", "hydra.sweeper.seed=1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "must be of this search, got another's" in done.stderr
    assert records(tmp_path / "sweep") == records(penalty[0])


@pytest.mark.slow
def test_a_failed_trial_does_not_end_a_search_and_no_setting_is_trained_twice(tmp_path):
    rates = "+hydra.sweeper.nuisance.method.optimizer.lr=[0.1,1e30]"
    command = [*SEARCH, "optimizer@method.optimizer=sgd", rates, "hydra.sweeper.trials=6", "hydra.sweeper.batch=3"]
    for _ in range(2):  # the second time those that failed are tried again
        done = run_here(tmp_path, *command, "hydra.sweep.dir=sweep")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "2 of 4 runs were refused or failed; each has its reason in its own log" in done.stderr
        assert "front: validation accuracy" in done.stdout
        assert len(records(tmp_path)) == 4
    trials = told(tmp_path / "sweep")
    assert [trial["values"] is None for trial in trials] == [t["setting"]["method.optimizer.lr"] > 1 for t in trials]


REFUSED = [
    (["hydra.sweeper.trials=0"], "hydra.sweeper.trials must be an integer >= 1, got 0"),
    (["hydra.sweeper.batch=x"], "hydra.sweeper.batch must be an integer >= 1, got 'x'"),
    (["hydra.sweeper.seed=-1"], "hydra.sweeper.seed must be an integer >= 0, got -1"),
    (["hydra.sweeper.sampler=cma"], "hydra.sweeper.sampler must be one of tpe, nsga2, got 'cma'"),
    (["hydra.sweeper.scientific.method.lam.low=20"], LAM + "two numbers, low < high, got"),
    (["method=erm"], "hydra.sweeper.scientific: method.lam is no key"),
    (["method=erm,penalty"], "method must have one value in a search, got 'method=erm,penalty'"),
    (["seed=range(0)"], "seed must have a value, got none"),
    (
        ["method.lam=1", "method.optimizer.lr=0.1"],
        "a search needs a range that the command line leaves open, got none; sweep=NAME has some",
    ),
    (["hydra/sweeper=grid"], "sweep=NAME must go with hydra/sweeper=search, got hydra/sweeper=grid"),
]


@pytest.mark.parametrize(("overrides", "said"), few(REFUSED, 4), ids=[" ".join(overrides) for overrides, _ in REFUSED])
def test_what_cannot_be_searched_is_refused_in_one_message_before_training(tmp_path, overrides, said):
    done = run_here(tmp_path, "-m", "hydra/sweeper=search", "sweep=penalty", "dataset=german", INLINE, *overrides)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not records(tmp_path)


def test_without_optuna_a_search_says_what_to_install(tmp_path):
    (tmp_path / "optuna.py").write_text("raise ModuleNotFoundError('No module named optuna', name='optuna')\n")
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    done = run(tmp_path, *PENALTY, PYTHONPATH=path)
    assert done.returncode == 1
    assert "needs the package optuna: pip install 'fairrun[optuna]'" in done.stderr
    assert "Traceback" not in done.stderr
