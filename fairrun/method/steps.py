"""Gradients and steps of parameters, separate for each run."""

from collections.abc import Callable, Sequence
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
    leaves = tracked(theta)
    result = loss(leaves)
    grads = _gradient(result[0] if isinstance(result, tuple) else result, leaves)
    return grads, tuple(v.detach() for v in result) if isinstance(result, tuple) else result.detach()


def gradients(losses: Callable[[Theta], tuple[Tensor, ...]], theta: Theta) -> tuple[list[Theta], tuple[Tensor, ...]]:
    """The gradient of each of several losses [R], and the detached losses, from one call of ``losses``."""
    leaves = tracked(theta)
    result = losses(leaves)
    grads = [_gradient(loss, leaves, keep=k + 1 < len(result)) for k, loss in enumerate(result)]
    return grads, tuple(loss.detach() for loss in result)


def _gradient(loss: Tensor, leaves: Theta, keep: bool = False) -> Theta:
    num_runs = next(iter(leaves.values())).shape[0]
    if loss.shape != (num_runs,):
        raise ValueError(f"a loss must have shape [R] = [{num_runs}], one value per run, got {list(loss.shape)}")
    return backward(loss, leaves, keep)


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
