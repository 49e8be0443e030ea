"""Rows that are not trained on: what runs predict for them, and every metric."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fairrun.config.metrics import Metric
from fairrun.data.pixels.stored import Features
from fairrun.data.table import Data, Table
from fairrun.data.target import Target
from fairrun.method.api import Theta
from fairrun.models.network import Network
from fairrun.training.evaluation import Evaluation, evaluation
from fairrun.training.tables import Tables, padded_parts


@dataclass(frozen=True)
class Held:
    """The validation and test rows of all runs, which are evaluated."""

    network: Network
    tables: Mapping[str, Tables]  # by split
    evaluations: Sequence[Evaluation]  # of each data set

    @classmethod
    def of_data(cls, network: Network, each: Sequence[Data], of: Sequence[int], metrics: Sequence[Metric]) -> "Held":
        """Those of the data sets ``each``; ``of`` is the number of that of each run."""
        tables = {split: Tables.joined([getattr(one, split) for one in each], of) for split in ("val", "test")}
        rates = [[float(labels.y.double().mean()) for labels in one.labels(one.train).values()] for one in each]
        target, num_groups = each[0].target, len(each[0].groups)
        return cls(network, tables, [evaluation(target, num_groups, own, metrics) for own in rates])

    @torch.no_grad()
    def metrics(self, theta: Theta) -> dict[str, np.ndarray]:
        """Every metric of both splits, by ``split/name``, [R]."""
        return {
            f"{split}/{name}": value.cpu().numpy()
            for split, tables in self.tables.items()
            for name, value in self._metrics(theta, tables).items()
        }

    def _metrics(self, theta: Theta, tables: Tables) -> dict[str, Tensor]:
        logits = _logits(self.network, theta, tables.parts())
        if tables.single:
            ((table, _),) = tables.each()
            return self.evaluations[0](logits, table)
        each = zip(self.evaluations, tables.each(), strict=True)
        found = [(runs, own(logits[runs], table)) for own, (table, runs) in each]
        order = torch.cat([runs for runs, _ in found]).argsort()
        return {name: torch.cat([values[name] for _, values in found])[order] for name in found[0][1]}

    @torch.no_grad()
    def scores(self, theta: Theta, target: Target) -> list[dict[str, np.ndarray]]:
        """What each run predicts for the rows of a split, float32: the probability of class 1, [N]; of tasks [N, T].

        For C > 2 classes it is that of each class, [N, C].
        """
        found = {}
        for name, tables in self.tables.items():
            logits = _logits(self.network, theta, tables.parts())[:, : len(tables)]
            found[name] = target.link.scores(logits.double()).float()
        num_runs = len(found["val"])
        return [{name: scores[r].cpu().numpy() for name, scores in found.items()} for r in range(num_runs)]


@torch.no_grad()
def predict(network: Network, theta: Theta, table: Table) -> Tensor:
    """The logits of all rows of a split: [R, N], with several tasks [R, N, T], with C > 2 classes [R, N, C]."""
    return padded_logits(network, theta, table.x)[:, : len(table.y)]


def padded_logits(network: Network, theta: Theta, x: Features) -> Tensor:
    """The logits of rows ``x`` [N, D] and, after them, of padding rows: rows are padded as in a batch."""
    num_runs = next(iter(theta.values())).shape[0]
    return _logits(network, theta, (part.expand(num_runs, *part.shape) for part in padded_parts(x)))


def _logits(network: Network, theta: Theta, parts: Iterable[Tensor]) -> Tensor:
    return torch.cat([network.logits(theta, part) for part in parts], dim=1)
