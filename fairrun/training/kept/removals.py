"""Counts the rows that a method's steps left out as outliers, and how many of them are outliers that we made."""

import numpy as np
import torch
from torch import Tensor

from fairrun.method.api import Batch


class Removals:
    """Counts over the steps of an epoch.  ``outliers`` [R, N] is 1 for a training row that is one; None: not known."""

    def __init__(self, outliers: Tensor | None) -> None:
        self.outliers = outliers
        self.counts: list[Tensor] = []  # for each step [2 or 4, R]: rows, rows removed, outliers, outliers removed

    def add(self, removed: Tensor, batch: Batch) -> None:
        """Count a step.  ``removed`` [R, B] is 1 for each of its rows that was left out, else 0."""
        removed = removed * batch.w
        counts = [batch.w, removed]
        if self.outliers is not None:
            outlier = self.outliers.gather(-1, batch.i) * batch.w
            counts += [outlier, outlier * removed]
        self.counts.append(torch.stack(counts).sum(-1))

    def rates(self) -> dict[str, np.ndarray]:
        """The share of rows removed, [R]; nothing if no step counted.

        Where outliers are known also ``removal_precision``, the share of outliers among the rows removed (NaN if none
        was), and ``removal_recall``, the share of the outliers that were removed.
        """
        if not self.counts:
            return {}
        rows, removed, *found = torch.stack(self.counts).double().sum(0)
        rates = {"removed": removed / rows}
        if found:
            outliers, hits = found
            rates |= {"removal_precision": hits / removed, "removal_recall": hits / outliers}
        return {name: rate.cpu().numpy() for name, rate in rates.items()}
