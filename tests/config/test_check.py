"""Ranges and choices of fields, checked when an object is made."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import pytest

from fairrun.config.build import build
from fairrun.config.check import In, InputError, OneOf, check_fields, check_values
from fairrun.method import PerRun, PerTask


@dataclass(frozen=True)
class Example:
    """Fields with every kind of rule."""

    share: Annotated[PerRun, In("(0, 1]")] = 0.5
    weight: Annotated[PerTask, In("[0, inf)")] = 1.0
    steps: Annotated[int, In("[1, inf)")] = 1
    limit: Annotated[float | None, In("(-1, 1)")] = None
    goal: Literal["mean", "worst"] = "mean"
    loss: Literal["mmd", "gap"] | None = None
    name: Annotated[str, OneOf(("a", "b"))] = "a"
    free: float = 0.0

    def __post_init__(self):
        check_values(self)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"share": 0}, "share must be in (0, 1], got 0"),
        ({"share": 1.1}, "share must be in (0, 1], got 1.1"),
        ({"share": float("nan")}, "share must be in (0, 1], got nan"),
        ({"share": "half"}, "share must be in (0, 1], got 'half'"),
        ({"weight": -1}, "weight must be >= 0, got -1"),
        ({"weight": [1.0, -1.0]}, "weight must be >= 0, every number of the list, got [1.0, -1.0]"),
        ({"steps": 0}, "steps must be >= 1, got 0"),
        ({"limit": -1}, "limit must be null or in (-1, 1), got -1"),
        ({"goal": "best"}, "goal must be one of mean, worst, got 'best'"),
        ({"loss": "mse"}, "loss must be null or one of mmd, gap, got 'mse'"),
        ({"name": "c"}, "name must be one of a, b, got 'c'"),
    ],
)
def test_a_value_outside_its_range_or_choices_is_named(changed, message):
    with pytest.raises(InputError) as caught:
        replace(Example(), **changed)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "changed",
    [
        {"share": 1},
        {"weight": 0},
        {"weight": [0.0, 2.0]},
        {"limit": 0.5},
        {"limit": None},
        {"goal": "worst"},
        {"loss": "gap"},
        {"name": "b"},
        {"free": -1e9},
    ],
)
def test_a_value_within_is_taken(changed):
    replace(Example(), **changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"share": "half"}, "method.share must be a number, got 'half'"),
        ({"share": 2}, "method.share must be in (0, 1], got 2"),
        ({"steps": 1.5}, "method.steps must be an integer, got 1.5"),
        ({"goal": "wurst"}, "method.goal must be one of mean, worst, got 'wurst'; did you mean worst?"),
        ({"loss": "mmm"}, "method.loss must be one of mmd, gap or null, got 'mmm'; did you mean mmd?"),
        ({"goal": 3}, "method.goal must be one of mean, worst, got 3"),
        ({"loss": 3}, "method.loss must be one of mmd, gap or null, got 3"),
        ({"weight": ["a"]}, "method.weight must be a number or a list, each of it a number, got ['a']"),
    ],
)
def test_of_a_configuration_the_key_is_named_whole(changed, message):
    with pytest.raises(InputError) as caught:
        build({"_target_": f"{__name__}.Example", **changed}, "method")
    assert str(caught.value) == message


@dataclass(frozen=True)
class Lists:
    """Fields that take lists, and one that takes none."""

    sensitive: list[str | Mapping[str, Any]]
    widths: list[int] | None
    epochs: int


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ({"sensitive": "age_band"}, "got 'age_band'; did you mean 'dataset.sensitive=[age_band]'?"),
        ({"widths": 8}, "got 8; did you mean 'dataset.widths=[8]'?"),
        ({"widths": "wide"}, "got 'wide'"),
        ({"sensitive": [3]}, "got [3]"),
        ({"epochs": "3"}, "got '3'"),
    ],
)
def test_one_value_for_a_list_is_answered_with_the_list_of_it(value, end):
    with pytest.raises(InputError) as caught:
        check_fields(Lists, value, "dataset")
    assert str(caught.value).endswith(end)
