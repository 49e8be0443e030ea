"""What the command of a run makes today, by the files that it composes."""

import shutil
from html import unescape

import pytest
import yaml
from hydra.core.hydra_config import HydraConfig

from fairrun.api.run import Results
from fairrun.config.check import InputError
from fairrun.report.cli import show
from fairrun.report.rerun import otherwise
from fairrun.results import records
from fairrun.results.again import Started, command
from fairrun.results.records import identity_of, load
from hydra_plugins.fairrun_compose import today
from tests.helpers.records import record
from tests.helpers.reports import sweep, write_overrides

METHOD = "defaults:\n  - penalty\n  - _self_\nlam: {lam}\n"
DATASET = "defaults:\n  - german\n  - _self_\nsensitive: [{sensitive}]\n"


def save(place, group, text):
    """Write conf/GROUP/mine.yaml below ``place``."""
    path = place / "conf" / group / "mine.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def started_in(place, *plug_ins):
    return Started(place, list(plug_ins), str(place / "results"), {"num": 3})


def run(place, name, given=("method=mine", "dataset=german", "seed=0"), *, hydra=(), **changes):
    """Write the run that a command makes now in ``place`` -> its folder."""
    folder = place / name
    folder.mkdir(parents=True)
    values, shown = today([*hydra, *given], started_in(place))
    records.write(folder, record(**{"config": shown, "identity": identity_of(values)} | changes), None)
    write_overrides(folder, list(given), cwd=str(place), hydra=hydra, output_dir=str(place / "results"))
    return folder


@pytest.fixture
def place(tmp_path):
    save(tmp_path, "method", METHOD.format(lam=1))
    return tmp_path


@pytest.mark.slow
def test_a_run_whose_file_was_changed_and_changed_back_has_its_command(place):
    """What the files say now counts, not which record was written last."""
    first = run(place, "a", written="2026-01-01")
    save(place, "method", METHOD.format(lam=2))
    second = run(place, "b", written="2026-01-02")
    assert ": method.lam is 2, and was 1 (" in otherwise(first) and otherwise(second) == ""
    save(place, "method", METHOD.format(lam=1))
    assert otherwise(first) == "" and ": method.lam is 1, and was 2 (" in otherwise(second)


def test_runs_of_different_seeds_show_a_change_too(place):
    old = run(place, "a")
    save(place, "method", METHOD.format(lam=2))
    new = run(place, "b", ["method=mine", "dataset=german", "seed=1"])
    assert "method.lam is 2, and was 1" in otherwise(old) and otherwise(new) == ""


def test_what_a_command_line_says_comes_before_the_file(place):
    folder = run(place, "a", ["method=mine", "method.lam=5", "dataset=german", "seed=0"])
    save(place, "method", METHOD.format(lam=2))
    assert otherwise(folder) == ""


def test_another_version_of_fairrun_is_named_where_it_may_be_the_cause(place):
    folder = run(place, "a", versions={"fairrun": "0.0.1", "torch": "2.0"})
    save(place, "method", METHOD.format(lam=2) + "eta: 1\n")
    text = otherwise(folder)
    assert text.startswith("its command trains another run now: method.eta is 1, and was not there; method.lam is 2, ")
    assert " (made by fairrun 0.0.1, torch 2.0; this is fairrun " in text and "file" not in text
    again = run(place, "b", versions=records.versions())
    save(place, "method", METHOD.format(lam=3))
    named = "method.eta is not there, and was 1; method.lam is 3, and was 2"
    assert otherwise(again) == f"its command trains another run now: {named}"


def test_a_digest_that_another_version_made_otherwise_is_no_difference(place):
    assert otherwise(run(place, "a", identity="0" * 64)) == ""


@pytest.mark.slow
def test_a_value_of_the_environment_is_told_apart_and_not_shown(place, monkeypatch):
    """Where another version made the record, nothing tells whether the value or the digest is another."""
    given = ["method=erm", "dataset=german", "seed=0", "dataset.label=${oc.env:MINE_SECRET}"]
    monkeypatch.setenv("MINE_SECRET", "first-secret")
    ours, other = run(place, "a", given, versions=records.versions()), run(place, "b", given)
    assert otherwise(ours) == otherwise(other) == ""
    monkeypatch.setenv("MINE_SECRET", "other-secret")
    assert otherwise(ours) == "its command trains another run now: values from the environment are others"
    assert otherwise(other) == ""


