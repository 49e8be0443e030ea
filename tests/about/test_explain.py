"""Help on keys, groups and choices."""

import pytest

from fairrun.about import explain
from fairrun.config.check import InputError


def said(word):
    return "\n".join(explain.lines(word))


def test_a_key_has_its_comment_type_range_default_and_choices():
    text = said("method.lam")
    block = next(part for part in text.split("\n\n") if "method=penalty" in part)
    assert "means    weight of the fairness loss, >= 0" in block and "type     a number" in block
    assert "range    >= 0" in block and "default  1.0" in block
    assert "runs that differ in it train side by side" in text


def test_choices_with_other_defaults_are_told_apart():
    assert "method=mtl (0.0), mtl_fair (1.0)" in said("method.lam")


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("epochs", "default  10"),
        ("schedule", "schedule.factor     0.5"),
        ("schedule.factor", "no effect where schedule.every is null"),
        ("report.columns", "more metrics for the tables"),
        ("dataset.split.test", "adult (official)"),
        ("method.normalise", "one of sum, norm"),
        ("method.fairness_loss", "or the path of a function of your own"),
        ("method.optimizer", "method.optimizer.lr"),
        ("method.estimator.num_leaves", "leaves of a tree, at most"),
        ("estimator=lightgbm", "method.estimator.reg_lambda"),
        ("method", "penalty                 ERM plus lam times a fairness loss"),
        ("metric", "by default demographic_parity_difference"),
        ("method=irw", "group labels  no"),
        ("irw_global", "method.alpha"),
        ("irw/compas", "COMPAS"),
        ("hydra.launcher.stack_size", "hydra/launcher=dask, ray, slurm, stacked"),
        ("optimizer@method.adversary_optimizer", "optimizer=NAME chooses"),
        ("optimizer@method.optimizer=adamw", "decoupled weight decay"),
        ("frontier_unaware", "postprocess"),
        ("ema", "averaging.kind"),
        ("dataset.states", "dataset.states is now dataset.proxies"),
    ],
)
def test_help_on(word, part):
    assert part in said(word)


@pytest.mark.parametrize(
    ("word", "near"),
    [("method.lamm", "method.lam"), ("method=pnalty", "penalty"), ("metod", "method"), ("bach_size", "batch_size")],
)
def test_a_misspelt_word_is_answered_with_the_nearest(word, near):
    with pytest.raises(InputError, match=f"did you mean {near}\\?"):
        explain.lines(word)


def test_every_word_that_help_knows_is_explained():
    assert all(explain.lines(word)[0] for word in explain.words())
