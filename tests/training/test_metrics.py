"""Metrics against fairlearn and scikit-learn, by hand, and in general."""

import numpy as np
import pytest
import torch
from fairlearn import metrics as fairlearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from fairrun.config.metrics import GROUP_METRICS, METRICS
from fairrun.data.table import Table
from fairrun.training.evaluation import evaluate, evaluate_tasks
from fairrun.training.metrics import accuracy, selection_rate
from fairrun.training.outcome import matched, outcome, outcome_of_classes
from fairrun.training.tables import ROWS_MULTIPLE

NAMES = {
    "accuracy",
    "balanced_accuracy",
    "roc_auc",
    "log_loss",
    "loss_variance",
    "worst_tenth_loss",
    "worst_group_log_loss",
    "selection_rate",
    "expected_calibration_error",
    "demographic_parity_difference",
    "soft_demographic_parity_difference",
    "equal_opportunity_difference",
    "false_positive_rate_difference",
    "equalized_odds_difference",
    "average_equalized_odds_difference",
    "accuracy_difference",
    "total_accuracy_deviation",
    "worst_group_accuracy",
    "balanced_accuracy_difference",
    "worst_group_balanced_accuracy",
}
GROUP_NAMES = {
    "accuracy",
    "log_loss",
    "balanced_accuracy",
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "expected_calibration_error",
}
DIFFERENCES = sorted(name for name in NAMES if name.endswith("_difference"))
CASES = [(2, 0), (5, 1)]  # number of groups, seed


def evaluated(logits, y, s, num_groups):
    """Every metric of ``logits`` [R, M] or [R, M, C], as arrays [R]."""
    y, s = torch.tensor(y, dtype=torch.float64), torch.tensor(s, dtype=torch.int64)
    table = Table(torch.zeros(len(y), 1), y, s)
    made = outcome if logits.ndim == 2 else outcome_of_classes
    return {name: v.numpy() for name, v in evaluate(made(torch.as_tensor(logits), table, num_groups)).items()}


def of_one_run(logits, y, s, num_groups):
    """Every metric of one run's ``logits`` [N], as numbers."""
    logits = torch.tensor([logits], dtype=torch.float64)
    return {name: v.item() for name, v in evaluated(logits, y, s, num_groups).items()}


def of_scores(p, y, s, num_groups):
    return of_one_run(torch.logit(torch.tensor(p, dtype=torch.float64)).tolist(), y, s, num_groups)


def random_case(num_groups, seed, num_rows=250, num_runs=3):
    """Logits [R, N] with many ties, labels and groups; every group has both classes."""
    rng = np.random.default_rng([num_groups, seed])
    s = rng.choice(num_groups, num_rows, p=np.arange(1, num_groups + 1) / sum(range(1, num_groups + 1)))
    y = (rng.random(num_rows) < 0.3 + 0.4 * s / num_groups).astype(float)
    s[: 2 * num_groups], y[: 2 * num_groups] = np.repeat(np.arange(num_groups), 2), np.tile([0.0, 1.0], num_groups)
    return np.round(rng.normal(y + 0.3 * s - 0.8, 1.5, (num_runs, num_rows)), 1), y, s


@st.composite
def cases(draw, max_groups=4):
    """(logits [1, N], y, s, number of groups), degenerate ones too."""
    num_groups = draw(st.integers(1, max_groups))
    logit = st.one_of(st.sampled_from([-40.0, -1.0, 0.0, 0.5, 40.0]), st.integers(-6000, 6000).map(lambda k: k / 100))
    row = st.tuples(logit, st.sampled_from([0.0, 1.0]), st.integers(0, num_groups - 1))
    logits, y, s = zip(*draw(st.lists(row, min_size=1, max_size=25)), strict=True)
    return np.array([logits]), np.array(y), np.array(s), num_groups


# Oracles


