"""Texts that a person has read: tests/snapshots/NAME holds what NAME was when its commit was reviewed."""

from difflib import unified_diff
from pathlib import Path

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"


def compare(name, text, rewrite=False):
    """Fail with the difference where ``text`` is not that of the file ``name``; ``rewrite`` makes it so."""
    path = SNAPSHOTS / name
    if rewrite:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    before = path.read_text() if path.exists() else ""
    difference = unified_diff(before.splitlines(), text.splitlines(), f"snapshots/{name}", "now", lineterm="")
    assert before == text, "\n".join(["read this; if it is right, run pytest --snapshots:", *difference])
