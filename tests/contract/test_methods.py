"""What every method must do.  Methods are found in conf/method, never named."""

import ast
import copy
import dataclasses
import io
import json
from pathlib import Path
from typing import get_type_hints

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

import fairrun
from fairrun.method.api import PerRun, PerTask
from fairrun.models.functional import Classifier
from fairrun.models.mlp import MLP
from fairrun.training.binding import bind
from fairrun.training.fit import fit
from fairrun.training.native.library import library
from tests.helpers.modules import module
from tests.helpers.synthetic import HEADS, METHODS, batch_of, config, data, method, rows_for

GOLDEN = Path(__file__).parent.parent / "golden"
NETWORK = MLP(num_features=6, num_classes=2, width=16, depth=2, fairness_layers=1, fairness_position=None, dropout=0.0)
DROPPING = dataclasses.replace(NETWORK, dropout=0.3)
NETWORKS = {"mlp": (NETWORK, DROPPING), "module": (module(), module(dropout=0.3))}  # without and with dropout
# Methods of several tasks need a network with heads, and train that alone
PAIRS = [(name, kind) for name in METHODS for kind in NETWORKS if kind == "mlp" or "tasks" not in method(name).needs]
EVERY_METHOD = pytest.mark.parametrize("name", METHODS)
ON_EVERY_NETWORK = pytest.mark.parametrize(("name", "kind"), PAIRS)


def variant(value, k):
    """``value`` with every per-run float, nested ones too, changed a little for run ``k``."""
    changes, hints = {}, get_type_hints(type(value))
    for field in dataclasses.fields(value):
        old = getattr(value, field.name)
        if hints[field.name] in (PerRun, PerTask):
            changes[field.name] = old * (1 - 0.05 * k)
        elif dataclasses.is_dataclass(old):
            changes[field.name] = variant(old, k)
    return dataclasses.replace(value, **changes)


def soon(value):
    """``value`` with every number of epochs above 1 at 1, so that a schedule begins within a short training."""
    hints = get_type_hints(type(value))
    epochs = {name: getattr(value, name) for name, hint in hints.items() if hint is int and "epochs" in name}
    return dataclasses.replace(value, **{name: 1 for name, number in epochs.items() if number > 1})


def train(methods, seeds, rows=None, network=DROPPING, dtype=torch.float64, epochs=3, engine="torch"):
    network = HEADS if "tasks" in methods[0].needs else network
    rows = rows or rows_for(methods[0])
    return fit(network, methods, seeds, rows, epochs=epochs, batch_size=32, dtype=dtype, engine=engine)


def start(name, kind="mlp", num_runs=3):
    """A bound method, a model, the state before the first step, and a batch with two rows of padding."""
    rows = rows_for(method(name)).train
    network = HEADS if "tasks" in method(name).needs else NETWORKS[kind][0]
    bound = bind([variant(method(name), k) for k in range(num_runs)], torch.float64)
    generators = [torch.Generator().manual_seed(k) for k in range(num_runs)]
    model, theta = Classifier(network), network.init(generators)
    theta |= bound.draw(theta, 3, generators)
    w = torch.ones(num_runs, 32, dtype=torch.float64)
    w[:, 30:] = 0
    held_out = batch_of(rows, data().balanced.repeat(3)[:32].expand(num_runs, -1))._replace(w=w)
    whole = batch_of(rows, torch.arange(len(rows.y)).expand(num_runs, -1))
    state = bound.init(model, theta, seeded(visible(bound, whole, held_out)))
    state, _ = bound.start_epoch(model, state, seeded(visible(bound, whole, held_out)))
    i = torch.stack([torch.randperm(len(rows.y), generator=g)[:32] for g in generators])
    return bound, model, state, visible(bound, batch_of(rows, i)._replace(w=w), held_out)


def seeded(batch):
    """The batch with new generators: a method that draws random numbers then draws the same ones again."""
    return batch._replace(generators=tuple(torch.Generator().manual_seed(k) for k in range(len(batch.w))))


def step(bound, model, state, batch):
    return bound.update(model, state, seeded(batch))


def visible(bound, batch, held_out):
    val = held_out if "val" in bound.needs else None
    return batch._replace(sensitive=batch.s if "s" in bound.needs else None, val=val)


def tensors(state):
    return [leaf for leaf in tree_flatten(state)[0] if isinstance(leaf, Tensor)]


def assert_same_runs(actual, expected, tolerance=0.0):
    for ours, theirs in zip(actual, expected, strict=True):
        for name in theirs.theta:
            torch.testing.assert_close(ours.theta[name], theirs.theta[name], rtol=tolerance, atol=tolerance)
        for column in theirs.history:
            a, b = (torch.tensor(run.history[column].to_numpy(dtype=float)) for run in (ours, theirs))
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