def test_a_command_that_is_refused_now_says_why(place):
    folder = run(place, "a")
    (place / "conf" / "method" / "mine.yaml").unlink()
    assert otherwise(folder).startswith("its command is refused now: method=mine is no choice")


def test_a_path_below_the_folder_where_the_run_was_started_is_no_refusal(place, tmp_path_factory, monkeypatch):
    """Whatever the folder of the report is, and with Hydra's own configuration as it was."""
    given = ["method=erm", "dataset=csv", "dataset.path=${hydra:runtime.cwd}/my.csv", "dataset.label=y", "seed=0"]
    folder = run(place, "a", given)
    assert records.read(folder)["config"]["dataset"]["path"] == f"{place}/my.csv"
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    before = HydraConfig.initialized()
    assert otherwise(folder) == "" and HydraConfig.initialized() is before


def test_what_belongs_to_the_run_alone_is_no_difference(place):
    given = [
        "method=erm",
        "dataset=csv",
        "dataset.path=${hydra:runtime.output_dir}/${hydra:job.num}",
        "dataset.label=y",
    ]
    folder = run(place, "a", [*given, "seed=0"])
    assert records.read(folder)["config"]["dataset"]["path"] == f"{place}/results/3" and otherwise(folder) == ""


def test_files_of_a_plug_in_that_the_command_names_are_found(place):
    (place / "mine").mkdir()
    (place / "conf").rename(place / "mine" / "conf")
    given = ["method=mine", "dataset=german", "plugins=[mine]", "seed=0"]
    folder = run(place, "a", given, hydra=[f"hydra.searchpath=[file://{place}/mine/conf]"])
    assert otherwise(folder) == "" and "searchpath" not in str(command(folder))
    (place / "mine" / "conf" / "method" / "mine.yaml").write_text(METHOD.format(lam=2))
    assert "method.lam is 2, and was 1" in otherwise(folder)
    shutil.rmtree(place / "mine")
    assert otherwise(folder).startswith("its command is refused now: method=mine is no choice")


@pytest.mark.slow
def test_where_the_environment_is_another_one_nothing_is_claimed(place, monkeypatch):
    given = ["method=erm", "dataset=german", "seed=0", "dataset.label=${oc.env:MINE_LABEL}"]
    monkeypatch.setenv("MINE_LABEL", "a-label")
    folder = run(place, "a", given)
    monkeypatch.delenv("MINE_LABEL")
    assert otherwise(folder) == ""
    resolver = [*given[:3], "dataset.label=${of_a_package:1}"]
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(resolver))
    assert otherwise(folder) == ""
    lacking = [*given[:3], "dataset.label=${dataset.no_such_key}"]
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(lacking))
    assert otherwise(folder).startswith("its command is refused now: ")


@pytest.mark.parametrize("source", ["file://more", "'file://more'", "more", "'file://with space'"])
def test_a_search_path_is_seen_from_the_folder_where_the_run_was_started(place, source, tmp_path_factory, monkeypatch):
    name = source.strip("'").removeprefix("file://")
    save(place, "method", METHOD.format(lam=3))
    (place / "conf").rename(place / name)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    folder = run(place, "a", hydra=[f"hydra.searchpath=[{source}]"])
    assert records.read(folder)["config"]["method"]["lam"] == 3 and otherwise(folder) == ""
    shutil.rmtree(place / name)
    assert f"the search path must hold folders that exist, got '{place}/{name}'" in otherwise(folder)


def test_a_mistake_of_the_program_is_no_statement_about_the_run(place, monkeypatch):
    folder = run(place, "a")

    def broken(config, given):
        raise AttributeError("ours")

    monkeypatch.setattr("hydra_plugins.fairrun_compose.task_of", broken)
    with pytest.raises(AttributeError, match="ours"):
        otherwise(folder)


