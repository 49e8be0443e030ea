"""Functions that methods of several tasks share: losses, and gradients of shared and head parameters.

Parameters are those of ``model=shared_bottom`` or ``shared_trunk``: ``head.t`` belongs to task t, from 0; all others
are shared.  A row without a label of a task has no part in that task's losses, fairness losses and numbers of rows.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from fairrun.method.api import Batch, Theta
from fairrun.method.bargaining import cagrad, mgda, nash_bargaining, pcgrad
from fairrun.method.losses import LOSSES, exclusive_negatives, negatives, on_subsets, step_gap, task
from fairrun.method.rows import mean
from fairrun.method.steps import backward, flatten, split, tracked, unflatten

Combine = Literal["sum", "pcgrad", "mgda", "cagrad", "nash"]  # how the tasks' gradients are combined
Reduction = Literal["mean", "sum"]  # of losses over a batch
TaskLoss = Literal["mmd", "mmd_authors", "correlation", "demographic_parity", "step_gap"]  # on a set of rows
SUM = "sum"
AGGREGATORS: dict[str, Callable[[Tensor], Tensor]] = {  # Gram matrix [R, T, T] -> weight of each gradient [R, T]
    "pcgrad": pcgrad,
    "mgda": mgda,
    "cagrad": partial(cagrad, c=0.5),
    "nash": lambda gram: nash_bargaining(gram)[0],
}
STEP_GAP = "step_gap"
Objectives = Callable[[Theta], Sequence[Tensor]]


class TaskState(NamedTuple):
    """Parameters, optimizer, and the share of label 1 in each task, [R, T]."""

    theta: Theta
    opt: Any
    rates: Tensor


def reduced(losses: Tensor, batch: Batch, reduction: str) -> Tensor:
    """The mean or sum [R, T] of each task's ``losses`` [R, B, T] over the rows of the batch that have its label.

    It is 0 for a task of which no row has the label.
    """
    if batch.known is None:
        weights = batch.w if reduction == SUM else batch.w / batch.w.sum(-1, keepdim=True)
        return (losses.mT * weights.unsqueeze(1)).sum(-1)
    labelled = _labelled(batch, batch.known)
    weights = labelled if reduction == SUM else labelled / labelled.sum(-1, keepdim=True).clamp(min=1)
    return (losses.mT * weights).sum(-1)


def total(losses: Tensor, batch: Batch, w: Tensor) -> Tensor:
    """sum_t w_t L_t [R] of ``losses`` [R, B, T], with ``w`` [R, 1] or [R, T] and L_t the mean over labelled rows."""
    if batch.known is None:
        return mean((w.unsqueeze(1) * losses).sum(-1), batch.w)
    return (w * reduced(losses, batch, "mean")).sum(-1)


def factor(batch: Batch, reduction: str) -> Tensor:
    """What turns a mean over the batch into ``reduction``, [R, 1] or [R, T]: 1, or the number of rows with a label."""
    num_rows = num_labelled(batch)
    return num_rows if reduction == SUM else torch.ones_like(num_rows)


def num_labelled(batch: Batch) -> Tensor:
    """How many real rows of the batch have the label of each task, [R, T]; [R, 1] if all have all labels."""
    if batch.known is None:
        return batch.w.sum(-1, keepdim=True)
    return _labelled(batch, batch.known).sum(-1)


def positive_rates(train: Batch) -> Tensor:
    """The share of label 1 in each task, among the rows that have its label, [R, T]."""
    if train.known is None:
        return train.y.mT.mean(-1)
    return train.y.mT.sum(-1) / train.known.mT.sum(-1)


def _labelled(batch: Batch, known: Tensor) -> Tensor:
    """The weight of every row in each task, [R, T, B]: 1 for a real row that has the label."""
    return batch.w.unsqueeze(1) * known.mT


def unfairness(name: TaskLoss, p: Tensor, batch: Batch, rates: Tensor) -> tuple[Tensor, Tensor]:
    """The fairness loss of every task on two sets of rows, and the numbers of rows in these sets, both [R, T, 2].

    The first set is the rows of class 0 in the task; the second is the rows of the first set that are of class 1 in
    every other task.  ``p`` is [R, B, T].  The threshold of ``step_gap`` is ``rates`` [R, T], the share of label 1 in
    training.
    """
    values, sizes = [], []
    for t in range(p.shape[-1]):
        loss = partial(step_gap, threshold=rates[:, t]) if name == STEP_GAP else LOSSES[name]
        own = task(batch, t)
        rows = torch.stack([negatives(own).w, exclusive_negatives(batch, t).w], dim=1)  # [R, 2, B]
        values.append(on_subsets(loss, p[..., t], own, rows))
        sizes.append(rows.sum(-1))
    return torch.stack(values, dim=1), torch.stack(sizes, dim=1)


def task_gradients(objectives: Objectives, theta: Theta, combine: str = SUM) -> tuple[Theta, tuple[Tensor, ...]]:
    """The gradient of every head for its own task's objective, and of the shared parameters for the objectives of all.

    ``objectives(theta)`` is (heads, shared, ...): the objectives [R, T] of the heads, and those of the shared
    parameters.  Returns the gradients, and what ``objectives`` returned, detached.

    There is one forward pass.  There is one backward pass if ``heads`` is ``shared``; otherwise one through the heads
    alone and one through the shared layers.  With ``combine`` sum the shared gradient is that of the sum over tasks.
    Otherwise it is sum_t a_t g_t: a backward pass for each task gives g_t, and the rule in ``AGGREGATORS`` gives the
    weights a from the inner products of the g_t.
    """
    leaves = tracked(theta)
    result = objectives(leaves)
    heads, shared = result[:2]
    own, common = split(leaves, "head.")
    if combine == SUM and heads is shared:
        grads = backward(heads, leaves)
    else:
        grads = backward(heads, own, keep=True)
        grads |= backward(shared, common) if combine == SUM else _combined(combine, shared, common)
    return ordered(grads, theta), tuple(value.detach() for value in result)


def backward_each(objectives: Tensor, leaves: Theta) -> Tensor:
    """The gradients [R, T, P] of every task's objective in ``objectives`` [R, T], laid out as by ``flatten``."""
    last = objectives.shape[-1] - 1
    return torch.stack([flatten(backward(o, leaves, keep=t < last)) for t, o in enumerate(objectives.unbind(-1))], 1)


def weighted(g: Tensor, rule: Callable[[Tensor], Tensor]) -> Tensor:
    """sum_t a_t g_t of gradients ``g`` [R, T, P]; ``rule`` makes the weights a from their inner products."""
    exact = g.double()
    a = rule(exact @ exact.mT).to(g)
    return (a.unsqueeze(-1) * g).sum(1)


def ordered(grads: Theta, theta: Theta) -> Theta:
    """``grads`` in the order of the parameters, as optimizers expect them."""
    return {name: grads[name] for name in theta}


def _combined(combine: str, shared: Tensor, common: Theta) -> Theta:
    return unflatten(weighted(backward_each(shared, common), AGGREGATORS[combine]), common)
