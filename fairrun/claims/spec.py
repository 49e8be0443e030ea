"""A file of ``conf/claims``: a paper's claims, the runs that test them, and its tables."""

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from typing import Any, Literal

import yaml

from fairrun.about import files
from fairrun.about.folders import folders
from fairrun.analysis.tasks import ARE, ARFG
from fairrun.config.check import InputError, check_fields, nearest, one_of, require

BUDGETS = ("tiny", "quick", "full")  # tiny: whether the commands run at all; it decides nothing
REDUCE = ("mean", "first", "last", "min", "max", "at_max")  # at_max: in the epoch in which another column is largest
FRONT = "front/"  # a value of the front that a method's configurations make, front/hypervolume; by tasks front/are_arfg
OF_TASKS = "are_arfg"


@dataclass(frozen=True)
class Source:
    """Runs, or measurements, that tests read."""

    protocol: Literal["published", "honest", "exact"]  # exact: what is measured has no protocol
    benchmark: str | Mapping[str, str] | None = None  # a file of conf/benchmark, or one for each budget
    program: str | None = None  # or a function of fairrun.claims.measures
    tiny: list[str] = field(default_factory=list)  # overrides of the benchmark, by budget
    quick: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    budgets: list[str] = field(default_factory=lambda: list(BUDGETS))  # at which it is trained
    minutes: Mapping[str, float] = field(default_factory=dict)  # on two cores, by budget
    tuning: str | None = None  # where settings come from that the benchmark does not sweep, in a sentence
    # value -> a column of histories and how it is reduced
    history: Mapping[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            (self.benchmark is None) != (self.program is None), "a source", self.benchmark, "a benchmark or a program"
        )
        for budget in self.budgets:
            one_of("budgets", budget, BUDGETS)
        for name, (_, how, *by) in self.history.items():
            one_of(f"history.{name}", how, REDUCE)
            require(len(by) == (how == "at_max"), f"history.{name}", by, "[column, at_max, column] or [column, how]")

    def words(self, budget: str) -> list[str]:
        """The words of ``fairrun sweep`` at a budget; none of a program."""
        if self.benchmark is None:
            return []
        own = self.benchmark if isinstance(self.benchmark, str) else self.benchmark[budget]
        more: list[str] = getattr(self, budget)
        return [f"benchmark={own}", *more]


@dataclass(frozen=True)
class Test:
    """A statement on one value, or on the difference of two."""

    source: str
    value: str  # a metric (test/accuracy), history/NAME, measured/NAME or front/hypervolume
    of: Mapping[str, Any]  # the runs, by their keys: {method: irw}
    minus: Mapping[str, Any] | None = None  # other runs, seed by seed; None: the value itself
    times: float = 1.0  # the value of these is multiplied by it: 1.1 asks for a tenth more; the effect is then a share
    above: float | None = None  # the value, or the difference, is above it
    below: float | None = None  # or below it
    within: float | None = None  # or not further from 0 than this
    margin: float | None = None  # the smallest effect that would matter
    always: bool = False  # in every run, not in the mean over seeds
    trend: str | None = None  # a key: the value is Spearman's correlation of it and the value, in each seed
    each: list[str] = field(default_factory=list)  # columns: a test for each of their values
    pick: str | None = None  # where several configurations match: the best by this value, in the mean over seeds

    def __post_init__(self) -> None:
        asked = [name for name in ("above", "below", "within") if getattr(self, name) is not None]
        require(len(asked) == 1, "a test", asked, "one of above, below, within")
        require(self.times == 1 or self.minus is not None, "times", self.times, "1, or minus given")
        require(not self.always or self.within is None, "always", self.always, "false with within")
        decides = self.always or self.within is not None or (self.margin is not None and self.margin > 0)
        require(decides, "margin", self.margin, "the smallest effect that would matter, > 0")

    @property
    def names(self) -> set[str]:
        """The values and keys of runs that it reads."""
        found = {self.value, self.pick, self.trend, *self.of, *(self.minus or {}), *self.each}
        return {name for name in found if name is not None}


@dataclass(frozen=True)
class Claim:
    """What a paper says, and how it is tested."""

    claim: str  # in one sentence
    where: str  # in the paper; of a claim that we added it begins with the word ours
    tests: list[Test] = field(default_factory=list)
    combine: Literal["all", "any"] = "all"  # of the tests that must show
    untestable: str | None = None  # or why it cannot be tested here

    def __post_init__(self) -> None:
        require(bool(self.tests) != bool(self.untestable), "tests", self.untestable, "given, or else untestable")

    @property
    def ours(self) -> bool:
        """Whether we added it: it is no claim of the paper."""
        return re.match(r"ours\b", self.where) is not None


@dataclass(frozen=True)
class TableSpec:
    """A table in the paper's layout."""

    title: str
    source: str
    rows: str  # the column whose values are the rows
    columns: list[str]
    values: list[str]
    pick: str | None = None
    paper: Mapping[str, Any] = field(default_factory=dict)  # the paper's numbers: value -> row -> column

    @property
    def names(self) -> set[str]:
        """The values and keys of runs that it reads."""
        return {name for name in (*self.values, self.pick, self.rows, *self.columns) if name is not None}


