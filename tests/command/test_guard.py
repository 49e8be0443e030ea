"""A stranger's configuration names no code but that of allowed packages."""

import sys

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_automatic_config_search_path
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime
from hydra.types import RunMode
from omegaconf import OmegaConf

from fairrun.command.guard import Guarded, check_hydra, is_inside
from fairrun.command.words import packages
from fairrun.config import plugins
from fairrun.config.check import InputError, imported, is_path
from fairrun.config.keys import CONF
from tests.helpers.quick import few

OUTSIDE = [
    "os.system",
    "builtins.eval",
    "subprocess.run",
    "torch.load",
    "torchvision.io.read_file",
    "fairrunning.x",
    "os",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_what_lies_outside_is_refused_before_it_is_imported(path):
    with pytest.raises(InputError, match=r"method\._target_ must be in fairrun, .*plugins=\[PACKAGE\].*got '"):
        imported(path, "method")
    assert not is_path(path)


@pytest.mark.parametrize(
    "path",
    ["fairrun.train.Path", "fairrun.train.os", "fairrun.trackers.wandb.read_csv", "torch.nn.functional.warnings"],
)
def test_what_a_module_has_only_imported_is_refused(path):
    with pytest.raises(InputError, match=r"method\._target_ must be "):
        imported(path, "method")


@pytest.mark.parametrize("path", ["fairrun.train.os.system", "fairrun.train.sys.exit"])
def test_a_module_is_no_package(path):
    with pytest.raises(InputError, match="must be a class or function that can be imported"):
        imported(path, "method")


def test_a_package_outside_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text("raise SystemExit('it ran')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError):
        imported("stranger.Method", "method")
    assert "stranger" not in sys.modules


def test_a_package_that_the_user_names_is_allowed_and_what_it_imports_is_not(tmp_path, monkeypatch):
    (tmp_path / "mine_allowed.py").write_text("from os import system\n\nclass Own: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(plugins.VARIABLE, "other, mine_allowed")
    assert imported("mine_allowed.Own", "method").__name__ == "Own"
    with pytest.raises(InputError, match=r"must be defined in .* got 'mine_allowed.system' of posix"):
        imported("mine_allowed.system", "method")


def test_names_come_from_the_command_line():
    assert packages(["method=erm", "plugins=[a,b.c]", "-m"]) == ["a", "b.c"]
    assert packages(["plugins=a"]) == ["a"]
    assert packages(["plugins=[]", "method=erm"]) == []
    for wrong in ("plugins=a,b", "plugins=[1]", "plugins=['a b']", "plugins=null", "plugins={a: b}"):
        with pytest.raises(InputError, match="plugins must be a list of packages"):
            packages([wrong])


def test_names_are_added_to_those_of_the_environment(monkeypatch):
    monkeypatch.setenv(plugins.VARIABLE, "a")
    plugins.allow(["b", "a"])
    assert plugins.named() == ["a", "b"]


HYDRA = {
    "callbacks": {"folder": {"_target_": "fairrun.train.OutputFolder"}},
    "launcher": {"_target_": "hydra_plugins.fairrun_launcher.StackedLauncher", "address": None},
    "sweeper": {"_target_": "hydra_plugins.fairrun_sweepers.GridSweeper"},
    "sweep": {"subdir": "${hydra.job.num}"},
    "output_subdir": ".hydra",
    "job": {"name": "train", "num": "???", "env_set": {}, "env_copy": []},
    "hydra_logging": {"handlers": {"console": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}}},
    "job_logging": {"handlers": {"file": {"class": "logging.FileHandler", "filename": "x/train.log"}}},
}


@pytest.fixture(autouse=True)
def no_configuration_yet(monkeypatch):
    """As in a new process: another test may have left Hydra's."""
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)


def hydra(changes):
    config = OmegaConf.create({"hydra": HYDRA})
    for key, value in changes.items():
        OmegaConf.update(config, f"hydra.{key}", value, force_add=True)
    return config.hydra


def test_what_hydra_is_given_today_passes():
    check_hydra(hydra({}), [])


REFUSED = {
    "a callback": {"callbacks.x": {"_target_": "os.system", "command": "true"}},
    "a function as a callback": {"callbacks.x": {"_target_": "fairrun.command.imports.load", "module": "x"}},
    "a part of a callback": {"callbacks.folder.part": {"_target_": "subprocess.run"}},
    "an entry of a list": {"callbacks.folder.parts": [{"_target_": "subprocess.run"}]},
    "a made node": {"callbacks.x": "${oc.create:{_target_:os.system}}"},
    "a node that is made late": {"callbacks.x": "${hydra:job.x}"},
    "a name that is made late": {"launcher._target_": "${hydra:job.x}"},
    "Hydra's tools": {"callbacks.x": {"_target_": "hydra.utils.get_method", "path": "os.system"}},
    "a launcher": {"launcher._target_": "subprocess.run"},
    "a sweeper": {"sweeper._target_": "builtins.eval"},
    "a log handler": {"job_logging.handlers.file.class": "subprocess.Popen"},
    "logging's imports": {"job_logging.handlers.file.class": "logging.os.system"},
    "a factory": {"hydra_logging.formatters": {"x": {"()": "os.system", "command": "true"}}},
    "a stream": {"hydra_logging.handlers.console.stream": "ext://this.s"},
    "a log file": {"job_logging.handlers.file.filename": "/home/me/.bashrc"},
    "a variable": {"job.env_set": {"CXX": "sh -c x"}},
    "a copied variable": {"job.env_copy": ["WANDB_API_KEY"]},
    "a cluster": {"launcher.address": "tcp://stranger"},
    "a command of SLURM": {"launcher.options": {"slurm_setup": ["rm"]}},
    "a folder above": {"sweep.subdir": "../${hydra.job.num}"},
    "a folder elsewhere": {"sweep.subdir": "/tmp/${hydra.job.num}"},
    "a folder for Hydra's files": {"output_subdir": "a/../../b"},
    "a name with folders": {"job.name": "../train"},
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED)
def test_what_hydra_would_run_or_write_elsewhere_is_refused(changes):
    with pytest.raises(InputError, match=f"^hydra.{next(iter(changes)).split('.')[0]}"):
        check_hydra(hydra(changes), [])


def test_what_is_typed_may_run_commands():
    check_hydra(hydra({"job.env_set": {"CXX": "g++"}}), ["+hydra.job.env_set.CXX=g++"])
    check_hydra(hydra({"launcher.address": "tcp://mine"}), ["-m", "hydra.launcher.address=tcp://mine"])


def test_paths_inside():
    assert all(map(is_inside, ("", "3", "a/b", "a..b")))
    assert not any(map(is_inside, ("..", "a/..", "/a", "a/../../b")))


@pytest.mark.parametrize(
    ("typed", "mode", "number"),
    few(
        [
            (["method=penalty", "method.lam=2", "+mine=1"], RunMode.RUN, 1),
            (["-m", "method=erm,penalty", "seed=0,1"], RunMode.MULTIRUN, 1),
            (["hydra.mode=MULTIRUN", "seed=0,1"], RunMode.MULTIRUN, 2),
            (["seed=0"], RunMode.MULTIRUN, 2),  # as a file may say
        ],
        2,
    ),
)
def test_a_start_composes_once_and_as_hydra_does(monkeypatch, typed, mode, number):
    composed = []
    compose = ConfigLoaderImpl._load_configuration_impl

    def counted(*given, **named):
        composed.append(compose(*given, **named))
        return composed[-1]

    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", counted)
    monkeypatch.setattr(Guarded, "arguments", tuple(typed))
    monkeypatch.setitem(JobRuntime.instance().conf, "name", "train")
    given = [word for word in typed if word != "-m"]
    loader = Guarded(create_automatic_config_search_path(None, None, str(CONF)))
    loader.load_configuration("train", given, RunMode.MULTIRUN, validate_sweep_overrides=False)
    found = loader.load_configuration("train", [*given, f"hydra.mode={mode.name}"], mode)
    assert len(composed) == number and found.hydra.mode == mode
    own = ConfigLoaderImpl(create_automatic_config_search_path(None, None, str(CONF)))
    again = own.load_configuration("train", [*given, f"hydra.mode={mode.name}"], mode)
    assert OmegaConf.to_container(found) == OmegaConf.to_container(again)
