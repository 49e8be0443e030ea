"""Seeds of torch's random numbers, drawn by a run's own generator."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

SEED = 2**63 - 1  # seeds are below it
HALF = 2**24  # every whole number below it is a float32


def drawn(generator: Generator) -> int:
    """A seed, drawn by the generator."""
    return int(torch.randint(SEED, (), generator=generator, device="cpu"))


def drawn_halves(generator: Generator) -> Tensor:
    """The two halves of a seed, [2], which stay exact where a batch makes them float32."""
    return torch.randint(HALF, (2,), generator=generator)


def joined(halves: Tensor) -> int:
    """The seed of two halves, [2]."""
    high, low = halves.tolist()
    return int(high) * HALF + int(low)


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let torch's random numbers start from a seed, and restore them after it."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)
        yield
