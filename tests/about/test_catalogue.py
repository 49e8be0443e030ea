"""What can be chosen, one line each."""

import pytest

from fairrun.about import catalogue


def entries(what):
    return {entry.name: entry for entry in catalogue.entries(what)}


def test_methods_say_whether_they_read_group_labels_and_which_paper_they_are_from():
    found = entries("methods")
    assert [found[name].groups for name in ("erm", "penalty", "ltr", "mtl", "mtl_fair", "irw")] == [
        *("no", "yes", "validation", "no", "yes", "no")
    ]
    assert found["dro"].paper == "Levy et al., NeurIPS 2020" and found["erm"].paper == ""
    assert "Sagawa et al., ICLR 2020" in found["group_dro"].does and found["group_dro"].paper == ""


def test_metrics_say_which_end_is_good():
    found = entries("metrics")
    assert found["worst_group_accuracy"].does.endswith("higher is better")
    assert found["demographic_parity_difference"].does.endswith("lower is better")


def test_metrics_without_a_file_are_told_by_their_docstrings():
    assert entries("metrics")["accuracy"].does.startswith("P(y_pred = y)")


def test_experiments_are_told_by_folder_and_name():
    found = entries("experiments")
    assert found["nash/adult_sex"].does == "UCI Adult, by sex" and found["nash/adult_sex"].paper == "NeurIPS 2024"


@pytest.mark.parametrize("what", catalogue.GROUPS)
def test_every_entry_is_one_line(what):
    assert all(entry.does and "\n" not in entry.does for entry in catalogue.entries(what))
