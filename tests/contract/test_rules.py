"""Every rule of the contract finds what breaks it, and says what."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import torch

from fairrun.contract import METHOD, NETWORK, Broken, Exempt, Subject, check, rules_of, samples, sentence
from fairrun.method import In, InputError, Method, PerRun, State, descend, group_mean, mean
from fairrun.models.mlp import MLP
from fairrun.training.optim import Adam
from tests.helpers.command import ROOT

RULES = {rule.__name__: rule for rule in (*METHOD, *NETWORK)}
STEPS = [0]


@dataclass(frozen=True)
class Sound(Method):
    """ERM; what derives from it has one flaw."""

    lam: Annotated[PerRun, In("[0, inf)")] = 1.0

    def risk(self, model, theta, batch):
        return mean(model.losses(theta, batch), batch.w) * self.lam[:, 0]

    def update(self, model, state, batch):
        step = descend(lambda theta: self.risk(model, theta, batch), state.theta, state.opt, self.optimizer)
        return State(*step[:2]), {"loss": step[2]}


class LogsNothing(Sound):
    def update(self, model, state, batch):
        return super().update(model, state, batch)[0], {}


class ChangesTheState(Sound):
    def update(self, model, state, batch):
        state.theta["classifier.bias"].add_(1)
        return super().update(model, state, batch)


class KeepsText(Sound):
    def update(self, model, state, batch):
        new, logs = super().update(model, State(state.theta, state.opt), batch)
        return (*new, "text"), logs


class CountsPadding(Sound):
    def risk(self, model, theta, batch):
        return model.losses(theta, batch).mean(-1)


class ReadsTheFirstRow(Sound):
    def risk(self, model, theta, batch):
        return super().risk(model, theta, batch) + model.losses(theta, batch)[:, 0]


class DividesByGroups(Sound):
    needs = frozenset({"s"})

    def risk(self, model, theta, batch):
        losses, inside = model.losses(theta, batch) * batch.w, batch.s == 0
        others = (~inside * batch.w).sum(-1)
        return (losses * ~inside).sum(-1) / others + 0 * super().risk(model, theta, batch)


class KnowsThreeGroups(Sound):
    needs = frozenset({"s"})

    def risk(self, model, theta, batch):
        weights = torch.tensor([1.0, 1.0, 1.0], dtype=batch.x.dtype)
        return (group_mean(model.losses(theta, batch), batch.s, batch.num_groups, batch.w) * weights).sum(-1)


class CrossesRuns(Sound):
    def risk(self, model, theta, batch):
        return super().risk(model, theta, batch) * (1 + model.losses(theta, batch).mean().detach())


class CountsItsSteps(Sound):
    def update(self, model, state, batch):
        STEPS[0] += 1
        new, logs = super().update(model, state, batch)
        return State({name: p * (1 + 1e-3 * (STEPS[0] % 7)) for name, p in new.theta.items()}, new.opt), logs


class IgnoresItsField(Sound):
    def risk(self, model, theta, batch):
        return mean(model.losses(theta, batch), batch.w)


class LearnsNothing(Sound):
    def update(self, model, state, batch):
        loss = super().update(model, state, batch)[1]
        return State({name: torch.zeros_like(p) for name, p in state.theta.items()}, state.opt), loss


class CountsGroups(Sound):
    def with_group_sizes(self, group_rows, seed):
        return dataclasses.replace(self, lam=1 / (1 + group_rows[0]))


class TakesGroupsForNumbers(Sound):
    needs = frozenset({"s"})

    def risk(self, model, theta, batch):
        return mean(model.losses(theta, batch) * (1 + batch.s), batch.w)


class ClaimsClasses(Sound):
    multiclass = True

    def risk(self, model, theta, batch):
        return mean(model.losses(theta, batch) * model.scores(theta, batch), batch.w)


class OneRun(MLP):
    def init(self, generators):
        return {name: p.float() for name, p in super().init(generators).items()}


class CentredRuns(MLP):
    def logits(self, theta, x, masks=()):
        found = super().logits(theta, x, masks)
        return found - found.mean(0)


class BatchNorm(MLP):
    def logits(self, theta, x, masks=()):
        found = super().logits(theta, x, masks)
        return found - found.mean(1, keepdim=True)


class OtherHidden(MLP):
    def hidden(self, theta, x, masks=()):
        return super().hidden(theta, x, masks) + 1

    def logits(self, theta, x, masks=()):
        return super().logits(theta, x, masks) * 2


class SharedMasks(MLP):
    def masks(self, generators, num_rows):
        return tuple(torch.rand_like(mask) for mask in super().masks(generators, num_rows))


class WrongTangents(MLP):
    def tangents(self, theta, x, masks=()):
        logits, pullback = super().tangents(theta, x, masks)
        return logits + 1, pullback


class Silent(MLP):
    def logits(self, theta, x, masks=()):
        return super().logits(theta, x, masks) * 0


def of(cls, file="", keys=(), **fields):
    if issubclass(cls, MLP):
        return Subject(cls(**vars(dataclasses.replace(samples.NETWORK, dropout=0.3))), file, frozenset(keys))
    made = cls(Adam(0.01), **fields)
    return Subject(made, file, frozenset(keys), {file: made} if file else {})


FLAWS = {
    "the_file_lists_every_field": (of(Sound, "method=mine", ["optimizer"]), "method=mine lacks lam"),
    "a_file_has_the_defaults_of_the_class": (of(Sound, "method=mine", lam=2.0), "method=mine: lam 2.0, not 1.0"),
    "logs_are_finite_and_one_a_run": (of(LogsNothing), "the logs have no loss, they have nothing"),
    "changes_nothing_that_comes_in": (of(ChangesTheState), r"came in: \['state'\]\.theta\['classifier.bias'\] differs"),
    "the_state_can_be_saved": (of(KeepsText), "the state holds str, and may hold tensors in tuples and dicts only"),
    "padding_weighs_nothing": (
        of(CountsPadding),
        r"with other rows as padding .*: state\.theta\['base\.0\.weight'\] differs \(by up to",
    ),
    "order_of_rows_is_without_effect": (of(ReadsTheFirstRow), "with the rows of the batch in another order"),
    "a_group_may_be_absent": (of(DividesByGroups), "with one group and one label in the batch .* is not finite"),
    "there_may_be_several_groups": (of(KnowsThreeGroups), "RuntimeError: The size of tensor a"),
    "a_run_alone_is_the_run_in_a_stack": (of(CrossesRuns), "run 0 of 4 is not the run alone: parameter .* differs"),
    "a_run_has_the_same_bits_in_any_stack": (of(CrossesRuns), r"runs \[0\] of 5, .* are not those of the stack of 5"),
    "the_native_engine_has_the_same_bits_in_any_stack": (of(CrossesRuns), r"runs \[0\] of 3 are not those"),
    "a_stopped_training_continues_with_the_same_bits": (of(CountsItsSteps), "that went on from a checkpoint is not"),
    "every_per_run_field_counts": (of(IgnoresItsField), "the field lam makes no difference: 1.0, 0.5"),
    "seeds_matter": (of(LearnsNothing), "two seeds give one run"),
    "what_is_not_needed_is_unseen": (of(CountsGroups), "groups of training rows have an effect"),
    "names_of_groups_are_without_effect": (of(TakesGroupsForNumbers), "in another order train/loss differs"),
    "it_learns": (of(LearnsNothing), "the accuracy on test rows must exceed 0.75, got 0.6"),
    "it_learns_several_classes": (of(ClaimsClasses), "RuntimeError: The size of tensor a"),
    "parameters_come_from_each_runs_own_seed": (of(OneRun), "must be drawn in float64, got torch.float32"),
    "logits_are_one_a_row": (of(CentredRuns), "the logits of run 0 of 3 are not those of the run alone"),
    "rows_do_not_touch": (of(BatchNorm), "the first row's logit depends on the other rows"),
    "the_classifier_reads_hidden": (of(OtherHidden), "the classifier on hidden is not logits"),
    "dropout_is_drawn_by_each_run": (of(SharedMasks), "does not draw the mask that it draws alone: mask 0 differs"),
    "tangents_are_derivatives": (of(WrongTangents), "the rows' losses by tangents differ"),
    "a_trained_run_has_the_same_bits_in_any_stack": (of(CentredRuns), r"runs \[1\] of 3 are not those"),
    "it_can_be_trained": (of(Silent), "train/loss does not fall"),
}


def test_every_rule_has_a_flaw():
    assert FLAWS.keys() == RULES.keys()


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_its_flaw(rule):
    subject, said = FLAWS[rule]
    with pytest.raises(Broken, match=said):
        check(RULES[rule], subject)


def test_a_sound_method_and_a_sound_network_keep_every_rule():
    method = Sound(Adam(0.01))
    network = dataclasses.replace(samples.NETWORK, dropout=0.3)
    for subject in (
        Subject(method, "method=sound", frozenset({"optimizer", "lam"}), {"method=sound": method}),
        Subject(network, "model=mlp", frozenset(vars(network)) - {"num_features", "num_classes", "categories"}),
    ):
        for rule in rules_of(subject):
            try:
                check(rule, subject)
            except Exempt as why:
                assert str(why) == "it does not declare multiclass"


def test_a_method_that_reads_groups_undeclared_is_told_where():
    class Peeks(Sound):
        def risk(self, model, theta, batch):
            return mean(model.losses(theta, batch) * (batch.s == 0), batch.w)

    rule = RULES["what_is_not_needed_is_unseen"]
    with pytest.raises(Broken, match=rf"batch.s is withheld.* \(in risk, {re.escape(__file__)}:\d+\)"):
        check(rule, Subject(Peeks(Adam(0.01))))


def test_what_is_neither_is_refused():
    with pytest.raises(InputError, match=r"must be a class that derives from .*, got 'Adam'"):
        rules_of(Subject(Adam(0.01)))


def test_every_rule_is_in_the_guide_by_its_own_sentence():
    guide = " ".join(Path(ROOT, "CONTRIBUTING.md").read_text().split())
    lacking = [f"| `{name}` | {sentence(rule)} |" for name, rule in RULES.items()]
    assert not [line for line in lacking if line not in guide], "\n".join(lacking)
