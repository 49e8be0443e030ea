"""Verdicts on effects over seeds."""

import numpy as np
import pytest
from scipy import stats

from fairrun.analysis.verdict import Found, Verdict, above, all_of, always, any_of, corrected, trend, within

CLEAR = np.array([0.10, 0.11, 0.12, 0.10, 0.11])
TINY = np.array([0.001, -0.001, 0.0005, -0.0005, 0.0])
WIDE = np.array([0.3, -0.3, 0.2, -0.1, 0.1])


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        (CLEAR, Verdict.SHOWS),
        (-CLEAR, Verdict.CONTRADICTED),
        (TINY, Verdict.NOT),
        (WIDE, Verdict.UNDECIDED),
        (CLEAR[:2], Verdict.UNTESTED),
        (np.array([np.nan, np.nan, 0.1, 0.2]), Verdict.UNTESTED),
        (np.full(4, 0.2), Verdict.UNDECIDED),
        (np.array([0.1, 0.11, 0.12, 0.1, np.nan]), Verdict.SHOWS),
        (np.array([0.1, 0.11, 0.12, np.nan, np.nan]), Verdict.UNTESTED),
        (np.array([0.1, 0.11, np.inf]), Verdict.UNTESTED),
    ],
)
def test_an_effect_is_judged_by_its_interval_and_the_margin(values, verdict):
    found = above("x", values, margin=0.05)
    assert found.verdict is verdict
    if verdict is not Verdict.UNTESTED:
        known = values[~np.isnan(values)]
        assert found.effect == pytest.approx(known.mean())
        ends = stats.ttest_1samp(known, 0).confidence_interval(0.95) if np.ptp(known) else (known[0], known[0])
        assert (found.low, found.high) == pytest.approx(tuple(ends))
        assert found.p == pytest.approx(stats.ttest_1samp(known, 0).pvalue if np.ptp(known) else 1.0)


def test_a_difference_that_does_not_show_is_no_equivalence():
    """A wide interval around 0 shows no difference, and no equivalence either."""
    assert above("x", WIDE, margin=0.05).verdict is Verdict.UNDECIDED
    assert within("x", WIDE, margin=0.05).verdict is Verdict.UNDECIDED
    assert within("x", TINY, margin=0.05).verdict is Verdict.SHOWS
    assert within("x", CLEAR, margin=0.05).verdict is Verdict.CONTRADICTED
    assert within("x", CLEAR, margin=0.5).verdict is Verdict.SHOWS
    beyond = np.array([0.013, 0.017, 0.015, 0.010, 0.020])
    assert within("x", beyond, margin=0.012).p > 0.5  # the mean is beyond the margin
    assert within("x", TINY, margin=0.05).p == pytest.approx(
        max(
            stats.ttest_1samp(TINY, 0.05, alternative="less").pvalue,
            stats.ttest_1samp(TINY, -0.05, alternative="greater").pvalue,
        )
    )


def test_a_trend_of_few_settings_and_seeds_may_be_chance():
    """Page's statistic of n seeds whose correlation is 1, k settings: sqrt(n (k - 1))."""
    assert trend("x", np.ones(3), settings=2, margin=0.3).verdict is Verdict.UNDECIDED
    found = trend("x", np.ones(3), settings=3, margin=0.3)
    assert (found.verdict, found.p) == (Verdict.SHOWS, pytest.approx(2 * stats.norm.sf(6**0.5)))
    assert trend("x", -np.ones(3), settings=5, margin=0.3).verdict is Verdict.CONTRADICTED
    none = np.tile([0.1, -0.1], 10)  # no trend, so surely that one of the margin is excluded
    assert trend("x", none, settings=5, margin=0.3).verdict is Verdict.NOT
    assert all_of("x", [trend("x", none, settings=5, margin=0.3)] * 2).verdict is Verdict.NOT
    spread = trend("x", np.array([1.0, 0.9, -0.2]), settings=11, margin=0.3)
    assert (spread.verdict, spread.why) == (Verdict.UNDECIDED, "the interval contains 0")
    missing = trend("x", np.array([0.5, -0.5, 0.5, -0.5, np.nan]), settings=3, margin=0.3)
    assert missing.why == "4 seeds of 3 settings may agree by chance; 4 of 5 seeds have a value"


def test_the_number_of_seeds_that_would_decide_decides():
    """With so many values of the same mean and spread the interval excludes 0."""
    values = np.array([0.3, -0.1, 0.2, 0.0, 0.25])
    found = above("x", values, margin=0.01)
    assert found.verdict is Verdict.UNDECIDED
    ends = []
    for number in (found.needed - 1, found.needed):
        more = np.tile(values, 40)[:number]
        scaled = values.mean() + (more - more.mean()) * values.std(ddof=1) / more.std(ddof=1)
        ends.append(above("x", scaled, margin=0.01).low)
    assert found.needed > 6 and ends[0] <= 0 < ends[1] and f"at least {found.needed} seeds" in found.why


