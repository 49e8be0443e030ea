"""Runs that a library trains are jobs like others: stacks, records, workers, post-processing, sweeps."""

import logging
import shlex
from pathlib import Path

import pandas as pd
import pytest

import fairrun
from fairrun.config.check import InputError
from fairrun.results import records as results
from fairrun.runs.checks.alone import check
from fairrun.runs.checks.data import check_data
from fairrun.runs.executors.local import Loky
from fairrun.runs.job import facts, load
from tests.helpers.command import DESCRIPTION, INLINE, records
from tests.helpers.here import run_here
from tests.helpers.jobs import job, jobs_of, planned, train
from tests.helpers.synthetic import data_of_classes, data_of_tasks

FOREST = ["method=estimator", "estimator@method.estimator=random_forest", "method.estimator.n_estimators=5"]
GRADIENT = ["method=exponentiated_gradient", "method.max_iter=5"]


def test_a_run_is_alone_in_its_stack_and_others_are_not():
    jobs = [job(f"{name}{seed}", f"method={name}", f"seed={seed}") for name in ("erm", "estimator") for seed in (0, 1)]
    assert [len(stack) for stack in planned(jobs, None, 1)] == [2, 1, 1]
    assert [len(stack) for stack in planned(jobs, 8, 1)] == [2, 1, 1]


def test_a_record_is_that_of_another_method_with_the_versions_of_its_libraries(tmp_path, described):
    jobs = jobs_of(tmp_path, [*described, *FOREST], [*described, *GRADIENT], described)
    assert {outcome.status for outcome in train(tmp_path, jobs).values()} == {"finished"}
    forest, gradient, erm = (results.read(one.folder) for one in jobs)
    assert forest.keys() == gradient.keys() == erm.keys()
    assert [record["engine"] for record in (forest, gradient)] == ["library"] * 2
    assert forest["versions"].keys() - erm["versions"].keys() == {"scikit-learn"}
    assert gradient["versions"].keys() - erm["versions"].keys() == {"scikit-learn", "fairlearn"}
    assert forest["metrics"].keys() == erm["metrics"].keys()
    assert results.read_history(jobs[0].folder, forest)["epoch"].tolist() == [1]
    assert gradient["metrics"]["val/log_loss"] is None and gradient["metrics"]["val/accuracy"] == gradient["score"]


def test_a_finished_run_is_known_whatever_keys_say_that_a_library_does_not_read(tmp_path, described):
    jobs = jobs_of(tmp_path, [*described, *FOREST])
    train(tmp_path, jobs)
    for other in ("epochs=9", "batch_size=7", "model=linear", "engine=torch", "selection=best", "schedule.every=2"):
        (again,) = train(tmp_path, jobs_of(tmp_path, [*described, *FOREST, other])).values()
        assert not again.trained, other
    with pytest.raises(InputError, match=r"results, got those of another run by fairrun"):
        train(tmp_path, jobs_of(tmp_path, [*described, *FOREST, "method.estimator.max_depth=1"]))


@pytest.mark.slow
def test_workers_give_the_records_that_this_process_gives(tmp_path, described):
    commands = [[*described, *FOREST, "seed=1"], [*described, *GRADIENT, "dtype=float64"]]
    here, there = jobs_of(tmp_path / "here", *commands), jobs_of(tmp_path / "there", *commands)
    train(tmp_path / "here", here)
    train(tmp_path / "there", there, executor=Loky(1, 1))
    for one, other in zip(here, there, strict=True):
        assert results.read(one.folder)["metrics"] == results.read(other.folder)["metrics"]


@pytest.mark.parametrize("method", [FOREST, GRADIENT])
def test_post_processing_equalises_rates_among_validation_rows(tmp_path, described, method):
    (one,) = jobs_of(tmp_path, [*described, *method, "postprocess=demographic_parity"])
    train(tmp_path, [one])
    metrics = results.read(one.folder)["metrics"]
    assert metrics["val/demographic_parity_difference"] == pytest.approx(0, abs=1e-9)


