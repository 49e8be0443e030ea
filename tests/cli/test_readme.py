"""The README's commands do what it says; its code, its table and its links are of what there is."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

import fairrun
from fairrun.command.benchmark import KEYS, jobs
from tests.helpers.command import INLINE, run_warm
from tests.helpers.here import run_here
from tests.helpers.synthetic import ALL_METHODS

ROOT = Path(fairrun.__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = re.findall(r"^python -m fairrun\.train (.*)$", README, flags=re.MULTILINE)
EXAMPLES = [command for command in dict.fromkeys(COMMANDS) if "loans.csv" not in command and "celeba" not in command]


def test_there_are_commands():
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("command", EXAMPLES)
def test_an_example_runs(command, tmp_path):
    """With one epoch, where it is a sweep with fewer runs and no workers, and with a module that there is."""
    command = command.replace("[mypkg]", "[tests]").replace("mypkg.Net", "tests.helpers.modules.Net")
    overrides = [re.sub(r"range\(\d\)", "range(1)", o).replace("0,0.5,1", "0,1") for o in shlex.split(command)]
    overrides += ["epochs=1", *([INLINE] if "-m" in overrides else [])]
    start = run_warm if "tracker=wandb" in overrides else run_here  # wandb starts threads
    done = start(tmp_path, *overrides, WANDB_SILENT="true", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in tmp_path.rglob("record.json")]
    assert records
    assert all(record["status"] == "finished" for record in records)


def test_the_benchmark_file_is_a_sweep(tmp_path):
    """As it stands, but for data set, seeds and epochs."""
    name, shown = re.search(
        r"```yaml\n# (conf/benchmark/\w+\.yaml), for: .*?\n(.*?)```", README, flags=re.DOTALL
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
    shown = yaml.safe_load(re.search(r"```yaml\n(# conf/benchmark/.*?)```", README, flags=re.DOTALL).group(1))
    assert set(shown) == set(KEYS)
    assert len(jobs(shown)) == 3 * 2 * 3


def test_the_whole_of_erm_is_the_file():
    shown = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL).group(1)
    assert (ROOT / "fairrun" / "methods" / "erm.py").read_text().endswith(f"\n\n\n{shown}")


def test_the_table_names_every_method():
    rows = [line.split("|")[1] for line in README.splitlines() if "](fairrun/methods/" in line]
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == ALL_METHODS


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_to_a_file_leads_to_one(page):
    links = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()) if "://" not in link]
    assert not [link for link in links if not (page.parent / link).exists()]