@pytest.mark.parametrize(("num_groups", "seed"), CASES)
@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("accuracy", lambda y, z: sklearn.accuracy_score(y, z > 0)),
        ("balanced_accuracy", lambda y, z: sklearn.balanced_accuracy_score(y, z > 0)),
        ("roc_auc", sklearn.roc_auc_score),
        ("log_loss", lambda y, z: sklearn.log_loss(y, 1 / (1 + np.exp(-z)))),
        ("loss_variance", lambda y, z: np.var(np.logaddexp(0, z) - y * z, ddof=1)),
        ("worst_tenth_loss", lambda y, z: np.sort(np.logaddexp(0, z) - y * z)[-25:].mean()),  # of 250 rows
        ("selection_rate", lambda y, z: fairlearn.selection_rate(y, z > 0)),
    ],
)
def test_a_metric_of_accuracy_is_that_of_scikit_learn(name, of, num_groups, seed):
    logits, y, s = random_case(num_groups, seed)
    expected = [of(y, z) for z in logits]
    np.testing.assert_allclose(evaluated(logits, y, s, num_groups)[name], expected, rtol=1e-12)


@pytest.mark.parametrize(("num_groups", "seed"), CASES)
@pytest.mark.parametrize(
    ("name", "of", "options"),
    [
        ("demographic_parity_difference", fairlearn.demographic_parity_difference, {}),
        ("equal_opportunity_difference", fairlearn.equal_opportunity_difference, {}),
        ("equalized_odds_difference", fairlearn.equalized_odds_difference, {"agg": "worst_case"}),
        ("average_equalized_odds_difference", fairlearn.equalized_odds_difference, {"agg": "mean"}),
    ],
)
def test_a_difference_is_that_of_fairlearn(name, of, options, num_groups, seed):
    logits, y, s = random_case(num_groups, seed)
    expected = [of(y, (z > 0).astype(float), sensitive_features=s, **options) for z in logits]
    np.testing.assert_allclose(evaluated(logits, y, s, num_groups)[name], expected, rtol=0, atol=1e-12)


def frames(logits, y, s, metric):
    """fairlearn's MetricFrame of every run."""
    decisions = (logits > 0).astype(float)
    return [fairlearn.MetricFrame(metrics=metric, y_true=y, y_pred=d, sensitive_features=s) for d in decisions]


@pytest.mark.parametrize(("num_groups", "seed"), CASES)
@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("accuracy", sklearn.accuracy_score),
        ("balanced_accuracy", sklearn.balanced_accuracy_score),
        ("selection_rate", fairlearn.selection_rate),
        ("true_positive_rate", fairlearn.true_positive_rate),
        ("false_positive_rate", fairlearn.false_positive_rate),
    ],
)
def test_a_metric_by_group_is_that_of_a_metric_frame(name, metric, num_groups, seed):
    logits, y, s = random_case(num_groups, seed)
    values = evaluated(logits, y, s, num_groups)
    ours = np.stack([values[f"{name}/s={g}"] for g in range(num_groups)], axis=1)
    expected = [frame.by_group.sort_index().to_numpy() for frame in frames(logits, y, s, metric)]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("num_groups", "seed"), CASES)
@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("accuracy_difference", sklearn.accuracy_score),
        ("balanced_accuracy_difference", sklearn.balanced_accuracy_score),
        ("false_positive_rate_difference", fairlearn.false_positive_rate),
    ],
)
def test_a_difference_without_a_function_in_fairlearn_is_that_of_a_metric_frame(name, metric, num_groups, seed):
    logits, y, s = random_case(num_groups, seed)
    expected = [frame.difference(method="between_groups") for frame in frames(logits, y, s, metric)]
    np.testing.assert_allclose(evaluated(logits, y, s, num_groups)[name], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("num_groups", "seed"), CASES)
