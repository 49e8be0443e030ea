"""The command line on a messy table of the user's own."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from fairrun.cli.subcommands import report
from tests.helpers.command import INLINE, records
from tests.helpers.here import run_here


def messy(path, num_rows=600):
    """Semicolons, cp1252, decimal commas, missing values, dates, an id, a constant, 300 levels."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "customer": [f"K-{k:05}" for k in range(num_rows)],
            "gender": rng.choice(["w", "m", "w "], num_rows),
            "age": rng.integers(18, 80, num_rows),
            "income": [f"{v:.2f} €".replace(".", ",") for v in rng.lognormal(8, 0.5, num_rows)],
            "since": pd.date_range("1990-01-01", periods=num_rows, freq="5D").strftime("%d.%m.%Y"),
            "town": np.resize([f"Köln {k}" for k in range(300)], num_rows),
            "land": "DE",
            "repaid": rng.choice(["yes", "no"], num_rows),
        }
    )
    frame.loc[::20, "income"] = "#NV"
    frame.to_csv(path, sep=";", index=False, encoding="cp1252")


@pytest.mark.slow
def test_a_messy_table_is_trained_on_and_its_account_is_printed_recorded_and_shown(tmp_path):
    messy(tmp_path / "loans.csv")
    command = ["-m", "dataset=csv", "dataset.path=loans.csv", "dataset.label=repaid", "dataset.positive=true"]
    command += ["dataset.sensitive=[gender, {column: age, bins: [50]}]", "model=linear", "epochs=2", "seed=0,1"]
    done = run_here(tmp_path, *command, INLINE, "hydra.sweep.dir=out")
    assert done.returncode == 0, done.stderr
    printed = done.stdout + done.stderr
    assert printed.count("column    role") == 1 and "income    feature    number" in printed
    assert printed.count("column 'customer' has 600 categories in 600 rows: left out") == 1
    account = records(tmp_path / "out")[0]["account"]
    done_to = {column["name"]: column["done"] for column in account["columns"]}
    assert (
        "decimal comma; € left out; median" in done_to["income"]
        and done_to["since"] == "the day first; as year, month, day"
    )
    assert "200 most frequent of 300" in done_to["town"] and "constant ('DE')" in done_to["land"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert '<p class="note">Columns as read</p>' in page and "200 most frequent of 300" in page
    (income,) = (column for column in account["columns"] if column["name"] == "income")
    assert (income["marks"], income["decimal"]) == (["#NV"], ",")
    shown = columns_of(page)
    for path in (tmp_path / "out").rglob("record.json"):  # as records were before they had these fields
        record = json.loads(path.read_text())
        for column in record["account"]["columns"]:
            del column["marks"], column["decimal"], column["day_first"]
        path.write_text(json.dumps(record))
    report.main([str(tmp_path / "out")])
    assert (
        shown
        == columns_of((tmp_path / "out" / "report.html").read_text())
        == "name type values missing role done".split()
    )


def columns_of(page):
    """The headings of the table of columns."""
    head = page[page.index('<caption class="hidden">Columns as read') :].partition("</thead>")[0]
    return re.findall(r'<th scope="col">(\w+)</th>', head)


def test_a_single_run_says_how_many_test_rows_a_small_group_has(tmp_path):
    messy(tmp_path / "loans.csv")
    frame = pd.read_csv(tmp_path / "loans.csv", sep=";", encoding="cp1252")
    frame["gender"] = frame["gender"].mask(frame.index % 12 == 0, "x")
    frame.to_csv(tmp_path / "loans.csv", index=False)
    command = ["dataset=csv", "dataset.path=loans.csv", "dataset.label=repaid", "dataset.positive='yes'"]
    done = run_here(tmp_path, *command, "dataset.sensitive=[gender]", "model=linear", "epochs=1", "hydra.run.dir=out")
    assert done.returncode == 0, done.stderr
    rows = records(tmp_path / "out")[0]["base_rates"]["test"][2][0]
    assert rows < 30 and f"gender=x ({rows} rows)" in " ".join(done.stdout.split())
    assert f"group 'gender=x' has {rows} test rows" in done.stdout + done.stderr
