"""The groups of a module's parameters, by patterns of their names, and the names and shapes that methods read."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from torch import Tensor, nn

from fairrun.config.check import InputError, nearest, require, unknown

GROUPS = ("fairness", "classifier")  # parameter groups that patterns may name; the other parameters are in "base"


def refuse_unknown_groups(groups: Mapping[str, str | list[str] | None]) -> None:
    """Raise ``InputError`` for a group that there is not."""
    for name in groups:
        if name not in GROUPS:
            raise InputError(unknown(f"groups.{name}", [f"groups.{group}" for group in GROUPS]))


def grouped(net: nn.Module, groups: Mapping[str, str | list[str] | None]) -> tuple[dict[str, str], str | None]:
    """``Layout.names`` and ``Layout.last``.  Raises ``InputError`` for patterns that do not fit the module."""
    names = [name for name, p in net.named_parameters() if p.requires_grad]
    require(names, "module", type(net).__name__, "a module with parameters that require a gradient")
    found = {group: _matching(group, groups.get(group), names) for group in GROUPS}
    if both := [name for name in found["fairness"] if name in found["classifier"]]:
        raise InputError(
            f"groups must have every parameter in one group only, got {both[0]} in fairness and classifier"
        )
    last = _linear(net, found["classifier"]) if found["classifier"] else None
    group_of = {name: group for group, of_group in found.items() for name in of_group}
    full = {name: f"{group_of.get(name, 'base')}.{name}" for name in names}
    if last is not None:
        full |= {f"{last}.{part}": f"classifier.{part}" for part in ("weight", "bias")}
    return {full[name]: name for name in names}, last


def _matching(group: str, patterns: str | list[str] | None, names: Sequence[str]) -> list[str]:
    """The parameters that match one of the patterns; the name of a layer matches all that are below it."""
    each = [patterns] if isinstance(patterns, str) else patterns or []
    for pattern in each:
        if not any(_matches(name, pattern) for name in names):
            layers = dict.fromkeys(name.rpartition(".")[0] or name for name in names)
            raise InputError(
                f"groups.{group} must match parameters of the module, got {pattern!r}{nearest(pattern, layers)}; there "
                f"are {', '.join(names)}"
            )
    return [name for name in names if any(_matches(name, pattern) for pattern in each)]


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def _linear(net: nn.Module, names: Sequence[str]) -> str:
    """The name of the linear layer that has these parameters."""
    layer = names[0].rpartition(".")[0]
    sound = isinstance(net.get_submodule(layer), nn.Linear) and set(names) == {f"{layer}.weight", f"{layer}.bias"}
    require(sound, "groups.classifier", list(names), "one torch.nn.Linear with a bias, the last layer")
    return layer


def for_methods(name: str, p: Tensor) -> Tensor:
    """A parameter [R, ...] of a module as methods read it: ``classifier`` is [R, in, out] and [R, 1, out]."""
    return p.mT if name == "classifier.weight" else p.unsqueeze(1) if name == "classifier.bias" else p


def for_torch(name: str, p: Tensor) -> Tensor:
    """A parameter [R, ...] that methods read as the module has it."""
    return p.mT if name == "classifier.weight" else p.squeeze(1) if name == "classifier.bias" else p
