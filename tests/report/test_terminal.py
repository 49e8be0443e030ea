"""Tables fit the terminal: columns go, digits never do."""

import pandas as pd
import pytest
from rich.console import Console

from fairrun.report import cli as report
from fairrun.report.terminal import GAP, Shown
from tests.helpers.quick import few
from tests.helpers.reports import sweep

VALUE = "0.123 [0.012, 0.234]"
ROWS = pd.DataFrame(
    {"method": ["erm", "penalty"], "lam": ["", "0.5"], "seeds": ["3", "3"]}
    | {name: [VALUE, VALUE] for name in ("accuracy", "demographic parity difference", "roc auc", "log loss")}
    | {"front": ["", "*"]}
)
KEYS = ["method", "lam", "seeds"]


def printed(shown: Shown, width: int) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as found:
        console.print(shown)
    return [line.rstrip() for line in found.get().splitlines()]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 160])
def test_every_digit_is_there_at_every_width(width):
    lines = printed(Shown(ROWS, "title", "caption", KEYS), width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert text.count("0.123") == text.count("[0.012, 0.234]") == 8
    assert "…" not in text
    assert text.count("*") == 1  # the mark stands in the first part


def test_a_wide_terminal_has_one_part_and_intervals_beside_their_values():
    parts, left = Shown(ROWS, "title", "", KEYS).fitted(160)
    assert [list(part) for part in parts] == [list(ROWS)] and not left
    assert parts[0]["accuracy"].tolist() == [VALUE, VALUE]


def test_parts_have_the_keys_and_as_many_columns_as_fit():
    parts, _ = Shown(ROWS, "title", "", KEYS).fitted(70)
    assert all(list(part)[:3] == KEYS for part in parts)
    assert [name for part in parts for name in part if name not in (*KEYS, "front")] == list(ROWS)[3:-1]
    assert len(parts) == 2


def test_optional_columns_are_left_out_for_width_and_counted():
    optional = ["demographic parity difference", "roc auc", "log loss"]
    shown = Shown(ROWS, "title", "", KEYS, optional, file="methods.csv")
    assert shown.fitted(160)[1] == 0
    width = len("penalty") + len("0.5") + len("seeds") + len("front") + len(VALUE) + 4 * GAP
    assert "3 columns left out for width: methods.csv has all" in printed(shown, width)
    parts, left = shown.fitted(width)
    assert list(parts[0]) == [*KEYS, "accuracy", "front"] and left == 3


def test_a_published_row_stands_in_the_parts_in_which_it_has_a_figure():
    rows = pd.concat([ROWS, ROWS.tail(1).assign(method="published: FCRL", **{"roc auc": "-", "log loss": "-"})])
    first, second = Shown(rows, "title", "", KEYS).fitted(70)[0]
    assert (first["method"] == "published: FCRL").sum() == 1
    assert "published: FCRL" not in set(second["method"])


def test_brackets_in_a_name_are_no_markup():
    rows = ROWS.assign(method=["[bold]erm", "penalty"])
    assert "[bold]erm" in "\n".join(printed(Shown(rows, "[title]", "[caption]", KEYS), 160))


@pytest.mark.parametrize("width", few([60, 80], 1))
def test_a_report_fits_a_narrow_terminal(width, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    sweep(tmp_path)
    report.main([str(tmp_path), "--columns", "roc_auc"])
    tables = capsys.readouterr().out.partition("adult: take")[0].splitlines()
    assert max(map(len, tables)) <= width
    assert not [line for line in tables if "…" in line]
