"""Row weights by gradients against weights by losses, where some rows have a large loss and no gradient.

A linear score of two features.  Each seed has 400 rows: half of the others' labels are told by the first feature, which
the start has learned, the rest by the second one.  A share of *stuck* rows has loss 3 and gradient 0, whatever the
score, as a row beyond a bound of the loss has.  Then come steps of gradient descent on sum_i w_i l_i, with weights that
sum to 1; W is the fifth of the rows with the largest losses and G its mean gradient:

    gradients   w_i = max(<g_i, G>, 0)    IRW
    worst-off   equal weights on W        CVaR
    losses      w_i = l_i
"""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

DTYPE = torch.float64
SEEDS = 20
NUM_ROWS = 400
SHARES = (0.0, 0.15)  # of stuck rows
STUCK_LOSS = 3.0
ALPHA = 0.2
LRS = (0.1, 0.5)
STEPS = 20


class Rows(NamedTuple):
    """The rows of every seed."""

    x: Tensor  # [R, N, 2]
    y: Tensor  # [R, N]
    stuck: Tensor  # bool [N]


def rows_of(share: float) -> Rows:
    """Rows of which a ``share`` is stuck."""
    x, y = [], []
    for seed in range(SEEDS):
        generator = Generator().manual_seed(seed)
        y.append((torch.rand(NUM_ROWS, generator=generator) < 0.5).to(DTYPE))
        noise = torch.randn(NUM_ROWS, 2, generator=generator, dtype=DTYPE)
        first = torch.arange(NUM_ROWS) % 2 == 0
        shift = torch.stack([first, ~first], dim=-1) * (2 * y[-1] - 1).unsqueeze(-1)
        x.append(noise + 2 * shift)
    return Rows(torch.stack(x), torch.stack(y), torch.arange(NUM_ROWS) >= (1 - share) * NUM_ROWS)


def losses_and_gradients(rows: Rows, theta: Tensor) -> tuple[Tensor, Tensor]:
    """The losses [R, N] and gradients [R, N, 2] at ``theta`` [R, 2]."""
    logits = (rows.x * theta.unsqueeze(1)).sum(-1)
    losses = F.binary_cross_entropy_with_logits(logits, rows.y, reduction="none")
    slopes = (logits.sigmoid() - rows.y).masked_fill(rows.stuck, 0.0)
    return losses.masked_fill(rows.stuck, STUCK_LOSS), slopes.unsqueeze(-1) * rows.x


def worst_off(losses: Tensor) -> Tensor:
    """Equal weights [R, N] on the rows with the largest losses."""
    number = int(ALPHA * losses.shape[-1])
    return torch.zeros_like(losses).scatter(-1, losses.topk(number).indices, 1 / number)


def by_gradients(losses: Tensor, g: Tensor) -> Tensor:
    """How much a step on each row lowers the loss of the worst-off rows."""
    G = (worst_off(losses).unsqueeze(-1) * g).sum(1, keepdim=True)
    return (g * G).sum(-1).clamp(min=0)


RULES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gradients": by_gradients,
    "worst-off": lambda losses, g: worst_off(losses),
    "losses": lambda losses, g: losses,
}


def descend(rows: Rows, rule: str, lr: float) -> tuple[Tensor, Tensor]:
    """The mean loss of the worst-off rows at the end [R], and the weight of stuck rows in the first step [R]."""
    theta = torch.tensor([[2.0, 0.0]], dtype=DTYPE).expand(SEEDS, 2)
    on_stuck = []
    for _ in range(STEPS):
        losses, g = losses_and_gradients(rows, theta)
        w = RULES[rule](losses, g)
        w = w / w.sum(-1, keepdim=True)
        on_stuck.append((w * rows.stuck).sum(-1))
        theta = theta - lr * (w.unsqueeze(-1) * g).sum(1)
    losses, _ = losses_and_gradients(rows, theta)
    return (worst_off(losses) * losses).sum(-1), on_stuck[0]


def measured() -> pd.DataFrame:
    """A row for each rule, ``method``, ``share`` of stuck rows, ``lr`` and seed."""
    parts = []
    for share, rule, lr in product(SHARES, RULES, LRS):
        worst, weight = descend(rows_of(share), rule, lr)
        about = {"method": rule, "share": share, "lr": lr, "seed": range(SEEDS)}
        values = {"measured/worst_off_loss": worst.tolist(), "measured/stuck_weight": weight.tolist()}
        parts.append(pd.DataFrame(about | values))
    return pd.concat(parts, ignore_index=True)