@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("worst_group_accuracy", sklearn.accuracy_score),
        ("worst_group_balanced_accuracy", sklearn.balanced_accuracy_score),
    ],
)
def test_the_worst_group_is_the_minimum_of_a_metric_frame(name, metric, num_groups, seed):
    logits, y, s = random_case(num_groups, seed)
    expected = [frame.group_min() for frame in frames(logits, y, s, metric)]
    ours = evaluated(logits, y, s, num_groups)[name]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), st.sampled_from([0.0, 1.0])), min_size=2, max_size=20
    ).filter(lambda rows: len({y for _, y in rows}) == 2)
)
def test_the_area_under_the_curve_counts_ties_as_half(rows):
    logits, y = zip(*rows, strict=True)
    ours = of_one_run(logits, y, [0] * len(y), 1)["roc_auc"]
    assert ours == pytest.approx(sklearn.roc_auc_score(y, logits), abs=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_area_under_the_curve_of_decisions_is_balanced_accuracy(seed):
    """What some papers report as AUC, over all rows and by group."""
    logits, y, s = random_case(4, seed)
    values = evaluated(logits, y, s, 4)
    for r, decisions in enumerate((logits > 0).astype(float)):
        assert values["balanced_accuracy"][r] == pytest.approx(sklearn.roc_auc_score(y, decisions))
        for g in range(4):
            expected = sklearn.roc_auc_score(y[s == g], decisions[s == g])
            assert values[f"balanced_accuracy/s={g}"][r] == pytest.approx(expected)


# By hand


def test_the_area_under_the_curve_of_four_rows():
    """Positive scores 1, 2; negative scores 1, 0: of four pairs three are in order and one is tied, 3.5 / 4."""
    assert of_one_run([1.0, 2.0, 1.0, 0.0], [1, 1, 0, 0], [0, 0, 1, 1], 2)["roc_auc"] == 0.875


def test_soft_demographic_parity_is_the_spread_of_mean_scores():
    """Mean scores: group 0 (.2 + .4) / 2 = .3, group 1 .9, group 2 (.5 + .6 + .1) / 3 = .4; spread .6."""
    values = of_scores([0.2, 0.9, 0.5, 0.4, 0.6, 0.1], [0, 1, 0, 1, 0, 1], [0, 1, 2, 0, 2, 2], 3)
    assert values["soft_demographic_parity_difference"] == pytest.approx(0.6, abs=1e-12)


CALIBRATION = ([0.05, 0.5, 0.06, 0.95], [0, 1, 1, 0], [0, 1, 0, 1])  # p, y, s


def test_the_expected_calibration_error_of_four_rows():
    """Bins of width 1/15: .05 and .06 share the first, |0 + 1 - .05 - .06| = .89; .5 is alone, |1 - .5| = .5; .95 is in
    the last, |0 - .95| = .95.  (.89 + .5 + .95) / 4 = .585.
    """
    assert of_scores(*CALIBRATION, 2)["expected_calibration_error"] == pytest.approx(0.585, abs=1e-12)


def test_the_expected_calibration_error_of_a_group_is_of_its_rows_only():
    """As above: group 0 has the rows of the first bin, .89 / 2 = .445; group 1 the others, (.5 + .95) / 2 = .725."""
    values = of_scores(*CALIBRATION, 2)
    assert values["expected_calibration_error/s=0"] == pytest.approx(0.445, abs=1e-12)
    assert values["expected_calibration_error/s=1"] == pytest.approx(0.725, abs=1e-12)


def test_the_bins_of_the_calibration_error_have_width_one_fifteenth():
    """.065 and .068 lie on either side of 1/15 = .0667, so in two bins: (|0 - .065| + |1 - .068|) / 2 = .4985."""
    value = of_scores([0.065, 0.068], [0, 1], [0, 0], 1)["expected_calibration_error"]
    assert value == pytest.approx(0.4985, abs=1e-12)


def test_groups_can_be_miscalibrated_where_all_rows_together_are_not():
    """Scores are .5, labels 0 and 1: the bin's mean label is its mean score, each group's is off by .5."""
    values = of_scores([0.5, 0.5], [0, 1], [0, 1], 2)
    assert values["expected_calibration_error"] == 0
    assert values["expected_calibration_error/s=0"] == values["expected_calibration_error/s=1"] == 0.5


def test_a_score_of_one_is_in_the_last_bin():
    """Scores 1 (label 0) and .95 (label 1) share a bin, |-1 + .05| / 2 = .475; in two bins it would be .525."""
    logits = [40.0, torch.logit(torch.tensor(0.95, dtype=torch.float64)).item()]
    assert of_one_run(logits, [0, 1], [0, 0], 1)["expected_calibration_error"] == pytest.approx(0.475, abs=1e-12)


def test_the_worst_tenth_of_eleven_rows_are_two_and_of_ten_rows_one():
    """Losses log 2 of a logit of 0, log(1 + e) and log(1 + e^2) of 1 and 2; of ties as many count as are needed."""
    for logits, expected in (
        ([1.0, 2.0, *[0.0] * 9], np.log1p(np.exp([1, 2])).mean()),
        ([1.0, *[0.0] * 10], (np.log1p(np.e) + np.log(2)) / 2),
        ([1.0, 1.0, 1.0, *[0.0] * 8], np.log1p(np.e)),
        ([1.0, 2.0, *[0.0] * 8], np.log1p(np.exp(2))),
        ([2.0], np.log1p(np.exp(2))),
    ):
        zeros = [0] * len(logits)
        assert of_one_run(logits, zeros, zeros, 1)["worst_tenth_loss"] == pytest.approx(expected, rel=1e-12)


@settings(deadline=None, max_examples=25)
@given(cases())
def test_the_worst_tenth_has_at_least_the_loss_of_any_group_of_a_tenth_of_the_rows(case):
    logits, y, s, num_groups = case
    losses = np.logaddexp(0, logits[0]) - y * logits[0]
    for g in range(num_groups):
        if (s == g).sum() >= 0.1 * len(y):
            assert evaluated(*case)["worst_tenth_loss"][0] >= losses[s == g].mean() - 1e-12


def test_a_score_of_one_half_is_decided_0():
    assert of_one_run([0.0, 1e-9], [1, 1], [0, 0], 1)["selection_rate"] == 0.5


def test_log_loss_stays_finite_where_the_score_is_certain_and_wrong():
    """-ln sigmoid(-1000) = 1000; the other row's loss is 0."""
    assert of_one_run([1000.0, 1000.0], [0, 1], [0, 0], 1)["log_loss"] == 500


def test_balanced_accuracy_weighs_the_classes_alike():
    """Of three positives one is found, 1/3; the one negative is found, 1; the mean is 2/3."""
    values = of_one_run([1.0, -1.0, -1.0, -1.0], [1, 1, 1, 0], [0, 0, 0, 0], 1)
    assert values["balanced_accuracy"] == pytest.approx(2 / 3, abs=1e-12)


# Degenerate splits


def test_a_group_absent_from_the_split_is_left_out():
    logits, y, s = random_case(3, 0)
    kept = s != 1
    logits, y, s = logits[:, kept], y[kept], s[kept]
    with_absent = evaluated(logits, y, s, 3)
    without = evaluated(logits, y, (s == 2).astype(int), 2)
    for name in NAMES:
        np.testing.assert_array_equal(with_absent[name], without[name], err_msg=name)


def test_a_metric_of_an_absent_group_is_nan():
    logits, y, s = random_case(2, 0)
    values = evaluated(logits, y, 2 * s, 3)
    assert [name for name in GROUP_NAMES if not np.isnan(values[f"{name}/s=1"]).all()] == []


def test_a_group_without_positives_is_left_out_of_the_spread_of_true_positive_rates():
    """Of groups 0, 1, 2 the true positive rates are 1/2, 1 and none, the false positive rates 0, 0 and 1."""
    y, s = [1, 1, 0, 1, 0, 0], [0, 0, 0, 1, 1, 2]
    values = of_one_run([1.0, -1.0, -1.0, 1.0, -1.0, 1.0], y, s, 3)
    assert np.isnan(values["true_positive_rate/s=2"])
    assert values["equal_opportunity_difference"] == 0.5
    assert values["false_positive_rate_difference"] == 1


def test_a_group_without_negatives_is_left_out_of_the_spread_of_false_positive_rates():
    """Of groups 0, 1, 2 the false positive rates are 0, 1/2 and none: spread 1/2."""
    values = of_one_run([-1.0, 1.0, 1.0, -1.0, 1.0], [0, 1, 0, 0, 1], [0, 0, 1, 1, 2], 3)
    assert np.isnan(values["false_positive_rate/s=2"])
    assert values["false_positive_rate_difference"] == 0.5


def test_a_group_with_one_class_has_no_balanced_accuracy():
    """Group 0 finds 1 of 2 positives and its negative, 3/4; group 1 neither of its rows, 0; group 2 has no negative."""
    y, s = [1, 1, 0, 1, 0, 1], [0, 0, 0, 1, 1, 2]
    values = of_one_run([1.0, -1.0, -1.0, -1.0, 1.0, 1.0], y, s, 3)
    assert np.isnan(values["balanced_accuracy/s=2"])
    assert values["balanced_accuracy_difference"] == 0.75
    assert values["worst_group_balanced_accuracy"] == 0


def test_differences_are_nan_where_no_group_has_a_row_to_count():
    values = of_one_run([1.0, -1.0], [0, 0], [0, 1], 2)
    nan = {name for name in NAMES if np.isnan(values[name])}
    assert nan == {
        "balanced_accuracy",
        "roc_auc",
        "equal_opportunity_difference",
        "equalized_odds_difference",
        "average_equalized_odds_difference",
        "balanced_accuracy_difference",
        "worst_group_balanced_accuracy",
    }


@pytest.mark.parametrize("label", [0, 1])
def test_the_area_under_the_curve_is_nan_with_one_class(label):
    assert np.isnan(of_one_run([1.0, -1.0, 0.0], [label] * 3, [0, 1, 1], 2)["roc_auc"])


def test_a_difference_is_0_with_one_group():
    logits, y, s = random_case(3, 0)
    values = evaluated(logits, y, np.zeros_like(s), 1)
    assert [name for name in DIFFERENCES if (values[name] != 0).any()] == []


# In general


@settings(deadline=None, max_examples=40)
@given(cases())
def test_every_value_is_in_its_range_or_nan(case):
    for name, (value,) in evaluated(*case).items():
        unbounded = (
            "log_loss",
            "loss_variance",
            "worst_tenth_loss",
            "worst_group_log_loss",
            "total_accuracy_deviation",
        )
        highest = np.inf if name.partition("/")[0] in unbounded else 1 + 1e-12
        assert np.isnan(value) or 0 <= value <= highest, name


@settings(deadline=None, max_examples=25)
@given(cases(), st.randoms(use_true_random=False))
def test_metrics_do_not_depend_on_how_groups_are_numbered(case, random):
    logits, y, s, num_groups = case
    number = random.sample(range(num_groups), num_groups)
    before, after = evaluated(*case), evaluated(logits, y, np.array(number)[s], num_groups)
    for name in NAMES:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    for name in GROUP_NAMES:
        for g in range(num_groups):
            np.testing.assert_array_equal(after[f"{name}/s={number[g]}"], before[f"{name}/s={g}"], err_msg=name)


@settings(deadline=None, max_examples=25)
@given(cases(), st.randoms(use_true_random=False))
def test_metrics_do_not_depend_on_the_order_of_rows(case, random):
    logits, y, s, num_groups = case
    order = random.sample(range(len(y)), len(y))
    before, after = evaluated(*case), evaluated(logits[:, order], y[order], s[order], num_groups)
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-12, atol=1e-12, err_msg=name)


