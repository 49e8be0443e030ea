"""The interface of a method.

Every tensor in a method has a leading run axis R.  One run has R = 1; a sweep trains R runs side by side.  A method
reduces over the last axis only, so that runs cannot affect each other.  The gradient of the loss summed over runs then
holds every run's own gradient.

Letters: R runs, N rows of a split, B rows of a batch, D features, C classes, T tasks, S values of the sensitive
attribute, G groups.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, Self

from torch import Generator, Tensor

from fairrun.config.check import In, check_values

if TYPE_CHECKING:  # to a type checker: a number when written, a tensor when read
    PerRun = Any
    PerTask = Any
else:
    PerRun = Tensor  # a float in the config; in training a tensor [R, 1], which broadcasts against [R, ...]
    PerTask = Tensor | list[float]  # a number, or a list with one for each task; in training a tensor, [R, 1] or [R, T]
Theta = dict[str, Tensor]  # parameters by name, each [R, ...]
RowLoss = Callable[[Tensor, Tensor], Tensor]  # rows' cross-entropies, probabilities of class 1 -> losses, all [R, B]


class Batch(NamedTuple):
    """Rows of a data set.  A row with ``w`` 0 is padding and must have no effect."""

    x: Tensor  # [R, B, D] features
    y: Tensor  # [R, B] labels: 0.0 or 1.0 for two classes, 0.0 to C-1 for C; [R, B, T] for a method of several tasks
    i: Tensor  # [R, B] row numbers in the training set
    w: Tensor  # [R, B] 1.0 for a real row, 0.0 for padding of the last batch
    sensitive: Tensor | None = None  # [R, B] sensitive attribute in {0..S-1}; None: withheld.  Read it as ``s``
    val: "Batch | None" = None  # the balanced validation batch [R, M], with s; None unless the method needs it
    num_groups: int = 2  # S
    num_classes: int = 2  # C
    epoch: int = 0
    masks: tuple[Tensor, ...] = ()  # dropout masks, from each run's own generator; only the model reads them
    generators: tuple[Generator, ...] = ()  # one for each run, on the CPU, for the method's own random numbers
    # [R, B, T] 1.0 where the row has the task's label, 0.0 where it has none and ``y`` is 0; None: all have
    known: Tensor | None = None

    @property
    def s(self) -> Tensor:
        """The sensitive attribute in {0..S-1}, [R, B].  Raises ``ValueError`` if the method does not need it."""
        if self.sensitive is None:
            raise ValueError('batch.s is withheld: a method that reads it must declare needs = frozenset({"s"})')
        return self.sensitive


class RowGradients(Protocol):
    """The gradients g_i of the B rows' losses at some layers of the network, without a tensor for each row."""

    @property
    def losses(self) -> Tensor:
        """Every row's loss, [R, B]."""
        ...

    def combined(self, w: Tensor) -> Theta:
        """sum_i w_i g_i for ``w`` [R, B], as a gradient at these layers."""
        ...

    def along(self, direction: Theta) -> Tensor:
        """<g_i, direction> for every row, [R, B]; ``direction`` is a gradient at these layers."""
        ...

    def gram(self) -> Tensor:
        """<g_i, g_j> of all pairs of rows, [R, B, B]."""
        ...


