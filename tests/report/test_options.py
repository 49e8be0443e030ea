"""Options of a report: one field each, the same from a sweep's command, from its records and from fairrun.report."""

import argparse
import dataclasses
import shutil
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from bench import composition
from fairrun.command.renames import warn
from fairrun.config import plugins
from fairrun.config.check import InputError
from fairrun.report import cli
from fairrun.report.options import ReportOptions
from fairrun.train import CONF
from hydra_plugins.fairrun_sweepers import conclude
from tests.helpers.quick import few
from tests.helpers.records import rewrite
from tests.helpers.reports import sweep, write_run

FIELDS = [option.name for option in dataclasses.fields(ReportOptions)]
OWN = "tests.helpers.sections.groups"
EXAMPLES = {  # of every option: on the command line of a sweep, of fairrun.report, and the value
    "metric": ("report.metric=worst_group_accuracy", "--metric=worst_group_accuracy", "worst_group_accuracy"),
    "bound": ("report.bound=0.2", "--bound=0.2", 0.2),
    "test_oracle": ("report.test_oracle=true", "--test-oracle", True),
    "columns": ("report.columns=[roc_auc]", "--columns=roc_auc", ("roc_auc",)),
    "histories": ("report.histories=[train/loss]", "--histories=train/loss", ("train/loss",)),
    "compare": ("+report.compare.penalty=erm", "--compare=penalty=erm", (("penalty", "erm"),)),
    "seed_summary": ("report.seed_summary=worst", "--seed-summary=worst", "worst"),
    "degenerate": ("report.degenerate=keep", "--degenerate=keep", "keep"),
    "published": ("report.published=fairbinn", "--published=fairbinn", ("fairbinn",)),
    "split_by": ("report.split_by=[method.lam]", "--split-by=method.lam", ("method.lam",)),
    "sections": (f"report.sections=[{OWN}]", f"--sections={OWN}", (OWN,)),
}
OLD = {
    "histories": (["--curves", "train/loss"], {"report.curves": ["train/loss"]}),
    "seed_summary": (["--over-seeds", "worst"], {"report.over_seeds": "worst"}),
    "published": (["--reference", "fairbinn"], {"report.reference": "fairbinn"}),
    "split_by": (["--methods-by", "method.lam"], {"report.methods_by": ["method.lam"]}),
}


def composed(folder, *overrides):
    return composition.composed([f"hydra.sweep.dir={folder}", *overrides])


def from_args(*arguments):
    parser = argparse.ArgumentParser()
    ReportOptions.add_to(parser)
    return ReportOptions.from_args(parser.parse_args([*arguments]))


def records(folder, *overrides):
    """The records of a sweep with these overrides, and histories."""
    node = OmegaConf.to_container(composed(folder, *overrides).report)
    constant = write_run(folder, lam=9.0, report=node, **{"val/selection_rate": 0.0})
    for row in [*sweep(folder, seeds=2, report=node), constant]:
        rewrite(row["folder"], pd.DataFrame({"epoch": [1, 2], "train/loss": [1.0, 0.5]}))
    return folder


def report(folder):
    """The files of a report but for PDFs, which say the same as the PNGs."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".pdf"}


@pytest.fixture(autouse=True)
def named(monkeypatch):
    """The user names the package of ``OWN``."""
    monkeypatch.setenv(plugins.VARIABLE, "tests")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A finished sweep whose command asked its report for nothing, and that report."""
    folder = records(tmp_path_factory.mktemp("plain") / "sweep")
    conclude(composed(folder), complete=True)
    return folder


def test_every_option_has_an_example_here():
    assert list(EXAMPLES) == FIELDS
    assert {name for names in TOGETHER for name in names} == set(FIELDS)


def test_the_configuration_lists_every_option_and_says_nothing():
    node = OmegaConf.to_container(OmegaConf.load(CONF / "train.yaml").report)
    assert list(node) == FIELDS
    assert ReportOptions.from_config(node) == ReportOptions()


