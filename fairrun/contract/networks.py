"""Rules of a network."""

import dataclasses
from collections.abc import Sequence

import torch

from fairrun.contract.samples import batch_of, data, data_of_tasks, seeded
from fairrun.contract.subject import Exempt, Subject, hold, same, same_trees
from fairrun.contract.trials import same_runs, variant
from fairrun.data.table import Data
from fairrun.method.api import Batch, Method, Theta
from fairrun.methods.erm import ERM
from fairrun.methods.stl import STL
from fairrun.models.functional import AnyGradients, Classifier
from fairrun.models.network import Network, classified
from fairrun.training.fit import fit
from fairrun.training.optim import Adam
from fairrun.training.run import Run

RUNS, ROWS = 3, 32
FALLEN = 0.999  # share of the first loss below which the last one has fallen; the order of rows changes less


def rows_of(network: Network) -> Data:
    """Rows of as many features as the network takes, with labels of three tasks where it has heads for tasks."""
    fields = {field.name for field in dataclasses.fields(network)}  # type: ignore[arg-type] # networks are dataclasses
    if "num_tasks" in fields:
        return data_of_tasks()
    return data(num_features=vars(network)["num_features"]) if "num_features" in fields else data()


def parameters_come_from_each_runs_own_seed(subject: Subject) -> None:
    """``init`` draws parameters [R, ...] in float64, for each run by its own generator."""
    network: Network = subject.made
    theta, alone = network.init(seeded(range(RUNS))), network.init(seeded([1]))
    for name, p in theta.items():
        hold(p.shape[0] == RUNS, f"the parameter {name} must have the runs as its first axis, got {[*p.shape]}")
        hold(p.dtype == torch.float64, f"the parameter {name} must be drawn in float64, got {p.dtype}")
        same(p[1:2], alone[name], f"run 1 of {RUNS} does not draw what it draws alone: parameter {name} differs")
    hold(any(not torch.equal(p[0], p[1]) for p in theta.values()), "two seeds draw the same parameters")


def logits_are_one_a_row(subject: Subject) -> None:
    """``logits`` gives [R, B], for several tasks [R, B, T], and the bits of a run alone, in float32."""
    network, theta, batch = _case(subject, torch.float32)
    logits = network.logits(theta, batch.x)
    hold(logits.shape == batch.y.shape, f"logits must be {[*batch.y.shape]}, got {[*logits.shape]}")
    hold(torch.isfinite(logits).all(), "logits are not finite")
    for r in range(RUNS):
        own = network.logits({name: p[r : r + 1] for name, p in theta.items()}, batch.x[r : r + 1])
        same(own, logits[r : r + 1], f"the logits of run {r} of {RUNS} are not those of the run alone")


def rows_do_not_touch(subject: Subject) -> None:
    """A row's logit does not depend on the other rows: no batch normalisation."""
    network, theta, batch = _case(subject)
    other = batch.x.clone()
    other[:, 1:] += 1
    ours, theirs = network.logits(theta, other)[:, 0], network.logits(theta, batch.x)[:, 0]
    same(ours, theirs, "the first row's logit depends on the other rows", rtol=1e-12, atol=1e-12)


def the_classifier_reads_hidden(subject: Subject) -> None:
    """``hidden`` is the input of the layer ``classifier``, whose product is ``logits``."""
    network, theta, batch = _case(subject)
    if "classifier.weight" not in theta:
        raise Exempt("it has no layer classifier")
    logits = classified(theta, network.hidden(theta, batch.x))
    same(logits, network.logits(theta, batch.x), "the classifier on hidden is not logits", rtol=1e-12, atol=1e-12)


def dropout_is_drawn_by_each_run(subject: Subject) -> None:
    """``masks`` come from each run's own generator; without masks nothing is random."""
    network, theta, batch = _case(subject)
    same(network.logits(theta, batch.x), network.logits(theta, batch.x), "logits without masks are random")
    masks, alone = network.masks(seeded(range(RUNS)), ROWS), network.masks(seeded([1]), ROWS)
    for k, (mask, own) in enumerate(zip(masks, alone, strict=True)):
        same(mask[1:2], own, f"run 1 of {RUNS} does not draw the mask that it draws alone: mask {k} differs")
    if masks:
        dropped = network.logits(theta, batch.x, tuple(mask.double() for mask in masks))
        hold(not torch.equal(dropped, network.logits(theta, batch.x)), "the masks are without effect")


def tangents_are_derivatives(subject: Subject) -> None:
    """Where ``tangents`` is written, rows' gradients are those that torch takes of ``logits``."""
    network, theta, batch = _case(subject)
    masks = tuple(mask.double() for mask in network.masks(seeded(range(RUNS)), ROWS))
    batch = batch._replace(masks=masks)
    if network.tangents(theta, batch.x, masks) is None:
        raise Exempt("it leaves tangents out")
    model = Classifier(network)
    ours = model.row_gradients(theta, batch, "all")
    theirs = AnyGradients(model.losses(theta, batch), model, theta, batch)
    same(ours.losses, theirs.losses, "the rows' losses by tangents differ", rtol=1e-10, atol=1e-12)
    combined, expected = ours.combined(batch.w), theirs.combined(batch.w)
    same_trees(dict(combined), {name: expected[name] for name in combined}, "of the gradients by tangents", 1e-9, 1e-12)
    same(ours.gram(), theirs.gram(), "products of rows' gradients by tangents differ", rtol=1e-9, atol=1e-12)


def a_trained_run_has_the_same_bits_in_any_stack(subject: Subject) -> None:
    """Trained by ERM, a run is bit for bit the same alone and in any stack, in float32."""
    stacked = _train(subject, range(RUNS))
    for order in ([1], [2, 0]):
        others = [stacked[r] for r in order]
        same_runs(_train(subject, order), others, f"runs {order} of {RUNS} are not those of the stack of {RUNS}")


def it_can_be_trained(subject: Subject) -> None:
    """Trained by ERM, the loss is finite and falls."""
    (run,) = _train(subject, [0], epochs=15)
    losses = run.history["train/loss"].tolist()
    hold(run.failure is None, str(run.failure))
    hold(losses[-1] < losses[0] * FALLEN, f"train/loss does not fall: {losses[0]:.4g}, in the end {losses[-1]:.4g}")


def _case(subject: Subject, dtype: torch.dtype = torch.float64) -> tuple[Network, Theta, Batch]:
    network: Network = subject.made
    rows = rows_of(network).to("cpu", dtype)
    theta = {name: p.to(dtype) for name, p in network.init(seeded(range(RUNS))).items()}
    batch = batch_of(rows.train, torch.arange(RUNS * ROWS).view(RUNS, ROWS))
    return network, theta, batch._replace(w=batch.w.to(dtype))


def _train(subject: Subject, seeds: Sequence[int], epochs: int = 2) -> list[Run]:
    methods = [variant(_learner(rows_of(subject.made)), seed) for seed in seeds]
    return fit(subject.made, methods, [*seeds], rows_of(subject.made), epochs=epochs, batch_size=ROWS)


def _learner(rows: Data) -> Method:
    return STL(Adam(0.01)) if rows.tasks else ERM(Adam(0.01))