@settings(deadline=None, max_examples=25)
@given(cases(max_groups=1), st.integers(2, 5))
def test_differences_are_0_under_parity(case, num_groups):
    """Every group has the same rows, among them one of each class."""
    logits, y, _, _ = case
    logits, y = np.append(logits, [[-1.0, 2.0]], axis=1), np.append(y, [0.0, 1.0])
    s = np.repeat(np.arange(num_groups), len(y))
    values = evaluated(np.tile(logits, num_groups), np.tile(y, num_groups), s, num_groups)
    for name in DIFFERENCES:
        assert values[name] == pytest.approx(0, abs=1e-14), name  # a mean score may round differently in each group


def padded_case(dtype, seed=0, num_rows=53):
    """Logits [3, M] as the loop gives them: 53 rows, padded."""
    logits, y, s = random_case(3, seed, num_rows)
    noise = np.random.default_rng(seed).normal(0, 1, (3, num_rows + -num_rows % ROWS_MULTIPLE))
    noise[:, :num_rows] += logits
    return torch.tensor(noise, dtype=dtype), y, s


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_run_has_bitwise_the_same_metrics_in_any_stack(dtype):
    logits, y, s = padded_case(dtype)
    stack = evaluated(logits, y, s, 3)
    for runs in ([0], [1], [2], [2, 0], [2, 0, 1], [1, 1, 1, 1, 1]):
        others = evaluated(logits[runs].clone(), y, s, 3)
        for name, value in stack.items():
            np.testing.assert_array_equal(others[name], value[runs], err_msg=name)


