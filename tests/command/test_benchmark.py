"""Files of conf/benchmark: the jobs that they name, and what they must not hold."""

import pytest
import yaml

import fairrun
from fairrun.command.benchmark import jobs
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
    ],
)
def test_what_is_none_is_one_message(change, said):
    with pytest.raises(InputError) as error:
        jobs(NODE | change)
    assert said in str(error.value)


@pytest.mark.parametrize("path", sorted((CONF / "benchmark").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_files_that_come_along_are_sound(path):
    assert jobs(yaml.safe_load(path.read_text()))


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
    with pytest.raises(fairrun.InputError, match="benchmark=NAME must go with -m"):
        fairrun.run(search, "benchmark=mine", *DESCRIPTION)
    path.write_text(yaml.dump(node | {"grids": [{"method": "penalty", "method.lamb": [1]}]}))
    with pytest.raises(fairrun.InputError, match=r"method\.lamb is no key: did you mean method\.lam\?"):
        fairrun.sweep(search, "benchmark=mine", *DESCRIPTION, INLINE)
