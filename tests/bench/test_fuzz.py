"""A slice of what scripts/fuzz tries, and that it would say what fails."""

import pytest

from bench.fuzz import configurations, kills, tables
from bench.fuzz.__main__ import main
from bench.fuzz.cases import Counts, count, limit, outcome, smallest
from fairrun.config.check import InputError

PARTS = [(configurations, 10, 8), (tables, 10, 9)]
MORE = [
    (configurations, 40, 1),
    (tables, 30, 1),
    (kills, 1, 1),
    (configurations, 100, 2),
    (configurations, 100, 3),
    (tables, 60, 2),
    (kills, 3, 2),
    (kills, 3, 3),
]
PARTS += [pytest.param(*part, marks=pytest.mark.slow) for part in MORE]


@pytest.mark.parametrize(("kind", "number", "seed"), PARTS)
def test_no_case_fails(kind, number, seed):
    counts = kind.run(number, seed)
    assert counts.tried == number and counts.trained > 0
    assert counts.failures == []


def fails_with(*culprits):
    def case(parts):
        if set(culprits) <= set(parts):
            raise KeyError("planted")
        if "wrong" in parts:
            raise InputError("a must be b, got c")
        return "train" in parts

    return lambda parts: outcome(lambda: case(parts))


def test_outcomes_are_counted_and_a_failure_is_made_small(capsys):
    counts = Counts("cases")
    again = fails_with("x", "y")
    for parts in (["wrong"], ["train"], ["a"], ["a", "x", "b", "c", "y", "d"]):
        count(counts, again(parts), parts, again)
    assert (counts.tried, counts.refused, counts.trained) == (4, 1, 1)
    (failure,) = counts.failures
    assert failure.startswith("KeyError: 'planted'") and failure.endswith("with x y")
    assert "FAILURE" in capsys.readouterr().out


def test_the_smallest_case_has_nothing_that_it_can_lack():
    assert smallest(range(20), lambda parts: {3, 11} <= set(parts)) == [3, 11]
    assert smallest("a", lambda parts: True) == []


def test_a_case_that_does_not_end_fails():
    with pytest.raises(TimeoutError), limit(1):
        while True:
            pass


@pytest.mark.parametrize("failures", [[], ["one"]])
def test_the_exit_status_says_whether_a_case_failed(monkeypatch, capsys, failures):
    monkeypatch.setattr("sys.argv", ["fuzz", "3", "--seed", "1"])
    monkeypatch.setattr(configurations, "run", lambda number, seed: Counts("configurations", number, failures=failures))
    monkeypatch.setattr("logging.disable", lambda level: None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert bool(ended.value.code) == bool(failures)
    assert f"3 tried, 0 refused, 0 trained, {len(failures)} failures" in capsys.readouterr().out