def test_padding_columns_have_no_effect():
    logits, y, s = padded_case(torch.float64)
    other = logits.clone()
    other[:, len(y) :] = torch.tensor([torch.nan, torch.inf, -1e9]).repeat(logits.shape[1])[: logits.shape[1] - len(y)]
    before, after = evaluated(logits, y, s, 3), evaluated(other, y, s, 3)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


def test_metrics_are_the_same_without_padding():
    logits, y, s = padded_case(torch.float64)
    before, after = evaluated(logits, y, s, 3), evaluated(logits[:, : len(y)].contiguous(), y, s, 3)
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("num_groups", [2, 5])
def test_evaluation_names_every_metric_and_every_metric_of_a_group(num_groups):
    logits, y, s = random_case(num_groups, 0)
    assert set(METRICS) == NAMES
    assert {metric.name for metric in GROUP_METRICS} == {f"group_{name}" for name in GROUP_NAMES}
    by_group = {f"{name}/s={g}" for name in GROUP_NAMES for g in range(num_groups)}
    assert set(evaluated(logits, y, s, num_groups)) == NAMES | by_group


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_value_is_one_float64_a_run(dtype):
    logits, y, s = padded_case(dtype)
    table = Table(torch.zeros(len(y), 1), torch.tensor(y), torch.tensor(s))
    for name, value in evaluate(outcome(logits, table, 3)).items():
        assert value.shape == (3,), name
        assert value.dtype == torch.float64, name


