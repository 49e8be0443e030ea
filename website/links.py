"""Links from pages to files of the repository outside docs/: each such file has a page of its own, source/PATH."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS, SOURCE = "docs/", "source/"
LANGUAGES = {".py": "python", ".yaml": "yaml", ".cpp": "cpp", ".toml": "toml", "": "bash"}  # others are text
FENCE = "`" * 5  # no file has as many
_LINK = re.compile(r"(?<=\]\()[^)\s#]+(?=[#)])")
_HEAD = "---\nsearch:\n  exclude: true\n---\n\n"


def source_pages(pages: Mapping[str, str]) -> dict[str, str]:
    """The text of a page for each file of the repository that ``pages`` lead to, by where the page is."""
    found: dict[str, str] = {}
    asked = list(pages.items())
    while asked:
        uri, text = asked.pop()
        for path in _leads_to(text, uri):
            other = _uri(path)
            if other.startswith(SOURCE) and other not in found:
                found[other] = _page(ROOT / path)
                asked.append((other, found[other]))
    return found


def led(markdown: str, uri: str) -> str:
    """``markdown`` of the page at ``uri``, with its links to files of the repository led to their pages."""

    def lead(match: re.Match[str]) -> str:
        path = _path(match[0], uri)
        return posixpath.relpath(_uri(path), posixpath.dirname(uri)) if path else match[0]

    return markdown if _is_code(uri) else _LINK.sub(lead, markdown)


def _leads_to(text: str, uri: str) -> Iterator[str]:
    links = [] if _is_code(uri) else _LINK.findall(text)
    return filter(None, (_path(link, uri) for link in links))


def _path(link: str, uri: str) -> str:
    """The path in the repository that a link of the page at ``uri`` leads to; "" for a link that mkdocs understands."""
    here = _place(uri)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(here), link))
    within = here.startswith(DOCS) and path.startswith(DOCS)
    return "" if within or "://" in link or path.startswith("..") or not (ROOT / path).exists() else path


def _uri(path: str) -> str:
    """Where the page of a path in the repository is."""
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    return f"{SOURCE}{path}" if path.endswith(".md") else f"{SOURCE}{path}.md"


def _place(uri: str) -> str:
    """The path in the repository that the page at ``uri`` shows."""
    if not uri.startswith(SOURCE):
        return f"{DOCS}{uri}"
    path = uri.removeprefix(SOURCE)
    return path if (ROOT / path).exists() else path.removesuffix(".md")


def _is_code(uri: str) -> bool:
    """Whether a page shows a file as code, in which nothing is a link."""
    path = ROOT / _place(uri)
    return path.is_file() and path.suffix != ".md"


def _page(path: Path) -> str:
    """A file as a page: Markdown as it is, a folder as a list of its files, any other as code."""
    name = path.relative_to(ROOT).as_posix()
    if path.is_dir():
        files = [f"- [{file.name}]({path.name}/{file.name})" for file in sorted(path.iterdir()) if file.is_file()]
        return "\n".join([f"{_HEAD}# {name}", "", *files, ""])
    text = path.read_text(encoding="utf-8").rstrip()
    if path.suffix == ".md":
        return f"{_HEAD}{text}\n"
    kind = f'{{.{LANGUAGES.get(path.suffix, "text")} title="{name}" linenums="1"}}'
    return f"{_HEAD}# {path.name}\n\n{FENCE} {kind}\n{text}\n{FENCE}\n"
