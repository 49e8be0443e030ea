"""Optimizers as pure functions, with a value of every hyper-parameter for each run.

The parameters of a run are one row of a matrix [R, P], so that a hyper-parameter [R, 1] broadcasts.
"""

import copy
import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor

from fairrun.config.check import In, require
from fairrun.method.api import Optimizer, PerRun, Theta
from fairrun.method.steps import flatten, unflatten


def subtract(theta: Theta, update: Tensor) -> Theta:
    """``theta`` minus ``update`` [R, P], which is laid out as by ``flatten``."""
    new = torch._foreach_sub(list(theta.values()), list(unflatten(update, theta).values()))
    return dict(zip(theta, new, strict=True))


class SGDState(NamedTuple):
    """The running sum of gradients, [R, P]."""

    velocity: Tensor


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent with momentum, as torch.optim.SGD.

    v <- momentum v + g + weight_decay theta;  theta <- theta - lr v
    """

    momentum: Annotated[PerRun, In("[0, 1)")] = 0.9
    weight_decay: Annotated[PerRun, In("[0, inf)")] = 0.0  # added to the gradient (L2)
    scale_free = False

    def init(self, theta: Theta) -> SGDState:
        """Start with velocity 0."""
        return SGDState(torch.zeros_like(flatten(theta)))

    def step(self, theta: Theta, grads: Theta, state: SGDState) -> tuple[Theta, SGDState]:
        """One step."""
        g = flatten(grads) + self.weight_decay * flatten(theta)
        v = self.momentum * state.velocity + g
        return subtract(theta, self.lr * v), SGDState(v)


class AdamState(NamedTuple):
    """Running means of the gradient and its square [R, P], and the sum of the weights in each mean [R, 1]."""

    m: Tensor
    v: Tensor
    n1: Tensor
    n2: Tensor


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba, ICLR 2015, Algorithm 1).  As torch.optim.Adam.

    theta <- theta - lr m / (sqrt(v) + eps), where m and v are the bias-corrected running means of g and g^2.  In the
    corrected mean m_t / (1 - b1^t) the t-th gradient has weight 1 / n_t, with n_t = 1 + b1 n_{t-1}.  So the mean is
    updated with this weight, and no separate correction is needed.
    """

    b1: Annotated[PerRun, In("[0, 1)")] = 0.9  # decay of the mean of the gradient
    b2: Annotated[PerRun, In("[0, 1)")] = 0.999  # decay of the mean of its square
    eps: Annotated[PerRun, In("(0, inf)")] = 1e-8
    scale_free = True  # except for eps

    def init(self, theta: Theta) -> AdamState:
        """Start with means of no gradient."""
        zero = torch.zeros_like(flatten(theta))
        return AdamState(zero, zero, zero[:, :1], zero[:, :1])

    def step(self, theta: Theta, grads: Theta, state: AdamState) -> tuple[Theta, AdamState]:
        """One step."""
        g = flatten(grads)
        n1, n2 = self.b1 * state.n1 + 1, self.b2 * state.n2 + 1
        m = torch.lerp(state.m, g, n1.reciprocal())
        v = torch.lerp(state.v, g.mul_(g), n2.reciprocal())
        update = (self.lr * m).div_(v.sqrt().add_(self.eps))
        return subtract(self.decayed(theta), update), AdamState(m, v, n1, n2)

    def decayed(self, theta: Theta) -> Theta:
        """The parameters from which a step goes: here, as they are."""
        return theta


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019, Algorithm 2).  As torch.optim.AdamW.

    theta <- (1 - lr weight_decay) theta before each of Adam's steps.
    """

    weight_decay: Annotated[PerRun, In("[0, inf)")] = 0.01

    def decayed(self, theta: Theta) -> Theta:
        """The parameters, each a little smaller."""
        factor = torch.as_tensor(1 - self.lr * self.weight_decay)  # [R, 1]
        factors = [factor.view(-1, *[1] * (p.ndim - 1)) for p in theta.values()]
        return dict(zip(theta, torch._foreach_mul(list(theta.values()), factors), strict=True))


class AdagradState(NamedTuple):
    """The sum of squared gradients, [R, P]."""

    total: Tensor


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad (Duchi et al., JMLR 2011): theta <- theta - lr g / (sqrt(sum g^2) + eps).  As torch.optim.Adagrad."""

    initial_accumulator_value: Annotated[PerRun, In("[0, inf)")] = 0.1  # start of the sum
    eps: Annotated[PerRun, In("[0, inf)")] = 1e-10

    @property
    def scale_free(self) -> bool:
        """True if the sum starts at 0; eps is neglected."""
        return bool(self.initial_accumulator_value == 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        start = self.initial_accumulator_value
        require(self.eps > 0 or start > 0, "eps", self.eps, "> 0 where initial_accumulator_value is 0")

    def init(self, theta: Theta) -> AdagradState:
        """Start every sum at ``initial_accumulator_value``."""
        return AdagradState(torch.zeros_like(flatten(theta)) + self.initial_accumulator_value)

    def step(self, theta: Theta, grads: Theta, state: AdagradState) -> tuple[Theta, AdagradState]:
        """One step."""
        g = flatten(grads)
        total = torch.addcmul(state.total, g, g)
        return subtract(theta, (self.lr * g).div_(total.sqrt().add_(self.eps))), AdagradState(total)


def at_epoch(part: Any, epoch: int, factor: float) -> Any:
    """A copy of ``part``, a bound method or optimizer, with the learning rates of an epoch.

    An optimizer with ``decay_every`` follows its own schedule; the ``lr`` of every other is multiplied by ``factor``.
    """
    if not dataclasses.is_dataclass(part):
        return part
    new = copy.copy(part)  # without new checks: the values are tensors by now
    for field in dataclasses.fields(part):
        object.__setattr__(new, field.name, at_epoch(getattr(part, field.name), epoch, factor))
    if isinstance(part, Optimizer):
        own = factor if part.decay_every is None else part.decay ** (epoch // part.decay_every)
        object.__setattr__(new, "lr", part.lr * own)
    return new
