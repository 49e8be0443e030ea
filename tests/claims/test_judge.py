"""Claims judged on frames of runs."""

import pandas as pd
import pytest

from fairrun.analysis.verdict import Verdict
from fairrun.claims import spec
from fairrun.claims.judge import judged, picked
from fairrun.config.check import InputError
from fairrun.config.keys import CONF

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


ABOVE = "value: test/x, of: {method: erm}, minus: {method: penalty}, above: 0, margin: 0.01"


def test_a_difference_is_over_the_seeds_that_both_have():
    """It is 1, 1.1, 1.2, 1.1 in the seeds 0 to 3; seed 4 has no partner."""
    frame = runs({"erm": [1.0, 2.1, 3.2, 4.1, 99.0], "penalty": [0.0, 1.0, 2.0, 3.0]})
    found = verdict(ABOVE, frame)
    assert (found.verdict, found.seeds) == (Verdict.SHOWS, 4) and found.effect == pytest.approx(1.1)
    less = runs({"erm": [1.0, 2.1, 3.2, 99.0], "penalty": [0.0, 1.0, 2.0]})
    assert verdict(ABOVE, less).why == "3 of 4 seeds have a value: at least 80% are needed"
    turned = verdict(ABOVE.replace("above", "below"), frame)
    assert turned.verdict is Verdict.CONTRADICTED and turned.effect == pytest.approx(-1.1)


def test_a_threshold_flips_the_verdict():
    frame = runs({"erm": [1.0, 2.1, 3.2], "penalty": [0.0, 1.0, 2.0]})
    assert verdict(ABOVE.replace("above: 0,", "above: 1.5,"), frame).verdict is Verdict.CONTRADICTED
    assert verdict(ABOVE.replace("above: 0,", "above: 0.5,"), frame).verdict is Verdict.SHOWS
    assert verdict(ABOVE.replace("above: 0,", "times: 9.0, above: 0,"), frame).verdict is not Verdict.SHOWS


def test_a_ratio_is_measured_in_shares_of_the_second_value():
    """1.3 against 1.1 times 1: .2 of the second value, also where both are a hundred times as large."""
    test = ABOVE.replace("above: 0,", "times: 1.1, above: 0,")
    frame = runs({"erm": [1.3, 1.4, 1.2], "penalty": [1.0, 1.0, 1.0]})
    found = verdict(test, frame)
    assert found.effect == pytest.approx(0.2)
    assert (found.name, found.asked) == ("erm against 1.1 times penalty", "above 0, as a share")
    larger = verdict(test, frame.assign(**{"test/x": 100 * frame["test/x"]}))
    assert (larger.verdict, larger.effect) == (found.verdict, pytest.approx(0.2))


def test_a_source_of_a_larger_budget_cannot_be_tested_at_a_smaller():
    text = PAPER.format(claim=f"tests: [{{source: s, {ABOVE}}}]").replace("honest}", "honest, budgets: [full]}")
    paper = spec.parsed("p", text)
    found = judged(paper, {})["c"]
    assert (found.verdict, found.why) == (Verdict.UNMEASURED, "the runs of s are trained at a larger budget only")
    with pytest.raises(InputError, match=r"budgets must be one of tiny, quick, full, got 'ful'; did you mean full\?"):
        spec.parsed("p", text.replace("[full]", "[ful]"))


def test_lists_and_each_make_parts():
    frame = pd.concat(
        [runs({"erm": [1.0, 1.1, 1.2], "penalty": [0.0, 0.1, 0.1], "irw": [9.0, 9.1, 9.0]}, dataset=d) for d in "xy"]
    )
    found = verdict(
        ABOVE.replace("{method: penalty}", "{method: [penalty, irw]}").replace("margin", "each: [dataset], margin"),
        frame,
    )
    assert [part.name for part in found.parts] == [
        "erm against penalty on x",
        "erm against penalty on y",
        "erm against irw on x",
        "erm against irw on y",
    ]
    assert found.verdict is Verdict.CONTRADICTED and found.why.startswith("2 of 4 also at p-values times 4: ")


