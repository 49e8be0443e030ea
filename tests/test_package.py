"""The package as a whole: what imports what, and what a wheel holds."""

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import fairrun

PACKAGE = Path(fairrun.__file__).parent
ROOT = PACKAGE.parent
LAYERS = [  # a module imports from its own layer and those before it
    {"check"},
    {"build", "checkpoint", "executors", "progress"},
    {"data", "datasets"},
    {"method"},
    {"losses", "optim", "models", "metrics", "bargaining", "privacy", "resampling"},
    {"tasks"},
    {"native"},
    {"methods"},
    {"fit"},
    {"postprocess"},
    {"selection", "interval", "quoted"},
    {"pareto", "pairs", "relative"},
    {"ideal"},
    {"results"},
    {"tradeoff"},
    {"figure", "tables"},
    {"chart", "alignment", "multitask"},
    {"traces", "fronts", "curves"},
    {"page"},
    {"report", "tracking", "job", "search"},
    {"stacking"},
    {"references"},
    {"train"},
]
LAYER = {name: k for k, names in enumerate(LAYERS) for name in names}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def layer_name(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_point_one_way(path):
    for module in imports(path):
        if module.startswith("fairrun."):
            assert LAYER[module.split(".")[1]] <= LAYER[layer_name(path)], module


@pytest.mark.parametrize(
    ("library", "owner"),
    [
        ("hydra", "train"),
        ("omegaconf", "train"),
        ("wandb", "tracking"),
        ("optuna", "search"),
        ("fairlearn", "postprocess"),
    ],
)
def test_a_library_has_one_importer(library, owner):
    for path in MODULES:
        if layer_name(path) != owner:
            assert not any(module.split(".")[0] == library for module in imports(path)), path


def test_an_installed_wheel_runs_from_any_folder(tmp_path):
    """conf/ travels in the wheel."""
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        tmp_path,
        ROOT,
    ]
    subprocess.run(build, check=True, timeout=300)
    (wheel,) = tmp_path.glob("fairrun-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        assert {
            "fairrun/conf/train.yaml",
            "fairrun/report.html",
            "fairrun/reference/fairbinn.csv",
            "fairrun/reference/mtaf.csv",
        } <= set(archive.namelist())
        metadata = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "fairrun = fairrun.train:main" in archive.read(metadata).decode()
    (tmp_path / "elsewhere").mkdir()
    code = (
        "import fairrun, sys; assert fairrun.__file__.startswith(sys.argv.pop(1)), fairrun.__file__;"
        "from fairrun.train import main; main()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "site"), "dataset=german", "epochs=1", "hydra.run.dir=out"]
    variables = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        command, cwd=tmp_path / "elsewhere", env=variables, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "elsewhere" / "out" / "record.json").exists()
