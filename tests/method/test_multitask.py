"""Losses of several tasks where some labels are missing."""

import dataclasses

import pytest
import torch

from fairrun.method import factor, mean, parts, positive_rates, reduced, task, total, unfairness
from fairrun.method.losses import negatives
from fairrun.models.functional import Classifier
from fairrun.training.fit import fit
from tests.helpers.multitask import PLAIN, network_of, start_of, stepped, whole
from tests.helpers.quick import few
from tests.helpers.synthetic import HEADS, METHODS, data_of_tasks, method, without_labels

ALLOWING = [name for name in METHODS if method(name).allows_missing_labels]


@pytest.fixture
def batches():
    """Two runs of three tasks with gaps, and the same batch with all labels."""
    batch = whole(3, 2)
    known = (torch.rand(batch.y.shape, generator=torch.Generator().manual_seed(0)) < 0.7).to(batch.y)
    known[1, :, 2] = 0  # the second run has no label of the last task
    return batch._replace(y=batch.y * known, known=known), batch


def losses_of(batch):
    network = network_of(3)
    theta = network.init([torch.Generator().manual_seed(r) for r in range(len(batch.y))])
    return Classifier(network).losses_and_scores(theta, batch)


def labelled(batch, r, t):
    """Which rows of run ``r`` are real and have the label of task ``t``."""
    return (batch.w[r] * batch.known[r, :, t]).bool()


def test_a_tasks_loss_is_that_of_its_labelled_rows_alone(batches):
    gaps, full = batches
    ours, all_losses = losses_of(gaps)[0], losses_of(full)[0]
    for r in range(2):
        for t in range(3):
            rows = all_losses[r, labelled(gaps, r, t), t]
            expected = rows.mean() if len(rows) else torch.tensor(0.0, dtype=torch.float64)
            torch.testing.assert_close(reduced(ours, gaps, "mean")[r, t], expected)
            torch.testing.assert_close(reduced(ours, gaps, "sum")[r, t], rows.sum())
            assert factor(gaps, "sum")[r, t] == len(rows)
    torch.testing.assert_close(total(ours, gaps, torch.ones(2, 1)), reduced(ours, gaps, "mean").sum(-1))
    assert reduced(ours, gaps, "mean")[1, 2] == 0


def test_parts_of_rows_know_which_labels_their_rows_have(batches):
    gaps, _ = batches
    each = [losses_of(part)[0] for part in parts(gaps, 16)]
    assert len(each) > 1
    torch.testing.assert_close(torch.cat(each, dim=1), losses_of(gaps)[0])


def test_with_all_labels_a_mask_of_ones_changes_no_loss(batches):
    _, full = batches
    losses, w = losses_of(full)[0], torch.tensor([[0.3, 0.5, 0.2]]).double()
    masked = full._replace(known=torch.ones_like(full.y))
    for reduction in ("mean", "sum"):
        torch.testing.assert_close(reduced(losses, masked, reduction), reduced(losses, full, reduction))
        torch.testing.assert_close(
            factor(masked, reduction), factor(full, reduction).expand(2, 3), rtol=1e-12, atol=1e-12
        )
    torch.testing.assert_close(total(losses, masked, w), mean((w * losses).sum(-1), full.w))
    torch.testing.assert_close(positive_rates(masked), positive_rates(full))


def test_the_rate_of_label_1_is_that_of_labelled_rows(batches):
    gaps, full = batches
    everywhere = gaps._replace(w=torch.ones_like(gaps.w))
    expected = torch.stack([full.y[0, labelled(everywhere, 0, t), t].mean() for t in range(3)])
    torch.testing.assert_close(positive_rates(gaps)[0], expected)