def test_parts_by_numbers_and_classes_say_what_these_are():
    keys = {"method.alpha": 0.5, "batch_size": 64, "method.optimizer._target_": "fairrun.training.optim.SGD"}
    frame = pd.concat([runs({"erm": [1.0, 1.1, 1.2]}).assign(**keys, dataset=d) for d in "xy"])
    test = "value: test/x, of: {method: erm}, above: 0, margin: 1, each: "
    for each, names in (
        ("[method.alpha, batch_size]", ["erm with alpha 0.5, batch_size 64"]),
        ("[dataset, method.alpha]", ["erm on x, alpha 0.5", "erm on y, alpha 0.5"]),
        ("[method.optimizer._target_]", ["erm with SGD"]),
    ):
        found = verdict(test + each, frame if "dataset" in each else frame[frame["dataset"] == "x"])
        assert [part.name for part in found.parts or [found]] == names


def test_parts_of_several_values_say_of_which():
    frame = runs({"erm": [1.0, 1.1, 1.2]})
    one = "{{source: s, value: {}, of: {{method: erm}}, above: 0, margin: 1}}"
    text = PAPER.format(claim=f"tests: [{one.format('test/x')}, {one.format('val/x')}]")
    (found,) = judged(
        spec.parsed("p", text.replace("val/x", "val/y")), {"s": frame.rename(columns={"val/x": "val/y"})}
    ).values()
    assert [part.name for part in found.parts] == ["erm: x", "erm: y"]


def test_parts_of_several_sources_say_of_which():
    two = PAPER.replace("claims:", "  t: {{benchmark: b, protocol: honest}}\nclaims:")
    text = two.format(claim=f"tests: [{{source: s, {ABOVE}}}, {{source: t, {ABOVE}}}]")
    frame = runs({"erm": [1.0, 2.1, 3.2], "penalty": [0.0, 1.0, 2.0]})
    parts = judged(spec.parsed("p", text), {"s": frame, "t": frame})["c"].parts
    assert [part.name for part in parts] == ["erm against penalty (s)", "erm against penalty (t)"]


def test_claims_that_we_added_are_corrected_apart_from_those_of_the_paper():
    """p is .033, so that two such claims of one family do not stand after Holm's correction."""
    head = PAPER.partition("  c:")[0].format()
    frame = runs({"erm": [1.0, 2.1, 3.3, 4.0, 1.2], "penalty": [0.5, 1.7, 3.2, 3.9, 1.0]})
    wheres = {"a": "abstract", "b": '"ours: a question"', "c": "ours", "d": "tables of ours"}
    found = {}
    for names in ("ab", "ad", "bc"):
        text = head + "".join(
            f"  {n}: {{claim: C, where: {wheres[n]}, tests: [{{source: s, {ABOVE}}}]}}\n" for n in names
        )
        found[names] = [one.verdict for one in judged(spec.parsed("p", text), {"s": frame}).values()]
    assert found == {"ab": [Verdict.SHOWS] * 2, "ad": [Verdict.UNDECIDED] * 2, "bc": [Verdict.UNDECIDED] * 2}


def test_several_configurations_need_a_value_to_choose_by():
    """The setting with the best mean on validation rows counts, whatever its test rows say."""
    frame = pd.concat(
        [
            runs({"erm": [0.5, 0.5, 0.5]}).assign(**{"method.lam": 1.0}),
            runs({"erm": [0.4, 0.4, 0.4]}).assign(**{"method.lam": 2.0, "test/x": [0.9, 0.9, 0.9]}),
            runs({"penalty": [0.0, 0.1, 0.2]}).assign(**{"method.lam": 0.0}),
        ]
    )
    frame = frame.assign(**{"metric.name": "x", "metric.greater_is_better": True})
    said = "c: the runs are several configurations, which differ in method.lam: pick must name a value"
    with pytest.raises(InputError, match=said):
        verdict(ABOVE, frame)
    assert verdict(f"{ABOVE}, pick: val/x", frame).effect == pytest.approx(0.4)
    with pytest.raises(InputError, match=r"c: val/y is no column of s; did you mean val/x\?"):
        verdict(f"{ABOVE}, pick: val/y", frame)
    lower = frame.assign(**{"metric.greater_is_better": False})
    assert picked(lower[lower["method"] == "erm"], "val/x")["method.lam"].unique().tolist() == [2.0]


