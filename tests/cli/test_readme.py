"""The README's commands do what it says."""

import json
import re
import shlex
from pathlib import Path

import pytest

import fairrun
from tests.helpers.command import INLINE, run, run_warm

ROOT = Path(fairrun.__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^python -m fairrun\.train (.*)$", README, flags=re.MULTILINE)
EXAMPLES = [command for command in dict.fromkeys(COMMANDS) if "loans.csv" not in command and "celeba" not in command]


def test_there_are_commands():
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("command", EXAMPLES)
def test_an_example_runs(command, tmp_path):
    """With one epoch, and where it is a sweep with fewer runs and no workers."""
    overrides = [o.replace("0,0.5,1", "0,1").replace("range(3)", "range(1)") for o in shlex.split(command)]
    overrides += ["epochs=1", *([INLINE] if "-m" in overrides else [])]
    start = run if "tracker=wandb" in overrides else run_warm
    done = start(tmp_path, *overrides, WANDB_SILENT="true", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in tmp_path.rglob("record.json")]
    assert records
    assert all(record["status"] == "finished" for record in records)


def test_the_whole_of_erm_is_the_file():
    """The code that the README shows is erm.py without docstrings, blank lines, annotations and step numbers."""
    shown = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL).group(1)
    source = (ROOT / "fairrun" / "methods" / "erm.py").read_text()
    source = source[source.index("@dataclass") :]
    source = re.sub(r'^ *""".*"""\n', "", source, flags=re.MULTILINE)
    source = re.sub(r"\((self, model|theta)[^)]*\) -> [^\n]*:\n", lambda m: plain(m.group(0)), source)
    assert squeezed(shown) == squeezed(source.replace("  # 1\n", "\n"))


def plain(signature):
    names = [part.split(":")[0].strip() for part in signature[1 : signature.index(")")].split(",")]
    return f"({', '.join(names)}):\n"


def squeezed(code):
    return [line.rstrip() for line in code.splitlines() if line.strip()]


def test_the_method_table_counts_lines():
    for name, lines in re.findall(r"\[(\w+\.py)\]\(fairrun/methods/\w+\.py\) \| (\d+) \|", README):
        assert len((ROOT / "fairrun" / "methods" / name).read_text().splitlines()) == int(lines), name
