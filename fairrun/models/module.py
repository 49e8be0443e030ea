"""Any ``torch.nn.Module`` as a network: its parameters are drawn, and its rows computed, for each run by itself."""

import contextlib
import dataclasses
import functools
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from fairrun.config.check import InputError, check_values, nearest, require, unknown
from fairrun.config.plugins import told
from fairrun.config.recipe import Recipe
from fairrun.method.api import Theta
from fairrun.models.network import Network, classified, outputs

GROUPS = ("fairness", "classifier")  # parameter groups that patterns may name; the other parameters are in "base"
SEED = 2**63 - 1  # seeds are below it
HALF = 2**24  # every whole number below it is a float32
PROBES = 3  # rows of the dry run
DRAWS = 20  # of all parameters at random, one of which gives a logit below 0
MOST_GROUPS = 32  # of a group normalisation
CHANNELS_OF_GROUP = 16  # at least so many channels of a batch normalisation become a group, as in Wu and He, ECCV 2018
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # of batch normalisation


class Layout(NamedTuple):
    """What a dry run tells about a module."""

    net: nn.Module
    names: dict[str, str]  # of each trained parameter: its name for methods, and its name in the module
    last: str | None  # the name of the layer "classifier" in the module
    draws: bool  # whether training differs from evaluation: the module has dropout
    widest: int  # numbers for one row at the output of its widest layer


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
    groups: Mapping[str, str | list[str] | None]  # patterns of parameter names, for each of GROUPS
    weights: str | None  # file of a state dict that the parameters start from; None: they are drawn

    starts: ClassVar[tuple[str, ...]] = ("weights",)
    remedies: ClassVar[Mapping[str, str]] = {
        "fairness": "groups.fairness must be patterns of parameter names, such as fc1 or fc1.*",
        "classifier": "groups.classifier must be the name of the last layer, such as fc2",
    }

    def __post_init__(self) -> None:
        check_values(self)
        for name in self.groups:
            if name not in GROUPS:
                raise InputError(unknown(f"groups.{name}", [f"groups.{group}" for group in GROUPS]))
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
        drawn = [dict(self._made(_seed(g)).named_parameters()) for g in generators]
        theta = {}
        for name, inner in self._layout.names.items():
            p = torch.stack([parameters[inner].detach().double() for parameters in drawn])
            p = p.mT if name == "classifier.weight" else p.unsqueeze(1) if name == "classifier.bias" else p
            theta[name] = p.contiguous()
        return theta

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """The two halves of each run's seed, [R, 2], for the random numbers of the batch; () without dropout."""
        if not self._layout.draws:
            return ()
        return (torch.stack([torch.randint(HALF, (2,), generator=g) for g in generators]),)

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
        each = {inner: _torch_shape(name, theta[name]).unbind() for name, inner in self._layout.names.items()}
        for r, rows in enumerate(x.unbind()):
            net.train(bool(masks))
            seeded = _seeded(_joined(masks[0][r]), x.device) if masks else contextlib.nullcontext()
            with seeded, _seen(net, self._layout.last) as seen:
                parameters = {inner: parts[r] for inner, parts in each.items()}
                out = functional_call(net, parameters | constants, (rows.unflatten(-1, self.row),))
            yield out, seen[-1] if seen else out

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
        with _seeded(seed, cpu), cpu:
            net = self.make()
            require(isinstance(net, nn.Module), "module", type(net).__name__, "a torch.nn.Module")
            if any(map(is_lazy, net.parameters())):
                self._output(net, torch.zeros(PROBES, *self.row))  # the first rows tell a lazy layer its inputs
        if self.weights is not None:
            _load(net, self.weights, self._state)
        return net

    @functools.cached_property
    def _state(self) -> dict[str, Tensor]:
        """The state dict in the file ``weights``."""
        return _read(str(self.weights))

    def _output(self, net: nn.Module, rows: Tensor) -> Tensor:
        try:
            with torch.no_grad():
                found = net(rows)
        except Exception as error:
            shape = list(rows.shape[1:])
            raise InputError(f"module must take a batch of rows of shape {shape}, got {told(error)}") from error
        require(isinstance(found, Tensor), "module", type(found).__name__, "a module that returns one tensor")
        return found

    @functools.cached_property
    def _layout(self) -> Layout:
        """The module with its groups, after a dry run.  Raises ``InputError`` for a module that cannot be trained."""
        net = self._made(0)
        _refuse_batch_norm(net)
        names, last = _grouped(net, self.groups)
        g = torch.Generator().manual_seed(0)
        rows, others = (torch.rand(PROBES, *self.row, generator=g) for _ in range(2))
        with _widths(net.eval()) as widths, _seen(net, last) as seen:
            out = self._output(net, rows)
        self._check_output(out)
        if last is not None:
            _check_last(net.get_submodule(last), seen, out)
        self._check_signs(net, rows)
        _check_rows_alone(out, self._output(net, torch.cat([rows[:1], others[1:]])))
        return Layout(net, names, last, self._draws(net, rows, out), max(widths, default=math.prod(self.row)))

    def _check_output(self, out: Tensor) -> None:
        num_logits = outputs(self.num_classes)
        shapes = [[PROBES, num_logits]] + [[PROBES]] * (num_logits == 1)
        logits = "one logit" if num_logits == 1 else f"{num_logits} logits"
        allowed = f"a module that gives {logits} a row, {' or '.join(map(str, shapes))} for {PROBES} rows"
        require(list(out.shape) in shapes, "module", list(out.shape), allowed)

    def _check_signs(self, net: nn.Module, rows: Tensor) -> None:
        """Raise ``InputError`` if outputs are on one side of 0, whatever the parameters: they are no logits then.

        Of several classes they may be below 0 alone: logarithms of probabilities are logits.
        """
        g = torch.Generator().manual_seed(0)
        low = high = True  # whether all are at most, at least 0
        for _ in range(DRAWS):
            own = {name: torch.randn(p.shape, generator=g) for name, p in net.named_parameters() if p.requires_grad}
            with torch.no_grad():
                out = functional_call(net, own, (rows,))
            low, high = low and bool((out <= 0).all()), high and bool((out >= 0).all())
            if not high and not (low and self.num_classes == 2):
                return
        what = f"values of at {'least' if high else 'most'} 0 alone, whatever its parameters"
        raise InputError(
            f"module must give logits, of either sign, got {what}: leave out its last sigmoid, softmax or ReLU"
        )

    def _draws(self, net: nn.Module, rows: Tensor, out: Tensor) -> bool:
        """Whether the module differs in training from evaluation.  Raises ``InputError`` if it changes a buffer."""
        before = {name: b.clone() for name, b in net.named_buffers()}
        with _seeded(0, rows.device):
            state = torch.get_rng_state()
            trained = self._output(net.train(), rows)
            draws = not torch.equal(state, torch.get_rng_state())
        for name, b in net.named_buffers():
            if not torch.equal(b, before[name]):
                raise InputError(f"module must not change its buffers in training, got another {name} after a batch")
        return draws or not torch.equal(trained, out)


