"""Sections: each module is listed, and a new one needs nothing but the list."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

import fairrun.report
from fairrun.report import ReportOptions, sections
from fairrun.report.section import Section, Table
from tests.helpers.reports import WRITTEN, sweep

HELPERS = {"own"}  # sections of other packages


def test_every_module_is_listed_once():
    modules = {path.stem for path in Path(sections.__file__).parent.glob("*.py")} - {"__init__"} - HELPERS
    listed = [build.__module__.rpartition(".")[2] for build in sections.SECTIONS]
    assert len(listed) == len(set(listed))
    assert set(listed) == modules


def build(trade, options):
    """A section with one of everything."""
    if trade.dataset == "law_school":
        return None
    rows = pd.DataFrame({"method": ["erm"], "cost": ["3 | 4"]})
    table = Table("costs", rows, "What it costs.", "Costs of training")
    unlisted = Table("more", rows, "More of it.", in_files=False)
    figure = Figure()
    figure.subplots().plot([0, 1], [0, 1])
    return Section("Costs", {"costs": figure}, "A line", tables=[table, unlisted], csv={"costs.csv": rows})


@pytest.mark.slow
def test_a_section_that_is_listed_is_in_every_file(tmp_path, monkeypatch):
    monkeypatch.setattr(sections, "SECTIONS", [*sections.SECTIONS, build])
    sweep(tmp_path, seeds=2)
    files = {path.name: path for path in fairrun.report.report(tmp_path)}
    assert set(files) == WRITTEN | {"costs.png", "costs.pdf", "costs.svg", "costs.csv"}
    page = files["report.html"].read_text()
    assert "<h3>Costs</h3>" in page and "<h4>Costs of training</h4>" in page and 'alt="A line"' in page
    assert "What it costs." in page and "More of it." in page
    assert r"| erm | 3 \| 4 |" in files["table.md"].read_text()
    assert "More of it." not in files["table.md"].read_text()
    assert "tab:adult-costs" in files["table.tex"].read_text()
    assert files["costs.csv"].read_text() == "dataset,method,cost\nadult,erm,3 | 4\n"


@pytest.mark.slow
def test_a_section_of_one_data_set_is_left_out_of_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(sections, "SECTIONS", [*sections.SECTIONS, build])
    sweep(tmp_path, seeds=1)
    sweep(tmp_path, seeds=1, dataset="law_school")
    names = {path.name for path in fairrun.report.report(str(tmp_path))}
    assert {"costs_adult.png", "front_law_school.png"} <= names
    assert "costs_law_school.png" not in names


def test_the_function_takes_options(tmp_path):
    sweep(tmp_path, seeds=1)
    fairrun.report.report(tmp_path, ReportOptions(columns=("roc_auc",)))
    assert "roc auc" in (tmp_path / "table.md").read_text()


def test_options_import_neither_torch_nor_matplotlib():
    code = "import sys, fairrun.report; print({'torch', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
