"""Facts about the data sets, as ``fairrun data`` tells them, kept in website/facts.json for the pages about data.

``.venv/bin/python -m website.facts`` counts all data sets that need no files of yours; NAME ... counts some anew.
"""

import json
import sys
from pathlib import Path
from typing import Any

from fairrun.about import files
from fairrun.command.line import composition
from fairrun.config.build import build
from fairrun.config.check import InputError
from fairrun.facts.facts import facts_of

FILE = Path(__file__).with_name("facts.json")
COMMAND = ".venv/bin/python -m website.facts"
KEPT = ("rows", "groups", "classes", "base_rates", "features", "data_sha256")


def main(names: list[str]) -> None:
    """Count the data sets ``names``, or all, and write the file."""
    found = read()
    for name in names or files.choices("dataset"):
        try:
            found[name] = counted(name)
            print(f"{name}: counted", flush=True)
        except InputError as error:
            print(f"{name}: not counted, {error}", flush=True)
    lines = [f"{json.dumps(name)}: {json.dumps(facts)}" for name, facts in sorted(found.items())]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def read() -> dict[str, dict[str, Any]]:
    """The facts of each data set that was counted."""
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return found


def counted(name: str) -> dict[str, Any]:
    """The facts of a data set with its default configuration.  Raises ``InputError`` where it cannot be had."""
    node = composition([f"dataset={name}"])[0]["dataset"]
    if missing := [key for key, value in node.items() if value == "???"]:
        raise InputError(f"{', '.join(missing)} must be given")
    facts, account = facts_of(build(node, "dataset"))
    columns = [column.name for column in account.columns]
    return {key: facts[key] for key in KEPT} | {"columns": len(columns), "warnings": list(account.warnings)}


if __name__ == "__main__":
    main(sys.argv[1:])
