"""The command that trains a run of a sweep again, alone."""

import shlex
from pathlib import Path

import pytest
import yaml

import fairrun
from fairrun.results.again import command, sweep_command
from fairrun.results.records import read
from tests.helpers.command import DESCRIPTION, INLINE, records
from tests.helpers.here import run_here
from tests.helpers.reports import on_searchpath, write_overrides

pytestmark = pytest.mark.filterwarnings("ignore:groups of fewer than")  # of tables that are small

TRAIN = "fairrun train "


def written(folder, *args, **keys):
    write_overrides(folder, *args, **keys)
    return folder


def test_overrides_that_make_no_run_another_run_are_left_out(tmp_path):
    given = ["tracker=wandb", "tracker.project=p", "+report.compare.penalty=erm", "results.save=none", "resume=false"]
    kept = ["method=penalty", "~tuned@method", "optimizer@method.optimizer=sgd", "++dataset.path=a b.csv"]
    kept += ["plugins=[mypkg]", "device=cpu", "dataset.split.seed=${seed}", "seed=3"]
    found = command(written(tmp_path, [*given[:2], *kept, *given[2:]]))
    assert shlex.split(found) == ["fairrun", "train", *kept, "results.save=chosen"]
    assert "'++dataset.path=a b.csv'" in found


def test_folders_of_configuration_files_stay(tmp_path):
    searched, own = "hydra.searchpath=[file:///home/b/conf]", "hydra.searchpath=[file:///home/a/conf]"
    sources = [{"path": "/x/conf", "provider": "main"}, {"path": "/home/c", "provider": "command-line"}]
    quoted = "hydra.searchpath=['file:///home/a/conf']"  # as of a folder with a space in its name
    for name, hydra, given in (("own", [own], []), ("quoted", [quoted], []), ("other", [searched], [searched])):
        (tmp_path / name).mkdir()
        found = command(written(tmp_path / name, ["seed=1"], sources=sources, hydra=hydra))
        assert shlex.split(found)[2:] == ["--config-dir=/home/c", *given, "seed=1", "results.save=chosen"]


def test_folders_of_plug_ins_that_the_command_names_do_not_stay(tmp_path, monkeypatch):
    monkeypatch.setattr("fairrun.config.plugins.folders", lambda: [Path("/lib/installed/conf")])
    own, named, installed = (
        "file:///home/a/conf",
        "'file:///it''s/mine/sub/conf'".replace("''", "\\'"),
        "file:///lib/installed/conf",
    )
    for k, (sources, plugins, stays) in enumerate(
        [
            ([own, named, installed], "plugins=[other,mine.sub]", False),
            ([named], "plugins=mine.sub", False),
            ([named], "plugins=[mine]", True),
            ([named, "file:///home/b/conf"], "plugins=[mine.sub]", True),
            ([own, "pkg://mine.sub.conf"], "plugins=[mine.sub]", True),
        ]
    ):
        searched = f"hydra.searchpath=[{','.join(sources)}]"
        (tmp_path / str(k)).mkdir()
        found = shlex.split(command(written(tmp_path / str(k), [plugins], hydra=[searched])))
        assert found[2:] == [*([searched] if stays else []), plugins, "results.save=chosen"]


def test_a_sweep_is_repeated_with_the_folders_that_were_named(tmp_path):
    node = {"overrides": {"task": ["seed=0,1"], "hydra": ["hydra.searchpath=[file:///home/b]", "hydra.mode=MULTIRUN"]}}
    sources = [{"path": "/home/c", "provider": "command-line"}, *on_searchpath("hydra.searchpath=[file:///home/b]")]
    node |= {"runtime": {"cwd": "/home/a", "config_sources": sources}}
    (tmp_path / "multirun.yaml").write_text(yaml.safe_dump({"hydra": node}))
    assert shlex.split(sweep_command(tmp_path))[2:] == [
        "--config-dir=/home/c",
        "hydra.searchpath=[file:///home/b]",
        "seed=0,1",
    ]


@pytest.mark.parametrize("text", [None, "", "3", "[1]", "[a"])
def test_there_is_none_where_the_overrides_cannot_be_read(text, tmp_path):
    if text is not None:
        written(tmp_path, [])
        (tmp_path / ".hydra" / "overrides.yaml").write_text(text)
    assert command(tmp_path) is None


@pytest.mark.slow
@pytest.mark.parametrize("given", [[], ["experiment=mine", "--config-dir=own"]])
def test_the_printed_command_trains_the_same_run_and_saves_its_model(given, tmp_path, csv):
    """An own table, a file of one's own, a key that ERM lacks, a value from another key."""
    for folder in ("conf/model", "own/experiment"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "own/experiment/mine.yaml").write_text("# @package _global_\nmodel:\n  width: 8\n")
    sweep = [*DESCRIPTION, "dataset.label='hired'", "method=erm,penalty", "method.lam=0.5,1", "seed=1,2"]
    sweep += ["dataset.split.seed=${seed}", "fairness_bound=1", "report.degenerate=keep", "results.save=none", *given]
    done = run_here(tmp_path, "-m", *sweep, INLINE)
    assert done.returncode == 0, done.stderr
    line = done.stdout.strip().splitlines()[-2].strip()
    assert line.startswith(TRAIN)
    again = run_here(tmp_path, *shlex.split(line.removeprefix(TRAIN)))
    assert again.returncode == 0, again.stderr
    (folder,) = (tmp_path / "outputs" / "runs").iterdir()
    alone = read(folder)
    (same,) = [run for run in records(tmp_path / "outputs" / "sweeps") if run["key"] == alone["key"]]
    assert same["identity"] == alone["identity"]
    assert same["metrics"] == alone["metrics"]
    assert fairrun.load(folder).metrics(csv.iloc[1:]) is not None
