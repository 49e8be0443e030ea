"""The documentation builds, and its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from website import links, nav

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The documentation, as scripts/docs builds it."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    variables = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_every_page_of_docs_is_built_and_in_the_nav(built):
    pages = [path.relative_to(ROOT / "docs").with_suffix("") for path in sorted((ROOT / "docs").rglob("*.md"))]
    urls = [str(page.parent) if page.name == "index" else str(page) for page in pages]
    assert not [url for url in urls if not (built / url / "index.html").exists()]
    shown = (built / "claims" / "index.html").read_text()
    nav = [link.strip("./") for link in re.findall(r'<a href="([^"]*)" class="md-nav__link', shown)]
    assert not [url for url in urls if url not in [*nav, "claims", "."]]


@pytest.mark.slow
def test_a_link_to_a_source_file_leads_to_its_page(built):
    page = (built / "methods" / "irw" / "index.html").read_text()
    assert 'href="../../source/fairrun/methods/irw.py/"' in page
    assert "gradient" in (built / "source" / "fairrun" / "methods" / "irw.py" / "index.html").read_text()


def test_links_of_code_and_of_the_web_stay():
    text = "[a](https://example.org/x.py) and [b](nowhere.py) and [c](irw.md)"
    assert links.led(text, "methods/nash_meta.md") == text


def test_a_page_outside_docs_links_to_pages_and_to_files():
    text = links.led(
        "[a](docs/claims.md#verdicts) [b](fairrun/methods/erm.py) [c](SECURITY.md)", "source/CONTRIBUTING.md"
    )
    assert text == "[a](../claims.md#verdicts) [b](fairrun/methods/erm.py.md) [c](SECURITY.md)"


def test_a_pattern_takes_what_nothing_else_names():
    pages = ["index.md", "a/x.md", "a/first.md", "a/y.md", "a/deep/z.md", "b.md"]
    given = ["index*", {"A": ["a/first.md", "a/*"]}, {"Empty": ["c/*"]}, {"B": "b.md"}]
    assert nav.filled(given, pages) == ["index.md", {"A": ["a/first.md", "a/x.md", "a/y.md"]}, {"B": "b.md"}]
