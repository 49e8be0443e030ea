"""The configuration file of a data set of one's own."""

import shlex

import pytest

from fairrun.about import files
from fairrun.command.words import parsed
from fairrun.config.check import InputError
from fairrun.facts.written import command, path_of, refuse_existing, write


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "path"), [("", "conf/dataset/my.yaml"), ("x", "conf/dataset/x.yaml"), ("a/dataset/b.yaml", None)]
)
def test_the_file_goes_where_it_is_found(asked, path):
    assert str(path_of(asked, "/data/my.csv.gz")) == (path or asked)


@pytest.mark.parametrize("asked", ["adult", "some/where/b.yaml"])
def test_a_file_that_would_not_be_found_is_refused(asked):
    with pytest.raises(InputError, match="--yaml must be"):
        path_of(asked, "my.csv")


def test_a_second_file_of_the_same_name_is_refused_with_the_ways_out(here):
    write(path_of("", "my.csv"), "csv", {"label": "y"}, "My table")
    with pytest.raises(InputError, match="yet, as --yaml NAME for another one; --force writes this one anew, got"):
        refuse_existing(path_of("", "my.csv"), False)
    refuse_existing(path_of("", "my.csv"), True)
    refuse_existing(path_of("other", "my.csv"), False)


@pytest.mark.parametrize("force", [True, False])
def test_a_file_that_is_not_of_fairrun_is_never_written_over(force, here):
    (here / "conf" / "dataset").mkdir(parents=True)
    (here / "conf" / "dataset" / "taken.yaml").write_text("label: mine\n")
    with pytest.raises(InputError, match="this one was not written by fairrun: delete it to write it anew, got"):
        refuse_existing(path_of("taken", "my.csv"), force)


def test_in_a_clone_whose_conf_is_fairruns_own_it_is_the_same(here, monkeypatch):
    write(path_of("", "my.csv"), "csv", {"label": "y"}, "My table")
    monkeypatch.setattr(files, "choices", lambda group: ["adult", "my"])
    with pytest.raises(InputError, match="--force writes this one anew"):
        refuse_existing(path_of("", "my.csv"), False)
    with pytest.raises(InputError, match="another name than those of fairrun's data sets"):
        path_of("adult", "my.csv")


def test_values_stand_beside_their_comments_and_are_read_back(here):
    path = path_of("my", "my.csv")
    write(path, "csv", {"label": "größe", "positive": "yes", "sensitive": [{"column": "a", "bins": [1]}]}, "My table")
    text = path.read_text()
    assert text.startswith("# My table; written by fairrun data\ndefaults:\n  - csv\n  - _self_\nlabel: größe ")
    assert "positive: 'yes'                          # its value that is class 1" in text
    assert command(path) == "fairrun train dataset=my"
    for folder, name in (("a", "b"), ("my conf", "my data"), ("größe, it's", "2020")):
        train, _, searched, chosen = map(parsed, shlex.split(command(here / folder / "dataset" / f"{name}.yaml")))
        assert train is None and searched.value() == [f"file://{here}/{folder}"] and chosen.value() == name
