"""Files of conf/benchmark: the jobs that they name, and what they must not hold."""

import pytest
import yaml

import fairrun
from fairrun.command.benchmark import check_names, jobs
from fairrun.config.check import InputError
from fairrun.config.keys import CONF
from tests.helpers.command import DESCRIPTION, INLINE

NODE = {
    "seeds": 2,
    "datasets": ["german", {"dataset": "csv", "dataset.path": "a b.csv"}],
    "common": {"epochs": 3},
    "grids": [{"method": "erm"}, {"method": "penalty", "method.lam": [0.1, 1], "batch_size": 32}],
}


def test_every_combination_of_a_grid_is_a_job_of_every_data_set():
    found = jobs(NODE)
    assert len(found) == 2 * (1 + 2) * 2
    assert found[0] == ["epochs=3", "dataset=german", "method=erm", "seed=0"]
    assert found[-1] == [
        *("epochs=3", "dataset=csv", "dataset.path='a b.csv'", "method=penalty", "method.lam=1", "batch_size=32"),
        "seed=1",
    ]


def test_what_the_command_line_gives_is_left_out_and_a_list_in_a_list_is_one_value():
    assert len(jobs(NODE, ["dataset", "dataset.path", "seed"])) == 3  # not once for each data set
    node = {"seeds": [7], "grids": [{"dataset.sensitive": [["sex"], ["sex", "race"]]}]}
    assert jobs(node) == [["dataset.sensitive=[sex]", "seed=7"], ["dataset.sensitive=[sex,race]", "seed=7"]]


def test_a_seed_of_a_grid_or_of_all_jobs_counts():
    node = {"seeds": 3, "grids": [{"method": "erm"}, {"method": "penalty", "seed": [7, 8]}]}
    assert [job[-1] for job in jobs(node)] == ["seed=0", "seed=1", "seed=2", "seed=7", "seed=8"]
    assert jobs({"common": {"seed": 4}, "grids": [{"method": "erm"}]}) == [["method=erm", "seed=4"]]


def test_what_is_left_empty_is_left_out():
    node = {"seeds": None, "datasets": None, "common": None, "grids": [{"method": "erm"}]}
    assert jobs(node) == [["method=erm", "seed=0"]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"grid": []}, "benchmark.grid is no key; did you mean grids?: there are seeds, datasets, common, grids"),
        ({"seeds": 0}, "benchmark.seeds must be a number >= 1, or a list of seeds, got 0"),
        ({"seeds": []}, "benchmark.seeds must be"),
        ({"grids": []}, "benchmark.grids must be a list of mappings"),
        ({"grids": [{"method.lam": []}]}, "benchmark.grids: method.lam must be a value, or a list of values, got []"),
        ({"grids": ["erm"]}, "benchmark.grids must be a list of mappings"),
        ({"datasets": "adult"}, "benchmark.datasets must be a list of names"),
        ({"common": ["epochs=1"]}, "benchmark.common must be a mapping"),
        ({"common": {"seed": 3}}, "benchmark.common: seed must be left out with seeds, got 3"),
        ({"common": {"": 3}}, "benchmark.common must have keys of the configuration, as method.lam, got ''"),
        ({"grids": [{1: 2}]}, "benchmark.grids must have keys of the configuration, as method.lam, got 1"),
        ({"datasets": [{"": "adult"}]}, "benchmark.datasets must have keys of the configuration"),
        (
            {"grids": [{"hydra.sweep.dir": "x"}]},
            "benchmark.grids: hydra.sweep.dir is of the whole sweep: give it on the command line",
        ),
        ({"common": {"hydra/launcher": "basic"}}, "benchmark.common: hydra/launcher is of the whole sweep"),
    ],
)
def test_what_is_none_is_one_message(change, said):
    with pytest.raises(InputError) as error:
        jobs(NODE | change)
    assert said in str(error.value)


