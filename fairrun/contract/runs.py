"""Rules of trainings of a method."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from fairrun.contract.samples import NETWORK, data_of_classes, divided_again, rows_for
from fairrun.contract.subject import Exempt, Subject, hold, same
from fairrun.contract.trials import per_run_fields, same_runs, scaled, soon, train, variant
from fairrun.data.table import Data
from fairrun.method.api import Method
from fairrun.training.checkpoint import Checkpoint
from fairrun.training.native.library import library
from fairrun.training.run import Run

ACCURACY, OF_CLASSES = 0.75, 0.65  # that training must exceed on the test rows; always the larger class has about 0.6
SAME_OF_GROUPS = ("train/loss", "test/accuracy", "test/demographic_parity_difference", "test/worst_group_accuracy")


class _Killed(Exception):
    """Stops a training as a kill would."""


def a_run_alone_is_the_run_in_a_stack(subject: Subject) -> None:
    """A run alone equals the run in a stack, in float64."""
    methods, seeds = [variant(subject.made, k) for k in range(4)], [7, 0, 3, 3]
    stacked = train(methods, seeds, network=subject.dropping)
    for r in (0, 3):
        alone = train([methods[r]], [seeds[r]], network=subject.dropping)
        same_runs([stacked[r]], alone, f"run {r} of 4 is not the run alone", tolerance=1e-12)


def a_run_has_the_same_bits_in_any_stack(subject: Subject) -> None:
    """A run is bit for bit the same alone and in any stack, also of runs with other rows, in float32."""
    methods, seeds = [variant(subject.made, k) for k in range(5)], [4, 3, 2, 1, 0]
    stacked = train(methods, seeds, network=subject.dropping, dtype=torch.float32)
    for order in ([0], [3, 1]):
        chosen, own = [methods[r] for r in order], [seeds[r] for r in order]
        others = train(chosen, own, network=subject.dropping, dtype=torch.float32)
        what = f"runs {order} of 5, alone or side by side, are not those of the stack of 5"
        same_runs(others, [stacked[r] for r in order], what)
    _same_among_other_rows(methods[:3], network=subject.dropping, dtype=torch.float32)


def the_native_engine_has_the_same_bits_in_any_stack(subject: Subject) -> None:
    """With the native engine, where the machine can build it, a run has the same bits in any stack."""
    if library() is None:
        raise Exempt("this machine has no C++ compiler")
    methods, seeds = [variant(subject.made, k) for k in range(3)], [2, 1, 0]
    stacked = train(methods, seeds, network=NETWORK, dtype=torch.float32, engine="native", epochs=2)
    for order in ([0], [2, 1]):
        chosen, own = [methods[r] for r in order], [seeds[r] for r in order]
        others = train(chosen, own, network=NETWORK, dtype=torch.float32, engine="native", epochs=2)
        same_runs(others, [stacked[r] for r in order], f"runs {order} of 3 are not those of the stack of 3")
    _same_among_other_rows(methods, network=NETWORK, dtype=torch.float32, engine="native")


def _same_among_other_rows(methods: Sequence[Method], **options: Any) -> None:
    """Raise ``Broken`` unless runs, of which the last alone has rows of its own, are the same alone and in a stack."""
    rows = rows_for(methods[0])
    of_runs = [rows] * (len(methods) - 1) + [divided_again(rows, 1)]
    stacked = train(methods, range(len(methods)), of_runs, epochs=2, **options)
    for r in (0, len(methods) - 1):
        alone = train([methods[r]], [r], of_runs[r], epochs=2, **options)
        same_runs(alone, [stacked[r]], f"run {r} is not the same in a stack where a run has rows of its own")


def a_stopped_training_continues_with_the_same_bits(subject: Subject) -> None:
    """A training that is stopped continues from its checkpoint, bit for bit."""
    methods = [variant(subject.made, k) for k in range(2)]
    whole = train(methods, [0, 1], dtype=torch.float32, epochs=4)

    def kill(epoch: int, *_: Any) -> None:
        if epoch == 3:
            raise _Killed

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stack.pt")
        try:
            train(methods, [0, 1], dtype=torch.float32, epochs=4, progress=kill, checkpoint=Checkpoint(path, 0.0))
        except _Killed:
            hold(path.exists(), "no checkpoint was written")
        continued = train(methods, [0, 1], dtype=torch.float32, epochs=4, checkpoint=Checkpoint(path, 0.0))
    same_runs(continued, whole, "a training that went on from a checkpoint is not the whole training")


def every_per_run_field_counts(subject: Subject) -> None:
    """Every ``PerRun`` field makes a difference, and its value in a stack is the value given to a run alone."""
    base = soon(subject.made)
    for field in (name for name in per_run_fields(base) if getattr(base, name) != 0):
        changed = scaled(base, field, (0.5, 2.0))
        hold(changed is not base, f"the field {field} accepts neither half nor twice its value {getattr(base, field)}")
        together = train([base, changed], [0, 0])
        what = f"the field {field}, changed for one run of a stack, does not act as in that run alone"
        same_runs([together[1]], train([changed], [0]), what, tolerance=1e-12)
        equal = all(torch.equal(together[0].theta[p], together[1].theta[p]) for p in together[0].theta)
        hold(not equal, f"the field {field} makes no difference: {getattr(base, field)}, {getattr(changed, field)}")


def seeds_matter(subject: Subject) -> None:
    """Runs of different seeds differ."""
    first, second = train([subject.made] * 2, [0, 1], network=subject.dropping)
    last = next(part for part in first.theta if part.endswith("classifier.weight"))
    hold(not torch.equal(first.theta[last], second.theta[last]), "two seeds give one run")


def what_is_not_needed_is_unseen(subject: Subject) -> None:
    """Without ``"s"`` in ``needs``, the groups of training rows have no effect; ``batch.s`` raises."""
    if "s" in subject.made.needs:
        raise Exempt('it declares that it needs "s"')
    rows = rows_for(subject.made)
    s = torch.full_like(rows.train.s, 99).index_copy(0, rows.balanced, rows.held_out()[1].s)
    poisoned = rows._replace(train=rows.train._replace(s=s))
    what = "groups of training rows have an effect that needs does not declare"
    same_runs(train([subject.made], [0], poisoned), train([subject.made], [0]), what)


def names_of_groups_are_without_effect(subject: Subject) -> None:
    """Groups in another order give the same losses and metrics."""
    rename = torch.tensor([2, 0, 1])
    rows = rows_for(subject.made)
    tables = {split: getattr(rows, split) for split in ("train", "val", "test")}
    renamed = rows._replace(**{split: table._replace(s=rename[table.s]) for split, table in tables.items()})
    (ours,), (theirs,) = train([subject.made], [0], renamed), train([subject.made], [0], rows)
    for column in SAME_OF_GROUPS:
        a, b = (torch.tensor(run.history[column].to_numpy(dtype=float)) for run in (ours, theirs))
        same(a, b, f"with the groups in another order {column} differs", rtol=1e-6, atol=1e-10)


def it_learns(subject: Subject) -> None:
    """With the values of its file it learns small rows: the loss is finite and falls, accuracy exceeds 0.75."""
    learned(subject.made)


def learned(method: Method) -> Run:
    """The run of ``it_learns``.  Raises ``Broken``."""
    (run,) = train([method], [0], network=NETWORK, epochs=60 if "tasks" in method.needs else 30)
    _learned(run, ACCURACY)
    return run


def _learned(run: Run, accuracy: float) -> None:
    hold(run.failure is None, str(run.failure))
    losses, reached = run.history["train/loss"].tolist(), float(run.history["test/accuracy"].iloc[-1])
    hold(losses[-1] < losses[0], f"train/loss does not fall: {losses[0]:.4g}, in the end {losses[-1]:.4g}")
    hold(reached > accuracy, f"the accuracy on test rows must exceed {accuracy}, got {reached:.3f}")


def it_learns_several_classes(subject: Subject) -> None:
    """Where ``multiclass`` is declared it learns three classes, and runs have the same bits in any stack."""
    method = subject.made
    if not method.multiclass:
        raise Exempt("it does not declare multiclass")
    rows: Data = data_of_classes()
    network = dataclasses.replace(NETWORK, num_classes=3)
    method = dataclasses.replace(method, optimizer=dataclasses.replace(method.optimizer, lr=0.01))
    (run,) = train([method], [0], rows, network, epochs=30)
    _learned(run, OF_CLASSES)
    methods = [variant(method, k) for k in range(2)]
    stacked = train(methods, [0, 1], rows, network, dtype=torch.float32)
    alone = train(methods[1:], [1], rows, network, dtype=torch.float32)
    same_runs(alone, stacked[1:], "of three classes, run 1 of 2 is not the run alone")
