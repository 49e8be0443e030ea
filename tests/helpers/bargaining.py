"""Records of methods that bargain, with histories of it."""

import numpy as np
import pandas as pd

from tests.helpers.records import rewrite
from tests.helpers.reports import write_run

CELLS = [f"s={s}/y={y}" for s in (0, 1) for y in (0, 1)]
EPOCHS = 10
STAGE_1 = {"nash": 4, "ksbs": 6, "goal": 0, "endless": EPOCHS}


def history(method, seed, num_epochs=EPOCHS, **columns):
    """Players that come to agree: gains and rates rise with the epochs, weights move towards group 1."""
    epoch = np.arange(1, num_epochs + 1)
    rng = np.random.default_rng([seed, *method.encode()])
    late = epoch / num_epochs
    wiggle = lambda: rng.normal(0, 0.02, num_epochs)  # noqa: E731
    bargained = (epoch <= STAGE_1[method]).astype(float)
    rate = 0.55 + 0.3 * late + 0.1 * bargained + wiggle()
    steps = {"epoch": epoch, "train/loss": 1 - late / 2, "train/aligned": rate.clip(0, 1)}
    steps["train/aligned_rectified"] = (rate - 0.08).clip(0, 1)
    steps["train/goal_aligned"] = (rate - 0.2).clip(0, 1)
    steps["train/smallest_gain"] = 0.04 * late - 0.01 + 0.1 * wiggle()
    steps["train/infeasible"] = np.where(bargained > 0, (0.2 - 0.2 * late + wiggle()).clip(0, 1), np.nan)
    steps["train/bargained"] = bargained
    for k, cell in enumerate(CELLS):
        share = (1 + k * late + wiggle()) / (4 + 6 * late)
        steps[f"train/alpha/{cell}"] = np.where(bargained > 0, share, np.nan)
    return pd.DataFrame(steps | columns)


def bargain(folder, method="nash", seed=0, lam=1.0, log=True, **columns):
    """Write a run of a method of bargaining -> its row of the frame."""
    found = history(method, seed, **columns)
    last = {name: float(v) for name, v in found.iloc[-1].items() if name.startswith("train/")} if log else {}
    row = write_run(folder, method, lam, seed, **last)
    rewrite(row["folder"], found)
    return row


def sweep(folder, methods=("nash", "ksbs", "endless"), seeds=3):
    """Methods of bargaining, and ERM, which logs nothing of it."""
    rows = [write_run(folder, "erm", 0.0, seed) for seed in range(seeds)]
    return [*rows, *(bargain(folder, method, seed) for method in methods for seed in range(seeds))]
