"""A sweep's tables as files: for people as Markdown and LaTeX, for programs as CSV."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from fairrun.config.names import file_name
from fairrun.report.section import Chapter
from fairrun.report.style import UNKNOWN


def write(folder: Path, chapters: Sequence[Chapter]) -> list[Path]:
    """Write ``table.md`` and ``table.tex``, with all tables, and the CSV files of the sections."""
    texts: dict[str, list[str]] = {"table.md": [], "table.tex": ["% needs \\usepackage{booktabs}\n"]}
    frames: dict[str, dict[str, pd.DataFrame]] = {}
    for chapter in chapters:
        dataset = chapter.trade.dataset
        for section in chapter.sections:
            for table in (table for table in section.tables if table.in_files):
                texts["table.md"].append(markdown(table.rows, table.caption))
                texts["table.tex"].append(latex(table.rows, table.caption, f"tab:{file_name(dataset)}-{table.kind}"))
            for name, frame in section.csv.items():
                frames.setdefault(name, {})[dataset] = frame
    for name, parts in texts.items():
        (folder / name).write_text("\n".join(parts), encoding="utf-8")
    for name, parts_of in frames.items():  # below each other, with a column for the data set
        below = pd.concat(parts_of, names=["dataset", None]).reset_index("dataset")
        below.to_csv(folder / name, index=False)
    return [folder / name for name in (*texts, *frames)]


def markdown(table: pd.DataFrame, caption: str) -> str:
    """The table in GitHub's Markdown, below its caption."""
    text = "\n".join([caption, "", grid(list(table.columns), table.to_numpy().tolist())])
    return text.replace("*", r"\*") + "\n"


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The lines of a table in Markdown."""
    return "\n".join(map(line, [head, ["---"] * len(head), *rows]))


def line(cells: Iterable[str]) -> str:
    """A line of a table in Markdown."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def latex(table: pd.DataFrame, caption: str, label: str) -> str:
    r"""The table for LaTeX with \usepackage{booktabs}."""
    plain = table.replace(UNKNOWN, "--")
    style = plain.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
    columns = "l" + "r" * (len(table.columns) - 1)
    return style.to_latex(
        hrules=True, caption=_escaped(caption), label=label, position_float="centering", column_format=columns
    )


def _escaped(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, "\\" + character)
    return text
