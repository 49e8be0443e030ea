"""What commands import of torch, and what they leave out until it is needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
import sys
from fairrun.command.imports import LATER, load, whole
load("torch")
import torch
there = lambda: LATER[0] in sys.modules and "meta_index_Tensor" in vars(sys.modules[LATER[0]])
print(there(), torch.randperm(1, generator=torch.Generator().manual_seed(0)).item())
"""
USES = {
    "the device meta": "whole()",
    "a module": "import torch._decomp\nassert torch._decomp.register_decomposition",
    "a module below it": "from torch._decomp.decompositions import pw_cast_for_opmath",
    "one that it imports": "from torch.utils._content_store import ContentStoreReader",
    "a slope": "torch.func.jvp(torch.sin, (torch.ones(2),), (torch.ones(2),))",
}
END = '\nprint(there(), torch.histc(torch.empty(3, device="meta")).shape[0])'


def out(program, *arguments, plugins="", **environment):
    environment = os.environ | {"FAIRRUN_PLUGINS": plugins} | environment
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("use", USES)
def test_what_torch_does_without_data_is_imported_when_it_is_needed(use):
    assert out(BEGIN + USES[use] + END) == ["False", "0", "True", "100"]


def test_beside_code_of_ones_own_all_of_torch_is_imported_at_once():
    assert out(BEGIN + END, plugins="mypkg") == ["True", "0", "True", "100"]


def test_an_import_of_torch_that_fails_leaves_nothing(tmp_path):
    (tmp_path / "torch.py").write_text("import nothing_of_this_name\n")
    program = "import sys\nfrom fairrun.command.imports import load\ntry:\n    load('torch')\n"
    program += "except ModuleNotFoundError as error:\n    print(error.name, [m for m in sys.modules if 'torch' in m])"
    assert out(program, PYTHONPATH=str(tmp_path)) == ["nothing_of_this_name", "[]"]


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
def test_torchs_library_is_read_beside_other_work_where_a_command_trains(arguments, reads):
    assert out(BESIDE, *arguments) == [reads, "False", "4.0"]
