"""What is checked, and how a rule says what is wrong with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.utils._pytree import keystr, tree_flatten_with_path

from fairrun.contract.samples import DROPPING, NETWORK
from fairrun.models.network import Network


class Broken(Exception):
    """A rule is broken; the message says what is wrong, and where."""


class Exempt(Exception):
    """A rule is not for this method or network; the message says why."""


@dataclass(frozen=True)
class Subject:
    """A method or a network as a configuration file makes it."""

    made: Any
    file: str = ""  # its choice, method=fair_mixup; "": no file names the class
    keys: frozenset[str] = frozenset()  # the keys of its node, without _target_
    presets: Mapping[str, Any] = field(default_factory=dict)  # choice -> what each file of the class makes, this too
    network: Network = NETWORK  # that a method trains; one of several tasks trains another
    dropping: Network = DROPPING  # the same with dropout

    @property
    def name(self) -> str:
        """The name of the class."""
        return type(self.made).__name__


def broken(what: str) -> NoReturn:
    """Raise ``Broken``."""
    raise Broken(what)


def hold(condition: object, otherwise: str) -> None:
    """Raise ``Broken`` unless the condition holds."""
    if not condition:
        raise Broken(otherwise)


def tensors(tree: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a tree, with the path that leads to it: theta['classifier.weight']."""
    for path, leaf in tree_flatten_with_path(tree)[0]:
        if isinstance(leaf, Tensor):
            yield keystr(path).lstrip("."), leaf


def same(ours: Tensor, theirs: Tensor, what: str, rtol: float = 0.0, atol: float = 0.0) -> None:
    """Raise ``Broken`` "what (by up to D)" unless two tensors agree; NaN agrees with NaN."""
    hold(ours.shape == theirs.shape, f"{what} (shape {[*ours.shape]}, not {[*theirs.shape]})")
    hold(ours.dtype == theirs.dtype, f"{what} ({ours.dtype}, not {theirs.dtype})")
    if not torch.isclose(ours, theirs, rtol=rtol, atol=atol, equal_nan=True).all():
        most = (ours.double() - theirs.double()).abs().nan_to_num(nan=torch.inf).max()
        broken(f"{what} (by up to {most:.2g})")


def same_trees(ours: Any, theirs: Any, what: str, rtol: float = 0.0, atol: float = 0.0) -> None:
    """Raise ``Broken`` unless all tensors of two trees agree."""
    pairs = zip(tensors(ours), tensors(theirs), strict=True)
    for (path, one), (_, other) in pairs:
        same(one, other, f"{what}: {path} differs", rtol, atol)