# At the match-rate threshold.  By the released function of MTA-F: rate, threshold, accuracy, |FPR gap|, |TPR gap|
P = [0.05, 0.1, 0.2, 0.3, 0.35, 0.4, 0.55, 0.6, 0.8, 0.9]
LABELS = [0, 0, 1, 0, 0, 1, 0, 1, 1, 1]
GENDER = [1, 0, 0, 1, 0, 1, 0, 1, 0, 1]
MATCHED = ("accuracy", "false_positive_rate_difference", "equal_opportunity_difference")
MATCHED_BY_HAND = [
    (0.5, 0.35, 0.7, 2 / 3, 0.5),
    (0.3, 0.55, 0.7, 1 / 3, 1 / 6),
    (0.0, 0.9, 0.6, 0.0, 1 / 3),
    (0.99, 0.05, 0.5, 0.0, 0.0),
]


def scored(p, y, s):
    p, y = torch.tensor(p, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)
    return torch.logit(p).unsqueeze(0), Table(torch.zeros(len(p), 1), y, torch.tensor(s))


@pytest.mark.parametrize(("rate", "threshold", "accuracy", "fpr_gap", "tpr_gap"), MATCHED_BY_HAND)
def test_decisions_at_the_match_rate_threshold(rate, threshold, accuracy, fpr_gap, tpr_gap):
    o = matched(outcome(*scored(P, LABELS, GENDER), 2), rate)
    assert selection_rate(o) == sum(p >= threshold for p in P) / len(P)
    values = [float(METRICS[name].fn(o)) for name in MATCHED]
    assert values == pytest.approx([accuracy, fpr_gap, tpr_gap])


def test_metrics_of_tasks_are_those_of_each_alone_and_their_mean():
    logits, table = scored(P, LABELS, GENDER)
    other = torch.tensor(LABELS[::-1], dtype=torch.float64)
    both = table._replace(y=torch.stack([table.y, other], dim=-1))
    values = evaluate_tasks(torch.stack([logits, -logits], dim=-1), both, 2, ["a", "b"], [0.5, 0.3])
    alone = [evaluate(outcome(logits, table, 2)), evaluate(outcome(-logits, table._replace(y=other), 2))]
    for name in ("accuracy", "roc_auc", "accuracy/s=1"):
        metric, _, group = name.partition("/")
        for task, own in zip(("a", "b"), alone, strict=True):
            assert values[f"{metric}/{task}/{group}".removesuffix("/")] == own[name]
        assert values[name] == sum(own[name] for own in alone) / 2
    assert values["match_rate_accuracy/a"] == pytest.approx(0.7)
    at_rate = accuracy(matched(outcome(-logits, table._replace(y=other), 2), 0.3))
    assert values["match_rate_accuracy"] == (values["match_rate_accuracy/a"] + at_rate) / 2


