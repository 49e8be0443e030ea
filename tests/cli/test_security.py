"""What a stranger's configuration cannot do to who runs it."""

import pytest

from tests.helpers.command import DESCRIPTION, INLINE, records
from tests.helpers.here import run_here

SECRET = "sk-secret-of-mine"
EVIL = """
import pathlib
pathlib.Path("it_ran").touch()
class Method: ...
"""
FILES = {
    "a method": "plugins: [evil]\nmethod: {_target_: evil.Method}\n",
    "a callback": "plugins: [evil]\nhydra: {callbacks: {x: {_target_: evil.Method}}}\n",
    "a log handler": "hydra: {job_logging: {handlers: {x: {class: evil.Method}}}}\n",
    "a command line": "hydra: {overrides: {task: ['plugins=[evil]']}}\nmethod: {_target_: evil.Method}\n",
    "a variable": "hydra: {job: {env_set: {FAIRRUN_PLUGINS: evil}}}\nmethod: {_target_: evil.Method}\n",
    "a folder": "hydra: {output_subdir: ../../elsewhere}\n",
}


def stranger(folder, text):
    (folder / "evil.py").write_text(EVIL)
    (folder / "conf" / "experiment").mkdir(parents=True)
    (folder / "conf" / "experiment" / "theirs.yaml").write_text(f"# @package _global_\n{text}")
    return [*DESCRIPTION, f"hydra.searchpath=[file://{folder}/conf]", "experiment=theirs", "hydra.run.dir=out"]


@pytest.mark.parametrize("name", FILES)
def test_an_experiment_of_a_stranger_runs_no_code_and_writes_nothing_elsewhere(tmp_path, csv, name):
    done = run_here(tmp_path, *stranger(tmp_path, FILES[name]))
    assert done.returncode == 1 and " must be " in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "it_ran").exists() and not (tmp_path / "elsewhere").exists()
    assert not records(tmp_path)


def texts(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes().decode(errors="replace") for path in files}


@pytest.mark.parametrize(
    "sweep", [["hydra.run.dir=out"], ["-m", "hydra.sweep.dir=out", INLINE, "epochs=1,2"]], ids=["run", "sweep"]
)
def test_a_value_of_the_environment_is_in_no_file_of_a_run(tmp_path, csv, sweep):
    keys = [*DESCRIPTION, "dataset.name=${oc.env:MINE}", "seed='${oc.decode:${oc.env:SEED}}'"]
    done = run_here(tmp_path, *sweep, *keys, MINE=SECRET, SEED="7")
    assert done.returncode == 0, done.stderr
    found = records(tmp_path)
    assert found[0]["config"]["dataset"]["name"] == "${oc.env:MINE}"
    assert found[0]["config"]["seed"] == found[0]["seed"] == 7
    assert [path for path, text in texts(tmp_path / "out").items() if SECRET in text] == []
    assert SECRET not in done.stderr + done.stdout


@pytest.mark.slow
def test_another_value_of_the_environment_is_another_run(tmp_path, csv):
    given = ["-m", *DESCRIPTION, "dtype=${oc.env:KIND}", "epochs=1,2", "hydra.sweep.dir=out", INLINE]
    for kind, before in (("float32", 0), ("float32", 2), ("float64", 0)):
        done = run_here(tmp_path, *given, KIND=kind)
        assert f"2 runs, {before} of them done before" in done.stdout, done.stderr
    assert len(records(tmp_path)) == 4


def test_a_refused_value_of_the_environment_is_not_shown(tmp_path, csv):
    done = run_here(tmp_path, *DESCRIPTION, "dtype=${oc.env:MINE}", "hydra.run.dir=out", MINE=SECRET)
    assert done.returncode == 1
    assert "dtype must be one of float32, float64, got '${oc.env:MINE}'" in done.stderr
    assert [path for path, text in texts(tmp_path / "out").items() if SECRET in text] == []
