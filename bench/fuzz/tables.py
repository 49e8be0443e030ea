"""Random messy tables of a user's own, read by ``dataset=csv``."""

import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.fuzz.cases import Counts, count, outcome
from bench.fuzz.configurations import job_of, trained
from fairrun.runs.checks.alone import check
from fairrun.runs.checks.data import check_data
from fairrun.runs.checks.keys import check_keys
from fairrun.runs.job import facts, load

Column = tuple[str, list[str]]  # its name, and a cell for each row
MISSING = ("", "NA", "NULL", "NaN", "?", "#N/A", "-", "none", " ")
CELLS: dict[str, Callable[[random.Random, int], str]] = {
    "number": lambda rng, row: f"{rng.gauss(0, 1):.3f}",
    "integer": lambda rng, row: str(rng.randrange(-5, 90)),
    "thousands": lambda rng, row: f"{rng.randrange(10**6):,}",
    "decimal comma": lambda rng, row: f"{rng.gauss(0, 9):.2f}".replace(".", ","),
    "currency": lambda rng, row: rng.choice("$€£") + f"{rng.randrange(9999)}.{rng.randrange(100):02d}",
    "huge": lambda rng, row: rng.choice(["1e300", "-1e308", "1e999", "5", "inf", "99999999999999999999"]),
    "constant": lambda rng, row: "same",
    "index": lambda rng, row: str(row),
    "id": lambda rng, row: f"id-{rng.getrandbits(64):x}",
    "levels": lambda rng, row: f"level {rng.randrange(300)}",
    "case": lambda rng, row: rng.choice(["north", "North", "NORTH ", " north", "south"]),
    "boolean": lambda rng, row: rng.choice(["true", "True", "1", "yes", "no", "FALSE", "0"]),
    "date": lambda rng, row: f"{rng.randrange(1970, 2025)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
    "other date": lambda rng, row: f"{rng.randrange(1, 29)}/{rng.randrange(1, 13)}/{rng.randrange(1970, 2025)}",
    "quotes": lambda rng, row: rng.choice(
        ['"a,b"', '"say ""so"""', "a'b", '"two\nlines"', "ü", "日本", "\u200b", "\\"]
    ),
    "formula": lambda rng, row: rng.choice(["=1+1", "-", "+", "<b>x</b>", "{x}", "${seed}", "%s", "[a]"]),
    "mixed": lambda rng, row: rng.choice(["1", "a", "2.5", "", "true", "2020-01-01"]),
    "empty": lambda rng, row: "",
}
NAMES = (
    "a",
    "b",
    "age",
    "größe",
    "two words",
    "x.y",
    "x,y",
    "1",
    "",
    "Unnamed: 0",
    "a=b",
    "[x]",
    "true",
    "${s}",
    "s=1",
)
LABELS = [["yes", "no"], ["1", "0"], ["true", "False"], [">50K", "<=50K"], ["yes", "no", ""], ["yes"]]
GROUPS = [["f", "m"], ["f", "m"], ["f", "m", "x", ""], ["1", "2"], ["a b", "ü"], ["F", "f "], ["all"]]
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1")
SEPARATORS = (",", ",", ",", ";", "\t", "|")


def draw(rng: random.Random) -> list[Column]:
    """A label, a group and columns of random kinds, in random order."""
    rows = rng.choice((0, 1, 2, 30, 120, 120, 120, 120))
    names = rng.sample(NAMES, 5) if rng.random() < 0.9 else ["a", "label", "b", "group", "a"]
    kinds = ["number", *(rng.choice(list(CELLS)) for _ in range(rng.randrange(4)))]
    columns = [(name, _cells(rng, kind, rows)) for name, kind in zip(names, kinds, strict=False)]
    for name, values in (("label", rng.choice(LABELS)), ("group", rng.choice(GROUPS))):
        columns.append((name, [rng.choice(values) for _ in range(rows)]))
    rng.shuffle(columns)
    return columns


def _cells(rng: random.Random, kind: str, rows: int) -> list[str]:
    lacking = rng.choice((0, 0, 0, 0.1, 0.9))
    return [rng.choice(MISSING) if rng.random() < lacking else CELLS[kind](rng, row) for row in range(rows)]


def write(columns: Sequence[Column], path: Path, separator: str, encoding: str, ragged: int | None) -> None:
    """Write a table; row ``ragged`` has one cell more."""
    lines = [separator.join(_quoted(name, separator) for name, _ in columns)]
    cells = zip(*(cells for _, cells in columns), strict=True)
    lines += [separator.join(_quoted(cell, separator) for cell in row) for row in cells]
    if ragged is not None and len(lines) > 1:
        lines[1 + ragged % (len(lines) - 1)] += f"{separator}more"
    path.write_bytes("\n".join(lines).encode(encoding, errors="replace"))


def _quoted(cell: str, separator: str) -> str:
    return f'"{cell}"' if separator in cell and not cell.startswith('"') else cell


def described(rng: random.Random, path: Path, columns: Sequence[Column]) -> list[str]:
    """Overrides that describe a table."""
    labels = [cell for name, cells in columns if name == "label" for cell in cells if cell]
    positive = f"'{labels[0]}'" if labels and rng.random() < 0.9 else rng.choice(["1", "true", "[yes]", "no"])
    missing = rng.choice(["", "", "indicator", "impute", "drop", "refuse"])
    return [
        *("dataset=csv", f"dataset.path={path}", "dataset.label=label", f"dataset.positive={positive}"),
        *("dataset.sensitive=[group]", f"method={rng.choice(['erm', 'penalty'])}"),
        *([f"dataset.missing={missing}"] if missing else []),
    ]


def tried(overrides: Sequence[str], folder: Path, train: bool) -> bool:
    """Read a table and train on it if asked -> whether it was trained.  What is read must be finite."""
    job = job_of(overrides, folder)
    check_keys(job.config)
    check(job.config)
    data = load(job.config)
    for split in (data.train, data.val, data.test):
        assert split.x.isfinite().all(), "features that are not finite"
        assert split.s.max() < len(data.groups), "a group without a name"
    check_data(job.config, facts(data))
    return train and trained(job)


def run(number: int, seed: int, share: float = 0.3) -> Counts:
    """Try so many tables; ``share`` of those that can be read are trained on."""
    rng, counts = random.Random(seed), Counts("tables")
    with tempfile.TemporaryDirectory() as name:
        for k in range(number):
            path, columns = Path(name, f"table{k}.csv"), draw(rng)
            overrides, train = described(rng, path, columns), rng.random() < share
            form = rng.choice(SEPARATORS), rng.choice(ENCODINGS), rng.randrange(99) if rng.random() < 0.05 else None

            def again(
                parts: Sequence[Column],
                path: Path = path,
                overrides: list[str] = overrides,
                train: bool = train,
                form: tuple[str, str, int | None] = form,
            ) -> str:
                write(parts, path, *form)
                return outcome(lambda: tried(overrides, path.with_suffix(""), train))

            count(counts, again(columns), columns, again)
    return counts
