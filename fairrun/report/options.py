"""The options of a report.  Each is a field of ``ReportOptions`` and is declared only there.

A sweep takes options as ``report.NAME=VALUE`` and writes them into the records of its runs.  The command
``python -m fairrun.report`` takes them as ``--NAME VALUE``.  To add an option, add a field here and a line to
``report`` in conf/train.yaml, and read the field in the section that shows it.
"""

import argparse
import dataclasses
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fairrun.command.parser import Parser, of_folder
from fairrun.command.renames import warn
from fairrun.config import plugins
from fairrun.config.check import InputError, located, one_of, require, unknown
from fairrun.config.keys import RENAMED
from fairrun.report.kinds import Choice, Flag, Functions, Names, Number, Pairs, Text

if TYPE_CHECKING:  # what reads the options' flags is quicker without
    import pandas as pd

    from fairrun.analysis.compare import Pair

NODE = "report."  # prefix of the options' keys
OLD_NAMES = {entry.new: entry.old for entry in RENAMED if entry.new.startswith(NODE)}
SECTION_PACKAGES = (plugins.ALWAYS[0],)  # where sections may lie, beside packages that the user names
SPLITS = ("train/", "val/", "test/")  # prefixes of columns of histories


Check = Callable[[str, Any, Collection[str]], None]  # key, value, names of metrics (none: unknown); raises InputError


def _check_metric(key: str, metric: str, metrics: Collection[str]) -> None:
    if metrics:
        one_of(key, metric, metrics)


def _check_columns(key: str, columns: tuple[str, ...], metrics: Collection[str]) -> None:
    for name in columns if metrics else ():
        metric, _, task = name.partition("/")
        of_task = task and "s=" not in task  # accuracy/income; accuracy/s=0 is of a group
        one_of(key, metric if of_task else name, metrics)


def _check_histories(key: str, columns: tuple[str, ...], metrics: Collection[str]) -> None:
    named = all(column.startswith(SPLITS) for column in columns)
    require(named, key, list(columns), "a list of columns of histories, as in [train/loss, test/accuracy]")


def _check_published(key: str, sources: tuple[str, ...], metrics: Collection[str]) -> None:
    from fairrun.analysis import published

    for source in sources:
        published.read(source, key)


def check_sections(key: str, paths: tuple[str, ...], metrics: Collection[str] = ()) -> None:
    """Raise ``InputError`` unless each path is that of a function that may be called."""
    for path in paths:
        found = located(path, key, SECTION_PACKAGES)
        require(inspect.isfunction(found), key, path, "the path of a function build(trade, options) -> Section or None")


def _check_nothing(key: str, value: object, metrics: Collection[str]) -> None:
    """The check of an option that allows every value of its kind."""


def _option(kind: Text, text: str, check: Check = _check_nothing) -> Any:
    return dataclasses.field(default=None, metadata={"kind": kind, "help": text, "check": check})


