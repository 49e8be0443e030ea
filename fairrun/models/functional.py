"""Losses, scores and gradients of a network, as functions of a parameter dict with a leading run axis."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fairrun.data.target import ONE_LABEL, Target
from fairrun.method.api import Batch, RowGradients, RowLoss, Theta
from fairrun.method.steps import backward, tracked
from fairrun.models.network import Network, classified
from fairrun.models.row_gradients import Layer, LinearGradients, LinearPullback, Pullback, products


@dataclass(frozen=True)
class Classifier:
    """A network with its labels, the ``model`` that methods see.  With several tasks [R, B] is [R, B, T]."""

    network: Network
    target: Target = ONE_LABEL

    def losses(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's cross-entropy, in nats, [R, B]."""
        return self._losses(self.network.logits(theta, batch.x, batch.masks), batch)

    def _losses(self, logits: Tensor, batch: Batch) -> Tensor:
        losses = self.target.link.losses(logits, batch.y)
        return losses if batch.known is None else losses * batch.known

    def scores(self, theta: Theta, batch: Batch) -> Tensor:
        """Every row's probability of class 1, [R, B]; for C > 2 that of each class, [R, B, C]."""
        return self.target.link.scores(self.network.logits(theta, batch.x, batch.masks))

    def losses_and_scores(self, theta: Theta, batch: Batch) -> tuple[Tensor, Tensor]:
        """The rows' losses and probabilities, from one pass through the network."""
        logits = self.network.logits(theta, batch.x, batch.masks)
        return self._losses(logits, batch), self.target.link.scores(logits)

    def representation(self, theta: Theta, batch: Batch) -> Tensor:
        """The input of the layer ``classifier`` for every row, [R, B, H]."""
        return self.network.hidden(theta, batch.x, batch.masks)

    @torch.no_grad()
    def row_gradients(self, theta: Theta, batch: Batch, layers: str) -> RowGradients:
        """The gradients of the rows' losses at ``layers``, all or the last one, from one pass through the network."""
        link = self.target.link
        if layers == "last":
            h = self.network.hidden(theta, batch.x, batch.masks)
            logits = classified(theta, h)
            pullback: Pullback = LinearPullback(lambda slope: {"classifier": Layer(h, link.columns(slope))})
        elif (found := self.network.tangents(theta, batch.x, batch.masks)) is not None:
            logits, pullback = found
        else:
            plain = Classifier(self.network.in_torch(), self.target)
            return AnyGradients(plain.losses(theta, batch), plain, theta, batch)
        return LinearGradients(link.losses(logits, batch.y), link.slope(logits, batch.y), pullback, link)

    def influence(
        self, theta: Theta, batch: Batch, theta_val: Theta, val: Batch, weights: Tensor, loss: RowLoss
    ) -> tuple[Tensor, Tensor]:
        """<grad l_j(theta), grad sum_v weights_kv loss_v(theta_val)> for all j and k, [R, K, B], and loss_v, [R, M].

        For linear layers this uses products of their inputs and slopes, without any row's gradient.  For two classes
        only.
        """
        ours = self.network.tangents(theta, batch.x, batch.masks)
        theirs = self.network.tangents(theta_val, val.x, val.masks)
        if ours is None or theirs is None:
            plain = Classifier(self.network.in_torch(), self.target)
            return plain._influence_by_jvp(theta, batch, theta_val, val, weights, loss)
        (logits, pullback), (logits_val, pullback_val), link = ours, theirs, self.target.link
        logits_val = logits_val.detach().requires_grad_()
        losses = loss(link.losses(logits_val, val.y), link.scores(logits_val))
        (slope,) = torch.autograd.grad(losses.sum(), logits_val)
        parts, parts_val = pullback.layers(link.slope(logits, batch.y)), pullback_val.layers(slope)
        kernel = sum(products(parts_val[name], part) for name, part in parts.items())
        return weights @ kernel, losses.detach()

    def _influence_by_jvp(
        self, theta: Theta, batch: Batch, theta_val: Theta, val: Batch, weights: Tensor, loss: RowLoss
    ) -> tuple[Tensor, Tensor]:
        """The same for any network: a backward and a forward derivative for each k."""
        leaves = tracked(theta_val)
        losses = loss(*self.losses_and_scores(leaves, val))
        gains = []
        for weights_k in weights.unbind(1):
            direction = backward(weights_k * losses, leaves, keep=True)
            gains.append(self.slope_along(theta, batch, direction))
        return torch.stack(gains, dim=1), losses.detach()

    def slope_along(self, theta: Theta, batch: Batch, direction: Theta) -> Tensor:
        """<grad l_i, direction>, [R, B], by a forward-mode derivative."""
        found: Tensor = torch.func.jvp(lambda theta: self.losses(theta, batch), (theta,), (direction,))[1]
        return found


@dataclass(frozen=True)
class AnyGradients:
    """``RowGradients`` of all parameters of any network, by its derivatives."""

    losses: Tensor
    model: Classifier
    theta: Theta
    batch: Batch

    def combined(self, w: Tensor) -> Theta:
        """sum_i w_i g_i, by a backward pass."""
        with torch.enable_grad():
            leaves = tracked(self.theta)
            return backward(w * self.model.losses(leaves, self.batch), leaves)

    def along(self, direction: Theta) -> Tensor:
        """<g_i, direction>, by a forward-mode derivative."""
        return self.model.slope_along(self.theta, self.batch, direction)

    def gram(self) -> Tensor:
        """<g_i, g_j> from every row's gradient, which takes B times the memory of the parameters."""
        with torch.enable_grad():
            leaves = tracked(self.theta)
            losses = self.model.losses(leaves, self.batch)
            runs, rows = losses.shape
            each = torch.eye(rows).to(losses).unsqueeze(1).expand(rows, runs, rows)
            grads = torch.autograd.grad(losses, list(leaves.values()), each, is_grads_batched=True)
        g = torch.cat([part.flatten(2) for part in grads], dim=2).transpose(0, 1)  # [R, B, P]
        return g @ g.mT
