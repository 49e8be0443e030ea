"""Claims judged on frames of runs."""

import pandas as pd
import pytest

from fairrun.analysis.verdict import Verdict
from fairrun.claims import spec
from fairrun.claims.judge import judged, picked
from fairrun.config.check import InputError

PAPER = """
title: T
link: L
note: N
sources:
  s: {{benchmark: b, protocol: honest}}
claims:
  c: {{claim: C, where: W, {claim}}}
"""


def runs(values, **columns):
    """A frame of finished runs: for each method its values by seed."""
    rows = [
        {"method": method, "seed": seed, "status": "finished", "dataset": "d", "test/x": value, "val/x": value}
        | columns
        for method, own in values.items()
        for seed, value in enumerate(own)
    ]
    return pd.DataFrame(rows)


def verdict(test, frame, combine="all"):
    text = PAPER.format(claim=f"combine: {combine}, tests: [{{source: s, {test}}}]")
    return judged(spec.parsed("p", text), {"s": frame})["c"]


ABOVE = "value: test/x, of: {method: a}, minus: {method: b}, above: 0, margin: 0.01"


def test_a_difference_is_over_the_seeds_that_both_have():
    """a - b is 1, 1.1, 1.2 in the seeds 0 to 2; seed 3 of a has no partner."""
    frame = runs({"a": [1.0, 2.1, 3.2, 99.0], "b": [0.0, 1.0, 2.0]})
    found = verdict(ABOVE, frame)
    assert (found.verdict, found.seeds) == (Verdict.SHOWS, 3) and found.effect == pytest.approx(1.1)
    turned = verdict(ABOVE.replace("above", "below"), frame)
    assert turned.verdict is Verdict.CONTRADICTED and turned.effect == pytest.approx(-1.1)


def test_a_threshold_flips_the_verdict():
    frame = runs({"a": [1.0, 2.1, 3.2], "b": [0.0, 1.0, 2.0]})
    assert verdict(ABOVE.replace("above: 0,", "above: 1.5,"), frame).verdict is Verdict.CONTRADICTED
    assert verdict(ABOVE.replace("above: 0,", "above: 0.5,"), frame).verdict is Verdict.SHOWS
    assert verdict(ABOVE.replace("above: 0,", "times: 9.0, above: 0,"), frame).verdict is not Verdict.SHOWS


def test_lists_and_each_make_parts():
    frame = pd.concat(
        [runs({"a": [1.0, 1.1, 1.2], "b": [0.0, 0.1, 0.1], "c": [9.0, 9.1, 9.0]}, dataset=d) for d in "xy"]
    )
    found = verdict(
        ABOVE.replace("{method: b}", "{method: [b, c]}").replace("margin", "each: [dataset], margin"), frame
    )
    assert [part.name for part in found.parts] == [
        "a against b on x",
        "a against b on y",
        "a against c on x",
        "a against c on y",
    ]
    assert found.verdict is Verdict.CONTRADICTED and found.why.startswith("2 of 4: a against c on x")


def test_several_configurations_need_a_value_to_choose_by():
    """The setting with the best mean on validation rows counts, whatever its test rows say."""
    frame = pd.concat(
        [
            runs({"a": [0.5, 0.5, 0.5]}).assign(**{"method.lam": 1.0}),
            runs({"a": [0.4, 0.4, 0.4]}).assign(**{"method.lam": 2.0, "test/x": [0.9, 0.9, 0.9]}),
            runs({"b": [0.0, 0.1, 0.2]}).assign(**{"method.lam": 0.0}),
        ]
    )
    frame = frame.assign(**{"metric.name": "x", "metric.greater_is_better": True})
    with pytest.raises(InputError, match="c: a are several configurations: pick must name a value"):
        verdict(ABOVE, frame)
    assert verdict(f"{ABOVE}, pick: val/x", frame).effect == pytest.approx(0.4)
    lower = frame.assign(**{"metric.greater_is_better": False})
    assert picked(lower[lower["method"] == "a"], "val/x")["method.lam"].unique().tolist() == [2.0]


def test_a_trend_is_a_correlation_in_each_seed():
    frame = pd.concat([runs({"a": [k, k + 0.5, k * 2]}).assign(**{"method.lam": float(k)}) for k in (1, 2, 3)])
    found = verdict("value: test/x, of: {method: a}, trend: method.lam, above: 0, margin: 0.1", frame)
    assert (found.verdict, found.effect, found.seeds) == (Verdict.SHOWS, 1.0, 3)


def test_runs_that_are_not_there_cannot_be_tested():
    assert verdict(ABOVE, runs({"a": [1.0, 2.0, 3.0]})).verdict is Verdict.UNTESTED
    failed = runs({"a": [1.0, 2.1, 3.2], "b": [0.0, 1.0, 2.0]}).assign(status="failed")
    assert verdict(ABOVE, failed).verdict is Verdict.UNTESTED


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (ABOVE.replace("test/x", "test/y"), r"c: value=test/y is no column of s; did you mean test/x\?"),
        (ABOVE.replace("{method: a}", "{methd: a}"), r"c: methd is no column of the runs; did you mean method\?"),
        (
            ABOVE.replace("margin", "each: [datset], margin"),
            r"c: each=datset is no column of s; did you mean dataset\?",
        ),
    ],
)
def test_what_runs_do_not_have_is_named(test, message):
    with pytest.raises(InputError, match=message):
        verdict(test, runs({"a": [1.0, 2.0, 3.0]}))


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ("tests: []", "tests must be given, or else untestable"),
        ("tests: [{source: t, value: v, of: {}, above: 0, margin: 1}]", "source 't' is not there"),
        ("tests: [{source: s, value: v, of: {}, above: 0}]", "margin must be the smallest effect that would matter"),
        ("tests: [{source: s, value: v, of: {}, margin: 1}]", "a test must be one of above, below, within"),
        ("tests: [{source: s, value: v, of: {}, abov: 0}]", r"tests\[0\]: abov is no key; did you mean above\?"),
        ("tests: [{source: s, of: {}, above: 0}]", r"tests\[0\]: value must be given"),
        ("untestable: no files, combine: most", "combine must be one of all, any, got 'most'"),
    ],
)
def test_a_file_of_claims_that_is_wrong_is_one_message(claim, message):
    with pytest.raises(InputError, match=f"^p: .*{message}"):
        spec.parsed("p", PAPER.format(claim=claim))


@pytest.mark.parametrize("name", spec.names())
def test_the_files_of_claims_are_read_and_name_benchmarks_that_are_there(name):
    paper = spec.read(name)
    for source in paper.sources.values():
        for budget in spec.BUDGETS:
            for word in source.words(budget)[:1]:
                assert (spec.CONF / "benchmark" / f"{word.partition('=')[2]}.yaml").exists()