@ON_EVERY_NETWORK
def test_state_and_logs_are_finite_and_one_a_run(name, kind):
    bound, model, state, batch = start(name, kind)
    state, logs = step(bound, model, state, batch)
    assert all(torch.isfinite(leaf).all() for leaf in tensors(state))
    assert all(torch.isfinite(log).all() for log in logs.values())
    assert logs.pop("removed", torch.zeros(3, 32)).shape == (3, 32)
    assert all(log.shape == (3,) for log in logs.values())
    assert "loss" in logs


@ON_EVERY_NETWORK
def test_update_changes_nothing_that_came_in_and_repeats_itself(name, kind):
    bound, model, state, batch = start(name, kind)
    before = copy.deepcopy((state, batch))
    first, second = (step(bound, model, state, batch) for _ in range(2))
    for a, b in zip(tensors((state, batch)), tensors(before), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(tensors(first), tensors(second), strict=True):
        assert torch.equal(a, b)


@EVERY_METHOD
def test_a_run_in_a_stack_is_the_run_alone_in_float64(name):
    methods, seeds = [variant(method(name), k) for k in range(4)], [7, 0, 3, 3]
    stacked = train(methods, seeds)
    alone = [train([m], [seed])[0] for m, seed in zip(methods, seeds, strict=True)]
    assert_same_runs(stacked, alone, tolerance=1e-12)


@ON_EVERY_NETWORK
def test_runs_are_bit_for_bit_the_same_in_any_stack_in_float32(name, kind):
    methods, seeds = [variant(method(name), k) for k in range(5)], [4, 3, 2, 1, 0]
    options = {"network": NETWORKS[kind][1], "dtype": torch.float32}
    stacked = train(methods, seeds, **options)
    for order in ([0], [3, 1], [4, 2, 0]):
        others = train([methods[r] for r in order], [seeds[r] for r in order], **options)
        assert_same_runs(others, [stacked[r] for r in order])


@pytest.mark.skipif(library() is None, reason="no C++ compiler")
@EVERY_METHOD
def test_runs_are_bit_for_bit_the_same_in_any_stack_under_the_native_engine(name):
    options = {"network": NETWORK, "dtype": torch.float32, "engine": "native", "epochs": 2}
    methods, seeds = [variant(method(name), k) for k in range(3)], [2, 1, 0]
    stacked = train(methods, seeds, **options)
    for order in ([0], [2, 1]):
        others = train([methods[r] for r in order], [seeds[r] for r in order], **options)
        assert_same_runs(others, [stacked[r] for r in order])


@EVERY_METHOD
def test_every_float_field_makes_a_difference_of_its_own(name):
    """A swept field equals the same value given to a run alone, and is not ignored; at 0 a preset leaves it out."""
    base = soon(method(name))
    hints = get_type_hints(type(base))
    fields = [name for name, hint in hints.items() if hint in (PerRun, PerTask) and getattr(base, name) != 0]
    for field in fields:
        changed = dataclasses.replace(base, **{field: getattr(base, field) * 0.5})
        together = train([base, changed], [0, 0])
        assert_same_runs([together[1]], train([changed], [0]), tolerance=1e-12)
        assert any(not torch.equal(together[0].theta[p], together[1].theta[p]) for p in together[0].theta), field


@ON_EVERY_NETWORK
def test_seeds_matter(name, kind):
    first, second = train([method(name)] * 2, [0, 1], network=NETWORKS[kind][1])
    last = next(part for part in first.theta if part.endswith("classifier.weight"))
    assert not torch.equal(first.theta[last], second.theta[last])


@EVERY_METHOD
def test_the_sensitive_attribute_is_unseen_where_it_is_not_needed(name):
    if "s" in method(name).needs:
        pytest.skip("this method needs s")
    poisoned = rows_for(method(name))
    s = torch.full_like(poisoned.train.s, 99).index_copy(0, poisoned.balanced, poisoned.held_out()[1].s)
    poisoned = poisoned._replace(train=poisoned.train._replace(s=s))
    assert_same_runs(train([method(name)], [0], poisoned), train([method(name)], [0]))


@EVERY_METHOD
def test_renaming_groups_changes_nothing(name):
    rename = torch.tensor([2, 0, 1])
    rows = rows_for(method(name))
    renamed = rows._replace(
        **{split: getattr(rows, split)._replace(s=rename[getattr(rows, split).s]) for split in ("train", "val", "test")}
    )
    (ours,), (theirs,) = train([method(name)], [0], renamed), train([method(name)], [0], rows)
    for column in ("train/loss", "test/accuracy", "test/demographic_parity_difference", "test/worst_group_accuracy"):
        assert ours.history[column].to_numpy() == pytest.approx(theirs.history[column].to_numpy(), abs=1e-10)


@ON_EVERY_NETWORK
def test_the_order_of_rows_in_a_batch_changes_nothing(name, kind):
    bound, model, state, batch = start(name, kind)
    if bound.pairs_rows:
        pytest.skip("this method pairs the rows of a batch")
    order = torch.randperm(32, generator=torch.Generator().manual_seed(0))
    shuffled = tree_map(lambda v: v[:, order] if isinstance(v, Tensor) else v, batch)
    ours, theirs = step(bound, model, state, shuffled), step(bound, model, state, batch)
    if "removed" in theirs[1]:
        theirs[1]["removed"] = theirs[1]["removed"][:, order]
    for a, b in zip(tensors(ours), tensors(theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)


@ON_EVERY_NETWORK
def test_padding_weighs_nothing(name, kind):
    bound, model, state, batch = start(name, kind)
    other = batch._replace(x=batch.x.clone(), y=batch.y.clone())
    other.x[:, 30:] = 5.0
    other.y[:, 30:] = 1 - other.y[:, 30:]
    if batch.sensitive is not None:
        other = other._replace(sensitive=batch.s.clone())
        other.s[:, 30:] = 2
    for a, b in zip(tensors(step(bound, model, state, other)), tensors(step(bound, model, state, batch)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@ON_EVERY_NETWORK
def test_a_batch_without_a_group_gives_a_finite_step(name, kind):
    bound, model, state, batch = start(name, kind)
    if batch.sensitive is not None:
        batch = batch._replace(sensitive=torch.zeros_like(batch.s), y=torch.zeros_like(batch.y))
    assert all(torch.isfinite(leaf).all() for leaf in tensors(step(bound, model, state, batch)))


@ON_EVERY_NETWORK
def test_the_state_survives_saving_and_safe_loading(name, kind):
    bound, model, state, batch = start(name, kind)
    state, _ = step(bound, model, state, batch)
    leaves, structure = tree_flatten(state)
    file = io.BytesIO()
    torch.save(leaves, file)
    file.seek(0)
    loaded = tree_unflatten(torch.load(file, weights_only=True), structure)
    for a, b in zip(tensors(step(bound, model, loaded, batch)), tensors(step(bound, model, state, batch)), strict=True):
        assert torch.equal(a, b)


@EVERY_METHOD
def test_the_yaml_lists_every_field(name):
    fields = {field.name for field in dataclasses.fields(type(method(name)))}
    assert {*config(f"method={name}").method} - {"_target_"} == fields


@EVERY_METHOD
def test_some_yaml_of_the_class_has_the_defaults_of_its_fields(name):
    """The others are presets of the same class."""
    cls = type(method(name))
    files = [other for other in METHODS if type(method(other)) is cls]
    defaults = {f.name: f.default for f in dataclasses.fields(cls) if f.default is not dataclasses.MISSING}
    found = {file: {field: getattr(method(file), field) for field in defaults} for file in files}
    assert defaults in found.values(), found


@EVERY_METHOD
def test_the_module_imports_only_what_a_method_may(name):
    """``fairrun.method`` and torch: no Hydra, no tracking, no data loading, no other method."""
    allowed = {"fairrun.method", "torch", "torch.nn.functional", "dataclasses", "typing", "collections.abc"}
    module = Path(fairrun.__file__).parent / "methods" / f"{type(method(name)).__module__.rpartition('.')[2]}.py"
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert node.module in allowed


@EVERY_METHOD
def test_the_runs_learn_with_the_golden_losses(name, request):
    """The first 20 losses from a fixed seed.  ``pytest --golden`` rewrites them: the commit must say why."""
    epochs = 60 if "tasks" in method(name).needs else 30
    (run,) = train([method(name)], [0], network=NETWORK, epochs=epochs)
    losses = run.history["train/loss"].tolist()
    path = GOLDEN / f"{name}.json"
    if request.config.getoption("--golden"):
        path.write_text(json.dumps(losses[:20], indent=1) + "\n")
    golden = json.loads(path.read_text())
    assert losses[:20] == pytest.approx(golden, rel=1e-7)  # bargaining has condition numbers of 1e6
    assert run.failure is None
    assert losses[-1] < losses[0]
    assert run.history["test/accuracy"].iloc[-1] > 0.75


@pytest.mark.parametrize("name", [name for name, kind in PAIRS if kind == "module"])
def test_the_runs_of_any_module_learn(name):
    (run,) = train([method(name)], [0], network=NETWORKS["module"][0], epochs=40)
    assert run.failure is None
    assert run.history["train/loss"].iloc[-1] < run.history["train/loss"].iloc[0]
    assert run.history["test/accuracy"].iloc[-1] > 0.65
