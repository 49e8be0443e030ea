"""Records as training writes them, and the reports of them."""

import pandas as pd
import yaml

from fairrun.command.words import parsed
from fairrun.report import cli as report
from fairrun.report import tables
from fairrun.report.options import ReportOptions
from fairrun.report.page import render
from fairrun.report.sections import chapters
from fairrun.report.tradeoffs import complete, tradeoffs
from fairrun.results import records as results

HARD, SOFT = "demographic_parity_difference", "soft_demographic_parity_difference"
WRITTEN = {
    "front.png",
    "front.pdf",
    "front.svg",
    "table.md",
    "table.tex",
    "table.csv",
    "methods.csv",
    "comparisons.csv",
    "pairs.csv",
    "groups.csv",
}
WRITTEN |= {"report.html"}
LABELS = {"val": [[40, 24], [40, 8]], "test": [[50, 30], [50, 10]]}  # majority .6, difference .4
METRIC = {"name": HARD, "greater_is_better": False, "surrogate": "demographic_parity"}


def on_searchpath(*overrides):
    """The sources of files that overrides of the search path add, as Hydra records them."""
    found = [source.rpartition("://") for override in overrides for source in parsed(override).value()]
    return [{"path": p, "schema": how or "file", "provider": "hydra.searchpath in command-line"} for how, _, p in found]


def write_overrides(folder, overrides, cwd="/home/a", sources=(), hydra=(), **runtime):
    """Write a run's overrides as Hydra does."""
    node = {"runtime": {"cwd": cwd, "config_sources": [*sources, *on_searchpath(*hydra)], **runtime}}
    node |= {
        "overrides": {"hydra": ["hydra.mode=MULTIRUN", *hydra]},
        "job": {"num": 3, "id": "3", "config": {"override_dirname": {"item_sep": ","}}},
    }
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(overrides))
    (folder / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump({"hydra": node}))


def write_run(
    folder, method="penalty", lam=1.0, seed=0, dataset="adult", metric=METRIC, status="finished", report=None, **metrics
):
    """Write a run's record as training does and give its row of the frame; the larger lam, the fairer."""
    point = 0.85 - lam / 20 + seed / 500, 0.3 - lam / 8 + seed / 300
    values = {"accuracy": point[0], HARD: point[1], SOFT: point[1] / 2, "worst_group_accuracy": point[0] - 0.1}
    scores = {f"{split}/{name}": v for split in ("val", "test") for name, v in values.items()} | metrics
    scores = {"train/loss": 0.3, "val/accuracy/s=0": 0.8, "test/accuracy/s=0": 0.8, "test/roc_auc": 0.9} | scores
    own = {} if method == "erm" else {"lam": lam, "fairness_loss": "<b>mmd</b>"}
    data = {"_target_": "fairrun.data.dataset.Dataset", "sensitive": ["sex"], "path": None}
    config = {"seed": seed, "epochs": 10, "device": "cpu", "method": own, "dataset": data, "metric": metric}
    config |= {} if report is None else {"report": report}
    choices = {"method": method, "dataset": dataset, "model": "mlp", "metric": metric["name"]}
    failure = None if status == "finished" else "the loss was not finite at step 3 with <lam>"
    record = {"status": status, "failure": failure, "choices": choices, "config": config, "metrics": scores}
    record |= {"groups": ["sex=F", "sex=M"], "rows": {"train": 300, "val": 80, "test": 100}, "base_rates": LABELS}
    record |= {
        "seed": config["seed"],
        "key": "cd" * 32,
        "data_sha256": "ab" * 32,
        "versions": {"fairrun": "0.1.0", "torch": "2.9"},
    }
    path = folder / f"{dataset}-{method}-{lam:g}-{seed}"
    path.mkdir(parents=True)
    results.write(path, record, pd.DataFrame({"epoch": [1]}))
    overrides = [
        f"method={method}",
        *(f"method.{key}={v}" for key, v in own.items()),
        f"dataset={dataset}",
        f"seed={seed}",
    ]
    write_overrides(path, [*overrides, "tracker=none"])
    row = {"folder": str(path), "status": status, "failure": failure, "data_sha256": "ab" * 32} | choices
    row |= {f"base_rates.{split}": counts for split, counts in LABELS.items()}
    row |= {"seed": seed, "epochs": 10, "device": "cpu", "metric.name": metric["name"]}
    row |= {"metric.greater_is_better": metric["greater_is_better"], "dataset.sensitive": ["sex"], "dataset.path": None}
    return row | {f"method.{key}": v for key, v in own.items()} | scores


def sweep(folder, seeds=3, dataset="adult", **options):
    """ERM and a penalty with three weights."""
    rows = [write_run(folder, "erm", 0.0, seed, dataset, **options) for seed in range(seeds)]
    lams = (0.5, 1.0, 2.0)
    return [
        *rows,
        *(write_run(folder, "penalty", lam, seed, dataset, **options) for lam in lams for seed in range(seeds)),
    ]


def written(folder, rows, metric=None, **given):
    """The files that a report writes, by name."""
    frame = pd.DataFrame(rows)
    options = complete(frame, ReportOptions(metric=metric, **given))
    paths = report.write(folder, frame, chapters(tradeoffs(frame, options), options))
    assert all(path.stat().st_size > 0 for path in paths)
    return {path.name: path for path in paths}


def texts(folder, rows, metric=None, **given):
    """The tables and the page that a report writes, by name, without the pictures, which take longest."""
    frame = pd.DataFrame(rows)
    options = complete(frame, ReportOptions(metric=metric, **given))
    found = chapters(tradeoffs(frame, options), options)
    page = folder / "report.html"
    page.write_text(render(folder, frame, found, {}), encoding="utf-8")
    return {path.name: path for path in (*tables.write(folder, found), page)}


def trade(folder, rows, metric=None, **given):
    frame = pd.DataFrame(rows)
    (found,) = tradeoffs(frame, complete(frame, ReportOptions(metric=metric, **given)))
    return found