def test_metrics_of_a_task_are_those_of_its_labelled_rows():
    g = torch.Generator().manual_seed(0)
    logits, s = torch.randn(3, 64, 2, generator=g), torch.randint(2, (50,), generator=g)
    y = (torch.rand(50, 2, generator=g) < 0.5).double()
    y[:20, 1] = torch.nan
    values = evaluate_tasks(logits, Table(torch.zeros(50, 1), y, s), 2, ["a", "b"], [0.5, 0.3])
    for t, (task, rows) in enumerate({"a": slice(0, 50), "b": slice(20, 50)}.items()):
        o = outcome(logits[:, rows, t].contiguous(), Table(torch.zeros(0), y[rows, t], s[rows]), 2)
        expected = evaluate(o) | {f"match_rate_{name}": METRICS[name].fn(matched(o, (0.5, 0.3)[t])) for name in MATCHED}
        for name, value in expected.items():
            metric, slash, group = name.partition("/")
            torch.testing.assert_close(
                values[f"{metric}/{task}{slash}{group}"], value, rtol=1e-12, atol=0, equal_nan=True
            )


def test_a_run_that_diverged_has_no_metric_of_any_task():
    _, table = scored(P, LABELS, GENDER)
    both = table._replace(y=torch.stack([table.y, table.y], dim=-1))
    values = evaluate_tasks(torch.full((1, 10, 2), torch.nan), both, 2, ["a", "b"], [0.5, 0.3])
    assert all(value.isnan().all() for value in values.values())


@pytest.mark.parametrize(("num_groups", "seed"), CASES)
def test_the_total_deviation_of_accuracy_is_the_sum_over_groups_of_fairlearn(num_groups, seed):
    logits, y, s = random_case(num_groups, seed)
    values = evaluated(logits, y, s, num_groups)["total_accuracy_deviation"]
    for z, value in zip(logits, values, strict=True):
        frame = fairlearn.MetricFrame(metrics=sklearn.accuracy_score, y_true=y, y_pred=z > 0, sensitive_features=s)
        assert value == pytest.approx((frame.by_group - frame.overall).abs().sum())


# Of several classes


OF_CLASSES = {name for name in NAMES if not METRICS[name].two_classes_only}
GROUP_OF_CLASSES = {"accuracy", "log_loss", "balanced_accuracy"}
CLASS_CASES = [(3, 4, 0), (10, 2, 1)]  # numbers of classes and groups, seed


def case_of_classes(num_classes, num_groups, seed, num_rows=300, num_runs=3):
    """Logits [R, N, C], labels and groups; every group has every class."""
    rng = np.random.default_rng([num_classes, num_groups, seed])
    s, y = rng.integers(0, num_groups, num_rows), rng.integers(0, num_classes, num_rows).astype(float)
    cells = num_groups * num_classes
    s[:cells], y[:cells] = np.repeat(np.arange(num_groups), num_classes), np.tile(np.arange(num_classes), num_groups)
    logits = rng.normal(0, 1, (num_runs, num_rows, num_classes))
    logits[:, np.arange(num_rows), y.astype(int)] += 0.5 + 0.5 * s
    return logits, y, s


def softmax(z):
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


@pytest.mark.parametrize(("num_classes", "num_groups", "seed"), CLASS_CASES)
@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("accuracy", lambda y, z: sklearn.accuracy_score(y, z.argmax(-1))),
        ("balanced_accuracy", lambda y, z: sklearn.balanced_accuracy_score(y, z.argmax(-1))),
        ("log_loss", lambda y, z: sklearn.log_loss(y, softmax(z))),
        ("loss_variance", lambda y, z: np.var(-np.log(softmax(z)[np.arange(len(y)), y.astype(int)]), ddof=1)),
    ],
)
def test_a_metric_of_several_classes_is_that_of_scikit_learn(name, of, num_classes, num_groups, seed):
    logits, y, s = case_of_classes(num_classes, num_groups, seed)
    expected = [of(y, z) for z in logits]
    np.testing.assert_allclose(evaluated(logits, y, s, num_groups)[name], expected, rtol=1e-12)


