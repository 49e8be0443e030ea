"""Which code a run's identity holds."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

from fairrun.config import source
from fairrun.config.source import MAKE_RESULTS, OWN, PACKAGE, module_hash, own_hash, sources

# What the worker imports and results do not hang on
SPEAKS_ONLY = {
    "estimators/boosted.py",
    "runs/live.py",
    "runs/progress.py",
    "trackers/__init__.py",
    "trackers/api.py",
    "report/options.py",
    "results/records.py",
}
SPEAKS_ONLY |= {f"config/{name}.py" for name in ("environment", "keys", "plugins", "ways")}


@pytest.fixture
def fresh():
    """Forget what was hashed, as a new process has."""
    for cached in (own_hash, module_hash, source._is_installed):
        cached.cache_clear()
    yield
    for cached in (own_hash, module_hash, source._is_installed):
        cached.cache_clear()


@pytest.fixture
def plugin(tmp_path, monkeypatch, fresh):
    """Write a module of a user's own and import it; call it again to change it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    written = set()

    def write(name, text):
        path = Path(tmp_path, *name.split(".")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()
        written.add(name)
        module_hash.cache_clear()
        return importlib.import_module(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fairrun."):
            yield node.module


def test_the_hash_covers_all_that_a_run_imports():
    """From the module that trains a stack, and those of data, methods and data sets, import by import."""
    parts = [path for name in ("data", "methods", "datasets") for path in (PACKAGE / name).rglob("*.py")]
    named = {f"fairrun.{'.'.join(path.relative_to(PACKAGE).with_suffix('').parts)}" for path in parts}
    left, seen = ["fairrun.runs.worker", *(name.removesuffix(".__init__") for name in sorted(named))], set()
    while left:
        path = PACKAGE.joinpath(*left.pop().split(".")[1:])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path not in seen and str(path.relative_to(PACKAGE)) not in SPEAKS_ONLY:
            seen.add(path)
            left += imports_of(path)
    covered = {file for name in MAKE_RESULTS for file in source._files(PACKAGE / name)}
    own = {path for path in seen if path.parts[-2] not in ("models", "methods", "datasets")}  # parts of their own
    assert own <= covered


def test_every_file_that_makes_results_is_there():
    assert all((PACKAGE / name).exists() for name in MAKE_RESULTS)
    assert PACKAGE / "training" / "native" / "kernels.cpp" in source._files(PACKAGE / "training")


def test_the_parts_are_the_modules_that_the_configuration_names(plugin):
    plugin("mine_source", "def gap(outcome): ...\n")
    config = {
        "method": {"_target_": "fairrun.methods.erm.ERM", "optimizer": {"_target_": "fairrun.training.optim.Adam"}},
        "metric": {"_target_": "mine_source.gap", "surrogate": "mine_source.loss"},
        "dataset": {"path": "mine_source.csv"},
    }
    importlib.import_module("fairrun.methods.erm")
    assert sources(config).keys() == {OWN, "fairrun.methods.erm", "mine_source"}
    assert sources({"dataset": {"path": "mine_source.csv"}}).keys() == {OWN}


def test_a_change_of_what_a_module_imports_is_a_change_of_it(plugin):
    plugin("helper_source", "k = 1\n")
    plugin("own_source.part", "k = 1\n")
    plugin("own_source.main", "import helper_source\nimport torch\n\ndef late():\n    from . import part\n")
    hashes = [module_hash("own_source.main")]
    for name in ("helper_source", "own_source.part"):
        plugin(name, "k = 2\n")
        hashes.append(module_hash("own_source.main"))
    plugin("own_source.other", "k = 1\n")  # which it does not import
    assert len(set(hashes)) == 3 and module_hash("own_source.main") == hashes[-1]


def test_a_module_without_a_file_has_another_hash_in_every_process(monkeypatch, fresh):
    monkeypatch.setitem(sys.modules, "of_a_notebook", type(sys)("of_a_notebook"))
    first = module_hash("of_a_notebook")
    module_hash.cache_clear()
    assert module_hash("of_a_notebook") != first


def test_a_method_is_not_changed_by_another_method(monkeypatch, fresh):
    erm = PACKAGE / "methods" / "erm.py"
    read = Path.read_bytes
    before = module_hash("fairrun.methods.erm"), module_hash("fairrun.methods.penalty")
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + (b"\n" if path == erm else b""))
    module_hash.cache_clear()
    after = module_hash("fairrun.methods.erm"), module_hash("fairrun.methods.penalty")
    assert after[0] != before[0] and after[1] == before[1]


def test_the_classes_that_a_recipe_names_in_a_list_are_a_part_too(plugin):
    plugin("own.layers", "from torch import nn\nclass Layer(nn.Module): pass\n")
    recipe = {"_target_": "torch.nn.Sequential", "_args_": [{"_target_": "own.layers.Layer"}]}
    before = sources({"model": {"module": recipe}})
    plugin("own.layers", "from torch import nn\nclass Layer(nn.Module): x = 1\n")
    assert before["own.layers"] != sources({"model": {"module": recipe}})["own.layers"]


def test_the_content_of_a_file_of_weights_is_a_part(tmp_path):
    config, path = {"model": {"weights": str(tmp_path / "w.pt")}}, tmp_path / "w.pt"
    found = []
    for content in (None, b"a", b"b", b"a"):
        if content is not None:
            path.write_bytes(content)
        found.append(sources(config)["model.weights"])
    assert len(set(found)) == 3 and found[1] == found[3]
    assert "model.weights" not in sources({"model": {"weights": None}})
