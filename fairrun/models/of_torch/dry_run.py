"""The dry run of a module of torch: it tells the module's layers, and refuses a module that cannot be trained."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parameter import is_lazy

from fairrun.config.check import InputError, require
from fairrun.config.plugins import told
from fairrun.models.network import outputs
from fairrun.models.of_torch.batch_norm import refuse_batch_norm
from fairrun.models.of_torch.groups import grouped
from fairrun.models.of_torch.hooks import inputs_of, output_sizes
from fairrun.models.of_torch.seeds import seeded

PROBES = 3  # rows of the dry run
DRAWS = 20  # of all parameters at random, one of which gives a logit below 0


class Layout(NamedTuple):
    """What a dry run tells about a module."""

    net: nn.Module
    names: dict[str, str]  # of each trained parameter: its name for methods, and its name in the module
    last: str | None  # the name of the layer "classifier" in the module
    draws: bool  # whether training differs from evaluation: the module has dropout
    widest: int  # numbers for one row at the output of its widest layer


def dry_run(
    net: nn.Module, groups: Mapping[str, str | list[str] | None], row: tuple[int, ...], num_classes: int
) -> Layout:
    """Run a module on a few rows of random numbers.  Raises ``InputError`` for a module that cannot be trained."""
    refuse_batch_norm(net)
    names, last = grouped(net, groups)
    g = torch.Generator().manual_seed(0)
    rows, others = (torch.rand(PROBES, *row, generator=g) for _ in range(2))
    with output_sizes(net.eval()) as sizes, inputs_of(net, last) as inputs:
        out = output(net, rows)
    _check_shape(out, outputs(num_classes))
    if last is not None:
        _check_last(net.get_submodule(last), inputs, out)
    _check_signs(net, rows, num_classes)
    _check_rows_alone(out, output(net, torch.cat([rows[:1], others[1:]])))
    widest = max(sizes) // PROBES if sizes else math.prod(row)
    return Layout(net, names, last, _draws(net, rows, out), widest)


def fill_lazy_layers(net: nn.Module, row: tuple[int, ...]) -> None:
    """Run a module that has lazy layers on rows of zeros, which tell them how many inputs they have."""
    if any(map(is_lazy, net.parameters())):
        output(net, torch.zeros(PROBES, *row))


def output(net: nn.Module, rows: Tensor) -> Tensor:
    """What a module gives for rows.  Raises ``InputError`` where it takes no such rows, or gives no tensor."""
    try:
        with torch.no_grad():
            found = net(rows)
    except Exception as error:
        shape = list(rows.shape[1:])
        raise InputError(f"module must take a batch of rows of shape {shape}, got {told(error)}") from error
    require(isinstance(found, Tensor), "module", type(found).__name__, "a module that returns one tensor")
    return found


def _check_shape(out: Tensor, num_logits: int) -> None:
    """Refuse outputs that are not ``num_logits`` numbers a row."""
    shapes = [[PROBES, num_logits]] + [[PROBES]] * (num_logits == 1)
    logits = "one logit" if num_logits == 1 else f"{num_logits} logits"
    allowed = f"a module that gives {logits} a row, {' or '.join(map(str, shapes))} for {PROBES} rows"
    require(list(out.shape) in shapes, "module", list(out.shape), allowed)


def _check_signs(net: nn.Module, rows: Tensor, num_classes: int) -> None:
    """Refuse a module whose outputs are on one side of 0, whatever its parameters: they are no logits.

    Of several classes they may be below 0 alone: logarithms of probabilities are logits.
    """
    g = torch.Generator().manual_seed(0)
    low = high = True  # whether all are at most, at least 0
    for _ in range(DRAWS):
        own = {name: torch.randn(p.shape, generator=g) for name, p in net.named_parameters() if p.requires_grad}
        with torch.no_grad():
            out = functional_call(net, own, (rows,))
        low, high = low and bool((out <= 0).all()), high and bool((out >= 0).all())
        if not high and not (low and num_classes == 2):
            return
    what = f"values of at {'least' if high else 'most'} 0 alone, whatever its parameters"
    raise InputError(
        f"module must give logits, of either sign, got {what}: leave out its last sigmoid, softmax or ReLU"
    )


def _check_last(layer: nn.Module, inputs: Sequence[Tensor], out: Tensor) -> None:
    """Refuse a layer ``classifier`` that does not give the module's output."""
    with torch.no_grad():
        sound = len(inputs) == 1 and inputs[0].ndim == 2 and torch.equal(layer(inputs[0]).flatten(), out.flatten())
    if not sound:
        raise InputError("groups.classifier must be the last layer, whose outputs the module returns, got another one")


def _check_rows_alone(out: Tensor, beside_others: Tensor) -> None:
    """Refuse a module whose output for the first row differs if the other rows do."""
    if not torch.allclose(out[0], beside_others[0], rtol=1e-3, atol=1e-5, equal_nan=True):
        raise InputError(
            "module must compute each row by itself, got a first row whose output depends on the rows after it"
        )


def _draws(net: nn.Module, rows: Tensor, out: Tensor) -> bool:
    """Whether the module differs in training from evaluation, where it gives ``out``.

    Raises ``InputError`` if it changes a buffer.
    """
    before = {name: b.clone() for name, b in net.named_buffers()}
    with seeded(0, rows.device):
        state = torch.get_rng_state()
        trained = output(net.train(), rows)
        draws = not torch.equal(state, torch.get_rng_state())
    for name, b in net.named_buffers():
        if not torch.equal(b, before[name]):
            raise InputError(f"module must not change its buffers in training, got another {name} after a batch")
    return draws or not torch.equal(trained, out)