@pytest.mark.parametrize(("num_classes", "num_groups", "seed"), CLASS_CASES)
@pytest.mark.parametrize(
    ("name", "metric"),
    [("accuracy", sklearn.accuracy_score), ("balanced_accuracy", sklearn.balanced_accuracy_score)],
)
def test_a_metric_of_groups_of_several_classes_is_that_of_fairlearn(name, metric, num_classes, num_groups, seed):
    logits, y, s = case_of_classes(num_classes, num_groups, seed)
    values = evaluated(logits, y, s, num_groups)
    for r, z in enumerate(logits):
        frame = fairlearn.MetricFrame(metrics=metric, y_true=y, y_pred=z.argmax(-1), sensitive_features=s)
        assert values[f"{name}_difference"][r] == pytest.approx(frame.difference())
        assert values[f"worst_group_{name}"][r] == pytest.approx(frame.group_min())
        by_group = [values[f"{name}/s={g}"][r] for g in range(num_groups)]
        assert by_group == pytest.approx(frame.by_group.tolist())


def test_several_classes_have_the_metrics_that_are_not_of_two():
    values = evaluated(*case_of_classes(3, 2, 0), 2)
    assert set(values) == OF_CLASSES | {f"{name}/s={g}" for name in GROUP_OF_CLASSES for g in range(2)}
    assert {"worst_group_accuracy", "log_loss"} <= OF_CLASSES and "selection_rate" not in OF_CLASSES


@pytest.mark.parametrize(("num_groups", "seed"), CASES)
def test_the_log_loss_of_groups_and_of_the_worst_is_that_of_scikit_learn(num_groups, seed):
    logits, y, s = random_case(num_groups, seed)
    values = evaluated(logits, y, s, num_groups)
    for r, z in enumerate(logits):
        p = 1 / (1 + np.exp(-z))
        expected = [sklearn.log_loss(y[s == g], p[s == g], labels=[0, 1]) for g in range(num_groups)]
        assert [values[f"log_loss/s={g}"][r] for g in range(num_groups)] == pytest.approx(expected, rel=1e-12)
        assert values["worst_group_log_loss"][r] == pytest.approx(max(expected), rel=1e-12)


@pytest.mark.parametrize(("num_groups", "seed"), CASES)
def test_two_classes_with_a_logit_each_are_two_with_one(num_groups, seed):
    logits, y, s = random_case(num_groups, seed)
    both = np.stack([np.zeros_like(logits), logits], axis=-1)  # of equal ones the first is decided for: 0, as by one
    table = Table(None, *map(torch.tensor, (y, s)))
    one = outcome(torch.tensor(logits), table, num_groups)
    two = outcome_of_classes(torch.tensor(both), table, num_groups)
    for name in ("rows", "correct", "losses"):
        torch.testing.assert_close(getattr(two, name), getattr(one, name), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("num_classes", "num_groups", "seed"), CLASS_CASES)
def test_metrics_of_several_classes_do_not_depend_on_how_groups_are_numbered(num_classes, num_groups, seed):
    logits, y, s = case_of_classes(num_classes, num_groups, seed)
    number = np.random.default_rng(seed).permutation(num_groups)
    before, after = evaluated(logits, y, s, num_groups), evaluated(logits, y, number[s], num_groups)
    for name in OF_CLASSES:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("num_classes", [3, 10])
def test_metrics_of_several_classes_are_bitwise_the_same_in_any_stack(num_classes, dtype):
    logits, y, s = case_of_classes(num_classes, 3, 0, num_rows=85, num_runs=5)
    padded = torch.zeros(5, 96, num_classes, dtype=dtype)
    padded[:, :85] = torch.tensor(logits)
    stack = evaluated(padded, y, s, 3)
    for runs in ([0], [4], [3, 1], [1, 1, 1, 2]):
        others = evaluated(padded[runs].clone(), y, s, 3)
        for name, value in stack.items():
            np.testing.assert_array_equal(others[name], value[runs], err_msg=name)


def test_a_run_of_several_classes_that_diverged_has_no_metric():
    logits, y, s = case_of_classes(3, 2, 0, num_runs=2)
    logits[1, 7, 2] = np.inf
    values = evaluated(logits, y, s, 2)
    assert all(np.isfinite(value[0]) and np.isnan(value[1]) for value in values.values())


def test_a_class_without_rows_leaves_balanced_accuracy_undefined():
    """As of two classes; accuracy is of the rows that there are."""
    values = evaluated(np.eye(3)[None, [0, 1, 1]], np.array([0.0, 1.0, 0.0]), np.zeros(3), 1)
    assert values["accuracy"] == pytest.approx(2 / 3) and np.isnan(values["balanced_accuracy"])