def test_an_invariant_is_contradicted_by_one_run():
    assert always("x", np.array([0.0, 0.5])).verdict is Verdict.SHOWS
    broken = always("x", np.array([0.5, -0.01, np.nan]))
    assert (broken.verdict, broken.why) == (Verdict.CONTRADICTED, "1 of 2 runs break it; 1 run without a value")
    one = always("x", np.array([0.5, np.nan]))
    assert (one.verdict, one.why) == (Verdict.UNDECIDED, "it holds in the only run; 1 run without a value")
    assert always("x", np.array([np.nan])).verdict is Verdict.UNTESTED


def of(verdict, p=0.001):
    return Found(str(verdict), verdict, p=p, excluded=p if verdict in (NOT, AGAINST) else float("nan"))


SHOWS, NOT, AGAINST, OPEN, UNTESTED, _ = Verdict


@pytest.mark.parametrize(
    ("parts", "every", "some"),
    [
        ([of(SHOWS), of(SHOWS)], SHOWS, SHOWS),
        ([of(SHOWS), of(NOT)], NOT, SHOWS),
        ([of(SHOWS), of(AGAINST)], AGAINST, SHOWS),
        ([of(SHOWS), of(AGAINST, 0.04)], OPEN, SHOWS),
        ([of(SHOWS), of(NOT, 0.04)], OPEN, SHOWS),
        ([of(AGAINST), of(UNTESTED, float("nan"))], AGAINST, OPEN),
        ([of(SHOWS, 0.04), of(OPEN)], OPEN, OPEN),
        ([of(NOT), of(AGAINST)], AGAINST, NOT),
        ([of(AGAINST), of(AGAINST)], AGAINST, NOT),  # it may hold where it was not tested
        ([of(AGAINST)], AGAINST, NOT),
        ([of(SHOWS)], SHOWS, SHOWS),
        ([of(NOT), of(OPEN)], NOT, OPEN),
        ([of(NOT, 0.024), of(NOT, 0.02), of(AGAINST, 0.024)], NOT, NOT),
        ([of(SHOWS), of(UNTESTED, float("nan"))], UNTESTED, SHOWS),
        ([of(UNTESTED), of(UNTESTED)], UNTESTED, UNTESTED),
        ([of(SHOWS), of(AGAINST, float("nan"))], AGAINST, SHOWS),
    ],
)
def test_parts_make_a_claim(parts, every, some):
    assert all_of("all", parts).verdict is every
    assert any_of("any", parts).verdict is some


def test_a_claim_says_which_parts_decide_and_of_one_part_what_it_is_of():
    """Invariants have no p-values."""
    parts = [of(SHOWS), of(AGAINST), of(AGAINST, 0.04)]
    assert all_of("all", parts).why == "1 of 3 also at p-values times 3: contradicted"
    assert any_of("any", parts).why == "1 of 3 also at p-values times 3: shows"
    broken = [always("x", np.array([-1.0])), always("y", np.array([1.0]))]
    assert (all_of("all", broken).why, any_of("any", broken).why) == ("1 of 2: x", "1 of 2: y")
    assert all_of("all", parts[:1]) == any_of("any", parts[:1]) == parts[0]


def test_holm_takes_back_what_many_claims_give_by_chance():
    """p of .01, .02, .04 of three claims: .03, .04 and .04 after the correction; of .04, .04, .04: .12."""
    kept = corrected([of(SHOWS, p) for p in (0.01, 0.02, 0.04)])
    assert [found.verdict for found in kept] == [SHOWS] * 3
    lost = corrected([of(SHOWS, 0.04), of(AGAINST, 0.04), of(NOT, 0.04), of(SHOWS, float("nan"))])
    assert [found.verdict for found in lost] == [
        OPEN,
        OPEN,
        NOT,
        SHOWS,
    ]  # an effect that matters is not excluded at .04
    assert [found.alone for found in (*kept, *lost)] == [None] * 3 + [SHOWS, AGAINST, None, None]
    far = Found("far", AGAINST, p=0.04, excluded=0.001)
    assert (corrected([far, of(OPEN, 0.5)])[0].verdict, corrected([far, of(OPEN, 0.5)])[0].alone) == (NOT, AGAINST)
    invariant = always("x", np.array([-1.0]))
    assert corrected([invariant, all_of("all", [invariant, of(OPEN, 0.9)])])[1].verdict is AGAINST
    several = all_of("all", [of(OPEN, 0.3), of(OPEN, 0.4)])
    assert corrected([of(SHOWS, 0.03), several])[0].verdict is OPEN  # a claim of parts counts like any other
    assert "after Holm's correction for 3 claims" in lost[0].why


def test_an_undecided_claim_says_how_many_seeds_its_hardest_part_needs():
    """An effect of .1 is further from the margin of .5 than one of .2."""
    values = np.array([-1.0, 0.0, 1.0])
    first, second = above("a", values + 0.1, 0.5), above("b", values + 0.2, 0.5)
    assert first.needed < second.needed
    for whole in (all_of("all", [first, second]), any_of("any", [second, first])):
        assert whole.why.endswith(f"; at least {second.needed} seeds are needed to decide")
    assert above("c", values * 99 + 0.2, 0.5).why == "more than 1000 seeds are needed to decide"
