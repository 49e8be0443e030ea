"""Networks and optimizers that run on the kernels, each with its torch counterpart for what they do not cover."""

import copy
import ctypes
import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar, cast

import torch
from torch import Generator, Tensor

from fairrun.config.check import one_of, require
from fairrun.method.api import Theta
from fairrun.models.mlp import MLP
from fairrun.models.network import Network, outputs
from fairrun.models.row_gradients import Layer, Pullback
from fairrun.models.shared_bottom import SharedBottom
from fairrun.training.native.library import library
from fairrun.training.optim import SGD, Adagrad, Adam, AdamW

ENGINES = ("auto", "native", "torch")
WIDTH_MULTIPLE = 16  # a hidden layer's units are padded to a multiple of this; the units beyond its width are zero
ROWS_MULTIPLE = 4
HYPER: dict[type, tuple[str, tuple[str, ...]]] = {  # the kernel of an optimizer, and the hyper-parameters that it reads
    Adam: ("adam_step", ("lr", "b1", "b2", "eps")),
    AdamW: ("adam_step", ("lr", "b1", "b2", "eps")),  # on parameters that are decayed before
    SGD: ("sgd_step", ("lr", "momentum", "weight_decay")),
    Adagrad: ("adagrad_step", ("lr", "eps")),
}

N = TypeVar("N", MLP, SharedBottom)


def choose(engine: str, dtype: torch.dtype, device: str) -> str:
    """The engine that a run uses, "native" or "torch".  "auto" means native where possible.  Raises ``InputError``."""
    one_of("engine", engine, ENGINES)
    fits = dtype == torch.float32 and device == "cpu"
    if engine == "native":
        require(fits, "engine", engine, "auto or torch unless dtype=float32 and device=cpu")
        require(library() is not None, "engine", engine, "auto or torch: this machine cannot build the native engine")
    return "native" if engine != "torch" and fits and library() is not None else "torch"


def accelerate(part: Any) -> Any:
    """Replace every network and optimizer in ``part``, a network or a bound method, that the kernels cover.

    A class that derives from one of these may compute something else, and is left to torch.
    """
    kernels = library()
    assert kernels is not None
    if type(part) is MLP:
        passes = Passes(kernels, part._widths(), [], 1, outputs(part.num_classes), part.dropout)
        return NativeMLP(part, passes) if part.depth > 0 else part
    if type(part) is SharedBottom:
        return NativeSharedBottom(part, kernels)
    if type(part) in HYPER:
        kernel, fields = HYPER[type(part)]
        return NativeOptimizer(part, torch.cat([getattr(part, name) for name in fields], dim=1), kernels[kernel])
    if not dataclasses.is_dataclass(part):
        return part
    faster = copy.copy(part)  # a copy skips the checks of values, which are tensors by now
    for field in dataclasses.fields(part):
        object.__setattr__(faster, field.name, accelerate(getattr(part, field.name)))
    return faster


def gather(table: Tensor, rows: Tensor, out: Tensor) -> None:
    """Write the ``rows`` of ``table`` (float32, on the CPU) to ``out``.

    The kernel fetches rows ahead, because a data set is larger than the cache.
    """
    kernels = library()
    if kernels is None or not table.is_contiguous():  # the kernel reads row after row
        torch.index_select(table, 0, rows, out=out)
        return
    kernels.gather(_pointer(table), _long(table.shape[1]), _pointer(rows), _long(len(rows)), _pointer(out))


class Kept(NamedTuple):
    """What a forward pass keeps for the backward pass."""

    activations: list[Tensor]  # of each hidden layer, [R, B, padded width]
    scale: float  # what dropout multiplies the units by that it keeps
    arguments: tuple[Any, ...]  # of both kernels
    owners: tuple[Tensor, ...]  # what the arguments point to


