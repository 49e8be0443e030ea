"""Plug-ins: installed packages that an entry point names, and packages in the current folder, which the user names."""

import sys

import pytest

from fairrun.about import declared
from fairrun.api.run import run
from fairrun.config import plugins
from tests.helpers.command import DESCRIPTION, records
from tests.helpers.here import run_here

METHOD = """
from dataclasses import dataclass
from pathlib import Path

from fairrun.methods.erm import ERM

Path("imported").touch()


@dataclass(frozen=True)
class Mine(ERM):
    needs = frozenset({"s"})
"""
CLASSES = """
class Plain:
    needs = frozenset({"s"})

class Late:
    @property
    def needs(self):
        return self.x
"""
YAML = "# A method of a plug-in\ndefaults: [{/optimizer@optimizer: adam}, _self_]\n_target_: greatplug.Mine\n"


@pytest.fixture
def package(tmp_path):
    """``package(FOLDER)`` writes the package greatplug with its configuration files there."""

    def write(folder):
        (folder / "greatplug" / "conf" / "method").mkdir(parents=True)
        (folder / "greatplug" / "__init__.py").write_text(METHOD)
        (folder / "greatplug" / "conf" / "method" / "great.yaml").write_text(YAML)

    return write


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    plugins.installed.cache_clear()
    yield folder
    plugins.installed.cache_clear()


def installed(site, group="fairrun.plugins"):
    info = site / "greatplug-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greatplug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\nmine = greatplug\n")


def fairrun(folder, *arguments):
    return run_here(folder, *arguments, module="fairrun", FAIRRUN_PLUGINS="")


def test_an_installed_plugin_is_found_and_trained_without_being_named(site, package, tmp_path, csv):
    package(site)
    installed(site)
    listed = fairrun(tmp_path, "list", "methods", "--knows-groups", "yes").stdout
    assert "great " in listed and "A method of a plug-in" in listed and not (tmp_path / "imported").exists()
    done = fairrun(tmp_path, "train", "method=great", *DESCRIPTION, "epochs=1", "hydra.run.dir=out")
    assert done.returncode == 0, done.stderr
    assert records(tmp_path / "out")[0]["choices"]["method"] == "great"


PARTS = """
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fairrun.method import group_mean
from fairrun.models.mlp import MLP


class Net(MLP):
    pass


@dataclass(frozen=True)
class Rows:
    def frame(self, path):
        numbers = np.random.default_rng(0).normal(size=400)
        frame = pd.DataFrame({"x": numbers, "group": np.where(np.arange(400) % 3, "a", "b")})
        return frame.assign(hired=np.where(numbers > 0, "yes", "no"))


def least_rate(o):
    return ((o.rows[:, 0] - o.correct[..., 0] + o.correct[..., 1]) / o.rows.sum(-1)).amin(-1)


def low_scores(p, batch):
    return 1 - group_mean(p, batch.s, batch.num_groups, batch.w).amin(-1)
"""
FILES = {
    "model/net": "defaults: [mlp, _self_]\n_target_: greatplug.parts.Net\n",
    "metric/least": "_target_: greatplug.parts.least_rate\ngreater_is_better: true\n"
    "surrogate: greatplug.parts.low_scores\n",
    "dataset/own": "defaults: [_table, _self_]\nrows: {_target_: greatplug.parts.Rows}\nlabel: hired\npositive: 'yes'\n"
    "sensitive: [group]\nnumeric: [x]\ncategorical: []\npath: null\n",
}


def test_a_plugin_brings_a_network_a_metric_a_loss_and_a_data_set_too(site, package, tmp_path):
    package(site)
    (site / "greatplug" / "parts.py").write_text(PARTS)
    for name, text in FILES.items():
        path = site / "greatplug" / "conf" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    installed(site)
    given = ["method=penalty", "model=net", "metric=least", "dataset=own", "epochs=1", "hydra.run.dir=out"]
    done = fairrun(tmp_path, "train", *given)
    assert done.returncode == 0, done.stderr
    (record,) = records(tmp_path / "out")
    assert record["config"]["method"]["fairness_loss"] == "greatplug.parts.low_scores"
    assert 0 <= record["metrics"]["test/least_rate"] <= 1


@pytest.mark.parametrize("group", ["other.plugins", None])
def test_an_installed_package_that_does_not_say_so_is_not_allowed(site, package, tmp_path, csv, group):
    package(site)
    if group:
        installed(site, group)
    assert "great" not in fairrun(tmp_path, "list", "methods").stdout
    own = ["method=erm", "method._target_=greatplug.Mine"]
    done = fairrun(tmp_path, "train", *own, *DESCRIPTION, "hydra.run.dir=out")
    assert done.returncode == 1 and "method._target_ must be in fairrun" in done.stderr
    assert not (tmp_path / "imported").exists()


def test_a_package_in_the_current_folder_runs_only_where_the_user_names_it(package, tmp_path, csv):
    package(tmp_path)
    (tmp_path / "conf" / "method").mkdir(parents=True)
    (tmp_path / "conf" / "method" / "here.yaml").write_text(YAML)
    listed = fairrun(tmp_path, "list", "methods").stdout
    assert "here" in listed and "great" not in listed
    done = fairrun(tmp_path, "train", "method=here", *DESCRIPTION, "hydra.run.dir=out")
    assert done.returncode == 1 and "method._target_ must be in fairrun" in done.stderr
    assert not (tmp_path / "imported").exists()
    done = fairrun(tmp_path, "train", "method=great", "plugins=[greatplug]", *DESCRIPTION, "hydra.run.dir=out")
    assert done.returncode == 0, done.stderr


def test_a_package_in_the_current_folder_is_found_from_python_too(package, tmp_path, described, monkeypatch):
    package(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    found = run("method=great", *described, plugins=["greatplug"], folder=tmp_path / "out")
    del sys.modules["greatplug"]
    assert found.record["choices"]["method"] == "great"


def test_the_current_folder_is_looked_at_last_and_only_where_a_package_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.setenv(plugins.VARIABLE, "")
    plugins.allow([])
    assert str(tmp_path) not in sys.path
    plugins.allow(["mypkg"])
    plugins.allow(["mypkg"])
    assert sys.path.count(str(tmp_path)) == 1 and sys.path[-1] == str(tmp_path)


def test_what_an_unnamed_class_says_of_itself_is_read_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(plugins.VARIABLE, "")
    (tmp_path / "unnamed.py").write_text(CLASSES)
    assert declared.attribute("unnamed.Plain", "needs", {}) == {"s"}
    assert declared.attribute("unnamed.Late", "needs", {"x": 1}) is None
    monkeypatch.setenv(plugins.VARIABLE, "unnamed")
    assert declared.attribute("unnamed.Late", "needs", {"x": 1}) == 1


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({}, True),
        ({"method.estimator._target_": "fairrun.estimators.scikit.MLP"}, True),
        ({"method.estimator._target_": "mypkg.Estimator"}, False),
        (
            {
                "method.estimator._target_": "fairrun.estimators.scikit.Classifier",
                "method.estimator.classifier": "mypkg.C",
            },
            False,
        ),
    ],
)
def test_networks_and_classifiers_of_known_packages_can_be_saved(node, expected):
    assert plugins.can_be_saved(node) == expected
