"""The blocks of code of Markdown pages, and the commands in them."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
_BLOCK = re.compile(r"^( *)(`{3,})(\w*)([^\n]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')


class Block(NamedTuple):
    """A block between two lines of backticks."""

    language: str
    title: str  # ```yaml title="conf/method/mine.yaml": the file that it is
    text: str


def name(page):
    return str(page.relative_to(ROOT))


def blocks(page):
    """The blocks of a page, in order."""
    for indent, _, language, more, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        title = _TITLE.search(more)
        plain = re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
        yield Block(language, title[1] if title else "", plain)


def commands(text):
    """The commands of a block as lists of words, without comments; those that && joins are apart."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while "&&" in words:
            yield words[: words.index("&&")]
            words = words[words.index("&&") + 1 :]
        if words:
            yield words
