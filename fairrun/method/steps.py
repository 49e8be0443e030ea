"""Gradients and steps of parameters, separate for each run."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor

from fairrun.method.api import Optimizer, Theta


def descend(loss: Callable[[Theta], Any], theta: Theta, opt: Any, optimizer: Optimizer) -> tuple[Theta, Any, Any]:
    """One step of every run on its own loss: theta <- theta - lr grad loss(theta).

    Returns the parameters, the optimizer's state, and what ``loss`` returned, detached.  ``loss`` and the errors raised
    are those of ``gradient``.
    """
    grads, result = gradient(loss, theta)
    return *move(theta, grads, opt, optimizer), result


def gradient(loss: Callable[[Theta], Any], theta: Theta) -> tuple[Theta, Any]:
    """The gradient of every run's loss at its parameters, and what ``loss`` returned, detached.

    ``loss(theta)`` returns a loss [R], or a tuple that starts with one.  Raises ``ValueError`` for a loss that is not
    [R]; a common mistake is [R, 1] times [R], which is [R, R].
    """
    with _cut(theta) as cut:
        result = loss(cut.leaves)
    grads = _gradient(result[0] if isinstance(result, tuple) else result, cut)
    return grads, tuple(v.detach() for v in result) if isinstance(result, tuple) else result.detach()


def gradients(losses: Callable[[Theta], tuple[Tensor, ...]], theta: Theta) -> tuple[list[Theta], tuple[Tensor, ...]]:
    """The gradient of each of several losses [R], and the detached losses, from one call of ``losses``."""
    with _cut(theta) as cut:
        result = losses(cut.leaves)
    grads = [_gradient(loss, cut, keep=k + 1 < len(result)) for k, loss in enumerate(result)]
    return grads, tuple(loss.detach() for loss in result)


def _gradient(loss: Tensor, cut: "Cut", keep: bool = False) -> Theta:
    num_runs = next(iter(cut.leaves.values())).shape[0]
    if loss.shape != (num_runs,):
        raise ValueError(f"a loss must have shape [R] = [{num_runs}], one value per run, got {list(loss.shape)}")
    return cut.gradient(loss.sum(), keep)


@dataclass
class Cut:
    """Where a gradient leaves torch: at outputs of networks that have a gradient of their own.

    From the loss to these outputs torch differentiates.  From there on the network turns their slopes into the
    gradient at the parameters, which spares torch's bookkeeping.
    """

    leaves: Theta  # parameters that require gradients
    outputs: list[Tensor] = field(default_factory=list)
    pullbacks: list[Callable[[Tensor], Theta]] = field(default_factory=list)

    def covers(self, p: Theta) -> bool:
        """Whether those of ``p`` that require gradients are leaves, not results of other operations."""
        return all(self.leaves.get(name) is q for name, q in p.items() if q.requires_grad)

    def at(self, output: Tensor, pullback: Callable[[Tensor], Theta]) -> Tensor:
        """``output`` as torch is to see it; ``pullback`` turns its slope into the gradient at some of the leaves."""
        self.outputs.append(output.requires_grad_())
        self.pullbacks.append(pullback)
        return output

    def gradient(self, total: Tensor, keep: bool) -> Theta:
        """The gradient of ``total`` at the leaves; ``keep`` the graph if needed.  Leaves may be used beside networks.

        Raises ``ValueError`` if ``total`` does not depend on a leaf.
        """
        inputs = [*self.outputs, *self.leaves.values()]
        found = torch.autograd.grad(total, inputs, retain_graph=keep, allow_unused=True)
        slopes, direct = found[: len(self.outputs)], found[len(self.outputs) :]
        grads = {name: g for name, g in zip(self.leaves, direct, strict=True) if g is not None}
        for pullback, slope in zip(self.pullbacks, slopes, strict=True):
            for name, g in ({} if slope is None else pullback(slope)).items():
                grads[name] = grads[name] + g if name in grads else g
        if missing := [name for name in self.leaves if name not in grads]:
            raise ValueError(f"a loss must depend on all parameters that it is differentiated by, not {missing}")
        return grads


UNUSED = "not have been used in the graph"  # torch's error where a loss does not depend on a tensor
_open = threading.local()  # the Cut of the innermost ``gradient`` of this thread


@contextlib.contextmanager
def _cut(theta: Theta) -> Iterator[Cut]:
    """Where the gradient of the loss that is computed within may leave torch.

    Raises ``ValueError`` if this loss differentiates by the parameters itself and the gradient has left torch.
    """
    before = cut_of_now()
    _open.cut = cut = Cut(tracked(theta))
    try:
        yield cut
    except RuntimeError as error:
        if cut.outputs and UNUSED in str(error):
            raise ValueError("a method whose loss has gradients in it needs second_derivatives = True") from error
        raise
    finally:
        _open.cut = before


def cut_of_now() -> Cut | None:
    """Where the gradient that is being computed may leave torch; None if none is."""
    return getattr(_open, "cut", None)


def tracked(theta: Theta) -> Theta:
    """Copies of the parameters that require gradients."""
    return {name: p.detach().requires_grad_() for name, p in theta.items()}


def backward(objective: Tensor, leaves: Theta, keep: bool = False) -> Theta:
    """The gradient of the sum of ``objective`` (any shape) by ``tracked`` parameters; ``keep`` its graph if needed."""
    # Of the sum, because torch imports sympy, a third of a second, where it is given an outer gradient.
    grads = torch.autograd.grad(objective.sum(), list(leaves.values()), retain_graph=keep)
    return dict(zip(leaves, grads, strict=True))


@torch.no_grad()
def move(theta: Theta, grads: Theta, opt: Any, optimizer: Optimizer) -> tuple[Theta, Any]:
    """The parameters and the optimizer's state after a step along ``grads``."""
    return optimizer.step(theta, grads, opt)


def split(theta: Theta, group: str) -> tuple[Theta, Theta]:
    """The parameters whose name starts with ``group``, and the others."""
    inside = {name: p for name, p in theta.items() if name.startswith(group)}
    return inside, {name: p for name, p in theta.items() if name not in inside}


def flatten(tensors: Theta) -> Tensor:
    """Concatenate all tensors [R, ...] into [R, P]."""
    return torch.cat([t.flatten(1) for t in tensors.values()], dim=1)


def unflatten(flat: Tensor, theta: Theta) -> Theta:
    """Views of ``flat`` [R, P] in the shapes of ``theta``; the inverse of ``flatten``."""
    parts = torch.split_with_sizes(flat, [p.numel() // len(p) for p in theta.values()], dim=1)
    return {name: part.view_as(p) for (name, p), part in zip(theta.items(), parts, strict=True)}


def uniform(generators: Sequence[Generator], size: tuple[int, ...], num_inputs: int) -> Tensor:
    """Draw a parameter [R, *size] in float64, uniform in +-1/sqrt(num_inputs), for each run by its own generator."""
    u = torch.stack([torch.rand(size, generator=g, dtype=torch.float64) for g in generators])
    return (2 * u - 1) / num_inputs**0.5
