"""What a tracker is told of a run and of a sweep: flat names, groups by their names, from the files alone."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fairrun.analysis.front import hypervolume
from fairrun.analysis.tradeoff import Tradeoff, describe, tradeoff, words
from fairrun.config.names import file_name
from fairrun.report import few
from fairrun.report.tradeoffs import by_problem, suffix
from fairrun.results.records import described, load, read, with_points

RECORDS = "records.jsonl"  # the records of a sweep, one a line
SUMMARY = "summary/"  # before the name of a metric of the epoch that counts, where a tracker has no other place for it
FACTS = ("data_sha256", "groups", "rows", "key", "engine", "side_by_side", "wall_time_s", "host", "written")
_GROUP = re.compile(r"/s=(\d+)(?=/|$)")


@dataclass(frozen=True)
class Told:
    """What a tracker is told of a run, or of the summary of a sweep."""

    name: str
    group: str | None  # the sweep's name
    job_type: str  # train; summary
    tags: list[str]
    config: dict[str, Any]  # flat: method, dataset, model, metric, method.lam, ..., and facts about the run
    rows: list[dict[str, float]] = field(default_factory=list)  # a row an epoch
    summary: dict[str, Any] = field(default_factory=dict)
    finished: bool = True


def of_run(record: Mapping[str, Any], history: pd.DataFrame, sweep: str | None) -> Told:
    """What is told of a run.  The record may be that of a run that still trains, whose history is empty."""
    config = described(record)
    facts = {name: record[name] for name in FACTS if name in record}
    facts |= {f"versions.{name}": value for name, value in record["versions"].items()}
    groups = record.get("groups", [])
    summary: dict[str, Any] = {}
    if "status" in record:
        summary = {name: record.get(name) for name in ("status", "epoch", "score", "wall_time_s")}
        summary |= named(record["metrics"], groups)
    return Told(
        name=f"{config['method']} {config['dataset']} seed={record['seed']}",
        group=sweep,
        job_type="train",
        tags=[str(config[name]) for name in ("method", "dataset", "model") if config[name]],
        config=config | facts,
        rows=[named(row, groups) for row in history.to_dict("records")],
        summary={name: value for name, value in summary.items() if value is not None},
        finished=record.get("status", "finished") == "finished",
    )


def named(metrics: Mapping[str, Any], groups: Sequence[str]) -> dict[str, Any]:
    """The metrics with the names of groups for their numbers: "test/accuracy/s=0" becomes "test/accuracy/sex=F"."""
    return {_GROUP.sub(lambda found: f"/{groups[int(found[1])]}", name): value for name, value in metrics.items()}


@dataclass(frozen=True)
class Problem:
    """The summary of a sweep on one data set and metric."""

    told: Told
    folder: str  # the name of its own folder
    table: pd.DataFrame  # a row for each configuration: ``front_table``
    axes: tuple[str, str]  # the columns of its metric and of its accuracy
    title: str
    pictures: dict[str, Path]


def problems(folder: Path, sweep: str) -> Iterator[Problem]:
    """The summaries of the sweep in ``folder``: one for each data set and fairness metric that has a finished run."""
    frame = load(folder)
    finished = by_problem(with_points(frame[frame["status"] == "finished"]))
    for key, runs in finished.groupby(["dataset", "metric.name", "metric.greater_is_better"]):
        dataset, metric = str(key[0]), str(key[1])
        trade = tradeoff(runs, metric, greater_is_better=bool(key[2]))
        end = suffix(dataset, several=finished["dataset"].nunique() > 1)
        pictures = {name: folder / f"{name}{end}.png" for name in ("front", "tasks")}
        yield Problem(
            told=Told(
                name=f"summary {dataset} {metric}",
                group=sweep,
                job_type="summary",
                tags=[dataset],
                config={"dataset": dataset, "metric": metric, "versions.fairrun": _version(runs)},
                summary=_areas(trade) | {"runs": runs["folder"].nunique()} | few.column(trade),
            ),
            folder=f"summary_{file_name(dataset)}_{file_name(metric)}",
            table=front_table(trade),
            axes=(words(metric), "accuracy"),
            title=f"{dataset}: accuracy against {words(metric)}, test rows",
            pictures={name: path for name, path in pictures.items() if path.exists()},
        )


def front_table(trade: Tradeoff) -> pd.DataFrame:
    """A row for each configuration: method, setting in words, seeds, test means with intervals, and its front flag.

    An interval's ends are ``low`` and ``high``, NaN without one.  ``front`` says whether the configuration is on the
    Pareto front, chosen on validation rows; ``method_front`` whether it is on its method's.
    """
    table = trade.settings
    columns: dict[str, Any] = {
        "method": table["method"],
        "setting": [describe(row, trade.by) for _, row in table.iterrows()],
        "seeds": table["seeds"],
    }
    for name in ("accuracy", trade.metric):
        for end in ("", ".low", ".high"):
            columns[words(name) + end.replace(".", " ")] = table[f"test/{name}{end}"].astype(float)
    return pd.DataFrame(columns | {name: table[name].astype(bool) for name in ("front", "method_front")})


def files(folder: Path, scratch: Path) -> list[Path]:
    """The files of a sweep's report, and its records, which are written as ``RECORDS`` to the folder ``scratch``."""
    records = scratch / RECORDS
    with records.open("w", encoding="utf-8") as file:
        for _, run in load(folder).query("status != 'corrupt'").iterrows():
            file.write(json.dumps(read(Path(run["folder"]))) + "\n")
    from fairrun.report.cli import LISTING  # here: it draws with matplotlib, which takes half a second to import

    listed = folder / LISTING
    names = json.loads(listed.read_bytes()) if listed.exists() else []
    return [records, *(path for path in (folder / name for name in names) if path.exists())]


def _areas(trade: Tradeoff) -> dict[str, Any]:
    front = trade.settings.loc[trade.settings["front"], ["test/accuracy", f"test/{trade.metric}"]].to_numpy(dtype=float)
    area = hypervolume(front, trade.hypervolume_point, greater_is_better=trade.greater_is_better)
    return {"hypervolume": area, "reference": list(trade.hypervolume_point)}


def _version(runs: pd.DataFrame) -> str:
    return str(read(Path(runs["folder"].iloc[0]))["versions"]["fairrun"])
