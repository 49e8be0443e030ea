"""What a benchmark measures: values of a table, printed, and kept in docs/measured with how they came about."""

import csv
import datetime
import io
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.goals import goal
from fairrun.config.names import counted
from fairrun.results.records import in_words, replace, versions
from website.tables import COLUMN, HOW, VALUES, keys_of, read

PAIRS = "median [smallest, largest] of pairs"
SEEDS = "mean over seeds [95% interval]"


class Value(NamedTuple):
    """A value of a table, as it is shown, with its interval or range."""

    table: str  # it begins with the name of its benchmark
    row: Mapping[str, str]  # what tells the row apart
    column: str
    value: str
    low: str
    high: str
    shows: str
    n: int


def of_pairs(table: str, shows: str, row: Mapping[str, str], column: str, values: Sequence[float]) -> Value:
    """The median and the range of the pairs, printed; of one pair there is no range."""
    ends = (min(values), max(values)) if len(values) > 1 else ()
    median, *of_range = (f"{value:{'.0f' if value >= 100 else '.3g'}}" for value in (statistics.median(values), *ends))
    low, high = of_range or ("", "")
    shows = f"{shows}, {PAIRS}" if ends else shows
    return told(Value(table, row, column, median, low, high, shows, len(values)))


def of_seeds(
    table: str, row: Mapping[str, str], column: str, found: Mapping[str, str], name: str, digits: int
) -> Value:
    """A mean with its interval, printed: the columns NAME, NAME.low and NAME.high of a report."""
    texts = [found.get(f"{name}{end}", "") for end in ("", ".low", ".high")]
    shown = [f"{float(text):.{digits}f}" if text else "" for text in texts]
    return told(Value(table, row, column, *shown, SEEDS, int(found["seeds"])))


def told(value: Value) -> Value:
    """The value, printed with its goal."""
    where = ", ".join([*value.row.values(), value.column])
    ends = f" [{value.low}, {value.high}]" if value.low else ""
    aim = goal(value.table, value.row.values(), value.column)
    end = f"; goal: {aim}, {aim.outcome(value.value)}" if aim else ""
    print(f"{value.table}: {where}: {value.value}{ends} ({value.shows}, n = {value.n}){end}", flush=True)
    return value


def store(values: Iterable[Value], folder: Path, options: str = "") -> None:
    """Keep the values in FOLDER/TABLE.csv, where those that were not measured now stay as they are.

    ``options`` are those that the benchmark was given.  Rows of before that other columns tell apart are left out.
    """
    now = {"versions": in_words(versions()), "date": datetime.date.today().isoformat(), "machine": _machine()}
    tables: dict[str, list[dict[str, str]]] = {}
    for value in values:
        said = {name: str(getattr(value, name)) for name in ("value", "low", "high", "shows", "n")}
        said["command"] = f"scripts/benchmark {value.table.partition('_')[0]}{options and f' {options}'}"
        tables.setdefault(value.table, []).append({**value.row, COLUMN: value.column, **said, **now})
    for table, lines in tables.items():
        path = folder / f"{table}.csv"
        before = read(path) if path.exists() else []
        kept = [line for line in before if set(keys_of(line)) == set(keys_of(lines[0]))]
        if len(kept) < len(before):
            old, new = (", ".join(keys_of(found[0])) for found in (before, lines))
            print(f"{table}: {counted(len(before), 'value')} of before, told apart by {old} and not by {new}: left out")
        write(path, {_place(line): line for line in [*kept, *lines]}.values())


def check(benchmark: str, folder: Path) -> None:
    """Raise ``ValueError`` for a file of the benchmark's tables that cannot be read, before it measures for hours."""
    for path in sorted(folder.glob(f"{benchmark}*.csv")):
        if path.stem.partition("_")[0] == benchmark:
            read(path)


def write(path: Path, lines: Iterable[Mapping[str, str]]) -> None:
    """Write a file of docs/measured."""
    lines, text = list(lines), io.StringIO()
    table = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, text.getvalue().encode())


def _place(line: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((key, text) for key, text in line.items() if key not in (*VALUES, *HOW))


def _machine() -> str:
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {names[0] if names else platform.machine()}"


def _cpuinfo() -> Iterator[str]:
    path = Path("/proc/cpuinfo")
    yield from path.read_text(encoding="utf-8").splitlines() if path.exists() else ()


def command(folder: Path, *overrides: str, module: str = "fairrun.train") -> None:
    """Run a sweep or a single run, with its results in ``folder``."""
    key = "hydra.sweep.dir" if "-m" in overrides else "hydra.run.dir"
    done = [sys.executable, "-m", module, *overrides, f"{key}={folder}"]
    subprocess.run(done, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def children_cpu_seconds() -> float:
    """The CPU time (user and system) of all finished descendants of this process."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
