"""The interface of a method, and the helpers that carry the papers' boxes.

Every tensor in a method has a leading run axis R: one run is R = 1, a sweep trains R runs side by side.  A method
reduces over the last axis only, so runs cannot touch each other, and the gradient of the summed loss is every run's own
gradient.

Letters: R runs, N rows of a split, B rows of a batch, D features, C classes, T tasks, S values of the sensitive
attribute, G groups.
"""

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, get_type_hints

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from fairrun.check import InputError

PerRun = Tensor  # a float in the config; in training a tensor [R, 1], one value per run: it broadcasts against [R, ...]
PerTask = Tensor | list[float]  # a number, or a list with one for each task; in training a tensor, [R, 1] or [R, T]
Theta = dict[str, Tensor]  # parameters by name, each [R, ...]
RowLoss = Callable[[Tensor, Tensor], Tensor]  # of every row's cross-entropy and probability of class 1, all [R, B]


class Batch(NamedTuple):
    """Rows of a data set.  A row with ``w`` 0 is padding: it weighs nothing."""

    x: Tensor  # [R, B, D] features
    y: Tensor  # [R, B] labels, 0.0 or 1.0, of C classes 0.0 to C-1; for a method of several tasks [R, B, T]
    i: Tensor  # [R, B] row numbers in the training set
    w: Tensor  # [R, B] 1.0 for a real row, 0.0 for padding of the last batch
    s: Tensor | None = None  # [R, B] sensitive attribute in {0..S-1}; None where it is withheld
    val: "Batch | None" = None  # the balanced validation batch [R, M], with s; None where it is not needed
    num_groups: int = 2  # S
    num_classes: int = 2  # C
    epoch: int = 0
    masks: tuple[Tensor, ...] = ()  # drop-out masks, from each run's own generator; the model's business


class RowGradients(Protocol):
    """The gradients g_i of the B rows' losses at some layers of the network, without one tensor for each of them."""

    @property
    def losses(self) -> Tensor:
        """Every row's loss, [R, B]."""
        ...

    def combined(self, w: Tensor) -> Theta:
        """sum_i w_i g_i, with ``w`` [R, B]: a gradient at these layers."""
        ...

    def along(self, direction: Theta) -> Tensor:
        """<g_i, direction> for every row, [R, B]; ``direction`` is of these layers."""
        ...

    def gram(self) -> Tensor:
        """<g_i, g_j> of all pairs of rows, [R, B, B]."""
        ...


