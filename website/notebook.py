"""The notebook of the tutorials: its cells carried out without Jupyter, and its page.

``.venv/bin/python -m website.notebook`` carries it out and writes what its cells print into it.
"""

import ast
import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from website.links import DOCS, ROOT

URI = "tutorials/notebook.md"
FILE = ROOT / DOCS / "tutorials" / "notebook.ipynb"
_HEAD = "[Download this page as a notebook](notebook.ipynb).\n"


def main() -> None:
    """Carry out the notebook in an empty folder, and keep what it prints."""
    notebook = read()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for cell, printed in carried_out(notebook):
            cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": printed}] if printed else []
    FILE.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read() -> dict[str, Any]:
    """The notebook."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def carried_out(
    notebook: Mapping[str, Any], names: dict[str, Any] | None = None
) -> Iterator[tuple[dict[str, Any], str]]:
    """Each cell of code, once it is carried out in the current folder, and what it prints.

    ``names``: what the code defines is put there.
    """
    names = {} if names is None else names
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                _carry_out("".join(cell["source"]), names)
            yield cell, printed.getvalue()


def _carry_out(source: str, names: dict[str, Any]) -> None:
    """A command behind !, or Python, of which a last expression is printed."""
    if source.startswith("!"):
        done = subprocess.run(shlex.split(source[1:]), capture_output=True, text=True, check=True, env=_environment())
        print(done.stdout, end="")
        return
    *body, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        body, last = [*body, last], None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        print("" if value is None else value, end="" if value is None else "\n")


def _environment() -> dict[str, str]:
    """With the folder of commands in which ``fairrun`` is installed."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "COLUMNS": "100",
    }


def page(notebook: Mapping[str, Any]) -> str:
    """The notebook as Markdown."""
    return "\n".join(part for cell in notebook["cells"] for part in _of_cell(cell))


def _of_cell(cell: Mapping[str, Any]) -> Iterator[str]:
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield f"{text}\n\n{_HEAD}" if text.startswith("# ") else f"{text}\n"
        return
    command = text.startswith("!")
    yield f"```{'console' if command else 'python'}\n{text.removeprefix('!')}\n```\n"
    for output in cell["outputs"]:
        yield f"```text\n{''.join(output['text']).rstrip()}\n```\n"


if __name__ == "__main__":
    main()
