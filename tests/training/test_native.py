"""The native engine against torch, alone and in a stack, and without a compiler."""

import dataclasses
import logging
import os
import stat

import pytest
import torch
from torch.autograd import forward_ad

from fairrun.config.check import InputError
from fairrun.method.steps import split, tracked
from fairrun.methods.erm import ERM
from fairrun.methods.mtaf import MTAF
from fairrun.methods.penalty import Penalty
from fairrun.methods.stl import STL
from fairrun.models.mlp import MLP
from fairrun.models.shared_bottom import SharedBottom
from fairrun.training.binding import bind
from fairrun.training.checkpoint import Checkpoint
from fairrun.training.fit import fit
from fairrun.training.native.library import _compiled, library
from fairrun.training.native.parts import NativeMLP, NativeOptimizer, NativeSharedBottom, accelerate, choose, gather
from fairrun.training.optim import SGD, Adagrad, Adam
from tests.helpers.command import start_forked
from tests.helpers.multitask import network_of
from tests.helpers.synthetic import data, data_of_tasks

built = pytest.mark.skipif(library() is None, reason="this machine has no C++ compiler")
NETWORK = MLP(num_features=6, num_classes=2, width=16, depth=2, fairness_layers=0, fairness_position=None, dropout=0.0)
ADAM = Adam(lr=1e-2, b1=0.9, b2=0.999, eps=1e-8)
SHAPES = [(6, 16, 1), (100, 64, 2), (33, 128, 3), (20, 80, 2)]  # D, width, depth
SHAPES += [(6, 7, 1), (101, 101, 3), (5, 1, 2), (33, [96, 7, 50], 3), (20, [3, 16], 2)]  # padded to multiples of 16


def case(num_features, width, depth, num_runs=3, num_rows=64, share=0.1, num_classes=2, dropout=0.0):
    """A network, parameters, inputs of which a share is not zero, and what to multiply the logits by, in float64."""
    network = MLP(num_features, num_classes, width, depth, 0, None, dropout)
    g = torch.Generator().manual_seed(0)
    theta = network.init([g] * num_runs)
    x = torch.randn(num_runs, num_rows, num_features, generator=g, dtype=torch.float64)
    x *= torch.rand(x.shape, generator=g) < share
    shape = (num_runs, num_rows, num_classes) if num_classes > 2 else (num_runs, num_rows)
    return network, theta, x, torch.randn(shape, generator=g, dtype=torch.float64)


def passes(network, theta, x, factor, dtype, masks=()):
    """The logits, and the gradient of their sum times ``factor``."""
    theta = {name: p.to(dtype).requires_grad_() for name, p in theta.items()}
    logits = network.logits(theta, x.to(dtype), tuple(mask.to(dtype) for mask in masks))
    return [logits.detach(), *torch.autograd.grad((factor.to(dtype) * logits).sum(), list(theta.values()))]


@built
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.1, 0.24, 1.0])
def test_logits_and_gradients_are_those_of_torch(shape, share):
    network, theta, x, factor = case(*shape, share=share)
    ours = passes(accelerate(network), theta, x, factor, torch.float32)
    for mine, exact in zip(ours, passes(network, theta, x, factor, torch.float64), strict=True):
        torch.testing.assert_close(mine.double(), exact, rtol=0, atol=4e-6 * exact.abs().max().item())


@built
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_classes", [2, 3, 18])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_dropout_and_classes_are_those_of_torch_and_of_a_run_alone(shape, num_classes, dropout):
    network, theta, x, factor = case(*shape, num_classes=num_classes, dropout=dropout)
    masks = network.masks([torch.Generator().manual_seed(r) for r in range(len(x))], x.shape[1])
    fast = accelerate(network)
    ours = passes(fast, theta, x, factor, torch.float32, masks)
    for mine, exact in zip(ours, passes(network, theta, x, factor, torch.float64, masks), strict=True):
        torch.testing.assert_close(mine.double(), exact, rtol=0, atol=4e-6 * exact.abs().max().item())
    for runs in ([1], [2, 0]):
        chosen, some = {name: p[runs] for name, p in theta.items()}, tuple(mask[runs] for mask in masks)
        for few, all_runs in zip(passes(fast, chosen, x[runs], factor[runs], torch.float32, some), ours, strict=True):
            assert torch.equal(few, all_runs[runs])


