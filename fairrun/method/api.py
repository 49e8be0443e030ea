"""The interface of a method, and the helpers that carry the papers' boxes.

Every tensor in a method has a leading run axis R: one run is R = 1, a sweep trains R runs side by side.  A method
reduces over the last axis only, so runs cannot touch each other, and the gradient of the summed loss is every run's own
gradient.

Letters: R runs, N rows of a split, B rows of a batch, D features, C classes, T tasks, S values of the sensitive
attribute, G groups.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, Self

from torch import Generator, Tensor

from fairrun.config.check import In, check_values

if TYPE_CHECKING:  # a number when it is written, a tensor when it is read
    PerRun = Any
    PerTask = Any
else:
    PerRun = Tensor  # a float in the config; in training a tensor [R, 1], which broadcasts against [R, ...]
    PerTask = Tensor | list[float]  # a number, or a list with one for each task; in training a tensor, [R, 1] or [R, T]
Theta = dict[str, Tensor]  # parameters by name, each [R, ...]
RowLoss = Callable[[Tensor, Tensor], Tensor]  # of every row's cross-entropy and probability of class 1, all [R, B]


class Batch(NamedTuple):
    """Rows of a data set.  A row with ``w`` 0 is padding: it weighs nothing."""

    x: Tensor  # [R, B, D] features
    y: Tensor  # [R, B] labels, 0.0 or 1.0, of C classes 0.0 to C-1; for a method of several tasks [R, B, T]
    i: Tensor  # [R, B] row numbers in the training set
    w: Tensor  # [R, B] 1.0 for a real row, 0.0 for padding of the last batch
    sensitive: Tensor | None = None  # [R, B] sensitive attribute in {0..S-1}, or None where it is withheld; read ``s``
    val: "Batch | None" = None  # the balanced validation batch [R, M], with s; None where it is not needed
    num_groups: int = 2  # S
    num_classes: int = 2  # C
    epoch: int = 0
    masks: tuple[Tensor, ...] = ()  # dropout masks, from each run's own generator; the model's business
    generators: tuple[Generator, ...] = ()  # one for each run, on the CPU, for the method's own random numbers

    @property
    def s(self) -> Tensor:
        """The sensitive attribute in {0..S-1}, [R, B].  Raises ``ValueError`` where the method has not asked for it."""
        if self.sensitive is None:
            raise ValueError('batch.s is withheld: a method that reads it must declare needs = frozenset({"s"})')
        return self.sensitive


class RowGradients(Protocol):
    """The gradients g_i of the B rows' losses at some layers of the network, without one tensor for each of them."""

    @property
    def losses(self) -> Tensor:
        """Every row's loss, [R, B]."""
        ...

    def combined(self, w: Tensor) -> Theta:
        """sum_i w_i g_i, with ``w`` [R, B]: a gradient at these layers."""
        ...

    def along(self, direction: Theta) -> Tensor:
        """<g_i, direction> for every row, [R, B]; ``direction`` is of these layers."""
        ...

    def gram(self) -> Tensor:
        """<g_i, g_j> of all pairs of rows, [R, B, B]."""
        ...


