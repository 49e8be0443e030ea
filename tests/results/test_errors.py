"""Runs without a record say in their logs why."""

import pytest

from fairrun.config.names import MOST_NAMED
from fairrun.results.errors import errors
from tests.helpers.reports import write_overrides


def begin(folder, log):
    """Write what a run has before it is trained."""
    folder.mkdir(parents=True)
    write_overrides(folder, ["seed=0"])
    if log is not None:
        (folder / "train.log").write_text(log)


def error(text, level="ERROR"):
    return f"[2026-11-28 23:58:21][fairrun.train][{level}] - {text}\n"


def test_reasons_are_grouped_and_counted(tmp_path):
    for k, reason in enumerate(["a", "b", "a"]):
        begin(tmp_path / str(k), f"[2026-11-28][fairrun.train][INFO] - [ERROR] - no\n{error('before')}{error(reason)}")
    assert errors(tmp_path) == (f"all 3 runs ended with an error\n  {tmp_path}/0 and 1 more: a\n  {tmp_path}/1: b")
    begin(tmp_path / "10", None)
    assert errors(tmp_path).startswith("3 of 4 runs ended with an error\n")


@pytest.mark.parametrize("level", ["INFO", "WARNING", "CRITICAL"])
def test_what_is_logged_after_an_error_is_no_part_of_it(tmp_path, level):
    begin(tmp_path / "0", error("first line\nthe reason") + error("the results are in outputs\nand more", level))
    assert errors(tmp_path).endswith("/0: the reason")


def test_one_run_is_named_and_of_many_reasons_the_first(tmp_path):
    begin(tmp_path / "one", error("first line\nlast line"))
    assert errors(tmp_path / "one") == f"its run ended with an error\n  {tmp_path}/one: last line"
    for k in range(MOST_NAMED + 2):
        begin(tmp_path / "many" / str(k), error(f"reason {k}"))
    assert errors(tmp_path / "many").endswith(f"reason {MOST_NAMED - 1}\n  and 2 more reasons")


def test_without_an_error_in_a_log_nothing_is_said(tmp_path):
    begin(tmp_path / "0", "")
    begin(tmp_path / "1", None)
    (tmp_path / "train.log").write_text(error("of no run"))
    assert errors(tmp_path) == ""
