"""Sections of a user's own package: shown beside the others; what one does wrong costs that one alone."""

import sys

import pandas as pd
import pytest

from fairrun.config import plugins
from fairrun.report import ReportOptions, cli, report
from fairrun.report.sections import chapters, own
from fairrun.report.tradeoffs import complete, tradeoffs
from tests.helpers.command import DESCRIPTION, INLINE
from tests.helpers.here import run_here
from tests.helpers.reports import WRITTEN, sweep

BROKEN = """
import pandas as pd
from matplotlib.figure import Figure
from fairrun.report.section import Section, Table


def raising(trade, options):
    return trade.runs["test/calibration"]


def number(trade, options):
    return 3


def cells(trade, options):
    return Section(tables=[Table("own", pd.DataFrame({"seeds": [3]}), "Seeds.")])


def taken(trade, options):
    return Section(csv={"table.csv": trade.settings})


def outside(trade, options):
    return Section(csv={"../mine.csv": trade.settings})


def chart(trade, options):
    return Section(charts={"mine": {"data": []}})


def undrawable(trade, options):
    figure = Figure()
    figure.subplots().set_title(r"$\\nosuch$")
    return Section(pictures={"mine": figure})


def nothing(trade, options):
    return None


def good(trade, options):
    return Section(sentences=["All is well."], csv={"mine.csv": trade.settings})
"""


NAMES = ("raising", "nothing", "good")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A trade-off, and fairrun's own sections on it."""
    frame = pd.DataFrame(sweep(tmp_path_factory.mktemp("shown"), seeds=1))
    (found,) = chapters(tradeoffs(frame, options := complete(frame)), options)
    return found.trade, found.sections


@pytest.fixture
def named(tmp_path, monkeypatch):
    """A package of the user's own in the current folder."""
    (tmp_path / "ownpkg").mkdir()
    (tmp_path / "ownpkg" / "__init__.py").touch()
    (tmp_path / "ownpkg" / "parts.py").write_text(BROKEN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for module in ("ownpkg", "ownpkg.parts"):
        sys.modules.pop(module, None)


@pytest.mark.slow
def test_a_section_of_ones_own_is_shown_by_a_sweep_and_by_the_report_of_its_records(tmp_path, csv):
    given = ["plugins=[tests]", "report.sections=[tests.helpers.sections.calibration]", "seed=0,1"]
    done = run_here(tmp_path, "sweep", *DESCRIPTION, *given, INLINE, "hydra.sweep.dir=out", module="fairrun")
    assert done.returncode == 0, done.stderr
    shown = pd.read_csv(tmp_path / "out" / "calibration.csv")
    assert set(shown["group"]) == {"group=north", "group=south", "group=west"} and shown["label"].between(0, 1).all()
    assert "Calibration on test rows" in done.stdout and "Calibration is that of all seeds together." in done.stdout
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<h3>Calibration</h3>" in page and "Mean score and share of labels 1" in page
    assert "tab:table-calibration" in (tmp_path / "out" / "table.tex").read_text()
    again = run_here(tmp_path, "report", "out", module="fairrun", FAIRRUN_PLUGINS="tests")
    assert again.returncode == 0 and (tmp_path / "out" / "calibration.png").exists(), again.stderr
    unnamed = run_here(tmp_path, "report", "out", module="fairrun", FAIRRUN_PLUGINS="")
    assert unnamed.returncode == 0 and "calibration" not in unnamed.stdout
    assert (tmp_path / "out" / "front.png").exists() and not (tmp_path / "out" / "calibration.png").exists()


@pytest.mark.slow
def test_what_records_name_runs_only_where_the_user_names_its_package(named, caplog):
    sweep(named / "out", seeds=1, report={"sections": ["ownpkg.parts.good"]})
    cli.main([str(named / "out")])
    assert "report.sections must be in fairrun or a package that you name" in caplog.text
    assert "the report on adult goes without it" in caplog.text and "ownpkg" not in sys.modules
    cli.main([str(named / "out"), "--sections", "ownpkg.parts.good"])
    assert (named / "out" / "mine.csv").exists()


def test_a_package_of_the_environment_may_lie_in_the_current_folder(named, monkeypatch):
    monkeypatch.setenv(plugins.VARIABLE, "ownpkg")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(named))])
    sweep(named / "out", seeds=1, report={"sections": ["ownpkg.parts.good"]})
    cli.main([str(named / "out")])
    assert (named / "out" / "mine.csv").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raising", "KeyError: 'test/calibration' (in raising, {file}:8); "),
        ("number", "({file}:11): InputError: what it returns must be a Section, or None, got 'int'; "),
        ("cells", "({file}:15): InputError: a cell of the table own must be text, as f'{{value:.3f}}', got 3; "),
        ("taken", "the file must be another one than comparisons.csv, front.png, "),
        ("outside", "the file must be letters, digits, _, -, and .csv of a CSV, got '../mine.csv'; "),
        ("chart", "charts must be of fairrun.report.charts.chart.Chart, got 'dict'; "),
        ("undrawable", "({file}:31): ValueError: "),
    ],
)
def test_a_section_that_cannot_be_shown_is_one_line(named, shown, caplog, name, said):
    trade, beside = shown
    plugins.allow(["ownpkg"])
    assert own.sections(trade, ReportOptions(sections=(f"ownpkg.parts.{name}",)), beside) == []
    (line,) = caplog.messages
    assert line.startswith(f"report.sections: ownpkg.parts.{name}") and "\n" not in line
    assert said.format(file=named / "ownpkg" / "parts.py") in line
    assert line.endswith("the report on adult goes without it")


def test_the_others_are_shown_beside_one_that_raises(named, caplog):
    sweep(named / "out", seeds=1)
    paths = report(named / "out", ReportOptions(sections=tuple(f"ownpkg.parts.{name}" for name in NAMES)))
    assert {path.name for path in paths} == WRITTEN | {"mine.csv"}
    assert [message.partition(": KeyError")[0] for message in caplog.messages] == [
        "report.sections: ownpkg.parts.raising"
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("ownpkg.parts.god", "has no attribute 'god'; did you mean good?"),
        ("ownpkg.prts.good", "No module named 'ownpkg.prts'; did you mean parts?"),
        ("ownpkg.parts.BROKEN", "has no attribute 'BROKEN'"),
        ("good", "sections must be in fairrun or a package that you name"),
        ("ownpkg.parts.Section", "sections must be the path of a function build(trade, options) -> Section or None"),
    ],
)
def test_a_section_that_is_not_there_is_refused_with_the_nearest(named, path, said):
    sweep(named / "out", seeds=1)
    with pytest.raises(SystemExit) as stop:
        cli.main([str(named / "out"), "--sections", path])
    assert said in str(stop.value) and "\n" not in str(stop.value)
