"""``fairrun reproduce`` on runs of two epochs: it trains, judges, stores, and tells the same from what it stored."""

import pandas as pd
import pytest
from hydra.types import RunMode

from fairrun.api import session
from fairrun.claims import frames, spec
from fairrun.claims.frames import stored
from fairrun.config.check import InputError
from tests.helpers.composed import jobs_of
from tests.helpers.here import run_here
from tests.helpers.quick import few

SOURCES = [(paper, name) for paper in spec.names() for name in spec.read(paper).sources]


@pytest.mark.parametrize(
    ("paper", "name"), few(SOURCES, [("fairbinn", "health"), ("mtaf", "adult"), ("nash", "tuned")])
)
def test_the_jobs_of_every_source_can_be_composed_at_every_budget(paper, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = spec.read(paper).sources[name]
    for budget in source.budgets if source.benchmark else ():
        given = session.words(frames.words(source, budget, 1), {}, several=True)
        with session.session(given, RunMode.MULTIRUN) as (context, config):
            sweeper, jobs = jobs_of(context, config)
            sweeper.launcher.fit(jobs)
        assert jobs


@pytest.mark.parametrize(
    ("paper", "table", "methods"),
    [
        ("irw", "presets", ["irw", "erm", "group_dro"]),
        ("fairbinn", "adult", ["fairbinn_authors", "lagrangian", "stackelberg"]),
        ("mtaf", "table1", ["stl", "mtl"]),
        ("nash", "table1", ["ltr", "nash_ltr", "erm"]),
    ],
)
def test_a_table_of_every_paper_at_the_tiny_budget(paper, table, methods, tmp_path):
    given = ["reproduce", paper, "--budget", "tiny", "--seeds", "2", "--table", table]
    done = run_here(tmp_path, *given, module="fairrun")
    assert done.returncode == 0, done.stderr
    title = spec.read(paper).tables[table].title.partition(",")[0]
    assert title in done.stdout and all(name in done.stdout for name in methods)
    if paper == "irw":  # nothing is trained again
        assert run_here(tmp_path, *given, module="fairrun").stdout == done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("paper", spec.names())
def test_every_paper_runs_at_the_tiny_budget(paper, tmp_path):
    done = run_here(tmp_path, "reproduce", paper, "--budget", "tiny", "--seeds", "2", module="fairrun")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "outputs" / "reproduce" / "tiny" / f"{paper}.md").read_text()
    for claim in spec.read(paper).claims.values():
        assert f"| {claim.claim} | {claim.where} | **" in page
    stored = run_here(
        tmp_path, "reproduce", paper, "--budget", "tiny", "--seeds", "2", "--store", "k", module="fairrun"
    )
    assert stored.returncode == 0, stored.stderr
    again = (tmp_path / "k" / f"{paper}.md").read_text()
    lines, same = ([line for line in text.splitlines() if "not measured yet" not in line] for text in (page, again))
    assert lines == same  # the others are of a larger budget


@pytest.mark.slow
def test_results_that_are_stored_give_the_same_page_and_nothing_is_trained(tmp_path):
    def reproduce(*more):
        return run_here(tmp_path, "reproduce", "irw", *more, module="fairrun")

    done = reproduce("--budget", "tiny", "--seeds", "3", "--store", "kept")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("irw, tiny: presets, ") and "cannot be tested here" not in done.stdout
    page = (tmp_path / "kept" / "irw.md").read_text()
    assert "Budget tiny; tiny has runs that are too short to decide anything. Data sets: compas." in page
    assert "Tested again by `fairrun reproduce irw --budget tiny --seeds 3`" in page
    assert (
        "| irw against erm on compas |" in page and "fairrun sweep benchmark=irw/presets experiment=irw/compas" in page
    )
    frame, about = stored(tmp_path / "kept" / "tiny" / "irw" / "presets.parquet")
    assert {"method", "seed", "dataset", "test/worst_group_accuracy"} <= set(frame) and about["budget"] == "tiny"
    again = reproduce("--from", "kept", "--folder", "pages")
    assert again.returncode == 0 and "runs of" not in again.stdout
    assert (tmp_path / "pages" / "irw.md").read_text() == page
    (tmp_path / "kept" / "tiny" / "irw" / "outliers.parquet").unlink()
    assert reproduce("--from", "kept").returncode == 0  # writes into kept
    without = (tmp_path / "kept" / "irw.md").read_text()
    assert "**not measured yet** |  | `fairrun reproduce irw --budget full --store kept` |" in without
    assert without.partition("## Worst-group")[2].partition("## Every")[0] in page
    table = reproduce("--from", "kept", "--table", "presets")
    assert "Worst-group accuracy" in table.stdout and "verdict" not in table.stdout


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["nahs"], "the paper must be one of fairbinn, irw, mtaf, nash, all, got 'nahs'; did you mean nash?"),
        (["nash", "--budget", "long"], "--budget must be one of tiny, quick, full, got 'long'"),
        (["nash", "--seeds", "2"], "--seeds must be >= 3, as verdicts need three, got 2"),
        (["irw", "--from", "a", "--seeds", "5"], "give it without --store, --seeds and --budget"),
        (["nash", "--store", "/proc/x"], "--store must be a folder that can be written, got '/proc/x'"),
        (["all", "--table", "table9"], "--table must be one of"),
        (["nash", "--table", "table9"], "--table must be one of table1, got 'table9'; did you mean table1?"),
        (["irw", "--from", "nowhere"], "nowhere has no stored results of irw: fairrun reproduce --store nowhere"),
        (["irw", "--from", "a", "--store", "b"], "give it without --store"),
    ],
)
def test_what_cannot_be_reproduced_is_one_message(given, message, tmp_path):
    done = run_here(tmp_path, "reproduce", *given, module="fairrun")
    assert done.returncode != 0 and message in done.stderr and "Traceback" not in done.stderr


def test_a_file_that_is_no_stored_result_is_refused(tmp_path):
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="must be a stored result of fairrun reproduce"):
        stored(tmp_path / "x.parquet")