@built
@pytest.mark.parametrize("shape", SHAPES)
def test_dense_and_sparse_rows_side_by_side_give_each_run_what_it_has_alone(shape):
    network, theta, x, factor = case(*shape, num_runs=4)
    x[[1, 3]] = torch.randn(2, *x.shape[1:], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    native = accelerate(network)
    together = passes(native, theta, x, factor, torch.float32)
    for order in ([0], [1], [3, 2], [1, 0, 3]):
        own = {name: p[order] for name, p in theta.items()}
        for mine, all_runs in zip(passes(native, own, x[order], factor[order], torch.float32), together, strict=True):
            assert torch.equal(mine, all_runs[order])


@built
@pytest.mark.parametrize("by_column", [False, True])
def test_rows_are_gathered_from_a_table_in_any_layout(by_column):
    """Scaled numbers without categories lie column by column."""
    table = torch.arange(30.0).view(5, 6)
    table = table.t().contiguous().t() if by_column else table
    rows, out = torch.tensor([4, 0, 4]), torch.empty(3, 6)
    gather(table, rows, out)
    assert torch.equal(out, table[rows])


@built
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("runs", [[1], [2, 0]])
def test_a_run_has_bitwise_the_same_logits_and_gradients_in_any_stack(shape, runs):
    network, theta, x, factor = case(*shape)
    together = passes(accelerate(network), theta, x, factor, torch.float32)
    apart = passes(
        accelerate(network), {name: p[runs] for name, p in theta.items()}, x[runs], factor[runs], torch.float32
    )
    for few, all_runs in zip(apart, together, strict=True):
        assert torch.equal(few, all_runs[runs])


@built
@pytest.mark.parametrize("shape", [(13, 7, 2), (101, 101, 3), (6, 16, 2), (9, [18, 32], 2)])
def test_only_the_gradients_that_are_asked_for_are_computed_and_they_are_the_same(shape):
    network, theta, x, factor = case(*shape, num_runs=2, num_rows=32)
    fast, names = accelerate(network), list(theta)
    at_all = dict(zip(names, passes(fast, theta, x, factor, torch.float32)[1:], strict=True))
    for chosen in range(1, 2 ** len(names)):
        leaves = {name: p.float().requires_grad_(bool(chosen >> k & 1)) for k, (name, p) in enumerate(theta.items())}
        computed = []
        logits = fast.logits(leaves, x.float())
        logits.grad_fn.register_hook(lambda grads, _: computed.extend(grads[-len(names) :]))  # noqa: B023
        logits.backward(factor.float())
        for (name, leaf), grad in zip(leaves.items(), computed, strict=True):
            assert torch.equal(grad, at_all[name]) if leaf.requires_grad else grad is None


TASKS = [([16], [], None), ([64], [32], 3), ([7, 20], [5, 9], None), ([33, 16], [16], 2)]  # shared, head, embedding_dim


def case_of_tasks(shared, head, embedding_dim, own=(), num_runs=3):
    """As ``case``, with three tasks, of which those in ``own`` have a bottom of their own."""
    network = SharedBottom(20, [4, 3], 3, shared, head, embedding_dim)
    g = torch.Generator().manual_seed(0)
    theta = {name: p + 0.1 for name, p in network.init([g] * num_runs).items()}
    bottom = {name: p for name, p in theta.items() if name.startswith("shared.")}
    theta |= {f"own.{t}.{name}": p * (1 + 0.1 * t) for t in own for name, p in bottom.items()}
    x = torch.randn(num_runs, 32, 20, generator=g, dtype=torch.float64)
    return network, theta, x, torch.randn(num_runs, 32, 3, generator=g, dtype=torch.float64)


@built
@pytest.mark.parametrize("shape", TASKS)
@pytest.mark.parametrize("own", [(), (1,), (1, 2)])
def test_logits_and_gradients_of_tasks_are_those_of_torch_and_of_a_run_alone(shape, own):
    network, theta, x, factor = case_of_tasks(*shape, own=own)
    fast = accelerate(network)
    assert isinstance(fast, NativeSharedBottom)
    ours = passes(fast, theta, x, factor, torch.float32)
    for mine, exact in zip(ours, passes(network, theta, x, factor, torch.float64), strict=True):
        torch.testing.assert_close(mine.double(), exact, rtol=0, atol=4e-6 * exact.abs().max().item())
    for runs in ([1], [2, 0]):
        chosen = {name: p[runs] for name, p in theta.items()}
        for few, all_runs in zip(passes(fast, chosen, x[runs], factor[runs], torch.float32), ours, strict=True):
            assert torch.equal(few, all_runs[runs])


@built
def test_gradients_of_heads_and_of_shared_layers_are_the_same_apart():
    network, theta, x, factor = case_of_tasks([16, 7], [5], 2)
    together = dict(zip(theta, passes(accelerate(network), theta, x, factor, torch.float32)[1:], strict=True))
    leaves = {name: p.float().requires_grad_() for name, p in theta.items()}
    objective = (factor.float() * accelerate(network).logits(leaves, x.float())).sum()
    for chosen in split(leaves, "head."):
        for name, grad in zip(chosen, torch.autograd.grad(objective, chosen.values(), retain_graph=True), strict=True):
            assert torch.equal(grad, together[name])


@built
@pytest.mark.parametrize("of_tasks", [False, True])
def test_logits_without_a_gradient_are_bitwise_those_with_one(of_tasks):
    network, theta, x, _ = case_of_tasks([16, 7], [5], 2) if of_tasks else case(33, [96, 7, 50], 3)
    fast, theta, x = accelerate(network), {name: p.float() for name, p in theta.items()}, x.float()
    kept = fast.logits(tracked(theta), x)
    assert torch.equal(fast.logits(theta, x), kept)
    with torch.no_grad():
        assert torch.equal(fast.logits(tracked(theta), x), kept)


@built
@pytest.mark.parametrize("grad", [False, True])
def test_a_forward_mode_derivative_is_refused(grad):
    network, theta, x, _ = case(6, 16, 2)
    fast, theta, x = accelerate(network), {name: p.float() for name, p in theta.items()}, x.float()
    with forward_ad.dual_level(), torch.set_grad_enabled(grad), pytest.raises(NotImplementedError, match="jvp"):
        fast.logits({name: forward_ad.make_dual(p, torch.ones_like(p)) for name, p in theta.items()}, x)


@built
def test_rows_that_all_runs_share_are_read_once_and_alike():
    network, theta, x, factor = case(100, 64, 2)
    shared = x[:1].expand_as(x)
    ours = [passes(accelerate(network), theta, v, factor, torch.float32) for v in (shared, shared.contiguous())]
    for first, second in zip(*ours, strict=True):
        assert torch.equal(first, second)


@built
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("real", [1, 37, 40, 63])
def test_rows_of_padding_change_no_bit_and_have_logits_and_gradients_as_any(shape, num_classes, real):
    network, theta, x, factor = case(*shape, num_classes=num_classes)
    x[:, real:], weighted = x[:, :1], factor.clone()
    weighted[:, real:] = 0
    fast, size = accelerate(network), -(-real // 4) * 4
    ours = passes(fast, theta, x, weighted, torch.float32)
    cut = passes(fast, theta, x[:, :size], weighted[:, :size], torch.float32)
    assert torch.equal(ours[0][:, :size], cut[0])
    assert all(map(torch.equal, ours[1:], cut[1:]))
    for mine, exact in zip(
        passes(fast, theta, x, factor, torch.float32), passes(network, theta, x, factor, torch.float64), strict=True
    ):
        torch.testing.assert_close(mine.double(), exact, rtol=0, atol=4e-6 * exact.abs().max().item())


@built
def test_not_a_number_is_passed_on():
    network, theta, x, factor = case(6, 16, 2)
    theta["base.0.bias"][1, 0, 3] = torch.nan
    x[2, 5, 0] = torch.nan
    logits = passes(accelerate(network), theta, x, factor, torch.float32)[0]
    assert logits[0].isfinite().all()
    assert logits[1].isnan().all()
    assert logits[2].isnan().nonzero().tolist() == [[5]]


@built
def test_the_representation_is_that_of_torch_with_its_gradient():
    network, theta, x, _ = case(6, 16, 2)
    leaves = {name: p.float().requires_grad_() for name, p in theta.items()}
    ours, theirs = (n.hidden(leaves, x.float()) for n in (accelerate(network), network))
    assert torch.equal(ours, theirs)
    assert ours.requires_grad


@built
@pytest.mark.parametrize("width", [16, 7])
@pytest.mark.parametrize("group", ["", "base.1", "classifier"])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_gradient_of_a_gradient_is_that_of_torch(width, group, num_classes):
    assert_second_derivatives(*case(6, width, 2, num_classes=num_classes), group)


@built
@pytest.mark.parametrize("group", ["", "shared", "head"])
def test_the_gradient_of_a_gradient_of_tasks_is_that_of_torch(group):
    assert_second_derivatives(*case_of_tasks([7, 5], [4], 2, own=(1,)), group)


def assert_second_derivatives(network, theta, x, factor, group):
    """The gradient of the squared gradient, at the parameters whose names start with ``group``."""

    def second(network):
        leaves = {name: p.float().requires_grad_(name.startswith(group)) for name, p in theta.items()}
        needed = [p for p in leaves.values() if p.requires_grad]
        loss = torch.nn.functional.softplus(factor.float() * network.logits(leaves, x.float())).sum()
        grads = torch.autograd.grad(loss, needed, create_graph=True)
        return torch.autograd.grad(sum(g.square().sum() for g in grads), needed)

    for ours, theirs in zip(second(accelerate(network)), second(network), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


ADAMS = [Adam(0.1, 0.9, 0.999, 1e-8), Adam(0.03, 0.5, 0.9, 1e-3), Adam(0.01, 0.0, 0.99, 1e-8)]
SGDS = [SGD(0.1, 0.9, 5e-4), SGD(0.03, 0.0, 0.1), SGD(0.01, 0.5, 0.0)]
ADAGRADS = [Adagrad(0.1, 0.1, 0.0), Adagrad(0.03, 0.0, 1e-10), Adagrad(0.01, 1.0, 1e-3)]


@built
@pytest.mark.parametrize("optimizers", [ADAMS, SGDS, ADAGRADS], ids=["adam", "sgd", "adagrad"])
def test_fifty_steps_of_an_optimizer_are_those_of_torch(optimizers):
    g = torch.Generator().manual_seed(0)
    first = {"a": torch.randn(3, 5, 7, generator=g), "b": torch.randn(3, 1, 3, generator=g)}
    ours, theirs = accelerate(bind(optimizers, torch.float32)), bind(optimizers, torch.float64)
    assert type(ours) is not type(theirs)
    theta, exact = first, {name: p.double() for name, p in first.items()}
    state, exact_state = ours.init(theta), theirs.init(exact)
    for _ in range(50):
        grads = {name: torch.randn(p.shape, generator=g) for name, p in theta.items()}
        theta, state = ours.step(theta, grads, state)
        exact, exact_state = theirs.step(exact, {name: v.double() for name, v in grads.items()}, exact_state)
    for name, p in exact.items():
        torch.testing.assert_close(theta[name].double(), p, rtol=1e-5, atol=1e-5)


@built
@pytest.mark.parametrize("optimizer", [ADAM, SGDS[0], ADAGRADS[0]], ids=["adam", "sgd", "adagrad"])
def test_a_step_of_an_optimizer_leaves_its_arguments_as_they_were_and_takes_any_layout(optimizer):
    optimizer = accelerate(bind([optimizer] * 2, torch.float32))
    theta, grads = {"a": torch.ones(2, 3, 4)}, {"a": torch.arange(4.0).expand(2, 3, 4)}
    after, state = optimizer.step(theta, grads, optimizer.init(theta))
    again, _ = optimizer.step({"a": torch.ones(2, 4, 3).mT}, {"a": grads["a"].contiguous()}, optimizer.init(theta))
    assert torch.equal(after["a"], again["a"])
    before = [v.clone() for v in (after["a"], *state)]
    optimizer.step(after, grads, state)
    for now, then in zip((after["a"], *state), before, strict=True):
        assert torch.equal(now, then)


@built
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("num_classes", "dropout"), [(2, 0.0), (3, 0.3)])
def test_tangents_are_those_of_torch(shape, num_classes, dropout):
    network, theta, x, _ = case(*shape, num_classes=num_classes, dropout=dropout)
    masks = network.masks([torch.Generator().manual_seed(r) for r in range(len(x))], x.shape[1])
    masks = tuple(mask.double() for mask in masks)
    logits, pullback = network.tangents(theta, x, masks)
    fast, ours = accelerate(network), tuple(mask.float() for mask in masks)
    our_logits, our_pullback = fast.tangents({name: p.float() for name, p in theta.items()}, x.float(), ours)
    slope = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    layers, our_layers = pullback.layers(slope), our_pullback.layers(slope.float())
    assert list(layers) == list(our_layers)
    grads, our_grads = pullback.gradient(slope), our_pullback.gradient(slope.float())
    assert grads.keys() == our_grads.keys() == theta.keys()
    exact = (logits, *sum(layers.values(), ()), *grads.values())
    ours = (our_logits, *sum(our_layers.values(), ()), *(our_grads[name] for name in grads))
    for v, u in zip(exact, ours, strict=True):
        torch.testing.assert_close(u.double(), v, rtol=0, atol=2e-6 * v.abs().max().item())


@built
@pytest.mark.parametrize(
    ("batch_size", "changes"),
    [*((size, {}) for size in (7, 16, 48, 100)), (48, {"width": 7}), (48, {"width": [18, 5]}), (48, {"dropout": 0.3})],
)
def test_a_run_is_trained_bitwise_alike_alone_and_in_a_stack(batch_size, changes):
    network = dataclasses.replace(NETWORK, **changes)
    methods = [Penalty(ADAM, lam, "demographic_parity") for lam in (0.0, 1.0, 2.0)]
    options = {"epochs": 3, "batch_size": batch_size, "engine": "native"}
    together = fit(network, methods, [0, 1, 2], data(), **options)
    for seed, run in enumerate(together):
        alone = fit(network, methods[seed : seed + 1], [seed], data(), **options)[0]
        assert alone.history.equals(run.history)
        assert all(torch.equal(alone.theta[name], p) for name, p in run.theta.items())


MANY = network_of(2, shared=[7, 16], head=[5])
MTAFS = [MTAF(ADAGRADS[0], lam=lam) for lam in (0.0, 1.0, 2.0)]


@built
@pytest.mark.parametrize("methods", [MTAFS, [STL(optimizer) for optimizer in ADAGRADS]], ids=["mtaf", "stl"])
def test_runs_of_tasks_are_trained_bitwise_alike_alone_in_a_stack_and_resumed(methods, tmp_path):
    rows, seeds = data_of_tasks(2), [0, 1, 2]
    options = {"batch_size": 48, "engine": "native"}
    together = fit(MANY, methods, seeds, rows, epochs=3, **options)
    kept = Checkpoint(tmp_path / "kept.pt", every_s=0)
    fit(MANY, methods, seeds, rows, epochs=2, checkpoint=kept, **options)
    resumed = fit(MANY, methods, seeds, rows, epochs=3, checkpoint=kept, **options)
    alone = [fit(MANY, methods[k : k + 1], [k], rows, epochs=3, **options)[0] for k in seeds]
    for run, *others in zip(together, resumed, alone, strict=True):
        for other in others:
            assert other.history.equals(run.history)
            assert all(torch.equal(other.theta[name], p) for name, p in run.theta.items())


@built
@pytest.mark.parametrize(
    ("network", "method", "rows"),
    [
        (NETWORK, ERM(ADAM), data),
        (dataclasses.replace(NETWORK, dropout=0.3), ERM(ADAM), data),
        (MANY, MTAFS[1], lambda: data_of_tasks(2)),
    ],
    ids=["erm", "dropout", "mtaf"],
)
def test_a_short_training_is_that_of_torch(network, method, rows):
    """15 steps; after many more the engines part, as any two ways of rounding do."""
    ours, theirs = (
        fit(network, [method], [0], rows(), epochs=3, batch_size=32, engine=engine)[0] for engine in ("native", "torch")
    )
    for name, p in theirs.theta.items():
        torch.testing.assert_close(ours.theta[name], p, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        torch.tensor(ours.history.to_numpy()),
        torch.tensor(theirs.history.to_numpy()),
        rtol=1e-5,
        atol=1e-5,
        equal_nan=True,
    )


@built
def test_a_run_whose_loss_is_not_finite_is_marked_and_the_others_go_on():
    methods = [ERM(Adam(lr=lr, b1=0.9, b2=0.999, eps=1e-8)) for lr in (0.01, 1e30)]
    good, bad = fit(NETWORK, methods, [0, 1], data(), epochs=3, batch_size=32, engine="native")
    assert good.failure is None
    assert "not finite" in bad.failure


@built
def test_the_linear_model_is_left_to_torch():
    network = dataclasses.replace(NETWORK, depth=0)
    assert accelerate(network) is network
    (run,) = fit(network, [ERM(ADAM)], [0], data(), epochs=1, batch_size=32, engine="native")
    assert run.failure is None


@built
def test_every_adam_and_every_mlp_is_replaced():
    assert isinstance(accelerate(NETWORK), NativeMLP)
    method = bind([ERM(ADAM)] * 2, torch.float32)
    assert isinstance(accelerate(method).optimizer, NativeOptimizer)
    assert isinstance(method.optimizer, Adam)


class Doubled(MLP):
    """Another network than the one it derives from."""

    def logits(self, theta, x, masks=()):
        return 2 * super().logits(theta, x, masks)


class Halved(SGD):
    """Another optimizer than the one it derives from."""

    def step(self, theta, grads, state):
        return super().step(theta, {name: g / 2 for name, g in grads.items()}, state)


@built
@pytest.mark.parametrize(("network", "optimizer"), [(Doubled, SGD), (MLP, Halved)])
def test_a_class_that_derives_from_one_of_the_kernels_computes_what_it_says(network, optimizer):
    ours, theirs = (
        fit(network(**vars(NETWORK)), [ERM(optimizer(0.1))], [0], data(), epochs=2, batch_size=32, engine=engine)[0]
        for engine in ("native", "torch")
    )
    for name, p in theirs.theta.items():
        torch.testing.assert_close(ours.theta[name], p, rtol=0, atol=1e-5)


def build(cache):
    os.environ["FAIRRUN_CACHE"] = cache
    library.cache_clear()
    assert library() is not None


@built
@pytest.mark.slow
def test_processes_may_build_it_at_once(tmp_path):
    processes = [start_forked(build, str(tmp_path)) for _ in range(2)]
    for process in processes:
        process.join(timeout=100)
    assert [process.exitcode for process in processes] == [0, 0]
    assert [path.suffix for path in (tmp_path / "native").iterdir()] == [".so"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache; the kernels are those of a new process."""
    monkeypatch.setenv("FAIRRUN_CACHE", str(tmp_path))
    library.cache_clear()
    yield tmp_path / "native"
    library.cache_clear()


@built
@pytest.mark.slow
def test_a_damaged_library_is_built_again(cache, caplog):
    path = _compiled(["c++"])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert _compiled(["c++"]).read_bytes()[:4] == whole[:4] and len(list(cache.iterdir())) == 1
    assert "is damaged and built again" in caplog.text and stat.S_IMODE(cache.stat().st_mode) == 0o700


@built
def test_a_folder_that_others_may_write_into_is_not_loaded_from(cache, caplog):
    cache.mkdir(mode=0o700)
    cache.chmod(0o777)
    assert library() is None
    assert "must not be writable by others" in caplog.text


@built
@pytest.mark.slow
def test_a_compiler_may_have_arguments_and_print_anything(cache, monkeypatch, tmp_path):
    compiler = tmp_path / "odd compiler"
    compiler.write_text('#!/bin/sh\nprintf "version \\351\\n"\n[ "$1" = "--version" ] || exec c++ "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", f"env '{compiler}'")
    assert library() is not None
    compiler.write_text('#!/bin/sh\nprintf "erreur \\351\\n" >&2\nexit 1\n')
    library.cache_clear()
    assert library() is None


@pytest.mark.parametrize("compiler", ["", "no-such-compiler", "false"])
def test_without_a_compiler_a_run_trains_in_torch_and_says_so_once(monkeypatch, tmp_path, caplog, compiler):
    monkeypatch.setenv("CXX", compiler)
    monkeypatch.setenv("PATH", str(tmp_path) if compiler != "false" else os.environ["PATH"])
    monkeypatch.setenv("FAIRRUN_CACHE", str(tmp_path))
    library.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert [choose("auto", torch.float32, "cpu") for _ in range(2)] == ["torch"] * 2
            with pytest.raises(InputError, match="engine must be auto or torch: this machine cannot build"):
                choose("native", torch.float32, "cpu")
    finally:
        library.cache_clear()
    assert [record.message.split(":")[0] for record in caplog.records] == ["no native engine, training in torch"]


@pytest.mark.parametrize(("dtype", "device"), [(torch.float64, "cpu"), (torch.float32, "cuda")])
def test_it_is_for_float32_on_a_cpu(dtype, device):
    assert choose("auto", dtype, device) == "torch"
    with pytest.raises(InputError, match="engine must be auto or torch unless dtype=float32 and device=cpu"):
        choose("native", dtype, device)


def test_an_unknown_engine_is_refused():
    with pytest.raises(InputError, match="engine must be one of auto, native, torch, got 'jax'"):
        choose("jax", torch.float32, "cpu")
