"""Texts of the package as Markdown."""

import html
import re
from collections.abc import Iterable, Sequence

_SIGNS = re.compile(r"([\\`*_{}\[\]|])")
_CODE = re.compile(r"``(.+?)``")


def plain(text: str) -> str:
    """A text that holds no Markdown, as it reads."""
    return _SIGNS.sub(r"\\\1", html.escape(text, quote=False))


def prose(text: str) -> str:
    """A text of docstrings, in which ``code`` has two backticks, in one line."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(code(part) if k % 2 else _linked(plain(part)) for k, part in enumerate(parts))


def _linked(text: str) -> str:
    """The text with its addresses of the web as links."""
    return re.sub(r"https?://[^\s);,]*[^\s);,.:]", lambda m: f"<{m[0].replace(chr(92), '')}>", text)


def code(text: str) -> str:
    """Text of the configuration or of code, also within a table."""
    return f"`{text}`" if text and "`" not in text and "|" not in text else plain(text)


def link(text: str, path: str) -> str:
    """A link to ``path``, relative to the page."""
    return f"[{text}]({path})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; cells are Markdown already.  Nothing without rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return ["", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines, ""] if lines else []


def block(text: str, language: str = "text", title: str = "") -> list[str]:
    """The lines of a block of code."""
    return [
        "",
        f"````{{.{language}{f' title={chr(34)}{title}{chr(34)}' if title else ''}}}",
        *text.splitlines(),
        "````",
        "",
    ]


def page(title: str, *lines: str) -> str:
    """A page with its title."""
    return "\n".join([f"# {title}", "", *lines, ""])
