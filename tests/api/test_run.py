"""Runs and sweeps from Python: what the command line gives, and what it refuses."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

import fairrun
from fairrun.results import records
from tests.helpers.command import DESCRIPTION, INLINE, run_warm
from tests.helpers.quick import few

OPTIONS = [*DESCRIPTION, "dataset.path=table.csv"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_run_is_that_of_the_command_and_is_found_again(tmp_path, csv):
    threads = torch.get_num_threads()
    result = fairrun.run("method=penalty", "method.lam=0.5", *DESCRIPTION, seed=3)
    assert torch.get_num_threads() == threads and not GlobalHydra.instance().is_initialized()
    assert HydraConfig.instance().cfg is None
    done = run_warm(tmp_path, "method=penalty", "method.lam=0.5", *DESCRIPTION, "seed=3", "hydra.run.dir=typed")
    assert done.returncode == 0, done.stderr
    typed = records.read(tmp_path / "typed")
    assert {k: v for k, v in typed["metrics"].items() if v is not None} == result.metrics.dropna().to_dict()
    assert typed["key"] == result.record["key"]
    written = (result.folder / records.RECORD).stat().st_mtime_ns
    again = fairrun.run("method=penalty", "method.lam=0.5", *DESCRIPTION, seed=3)
    assert again.folder == result.folder and (again.folder / records.RECORD).stat().st_mtime_ns == written
    assert list(result.history["epoch"]) == [1, 2]
    assert set(result.scores["split"]) == {"val", "test"}
    assert result.model().predict(csv.head(3)).shape == (3,)


@pytest.mark.slow
def test_a_library_trains_a_run_as_by_the_command(csv):
    result = fairrun.run("method=estimator", "estimator@method.estimator=random_forest", *DESCRIPTION[:-2])
    assert result.record["choices"]["estimator"] == "random_forest" and result.record["engine"] == "library"
    assert result.model().predict(csv.head(3)).shape == (3,)


@pytest.mark.slow
def test_what_is_said_of_a_model_that_was_not_saved_is_what_would_save_it(csv):
    none = fairrun.run("method=erm", *DESCRIPTION, "results.save=none")
    instead = "the same command with results.save=chosen in place of results.save=none leaves it there"
    with pytest.raises(fairrun.InputError, match=f"must hold a saved model: {instead}"):
        none.model()
    neighbours = ["estimator@method.estimator=classifier", "+method.estimator.params.algorithm=kd_tree"]
    neighbours += ["method.estimator.classifier=sklearn.neighbors.KNeighborsClassifier"]
    unsafe = fairrun.run("method=estimator", *neighbours, *DESCRIPTION[:-2])
    with pytest.raises(fairrun.InputError, match="holds no model: no file of its classifier would be safe to load"):
        unsafe.model()
    with pytest.raises(fairrun.InputError, match="folder must be the folder of a run"):
        fairrun.load(fairrun.FairClassifier())
    trained = fairrun.run("method=erm", *DESCRIPTION, "results.save=chosen", folder=none.folder)
    assert trained.model().predict(csv.head(2)).shape == (2,)


def test_a_frame_is_data_and_its_content_names_its_file(csv):
    description = [o for o in DESCRIPTION if "path" not in o and o != "dataset=csv"]
    first = fairrun.run(*description, data=csv)
    assert fairrun.run(*description, data=csv.copy()).folder == first.folder
    other = fairrun.run(*description, data=csv.assign(x0=0.5 * csv["x0"]))
    assert other.folder != first.folder and other.record["data_sha256"] != first.record["data_sha256"]
    assert first.record["config"]["dataset"]["name"] == "data"


def test_a_file_that_changes_within_the_process_is_other_data(csv):
    first = fairrun.run(*DESCRIPTION)
    csv.assign(x0=0.5 * csv["x0"]).to_csv("table.csv", index=False)
    with pytest.raises(fairrun.InputError, match="must be new or hold this run's own results"):
        fairrun.run(*DESCRIPTION)
    other = fairrun.run(*DESCRIPTION, folder="other")
    assert other.record["data_sha256"] != first.record["data_sha256"]


@pytest.mark.slow
def test_a_sweep_has_every_combination_once_and_goes_on(tmp_path, csv):
    call = ["method=erm,penalty", "method.lam=0.1,1", *DESCRIPTION, INLINE]
    results = fairrun.sweep(*call, seed=range(2))
    again = fairrun.sweep(*call, seed=np.arange(2), folder=results.folder)
    assert len(again.frame) == len(fairrun.sweep(*call, seed=[0, 1, np.int64(1)], folder=results.folder).frame) == 6
    frame = results.frame
    assert sorted(frame["method"]) == ["erm"] * 2 + ["penalty"] * 4 and set(frame["seed"]) == {0, 1}
    assert repr(results).startswith("<6 of 6 runs finished, in outputs/sweeps/erm-penalty_")
    assert {path.name for path in results.report()} >= {"front.png", "report.html"}
    assert len(results.settings) == 3 and 1 <= len(results.front()) <= 3
    assert [result.record["status"] for result in results.runs()] == ["finished"] * 6
    more = fairrun.sweep(*call, seed=range(3), folder=results.folder)
    assert len(more.frame) == 9
    done = run_warm(tmp_path, "-m", *call, "seed=0,1", f"hydra.sweep.dir={tmp_path}/typed")
    assert done.returncode == 0, done.stderr
    columns = ["method", "method.lam", "seed", "test/accuracy", "test/demographic_parity_difference"]
    typed = records.load(tmp_path / "typed")
    pd.testing.assert_frame_equal(frame[columns].reset_index(drop=True), typed[columns].reset_index(drop=True))


def test_a_value_that_another_key_gives_is_each_runs_own(csv):
    call = ["method=erm", "dataset.split.seed=${seed}", *DESCRIPTION, INLINE]
    frame = fairrun.sweep(*call, seed=range(1, 3)).frame
    assert frame["dataset.split.seed"].tolist() == frame["seed"].tolist() == [1, 2]
    alone = fairrun.run(*call, seed=2).metrics
    assert frame.loc[frame["seed"] == 2, alone.index].iloc[0].tolist() == pytest.approx(alone.tolist(), nan_ok=True)


def test_the_best_configuration_keeps_the_bound_and_its_model_is_trained(csv):
    results = fairrun.sweep("method=erm,penalty", "method.lam=0.1,3", *DESCRIPTION, INLINE, seed=range(3), epochs=6)
    settings = results.settings.set_index(["method", "method.lam"])["val/demographic_parity_difference"]
    bound = float(settings.sort_values().iloc[0]) + 1e-9  # which the fairest alone keeps
    best = results.best(bound)
    assert best.found.rule == "bound" and best.found.values["val/demographic_parity_difference"].mean <= bound
    assert str(best).startswith("table: take ") and "results.save=chosen" in best.command
    model = best.model()
    assert model.record["key"] == best.result.record["key"]
    assert model.record["metrics"] == best.result.record["metrics"]
    shutil.rmtree("outputs/runs")
    csv.iloc[::-1].to_csv("table.csv", index=False)
    with pytest.raises(fairrun.InputError, match=r"must hold its model, as its data have other rows now"):
        best.model()
    assert not list(Path("outputs/runs").rglob(records.RECORD))  # nothing was trained for it
    with pytest.raises(fairrun.InputError, match="dataset must be one of table, got 'adult'"):
        results.best(dataset="adult")
    one = fairrun.sweep("method=erm", *DESCRIPTION, INLINE, seed=range(2))
    with pytest.raises(fairrun.InputError, match="there is one configuration only"):
        one.best()


def test_a_run_that_fails_stops_no_other(csv):
    results = fairrun.sweep("method=penalty", "method.lam=-1,1", *DESCRIPTION, INLINE)
    assert sorted(results.frame["status"]) == ["finished", "refused"] and len(results.runs()) == 1
    (why,) = results.frame["failure"].dropna()
    assert why.startswith("method.lam must be >= 0, got -1")
    with pytest.raises(fairrun.InputError, match=r"no run finished; the first says: method\.lam must be >= 0, got -1"):
        fairrun.sweep("method=penalty", "method.lam=-1,-2", *DESCRIPTION, INLINE)


@pytest.mark.parametrize(
    ("overrides", "keys", "said"),
    few(
        [
            (["metod=erm"], {}, "metod is no key: did you mean method?"),
            (["method=penalti"], {}, "method=penalti is no choice: did you mean method=penalty?"),
            (["method.lam"], {}, "overrides must be texts as on the command line: 'method.lam=1', got ['method.lam']"),
            (["method=penalty"], {"epoch": 3}, "epoch is no key: did you mean epochs?"),
            (["method=penalty", "method.lam=-1"], {}, "method.lam must be >= 0, got -1"),
            (["method=erm,penalty"], {}, "overrides must be of one value each: fairrun.sweep takes several, got"),
            (
                [],
                {"seed": object()},
                "a value must be a number, a text, true or false, or several of them, got 'object'",
            ),
            ([], {"data": pd.DataFrame({5: [1]})}, "data must be a frame whose columns have texts as names, got [5]"),
            ([], {"data": [1]}, "data must be a pandas.DataFrame, got 'list'"),
            (["plugins=[3]"], {}, "plugins must be a list of packages"),
        ],
        4,
    ),
)
def test_what_the_command_would_refuse_is_refused(csv, overrides, keys, said):
    with pytest.raises(fairrun.InputError) as error:
        fairrun.run(*DESCRIPTION, *overrides, **keys)
    assert said in str(error.value)


def test_importing_fairrun_is_quick_and_brings_no_torch(tmp_path):
    code = "import sys, fairrun; print('torch' in sys.modules, 'pandas' in sys.modules, 'hydra' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["False"] * 3
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        fairrun.lod  # noqa: B018 - it raises
