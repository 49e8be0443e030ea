"""The baseline of the FairBiNN benchmark: a usual loop with two torch optimizers, one run after another."""

import itertools

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset

from fairrun.data.table import Data


def train(data: Data, *, epochs: int, batch_size: int, width: int, eta: float, leak: bool) -> int:
    """Train one run of two hidden layers, a fairness layer and a classifier; returns the number of steps.

    With ``leak`` the fairness player steps first, and its gradients are not cleared for the accuracy player, as in
    FairBiNN's code; otherwise as in the paper's box.
    """
    table = data.train.to("cpu", torch.float32)
    sizes = [table.x.shape[1], width, width, width]
    hidden = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    net = torch.nn.Sequential(
        *(part for layer in hidden for part in (layer, torch.nn.ReLU())), torch.nn.Linear(width, 1)
    )
    fairness = list(hidden[-1].parameters())
    accuracy = [p for p in net.parameters() if all(p is not q for q in fairness)]
    players = {"accuracy": torch.optim.Adam(accuracy, lr=1e-3), "fairness": torch.optim.Adam(fairness, lr=1e-5)}
    loader = DataLoader(TensorDataset(*table), batch_size=batch_size, shuffle=True)
    for _ in range(epochs):
        for x, y, s in loader:
            net.zero_grad()
            for player in ("fairness", "accuracy") if leak else ("accuracy", "fairness"):
                logits = net(x)[:, 0]
                loss = (
                    binary_cross_entropy_with_logits(logits, y) if player == "accuracy" else eta * unfairness(logits, s)
                )
                if not leak:
                    net.zero_grad()
                loss.backward()
                players[player].step()
    return epochs * len(loader)


def unfairness(logits: Tensor, s: Tensor) -> Tensor:
    """The fairness loss of FairBiNN's code, for two groups."""
    q = torch.sigmoid(torch.sigmoid(logits))
    return (q[s == 0].mean() - q.mean()).square() / 2
