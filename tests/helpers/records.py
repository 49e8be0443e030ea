"""A record of a run, and another history for one."""

from pathlib import Path

from fairrun.results.records import read, write


def record(**changes):
    choices = {"method": "erm", "dataset": "adult", "model": "mlp", "metric": "demographic_parity_difference"}
    config = {"seed": 3, "method": {"lam": 0.5, "optimizer": {"lr": 0.1}}, "dataset": {"sensitive": ["sex", "race"]}}
    config["metric"] = {"name": "demographic_parity_difference", "greater_is_better": False}
    rest = {
        "failure": None,
        "seed": 3,
        "epoch": 2,
        "score": 0.5,
        "data_sha256": "0" * 64,
        "key": "a" * 64,
        "versions": {"fairrun": "0"},
    }
    rest |= {"base_rates": {"test": [[10, 5], [10, 5]]}, "groups": ["sex=F", "sex=M"]}
    metrics = {"test/accuracy": 0.75}
    return {"status": "finished", "choices": choices, "config": config, "metrics": metrics, **rest} | changes


def rewrite(folder, history):
    """Give the run in ``folder`` another history."""
    write(Path(folder), read(Path(folder)), history)