def test_a_trend_is_a_correlation_in_each_seed():
    frame = pd.concat([runs({"erm": [k, k + 0.5, k * 2]}).assign(**{"method.lam": float(k)}) for k in (1, 2, 3)])
    found = verdict("value: test/x, of: {method: erm}, trend: method.lam, above: 0, margin: 0.1", frame)
    assert (found.verdict, found.effect, found.seeds) == (Verdict.SHOWS, 1.0, 3)


def test_a_seed_whose_value_never_moves_has_no_trend():
    """The correlations are 1, 1, 1 and 0, and not three of 1; a run that failed is no value."""
    frame = pd.concat([runs({"erm": [k, k, k, 5.0]}).assign(**{"method.lam": k}) for k in (1.0, 2.0, 3.0)])
    test = "value: test/x, of: {method: erm}, trend: method.lam, above: 0, margin: 0.1"
    found = verdict(test, frame)
    assert (found.effect, found.seeds) == (0.75, 4)
    failed = frame.assign(status=frame["status"].where(frame["seed"] < 3, "failed"))
    assert verdict(test, failed).why == "3 of 4 seeds have a value: at least 80% are needed"


def test_a_data_set_whose_runs_all_failed_is_told():
    """Its part cannot be tested; the claim does not show by the other data set alone."""
    frame = pd.concat(
        [
            runs({"erm": [1.0, 2.1, 3.2], "penalty": [0.0, 1.0, 2.0]}, dataset="x"),
            runs({"erm": [1.0, 2.1, 3.2], "penalty": [0.0, 1.0, 2.0]}, dataset="y").assign(status="failed"),
        ]
    )
    found = verdict(ABOVE.replace("margin", "each: [dataset], margin"), frame)
    assert [part.verdict for part in found.parts] == [Verdict.SHOWS, Verdict.UNTESTED]
    assert found.verdict is Verdict.UNTESTED


def test_what_is_measured_of_an_invariant_is_its_worst_run():
    frame = runs({"erm": [0.5, 1.0, 1.0]})
    for bound, measured, asked in (("above", 0.5, "at least 1"), ("below", 1.0, "at most 1")):
        found = verdict(f"value: test/x, of: {{method: erm}}, {bound}: 1, always: true", frame)
        assert (found.measured, found.asked) == (measured, f"{asked} in every run")
        assert found.effect == (found.measured - 1 if bound == "above" else 1 - found.measured)


def test_an_invariant_of_a_difference_is_paired_by_seed():
    a, b = runs({"erm": [0.0, 1.0, 2.0]}), runs({"penalty": [0.0, 1.0, 2.0]})
    test = "value: test/x, of: {method: erm}, minus: {method: penalty}, above: 0, always: true"
    assert verdict(test, pd.concat([a, b.iloc[::-1]])).verdict is Verdict.SHOWS


def test_a_constant_prediction_is_not_fair():
    """Most runs of a decide for one label: their difference of 0 shows nothing."""
    frame = runs({"erm": [0.0, 0.0, 0.001], "penalty": [0.2, 0.3, 0.25]})
    known = frame.assign(**{"val/balanced_accuracy": 0.8, "val/selection_rate": 0.4})
    test = ABOVE.replace("above: 0", "below: 0")
    assert verdict(test, known).verdict is Verdict.SHOWS
    constant = known.assign(
        **{"val/balanced_accuracy": known["val/balanced_accuracy"].where(known["method"] == "penalty", 0.5)}
    )
    found = verdict(test, constant)
    assert (found.verdict, found.why) == (Verdict.UNDECIDED, "3 of 3 runs of erm are degenerate")
    other = verdict(
        test.replace("{method: erm}, minus: {method: penalty}", "{method: penalty}, minus: {method: erm}"), constant
    )
    assert other.why == "3 of 3 runs of erm are degenerate"


