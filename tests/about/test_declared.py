"""What classes say of themselves, against the classes as they are imported."""

import dataclasses
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import pytest

from fairrun.about import declared, files
from fairrun.config.build import class_of
from fairrun.config.check import In, OneOf
from tests.helpers.synthetic import ALL_METHODS, method

NODES = [(group, name) for group in ("method", "estimator", "dataset", "model") for name in files.choices(group)]
TARGETS = sorted(
    {
        key.value
        for node in NODES
        for name, key in files.composed(*node).items()
        if name.rpartition(".")[2] == files.TARGET and key.value != "???"
    }
)


@pytest.mark.parametrize("target", TARGETS)
def test_the_fields_of_a_class_are_read_without_importing_it(target):
    cls = class_of(target, "")
    hints = get_type_hints(cls, include_extras=True)
    found = declared.fields(target)
    assert {field.name for field in dataclasses.fields(cls)} <= found.keys()
    for field in dataclasses.fields(cls):
        hint, *rules = (
            get_args(hints[field.name]) if get_origin(hints[field.name]) is Annotated else (hints[field.name],)
        )
        ranges = [rule.allowed for rule in rules if isinstance(rule, In)]
        assert found[field.name].allowed == "".join(ranges)
        choices = [choice for rule in rules if isinstance(rule, OneOf) for choice in rule.choices]
        for part in (hint, *get_args(hint)):
            choices += get_args(part) if get_origin(part) is Literal else []
        if choices:
            assert found[field.name].kind.removeprefix("one of ").startswith(", ".join(map(str, choices)))


@pytest.mark.parametrize("name", ALL_METHODS)
def test_what_a_method_needs_is_read_without_importing_it(name):
    from fairrun.about.catalogue import needs_of

    assert needs_of(name) == method(name).needs


def test_a_comment_above_a_field_counts_where_none_is_behind_it():
    fields = declared.fields("fairrun.methods.adversarial.Adversarial")
    assert fields["alpha"].comment.startswith("weight of the adversary's gradient") and fields["alpha"].per_run
    assert declared.fields("fairrun.methods.penalty.Penalty")["fairness_loss"].comment == ""


def test_what_is_no_class_has_no_fields():
    assert declared.fields("nowhere.Class") == {} and declared.docstring("fairrun.train.nothing") == ("", "")
