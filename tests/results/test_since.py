"""Runs whose command makes other runs now."""

import pytest

from fairrun.results import records
from fairrun.results.since import replaced
from tests.helpers.records import record
from tests.helpers.reports import write_overrides


def run(folder, number, told, written, sensitive="sex", data="0" * 64, lam=1, **place):
    """Write a run -> its folder."""
    path = folder / str(number)
    path.mkdir()
    config = record()["config"] | {"dataset": {"sensitive": [sensitive]}, "method": {"lam": lam}}
    records.write(path, record(config=config, data_sha256=data, written=written), None)
    write_overrides(path, told, **place)
    return path


@pytest.mark.parametrize(
    ("changes", "problem"), [({"sensitive": "race"}, "race"), ({"data": "1" * 64}, "data 1"), ({"lam": 2}, "sex")]
)
def test_the_same_command_made_another_run_later(changes, problem, tmp_path):
    old = run(tmp_path, 0, ["dataset=mine", "seed=0"], "2026-01-01")
    new = run(tmp_path, 1, ["dataset=mine", "seed=0"], "2026-01-02", **changes)
    assert replaced({new: problem, old: "sex"}) == {old: new}
    assert not replaced({old: "sex"})


def test_a_sweep_that_grew_after_its_data_changed(tmp_path):
    """Other seeds and methods are told the same of the data."""
    old = [run(tmp_path, k, ["dataset=mine", f"seed={k}", "method=erm"], f"2026-01-0{k + 1}") for k in range(2)]
    new = run(tmp_path, 2, ["method=penalty", "dataset=mine", "seed=5"], "2026-02-01", "race")
    assert replaced(dict.fromkeys(old, "sex") | {new: "race"}) == dict.fromkeys(old, new)


@pytest.mark.parametrize(
    ("told", "place"),
    [
        (["dataset=mine", "seed=0", "dataset.sensitive=[race]"], {}),
        (["dataset=mine", "seed=0", "experiment=other"], {}),
        (["dataset=mine", "seed=0"], {"cwd": "/home/b"}),
        (["dataset=mine", "seed=0"], {"hydra": ["hydra.searchpath=[file:///home/c/conf]"]}),
    ],
)
def test_runs_that_were_told_otherwise_or_elsewhere_replace_none(told, place, tmp_path):
    first = run(tmp_path, 0, ["dataset=mine", "seed=0"], "2026-01-01")
    second = run(tmp_path, 1, told, "2026-01-02", "race", **place)
    assert replaced({first: "sex", second: "race"}) == {}


@pytest.mark.parametrize(
    "told",
    [
        lambda k: [f"+cohort=c{k}", f"seed={k}"],
        lambda k: ["dataset.path=${seed}.csv", f"seed={k}"],
        lambda k: [f"data_of_mine={k}"],
    ],
)
def test_what_else_may_choose_the_data_counts(told, tmp_path):
    first, second = (run(tmp_path, k, told(k), f"2026-01-0{k + 1}", s) for k, s in enumerate(["sex", "race"]))
    assert replaced({first: "sex", second: "race"}) == {}


def test_runs_whose_overrides_are_lost_are_left_out(tmp_path):
    paths = [run(tmp_path, k, ["dataset=mine"], f"2026-01-0{k + 1}", sensitive) for k, sensitive in enumerate("ab")]
    (paths[0] / ".hydra" / "overrides.yaml").unlink()
    assert replaced({paths[0]: "a", paths[1]: "b"}) == {}
