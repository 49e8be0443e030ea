"""What messages tell the user to type is read as it is meant."""

import shlex

import pytest
import yaml

from fairrun.command.words import parsed, quoted
from fairrun.config.ways import of_dataset, override

WORDS = ["größe", "true", "M ", "it's", 'say "no"', "a,b", "-9", "1.50", "Null", "x-ray", "Höhe (m)", "a: b", "C:\\"]
WORDS += [-9, 1.5, 1e-05, 1e16, True, None]


@pytest.mark.parametrize("word", WORDS)
def test_a_proposed_override_is_read_by_the_shell_and_by_hydra(word):
    for value in ([word], {"job": {"chef": [word, "cook"]}}, [{"column": word, "bins": [25, 60]}]):
        (given,) = shlex.split(override("+dataset.key", value))
        assert quoted([given]) == [given]
        assert parsed(given).value() == value


@pytest.mark.parametrize("name", ["größe", "M ", "true", "1", "a,b", "it's", "Höhe (m)"])
def test_where_the_command_line_cannot_have_a_key_the_lines_of_a_file_are_told(name):
    for value in ({name: ["a"]}, {"job": {name: ["a", name]}}):
        assert override("+dataset.merge", value) is None
        head, _, lines = of_dataset("+dataset.merge", value).partition(":\n")
        assert head.startswith("in a file conf/dataset/NAME.yaml, for dataset=NAME")
        assert yaml.safe_load(lines) == {"defaults": ["csv", "_self_"], "merge": value}
    assert of_dataset("+dataset.merge", {"job": {"x ray": [name]}}).startswith("by '+dataset.merge={job: {x ray: [")