@dataclass(frozen=True)
class Passes:
    """The kernels' passes of a network: a trunk of ReLU layers, and heads of ReLU layers and a linear unit."""

    kernels: ctypes.CDLL
    trunk: Sequence[int]  # widths of the shared hidden layers, one or more
    head: Sequence[int]  # widths of the hidden layers of every head
    num_heads: int  # T
    outputs: int  # of a head; more than one for a single head only
    dropout: float  # of the trunk's units

    def forward(self, x: Tensor, p: Sequence[Tensor], masks: tuple[Tensor, ...] = ()) -> tuple[Tensor, Kept]:
        """The logits [R, T B], with several outputs [R, B, C], for inputs [R, B, D], and what ``gradient`` needs.

        ``p`` are the weight and bias of every layer, of the trunk and then of each head.  With ``masks`` there is
        dropout.
        """
        return self._pass(x, p, masks, keep=True)

    def logits(self, x: Tensor, p: Sequence[Tensor], masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The logits alone; the runs' activations overwrite each other, in the cache."""
        return self._pass(x, p, masks, keep=False)[0]

    def _pass(self, x: Tensor, p: Sequence[Tensor], masks: tuple[Tensor, ...], keep: bool) -> tuple[Tensor, Kept]:
        runs, rows, features = x.shape
        widths = [*self.trunk, *(width for _ in range(self.num_heads) for width in self.head)]
        activations = [x.new_empty(runs if keep else 1, rows, _padded(width)) for width in widths]
        most = (runs if x.stride(0) else 1) * rows * features + 16  # entries, and a vector behind them
        sizes = (8 * runs * rows, 4 * most, 4 * most, runs)  # bytes of ends, column, value, dense
        memory = x.new_empty(sum(sizes), dtype=torch.uint8)
        places = itertools.accumulate(sizes[:-1], initial=memory.data_ptr())
        arguments = (
            self._shape(x),
            _pointer(x),
            _long(x.stride(0)),
            *_stacked(p),
            _pointers(activations),
            *map(ctypes.c_void_p, places),
        )
        logits = x.new_empty(runs, rows, self.outputs) if self.outputs > 1 else x.new_empty(runs, self.num_heads * rows)
        self.kernels.mlp_logits(*arguments, _pointers(masks) if masks else None, _long(keep), _pointer(logits))
        scale = 1 / (1 - self.dropout) if masks else 1.0
        return logits, Kept(activations, scale, arguments, (x, *p, memory))

    def gradient(self, p: Sequence[Tensor], kept: Kept, g: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
        """The gradient with respect to those of ``p`` that are ``wanted``, None for the others.

        ``g`` is the slope of the loss at the logits, in their order; ``kept`` is what ``forward`` returned after them.
        """
        grads = [
            torch.empty_like(q, memory_format=torch.contiguous_format) if want else None
            for q, want in zip(p, wanted, strict=True)
        ]
        g = g.contiguous()
        self.kernels.mlp_gradient(*kept.arguments, _pointer(g), ctypes.c_float(kept.scale), _pointers(grads))
        return grads

    def _shape(self, x: Tensor) -> Any:
        runs, rows, features = x.shape
        numbers = [runs, rows, len(self.trunk), self.num_heads, len(self.head)]
        numbers += [features, *self.trunk, *self.head, self.outputs]
        return (_long * len(numbers))(*numbers)


@dataclass(frozen=True)
class _Native(Network, Generic[N]):
    """A network on the kernels, with its torch counterpart, ``network``.

    Inputs that need a gradient, and second derivatives, use torch.
    """

    network: N

    @functools.cached_property
    def linear(self) -> N:
        """The network on features, whose first layer has its embeddings in it."""
        return dataclasses.replace(self.network, embedding_dim=None)

    @property
    def widest(self) -> int:
        """The same as the network's."""
        return self.network.widest

    def init(self, generators: Sequence[Generator]) -> Theta:
        """As the network's."""
        return self.network.init(generators)

    def in_torch(self) -> N:
        """The network."""
        return self.network


@dataclass(frozen=True)
class NativeMLP(_Native[MLP]):
    """An ``MLP`` that runs on the kernels."""

    passes: Passes

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B]; for C > 2 classes [R, B, C]."""
        p = self._layers(self.network.on_features(theta))
        if x.requires_grad or not _covers(x, p):
            return self.linear.logits(p, x, masks)
        if not torch.is_grad_enabled():
            return _constant(self.passes.logits(x, [*p.values()], _contiguous(masks)), p)
        value, kept = self._forward(x, p, masks)
        done = _Pass(self.passes, p, kept, lambda: self.linear.logits(p, x, masks))
        return done.differentiable(value, [p])

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """As ``MLP.hidden``.  Uses the kernels if no gradient is needed."""
        p = self._layers(self.network.on_features(theta))
        if torch.is_grad_enabled() or not _covers(x, p):
            return self.linear.hidden(p, x, masks)
        return self.units(self._forward(x, p, masks)[1])[-1]

    def tangents(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> tuple[Tensor, Pullback] | None:
        """As ``MLP.tangents``."""
        if self.network.embedding_dim is not None:
            return None
        p = self._layers(theta)
        if not _covers(x, p):
            return self.network.tangents(theta, x, masks)
        logits, kept = self._forward(x, p, masks)
        return logits, _Pullback(self, p, x, kept, masks)

    def units(self, kept: Kept) -> list[Tensor]:
        """The activations of every hidden layer, without their padding."""
        return [a[..., :width] for a, width in zip(kept.activations, self.passes.trunk, strict=True)]

    def masks(self, generators: Sequence[Generator], num_rows: int) -> tuple[Tensor, ...]:
        """As ``MLP.masks``."""
        return self.network.masks(generators, num_rows)

    def _forward(self, x: Tensor, p: Theta, masks: tuple[Tensor, ...]) -> tuple[Tensor, Kept]:
        return self.passes.forward(x, [*p.values()], _contiguous(masks))

    def _layers(self, theta: Theta) -> Theta:
        """The parameters of the linear layers, first to last."""
        return {name: theta[name] for name in self._names}

    @functools.cached_property
    def _names(self) -> list[str]:
        return _parameters([*self.network._hidden(), "classifier"])


@dataclass(frozen=True)
class _Pullback:
    """The pullback of a ``NativeMLP``: layers from ``MLP``, gradients from the kernels."""

    native: NativeMLP
    p: Theta
    x: Tensor
    kept: Kept
    masks: tuple[Tensor, ...]

    def layers(self, slope: Tensor) -> dict[str, Layer]:
        """As ``MLP.pullback``."""
        inputs = [self.x, *self.native.units(self.kept)]
        return self.native.network.pullback(self.p, inputs, self.masks).layers(slope)

    def gradient(self, slope: Tensor) -> Theta:
        """The gradient with respect to every parameter, computed by the kernels."""
        grads = self.native.passes.gradient([*self.p.values()], self.kept, slope, [True] * len(self.p))
        return dict(zip(self.p, cast(list[Tensor], grads), strict=True))


@dataclass(frozen=True)
class NativeSharedBottom(_Native[SharedBottom]):
    """A ``SharedBottom`` whose logits run on the kernels."""

    kernels: ctypes.CDLL

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """As ``SharedBottom.hidden``, by torch."""
        return self.network.hidden(theta, x)

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B, T]."""
        theta = self.network.on_features(theta)
        if x.requires_grad or not _covers(x, theta):
            return self.linear.logits(theta, x)
        bottoms = self.network.bottoms(theta)
        parts = [self._on_bottom(theta, x, prefix, tasks) for prefix, tasks in bottoms.items()]  # each [R, T', B]
        if len(parts) == 1:
            return parts[0].mT
        order = [t for tasks in bottoms.values() for t in tasks]
        return torch.cat(parts, dim=1)[:, [order.index(t) for t in range(len(order))]].mT

    def _on_bottom(self, theta: Theta, x: Tensor, prefix: str, tasks: list[int]) -> Tensor:
        """The logits of the tasks that share a bottom, [R, T, B].

        Its gradients and those of the heads are apart, because a backward pass may be for either.
        """
        shared, head = self.network.shared, self.network.head
        layers = [f"head.{t}.{k}" for t in tasks for k in (*range(len(head)), "classifier")]
        trunk = {name: theta[name] for name in _parameters([f"{prefix}shared.{k}" for k in range(len(shared))])}
        heads = {name: theta[name] for name in _parameters(layers)}
        passes = Passes(self.kernels, shared, head, len(tasks), outputs=1, dropout=0.0)
        both, shape = trunk | heads, (len(tasks), -1)
        if not torch.is_grad_enabled():
            return _constant(passes.logits(x, [*both.values()]).unflatten(1, shape), both)
        value, kept = passes.forward(x, [*both.values()])
        done = _Pass(passes, both, kept, lambda: self.linear.logits(theta, x).mT[:, tasks])
        return done.differentiable(value.unflatten(1, shape), [trunk, heads])


@dataclass(frozen=True)
class _Pass:
    """A forward pass that is done."""

    passes: Passes
    p: Theta  # of every layer, as ``Passes`` takes them
    kept: Kept
    in_torch: Callable[[], Tensor]  # computes the logits from ``p`` by torch

    def differentiable(self, logits: Tensor, groups: Sequence[Theta]) -> Tensor:
        """The ``logits`` with their gradient at ``p``, whose ``groups`` are differentiated only if they are asked for.

        Torch asks for a group as a whole: each adds 0 to the logits, and has its gradient.
        """
        found: Tensor = _Logits.apply(self, logits, list(groups[0]), *groups[0].values())
        for group in groups[1:]:
            found = found + _Logits.apply(self, torch.zeros_like(logits), list(group), *group.values())
        return found


def _constant(logits: Tensor, p: Theta) -> Tensor:
    """The ``logits`` of a pass that keeps nothing; a forward-mode derivative is refused as with one that does."""
    found: Tensor = _Logits.apply(None, logits, list(p), *p.values())
    return found


class _Logits(torch.autograd.Function):
    """The logits of a pass, or 0, with the gradient of the logits at a group of parameters."""

    @staticmethod
    def forward(ctx: Any, done: _Pass | None, logits: Tensor, names: list[str], *group: Tensor) -> Tensor:
        ctx.done, ctx.names = done, names
        return logits

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        done: _Pass = ctx.done
        wanted = [name for name, need in zip(ctx.names, ctx.needs_input_grad[3:], strict=True) if need]
        if torch.is_grad_enabled():  # the caller wants a gradient of the gradient
            slopes = torch.autograd.grad(done.in_torch(), [done.p[name] for name in wanted], g, create_graph=True)
            grads = dict(zip(wanted, slopes, strict=True))
        else:
            p, needed = [*done.p.values()], [name in wanted for name in done.p]
            grads = dict(zip(done.p, done.passes.gradient(p, done.kept, g, needed), strict=True))
        return None, None, None, *(grads.get(name) for name in ctx.names)


@dataclass(frozen=True)
class NativeOptimizer:
    """``Adam``, ``SGD`` or ``Adagrad`` with bound hyper-parameters, in one pass over a run's parameters."""

    optimizer: Adam | SGD | Adagrad
    hyper: Tensor  # [R, K] the fields in ``HYPER``
    kernel: Any

    def init(self, theta: Theta) -> Any:
        """As the optimizer's."""
        return self.optimizer.init(theta)

    def step(self, theta: Theta, grads: Theta, state: Any) -> tuple[Theta, Any]:
        """One step."""
        if isinstance(self.optimizer, Adam):
            theta = self.optimizer.decayed(theta)
        before = [v.contiguous() for v in state]
        after = [torch.empty_like(v) for v in before]
        return _updated(self.kernel, theta, grads, (self.hyper, *before, *after)), type(state)(*after)


def _updated(kernel: Any, theta: Theta, grads: Theta, numbers: Sequence[Tensor]) -> Theta:
    """The parameters after a step by ``kernel``.  ``numbers`` are its other arguments, both inputs and outputs."""
    old, g = list(theta.values()), [grads[name] for name in theta]
    old, g = ([t if _readable(t) else t.contiguous() for t in tensors] for tensors in (old, g))
    new = [torch.empty_like(p, memory_format=torch.contiguous_format) for p in old]
    runs, sizes = len(old[0]), (_long * len(old))(*[p.numel() // len(p) for p in old])
    kernel(_long(runs), _long(len(old)), sizes, *_stacked(old), *_stacked(g), _pointers(new), *map(_pointer, numbers))
    return dict(zip(theta, new, strict=True))


_long = ctypes.c_int64


def _padded(width: int) -> int:
    return -(-width // WIDTH_MULTIPLE) * WIDTH_MULTIPLE


def _pointer(t: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(t.data_ptr())


def _readable(t: Tensor) -> bool:
    """Whether each run's numbers are contiguous."""
    return t.is_contiguous() or t[0].is_contiguous()


def _covers(x: Tensor, p: Theta) -> bool:
    return x.shape[1] % ROWS_MULTIPLE == 0 and all(map(_readable, (x, *p.values())))


def _contiguous(masks: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(mask.contiguous() for mask in masks)


def _parameters(layers: Sequence[str]) -> list[str]:
    return [f"{name}.{part}" for name in layers for part in ("weight", "bias")]


def _stacked(tensors: Sequence[Tensor]) -> tuple[Any, Any]:
    """The addresses of tensors with a run axis, and the strides between their runs."""
    return _pointers(tensors), (_long * len(tensors))(*[t.stride(0) for t in tensors])


def _pointers(tensors: Sequence[Tensor | None]) -> Any:
    return (ctypes.c_void_p * len(tensors))(*[None if t is None else t.data_ptr() for t in tensors])
