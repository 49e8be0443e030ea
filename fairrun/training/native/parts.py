"""Networks and optimizers that run on the kernels, each with its torch counterpart for what they do not cover."""

import copy
import ctypes
import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from fairrun.config.check import one_of, require
from fairrun.method.api import Theta
from fairrun.models.mlp import MLP
from fairrun.models.network import Network
from fairrun.models.row_gradients import Layer, Pullback
from fairrun.training.native.library import library
from fairrun.training.optim import SGD, Adagrad, Adam

ENGINES = ("auto", "native", "torch")
WIDTH_MULTIPLE = 16  # a hidden layer's units are padded to a multiple of this; the units beyond its width are zero
ROWS_MULTIPLE = 4
HYPER = {  # the kernel of an optimizer, and the hyper-parameters that it reads
    Adam: ("adam_step", ("lr", "b1", "b2", "eps")),
    SGD: ("sgd_step", ("lr", "momentum", "weight_decay")),
    Adagrad: ("adagrad_step", ("lr", "eps")),
}


def choose(engine: str, dtype: torch.dtype, device: str) -> str:
    """The engine that a run uses, "native" or "torch".  "auto" means native where possible.  Raises ``InputError``."""
    one_of("engine", engine, ENGINES)
    fits = dtype == torch.float32 and device == "cpu"
    if engine == "native":
        require(fits, "engine", engine, "auto or torch unless dtype=float32 and device=cpu")
        require(library() is not None, "engine", engine, "auto or torch: this machine cannot build the native engine")
    return "native" if engine != "torch" and fits and library() is not None else "torch"


def accelerate(part: Any) -> Any:
    """Replace every MLP, Adam, SGD and Adagrad in ``part``, a network or a bound method, by a native one."""
    kernels = library()
    assert kernels is not None
    if isinstance(part, MLP):
        covered = part.depth > 0 and part.dropout == 0 and part.num_classes == 2
        return NativeMLP(part, kernels) if covered else part
    for optimizer, (kernel, fields) in HYPER.items():
        if isinstance(part, optimizer):
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


