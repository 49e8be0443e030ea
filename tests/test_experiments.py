"""The presets of papers: that they hold the papers' values."""

import math
from pathlib import Path

import pytest

from fairrun.train import CONF
from tests.synthetic import config

# Of Zeng et al.'s code: lr, drop-out, batch, epochs, first epoch of stage 2, validation rows a cell, test fraction
NASH = {
    "adult_sex": (1e-3, 0.2, 512, 50, 15, 3, 0.03),
    "adult_race": (5e-4, 0.4, 512, 50, 15, 3, 0.03),
    "bank": (1e-3, 0.3, 512, 50, 15, 3, 0.03),
    "communities": (1e-4, 0.2, 32, 50, 15, 1, 0.03),
    "credit": (1e-3, 0.5, 512, 100, 100, 4, 0.03),
    "student_por": (1e-3, 0.05, 32, 50, 10, 2, 0.1),
    "titanic": (1e-3, 0.4, 128, 50, 50, 1, 0.03),
}


@pytest.mark.parametrize("name", NASH)
@pytest.mark.parametrize("method", ["nash_ltr", "ltr", "dro", "erm"])
def test_a_nash_preset_holds_the_values_of_the_authors_code(name, method):
    """Their lr and weight decay are for a sum over the batch, by the square root of the batch size."""
    lr, dropout, batch, epochs, second_stage, rows, fraction = NASH[name]
    cfg = config(f"experiment=nash/{name}", f"method={method}")
    assert cfg.method.optimizer._target_ == "fairrun.optim.SGD"
    assert cfg.method.optimizer.lr == pytest.approx(lr * math.sqrt(batch), rel=1e-3)
    assert cfg.method.optimizer.weight_decay == pytest.approx(5e-4 / math.sqrt(batch), rel=1e-3)
    assert cfg.method.optimizer.momentum == 0.9
    assert (cfg.epochs, cfg.batch_size, cfg.selection) == (epochs, batch, "last")
    assert (list(cfg.model.width), cfg.model.depth, cfg.model.dropout) == ([128, 64], 2, dropout)
    split = cfg.dataset.split
    assert (split.test, split.balance_test, split.balanced) == (fraction, True, rows)
    assert cfg.dataset.scale == "all"
    if method == "dro":
        assert (cfg.method.fraction, cfg.method.variant) == (0.4, "zeng")
    elif method != "erm":
        assert cfg.method.bargain_epochs == (second_stage - 1 if method == "nash_ltr" else 0)


def test_every_nash_preset_is_checked():
    assert {path.stem for path in (Path(CONF) / "experiment" / "nash").glob("*.yaml")} == set(NASH)
