"""Any ``torch.nn.Module`` as a network: its parameters are drawn, and its rows computed, for each run by itself."""

import contextlib
import dataclasses
import functools
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call

from fairrun.config.check import check_values, require
from fairrun.method.api import Theta
from fairrun.models.network import Network, classified
from fairrun.models.of_torch import seeds, weights
from fairrun.models.of_torch.dry_run import Layout, dry_run, fill_lazy_layers
from fairrun.models.of_torch.groups import for_methods, for_torch, refuse_unknown_groups
from fairrun.models.of_torch.hooks import inputs_of


@dataclass(frozen=True)
class TorchNetwork(Network):
    """A ``torch.nn.Module`` that gives one logit a row for two classes, C logits for C classes.

    A parameter of the module is named ``base.NAME``, or ``fairness.NAME`` if ``groups`` puts it there.  The linear
    layer that ``groups`` calls classifier has ``classifier.weight`` [R, in, out] and ``classifier.bias`` [R, 1, out].
    Buffers, and parameters that require no gradient, are constants, the same for all runs: those of a module that is
    drawn with seed 0, or of ``weights``.

    Parameters are drawn by the module's own constructor, with torch's random numbers seeded by the run's generator.
    Where the module draws numbers in training, as dropout does, they are seeded by the run's generator for each batch.

    The runs go through the module one after another.  So a run is bit for bit the run alone.  ``torch.vmap`` over the
    runs gives other bits for other numbers of runs; it is two to three times as fast for networks of few units, and
    gains a tenth or less for convolutions.
    """

    num_features: int  # D; 0 before the data is known
    num_classes: int  # C; one logit for each class, or a single one for two classes
    groups: Mapping[str, str | list[str] | None]  # patterns of parameter names, for each of ``groups.GROUPS``
    weights: str | None  # file of a state dict that the parameters start from; None: they are drawn

    starts: ClassVar[tuple[str, ...]] = ("weights",)
    remedies: ClassVar[Mapping[str, str]] = {
        "fairness": "groups.fairness must be patterns of parameter names, such as fc1 or fc1.*",
        "classifier": "groups.classifier must be the name of the last layer, such as fc2",
    }

    def __post_init__(self) -> None:
        check_values(self)
        refuse_unknown_groups(self.groups)
        if self.num_features > 0:
            self._layout  # noqa: B018 (it checks the module)

    @abstractmethod
    def make(self) -> nn.Module:
        """A new module with new parameters, from torch's random numbers."""

    @property
    @abstractmethod
    def row(self) -> tuple[int, ...]:
        """The shape of a row as the module takes it."""

    @property
    def widest(self) -> int:
        """Numbers for one row at the output of the widest layer."""
        return self._layout.widest

    def init(self, generators: Sequence[Generator]) -> Theta:
        """Draw parameters in float64, for each run by its own generator."""
        drawn = [dict(self._made(seeds.drawn(g)).named_parameters()) for g in generators]
        theta = {}
        for name, inner in self._layout.names.items():
            p = torch.stack([parameters[inner].detach().double() for parameters in drawn])
            theta[name] = for_methods(name, p).contiguous()
        return theta

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """The two halves of each run's seed, [R, 2], for the random numbers of the batch; () without dropout."""
        if not self._layout.draws:
            return ()
        return (torch.stack([seeds.drawn_halves(g) for g in generators]),)

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B]; for C > 2 classes [R, B, C]."""
        if self._layout.last is not None:
            return classified(theta, self.hidden(theta, x, masks))
        z = torch.stack([out for out, _ in self._runs(theta, x, masks)])
        return z.flatten(1) if self.num_classes == 2 else z

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The input of the layer ``classifier``, [R, B, D] -> [R, B, H]."""
        if self._layout.last is None:
            raise ValueError("only a module with groups.classifier has a representation")
        return torch.stack([h for _, h in self._runs(theta, x, masks)])

    def _runs(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, Tensor]]:
        """Every run's output of the module, and the input of the layer ``classifier``, if there is one."""
        net, constants = self._layout.net, self._constants(x)
        each = {inner: for_torch(name, theta[name]).unbind() for name, inner in self._layout.names.items()}
        for r, rows in enumerate(x.unbind()):
            net.train(bool(masks))
            seeded = seeds.seeded(seeds.joined(masks[0][r]), x.device) if masks else contextlib.nullcontext()
            with seeded, inputs_of(net, self._layout.last) as inputs:
                parameters = {inner: parts[r] for inner, parts in each.items()}
                out = functional_call(net, parameters | constants, (rows.unflatten(-1, self.row),))
            yield out, inputs[-1] if inputs else out

    def constants(self) -> dict[str, Tensor]:
        """Buffers and untrained parameters, by their names in the module."""
        net, trained = self._layout.net, set(self._layout.names.values())
        kept = [*net.named_buffers(), *net.named_parameters()]
        return {name: value.detach() for name, value in kept if name not in trained}

    def with_constants(self, constants: Mapping[str, Tensor]) -> Self:
        """The network with other buffers and untrained parameters."""
        other = dataclasses.replace(self)
        own = other.constants()
        wrong = [name for name in own.keys() | constants.keys() if not _alike(own.get(name), constants.get(name))]
        require(not wrong, "the constants", sorted(wrong)[:3], "those of the module that the record describes")
        for name, value in own.items():
            value.copy_(constants[name])
        return other

    def _constants(self, like: Tensor) -> dict[str, Tensor]:
        """The constants, those of fractions with the type of ``like``."""
        key = f"{like.dtype} {like.device}"
        if key not in self._cache:
            self._cache[key] = {
                name: value.to(like.device, like.dtype if value.is_floating_point() else value.dtype)
                for name, value in self.constants().items()
            }
        return self._cache[key]

    @functools.cached_property
    def _cache(self) -> dict[str, dict[str, Tensor]]:
        return {}

    def _made(self, seed: int) -> nn.Module:
        """A module drawn with a seed, on the CPU in float32."""
        cpu = torch.device("cpu")
        with seeds.seeded(seed, cpu), cpu:
            net = self.make()
            require(isinstance(net, nn.Module), "module", type(net).__name__, "a torch.nn.Module")
            fill_lazy_layers(net, self.row)
        if self.weights is not None:
            weights.load(net, self.weights, self._state)
        return net

    @functools.cached_property
    def _state(self) -> dict[str, Tensor]:
        """The state dict in the file ``weights``."""
        return weights.read(str(self.weights))

    @functools.cached_property
    def _layout(self) -> Layout:
        """The module with its groups, after a dry run.  Raises ``InputError`` for a module that cannot be trained."""
        return dry_run(self._made(0), self.groups, self.row, self.num_classes)


def _alike(ours: Tensor | None, theirs: Tensor | None) -> bool:
    """Whether both are tensors of one shape and type."""
    return ours is not None and theirs is not None and (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
