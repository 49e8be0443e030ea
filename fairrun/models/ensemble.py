"""Several networks of one architecture that together are one run: their probabilities are averaged (deep ensembles;
Lakshminarayanan, Pritzel and Blundell, NeurIPS 2017, https://arxiv.org/abs/1612.01474).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from torch import Generator, Tensor

from fairrun.data.target import Target
from fairrun.method.api import Theta
from fairrun.models.network import Network


@dataclass(frozen=True)
class Ensemble(Network):
    """The mean probability of ``size`` networks, as logits.  Parameters are [R, size, ...].

    The members are trained as runs side by side (``fairrun.training.fit``): each has its own parameters, order of rows
    and dropout, and none sees another.  The first so trained is the run without the others, bit for bit.
    """

    member: Network
    size: int
    num_classes: int

    least_stack: ClassVar[int] = 1  # the members are a stack

    @property
    def widest(self) -> int:
        """Units of the widest layers of all members."""
        return self.size * self.member.widest

    def init(self, generators: Sequence[Generator]) -> Theta:
        """Draw each member's parameters by the run's generator.

        ``fit`` draws them by generators of the members' own instead.
        """
        drawn = self.member.init([generator for generator in generators for _ in range(self.size)])
        return self.together(drawn)

    def logits(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """[R, B, D] -> [R, B]; [R, B, T] for several tasks, [R, B, C] for C > 2 classes."""
        of_members = self.member.logits(apart(theta), self._seen(x))
        return Target(num_classes=self.num_classes).link.mean(of_members.unflatten(0, (-1, self.size)), dim=1)

    def hidden(self, theta: Theta, x: Tensor, masks: tuple[Tensor, ...] = ()) -> Tensor:
        """The members' inputs of the layer ``classifier`` side by side, [R, B, D] -> [R, B, size H]."""
        of_members = self.member.hidden(apart(theta), self._seen(x)).unflatten(0, (-1, self.size))
        return of_members.movedim(1, 2).flatten(2)

    def constants(self) -> dict[str, Tensor]:
        """Those of the members, who share them."""
        return self.member.constants()

    def with_constants(self, constants: Mapping[str, Tensor]) -> Self:
        """The ensemble whose members have other constants."""
        return replace(self, member=self.member.with_constants(constants))

    def together(self, theta: Theta) -> Theta:
        """The parameters of runs, given those of their members: [R size, ...] -> [R, size, ...]."""
        return {name: p.unflatten(0, (-1, self.size)) for name, p in theta.items()}

    def _seen(self, x: Tensor) -> Tensor:
        """The rows of a run for each of its members, [R size, B, D]."""
        return x.unsqueeze(1).expand(-1, self.size, *x.shape[1:]).flatten(0, 1)


def apart(theta: Theta) -> Theta:
    """The parameters of members, given those of their runs: [R, size, ...] -> [R size, ...]."""
    return {name: p.flatten(0, 1) for name, p in theta.items()}
