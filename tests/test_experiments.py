"""The presets of papers: that they hold the papers' values."""

import math
from pathlib import Path

import pytest
import torch

from fairrun.method import split
from fairrun.train import CONF
from tests.synthetic import built, config

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


# Of Yazdani-Jahromi et al., Table 2: layers before the fairness layers, fairness layers, and the features of their code
FAIRBINN = {"adult": (2, 1, 101), "health": (2, 3, 125)}


@pytest.mark.parametrize("name", FAIRBINN)
@pytest.mark.parametrize("method", ["fairbinn", "fairbinn_authors"])
def test_a_fairbinn_preset_holds_the_values_of_the_papers_table(name, method):
    before, layers, features = FAIRBINN[name]
    cfg = config(f"experiment=fairbinn/{name}", f"method={method}")
    assert (cfg.epochs, cfg.batch_size, cfg.method.eta, cfg.selection) == (50, 100, 100, "last")
    assert [cfg.method[key]._target_ for key in ("optimizer", "fairness_optimizer")] == ["fairrun.optim.Adam"] * 2
    assert (cfg.method.optimizer.lr, cfg.method.fairness_optimizer.lr) == (1e-3, 1e-5)
    model = cfg.model
    assert (model.width, model.depth, model.fairness_layers, model.fairness_position) == (
        features,
        before + layers,
        layers,
        before + 1,
    )
    assert (cfg.dataset.include_sensitive, model.dropout) == (True, 0)


def test_the_players_networks_are_the_lagrangians_and_as_large_as_they_should_be():
    """101-101-101-101-1 on Adult has 31,008 parameters, of which 10,302 are the fairness player's."""
    sizes = []
    for method in ("fairbinn", "fairbinn_authors", "stackelberg", "lagrangian"):
        cfg = config("experiment=fairbinn/adult", f"method={method}")
        theta = built(cfg, "model", num_features=101).init([torch.Generator()])
        sizes.append([sum(p.numel() for p in part.values()) for part in split(theta, "fairness")])
    assert sizes == [[10302, 20706]] * 4


def test_the_ablations_of_fairbinn_have_the_networks_that_they_compare():
    """One fairness layer among four, at each place; one to three behind two others."""
    position = config("experiment=fairbinn/position", "model.fairness_position=2")
    assert (position.model.depth, position.model.fairness_layers, position.model.fairness_position) == (4, 1, 2)
    for layers in (1, 2, 3):
        model = config("experiment=fairbinn/layers", f"model.fairness_layers={layers}").model
        assert (model.depth, model.fairness_position) == (2 + layers, 3)


def test_adult_as_released_has_the_wrong_index_and_nine_groups_have_not():
    """The code's group 0 are the men, which of "sex=Female" and "sex=Male" are group 1."""
    losses = [config(f"experiment=fairbinn/{name}", "method=lagrangian").method.fairness_loss for name in FAIRBINN]
    assert losses == ["demographic_parity_fairbinn_group_1", "demographic_parity_fairbinn"]
