"""What is checked and said of a run once its data is known."""

import logging

import pytest
from omegaconf import OmegaConf
from scipy.stats import hypergeom

from fairrun.check import InputError
from fairrun.job import check_data, share_without
from tests.synthetic import config

SPLITS = ("train", "val", "test", "balanced")


def of(*overrides):
    return OmegaConf.to_container(config(*overrides), resolve=True)


def facts(**cells):
    """Of two groups with rows of both labels in each split, but for what ``cells`` say: [rows, rows of class 1]."""
    rates = {split: [[40, 10], [60, 30]] for split in SPLITS} | cells
    return {"features": 3, "groups": ["sex=F", "sex=M"], "base_rates": rates, "tasks": [], "categories": []}


# A metric over groups that lack a label


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize(
    ("metric", "labels"),
    [
        ("equal_opportunity_difference", {1}),
        ("false_positive_rate_difference", {0}),
        ("equalized_odds_difference", {0, 1}),
        ("average_equalized_odds_difference", {0, 1}),
        ("demographic_parity_difference", set()),
        ("accuracy_difference", set()),
    ],
)
def test_a_metric_is_refused_where_a_group_has_no_row_of_a_label_that_it_counts(metric, labels, split):
    for label, positive in ((0, 7), (1, 0)):
        data = facts(**{split: [[40, 10], [7, positive]]})
        if label not in labels:
            check_data(of(f"metric={metric}"), data)
            continue
        with pytest.raises(InputError) as error:
            check_data(of(f"metric={metric}"), data)
        said = f"metric.name={metric} needs {split} rows of every group with label {label}, got none of 'sex=M'"
        assert said in str(error.value) and "7" in str(error.value) and "merge or drop the group" in str(error.value)


def test_training_rows_that_lack_a_label_are_no_matter_of_the_metric():
    check_data(of("metric=equal_opportunity_difference"), facts(train=[[40, 10], [7, 0]]))


# Batches without a row of a group


@pytest.mark.parametrize(
    ("group", "total", "batch_size"), [(1, 2, 1), (3, 40, 10), (406, 39074, 64), (9, 300000, 4096)]
)
def test_the_share_of_batches_without_a_group_is_hypergeometric(group, total, batch_size):
    exact = hypergeom.pmf(0, total, group, batch_size)
    assert share_without(group, total, batch_size) == pytest.approx(exact, rel=1e-6)


def test_batches_that_are_larger_than_the_other_groups_hold_a_row_of_the_group():
    """3 of 4 rows are of others: a batch of 3 misses the one in a fourth of the draws, a batch of 4 never."""
    assert [share_without(1, 4, size) for size in (3, 4, 100)] == [pytest.approx(1 / 4), 0, 0]


def test_groups_that_batches_often_lack_are_named_once_to_methods_that_see_them(caplog):
    """2 and 98 rows of train, batches of 10: C(98, 10) / C(100, 10) = 90 x 89 / (100 x 99) = 81% lack the first."""
    data, sizes = facts(train=[[2, 1], [98, 50]]), ("batch_size=10",)
    with caplog.at_level(logging.WARNING):
        check_data(of("method=erm", *sizes), data)
        assert not caplog.messages
        for seed in (0, 1):
            check_data(of("method=penalty", *sizes, f"seed={seed}"), data)
    (said,) = caplog.messages
    assert "batch_size=10" in said and "81% for 'sex=F'" in said and "sex=M" not in said


def test_groups_that_batches_seldom_lack_are_not_named(caplog):
    """40 of 100 rows, batches of 9: C(60, 9) / C(100, 9) = 0.8%; of 8: 1.4%."""
    with caplog.at_level(logging.WARNING):
        check_data(of("method=penalty", "batch_size=9"), facts())
        assert not caplog.messages
        check_data(of("method=penalty", "batch_size=8"), facts())
    assert "1% for 'sex=F'" in caplog.text