def refused(overrides, rows, said):
    with pytest.raises(InputError, match=said):
        check_data(of(*overrides), facts(rows))


def of(*overrides):
    return job("folder", *overrides).config


def test_several_tasks_and_several_classes_are_refused_in_one_line():
    refused(
        ["method=estimator"], data_of_tasks(), r"^dataset\.task must be one of task0.*: Classified learns one label"
    )
    refused(["method=grid_search"], data_of_classes(), "GridSearch learns two classes, got .* with 3 classes$")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["averaging.decay=0.9"], ["averaging.decay=0.9: no effect with averaging.kind=null; it counts with ema"]),
        (
            ["averaging.kind=swa", "averaging.decay=0.5"],
            ["averaging.decay=0.5: no effect with averaging.kind=swa; it counts with ema"],
        ),
        (["averaging.kind=swa", "averaging.start=0.25"], []),
        (
            ["dataset.bins=16"],
            ["dataset.bins=16: no effect with dataset.numbers=scale; it counts with bins, piecewise, periodic"],
        ),
        (["dataset.bins=17", "dataset.numbers=periodic"], []),
    ],
)
def test_keys_that_another_one_makes_say_nothing_are_said(words, said, caplog):
    with caplog.at_level(logging.WARNING):
        check(of("method=erm", *words))
    assert [message for message in caplog.messages if "no effect" in message] == said


def test_keys_without_effect_are_said_once_where_they_are_not_as_usual(caplog):
    with caplog.at_level(logging.WARNING):
        check(of("method=estimator"))
    assert not [said for said in caplog.messages if "no effect" in said]
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            check(of("method=estimator", "epochs=3", "model=linear", "seed=4", "dtype=float64"))
    assert [said for said in caplog.messages if "no effect" in said] == [
        "epochs, model: no effect on Logistic, which its library trains on all rows at once"
    ]


def test_a_plug_in_may_be_a_method_of_either_kind(tmp_path):
    with pytest.raises(InputError, match=r"derives from fairrun\.method\.Method or fairrun\.method\.LibraryMethod"):
        check(of() | {"method": {"_target_": "fairrun.training.optim.SGD", "lr": 0.1, "momentum": 0.0}})


def test_images_are_rows_of_pixels():
    config = of("method=estimator", "dataset=coloured_digits")
    check_data(config, facts(load(config)))