@dataclass(frozen=True)
class PictureSpec:
    """A picture of a source, with a panel for each value of some columns."""

    title: str
    source: str
    kind: Literal["values", "fronts"]  # of a method: values in a row, or settings in a plane with its front
    values: Mapping[str, str]  # columns and what they are called; of a plane the metrics of its two axes, without test/
    each: list[str]

    def __post_init__(self) -> None:
        require(self.kind == "values" or len(self.values) == 2, "values", self.values, "two metrics of a plane")

    @property
    def names(self) -> set[str]:
        """The values and keys of runs that it reads."""
        splits = ("val", "test") if self.kind == "fronts" else ()
        found = [f"{split}/{metric}" for split in splits for metric in self.values]
        return {*(found or self.values), *self.each}


@dataclass(frozen=True)
class Paper:
    """All that is tested of one paper."""

    name: str
    title: str
    link: str
    note: str  # the first line of its page
    sources: dict[str, Source]
    claims: dict[str, Claim]
    tables: dict[str, TableSpec]
    pictures: dict[str, PictureSpec] = field(default_factory=dict)

    def asked(self, source: str) -> set[str]:
        """The columns that tests, tables and pictures name of a source."""
        tests = [test for claim in self.claims.values() for test in claim.tests]
        readers: list[Test | TableSpec | PictureSpec] = [*tests, *self.tables.values(), *self.pictures.values()]
        return {name for reader in readers if reader.source == source for name in reader.names}


def columns_of(name: str, metrics: Iterable[str]) -> list[str]:
    """The columns that a value is made of, or a key, given the metric of the runs: several for areas of fronts."""
    if not name.startswith(FRONT):
        return [name]
    of = (ARE, ARFG) if name == FRONT + OF_TASKS else ("accuracy", *metrics)
    return [f"{split}/{metric}" for split in ("val", "test") for metric in of]


def names() -> list[str]:
    """The papers that have a file."""
    return list(files.choices("claims", folders()))


def read(name: str) -> Paper:
    """The paper of a file of ``conf/claims``.  Raises ``InputError``."""
    found = files.choices("claims", folders())
    one_of("the paper", name, found)
    return parsed(name, found[name].read_text(encoding="utf-8"))


def parsed(name: str, text: str) -> Paper:
    """A paper from the ``text`` of its file.  Raises ``InputError``, which names the place."""
    try:
        return _paper(name, _mapping(yaml.safe_load(text), "the file"))
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _paper(name: str, node: dict[str, Any]) -> Paper:
    sources = {key: _made(Source, own, f"sources.{key}") for key, own in _part(node, "sources").items()}
    claims = {key: _claim(own, f"claims.{key}") for key, own in _part(node, "claims").items()}
    shown = {}
    for part, cls in (("tables", TableSpec), ("pictures", PictureSpec)):
        given = node.pop(part, None) or {}
        shown[part] = {key: _made(cls, own, f"{part}.{key}") for key, own in given.items()}
    paper: Paper = _made(Paper, node, "the file", name=name, sources=sources, claims=claims, **shown)
    for where, source in _named_sources(paper):
        if source not in sources:
            raise InputError(f"{where}: source {source!r} is not there{nearest(source, sources)}")
    known = files.choices("method", folders())
    for key, claim in paper.claims.items():
        for test in (test for test in claim.tests if sources[test.source].benchmark is not None):
            _check_methods([test.of, test.minus or {}], known, f"claims.{key}")
    return paper


def _check_methods(sides: Sequence[Mapping[str, Any]], known: Collection[str], where: str) -> None:
    for side in sides:
        given = side.get("method", [])
        for method in given if isinstance(given, list) else [given]:
            if method not in known:
                raise InputError(f"{where}: {method!r} is no method{nearest(str(method), known)}")


def _named_sources(paper: Paper) -> list[tuple[str, str]]:
    found = [(f"claims.{key}", test.source) for key, claim in paper.claims.items() for test in claim.tests]
    found += [(f"tables.{key}", table.source) for key, table in paper.tables.items()]
    return [*found, *((f"pictures.{key}", picture.source) for key, picture in paper.pictures.items())]


def _claim(node: Any, where: str) -> Claim:
    own = _mapping(node, where)
    tests = [_made(Test, test, f"{where}.tests[{k}]") for k, test in enumerate(own.pop("tests", []))]
    claim: Claim = _made(Claim, own, where, tests=tests)
    return claim


def _made(cls: type, node: Any, where: str, **parts: Any) -> Any:
    """A dataclass of a mapping, and of ``parts`` that are made already.  Raises ``InputError`` with the place."""
    own = _mapping(node, where)
    check_fields(cls, {key: value for key, value in own.items() if key not in parts}, where)
    for f in dataclasses.fields(cls):
        if f.name not in own | parts and f.default is MISSING and f.default_factory is MISSING:
            raise InputError(f"{where}.{f.name} must be given")
    try:
        return cls(**own | parts)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _part(node: dict[str, Any], key: str) -> Mapping[str, Any]:
    if not isinstance(found := node.pop(key, None), Mapping) or not found:
        raise InputError(f"{key} must be a mapping of names, got {found!r}")
    return found


def _mapping(node: Any, where: str) -> dict[str, Any]:
    if not isinstance(node, Mapping):
        raise InputError(f"{where} must be a mapping, got {node!r}")
    return dict(node)