class Model(Protocol):
    """The network as a method sees it: pure functions of the parameters."""

    def losses(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's loss, [R, B]; for several tasks [R, B, T], 0 where the row has no label of the task."""
        ...

    def scores(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's probability of class 1, [R, B]; for tasks [R, B, T]; for C > 2 that of each class, [R, B, C]."""
        ...

    def losses_and_scores(self, theta: Theta, batch: Batch) -> tuple[Tensor, Tensor]:
        """Losses and scores from one pass through the network."""
        ...

    def representation(self, theta: Theta, batch: Batch) -> Tensor:
        """The H inputs of the last layer, ``classifier``, for every row, [R, B, H]."""
        ...

    def row_gradients(self, theta: Theta, batch: Batch, layers: str) -> RowGradients:
        """The rows' gradients at ``layers``: all, or last, which is ``classifier``."""
        ...

    def influence(
        self, theta: Theta, batch: Batch, theta_val: Theta, val: Batch, weights: Tensor, loss: RowLoss
    ) -> tuple[Tensor, Tensor]:
        """How much a step of size 1 on each row of ``batch`` lowers K mean losses of the M rows of ``val``.

        Returns <grad l_j(theta), grad sum_v weights_kv loss_v(theta_val)> [R, K, B], with ``weights`` [R, K, M], and
        the losses loss_v of the rows of ``val``, [R, M].
        """
        ...


@dataclasses.dataclass(frozen=True)
class Optimizer(ABC):
    """A first-order optimizer as pure functions (``fairrun.training.optim``)."""

    lr: Annotated[PerRun, In("(0, inf)")]  # step size
    # lr is multiplied by it after every ``decay_every`` epochs; None: lr follows the schedule of the run
    decay: Annotated[PerRun, In("(0, 1]")] = dataclasses.field(default=0.5, kw_only=True)
    decay_every: Annotated[int | None, In("[1, inf)")] = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_values(self)

    @property
    @abstractmethod
    def scale_free(self) -> bool:
        """Whether a gradient twice as large makes the same step.  A subclass may set it as a class attribute."""

    @abstractmethod
    def init(self, theta: Theta) -> Any:
        """The state before the first step."""

    @abstractmethod
    def step(self, theta: Theta, grads: Theta, state: Any) -> tuple[Theta, Any]:
        """The parameters and the state after one step."""


class State(NamedTuple):
    """What a method keeps from step to step; a method that keeps more defines its own, with ``theta`` first."""

    theta: Theta
    opt: Any


NEEDS = frozenset({"s", "val", "tasks", "fairness", "classifier"})  # what a method may need: ``Method.needs``


@dataclasses.dataclass(frozen=True)
class AnyMethod:
    """What a method says of itself before it is trained, however it is trained: the base of every method's base class.

    Values are checked when the method is made.
    """

    def __post_init__(self) -> None:
        check_values(self)

    @property
    def needs(self) -> frozenset[str]:
        """What training reads besides features, labels and row numbers; any of:

        - "s": the sensitive attribute of the training rows.  ``batch.s`` raises without it.
        - "val": the balanced validation batch, with its sensitive attribute.
        - "tasks": labels of several tasks, and a network with a head for each.
        - "fairness": a network with parameters of the group "fairness".
        - "classifier": a network whose last layer is linear and named "classifier".
        """
        return frozenset()

    @property
    def multiclass(self) -> bool:
        """Whether the method can learn a label of more than two classes."""
        return False

    @property
    def allows_missing_labels(self) -> bool:
        """Whether ``update`` leaves a row out of whatever it does for a task of which the row has no label."""
        return False

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages, by their names on the index, that train the method and whose versions stand in the record."""
        return ()

    @property
    def smallest_batch(self) -> tuple[int, str]:
        """The smallest allowed ``batch_size``, and the field and value that require it: (20, "alpha=0.05")."""
        return 1, ""

    def remarks(self, epochs: int) -> list[str]:
        """What a user should know before training for so many ``epochs``."""
        return []

    def remarks_on(self, data: Mapping[str, Any], batch_size: int) -> list[str]:
        """What a user should know about these data; ``data`` holds the facts about them that records hold."""
        return []

    def with_group_sizes(self, group_rows: Sequence[int], seed: int) -> Self:
        """The method that is trained if the groups have ``group_rows`` training rows; by default this method.

        Raises ``InputError``.
        """
        return self


@dataclasses.dataclass(frozen=True)
class Method(AnyMethod, ABC):
    """A frozen dataclass of hyper-parameters with pure functions of a state and a batch.

    A subclass must define ``update`` only.  It adds its fields, each with its range or its choices in the type:
    ``alpha: Annotated[PerRun, In("(0, 1]")]``, ``goal: Literal["mean", "worst"]``.  Class attributes say what it
    requires of data and model (``multiclass = True``); where this depends on a field, properties do.
    """

    optimizer: Optimizer

    @property
    def second_derivatives(self) -> bool:
        """Whether ``update`` differentiates gradients of the network.

        The network then runs in torch, whatever the engine, because torch's second derivatives are faster.
        """
        return False

    @property
    def pairs_rows(self) -> bool:
        """Whether ``update`` pairs the rows of a batch, as mixup does, so that their order matters."""
        return False

    @property
    def reads_all_rows(self) -> bool:
        """Whether ``start_epoch`` is overridden; only then is the batch of all rows made."""
        return type(self).start_epoch is not Method.start_epoch

    def draw(self, theta: Theta, num_groups: int, generators: Sequence[Generator]) -> Theta:
        """Draw the method's own parameters, each [R, ...] in float64, for every run from its own generator.

        ``theta`` holds the network's parameters, drawn before from the same generators.  The names start with a prefix
        that no layer has, such as ``adversary.``.  ``init`` gets both kinds of parameters together and may ``split``
        them; the network ignores those that are not its own.
        """
        return {}

    def init(self, model: Model, theta: Theta, train: Batch) -> Any:
        """The state before the first step: tensors in tuples and dicts.

        ``theta`` is drawn from each run's seed; ``train`` is the whole training set as one batch.
        """
        return State(theta, self.optimizer.init(theta))

    def start_epoch(self, model: Model, state: Any, train: Batch) -> tuple[Any, Tensor | None]:
        """The state before the first step of an epoch, and the weights by which the epoch's rows are drawn.

        ``train`` is the whole training set as one batch: the N rows in the order of their numbers, then rows of weight
        0, whose features ``parts`` adds.  So the state may hold a value for each row, which ``batch.i`` finds.  Weights
        [R, N], none below 0: rows are drawn with replacement, in proportion to their weights.  None: each row comes
        once, in random order.
        """
        return state, None

    @abstractmethod
    def update(self, model: Model, state: Any, batch: Batch) -> tuple[Any, dict[str, Tensor]]:
        """One step: the next state, with its parameters in the same order, and the logs, each [R].

        The logs must contain ``loss``, and have the same entries in every step.  They may contain ``removed`` [R, B]: 1
        for a row that the step left out as an outlier.
        """