@dataclass(frozen=True)
class Module(TorchNetwork):
    """A module that ``module`` says how to make: a class of one's own, or any other.

    The arguments ``num_features`` (D) and ``num_outputs`` (the number of logits) are offered to it.
    """

    module: Recipe  # the class or function that makes it, and its arguments
    input: Literal["flat", "image"]  # a row as the module takes it: D numbers, or channels x size x size
    channels: int  # channels of an image
    norm: Literal["group"] | None  # what replaces every batch normalisation; None: a module with one is refused

    def __post_init__(self) -> None:
        require(self.channels >= 1, "channels", self.channels, ">= 1")
        if self.input == "image" and self.num_features > 0:
            square(self.num_features, self.channels)
        super().__post_init__()

    @property
    def row(self) -> tuple[int, ...]:
        """(D,), or (channels, size, size)."""
        return (self.num_features,) if self.input == "flat" else square(self.num_features, self.channels)

    def make(self) -> nn.Module:
        """What the recipe makes, with group normalisation in place of batch normalisation if ``norm`` says so."""
        net: nn.Module = self.module.made(num_features=self.num_features, num_outputs=outputs(self.num_classes))
        return group_normalised(net) if self.norm == "group" else net


def square(num_features: int, channels: int) -> tuple[int, int, int]:
    """The shape of an image of ``num_features`` numbers.  Raises ``InputError`` if it is not square."""
    size = math.isqrt(num_features // channels)
    allowed = f"such that the data's {num_features} features are channels x size x size"
    require(channels * size**2 == num_features, "channels", channels, allowed)
    return channels, size, size


def group_normalised(net: nn.Module) -> nn.Module:
    """The module with every batch normalisation replaced by group normalisation, with new scales and shifts.

    A group has at least 16 channels: the mean and variance of fewer, where images are one pixel wide, say nothing.
    """
    if isinstance(net, _BatchNorm):
        return _group_norm(net)
    for name, part in list(net.named_children()):
        setattr(net, name, group_normalised(part))
    return net


def _group_norm(norm: _BatchNorm) -> nn.GroupNorm:
    channels = norm.num_features
    most = max(1, min(MOST_GROUPS, channels // CHANNELS_OF_GROUP))
    number = next(n for n in range(most, 0, -1) if channels % n == 0)
    return nn.GroupNorm(number, channels, norm.eps, norm.affine)


def _refuse_batch_norm(net: nn.Module) -> None:
    found = [f"{name} ({type(part).__name__})" for name, part in net.named_modules() if isinstance(part, _BatchNorm)]
    if found:
        raise InputError(
            f"module must have no batch normalisation, which mixes the rows of a batch, got {found[0]}: "
            "model.norm=group puts group normalisation in its place"
        )


def _grouped(net: nn.Module, groups: Mapping[str, str | list[str] | None]) -> tuple[dict[str, str], str | None]:
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


def _check_last(layer: nn.Module, inputs: Sequence[Tensor], out: Tensor) -> None:
    """Refuse a layer ``classifier`` that does not give the module's output."""
    with torch.no_grad():
        sound = len(inputs) == 1 and inputs[0].ndim == 2 and torch.equal(layer(inputs[0]).flatten(), out.flatten())
    if not sound:
        raise InputError("groups.classifier must be the last layer, whose outputs the module returns, got another one")


def _check_rows_alone(out: Tensor, beside_others: Tensor) -> None:
    """Refuse a module whose output for the first row differs if the other rows do."""
    if not torch.allclose(out[0], beside_others[0], rtol=1e-3, atol=1e-5, equal_nan=True):
        raise InputError(
            "module must compute each row by itself, got a first row whose output depends on the rows after it"
        )


def _seed(generator: Generator) -> int:
    return int(torch.randint(SEED, (), generator=generator, device="cpu"))


def _joined(halves: Tensor) -> int:
    high, low = halves.tolist()
    return int(high) * HALF + int(low)


@contextlib.contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let torch's random numbers start from a seed, and restore them after it."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)
        yield


@contextlib.contextmanager
def _seen(net: nn.Module, layer: str | None) -> Iterator[list[Tensor]]:
    """The inputs of a layer of the module, as it gets them."""
    seen: list[Tensor] = []
    if layer is None:
        yield seen
        return
    hook = net.get_submodule(layer).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        hook.remove()


@contextlib.contextmanager
def _widths(net: nn.Module) -> Iterator[list[int]]:
    """How many numbers every layer gives for one row."""
    widths: list[int] = []

    def note(_: nn.Module, __: Any, out: Any) -> None:
        if isinstance(out, Tensor):
            widths.append(out.numel() // PROBES)

    hooks = [part.register_forward_hook(note) for part in net.modules()]
    try:
        yield widths
    finally:
        for hook in hooks:
            hook.remove()


def _alike(ours: Tensor | None, theirs: Tensor | None) -> bool:
    """Whether both are tensors of one shape and type."""
    return ours is not None and theirs is not None and (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)


def _torch_shape(name: str, p: Tensor) -> Tensor:
    """A parameter [R, ...] as the module has it: the layer ``classifier`` is kept as methods read it."""
    return p.mT if name == "classifier.weight" else p.squeeze(1) if name == "classifier.bias" else p


def _read(path: str) -> dict[str, Tensor]:
    """The state dict in a file of ``torch.save``.  Nothing in the file is executed."""
    file = Path(path)
    changed = (file.stat().st_mtime_ns, file.stat().st_size) if file.exists() else (0, 0)
    return _state_dict(path, changed)


@functools.lru_cache(maxsize=1)
def _state_dict(path: str, changed: tuple[int, int]) -> dict[str, Tensor]:
    """The content of a file, read again where its time or size have ``changed``."""
    allowed = "a file of torch.save with a state dict, tensors by name"
    try:
        found = torch.load(Path(path), map_location="cpu", weights_only=True)
    except Exception as error:  # also of pickle, zipfile and struct
        raise InputError(f"weights must be {allowed}, got {path}: {told(error)}") from None
    sound = isinstance(found, dict) and all(isinstance(value, Tensor) for value in found.values())
    require(sound, "weights", path, allowed)
    return dict(found)


def _load(net: nn.Module, path: str, state: Mapping[str, Tensor]) -> None:
    """Copy a state dict into the module.  The last layer stays as drawn where the file has another shape or none.

    Running statistics of batch normalisation are left out.
    """
    own = net.state_dict()
    *_, final = own
    last = final.rpartition(".")[0]
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    missing = [name for name in own if name not in fitting and name.rpartition(".")[0] != last]
    if missing:
        there = f"{list(state[missing[0]].shape)}" if missing[0] in state else "none"
        what = f"{missing[0]} of shape {list(own[missing[0]].shape)}"
        raise InputError(
            f"weights must have all parameters before the last layer: {path} must have {what}, got {there}"
        )
    surplus = [name for name in state if name not in own and name.rpartition(".")[2] not in STATISTICS]
    require(not surplus, "weights", surplus[:3], f"parameters of the module alone, in {path}")
    net.load_state_dict(fitting, strict=False)
