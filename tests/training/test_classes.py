"""Labels of several classes from the configuration to the report."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from fairrun.config.check import InputError
from fairrun.models.mlp import MLP
from fairrun.runs.built import network
from fairrun.runs.checks.data import check_data
from fairrun.runs.job import facts
from fairrun.training.fit import fit
from tests.helpers.command import INLINE, records
from tests.helpers.here import run_here
from tests.helpers.quick import few
from tests.helpers.synthetic import METHODS, config, data_of_classes, method

NETWORK = MLP(num_features=6, num_classes=3, width=16, depth=2, fairness_layers=1, fairness_position=None, dropout=0.0)
LEARNS = sorted(name for name in METHODS if method(name).multiclass)
LOSSES_ALONE = {"erm", "dro", "reweighing", "group_dro"}


def train(methods, seeds, dtype=torch.float64, epochs=3, **options):
    rows = data_of_classes()
    return fit(NETWORK, methods, seeds, rows, epochs=epochs, batch_size=32, dtype=dtype, **options)


@pytest.mark.parametrize("name", few(METHODS, 10))
def test_a_method_learns_several_classes_or_refuses_them(name):
    heads = ["model=shared_bottom"] if "tasks" in method(name).needs else []
    metric = ["metric=worst_group_accuracy"] if name in LEARNS else []  # it has no surrogate for a fairness loss
    cfg = OmegaConf.to_container(config(f"method={name}", *metric, *heads), resolve=True)
    if name in LEARNS:
        check_data(cfg, facts(data_of_classes()))  # that it learns them is a rule of the contract
        return
    with pytest.raises(InputError, match=f"{type(method(name)).__name__} (learns two classes|needs several tasks)"):
        check_data(cfg, facts(data_of_classes()))


def test_methods_of_losses_alone_learn_several_classes():
    assert set(LEARNS) >= LOSSES_ALONE


@pytest.mark.parametrize("name", few(LEARNS, 4))
@pytest.mark.parametrize("engine", ["torch", "auto"])
def test_runs_of_several_classes_are_bit_for_bit_the_same_in_any_stack_in_float32(name, engine):
    optimizer = method(name).optimizer
    methods = [
        dataclasses.replace(method(name), optimizer=dataclasses.replace(optimizer, lr=optimizer.lr * (1 + k)))
        for k in range(5)
    ]
    seeds = [4, 3, 2, 1, 0]
    stacked = train(methods, seeds, torch.float32, engine=engine)
    for order in ([0], [3, 1], [4, 2, 0]):
        others = train([methods[r] for r in order], [seeds[r] for r in order], torch.float32, engine=engine)
        for ours, r in zip(others, order, strict=True):
            assert all(torch.equal(p, stacked[r].theta[part]) for part, p in ours.theta.items())
            pd.testing.assert_frame_equal(ours.history, stacked[r].history, check_exact=True)


def test_a_network_of_two_classes_has_one_logit_and_of_more_one_for_each():
    resolved = OmegaConf.to_container(config("model=linear"), resolve=True)
    for num_classes, logits in ((2, 1), (3, 3), (10, 10)):
        found = network(resolved, 6, num_classes=num_classes).init([torch.Generator()])
        assert found["classifier.weight"].shape == (1, 6, logits)


@pytest.fixture
def jobs_csv(tmp_path):
    """Rows of two groups with one of three jobs, which the features tell."""
    rng = np.random.default_rng(0)
    x, group = rng.normal(size=(300, 2)), rng.choice(["a", "b"], 300, p=[0.3, 0.7])
    number = np.clip(np.round(x[:, 0] + 0.3 * (group == "b") + 0.2 * rng.normal(size=300)), -1, 1).astype(int)
    frame = pd.DataFrame(
        {"u": x[:, 0], "v": x[:, 1], "group": group, "job": np.array(["cook", "smith", "clerk"])[number]}
    )
    frame.to_csv(tmp_path / "table.csv", index=False)
    return tmp_path


TABLE = ["dataset=csv", "dataset.path=table.csv", "dataset.label=job", "dataset.positive=null"]
TABLE += ["dataset.sensitive=[group]", "metric=worst_group_accuracy", "epochs=3", "batch_size=32"]


@pytest.mark.slow
def test_a_sweep_over_several_classes_ends_with_a_report(jobs_csv):
    shown = "report.columns=[accuracy_difference,log_loss]"
    command = ["-m", *TABLE, "method=erm,group_dro", "seed=range(2)", shown, "hydra.sweep.dir=sweep", INLINE]
    done = run_here(jobs_csv, *command)
    assert done.returncode == 0, done.stderr
    found = records(jobs_csv / "sweep")
    assert len(found) == 4 and {record["status"] for record in found} == {"finished"}
    assert found[0]["classes"] == ["clerk", "cook", "smith"]
    assert "test/selection_rate" not in found[0]["metrics"] and found[0]["metrics"]["test/log_loss"] > 0
    text = (jobs_csv / "sweep" / "table.md").read_text()
    assert "worst group accuracy" in text and "hypervolume" in text and "AOPAC" not in text
    page = (jobs_csv / "sweep" / "report.html").read_text()
    assert all(f"<td>{name}</td>" in page for name in ("clerk", "cook", "smith"))
    assert "share of positive labels" not in page


def test_a_single_run_of_several_classes_shows_what_it_has(jobs_csv):
    done = run_here(jobs_csv, *TABLE, "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert "worst_group_accuracy" in done.stdout and "group=b" in done.stdout and "selection" not in done.stdout
    record = json.loads((jobs_csv / "run" / "record.json").read_text())
    assert record["score"] == record["metrics"]["val/accuracy"]
