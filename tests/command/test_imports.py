"""When commands read torch."""

import subprocess
import sys
from pathlib import Path

import pytest


def out(program, *arguments):
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


BESIDE = """
import sys, threading
from pathlib import Path
from fairrun.command.imports import begin, load
begin(sys.argv[1:])
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join()
print("libtorch_cpu.so" in Path("/proc/self/maps").read_text(), "torch" in sys.modules)
load("torch")
import torch
print(torch.ones(2, 2).mm(torch.ones(2, 1)).sum().item())
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="tells what a process has read on Linux")
@pytest.mark.parametrize(("arguments", "reads"), [(["-m", "seed=0,1"], "True"), (["seed=0", "--cfg", "job"], "False")])
@pytest.mark.slow
def test_torchs_library_is_read_beside_other_work_where_a_command_trains(arguments, reads):
    assert out(BESIDE, *arguments) == [reads, "False", "4.0"]