@dataclass(frozen=True)
class ReportOptions:
    """The options of a report.  A field that is None is not set.

    ``given | recorded`` takes each field from ``given`` if it is set there, else from ``recorded``.
    """

    metric: str | None = _option(Text(), "fairness metric to show; default: that of the runs", _check_metric)
    bound: float | None = _option(
        Number(), "bound of the metric for the configuration to take; default: the runs' fairness_bound"
    )
    test_oracle: bool = _option(Flag(), "add fronts chosen on test rows, labelled so")
    columns: tuple[str, ...] = _option(
        Names("metrics"), "more metrics for the tables, as in balanced_accuracy,roc_auc", _check_columns
    )
    histories: tuple[str, ...] = _option(
        Names("columns of histories, as in [train/loss, test/accuracy]"),
        "columns of the runs' histories to draw over epochs, as in train/loss,test/accuracy",
        _check_histories,
    )
    compare: tuple["Pair", ...] = _option(
        Pairs(), "methods to compare seed by seed, as in penalty=erm,group_dro=erm: penalty minus erm in every metric"
    )
    seed_summary: str = _option(
        Choice("mean", "worst"),
        "value of the metric for a configuration: the mean over its seeds, or that of its worst seed beside mean "
        "accuracy",
    )
    degenerate: str = _option(
        Choice("flag", "keep"),
        "predictions that are nearly constant or no better than chance (balanced accuracy within .01 of chance, or a "
        "selection rate below .01 or above .99): flag them and leave them off the fronts, or keep them there",
    )
    published: tuple[str, ...] = _option(
        Names("names or paths of CSV files"),
        "results that others published, to draw beside the runs: fairbinn, mtaf, or a CSV file",
        _check_published,
    )
    split_by: tuple[str, ...] = _option(
        Names("keys of the configuration"),
        "keys of the configuration: each of their values makes a method of its own, with its own Pareto front, as in "
        "model.width",
    )
    sections: tuple[str, ...] = _option(
        Functions("functions by their paths, as mypkg.sections.calibration"),
        "sections of your own, behind the others: functions by their paths, as in mypkg.sections.calibration",
        check_sections,
    )

    def __or__(self, other: Self) -> Self:
        said = {name: value for name, value in vars(self).items() if value is not None}
        return dataclasses.replace(other, **said)

    @classmethod
    def from_config(cls, node: Any, metrics: Collection[str] = ()) -> Self:
        """The options of the node ``report`` of a configuration.

        ``metrics`` are the names of the metrics that a report can show.  If it is empty, names are not checked.  Raises
        ``InputError``.
        """
        options = {option.name: option for option in dataclasses.fields(cls)}
        require(isinstance(node, dict), "report", node, f"the keys {', '.join(options)}")
        values = {}
        for name, value in node.items():
            if name not in options:
                raise InputError(unknown(NODE + name, [NODE + option for option in options]))
            if value is not None:
                values[name] = _checked(options[name], NODE + name, value, metrics)
        return cls(**values)

    @classmethod
    def add_to(cls, parser: argparse.ArgumentParser) -> None:
        """Add a flag for each option to ``parser``, and the old names of renamed flags."""
        for option in dataclasses.fields(cls):
            kind: Text = option.metadata["kind"]
            parser.add_argument(_flag(option.name), help=option.metadata["help"], **{"default": None} | dict(kind.flag))
            if old := OLD_NAMES.get(NODE + option.name):
                parser.add_argument(_flag(old), dest=_dest(old), help=argparse.SUPPRESS, **kind.flag)

    @classmethod
    def from_args(cls, arguments: argparse.Namespace) -> Self:
        """The options from a command line whose parser has the flags of ``add_to``.  Raises ``InputError``."""
        values = {}
        given = vars(arguments)
        for option in dataclasses.fields(cls):
            value, old = given[option.name], OLD_NAMES.get(NODE + option.name)
            if old is not None and given[_dest(old)] is not None:
                warn(_flag(old), _flag(option.name))
                value = given[_dest(old)] if value is None else value
            if value is not None:
                value = option.metadata["kind"].parse(value, option.name)
                option.metadata["check"](option.name, value, ())
                values[option.name] = value
        return cls(**values)

    @classmethod
    def from_records(cls, runs: "pd.DataFrame") -> Self:
        """The options that the records of ``runs`` ask for.  An option that no record asks for has its default.

        A report shows all names and pairs that any record asks for.  For any other option, the first record that asks
        for something else than the default counts.
        """
        values: dict[str, Any] = {}
        for option in dataclasses.fields(cls):
            kind: Text = option.metadata["kind"]
            keys = [NODE + option.name, OLD_NAMES.get(NODE + option.name, "")]
            found = [value for key in keys for value in kind.recorded(runs, key) if kind.accepts(value)]
            asked = [value for value in map(kind.convert, found) if value not in (None, kind.default)]
            values[option.name] = kind.merge(asked) if asked else kind.default
        return cls(**values)


def parser(prog: str) -> Parser:
    """The folder and the options of the command ``prog``, which reports."""
    what = "Print the tables of a sweep and write its report.  Options that are not given are as the runs ask for."
    found = of_folder(prog, what)
    ReportOptions.add_to(found)
    return found


def _checked(option: "dataclasses.Field[Any]", key: str, value: Any, metrics: Collection[str]) -> Any:
    kind: Text = option.metadata["kind"]
    require(kind.accepts(value), key, value, kind.allowed)
    converted = kind.convert(value)
    if converted is not None:
        option.metadata["check"](key, converted, metrics)
    return converted


def _flag(name: str) -> str:
    return f"--{name.removeprefix(NODE).replace('_', '-')}"


def _dest(old: str) -> str:
    return f"old_{old.removeprefix(NODE)}"
