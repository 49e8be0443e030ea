"""What the layers of a module of torch take and give while it runs."""

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn


@contextlib.contextmanager
def inputs_of(net: nn.Module, layer: str | None) -> Iterator[list[Tensor]]:
    """The inputs of a layer of the module, as it gets them; none where no layer is named."""
    inputs: list[Tensor] = []
    if layer is None:
        yield inputs
        return
    hook = net.get_submodule(layer).register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    try:
        yield inputs
    finally:
        hook.remove()


@contextlib.contextmanager
def output_sizes(net: nn.Module) -> Iterator[list[int]]:
    """How many numbers every layer of the module gives, as it gives them."""
    sizes: list[int] = []

    def note(_: nn.Module, __: Any, out: Any) -> None:
        if isinstance(out, Tensor):
            sizes.append(out.numel())

    hooks = [part.register_forward_hook(note) for part in net.modules()]
    try:
        yield sizes
    finally:
        for hook in hooks:
            hook.remove()
