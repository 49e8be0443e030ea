"""A new method in a package of one's own: what is written, trained and checked."""

import importlib
import os
import subprocess
import sys

import pytest

from fairrun.config.keys import CONF
from fairrun.kit import new
from fairrun.method import InputError
from tests.helpers.command import DESCRIPTION, INLINE, ROOT, records
from tests.helpers.here import run_here
from tests.helpers.quick import few


@pytest.fixture
def fairrun(tmp_path):
    def run(*arguments):
        done = run_here(tmp_path, *arguments, module="fairrun", FAIRRUN_PLUGINS="")
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_new_method_is_trained_and_keeps_every_rule(fairrun, tmp_path, csv):
    status, said, _ = fairrun("new", "method", "fair_mixup")
    written = ["__init__.py", "fair_mixup.py", "conf/method/fair_mixup.yaml", "test_fair_mixup.py"]
    assert status == 0 and said.splitlines() == [
        *(f"written: fair_mixup/{name}" for name in written),
        "",
        "fairrun train method=fair_mixup plugins=[fair_mixup]",
        "fairrun check fair_mixup.FairMixup",
        "pytest fair_mixup/test_fair_mixup.py",
    ]
    assert "without its package: plugins=[fair_mixup]" in fairrun("train", "method=fair_mixup", *DESCRIPTION)[2]
    given = ["method=fair_mixup", "plugins=[fair_mixup]", "method.lam=2", *DESCRIPTION, "hydra.run.dir=out"]
    status, _, error = fairrun("train", *given)
    assert status == 0, error
    (record,) = records(tmp_path / "out")
    assert record["choices"]["method"] == "fair_mixup" and record["config"]["method"]["lam"] == 2
    status, said, error = fairrun("check", "fair_mixup.FairMixup")
    assert (status, error) == (0, "")
    assert "FairMixup, method=fair_mixup: 19 rules" in said and "17 ok, 2 not for it, 0 BROKEN in " in said


@pytest.mark.slow
def test_its_test_passes(fairrun, tmp_path, monkeypatch):
    fairrun("new", "method", "fair_mixup", "--in", "mypkg")
    monkeypatch.chdir(tmp_path)
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-k", "lam_0 or lists or finite_and_one"]
    command = [sys.executable, "-m", "pytest", "mypkg/test_fair_mixup.py", *options]
    variables = os.environ | {"PYTHONPATH": ROOT, "PYTHONSAFEPATH": "1", "FAIRRUN_PLUGINS": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, timeout=300)
    assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith("3 passed"), done.stdout


def test_a_method_may_join_a_package_that_is_there(fairrun, tmp_path):
    assert fairrun("new", "method", "first", "--in", "mypkg")[0] == 0
    status, said, _ = fairrun("new", "method", "second", "--in", "mypkg")
    assert status == 0 and "fairrun check mypkg.second.Second" in said and "__init__" not in said
    assert "_target_: mypkg.First\n" in (tmp_path / "mypkg/conf/method/first.yaml").read_text()
    assert fairrun("check", "mypkg.second.Second", "--rule", "the_file_lists_every_field")[0] == 0


def test_in_a_checkout_it_goes_where_the_others_are(monkeypatch):
    monkeypatch.chdir(CONF.parent)
    found = new.method("fair_mixup", None)
    files = ["fairrun/methods/fair_mixup.py", "conf/method/fair_mixup.yaml", "tests/methods/test_fair_mixup.py"]
    assert [str(path) for path in found.files] == files
    assert max(len(line) for text in found.files.values() for line in text.splitlines()) <= 120
    assert found.next[:2] == ("fairrun train method=fair_mixup", "fairrun check fairrun.methods.fair_mixup.FairMixup")