@pytest.mark.parametrize("name", ["mmd", "mmd_authors", "correlation", "demographic_parity", "step_gap"])
def test_a_tasks_fairness_loss_is_that_of_its_labelled_rows_alone(name, batches):
    gaps, full = batches
    p, rates = losses_of(full)[1], torch.full((2, 3), 0.4, dtype=torch.float64)
    ours, sizes = unfairness(name, p, gaps, rates)
    for t in range(3):
        alone = full._replace(w=full.w * gaps.known[..., t])
        theirs, _ = unfairness(name, p, alone, rates)
        torch.testing.assert_close(ours[:, t, 0], theirs[:, t, 0])
        assert torch.equal(sizes[:, t, 0], negatives(task(alone, t)).w.sum(-1))
        others = [k for k in range(3) if k != t]
        exclusive = (full.y[..., t] == 0) & (gaps.y[..., others] == 1).all(-1) & (gaps.known[..., t] == 1)
        assert torch.equal(sizes[:, t, 1], (exclusive * full.w).sum(-1))


def test_every_method_of_several_tasks_allows_missing_labels():
    assert [name for name in METHODS if "tasks" in method(name).needs] == ALLOWING


@pytest.mark.parametrize("name", ALLOWING)
def test_a_tasks_head_moves_as_on_the_rows_with_its_label_alone(name):
    batch, choice = whole(3, 2), dataclasses.replace(method(name), optimizer=PLAIN)
    known = torch.ones_like(batch.y)
    known[..., 1] = torch.rand(batch.w.shape, generator=torch.Generator().manual_seed(0)) < 0.7
    gaps = batch._replace(y=batch.y * known, known=known)
    ours, theirs, full = (
        stepped([choice] * 2, rows)[0] for rows in (gaps, batch._replace(w=batch.w * known[..., 1]), batch)
    )
    for part in (part for part in ours if part.startswith(("head.1.", "own.1."))):
        torch.testing.assert_close(ours[part], theirs[part], rtol=1e-10, atol=1e-10)
        assert not torch.equal(ours[part], full[part])


@pytest.mark.parametrize("name", ALLOWING)
def test_a_batch_without_any_label_of_a_task_moves_no_head_of_it(name):
    batch, choice = whole(3, 2), dataclasses.replace(method(name), optimizer=PLAIN)
    known = torch.ones_like(batch.y)
    known[..., 1] = 0
    moves, logs = stepped([choice] * 2, batch._replace(y=batch.y * known, known=known))
    assert all(torch.isfinite(value).all() for value in (*moves.values(), *logs.values()))
    for part, move in moves.items():
        still = part.startswith("head.1.") or (part.startswith("own.1.") and name == "stl")
        assert (move == 0).all() == still, part


def test_greedy_fmt_starts_a_task_at_the_first_batch_with_its_label():
    batch, choice = whole(2), dataclasses.replace(method("greedy_fmt"), optimizer=PLAIN)
    known = torch.ones_like(batch.y)
    known[..., 1] = 0
    bound, model, state = start_of([choice], batch)
    first, _ = bound.update(model, state, batch._replace(y=batch.y * known, known=known))
    assert first.start[0, 0] > 0 and first.start[0, 1] == 0
    assert torch.equal(first.omega, state.omega)
    second, _ = bound.update(model, first, batch._replace(known=torch.ones_like(batch.y)))
    assert second.start[0, 1] > 0.01 and not torch.equal(second.omega, first.omega)


@pytest.mark.parametrize("name", few(ALLOWING, 2))
def test_runs_with_missing_labels_are_bit_for_bit_the_same_in_any_stack(name):
    options = {"data": without_labels(data_of_tasks()), "epochs": 2, "batch_size": 32, "dtype": torch.float32}
    stacked = fit(HEADS, [method(name)] * 4, [3, 2, 1, 0], **options)
    for order in ([0], [3, 1]):
        for r, alone in zip(
            order, fit(HEADS, [method(name)] * len(order), [3 - r for r in order], **options), strict=True
        ):
            assert all(torch.equal(alone.theta[part], p) for part, p in stacked[r].theta.items())
            assert alone.history.equals(stacked[r].history)
    assert all(run.failure is None and run.history["val/accuracy/task1"].notna().all() for run in stacked)
