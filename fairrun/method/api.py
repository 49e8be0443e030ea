"""The interface of a method, and the helpers that carry the papers' boxes.

Every tensor in a method has a leading run axis R: one run is R = 1, a sweep trains R runs side by side.  A method
reduces over the last axis only, so runs cannot touch each other, and the gradient of the summed loss is every run's own
gradient.

Letters: R runs, N rows of a split, B rows of a batch, D features, C classes, T tasks, S values of the sensitive
attribute, G groups.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from torch import Tensor

PerRun = Tensor  # a float in the config; in training a tensor [R, 1], one value per run: it broadcasts against [R, ...]
PerTask = Tensor | list[float]  # a number, or a list with one for each task; in training a tensor, [R, 1] or [R, T]
Theta = dict[str, Tensor]  # parameters by name, each [R, ...]
RowLoss = Callable[[Tensor, Tensor], Tensor]  # of every row's cross-entropy and probability of class 1, all [R, B]


class Batch(NamedTuple):
    """Rows of a data set.  A row with ``w`` 0 is padding: it weighs nothing."""

    x: Tensor  # [R, B, D] features
    y: Tensor  # [R, B] labels, 0.0 or 1.0, of C classes 0.0 to C-1; for a method of several tasks [R, B, T]
    i: Tensor  # [R, B] row numbers in the training set
    w: Tensor  # [R, B] 1.0 for a real row, 0.0 for padding of the last batch
    s: Tensor | None = None  # [R, B] sensitive attribute in {0..S-1}; None where it is withheld
    val: "Batch | None" = None  # the balanced validation batch [R, M], with s; None where it is not needed
    num_groups: int = 2  # S
    num_classes: int = 2  # C
    epoch: int = 0
    masks: tuple[Tensor, ...] = ()  # drop-out masks, from each run's own generator; the model's business


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


class Optimizer(Protocol):
    """A first-order optimizer as pure functions (``fairrun.training.optim``)."""

    @property
    def scale_free(self) -> bool:
        """Whether a gradient twice as large makes the same step."""
        ...

    def init(self, theta: Theta) -> Any:
        """The state before the first step."""
        ...

    def step(self, theta: Theta, grads: Theta, state: Any) -> tuple[Theta, Any]:
        """The parameters and the state after one step."""
        ...


class State(NamedTuple):
    """What a method carries from step to step; one with more to carry defines its own, with ``theta`` first."""

    theta: Theta
    opt: Any


class Method(Protocol):
    """A frozen dataclass of hyper-parameters with two pure functions.

    It may have more.  ``remarks(epochs) -> list[str]``: what a user should know before a training of so many epochs.
    ``draw(theta, num_groups, generators) -> Theta``: parameters of its own, each [R, ...] in float64, every run's from
    its own generator.  ``theta`` are the network's, drawn before from the same generators.  Names start with a prefix
    that no layer has, such as ``adversary.``; ``init`` gets both together and may ``split`` them, and the network
    ignores them.  ``second_derivatives``, a class attribute: True if ``update`` differentiates gradients of the
    network, which then is torch's whatever the engine: its second derivatives are faster.  ``exclusive_rows``, a class
    attribute: True if ``update`` learns of the rows with label 0 in one task and 1 in every other; a user is told
    where most batches have none.  ``multiclass``, a class attribute: True if it learns labels of more than two classes.
    ``smallest_batch``, an attribute: how few rows ``batch_size`` may be, and the field and value that say so.

    ``start_epoch(model, state, train) -> tuple[state, Tensor | None]``, before the first step of an epoch.  ``train``
    is the whole training set as one batch, the N rows by their number and behind them rows of weight 0, whose features
    ``parts`` adds: of its size, the state may hold numbers of the rows, to be found by ``batch.i``.  The tensor [R, N],
    none below 0, makes the epoch's rows be drawn with replacement, each in proportion to its number; None: each comes
    once, in random order.
    """

    @property
    def needs(self) -> frozenset[str]:
        """What it needs beyond x, y and i, any of {"s", "val", "fairness", "classifier", "tasks"}: the sensitive
        attribute and the validation batch, which training may then see; a network with parameters of the group
        "fairness", with a last layer "classifier"; labels of several tasks, and a network with a head for each.
        """
        ...

    def init(self, model: Model, theta: Theta, train: Batch) -> Any:
        """The state before the first step.  ``theta`` is drawn from each run's seed; ``train`` is the whole training
        set.
        """
        ...

    def update(self, model: Model, state: Any, batch: Batch) -> tuple[Any, dict[str, Tensor]]:
        """One step: the next state, its parameters in the same order, and what to log, each [R]; ``loss`` among it.

        ``removed`` is [R, B]: 1 for the rows that the step left out as outliers.
        """
        ...
