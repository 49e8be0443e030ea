"""Compare two commits bit for bit: metrics and histories of the runs of 22 commands, over all families of methods.

    python bench/compare.py run PYTHON OUT [COMMAND ...]   # train with the fairrun of that interpreter, below OUT
    python bench/compare.py diff OUT OTHER                 # name every run that differs; exit 1 if one does

To check a change that must not move a number, ``run`` with an environment of the commit before and with one of the
change, then ``diff`` the two folders.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

COMMANDS = dict(line.split(": ", 1) for line in Path(__file__).with_suffix(".txt").read_text().splitlines())


def run(python: str, out: Path, only: list[str]) -> None:
    """Train all commands, or those in ``only``.  If one fails, show the end of its standard error."""
    out.mkdir(parents=True, exist_ok=True)
    for name, command in COMMANDS.items():
        if only and name not in only:
            continue
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        place = f"hydra.sweep.dir={folder}" if command.startswith("-m") else f"hydra.run.dir={folder}"
        extra = ["hydra.launcher.executor=inline"] if command.startswith("-m") else []
        line = [python, "-m", "fairrun.train", *command.split(), place, *extra]
        done = subprocess.run(line, cwd=out, capture_output=True, text=True, check=False)
        count = len(list(folder.rglob("record.json")))
        print(f"{name}: exit {done.returncode}, {count} records", flush=True)
        if done.returncode:
            print(done.stderr[-1500:], flush=True)


def found(folder: Path) -> dict[str, dict[str, object]]:
    """The results of each run below ``folder``: method, selected epoch, metrics, and the history to the last bit."""
    runs = {}
    for path in sorted(folder.rglob("record.json")):
        record = json.loads(path.read_text())
        history = path.with_name("history.parquet")
        frame = pd.read_parquet(history) if history.exists() else pd.DataFrame()
        key = str(path.parent.relative_to(folder))
        if "stl/" in key:  # folders named by a hash of the configuration
            key = f"{key.split('/stl/')[0]}/stl/seed={record['seed']}"
        columns = {f"history {c}": frame[c].to_numpy().tobytes() for c in frame}
        runs[key] = {"method": record["choices"]["method"], "epoch": record["epoch"], **record["metrics"], **columns}
    return runs


def diff(ours: Path, theirs: Path) -> int:
    """Print and count the runs that differ, for commands that both folders have."""
    a, b = found(ours), found(theirs)
    shared = {key.split("/")[0] for key in a} & {key.split("/")[0] for key in b}  # commands that both have run
    a, b = ({key: value for key, value in runs.items() if key.split("/")[0] in shared} for runs in (a, b))
    count = 0
    for key in sorted(a.keys() | b.keys()):
        if key not in a or key not in b:
            print(f"only in {ours if key in a else theirs}: {key}")
            count += 1
            continue
        differ = [c for c in sorted(a[key].keys() | b[key].keys()) if a[key].get(c) != b[key].get(c)]
        if differ:
            print(f"{key}: {', '.join(differ[:6])}")
            count += 1
    print(f"{len(a)} and {len(b)} runs, {count} differ")
    return count


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(sys.argv[2], Path(sys.argv[3]).resolve(), sys.argv[4:])
    else:
        sys.exit(bool(diff(Path(sys.argv[2]), Path(sys.argv[3]))))
