"""The baseline of the Nash bargaining benchmark: learning to reweight as it is usually implemented.

It trains one run.  Each step differentiates through a virtual step (a gradient of a gradient), with one backward pass
for each player.
"""

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import binary_cross_entropy_with_logits

from bench.loader_loop import network
from fairrun.data.table import Data
from fairrun.method.bargaining import nash_bargaining


def train(data: Data, *, steps: int, batch_size: int, width: int, lr: float, bargain: bool) -> int:
    """Train one run for ``steps`` steps on float32 data, and return their number.

    With ``bargain`` the cells of group and label bargain; otherwise the weights lower the mean validation loss.
    """
    rows, val = data.held_out()
    net = network(rows.x.shape[1], width)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    cells = 2 * val.s + val.y.long()
    order = torch.randint(len(rows.y), (steps, batch_size))
    for i in order:
        x, y = rows.x[i], rows.y[i]
        eps = torch.zeros(batch_size, requires_grad=True)
        theta = dict(net.named_parameters())
        grads = torch.autograd.grad((eps * losses(net(x), y)).sum(), list(theta.values()), create_graph=True)
        virtual = {name: p - lr * g for (name, p), g in zip(theta.items(), grads, strict=True)}
        losses_val = losses(functional_call(net, virtual, (val.x,)), val.y)
        means = [losses_val[cells == k].mean() for k in cells.unique()] if bargain else [losses_val.mean()]
        g = torch.stack([-torch.autograd.grad(loss, eps, retain_graph=True)[0] for loss in means])
        alpha = nash_bargaining(g @ g.T)[0] if bargain else torch.ones(1)
        w = (alpha @ g).clamp(min=0)
        optimizer.zero_grad()
        (w / w.sum().clamp(min=1e-12) * losses(net(x), y)).sum().backward()
        optimizer.step()
    return steps


def losses(logits: Tensor, y: Tensor) -> Tensor:
    """Every row's cross-entropy."""
    return binary_cross_entropy_with_logits(logits[:, 0], y, reduction="none")
