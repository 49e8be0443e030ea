"""Comments and keys of configuration files."""

import pytest
from omegaconf import OmegaConf

from fairrun.about import files
from tests.helpers.quick import few
from tests.helpers.synthetic import config

TEXT = """# @package _global_
# What it does.  More
# of it.
defaults:
  - other
  - _self_
a: 1        # one
b: "x # y"  # two,
            # on two lines
# between
node:       # a node
  c: {d: 2} # three
  e: [1,
      2]    # four
"""
CHOICES = [(group, name) for group in ("method", "dataset", "model") for name in files.choices(group)]


@pytest.fixture
def file(tmp_path):
    (tmp_path / "one.yaml").write_text(TEXT)
    return files.read(tmp_path / "one.yaml")


def test_a_key_has_the_comment_behind_it_with_the_lines_that_continue_it(file):
    comments = {"a": "one", "b": "two, on two lines", "node": "a node", "node.c": "three", "node.e": "four"}
    assert {key: found.comment for key, found in file.keys.items() if found.comment} == comments
    assert {key: found.value for key, found in file.keys.items() if found.value} == {
        "a": "1",
        "b": '"x # y"',
        "node.c": "{d: 2}",
        "node.c.d": "2",
        "node.e": "[1, 2]",
    }


def test_the_summary_is_the_first_sentence(file):
    assert file.summary == "What it does" and file.head == ("What it does.  More", "of it.")


@pytest.mark.parametrize(("group", "name"), few(CHOICES, 30))
def test_the_keys_of_a_choice_are_those_that_hydra_composes(group, name):
    node = OmegaConf.to_container(config(f"{group}={name}")[group])
    node.pop("members", None)  # a key of every network, in train.yaml
    found = files.composed(group, name)
    leaves = {key: entry.value for key, entry in found.items() if entry.value and not entry.value.startswith("{")}
    assert {key: read(value) for key, value in leaves.items() if key in dotted(node)} == dotted(node)


def read(value):
    """A value as OmegaConf reads it, to which 1e-3 is a number."""
    return OmegaConf.to_container(OmegaConf.create(f"value: {value}"))["value"]


def dotted(node, prefix=""):
    """Leaves by dotted key; an empty mapping is none."""
    found = {}
    for key, value in node.items():
        if isinstance(value, dict):
            found |= dotted(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def test_every_choice_says_what_it_does():
    groups = ("method", "dataset", "model", "metric", "experiment", "sweep", "tracker")
    assert not [f"{g}={n}" for g in groups for n, path in files.choices(g).items() if not files.read(path).summary]


def test_a_folder_of_ones_own_adds_choices_and_replaces_none(tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "mine.yaml").write_text("# Mine\ndefaults: [csv, _self_]\nlabel: y\n")
    (tmp_path / "dataset" / "adult.yaml").write_text("label: other\n")
    folders = [files.CONF, tmp_path]
    assert "mine" in files.choices("dataset", folders)
    assert files.composed("dataset", "mine", folders)["label"].value == "y"
    assert files.composed("dataset", "mine", folders)["missing"].value == "indicator"
    assert files.composed("dataset", "adult", folders)["label"].value == "income"
