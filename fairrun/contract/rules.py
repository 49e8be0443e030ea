"""The lists of rules, and how one is carried out."""

import inspect
from collections.abc import Callable

import torch

from fairrun.config.check import InputError, require
from fairrun.config.plugins import told
from fairrun.contract import files, networks, runs, steps
from fairrun.contract.subject import Broken, Exempt, Subject
from fairrun.method.api import Method
from fairrun.models.network import Network

Rule = Callable[[Subject], None]
METHOD: tuple[Rule, ...] = (
    files.the_file_lists_every_field,
    files.a_file_has_the_defaults_of_the_class,
    steps.logs_are_finite_and_one_a_run,
    steps.changes_nothing_that_comes_in,
    steps.the_state_can_be_saved,
    steps.padding_weighs_nothing,
    steps.order_of_rows_is_without_effect,
    steps.a_group_may_be_absent,
    steps.there_may_be_several_groups,
    runs.a_run_alone_is_the_run_in_a_stack,
    runs.a_run_has_the_same_bits_in_any_stack,
    runs.the_native_engine_has_the_same_bits_in_any_stack,
    runs.a_stopped_training_continues_with_the_same_bits,
    runs.every_per_run_field_counts,
    runs.seeds_matter,
    runs.what_is_not_needed_is_unseen,
    runs.names_of_groups_are_without_effect,
    runs.it_learns,
    runs.it_learns_several_classes,
)
NETWORK: tuple[Rule, ...] = (
    files.the_file_lists_every_field,
    networks.parameters_come_from_each_runs_own_seed,
    networks.logits_are_one_a_row,
    networks.rows_do_not_touch,
    networks.the_classifier_reads_hidden,
    networks.dropout_is_drawn_by_each_run,
    networks.tangents_are_derivatives,
    networks.a_trained_run_has_the_same_bits_in_any_stack,
    networks.it_can_be_trained,
)


def rules_of(subject: Subject) -> tuple[Rule, ...]:
    """The rules for a method, or for a network.  Raises ``InputError`` for what is neither."""
    kinds = "a class that derives from fairrun.method.Method or fairrun.models.network.Network"
    require(isinstance(subject.made, Method | Network), "what is checked", subject.name, kinds)
    return METHOD if isinstance(subject.made, Method) else NETWORK


def sentence(rule: Rule) -> str:
    """What a rule says must be: its docstring."""
    return " ".join(str(inspect.getdoc(rule)).split()).replace("``", "`")


def check(rule: Rule, subject: Subject) -> None:
    """Carry a rule out, on one thread, as runs are trained: else a product rounds otherwise for one run than for many.

    Raises ``Broken`` with what is wrong, also for whatever the class raises, and ``Exempt`` where the rule is not
    for it.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rule(subject)
    except (Broken, Exempt, InputError):
        raise
    except Exception as error:
        raise Broken(told(error)) from error
    finally:
        torch.set_num_threads(threads)
