"""Runs without a record say in their logs why."""

from fairrun.results.refusals import MOST_NAMED, refusals
from tests.helpers.reports import write_overrides


def begin(folder, log):
    """Write what a run has before it is trained."""
    folder.mkdir(parents=True)
    write_overrides(folder, ["seed=0"])
    if log is not None:
        (folder / "train.log").write_text(log)


def error(text):
    return f"[2026-11-28 23:58:21][fairrun.train][ERROR] - {text}\n"


def test_reasons_are_grouped_and_counted(tmp_path):
    for k, reason in enumerate(["a", "b", "a"]):
        begin(tmp_path / str(k), f"[2026-11-28][fairrun.train][INFO] - [ERROR] - no\n{error('before')}{error(reason)}")
    assert refusals(tmp_path) == (
        f"all 3 runs were refused before training\n  {tmp_path}/0 and 1 more: a\n  {tmp_path}/1: b"
    )
    begin(tmp_path / "10", None)
    assert refusals(tmp_path).startswith("3 of 4 runs were refused")


def test_one_run_is_named_and_of_many_reasons_the_first(tmp_path):
    begin(tmp_path / "one", error("first line\nlast line"))
    assert refusals(tmp_path / "one") == f"its run was refused before training\n  {tmp_path}/one: last line"
    for k in range(MOST_NAMED + 2):
        begin(tmp_path / "many" / str(k), error(f"reason {k}"))
    assert refusals(tmp_path / "many").endswith(f"reason {MOST_NAMED - 1}\n  and 2 more reasons")


def test_without_an_error_in_a_log_nothing_is_said(tmp_path):
    begin(tmp_path / "0", "")
    begin(tmp_path / "1", None)
    (tmp_path / "train.log").write_text(error("of no run"))
    assert refusals(tmp_path) == ""
