"""What is checked and said of a run once its data is known."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from scipy.stats import hypergeom

from fairrun.config.check import InputError
from fairrun.data.table import Data, Table
from fairrun.models.network import Network
from fairrun.results.records import by_class
from fairrun.runs import job
from fairrun.runs.built import network_of
from fairrun.runs.checks.alone import check
from fairrun.runs.checks.data import check_data, share_without
from fairrun.runs.checks.keys import check_keys
from tests.helpers.synthetic import config, table

SPLITS = ("train", "val", "test", "balanced")


def of(*overrides):
    return OmegaConf.to_container(config(*overrides), resolve=True)


def facts(**cells):
    """Of two groups with rows of both labels in each split, but for what ``cells`` say: [rows, rows of class 1]."""
    rates = {split: [[40, 10], [60, 30]] for split in SPLITS} | cells
    return {
        "features": 3,
        "groups": ["sex=F", "sex=M"],
        "base_rates": rates,
        "rows": {split: sum(rows for rows, *_ in of_groups) for split, of_groups in rates.items()},
        "tasks": [],
        "categories": [],
        "classes": [],
    }


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


# What makes a run another run


def key(*overrides):
    return job.Job(of(*overrides), {}, Path()).key("sha")


def test_outliers_and_merged_groups_make_a_run_another_run():
    keys = [["dataset.outliers.kind=features"], ["+dataset.binarize.race=Black"], ["+dataset.binarize.race=White"]]
    keys += [["dataset.outliers.kind=label_flips", f"dataset.outliers.{more}"] for more in ("rate=0.1", "rate=0.2")]
    assert len({key(), *(key(*overrides) for overrides in keys)}) == 6


def test_what_outliers_would_be_is_no_matter_where_there_are_none():
    assert key() == key("dataset.outliers.rate=0.2") == key("~dataset.outliers") == key("~dataset.binarize")


# Several tasks


def several(*names, **changes):
    """Facts of two groups and several tasks."""
    rates = {f"{name}/{split}": [[40, 10], [60, 30]] for name in names for split in SPLITS}
    exclusive = dict.fromkeys(names, 30)
    more = {"tasks": list(names), "base_rates": rates, "rows": {"train": 100}, "exclusive": exclusive}
    return facts() | more | changes


HEADS = ("model=shared_bottom", "metric=false_positive_rate_difference")


def test_the_facts_of_several_tasks_count_rows_by_task_and_those_that_are_negative_in_it_alone():
    """Train rows of labels a, b, c: group 0 has 011, 101, 001, group 1 has 011, 110, 111, 000."""
    rows = [[0, 1, 1], [1, 0, 1], [0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 1, 1], [0, 0, 0]]
    s = torch.tensor([0, 0, 0, 1, 1, 1, 1])
    train = Table(torch.zeros(7, 5), torch.tensor(rows, dtype=torch.float64), s)
    one = train.rows(torch.tensor([0, 4]))
    data = Data(train, one, one, [*"uvwxy"], ["s=0", "s=1"], "sha", torch.tensor([2, 5]), [*"abc"], [2, 2])
    found = job.facts(data)
    assert (found["tasks"], found["categories"], found["features"]) == ([*"abc"], [2, 2], 5)
    assert found["rows"] == {"train": 7, "val": 2, "test": 2}
    assert found["exclusive"] == {"a": 2, "b": 1, "c": 1}
    assert set(found["base_rates"]) == {f"{task}/{split}" for task in "abc" for split in SPLITS}
    assert [found["base_rates"][f"{task}/train"] for task in "abc"] == [
        [[3, 1], [4, 2]],
        [[3, 1], [4, 3]],
        [[3, 3], [4, 2]],
    ]
    assert found["base_rates"]["b/val"] == [[1, 1], [1, 1]] and found["base_rates"]["c/balanced"] == [[1, 1], [1, 1]]


def test_the_facts_of_several_classes_count_rows_and_those_of_each_class_but_the_first():
    """Train rows: group 0 has classes 0, 2, 2, group 1 has 1, 0, 2, 1."""
    y, s = torch.tensor([0.0, 2, 2, 1, 0, 2, 1]), torch.tensor([0, 0, 0, 1, 1, 1, 1])
    train = Table(torch.zeros(7, 5), y, s)
    one = train.rows(torch.tensor([0, 3]))
    data = Data(train, one, one, [*"uvwxy"], ["s=0", "s=1"], "sha", torch.tensor([2, 5]), classes=["a", "b", "c"])
    found = job.facts(data)
    assert found["classes"] == ["a", "b", "c"]
    assert found["base_rates"]["train"] == [[3, 0, 2], [4, 2, 1]]
    assert found["base_rates"]["val"] == [[1, 0, 0], [1, 1, 0]]
    assert [by_class(cell) for cell in found["base_rates"]["train"]] == [[1, 0, 2], [1, 2, 1]]
    assert network_of(of("model=mlp"), found).init([torch.Generator()])["classifier.bias"].shape == (1, 1, 3)


def of_classes(*names):
    cells = [[30, *[10] * (len(names) - 1)], [60, *[20] * (len(names) - 1)]]
    return facts(**dict.fromkeys(SPLITS, cells)) | {"classes": list(names)}


WORST = "metric=worst_group_accuracy"


@pytest.mark.parametrize("model", ["mlp", "linear"])
@pytest.mark.parametrize("metric", ["worst_group_accuracy", "accuracy_difference", "balanced_accuracy_difference"])
def test_several_classes_are_learned_by_networks_with_a_logit_for_each_and_metrics_of_accuracy(model, metric):
    check_data(of(f"model={model}", f"metric={metric}"), of_classes(*"abc"))


NOT_OF_CLASSES = {
    "a method of two classes": (
        ["method=penalty"],
        "dataset.label must be a column with two values, and dataset.positive one of them: Penalty learns two classes, "
        "got 'income' with 3 classes",
    ),
    "a network of one logit": (
        ["method=erm", "model=shared_bottom", WORST],
        "model must be a network with one output",
    ),
    "a metric of two classes": (
        ["metric=equal_opportunity_difference"],
        r"metric.name must be one of accuracy, balanced_accuracy, .* for 'income' with 3 classes, got 'equal_oppor",
    ),
    "post-processing": (
        [WORST, "postprocess=equalized_odds"],
        "postprocess must be null for 'income' with 3 classes, got 'equalized_odds'",
    ),
    "a column of the report": (
        [WORST, "report.columns=[log_loss,roc_auc]"],
        "report.columns must be metrics among accuracy, .* for 'income' with 3 classes, got 'roc_auc'",
    ),
    "tasks": (["method=mtl", "model=shared_bottom", WORST], "FairMTL needs several tasks"),
}


@pytest.mark.parametrize(("overrides", "message"), NOT_OF_CLASSES.values(), ids=NOT_OF_CLASSES)
def test_what_is_of_two_classes_is_refused_with_several(overrides, message):
    with pytest.raises(InputError, match=message):
        check_data(of(*overrides), of_classes(*"abc"))


def test_a_method_finds_the_layers_that_patterns_name_in_a_module():
    for method, group in (("fairbinn", "fairness=fc*"), ("irw", "classifier=out"), ("laftr", "classifier=out.*")):
        config = of(f"method={method}", *OWN_MODULE, f"model.groups.{group}")
        check_keys(config)
        check_data(config, facts())
    with pytest.raises(InputError, match=r"model\.modul is no key: did you mean model\.module"):
        check_keys(config | {"model": config["model"] | {"modul": 1}})


def test_a_network_that_is_not_told_how_many_classes_there_are_is_refused():
    config = of(WORST)
    config["model"] = {"_target_": f"{__name__}.Two"}
    with pytest.raises(
        InputError, match=r"model must be a network of several classes .* got 'tests.runs.test_job.Two'"
    ):
        check_data(config, of_classes(*"abc"))


@dataclass(frozen=True)
class Two(Network):
    """A network with two classes, whatever the data have."""

    @property
    def widest(self):
        return 1

    def init(self, generators):
        return {}

    def logits(self, theta, x, masks=()):
        raise NotImplementedError

    def hidden(self, theta, x, masks=()):
        raise NotImplementedError


@dataclass(frozen=True)
class NoNetwork:
    def init(self, generators):
        return {}


def test_the_facts_of_one_label_are_by_split():
    data = Data(*[table(50, seed) for seed in range(3)], [*"uvwxyz"], [*"abc"], "sha", torch.arange(2))
    found = job.facts(data)
    assert set(found["base_rates"]) == set(SPLITS) and (found["tasks"], found["exclusive"]) == ([], {})


def test_a_method_of_several_tasks_takes_data_and_a_network_of_several():
    for method in ("stl", "mtl", "mtl_fair", "mtaf"):
        check_data(of(f"method={method}", *HEADS), several("a", "b", "c"))
    check_data(
        of("method=mtaf", *HEADS, "method.lam=[1,0.3]", "method.r=2", "method.task_weight=[0.7,0.3]"), several(*"ab")
    )
    check_data(of("method=mtl", *HEADS, "metric.name=match_rate_false_positive_rate_difference"), several("a", "b"))


TASKS = "+dataset.tasks={a: {column: income, positive: x}, b: {column: age, above: 1}}"
OWN_MODULE = ("model=module", "model.module._target_=tests.helpers.modules.Net")
NOT_TOGETHER = {
    "one label of several": (["method=erm"], several("a", "b"), "dataset.task must be one of a, b: ERM learns one lab"),
    "one label and heads": (
        ["method=penalty", "model=shared_bottom"],
        facts(),
        r"model must be a network with one output \(mlp, linear\): Penalty learns one label, got 'fairrun.models.shar",
    ),
    "one label and a metric of several tasks": (
        ["method=erm", "metric.name=match_rate_false_positive_rate_difference"],
        facts(),
        "metric.name must be one of accuracy, .*, got 'match_rate_false_positive_rate_difference'",
    ),
    "several tasks of one label": (
        ["method=mtl", *HEADS],
        facts(),
        r"needs several tasks, got dataset\.tasks={}.*: use experiment=mtaf/adult, or set dataset\.tasks",
    ),
    "several tasks of a chosen one": (
        ["method=mtaf", *HEADS, TASKS, "dataset.task=a"],
        facts(),
        r"MTAF needs several tasks, got .*dataset\.task=a: use .* dataset\.task=null",
    ),
    "several tasks of images": (
        ["method=mtl", *HEADS, "dataset=coloured_digits"],
        facts(),
        r"needs several tasks, got dataset\.tasks={}, .*: use experiment=mtaf/adult, .* or shared_trunk for images",
    ),
    "several tasks and one output": (
        ["method=stl"],
        several("a", "b"),
        "model must be shared_bottom, or shared_trunk for images, .*: STL learns several, got 'fairrun.models.mlp.MLP'",
    ),
    "several tasks and thresholds": (
        ["method=mtl", *HEADS, "postprocess=equalized_odds"],
        several("a", "b"),
        "postprocess must be null with several tasks, got 'equalized_odds'",
    ),
    "too many values": (
        ["method=mtaf", *HEADS, "method.lam=[1,2,3]"],
        several("a", "b"),
        r"method.lam must be a number, or a list of 2, one for each of a, b, got \[1, 2, 3\]",
    ),
    "too few values": (
        ["method=mtaf", *HEADS, "method.r=[1,2]"],
        several("a", "b", "c"),
        r"method.r must be a number, or a list of 3, one for each of a, b, c, got \[1, 2\]",
    ),
    "fairness layers of a module": (
        ["method=fairbinn", *OWN_MODULE],
        facts(),
        r"model.groups.fairness must be patterns of .*: FairBiNN has a player that moves them only, got None; "
        r"there are fc1.weight, .*, out.bias$",
    ),
    "the last layer of a module": (
        ["method=irw", *OWN_MODULE],
        facts(),
        "model.groups.classifier must be the name of the last layer, such as fc2: IRW reads that layer, got None;",
    ),
    "several tasks of a module": (
        ["method=mtl", *OWN_MODULE, *HEADS[1:]],
        several("a", "b"),
        "model must be shared_bottom, or .* a head for each task: FairMTL learns several, got 'fairrun.models.mod",
    ),
    "no value": (
        ["method=mtl", *HEADS, "method.task_weight=[]"],
        several("a", "b"),
        r"method.task_weight must be a number, or a list of 2, one for each of a, b, got \[\]",
    ),
}


@pytest.mark.parametrize(("overrides", "data", "message"), NOT_TOGETHER.values(), ids=NOT_TOGETHER)
def test_a_method_a_network_and_data_that_do_not_go_together_are_refused(overrides, data, message):
    with pytest.raises(InputError, match=message):
        check_data(of(*overrides), data)


@pytest.mark.parametrize("prefix", ["", "match_rate_"])
def test_a_metric_is_refused_by_the_task_where_a_group_lacks_a_label(prefix):
    data = several("a", "b")
    data["base_rates"]["b/test"] = [[40, 10], [7, 7]]
    metric = f"metric.name={prefix}false_positive_rate_difference"
    with pytest.raises(
        InputError, match="needs test rows of every group with label 0 of task 'b', got none of 'sex=M'"
    ):
        check_data(of("method=mtl", *HEADS, metric), data)


def test_tasks_whose_batches_mostly_lack_rows_that_are_negative_in_them_alone_are_named_to_a_method_of_such(caplog):
    """1 and 30 of 100 rows, batches of 11: C(99, 11) / C(100, 11) = 89% lack the first, 1% the second; 0 rows: all."""
    data = several("a", "b", "c", exclusive={"a": 1, "b": 30, "c": 0})
    with caplog.at_level(logging.WARNING):
        for method in ("stl", "mtl", "mtl_fair"):
            check_data(of(f"method={method}", *HEADS, "batch_size=11"), data)
        assert not caplog.messages
        for seed in (0, 1):
            check_data(of("method=mtaf", *HEADS, "batch_size=11", f"seed={seed}"), data)
    (said,) = caplog.messages
    assert "batch_size=11" in said and "89% for task 'a', 100% for task 'c'" in said and "'b'" not in said


def test_no_batch_has_a_row_of_what_is_not_there():
    assert [share_without(0, 4, size) for size in (1, 4, 5)] == [pytest.approx(1)] * 3


# What a report is asked to show


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("report.metric=accuracy", r"^report\.metric must be one of balanced_accuracy, .*, got 'accuracy'"),
        ("report.metric=selection_rate", r"^report\.metric must be one of balanced_accuracy, .*, got 'selection_rate'"),
        ("report.metric=arfg", r"^report\.metric must be a metric of one label, got 'arfg'"),
        ("report.columns=[match_rate_accuracy]", r"^report\.columns must be a metric of one label, got 'match_rate"),
    ],
)
def test_a_report_that_cannot_be_is_refused_before_training(asked, said):
    with pytest.raises(InputError, match=said):
        check(of("method=penalty", asked))
        check_data(of("method=penalty", asked), facts())


def test_of_several_tasks_a_report_may_show_what_they_alone_have():
    config = of(*HEADS, "method=mtl", TASKS, "report.metric=arfg", "report.columns=[match_rate_accuracy]")
    check(config)
    check_data(config, several("a", "b"))


def test_a_class_of_another_kind_is_refused():
    config = of()
    with pytest.raises(InputError, match=r"^model\._target_ must be a class that derives from fairrun\.models"):
        check(config | {"model": {"_target_": f"{__name__}.NoNetwork"}})
    with pytest.raises(InputError, match=r"^dataset\._target_ must be a data set, as fairrun\.data\.dataset\.Dataset"):
        job.load(config | {"dataset": {"_target_": f"{__name__}.NoNetwork"}})