class Model(Protocol):
    """What a method sees of a network: pure functions of the parameters."""

    def losses(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's loss, [R, B]; of several tasks [R, B, T]."""
        ...

    def scores(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's probability of class 1, [R, B], of tasks [R, B, T]; of each of C > 2 classes, [R, B, C]."""
        ...

    def losses_and_scores(self, theta: Theta, batch: Batch) -> tuple[Tensor, Tensor]:
        """Both, for the price of one."""
        ...

    def representation(self, theta: Theta, batch: Batch) -> Tensor:
        """What the last layer, ``classifier``, sees of every row: H numbers, [R, B, H]."""
        ...

    def row_gradients(self, theta: Theta, batch: Batch, layers: str) -> RowGradients:
        """Of ``layers``: all, or the last one, ``classifier``."""
        ...

    def influence(
        self, theta: Theta, batch: Batch, theta_val: Theta, val: Batch, weights: Tensor, loss: RowLoss
    ) -> tuple[Tensor, Tensor]:
        """How much a step on each row of ``batch`` lowers K mean losses of the M rows of ``val``, up to the step size.

        <grad l_j(theta), grad sum_v weights_kv loss_v(theta_val)>, [R, K, B], with ``weights`` [R, K, M]; and the rows'
        loss_v, [R, M].
        """
        ...


@dataclasses.dataclass(frozen=True)
class Optimizer(ABC):
    """A first-order optimizer as pure functions (``fairrun.training.optim``)."""

    lr: Annotated[PerRun, In("(0, inf)")]  # step size
    # of lr, after every ``decay_every`` epochs; None: lr follows the schedule of the run
    decay: Annotated[PerRun, In("(0, 1]")] = dataclasses.field(default=0.5, kw_only=True)
    decay_every: Annotated[int | None, In("[1, inf)")] = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_values(self)

    @property
    @abstractmethod
    def scale_free(self) -> bool:
        """Whether a gradient twice as large makes the same step.  A class attribute will do."""

    @abstractmethod
    def init(self, theta: Theta) -> Any:
        """The state before the first step."""

    @abstractmethod
    def step(self, theta: Theta, grads: Theta, state: Any) -> tuple[Theta, Any]:
        """The parameters and the state after one step."""


class State(NamedTuple):
    """What a method carries from step to step; one with more to carry defines its own, with ``theta`` first."""

    theta: Theta
    opt: Any


NEEDS = frozenset({"s", "val", "tasks", "fairness", "classifier"})  # what a method may need: ``Method.needs``


@dataclasses.dataclass(frozen=True)
class Method(ABC):
    """A frozen dataclass of hyper-parameters with pure functions of a state and a batch.

    Only ``update`` must be written.  A subclass adds its fields, each with its range or its choices in the type, which
    are checked when it is made: ``alpha: Annotated[PerRun, In("(0, 1]")]``, ``goal: Literal["mean", "worst"]``.  What
    it asks of data and model it says by class attributes (``multiclass = True``) or, where that depends on a field, by
    properties.
    """

    optimizer: Optimizer

    def __post_init__(self) -> None:
        check_values(self)

    @property
    def needs(self) -> frozenset[str]:
        """What ``update`` reads beyond ``x``, ``y`` and ``i``, any of:

        - "s": the sensitive attribute of the training rows.  ``batch.s`` raises without it.
        - "val": the balanced validation batch, with its sensitive attribute.
        - "tasks": labels of several tasks, and a network with a head for each.
        - "fairness": a network with parameters of the group "fairness".
        - "classifier": a network whose last layer is linear and named "classifier".
        """
        return frozenset()

    @property
    def multiclass(self) -> bool:
        """Whether ``update`` can learn a label of more than two classes."""
        return False

    @property
    def second_derivatives(self) -> bool:
        """Whether ``update`` differentiates gradients of the network.  The network then runs in torch, whatever the
        engine: torch's second derivatives are faster.
        """
        return False

    @property
    def pairs_rows(self) -> bool:
        """Whether ``update`` pairs the rows of a batch, as mixup does, so that their order matters."""
        return False

    @property
    def reads_all_rows(self) -> bool:
        """Whether ``start_epoch`` is overridden; no other method pays for the batch of all rows."""
        return type(self).start_epoch is not Method.start_epoch

    @property
    def smallest_batch(self) -> tuple[int, str]:
        """The least ``batch_size``, and the field and its value that ask for it: (20, "alpha=0.05")."""
        return 1, ""

    def remarks(self, epochs: int) -> list[str]:
        """What a user should know before a training of so many epochs."""
        return []

    def remarks_on(self, data: Mapping[str, Any], batch_size: int) -> list[str]:
        """What a user should know of these data, by the facts of them that records hold."""
        return []

    def with_group_sizes(self, group_rows: Sequence[int], seed: int) -> Self:
        """The method that is trained where each group has so many training rows, by default this one.

        Raises ``InputError``.
        """
        return self

    def draw(self, theta: Theta, num_groups: int, generators: Sequence[Generator]) -> Theta:
        """Parameters of the method's own, each [R, ...] in float64, every run's from its own generator.

        ``theta`` holds the network's parameters, drawn before from the same generators.  A name starts with a prefix
        that no layer has, such as ``adversary.``.  ``init`` gets both together and may ``split`` them; the network
        ignores those that are not its own.
        """
        return {}

    def init(self, model: Model, theta: Theta, train: Batch) -> Any:
        """The state before the first step: tensors in tuples and dicts.

        ``theta`` is drawn from each run's seed; ``train`` is the whole training set as one batch.
        """
        return State(theta, self.optimizer.init(theta))

    def start_epoch(self, model: Model, state: Any, train: Batch) -> tuple[Any, Tensor | None]:
        """The state before the first step of an epoch, and numbers by which the epoch's rows are drawn.

        ``train`` is the whole training set as one batch: the N rows in the order of their numbers, then rows of weight
        0, whose features ``parts`` adds.  So the state may hold a number for each row, to be found by ``batch.i``.
        Numbers [R, N], none below 0: rows are drawn with replacement, each in proportion to its number.  None: each row
        comes once, in random order.  Only a method that overrides this function is given ``train``.
        """
        return state, None

    @abstractmethod
    def update(self, model: Model, state: Any, batch: Batch) -> tuple[Any, dict[str, Tensor]]:
        """One step: the next state, with its parameters in the same order, and what to log, each [R].

        ``loss`` must be among the logs.  ``removed``, if it is, is [R, B]: 1 for a row that the step left out as an
        outlier.
        """