def test_every_option_has_a_flag_with_its_help(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for option in dataclasses.fields(ReportOptions):
        assert f"--{option.name.replace('_', '-')} " in shown
        assert option.metadata["help"] in shown


@pytest.mark.parametrize("name", few(FIELDS, 4))
def test_an_option_has_one_value_whoever_gives_it(tmp_path, name):
    override, flag, value = EXAMPLES[name]
    node = OmegaConf.to_container(composed(tmp_path, override).report)
    assert getattr(ReportOptions.from_config(node), name) == value
    assert getattr(from_args(flag), name) == value
    recorded = ReportOptions.from_records(cli.load(records(tmp_path / "sweep", override)))
    assert getattr(recorded, name) == value


@pytest.mark.parametrize("name", few(FIELDS, ["metric", "columns", "sections"]))
def test_an_option_changes_the_report(tmp_path, plain, name):
    folder = shutil.copytree(plain, tmp_path / "sweep")
    cli.main([str(folder), EXAMPLES[name][1]])
    assert report(folder) != report(plain)


TOGETHER = [
    ["metric", "compare", "sections"]
]  # there are no published points of every metric, and a method split has other names
TOGETHER += [["test_oracle", "bound", "columns", "histories", "seed_summary", "degenerate", "published", "split_by"]]


@pytest.mark.parametrize("names", TOGETHER, ids=" ".join)
@pytest.mark.slow
def test_options_show_the_same_whoever_gives_them(tmp_path, plain, names):
    """From the records of a sweep whose command has them, the same command on a finished sweep, and fairrun.report."""
    overrides, flags, _ = zip(*(EXAMPLES[name] for name in names), strict=True)
    first = records(tmp_path / "first" / "sweep", *overrides)
    cli.main([str(first)])
    again, by_flag = (Path(shutil.copytree(plain, tmp_path / name / "sweep")) for name in ("again", "by_flag"))
    conclude(composed(again, *overrides), complete=True)
    cli.main([str(by_flag), *flags])
    assert report(again) == report(by_flag) == report(first)


@pytest.mark.parametrize("text", ["-0.1", "nan", "much"])
def test_a_flag_of_a_number_is_a_number(text):
    with pytest.raises(InputError, match=f"bound must be a number >= 0, got '{text}'"):
        from_args(f"--bound={text}")


@pytest.mark.parametrize("name", OLD)
def test_old_names_of_flags_and_in_records_are_read(name, caplog):
    arguments, recorded = OLD[name]
    value = EXAMPLES[name][2]
    warn.cache_clear()
    assert getattr(from_args(*arguments), name) == value
    assert "the old name works in this version only" in caplog.text
    assert getattr(ReportOptions.from_records(pd.DataFrame([recorded])), name) == value


def test_what_is_said_first_wins_also_where_it_asks_for_nothing():
    recorded = ReportOptions.from_records(pd.DataFrame([{"report.columns": ["a"], "report.seed_summary": "worst"}]))
    assert (ReportOptions(columns=("b",)) | recorded).columns == ("b",)
    assert (ReportOptions() | recorded).columns == ("a",)
    none = ReportOptions(columns=(), seed_summary="mean", test_oracle=False) | recorded
    assert (none.columns, none.seed_summary, none.test_oracle) == ((), "mean", False)


def test_records_that_ask_for_different_names_get_all():
    rows = [{"report.columns": ["a"]}, {"report.columns": ["b", "a"]}, {"report.columns": None}]
    assert ReportOptions.from_records(pd.DataFrame(rows)).columns == ("a", "b")
    complete = ReportOptions.from_records(pd.DataFrame([{"seed": 0}]))
    assert complete == ReportOptions(None, None, False, (), (), (), "mean", "flag", (), (), ())


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"colums": []}, "report.colums is no key: did you mean report.columns\\?"),
        ({"columns": ["roc_au"]}, "report.columns must be one of roc_auc, gap, got 'roc_au'; did you mean roc_auc\\?"),
        ({"columns": ["gap/s=0"]}, "report.columns must be one of roc_auc, gap, got 'gap/s=0'"),
        ({"columns": 3}, "report.columns must be null or a list of metrics, got 3"),
        ({"metric": "gop"}, "report.metric must be one of roc_auc, gap, got 'gop'; did you mean gap\\?"),
        ({"bound": -1}, "report.bound must be null or a number >= 0, got -1"),
        ({"bound": "x"}, "report.bound must be null or a number >= 0, got 'x'"),
        ({"test_oracle": "yes"}, "report.test_oracle must be null, true or false, got 'yes'"),
        ({"histories": ["loss"]}, r"report.histories must be a list of columns of histories, .*, got \['loss'\]"),
        ({"compare": "erm"}, "report.compare must be a mapping of a method's name to another's, got 'erm'"),
        ({"seed_summary": "max"}, "report.seed_summary must be null or one of mean, worst, got 'max'"),
        ({"published": "foo"}, "report.published must be null, .* or a CSV file that exists, got 'foo'"),
        ({"split_by": [1]}, r"report.split_by must be null or a list of keys of the configuration, got \[1\]"),
        ({"sections": ["tests.helpers.sections.group"]}, "has no attribute 'group'; did you mean groups\\?"),
        ({"sections": ["tests.helpers.section.groups"]}, "No module named .*; did you mean sections\\?"),
        (
            {"sections": ["os.getcwd"]},
            "report.sections must be in fairrun or a package .*, got 'os.getcwd'",
        ),
        (
            {"sections": ["tests.helpers.sections.Table"]},
            "report.sections must be the path of a function build",
        ),
        ([], "report must be the keys metric, "),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(node, said):
    with pytest.raises(InputError, match=said):
        ReportOptions.from_config(node, ["roc_auc", "gap"])


def test_a_metric_of_one_task_may_be_named():
    assert ReportOptions.from_config({"columns": ["gap/income"]}, ["gap"]).columns == ("gap/income",)