CHOSEN = {"method": "erm", "dataset": "adult", "model": "mlp"}


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ({"method": ["erm", "penlty"]}, "method=penlty is no choice: did you mean method=penalty?"),
        ({"dataset": "adlt"}, "dataset=adlt is no choice: did you mean dataset=adult?"),
        ({"model": "mpl"}, "model=mpl is no choice: did you mean model=mlp?"),
        (
            {"metric": "accuracy_diference"},
            "metric=accuracy_diference is no choice: did you mean",
        ),
        ({"optimizer@method.optimizer": "adm"}, "optimizer@method.optimizer=adm is no choice: did you mean optimizer@"),
        ({"method.lam": 1}, "method.lam=1: no key of method=erm; it is one of method="),
        (
            {"method": ["erm", "penalty"], "method.lamb": 1},
            "method.lamb=1: no key of method=erm, penalty; did you",
        ),
        (
            {"dataset.sensitve": [["sex"]]},
            "dataset.sensitve=[sex]: no key of dataset=adult; did you mean",
        ),
        ({"lr": 0.1}, "lr=0.1: lr is no key: did you mean method.optimizer.lr?"),
        ({"lam": 1}, "lam=1: lam is no key: did you mean method.lam? It is one with method="),
        ({"method": "penalty", "lam": 1}, "lam=1: lam is no key: did you mean method.lam?"),
        ({"method.lr": 0.1}, "method.lr=0.1: no key of method=erm; did you mean method.optimizer.lr?"),
        (
            {"method.learning_rate": 0.1},
            "method.learning_rate=0.1: no key of method=erm; did you mean method.optimizer",
        ),
        ({"epchs": 3}, "epchs=3: epchs is no key: did you mean epochs?"),
    ],
)
def test_a_name_that_no_file_has_is_one_line_with_the_file_and_the_nearest(grid, said):
    with pytest.raises(InputError) as error:
        check_names("mine.yaml", jobs({"grids": [grid]}), {"seed"}, CHOSEN, [CONF])
    assert str(error.value).startswith(f"mine.yaml: {said}") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("grid", "given"),
    [
        ({"method": ["erm", "penalty"], "method.lam": 1, "method.optimizer.lr": 0.1, "tracker.project": "x"}, ()),
        ({"method": "estimator", "estimator@method.estimator": "lightgbm", "method.estimator.learning_rate": 1}, ()),
        ({"experiment": "irw/adult", "method.eta_q": 1}, ()),
        ({"+model.module.hidden": 3, "hydra.job.name": "x", "tracker": None, "report.columns": [["roc_auc"]]}, ()),
        ({"method": "penlty"}, ("method",)),  # as the command line says it, which is told elsewhere
    ],
)
def test_what_may_be_there_is_not_refused(grid, given):
    check_names("mine.yaml", jobs({"grids": [grid]}), given, CHOSEN, [CONF])


@pytest.mark.parametrize("path", sorted((CONF / "benchmark").rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_files_that_come_along_are_sound(path):
    found = jobs(yaml.safe_load(path.read_text()))
    assert found
    check_names(path.name, found, (), CHOSEN, [CONF])


@pytest.mark.slow
def test_a_file_of_the_users_own_is_one_sweep_with_grids_of_its_methods(tmp_path, csv, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "benchmark").mkdir(parents=True)
    node = {"seeds": 2, "grids": [{"method": "erm"}, {"method": "penalty", "method.lam": [0.1, 1]}]}
    path = tmp_path / "conf" / "benchmark" / "mine.yaml"
    path.write_text(yaml.dump(node))
    search = f"hydra.searchpath=[file://{tmp_path}/conf]"
    frame = fairrun.sweep(search, "benchmark=mine", *DESCRIPTION, INLINE).frame
    assert sorted(frame["method"]) == ["erm"] * 2 + ["penalty"] * 4
    assert not any("benchmark" in column for column in frame)
    again = fairrun.sweep(search, "benchmark=mine", "method.lam=0.5", *DESCRIPTION, INLINE).frame  # erm has no such key
    assert sorted(zip(again["method"], again["method.lam"].fillna(0), strict=True)) == [
        *[("erm", 0.0)] * 2,
        *[("penalty", 0.5)] * 2,
    ]
    path.write_text(yaml.dump(node | {"common": {"dataset.split.seed": "${seed}"}, "grids": [{"method": "erm"}]}))
    own = fairrun.sweep(search, "benchmark=mine", *DESCRIPTION, INLINE, folder=tmp_path / "own").frame
    assert sorted(own["dataset.split.seed"]) == sorted(own["seed"]) == [0, 1]  # each seed has a split of its own
    with pytest.raises(fairrun.InputError, match="benchmark=NAME must go with -m"):
        fairrun.run(search, "benchmark=mine", *DESCRIPTION)
    path.write_text(yaml.dump(node | {"grids": [{"method": "penalty", "method.lamb": [1]}]}))
    said = r"^conf/benchmark/mine\.yaml: method\.lamb=1: no key of method=penalty; did you mean method\.lam\?$"
    with pytest.raises(fairrun.InputError, match=said):
        fairrun.sweep(search, "benchmark=mine", *DESCRIPTION, INLINE)
