"""What turns features into scores in a saved model: a network, or the classifiers of a library."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from fairrun.config.build import build
from fairrun.config.check import InputError, require
from fairrun.config.values import free, listed
from fairrun.data.target import Target
from fairrun.method.api import Theta
from fairrun.method.library import Fitted, LibraryMethod
from fairrun.models.network import Network
from fairrun.training.held import padded_logits
from fairrun.training.library import features, log_odds
from fairrun.training.native.parts import accelerate, choose


class Predictor(Protocol):
    """For features ``x`` [N, D], of the type that the run was trained with."""

    @property
    def decides(self) -> bool:
        """Whether scores are probabilities of a random decision 1."""
        ...

    def padded(self, x: Tensor) -> Tensor:
        """The scores [1, M, ...] of the rows and, after them, of padding, as a run's metrics are computed from."""
        ...

    def probabilities(self, x: Tensor) -> np.ndarray:
        """The probability of label 1 [N], or of each task's [N, T], or of each of C > 2 classes [N, C]."""
        ...

    def to_torch(self) -> nn.Module:
        """A plain module."""
        ...


@dataclass(frozen=True)
class OfNetwork:
    """A network with the parameters of one run."""

    network: Network
    theta: Theta  # without a run axis
    record: Mapping[str, Any]  # of the run
    target: Target
    decides = False

    def padded(self, x: Tensor) -> Tensor:
        """The logits."""
        return logits_of(self._fast, self.theta, x)

    def probabilities(self, x: Tensor) -> np.ndarray:
        """By the link function of the labels."""
        return self.target.link.scores(self.padded(x)[0, : len(x)].double()).numpy()

    def to_torch(self) -> nn.Module:
        """The network as a module."""
        return TrainedNetwork(self.network, self.theta)

    @cached_property
    def _fast(self) -> Network:
        """The network by the engine that trained it, so that metrics are the record's to the last digit."""
        config = self.record["config"]
        dtype = getattr(torch, config["dtype"])
        native = self.record["engine"] == "native" and choose("auto", dtype, "cpu") == "native"
        exact = build(config["method"], "method").second_derivatives  # trained by torch
        return accelerate(self.network) if native and not exact else self.network


def logits_of(network: Network, theta: Theta, x: Tensor) -> Tensor:
    """The logits [1, M, ...] of the rows and of padding.  ``theta`` is without a run axis.

    Raises ``InputError`` where one of them is not a number: it would be a decision for 0.
    """
    with torch.no_grad():
        found = padded_logits(network, {name: p.unsqueeze(0) for name, p in theta.items()}, x)
    wrong = found[0, : len(x)].isnan().flatten(1) if found.ndim > 2 else found[0, : len(x), None].isnan()
    numbers = wrong.any(1).nonzero().flatten().tolist()
    require(not numbers, "rows", f"no number for the rows {listed(numbers)}", "such that the network scores them")
    return found


@dataclass(frozen=True)
class OfLibrary:
    """The classifiers that a library trained."""

    method: LibraryMethod
    fitted: Fitted
    threads: int

    @property
    def decides(self) -> bool:
        """As the method says."""
        return self.method.decides

    def padded(self, x: Tensor) -> Tensor:
        """Log-odds, or probabilities of the decision 1, without padding."""
        p = torch.from_numpy(self.probabilities(x))[None]
        return p if self.decides else log_odds(p)

    def probabilities(self, x: Tensor) -> np.ndarray:
        """By so many threads as in training, so that metrics are the record's to the last digit."""
        with threadpool_limits(self.threads):
            return self.method.predict(self.fitted, features(x))

    def to_torch(self) -> nn.Module:
        """Raises ``InputError``."""
        name = type(self.method.estimator).__name__
        raise InputError(f"to_torch needs a run that trains a network, got classifiers of a library ({name})")


class TrainedNetwork(nn.Module):
    """A network of one run as a module."""

    def __init__(self, network: Network, theta: Theta) -> None:
        super().__init__()
        self.network = network
        self.names: dict[str, str] = {}  # of each parameter here: its name in the network
        for name in theta:
            self.names[free(name.replace(".", "_"), self.names)] = name
        for own, name in self.names.items():
            self.register_parameter(own, nn.Parameter(theta[name].clone()))

    def extra_repr(self) -> str:
        """The network, and the shapes of its parameters."""
        shapes = (f"{own}: {list(p.shape)}" for own, p in self.named_parameters())
        return "\n".join([type(self.network).__name__, *shapes])

    def forward(self, x: Tensor | np.ndarray) -> Tensor:
        """Encoded features [N, D] of any type -> logits [N]; of tasks [N, T], of C > 2 classes [N, C]."""
        theta = {name: self.get_parameter(own).unsqueeze(0) for own, name in self.names.items()}
        like = next(iter(theta.values()))
        rows = torch.as_tensor(x, dtype=like.dtype, device=like.device)
        return self.network.logits(theta, rows.unsqueeze(0))[0]
