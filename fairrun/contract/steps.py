"""Rules of one step of a method."""

import copy
import io

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from fairrun.contract.subject import Exempt, Subject, hold, same_trees, tensors
from fairrun.contract.trials import BATCH, REAL, start


def logs_are_finite_and_one_a_run(subject: Subject) -> None:
    """The state is finite; the logs are finite, hold one value a run, [R], and contain ``loss``."""
    begun = start(subject)
    state, logs = begun.step()
    logs = dict(logs)
    for path, leaf in tensors(state):
        hold(torch.isfinite(leaf).all(), f"the state after a step is not finite: {path}")
    removed = logs.pop("removed", torch.zeros(len(begun.batch.w), BATCH))
    hold(
        removed.shape == begun.batch.w.shape,
        f"the log removed must be {[*begun.batch.w.shape]}, got {[*removed.shape]}",
    )
    for name, log in logs.items():
        hold(log.shape == (len(begun.batch.w),), f"the log {name} must have one value a run, got {[*log.shape]}")
        hold(torch.isfinite(log).all(), f"the log {name} is not finite")
    hold("loss" in logs, f"the logs have no loss, they have {', '.join(logs) or 'nothing'}")


def changes_nothing_that_comes_in(subject: Subject) -> None:
    """``update`` changes neither state nor batch in place, keeps nothing on ``self``, and repeats itself."""
    begun = start(subject)
    given, own = {"state": begun.state, "batch": begun.batch}, dict(vars(begun.bound))
    before = copy.deepcopy(given)
    first = begun.step()
    same_trees(given, before, "update changed in place what came in")
    kept = [name for name, value in vars(begun.bound).items() if own.get(name) is not value]
    hold(not kept, f"update keeps something on self: {', '.join(kept)}")
    same_trees(first, begun.step(), "the same step from the same state differs")


def order_of_rows_is_without_effect(subject: Subject) -> None:
    """The order of a batch's rows changes nothing, unless ``pairs_rows`` is declared."""
    begun = start(subject)
    if begun.bound.pairs_rows:
        raise Exempt("it pairs rows")
    order = torch.randperm(BATCH, generator=torch.Generator().manual_seed(0))
    shuffled = tree_map(lambda v: v[:, order] if isinstance(v, Tensor) else v, begun.batch)
    ours, theirs = begun.step(shuffled), begun.step()
    if "removed" in theirs.logs:
        theirs.logs["removed"] = theirs.logs["removed"][:, order]
    same_trees(ours, theirs, "with the rows of the batch in another order", rtol=1e-11, atol=1e-13)


def padding_weighs_nothing(subject: Subject) -> None:
    """A row of weight 0 (``batch.w``) has no effect, whatever its features, label and group."""
    begun = start(subject)
    other = begun.batch._replace(x=begun.batch.x.clone(), y=begun.batch.y.clone())
    other.x[:, REAL:] = 5.0
    other.y[:, REAL:] = 1 - other.y[:, REAL:]
    if other.sensitive is not None:
        other = other._replace(sensitive=other.s.clone())
        other.s[:, REAL:] = 2
    what = "with other rows as padding (is every mean weighted by batch.w?)"
    same_trees(begun.step(other), begun.step(), what, rtol=1e-12, atol=1e-14)


def a_group_may_be_absent(subject: Subject) -> None:
    """A batch of one group and one label gives a finite step."""
    begun = start(subject)
    batch = begun.batch
    if batch.sensitive is not None:
        batch = batch._replace(sensitive=torch.zeros_like(batch.s), y=torch.zeros_like(batch.y))
    for path, leaf in tensors(begun.step(batch)):
        hold(torch.isfinite(leaf).all(), f"with one group and one label in the batch {path} is not finite")


def there_may_be_several_groups(subject: Subject) -> None:
    """A step is finite with 2 groups, and with 5."""
    for num_groups in (2, 5):
        for path, leaf in tensors(start(subject, num_groups=num_groups).step()):
            hold(torch.isfinite(leaf).all(), f"with {num_groups} groups {path} is not finite")


def the_state_can_be_saved(subject: Subject) -> None:
    """The state is tensors in tuples and dicts: torch saves it, loads it safely, and the next step is the same."""
    begun = start(subject)
    state, _ = begun.step()
    leaves, structure = tree_flatten(state)
    strange = {type(leaf).__name__ for leaf in leaves if not (leaf is None or isinstance(leaf, Tensor))}
    hold(not strange, f"the state holds {', '.join(sorted(strange))}, and may hold tensors in tuples and dicts only")
    file = io.BytesIO()
    torch.save(leaves, file)
    file.seek(0)
    loaded = tree_unflatten(torch.load(file, weights_only=True), structure)
    same_trees(begun.step(state=loaded), begun.step(state=state), "the step from a saved state differs")