def test_what_stored_frames_lack_is_not_measured_yet():
    """A source, a value or a key that no earlier version asked for; without a remedy it is a mistake in the file."""
    frame = runs({"erm": [1.0, 2.0, 3.0], "penalty": [0.0, 1.0, 2.0]})
    for test in (ABOVE, ABOVE.replace("test/x", "test/y"), ABOVE.replace("{method: erm}", "{method.lam: 1}")):
        paper = spec.parsed("p", PAPER.format(claim=f"tests: [{{source: s, {test}}}]"))
        for frames in ({}, {"s": frame}):
            known = frames and test == ABOVE
            found = judged(paper, frames, "R")["c"]
            assert (found.verdict is Verdict.UNMEASURED and found.why == "R") != known
    with pytest.raises(InputError, match=r"method\.lam is no column of the runs"):
        judged(paper, frames)


def test_runs_that_are_not_there_cannot_be_tested():
    assert verdict(ABOVE, runs({"erm": [1.0, 2.0, 3.0]})).verdict is Verdict.UNTESTED
    failed = runs({"erm": [1.0, 2.1, 3.2], "penalty": [0.0, 1.0, 2.0]}).assign(status="failed")
    assert verdict(ABOVE, failed).verdict is Verdict.UNTESTED


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (ABOVE.replace("test/x", "test/y"), r"c: test/y is no column of s; did you mean test/x\?"),
        (ABOVE.replace("{method: erm}", "{methd: erm}"), r"c: methd is no column of the runs; did you mean method\?"),
        (
            ABOVE.replace("margin", "each: [datset], margin"),
            r"c: each=datset is no column of s; did you mean dataset\?",
        ),
    ],
)
def test_what_runs_do_not_have_is_named(test, message):
    with pytest.raises(InputError, match=message):
        verdict(test, runs({"erm": [1.0, 2.0, 3.0]}))


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ("tests: []", "tests must be given, or else untestable"),
        ("tests: [{source: t, value: v, of: {}, above: 0, margin: 1}]", "source 't' is not there"),
        ("tests: [{source: s, value: v, of: {}, above: 0}]", "margin must be the smallest effect that would matter"),
        ("tests: [{source: s, value: v, of: {}, margin: 1}]", "a test must be one of above, below, within"),
        ("tests: [{source: s, value: v, of: {}, abov: 0}]", r"tests\[0\].abov is no key: did you mean .*above\?"),
        ("tests: [{source: s, of: {}, above: 0}]", r"tests\[0\].value must be given"),
        ("tests: [{source: s, value: v, of: {}, above: 0, margin: abc}]", "margin must be a number or null, got 'abc'"),
        (
            "tests: [{source: s, value: v, of: {method: irx}, above: 0, margin: 1}]",
            r"'irx' is no method; did you mean irw\?",
        ),
        (
            "tests: [{source: s, value: v, of: {}, times: 2, above: 0, margin: 1}]",
            "times must be 1, or minus given, got 2",
        ),
        (
            "tests: [{source: s, value: v, of: {}, within: 1, always: true}]",
            "always must be false with within, got True",
        ),
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
                assert (CONF / "benchmark" / f"{word.partition('=')[2]}.yaml").exists()


@pytest.mark.parametrize("name", spec.names())
def test_a_quick_paper_takes_less_than_ten_minutes(name):
    sources = spec.read(name).sources.values()
    assert sum(source.minutes.get("quick", 0) for source in sources if "quick" in source.budgets) < 10


def test_the_front_of_each_seed_is_measured_by_the_labels_of_its_own_split():
    """Half of the rows have label 1 in every seed, of 10, 12 and 14 test rows in a group: .8 - .5 by 1 - the spread."""
    name = "demographic_parity_difference"
    rows = [
        {"method": method, "seed": seed, "status": "finished", "dataset": "d", "metric.name": name}
        | {"metric.greater_is_better": False, "base_rates.test": [[10 + 2 * seed, 5 + seed]] * 2}
        | {f"{split}/{metric}": value for split in ("val", "test") for metric, value in (("accuracy", 0.8), (name, dp))}
        for method, dp in (("erm", 0.5), ("penalty", 0.1))
        for seed in range(3)
    ]
    frame = pd.DataFrame(rows)
    test = "value: front/hypervolume, of: {method: penalty}, minus: {method: erm}, above: 0, margin: 0.01"
    assert verdict(test, frame).effect == pytest.approx(0.3 * 0.9 - 0.3 * 0.5)
