"""MTA-F, multi-task-aware fairness (Wang et al., KDD 2021), Algorithm 1.  https://arxiv.org/abs/2106.02705

The unfairness of a task is split in two.  The task's head lowers the part that only the task's own rows show, and the
shared layers lower the rest.

minimise over theta_t   w_t L_t + lam_t r_t F_t^head                F_t^head   = F(E_t)
minimise over theta_sh  sum_t (w_t L_t + lam_t F_t^shared)          F_t^shared = F(N_t) - F(E_t)

    1  theta_t <- theta_t - lr grad (w_t L_t + lam_t r_t F_t^head)                   head t, every t
    2  theta_sh <- theta_sh - lr sum_t a_t grad (w_t L_t + lam_t F_t^shared)         a_t = 1; else by ``combine``

Letters: N_t are the rows of the batch with label 0 in task t.  E_t are the rows of N_t with label 1 in every other
task.  F is a fairness loss of the scores on a set of rows; the sets have label 0 because the aim is a small difference
of false positive rates.  ``task_weight`` is w_t.  A set without rows of two groups has F = 0.  With many tasks E_t is
mostly empty; then the head has no fairness loss, and the shared layers have all of F.  The logs count this as
``empty``.
As printed, F_t^shared is a difference.  Its gradient makes the shared layers *raise* the unfairness on E_t, which the
head lowers at the same time.  The difference may be negative; nothing is clamped.
Differs from the paper: lines 1 and 2 are taken at the same parameters; in the paper's box the heads step first.
``variant`` authors, the authors' code, differs from the box in three more points.  Losses are sums over the batch, and
fairness losses are multiplied by the number of rows of their set.  lam_t is multiplied by w_t.  F_t^shared has r_t too:

    theta_t   w_t (L_t + lam_t r_t |E_t| F(E_t))
    theta_sh  sum_t w_t (L_t + lam_t (|N_t| F(N_t) - r_t |E_t| F(E_t)))

On Adult E_1 is 4% of N_1, so that the fairness loss of this head is a 24th of that on all of N_1.
Differs from the authors' code: their third loss, the gap of false positive rates, counts decisions and has no gradient,
so that training with it is MTL.  Here ``demographic_parity`` (the gap of mean scores) and ``step_gap`` replace it.
They are multiplied by the number of rows of their set; their third loss on N_t is multiplied by that of the batch.  If
a set has one group only, their MMD is not 0 but spreads the scores of that group; this is ``fairness_loss:
mmd_authors``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from torch import Tensor

from fairrun.method import (
    Batch,
    Combine,
    In,
    Method,
    Model,
    PerTask,
    TaskLoss,
    TaskState,
    Theta,
    move,
    per_task,
    positive_rates,
    reduced,
    share_without,
    task_gradients,
    total,
    unfairness,
)


@dataclass(frozen=True)
class MTAF(Method):
    """Each head lowers the unfairness on its task's own negatives, the shared layers the rest."""

    lam: Annotated[PerTask, In("[0, inf)")] = 1.0  # lam_t, weight of the fairness loss; 0 is MTL
    r: Annotated[PerTask, In("[0, inf)")] = 1.0  # r_t, weight of the head's part of it
    task_weight: Annotated[PerTask, In("[0, inf)")] = 0.5  # w_t
    fairness_loss: TaskLoss = "mmd"  # F
    # algorithm1: the paper's box; authors: sums, sizes of sets, w_t lam_t, and r_t in the shared part too
    variant: Literal["algorithm1", "authors"] = "algorithm1"
    combine: Combine = "sum"  # how the tasks' gradients of the shared parameters are combined
    needs = frozenset({"s", "tasks"})
    allows_missing_labels = True

    def remarks_on(self, data: Mapping[str, Any], batch_size: int) -> list[str]:
        """Warn about tasks for which most batches have no row in E_t."""
        shares = {task: share_without(n, data["rows"]["train"], batch_size) for task, n in data["exclusive"].items()}
        mostly = ", ".join(f"{share:.0%} for task {task!r}" for task, share in shares.items() if share > 0.5)
        if not mostly:
            return []
        return [
            f"batch_size={batch_size}: most batches have no row with label 0 in a task and 1 in every other, from which"
            f" the task's head learns fairness: {mostly}"
        ]

    def init(self, model: Model, theta: Theta, train: Batch) -> TaskState:
        """The initial state of the optimizer."""
        return TaskState(theta, self.optimizer.init(theta), positive_rates(train))

    def update(self, model: Model, state: TaskState, batch: Batch) -> tuple[TaskState, dict[str, Tensor]]:
        """One step of heads and shared parameters."""
        w, lam, r = (per_task(value, batch.y.shape[-1]) for value in (self.task_weight, self.lam, self.r))

        def objectives(theta: Theta) -> tuple[Tensor, ...]:
            losses, p = model.losses_and_scores(theta, batch)  # [R, B, T]
            f, sizes = unfairness(self.fairness_loss, p, batch, state.rates)  # F(N_t), F(E_t): [R, T, 2]
            if self.variant == "authors":
                full, exclusive = (w * lam * part for part in (sizes * f).unbind(-1))
                heads, rest, l_t = r * exclusive, full - r * exclusive, w * reduced(losses, batch, "sum")
            else:
                full, exclusive = (lam * part for part in f.unbind(-1))
                heads, rest, l_t = r * exclusive, full - exclusive, w * reduced(losses, batch, "mean")
            return l_t + heads, l_t + rest, losses, f, sizes

        grads, (_, _, losses, f, sizes) = task_gradients(objectives, state.theta, self.combine)
        theta, opt = move(state.theta, grads, state.opt, self.optimizer)  # 1, 2
        logs = {
            "loss": total(losses, batch, w),
            "unfairness": f[..., 0].mean(-1),
            "unfairness_head": f[..., 1].mean(-1),
        }
        logs |= {f"empty/t={t}": empty.to(f) for t, empty in enumerate((sizes[..., 1] == 0).unbind(-1))}
        return TaskState(theta, opt, state.rates), logs