def test_a_file_that_is_no_yaml_is_a_refusal(place):
    folder = run(place, "a")
    save(place, "method", "lam: [")
    assert otherwise(folder).startswith("its command is refused now: ")
    (place / "conf" / "method" / "mine.yaml").write_bytes(b"lam: \xff\xfe1")
    assert "mine.yaml must be text in UTF-8" in otherwise(folder)
    save(place, "method", "defaults: erm\nlam: 1")
    assert otherwise(folder).startswith("its command is refused now: ") and "Invalid defaults list" in otherwise(folder)


def test_where_the_files_are_not_here_nothing_is_claimed(place, tmp_path_factory):
    """Nor is a package imported for its files."""
    there = tmp_path_factory.mktemp("there")
    folder = shutil.move(run(place, "a"), there)
    shutil.rmtree(place)
    assert otherwise(there / "a") == "" and folder
    write_overrides(made := tmp_path_factory.mktemp("b"), ["seed=0"], str(there), hydra=["hydra.searchpath=[pkg://no]"])
    assert otherwise(made) == ""
    write_overrides(made := tmp_path_factory.mktemp("c"), ["seed=0"], str(there))
    (made / ".hydra" / "overrides.yaml").unlink()
    assert otherwise(made) == ""


def test_files_of_another_folder_of_the_command_line_count(place, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    save(other, "method", METHOD.format(lam=3))
    folder = run(place, "a", hydra=[f"hydra.searchpath=[file://{other}/conf]"])
    assert otherwise(folder) == ""
    save(other, "method", METHOD.format(lam=4))
    assert "method.lam is 4, and was 3" in otherwise(folder)
    shutil.rmtree(other)
    lost = f"the search path must hold folders that exist, got '{other}/conf'"
    assert otherwise(folder) == f"its command is refused now: {lost}"


def swept(place, name):
    """A sweep on the data set mine, as its file says now."""
    for row in sweep(place / name, seeds=2, dataset="mine"):
        folder = place / name / row["folder"].rpartition("/")[2]
        method = ["method=erm"] if row["method"] == "erm" else ["method=penalty", f"method.lam={row['method.lam']:g}"]
        given = [*method, "dataset=mine", f"seed={row['seed']}"]
        values, shown = composed(place, tuple(method), name)
        values, shown = values | {"seed": row["seed"]}, shown | {"seed": row["seed"]}
        made = records.read(folder) | {"config": shown, "identity": identity_of(values)}
        made["choices"]["metric"] = shown["metric"]["name"]
        records.write(folder, made, None)
        shutil.rmtree(folder / ".hydra")
        write_overrides(folder, given, cwd=str(place))


def composed(place, method, name, found={}):  # noqa: B006 - composed once for all seeds
    key = place, method, name
    if key not in found:
        found[key] = today([*method, "dataset=mine", "seed=0"], started_in(place))
    return found[key]


@pytest.mark.slow
def test_a_run_that_no_command_makes_any_more_has_none_and_stands_last(tmp_path, capsys):
    save(tmp_path, "dataset", DATASET.format(sensitive="sex"))
    swept(tmp_path, "old")
    save(tmp_path, "dataset", DATASET.format(sensitive="age"))
    swept(tmp_path, "new")
    show(tmp_path, load(tmp_path))
    page, printed = unescape((tmp_path / "report.html").read_text()), capsys.readouterr().out
    names = ["mine, sensitive sex", "mine, sensitive age"]
    assert page.index(f"{names[1]}:</span>") < page.index(f"{names[0]}:</span>")
    assert page.count("No command makes this any more: see below.") == 1
    for text in (page, " ".join(printed.split())):
        assert text.count("There is no command to train it again, as its command trains another run now") == 1
        assert "dataset.sensitive is [age], and was [sex] (made by fairrun 0.1.0, torch 2.9; this is" in text
        assert text.count("fairrun train method=") == 1
    results = Results(tmp_path)
    gone, there = (results.best(dataset=name) for name in names)
    assert gone.command is None and str(there.command).startswith("fairrun train method=")
    with pytest.raises(InputError, match="must hold its model, as its command trains another run now"):
        gone.model()
