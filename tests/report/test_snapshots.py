"""What a report says, as a person has read it: pytest --snapshots writes it anew, to be read in the difference."""

import pandas as pd
import pytest

from fairrun.report import cli as report
from tests.helpers import bargaining
from tests.helpers.reports import sweep, texts, write_run

RATES = {f"{split}/selection_rate": 0.5 for split in ("val", "test")}
COLLAPSED = {f"{split}/selection_rate": 0.0 for split in ("val", "test")}
ASKED = {
    "tables": {"columns": ["roc_auc", "selection_rate"], "compare": (("penalty", "erm"),), "test_oracle": True},
    "tables_of_the_worst_seeds": {"seed_summary": "worst"},
    "tables_with_published_points": {"published": ("fairbinn",)},
}


@pytest.mark.parametrize("name", ASKED)
def test_the_tables_and_their_captions(name, tmp_path, snapshot):
    rows = [*sweep(tmp_path, **RATES), write_run(tmp_path, lam=2.25, **COLLAPSED)]
    snapshot(f"{name}.md", texts(tmp_path, rows, **ASKED[name])["table.md"].read_text())


def test_the_tables_of_methods_that_bargain(tmp_path, snapshot):
    snapshot("tables_of_bargaining.md", texts(tmp_path, bargaining.sweep(tmp_path))["table.md"].read_text())


def test_what_the_command_prints(tmp_path, snapshot, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    report.show(tmp_path, pd.DataFrame([*sweep(tmp_path), write_run(tmp_path, lam=7.0, status="failed")]))
    lines = capsys.readouterr().out.replace(str(tmp_path), "FOLDER").splitlines()
    snapshot("terminal.txt", "".join(f"{line.rstrip()}\n" for line in lines))