class Model(Protocol):
    """What a method sees of a network: pure functions of the parameters."""

    def losses(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's loss, [R, B]; of several tasks [R, B, T]."""
        ...

    def scores(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's probability of class 1, [R, B], of tasks [R, B, T]; of each of C > 2 classes, [R, B, C]."""
        ...

    def losses_and_scores(self, theta: Theta, batch: Batch) -> tuple[Tensor, Tensor]:
        """Both, for the price of one."""
        ...

    def representation(self, theta: Theta, batch: Batch) -> Tensor:
        """What the last layer, ``classifier``, sees of every row: H numbers, [R, B, H]."""
        ...

    def row_gradients(self, theta: Theta, batch: Batch, layers: str) -> RowGradients:
        """Of ``layers``: all, or the last one, ``classifier``."""
        ...

    def influence(
        self, theta: Theta, batch: Batch, theta_val: Theta, val: Batch, weights: Tensor, loss: RowLoss
    ) -> tuple[Tensor, Tensor]:
        """How much a step on each row of ``batch`` lowers K mean losses of the M rows of ``val``, up to the step size.

        <grad l_j(theta), grad sum_v weights_kv loss_v(theta_val)>, [R, K, B], with ``weights`` [R, K, M]; and the rows'
        loss_v, [R, M].
        """
        ...


class Optimizer(Protocol):
    """A first-order optimizer as pure functions (``fairrun.optim``)."""

    @property
    def scale_free(self) -> bool:
        """Whether a gradient twice as large makes the same step."""
        ...

    def init(self, theta: Theta) -> Any:
        """The state before the first step."""
        ...

    def step(self, theta: Theta, grads: Theta, state: Any) -> tuple[Theta, Any]:
        """The parameters and the state after one step."""
        ...


class State(NamedTuple):
    """What a method carries from step to step; one with more to carry defines its own, with ``theta`` first."""

    theta: Theta
    opt: Any


class Method(Protocol):
    """A frozen dataclass of hyper-parameters with two pure functions.

    It may have more.  ``remarks(epochs) -> list[str]``: what a user should know before a training of so many epochs.
    ``draw(theta, num_groups, generators) -> Theta``: parameters of its own, each [R, ...] in float64, every run's from
    its own generator.  ``theta`` are the network's, drawn before from the same generators.  Names start with a prefix
    that no layer has, such as ``adversary.``; ``init`` gets both together and may ``split`` them, and the network
    ignores them.  ``second_derivatives``, a class attribute: True if ``update`` differentiates gradients of the
    network, which then is torch's whatever the engine: its second derivatives are faster.  ``exclusive_rows``, a class
    attribute: True if ``update`` learns of the rows with label 0 in one task and 1 in every other; a user is told
    where most batches have none.  ``multiclass``, a class attribute: True if it learns labels of more than two classes.
    ``smallest_batch``, an attribute: how few rows ``batch_size`` may be, and the field and value that say so.

    ``start_epoch(model, state, train) -> tuple[state, Tensor | None]``, before the first step of an epoch.  ``train``
    is the whole training set as one batch, the N rows by their number and behind them rows of weight 0, whose features
    ``parts`` adds: of its size, the state may hold numbers of the rows, to be found by ``batch.i``.  The tensor [R, N],
    none below 0, makes the epoch's rows be drawn with replacement, each in proportion to its number; None: each comes
    once, in random order.
    """

    @property
    def needs(self) -> frozenset[str]:
        """What it needs beyond x, y and i, any of {"s", "val", "fairness", "classifier", "tasks"}: the sensitive
        attribute and the validation batch, which training may then see; a network with parameters of the group
        "fairness", with a last layer "classifier"; labels of several tasks, and a network with a head for each.
        """
        ...

    def init(self, model: Model, theta: Theta, train: Batch) -> Any:
        """The state before the first step.  ``theta`` is drawn from each run's seed; ``train`` is the whole training
        set.
        """
        ...

    def update(self, model: Model, state: Any, batch: Batch) -> tuple[Any, dict[str, Tensor]]:
        """One step: the next state, its parameters in the same order, and what to log, each [R]; ``loss`` among it.

        ``removed`` is [R, B]: 1 for the rows that the step left out as outliers.
        """
        ...


def descend(
    loss: Callable[[Theta], Any], theta: Theta, opt: Any, optimizer: Optimizer, rate: Tensor | None = None
) -> tuple[Theta, Any, Any]:
    """One step of every run on its own loss: theta <- theta - lr grad loss(theta).

    Returns the parameters, the optimizer's state, and what ``loss`` returned, detached.  ``loss`` and errors as of
    ``gradient``, ``rate`` as of ``move``.
    """
    grads, result = gradient(loss, theta)
    return *move(theta, grads, opt, optimizer, rate), result


def gradient(loss: Callable[[Theta], Any], theta: Theta) -> tuple[Theta, Any]:
    """The gradient of every run's loss at its parameters, and what ``loss`` returned, detached.

    ``loss(theta)`` is a loss [R], or a tuple that starts with one.  Raises ``ValueError`` for a loss that is not [R]:
    [R, 1] times [R] is [R, R].
    """
    leaves = tracked(theta)
    result = loss(leaves)
    grads = _gradient(result[0] if isinstance(result, tuple) else result, leaves)
    return grads, tuple(v.detach() for v in result) if isinstance(result, tuple) else result.detach()


def gradients(losses: Callable[[Theta], tuple[Tensor, ...]], theta: Theta) -> tuple[list[Theta], tuple[Tensor, ...]]:
    """The gradients of each of several losses [R], and the losses, detached; from one pass through ``losses``."""
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
    """Copies of the parameters to differentiate by."""
    return {name: p.detach().requires_grad_() for name, p in theta.items()}


def backward(objective: Tensor, leaves: Theta, keep: bool = False) -> Theta:
    """The gradient of the sum of ``objective``, of any shape, at some of the ``tracked``; ``keep`` it for more."""
    grads = torch.autograd.grad(objective.sum(), list(leaves.values()), retain_graph=keep)
    return dict(zip(leaves, grads, strict=True))


@torch.no_grad()
def move(theta: Theta, grads: Theta, opt: Any, optimizer: Optimizer, rate: Tensor | None = None) -> tuple[Theta, Any]:
    """The parameters and the optimizer's state after a step along ``grads``; ``rate`` [R, 1] multiplies its lr."""
    new, opt = optimizer.step(theta, grads, opt)
    if rate is not None:
        new = {name: torch.lerp(p, new[name], rate.view(-1, *[1] * (p.dim() - 1))) for name, p in theta.items()}
    return new, opt


def decay_rate(decay: PerRun, epoch: int, every: int) -> Tensor | None:
    """The factor of lr of a schedule that multiplies it by ``decay`` after ``every`` epochs; None while it is 1."""
    return None if epoch < every else decay ** (epoch // every)


def split(theta: Theta, group: str) -> tuple[Theta, Theta]:
    """The parameters whose name starts with ``group``, and the others."""
    inside = {name: p for name, p in theta.items() if name.startswith(group)}
    return inside, {name: p for name, p in theta.items() if name not in inside}


def flatten(tensors: Theta) -> Tensor:
    """All tensors [R, ...] side by side -> [R, P]."""
    return torch.cat([t.flatten(1) for t in tensors.values()], dim=1)


def unflatten(flat: Tensor, theta: Theta) -> Theta:
    """``flat`` [R, P] as views in the shapes of ``theta``, laid out as ``flatten`` does."""
    parts = torch.split_with_sizes(flat, [p.numel() // len(p) for p in theta.values()], dim=1)
    return {name: part.view_as(p) for (name, p), part in zip(theta.items(), parts, strict=True)}


def uniform(generators: Sequence[Generator], size: tuple[int, ...], num_inputs: int) -> Tensor:
    """A parameter [R, *size] in float64, uniform in +-1/sqrt(num_inputs), each run's from its own generator."""
    u = torch.stack([torch.rand(size, generator=g, dtype=torch.float64) for g in generators])
    return (2 * u - 1) / num_inputs**0.5


def per_task(value: PerTask, num_tasks: int) -> Tensor:
    """A bound field of one number for each task, [R, T]."""
    assert isinstance(value, Tensor)
    return value.expand(-1, num_tasks)


def mean(v: Tensor, w: Tensor) -> Tensor:
    """Mean of ``v`` [R, B] over the real rows of a batch, those with ``w`` [R, B] 1 -> [R]."""
    return (w / w.sum(-1, keepdim=True) * v).sum(-1)


def parts(rows: Batch, size: int = 256) -> Iterator[Batch]:
    """A batch of many rows as batches of ``size``, whose activations stay in cache.  Rows of padding at its end may be
    without features in ``rows.x``: they are 0.
    """
    for start in range(0, rows.y.shape[1], size):
        x, y, i, w = (v[:, start : start + size] for v in (rows.x, rows.y, rows.i, rows.w))
        if x.shape[1] < y.shape[1]:
            x = F.pad(x, (0, 0, 0, y.shape[1] - x.shape[1]))
        yield rows._replace(x=x, y=y, i=i, w=w, s=None if rows.s is None else rows.s[:, start : start + size])


def group_mask(g: Tensor, num_groups: int) -> Tensor:
    """Which rows are in which group: ``g`` [R, B] in {0..G-1} -> bool [R, G, B]."""
    return g.unsqueeze(1) == torch.arange(num_groups, device=g.device).unsqueeze(-1)


def group_mean(v: Tensor, g: Tensor, num_groups: int, w: Tensor) -> Tensor:
    """Mean of ``v`` [R, B] over each group of ``g`` [R, B], rows weighted by ``w`` [R, B] -> [R, G].  An empty group
    has mean 0.
    """
    weights = group_mask(g, num_groups) * w.unsqueeze(1)
    total = weights.sum(-1)
    return (weights * v.unsqueeze(1)).sum(-1) / torch.where(total > 0, total, 1.0)


def worst_fraction(losses: Tensor, fraction: PerRun, w: Tensor, *, up: bool = False) -> Tensor:
    """Equal weights, summing to 1, on the ``fraction`` [R, 1] of the real rows with the largest ``losses`` [R, B], at
    least one row, rounded down or ``up``; the others weigh 0 -> [R, B].
    """
    rank = losses.masked_fill(w == 0, -torch.inf).argsort(dim=-1, descending=True, stable=True).argsort(-1)
    number = share_of_rows(fraction, w, up=up)
    return (rank < number) / number


def share_of_rows(fraction: PerRun, w: Tensor, *, up: bool = False) -> Tensor:
    """How many rows a ``fraction`` [R, 1] of those with ``w`` [R, B] 1 is, whole, one at least -> [R, 1]."""
    exact = fraction.double() * w.double().sum(-1, keepdim=True)
    slack = 1e-6 + 1e-7 * exact  # 0.3 * 10 is 3, not 2.999...; in float32 0.3 itself is off by 6e-8 of it at most
    return ((exact - slack).ceil() if up else (exact + slack).floor()).clamp(min=1).to(w)


def whole_rows(number: PerRun) -> int:
    """``number`` rounded up; as it is where rounding has put it past a whole one: 1 / (1 / 49) is 49, not 50."""
    return -int((1e-9 - number) // 1)


def kth_smallest(v: Tensor, k: int) -> Tensor:
    """The ``k``-th smallest, from 1, along the last axis, or the largest of fewer -> [...]."""
    k = min(k, v.shape[-1])
    if v.is_cuda:
        return v.topk(k, largest=False).values[..., -1]
    return torch.from_numpy(np.partition(v.numpy(), k - 1, axis=-1)[..., k - 1])  # 6 times as fast as torch


def normalised(w: Tensor, real: Tensor, rule: str) -> Tensor:
    """Row weights ``w`` [R, B], none below 0, by the ``rule`` norm with the L2 norm of equal weights on the ``real``
    rows, by sum with the sum 1; all 0 stay 0.
    """
    if rule == "norm":
        return scaled(w, (w.square().sum(-1, keepdim=True) * real.sum(-1, keepdim=True)).sqrt())
    return scaled(w, w.sum(-1, keepdim=True))


def scaled(v: Tensor, length: Tensor) -> Tensor:
    """``v`` over ``length``, or as it is where that is 0."""
    return v / torch.where(length > 0, length, 1.0)


def label_cells(batch: Batch) -> Tensor:
    """The cell of sensitive attribute and label that each row is in, C s + y in {0..CS-1}, [R, B]."""
    assert batch.s is not None
    return batch.num_classes * batch.s + batch.y.long()


def bind(methods: Sequence[Any], dtype: torch.dtype, device: str = "cpu") -> Any:
    """R methods that differ in ``PerRun`` and ``PerTask`` fields only -> one method that holds the runs' values as
    tensors [R, 1], or [R, T].

    The fields of nested dataclasses, such as optimizers, are bound too.  The result is a copy: values were checked as
    numbers when the methods were made.  Raises ``InputError`` where a class or another field differs.
    """
    bound = copy.copy(methods[0])
    for method in methods:
        if type(method) is not type(bound):
            raise InputError(
                f"runs side by side must be of one class, got {type(bound).__name__}, {type(method).__name__}"
            )
    hints = get_type_hints(type(bound))
    for field in dataclasses.fields(bound):
        values = [getattr(method, field.name) for method in methods]
        if hints[field.name] in (PerRun, float):
            value = torch.tensor(values, dtype=torch.float64).to(dtype).to(device).unsqueeze(-1)
        elif hints[field.name] == PerTask:
            lists = [value if isinstance(value, list) else [value] for value in values]
            longest = max(map(len, lists))
            full = [numbers * longest if len(numbers) == 1 else numbers for numbers in lists]
            value = torch.tensor(full, dtype=torch.float64).to(dtype).to(device)
        elif dataclasses.is_dataclass(values[0]):
            value = bind(values, dtype, device)
        elif all(value == values[0] for value in values):
            value = values[0]
        else:
            raise InputError(f"runs side by side must agree in {type(bound).__name__}.{field.name}, got {values}")
        object.__setattr__(bound, field.name, value)
    return bound
