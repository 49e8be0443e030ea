"""The README is short, and what it and the pages show of the code is the code."""

import json
import re
from pathlib import Path

import pytest
import yaml

import fairrun
from fairrun.command.benchmark import KEYS, jobs
from tests.helpers.command import INLINE
from tests.helpers.here import run_here
from tests.helpers.synthetic import ALL_METHODS
from website import datasets, keys, methods, metrics

ROOT = Path(fairrun.__file__).parent.parent
README = (ROOT / "README.md").read_text()
SWEEPS = (ROOT / "docs" / "how-to" / "sweeps.md").read_text()
HOW_IT_WORKS = (ROOT / "docs" / "explanation" / "how-it-works.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_readme_is_short():
    assert len(README.split()) <= 900


def test_the_benchmark_file_is_a_sweep(tmp_path):
    """As it stands, but for data set, seeds and epochs."""
    name, shown = re.search(
        r"```yaml\n# (conf/benchmark/\w+\.yaml), for: .*?\n(.*?)```", SWEEPS, flags=re.DOTALL
    ).groups()
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(shown)
    given = ["benchmark=mine", "dataset=german", "seed=0", "epochs=1", INLINE]
    done = run_here(tmp_path, "sweep", *given, module="fairrun")
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in tmp_path.rglob("record.json")]
    ran = sorted((record["choices"]["method"], record["config"]["method"].get("lam", 0)) for record in records)
    assert ran == [("erm", 0), ("penalty", 0.1), ("penalty", 1)]


def test_the_benchmark_file_trains_all_that_it_names():
    shown = yaml.safe_load(re.search(r"```yaml\n(# conf/benchmark/.*?)```", SWEEPS, flags=re.DOTALL).group(1))
    assert set(shown) == set(KEYS)
    assert len(jobs(shown)) == 3 * 2 * 3


def test_the_whole_of_erm_is_the_file():
    shown = re.search(r"```python\n(.*?)```", HOW_IT_WORKS, flags=re.DOTALL).group(1)
    assert (ROOT / "fairrun" / "methods" / "erm.py").read_text().endswith(f"\n\n\n{shown}")


def test_the_table_names_every_method():
    rows = [line.split("|")[1] for line in README.splitlines() if "](fairrun/methods/" in line]
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == ALL_METHODS


@pytest.fixture(scope="module")
def made():
    """The pages of docs/ that are made when the documentation is built."""
    return {ROOT / "docs" / uri for module in (methods, metrics, datasets, keys) for uri in module.pages()}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_to_a_file_leads_to_one(page, made):
    links = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()) if "://" not in link]
    paths = [(page.parent / link).resolve() for link in links]
    assert not [path for path in paths if not path.exists() and path not in made]
