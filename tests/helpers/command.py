"""The command line in processes of its own."""

import json
import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

ROOT = str(Path(__file__).parents[2])
DESCRIPTION = ["dataset=csv", "dataset.path=table.csv", "dataset.label=hired", "dataset.positive='yes'"]
DESCRIPTION += ["dataset.sensitive=[group]", "epochs=2", "batch_size=32"]  # of the fixture csv
INLINE = "hydra.launcher.executor=inline"  # a sweep without workers: each would import torch for seconds


def run(folder, *overrides, module="fairrun.train", **environment):
    """``python -m module overrides`` in ``folder``: return code, standard output and error."""
    command = [sys.executable, "-m", module, *overrides]
    variables = os.environ | {"PYTHONPATH": ROOT, "COLUMNS": "100"} | environment
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=variables, timeout=300)


def run_warm(folder, *overrides, module="fairrun.train", **environment):
    """As ``run``, in a process forked off one that has imported what takes seconds (``tests.helpers.warm``)."""
    process = start_warm(folder, *overrides, module=module, **environment)
    process.join(timeout=300)
    texts = {name: (folder / f".{name}").read_text() for name in ("stdout", "stderr")}
    return SimpleNamespace(returncode=process.exitcode, **texts)


def start_warm(folder, *overrides, module="fairrun.train", **environment):
    """Start what ``run_warm`` runs -> the process; its outputs go to ``folder/.stdout`` and ``folder/.stderr``."""
    return start_forked(_child, folder, module, overrides, environment)


def start_forked(function, *arguments):
    """Start ``function(*arguments)`` in a process forked off the warm one -> the process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.helpers.warm", "tests.helpers.command"])
    process = context.Process(target=function, args=arguments)
    process.start()
    return process


def _child(folder, module, overrides, environment):
    os.chdir(folder)
    os.environ |= {"PYTHONPATH": ROOT, "COLUMNS": "100"} | environment
    sys.argv = [module, *overrides]
    sys.path.insert(0, str(folder))  # as -m does
    for name, number in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(folder / f".{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        print(stop.code if isinstance(stop.code, str) else "", end="", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)  # multiprocessing would wait for idle workers here, as a process of its own does not


def records(folder):
    """Every record below ``folder``, by path."""
    return [json.loads(path.read_text()) for path in sorted(folder.rglob("record.json"))]
