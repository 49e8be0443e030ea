"""Gradients of networks, flat."""

import torch


def generators(num_runs):
    return [torch.Generator().manual_seed(seed) for seed in range(num_runs)]


def flat_gradient(function, theta):
    """The gradient of ``function(theta)``, a sum over runs, as one row a run, [R, P]."""
    leaves = {name: p.clone().requires_grad_() for name, p in theta.items()}
    return torch.cat([g.flatten(1) for g in torch.autograd.grad(function(leaves), list(leaves.values()))], dim=1)
