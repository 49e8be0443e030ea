"""The package as a whole: what imports what, and what a wheel holds."""

import ast
import functools
import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

import fairrun

PACKAGE = Path(fairrun.__file__).parent
ROOT = PACKAGE.parent
FLOORS = [  # a package imports from the floors before its own, and from itself
    {"config"},
    {"about"},
    {"command", "method", "data", "results"},
    {"models", "methods", "estimators", "datasets", "analysis"},
    {"training", "report"},
    {"trackers", "contract"},
    {"runs"},
    {"train", "facts", "api", "kit"},
    {"claims"},
    {"cli"},
]
FLOOR = {name: k for k, names in enumerate(FLOORS) for name in names}
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
LINE = ("line", "compose", "words", *(f"mistakes/{name}" for name in ("choices", "explain", "keys", "overrides")))
COMMANDS = ("__main__.py",)  # what ``python -m`` runs; nobody imports it


@functools.cache
def imports(path):
    """The modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return names + [node.module for node in nodes if isinstance(node, ast.ImportFrom)]


def package(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_imports_point_one_way():
    wrong = []
    for path in MODULES:
        if path.name in COMMANDS or (path.parent == PACKAGE and path.name == "__init__.py"):
            continue
        own = package(path)
        for module in imports(path):
            other = module.split(".")[1] if module.startswith("fairrun.") else own
            if other != own and FLOOR[other] >= FLOOR[own]:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {module}")
    assert not wrong


def test_every_package_has_a_floor():
    assert {package(path) for path in MODULES} - {"__init__", "__main__"} == FLOOR.keys()


def test_a_folder_holds_few_modules():
    """At most 3 at the top and 9 in a folder, but for the catalogues, which grow by a file an entry, and the report:
    its options, their kinds, its sections' type, the mark of small groups and what a command makes today stand beside
    the page, tables and terminal; the runs: what a job is, where it is, with which others it is trained, what it tells
    and what it leaves are apart from who trains it; data: each step from rows to tensors, what it refuses, and the
    tensors that are kept; analysis: a question each; training: each part of the loop, thresholds, and an outcome, its
    metrics and their columns; and command: its words and what they compose are apart.  Config: how messages tell
    what to type is one more.
    """
    modules = [path for path in MODULES if not path.name.startswith("__")]
    numbers = Counter(str(path.parent.relative_to(PACKAGE)) for path in modules)
    limits = {".": 3, "report": 14, "runs": 11, "data": 16, "analysis": 11, "training": 15, "claims": 10, "command": 11}
    limits |= {"config": 10}
    limits |= dict.fromkeys(["methods", "models", "datasets", "cli/subcommands", "report/sections"], len(modules))
    assert not {folder: number for folder, number in numbers.items() if number > limits.get(folder, 9)}


def test_nothing_asks_what_a_method_has():
    """``fairrun.method.Method`` declares every hook, with a default."""
    wrong = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {ast.unparse(node)}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr")
        if ast.unparse(node.args[0]) in ("method", "bound")
    ]
    assert not wrong


def test_no_configuration_looks_for_a_key_that_another_file_may_have():
    """Hydra composes presets; the resolver oc.select would hide a misspelt key."""
    assert not [path for path in (ROOT / "conf").rglob("*.yaml") if "oc.select" in path.read_text()]


def test_tests_lie_in_the_folders_that_the_package_has():
    """Beside them: the command line, benchmarks, the documentation, golden losses, snapshots, shared code."""
    tests = {path.name for path in Path(__file__).parent.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert tests - {"cli", "bench", "website", "golden", "snapshots", "helpers"} <= FLOOR.keys()


def test_no_test_imports_another():
    tests = Path(__file__).parent
    wrong = [
        f"{path.relative_to(tests)} imports {module}"
        for path in tests.rglob("test_*.py")
        for module in imports(path)
        if module.split(".")[0] == "tests" and module.split(".")[1] != "helpers"
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        ("hydra", ["train", *(f"command/{name}" for name in LINE), "command/guard", "api/run", "api/session"]),
        (
            "omegaconf",
            [
                "train",
                *(f"command/{name}" for name in (*LINE, "guard", "environment", "folders")),
                "api/session",
            ],
        ),
        ("wandb", ["trackers/wandb"]),
        ("mlflow", ["trackers/mlflow"]),
        ("tensorboard", ["trackers/tensorboard"]),
        ("optuna", ["runs/search"]),
        ("fairlearn", ["training/thresholds/postprocess", "methods/reductions"]),
        ("lightgbm", ["estimators/trees", "estimators/saved"]),
        ("skops", ["estimators/saved"]),
        ("oxonfair", ["training/thresholds/oxonfair"]),
    ],
)
def test_a_library_has_few_importers(library, owners):
    for path in MODULES:
        if path not in [(PACKAGE / owner).with_suffix(".py") for owner in owners]:
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
            "fairrun/about/completion.bash",
            "fairrun/about/completion.zsh",
            "fairrun/about/completion.fish",
            "fairrun/kit/template/method.py.txt",
            *(f"fairrun/report/{name}" for name in ("template.html", "chart.html", "page.css", "page.js")),
            "fairrun/report/published/fairbinn.csv",
            "fairrun/report/published/mtaf.csv",
        } <= set(archive.namelist())
        metadata = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "fairrun = fairrun.cli.main:main" in archive.read(metadata).decode()
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
