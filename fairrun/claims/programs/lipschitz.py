"""How far fairness losses and scores move, as a share of what FairBiNN's theory allows: above 1 the bound is broken.

    scores    a spread of groups' mean scores moves by 2 sup|p - p'| at most; random scores, and moves that are worst
    layer     scores move by L (|h| |dW| + |db|) at most, h the input of a fairness layer (W, b); random networks

``printed`` is L as Lemma 3.5 has it, the product of the activations' constants (ReLU 1, sigmoid 1/4); ``norms`` has the
norms of the later layers' weights too.  ``scale`` multiplies the weights that a network starts with, as training may.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import torch
from torch import Generator, Tensor

from fairrun.method.api import Batch
from fairrun.method.losses import LOSSES

DTYPE = torch.float64
SEEDS = 10
TRIALS = 50
ROWS = 45
WIDTH = 16
NAMES = ("demographic_parity", "equal_opportunity", "equalized_odds")
GROUPS = (2, 9)
SCALES = (1.0, 5.0)
SIGMOID = 0.25  # largest slope


def measured() -> pd.DataFrame:
    """A row for each loss and number of ``groups``, or ``scale``, and seed: the largest ratio of its trials."""
    return pd.DataFrame([row for seed in range(SEEDS) for row in (*_scores(seed), *_layers(seed))])


def _scores(seed: int) -> Iterator[dict[str, Any]]:
    generator = Generator().manual_seed(seed)
    for groups in GROUPS:
        y = torch.randint(2, (TRIALS, ROWS), generator=generator).to(DTYPE)
        s = torch.arange(ROWS).remainder(groups).expand(TRIALS, ROWS)
        batch = Batch(y.unsqueeze(-1), y, s, torch.ones_like(y), sensitive=s, num_groups=groups)
        p, other = torch.rand(2, TRIALS, ROWS, generator=generator, dtype=DTYPE)
        p = 0.1 + 0.4 * p + 0.2 * (s == 0)  # group 0 has the largest mean, so that moves apart widen the spread
        apart = p + 0.1 * torch.where(s == 0, 1.0, -1.0)
        for name in NAMES:
            ratios = [moved(name, batch, p, q) for q in (other, apart)]
            yield {"method": name, "groups": groups, "seed": seed, "measured/ratio": float(torch.stack(ratios).max())}


def moved(name: str, batch: Batch, p: Tensor, q: Tensor) -> Tensor:
    """By how much a loss differs between scores ``p`` and ``q`` [R, B], as a share of its bound, [R]."""
    return (LOSSES[name](p, batch) - LOSSES[name](q, batch)).abs() / (2 * (p - q).abs().amax(-1))


def _layers(seed: int) -> Iterator[dict[str, Any]]:
    """Networks x -> h -> fairness layer -> a layer -> score, of which the fairness layer moves."""
    generator = Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return (2 * torch.rand(TRIALS, *shape, generator=generator, dtype=DTYPE) - 1) / WIDTH**0.5

    for scale in SCALES:
        h = (drawn(ROWS, WIDTH) * WIDTH**0.5).relu()
        W, b, V, c = (scale * drawn(*shape) for shape in ((WIDTH, WIDTH), (1, WIDTH), (WIDTH, WIDTH), (WIDTH, 1)))
        dW, db = 0.1 * drawn(WIDTH, WIDTH), 0.1 * drawn(1, WIDTH)
        change = (_score(h, W + dW, b + db, V, c) - _score(h, W, b, V, c)).abs()
        printed = SIGMOID * (h.norm(dim=-1) * _norm(dW) + db.norm(dim=-1))
        ratios = change / printed
        later = _norm(V) * c.norm(dim=(1, 2)).unsqueeze(-1)
        found = {"measured/printed": float(ratios.max()), "measured/norms": float((ratios / later).max())}
        yield {"method": "layer", "scale": scale, "seed": seed} | found


def _score(h: Tensor, W: Tensor, b: Tensor, V: Tensor, c: Tensor) -> Tensor:
    return (((h @ W + b).relu() @ V).relu() @ c).sigmoid().squeeze(-1)


def _norm(W: Tensor) -> Tensor:
    """The largest singular value of each matrix, [R, 1]."""
    return torch.linalg.matrix_norm(W, 2).unsqueeze(-1)