@pytest.mark.slow
def test_one_sweep_has_methods_of_both_kinds_each_with_its_own_keys(tmp_path, csv):
    given = ["-m", *DESCRIPTION, "method=erm,penalty,estimator,exponentiated_gradient", "method.lam=1,2", INLINE]
    given += ["estimator@method.estimator=logistic,random_forest", "method.estimator.n_estimators=3", "epochs=2,3"]
    given += ["method.max_iter=4", "hydra.sweep.dir=out"]
    done = run_here(tmp_path, *given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "estimator@method.estimator: left out with method=erm, method=penalty, which has no such key" in done.stdout
    assert "epochs: left out with method=estimator, method=exponentiated_gradient" in done.stdout
    found = results.load(tmp_path / "out")
    runs = found.groupby("method").size().to_dict()
    assert runs == {
        "erm": 2,
        "penalty": 4,
        "logistic": 1,
        "random_forest": 1,
        "exponentiated_gradient of logistic": 1,
        "exponentiated_gradient of random_forest": 1,
    }
    trees = found.set_index("method").loc["random_forest"]
    assert trees["method.estimator.n_estimators"] == 3 and pd.isna(trees["epochs"]) and pd.isna(trees["model"])
    table = (tmp_path / "out" / "table.md").read_text()
    assert "random_forest" in table and "exponentiated_gradient of logistic" in table
    again = run_here(tmp_path, *given)
    assert "10 runs, 10 of them done before" in again.stdout


@pytest.mark.slow
def test_an_experiments_optimizer_and_training_are_left_out(tmp_path):
    """irw/compas chooses Adagrad for all methods, a schedule and a network."""
    given = ["-m", "experiment=irw/compas", "method=estimator", "method.optimizer.lr=0.1,0.2", INLINE]
    given += ["optimizer@method.optimizer=adagrad,sgd", "hydra.sweep.dir=out"]
    done = run_here(tmp_path, *given)
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = records(tmp_path)
    assert record["config"]["method"].keys() == {"_target_", "estimator", "weights"}
    for key in ("method.optimizer", "method.optimizer.lr", "optimizer@method.optimizer"):
        assert f"{key}: left out with method=estimator, which has no such key" in done.stdout
    assert "epochs, batch_size, schedule.every, model: no effect on Logistic" in done.stdout


@pytest.mark.slow
def test_the_command_at_the_end_of_a_sweep_trains_the_run_again_and_saves_its_model(tmp_path, csv):
    given = ["-m", *DESCRIPTION[:-2], *FOREST, "method.estimator.max_depth=1,4", INLINE]
    done = run_here(tmp_path, *given)
    assert done.returncode == 0, done.stdout + done.stderr
    line = done.stdout.strip().splitlines()[-2]
    assert "with one of its seeds, and saves the model:" in " ".join(done.stdout.split())
    assert "estimator@method.estimator=random_forest" in line and "results.save=chosen" in line
    again = run_here(tmp_path, *shlex.split(line.partition("fairrun train ")[2]), "hydra.run.dir=again")
    assert again.returncode == 0 and "no effect" not in again.stderr
    alone = fairrun.load(tmp_path / "again").record
    assert any(run["key"] == alone["key"] for run in records(tmp_path / "outputs" / "sweeps"))


def test_a_single_run_has_the_estimators_name(tmp_path, csv):
    done = run_here(tmp_path, *DESCRIPTION[:-2], *FOREST, "hydra.run.dir=out")
    assert done.returncode == 0, done.stderr
    assert "random_forest on table, seed 0" in done.stdout and "no effect" not in done.stderr
    (record,) = records(tmp_path)
    assert record["choices"]["estimator"] == "random_forest"
    assert "fairrun.estimators.scikit" in record["sources"]


@pytest.mark.slow
def test_a_sweep_names_a_classifier_by_its_path(tmp_path, csv):
    given = ["-m", *DESCRIPTION[:-2], "method=erm,estimator", "epochs=1", INLINE, "hydra.sweep.dir=out"]
    given += ["estimator@method.estimator=classifier", "method.estimator.classifier=sklearn.naive_bayes.GaussianNB"]
    done = run_here(tmp_path, *given)
    assert done.returncode == 0, done.stdout + done.stderr
    found = results.load(tmp_path / "out")
    assert set(found["method"]) == {"erm", "GaussianNB"}
    folder = found.set_index("method").loc["GaussianNB", "folder"]
    assert not any(part.startswith("sklearn") for part in results.read(Path(folder))["sources"])


def test_a_sweeps_run_leaves_its_predictions_and_where_it_is_asked_for_its_model(tmp_path, described):
    (one,) = jobs_of(tmp_path, [*described, *GRADIENT])
    train(tmp_path, [one])
    (scores,) = (one.folder / "model").iterdir()
    assert pd.read_parquet(scores)["score"].between(0, 1).all()
    with pytest.raises(InputError, match=r"must hold a saved model: the same command with results.save=chosen"):
        fairrun.load(one.folder)
    (one,) = jobs_of(tmp_path, [*described, *GRADIENT, "results.save=chosen"])
    for trained in (True, False):
        (outcome,) = train(tmp_path, [one]).values()
        assert outcome.trained == trained
    fairrun.load(one.folder)


def test_a_classifier_of_another_package_is_not_to_be_saved(tmp_path, monkeypatch):
    code = "from sklearn.naive_bayes import GaussianNB\nclass Votes(GaussianNB):\n    pass\n"
    (tmp_path / "votes.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FAIRRUN_PLUGINS", "votes")
    given = ["method=estimator", "estimator@method.estimator=classifier", "method.estimator.classifier=votes.Votes"]
    check(of(*given))
    with pytest.raises(InputError, match=r"^results\.save must be none or null with an estimator of another package"):
        check(of(*given, "results.save=chosen"))
