"""Figures in tables of pages come from files."""

import re
import shlex
from pathlib import Path

import pytest

from bench.benchmark import BENCHMARKS
from tests.helpers.composed import composed, of_one_seed
from tests.helpers.quick import few
from website import tables

ROOT = Path(__file__).parents[2]
PAGES = {str(path.relative_to(ROOT)): path for path in tables.pages()}
MADE = ROOT / "docs" / "reproduced"  # pages that are made whole
FILES = sorted(tables.MEASURED.iterdir())
FIGURE = re.compile(r"\d?\.\d")


@pytest.mark.parametrize("name", PAGES)
def test_tables_are_those_of_the_files(name):
    text = PAGES[name].read_text()
    assert tables.filled(text) == text, f"{tables.COMMAND} makes the tables of {name} anew"


@pytest.mark.parametrize("name", [name for name, path in PAGES.items() if MADE not in path.parents])
def test_no_table_has_figures_that_come_from_no_file(name):
    """Settings are written as code."""
    assert by_hand(PAGES[name].read_text()) == []


def by_hand(text):
    """The rows of tables in a page that have figures and are made of no file."""
    rest = re.sub(r"```.*?```", "", tables.MARKED.sub("", text), flags=re.DOTALL)
    rows = [line.strip() for line in rest.splitlines() if line.lstrip().startswith("|")]
    return [row for row in rows if FIGURE.search(re.sub(r"`[^`]*`|\]\([^)]*\)", "", row))]


def test_a_figure_by_hand_is_found():
    text = "<!-- table sweep -->\n| a | .5 |\n<!-- /table -->\n| `0.5` | [x](a.1.md) |\n  | adult | .93 [.9, 1] |\n"
    assert by_hand(text) == ["| adult | .93 [.9, 1] |"]


def test_every_file_stands_in_a_page():
    marks = [mark for path in PAGES.values() for mark in tables.MARKED.finditer(path.read_text())]
    assert {name for mark in marks for name in mark[2].split()} - {"verdicts", "goals"} == {path.stem for path in FILES}


@pytest.mark.parametrize("path", few(FILES, 6), ids=lambda path: path.stem)
def test_a_file_says_how_its_values_were_measured(path):
    lines = tables.read(path)
    assert all(line[key] for line in lines for key in ("value", *tables.HOW))
    for command in {line["command"] for line in lines}:
        program, name, *rest = shlex.split(command.replace("nash/NAME", "nash/titanic"))
        if program == "fairrun":
            assert name == "sweep" and composed(of_one_seed(rest), several=True)
        else:
            assert (
                program == "scripts/benchmark"
                and name in BENCHMARKS
                and re.fullmatch(r"(--pairs \d+)?", " ".join(rest))
            )


def test_rows_and_columns_stand_as_in_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MEASURED", tmp_path)
    how = "mean [range],3,scripts/x,fairrun 1,2026-01-02,a machine"
    (tmp_path / "one.csv").write_text(
        f"data set,column,value,low,high,shows,n,command,versions,date,machine\n"
        f"adult,accuracy,0.80,0.79,0.81,{how}\nadult,gap,0.1,,,{how}\ngerman,accuracy,0.70,0.6,0.8,{how}\n"
    )
    (tmp_path / "two.csv").write_text(
        f"data set,column,value,low,high,shows,n,command,versions,date,machine\ncompas,gap,0.2,,,{how}\n"
    )
    text = "a\n\n<!-- table one two -->\n| old |\n<!-- /table -->\n\nb\n"
    assert tables.filled(text) == (
        "a\n\n<!-- table one two -->\n\n| data set | accuracy | gap |\n| --- | --- | --- |\n"
        "| adult | 0.80 [0.79, 0.81] | 0.1 |\n| german | 0.70 [0.6, 0.8] |  |\n| compas |  | 0.2 |\n\n"
        "Mean [range], n = 3; by `scripts/x`, fairrun 1, 2026-01-02, a machine.\n\n<!-- /table -->\n\nb\n"
    )
    assert tables.filled(tables.filled(text)) == tables.filled(text)


HEADER = "data set,column,value,low,high,shows,n,command,versions,date,machine\n"
LINE = "adult,gap,0.1,,,mean,3,scripts/x,fairrun 1,2026-01-02,a machine\n"


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (HEADER.replace("data set", "dataset") + LINE,
         "two.csv: the columns before 'column' must be those of one.csv, 'data set'; got 'dataset'"),
        (HEADER.replace("low", "lowest") + LINE, "two.csv: the header must have the column 'low', got data set,"),
        (HEADER, "two.csv: there must be a line for each value, got none"),
        ("", "two.csv: the header must have the column 'column', got nothing"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_as_it_must_be_is_named_with_its_column(second, said, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MEASURED", tmp_path)
    (tmp_path / "one.csv").write_text(HEADER + LINE)
    (tmp_path / "two.csv").write_text(second)
    page = tmp_path / "page.md"
    page.write_text("<!-- table one two -->\n<!-- /table -->\n")
    monkeypatch.setattr(tables, "pages", lambda: [page])
    with pytest.raises(SystemExit, match=re.escape(said)):
        tables.main()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([{}, {"command": "scripts/y"}], "Mean, n = 3; by `scripts/x`, `scripts/y`, fairrun 1, torch 2, 2026, A."),
        ([{}, {"versions": "fairrun 2, torch 2"}],
         "Mean, n = 3; by `scripts/x`, fairrun 1 and fairrun 2, torch 2, 2026, A."),
        ([{}, {"n": "5", "machine": "B"}], "Mean; by `scripts/x`, fairrun 1, torch 2, 2026: n = 3, A; n = 5, B."),
        ([{}, {"command": "scripts/y", "versions": "fairrun 2, torch 2"}],
         "Mean, n = 3; torch 2, 2026, A: by `scripts/x`, fairrun 1; by `scripts/y`, fairrun 2."),
    ],
)  # fmt: skip
def test_a_caption_says_once_what_its_values_share(changes, said):
    own = {"shows": "mean", "n": "3", "command": "scripts/x", "versions": "fairrun 1, torch 2", "date": "2026"}
    assert tables.caption([own | {"machine": "A"} | change for change in changes]) == said