@pytest.mark.parametrize(
    ("arguments", "said"),
    few(
        [
            (["penalty"], "the name must be another one than those of fairrun list methods"),
            (["Fair-Mixup"], "the name must be small letters, digits and _, as fair_mixup, got 'Fair-Mixup'"),
            (["class"], "the name must be small letters"),
            (["method"], "another one: the file imports its class's name, got 'method'"),
            (["json"], "the package must be named otherwise than a module that is installed: --in FOLDER names it"),
            (["mine", "--in", "a-b"], "--in must be a folder with the name of a package, got 'a-b'"),
            (["mine", "--in", "used"], "the folder must be new, empty, or a package (with __init__.py), got 'used'"),
            (["there"], "the file must be one that does not exist yet, got 'there/there.py'"),
        ],
        3,
    ),
)
def test_a_name_that_cannot_be_is_one_line_and_nothing_is_written(fairrun, tmp_path, arguments, said):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "data.txt").touch()
    fairrun("new", "method", "there")
    before = sorted(tmp_path.rglob("*"))
    status, _, error = fairrun("new", "method", *arguments)
    assert status == 1 and said in error and "\n" not in error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("kind", "use"),
    [
        ("metric", "fairrun train metric=mine plugins=[new_metric]"),
        ("section", "fairrun report FOLDER --sections new_section.mine.mine"),
    ],
)
def test_a_new_metric_and_a_new_section_pass_their_tests(fairrun, tmp_path, monkeypatch, kind, use):
    status, said, _ = fairrun("new", kind, "mine", "--in", f"new_{kind}")
    assert status == 0 and said.splitlines()[-2:] == [use, f"pytest new_{kind}/test_mine.py"]
    monkeypatch.syspath_prepend(tmp_path)
    tests = vars(importlib.import_module(f"new_{kind}.test_mine"))
    (test,) = (value for name, value in tests.items() if name.startswith("test_"))
    test()
    assert fairrun("new", kind, "mine", "--in", f"new_{kind}")[2].startswith("the file must be one that does not exist")


@pytest.mark.slow
def test_a_new_metric_is_computed_and_a_new_section_shown(fairrun, tmp_path, csv):
    fairrun("new", "metric", "least", "--in", "mypkg")
    fairrun("new", "section", "ends", "--in", "mypkg")
    given = ["metric=least", "plugins=[mypkg]", "report.sections=[mypkg.ends.ends]", *DESCRIPTION, INLINE]
    status, _, error = fairrun("sweep", *given, "hydra.sweep.dir=out")
    assert status == 0, error
    (record,) = records(tmp_path / "out")
    assert 0 <= record["metrics"]["test/least"] <= 1
    assert "least of all runs." in (tmp_path / "out" / "table.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "key"),
    [("penalty", "fairness_loss"), ("stackelberg", "fairness_loss"), ("grid_search", "constraint")],
)
def test_a_method_that_trains_with_a_new_metric_is_told_where_to_name_a_loss(method, key, fairrun, csv):
    fairrun("new", "metric", "least", "--in", "mypkg")
    given = ["metric=least", "plugins=[mypkg]", *DESCRIPTION]
    status, _, error = fairrun("train", f"method={method}", *given)
    said = f"metric.surrogate must be the loss that method.{key} takes, got none for metric.name=least"
    assert status == 1 and said in error and "mypkg/conf/metric/least.yaml" in error
    if method == "penalty":
        status, _, error = fairrun("train", f"method={method}", *given, "metric.surrogate=equal_opportunity")
        assert status == 0, error


def test_the_names_of_metrics_and_of_what_files_import_are_taken(fairrun):
    assert "another one than those of fairrun list metrics" in fairrun("new", "metric", "roc_auc")[2]
    assert "the file imports it, got 'pd'" in fairrun("new", "section", "pd")[2]


def test_what_is_new_is_one_of_few(fairrun):
    status, _, error = fairrun("new", "metod", "mine")
    assert (
        status == 1 and error == "what is new must be one of method, metric, section, got 'metod'; did you mean method?"
    )
    with pytest.raises(InputError, match="small letters"):
        new.method("2nd", None)