@dataclass(frozen=True)
class NativeMLP(Network):
    """An ``MLP`` without dropout that runs on the kernels.

    Inputs that need a gradient, and second derivatives, use torch.
    """

    mlp: MLP
    kernels: ctypes.CDLL

    @functools.cached_property
    def linear(self) -> MLP:
        """The ``MLP`` on features, whose first layer has its embeddings in it."""
        return dataclasses.replace(self.mlp, embedding_dim=None)

    @property
    def widest(self) -> int:
        """The same as the ``MLP``'s."""
        return self.mlp.widest

    def init(self, generators: Sequence[Generator]) -> Theta:
        """As ``MLP.init``."""
        return self.mlp.init(generators)

    def in_torch(self) -> MLP:
        """The ``MLP``."""
        return self.mlp

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B]."""
        theta = self.mlp.on_features(theta)
        parameters = [theta[name] for name in self._names()]
        if x.requires_grad or not _covers(x, parameters):
            return self.linear.logits(theta, x, masks)
        logits: Tensor = _Logits.apply(self, x, *parameters)
        return logits

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """As ``MLP.hidden``.  Uses the kernels if no gradient is needed."""
        theta = self.mlp.on_features(theta)
        parameters = [theta[name] for name in self._names()]
        if torch.is_grad_enabled() or not _covers(x, parameters):
            return self.linear.hidden(theta, x, masks)
        _, activations, *_ = self._forward(x, parameters)
        return self.units(activations)[-1]

    def tangents(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> tuple[Tensor, Pullback] | None:
        """As ``MLP.tangents``."""
        if self.mlp.embedding_dim is not None:
            return None
        parameters = [theta[name] for name in self._names()]
        if not _covers(x, parameters):
            return self.mlp.tangents(theta, x, masks)
        logits, *kept = self._forward(x, parameters)
        return logits, _Pullback(self, theta, x, kept)

    def units(self, activations: list[Tensor]) -> list[Tensor]:
        """The activations of every hidden layer, without their padding."""
        return [a[..., :width] for a, width in zip(activations, self.mlp._widths(), strict=True)]

    def _forward(self, x: Tensor, p: Sequence[Tensor]) -> tuple[Tensor, list[Tensor], Tensor, Tensor, Tensor, Tensor]:
        """The logits, and what a backward pass needs.

        That is the activations of each layer, [R, B, padded width], whether each run's ``x`` is dense, and the entries
        that are not zero of those that are not.
        """
        runs, rows, features = x.shape
        activations = [x.new_empty(runs, rows, -(-w // WIDTH_MULTIPLE) * WIDTH_MULTIPLE) for w in self.mlp._widths()]
        ends = x.new_empty(runs, rows, dtype=torch.int64)
        most = (runs if x.stride(0) else 1) * rows * features + 16  # entries, and a vector behind them
        dense = x.new_empty(runs, dtype=torch.uint8)
        entries = dense, ends, x.new_empty(most, dtype=torch.int32), x.new_empty(most)
        logits = x.new_empty(runs, rows)
        self.kernels.mlp_logits(
            self._shape(x),
            _pointer(x),
            _long(x.stride(0)),
            *_stacked(p),
            _pointers(activations),
            *map(_pointer, entries),
            _pointer(logits),
        )
        return logits, activations, *entries

    def gradient(
        self, x: Tensor, p: Sequence[Tensor], kept: Sequence[Any], g: Tensor, grads: Sequence[Tensor | None]
    ) -> None:
        """Write the gradient with respect to the parameters ``p`` to ``grads``, which holds None for those to skip.

        ``g`` [R, B] is the slope of the loss at the logits.  ``kept`` is what ``_forward`` returned after the logits.
        """
        activations, *entries = kept
        g = g.contiguous()
        self.kernels.mlp_gradient(
            self._shape(x),
            _pointer(x),
            _long(x.stride(0)),
            _pointer(g),
            *_stacked(p),
            _pointers(activations),
            *map(_pointer, entries),
            _pointers(grads),
        )

    def _shape(self, x: Tensor) -> Any:
        runs, rows, features = x.shape
        numbers = [runs, rows, self.mlp.depth, features, *self.mlp._widths()]
        return (_long * len(numbers))(*numbers)

    def _names(self) -> list[str]:
        return [f"{layer}.{part}" for layer in (*self.mlp._hidden(), "classifier") for part in ("weight", "bias")]


@dataclass(frozen=True)
class _Pullback:
    """The pullback of a ``NativeMLP``: layers from ``MLP``, gradients from the kernels."""

    native: NativeMLP
    theta: Theta
    x: Tensor
    kept: Sequence[Any]

    def layers(self, slope: Tensor) -> dict[str, Layer]:
        """As ``MLP.pullback``."""
        inputs = [self.x, *self.native.units(self.kept[0])]
        return self.native.mlp.pullback(self.theta, inputs, ()).layers(slope)

    def gradient(self, slope: Tensor) -> Theta:
        """The gradient with respect to every parameter, computed by the kernels."""
        p = {name: self.theta[name] for name in self.native._names()}
        grads = {name: torch.empty_like(q, memory_format=torch.contiguous_format) for name, q in p.items()}
        self.native.gradient(self.x, list(p.values()), self.kept, slope, list(grads.values()))
        return grads


class _Logits(torch.autograd.Function):
    """The logits, with their gradient with respect to the parameters that need one."""

    @staticmethod
    def forward(ctx: Any, native: NativeMLP, x: Tensor, *p: Tensor) -> Tensor:
        logits, *kept = native._forward(x, p)
        ctx.native, ctx.kept = native, kept
        ctx.save_for_backward(x, *p)
        return logits

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, *p = ctx.saved_tensors
        needed = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():  # the caller wants a gradient of the gradient
            logits = ctx.native.linear.logits(dict(zip(ctx.native._names(), p, strict=True)), x)
            wanted = [q for q, need in zip(p, needed, strict=True) if need]
            slopes = iter(torch.autograd.grad(logits, wanted, g, create_graph=True))
            return None, None, *(next(slopes) if need else None for need in needed)
        grads = [
            torch.empty_like(q, memory_format=torch.contiguous_format) if need else None
            for q, need in zip(p, needed, strict=True)
        ]
        ctx.native.gradient(x, p, ctx.kept, g, grads)
        return None, None, *grads


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
    runs, sizes = len(old[0]), (_long * len(old))(*(p[0].numel() for p in old))
    kernel(_long(runs), _long(len(old)), sizes, *_stacked(old), *_stacked(g), _pointers(new), *map(_pointer, numbers))
    return dict(zip(theta, new, strict=True))


_long = ctypes.c_int64


def _pointer(t: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(t.data_ptr())


def _readable(t: Tensor) -> bool:
    """Whether each run's numbers are contiguous."""
    return t.is_contiguous() or t[0].is_contiguous()


def _covers(x: Tensor, parameters: Sequence[Tensor]) -> bool:
    return x.shape[1] % ROWS_MULTIPLE == 0 and all(map(_readable, (x, *parameters)))


def _stacked(tensors: Sequence[Tensor]) -> tuple[Any, Any]:
    """The addresses of tensors with a run axis, and the strides between their runs."""
    return _pointers(tensors), (_long * len(tensors))(*(t.stride(0) for t in tensors))


def _pointers(tensors: Sequence[Tensor | None]) -> Any:
    return (ctypes.c_void_p * len(tensors))(*(None if t is None else t.data_ptr() for t in tensors))
