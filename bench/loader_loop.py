"""The baseline of the benchmarks: a usual training loop as a Hydra application, one job after another.

It uses nn.Module, DataLoader and torch.optim.Adam, a penalty on the demographic parity gap, and scikit-learn's metrics
after every epoch.
"""

import json
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from sklearn.metrics import accuracy_score, roc_auc_score
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset

from fairrun.data.table import Data, Table
from fairrun.runs.job import load
from fairrun.train import CONF


def network(num_features: int, width: int) -> torch.nn.Module:
    """A network with two hidden layers."""
    layers = (torch.nn.Linear(num_features, width), torch.nn.Linear(width, width), torch.nn.Linear(width, 1))
    return torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])


def train(data: Data, *, epochs: int, batch_size: int, width: int, lr: float, lam: float | None, evaluate: bool) -> int:
    """Train one run; returns the number of steps.  ``lam`` None: without a penalty."""
    table = data.train.to("cpu", torch.float32)
    net = network(table.x.shape[1], width)
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    loader = DataLoader(TensorDataset(*table), batch_size=batch_size, shuffle=True)
    for _ in range(epochs):
        for x, y, s in loader:
            optimizer.zero_grad()
            logits = net(x)[:, 0]
            loss = binary_cross_entropy_with_logits(logits, y)
            if lam is not None:
                p = torch.sigmoid(logits)
                loss = loss + lam * (p[s == 0].mean() - p[s == 1].mean()).abs()
            loss.backward()
            optimizer.step()
        if evaluate:
            for split in (data.val, data.test):
                metrics(net, split.to("cpu", torch.float32))
    return epochs * len(loader)


def metrics(net: torch.nn.Module, table: Table) -> dict[str, float]:
    """Accuracy, AUC and the differences of selection, true positive and false positive rates."""
    with torch.no_grad():
        logits = torch.cat([net(x)[:, 0] for (x,) in DataLoader(TensorDataset(table.x), batch_size=1024)])
    decision = logits > 0
    rates: dict[str, Tensor] = {"dp": torch.ones_like(decision), "tpr": table.y == 1, "fpr": table.y == 0}
    gaps = {}
    for name, where in rates.items():
        by_group = [decision[where & (table.s == g)].float().mean() for g in table.s.unique()]
        gaps[name] = float(max(by_group) - min(by_group))
    return {"accuracy": accuracy_score(table.y, decision), "auc": roc_auc_score(table.y, logits), **gaps}


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def main(cfg: DictConfig) -> None:
    """Run one job."""
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    torch.manual_seed(config["seed"])
    torch.set_num_threads(config["num_threads"])
    method = config["method"]
    settings = {"epochs": config["epochs"], "batch_size": config["batch_size"], "width": config["model"]["width"]}
    train(load(config), **settings, lr=method["optimizer"]["lr"], lam=method["lam"], evaluate=True)
    Path(HydraConfig.get().runtime.output_dir, "done.json").write_text(json.dumps(settings))


if __name__ == "__main__":
    main()
