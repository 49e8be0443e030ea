"""The command line on a table in which some rows have no label of some task."""

import numpy as np
import pandas as pd
import pytest

from tests.helpers.command import INLINE, records, run_warm
from tests.helpers.here import run_here

DATA = ["dataset=csv", "dataset.path=loans.csv", "dataset.label=repaid", "dataset.positive=yes"]
DATA += ["dataset.sensitive=[gender]", "epochs=2", "batch_size=64", "seed=0"]
TASKS = ["+dataset.tasks={paid: {column: repaid, positive: yes}, late: {column: late, above: 3}}"]
NETWORK = ["model=shared_bottom", "model.shared=[8]", "model.head=[4]"]

PLUGIN = """
from fairrun.methods.stl import STL


class Strict(STL):
    allows_missing_labels = False
"""


@pytest.fixture
def table(tmp_path):
    """600 rows; 150 have no label of task late, 20 none of task paid, 10 none of both."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "gender": rng.choice(["w", "m"], 600),
            "age": rng.integers(18, 80, 600),
            "income": rng.normal(0, 1, 600),
            "repaid": rng.choice(["yes", "no"], 600),
            "late": rng.integers(0, 9, 600).astype(float),
        }
    )
    frame.loc[:149, "late"] = np.nan
    frame.loc[200:219, "repaid"] = None
    frame.loc[300:309, ["late", "repaid"]] = None
    frame.to_csv(tmp_path / "loans.csv", index=False)
    return frame


def rows_of(record, task):
    """How many rows of all splits have a label of the task."""
    key = f"{task}/" if task else ""
    return sum(rows for split in ("train", "val", "test") for rows, *_ in record["base_rates"][f"{key}{split}"])


@pytest.mark.slow
def test_a_sweep_trains_measures_and_reports_each_task_on_its_labelled_rows(tmp_path, table):
    done = run_warm(
        tmp_path, "-m", *DATA, *TASKS, *NETWORK, "method=mtl,mtaf,greedy_fmt,fbgrad", INLINE, "hydra.sweep.dir=out"
    )
    assert done.returncode == 0, done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert "150 rows without 'late' are left out of task late only" in said
    assert "10 rows without 'late' are left out" in said
    found = records(tmp_path / "out")
    assert sorted(record["choices"]["method"] for record in found) == ["fbgrad", "greedy_fmt", "mtaf", "mtl", "stl"]
    for record in found:
        assert record["status"] == "finished" and sum(record["rows"].values()) == 590
        assert (rows_of(record, "paid"), rows_of(record, "late")) == (570, 440)
        assert record["unlabelled"] == {"paid": 20, "late": 150}
        cells = np.array(record["base_rates"]["late/test"])
        correct = record["metrics"]["test/accuracy/late"] * cells[:, 0].sum()  # a whole number of labelled rows
        assert correct == pytest.approx(round(correct), abs=1e-6)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "150 rows without it left out of task late" in page


def test_one_task_has_the_rows_with_its_label(tmp_path, table):
    done = run_warm(tmp_path, *DATA, *TASKS, "dataset.task=late", "method=erm", "model=linear", "hydra.run.dir=out")
    assert done.returncode == 0, done.stderr
    (record,) = records(tmp_path / "out")
    assert rows_of(record, "") == sum(record["rows"].values()) == 440 and "unlabelled" not in record


def test_a_method_that_needs_every_label_is_refused_before_training(tmp_path, table):
    (tmp_path / "strict.py").write_text(PLUGIN)
    command = [*DATA, *TASKS, *NETWORK, "method=stl", "plugins=[strict]", "method._target_=strict.Strict"]
    done = run_warm(tmp_path, *command, "hydra.run.dir=out")
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if "must be drop" in line]
    assert line.endswith(
        "dataset.missing must be drop with Strict, for which every row must have the labels of all tasks "
        "(rows: 20 without 'paid', 150 without 'late'), got 'indicator'"
    )
    assert not list((tmp_path / "out").rglob("record.json"))
    assert run_warm(tmp_path, *command, "dataset.missing=drop", "hydra.run.dir=dropped").returncode == 0


def test_the_one_label_need_not_be_given_where_the_first_task_is_above_a_number(tmp_path, table):
    given = [word for word in DATA if "label" not in word and "positive" not in word]
    tasks = "+dataset.tasks={late: {column: late, above: 3}, paid: {column: repaid, positive: yes}}"
    done = run_here(tmp_path, *given, *NETWORK, "method=mtl", "dataset.missing=drop", tasks, "hydra.run.dir=above")
    assert done.returncode == 0, done.stderr
    (record,) = records(tmp_path / "above")
    assert record["tasks"] == ["late", "paid"] and record["config"]["dataset"]["label"] == "late"


@pytest.mark.slow
def test_the_one_label_need_not_be_given_beside_tasks_and_the_run_is_the_same(tmp_path, table):
    given = [*(word for word in DATA if "label" not in word and "positive" not in word), *NETWORK, "method=mtl"]
    label = ["dataset.label=repaid", "dataset.positive=yes"]
    for own in ([*label, "hydra.run.dir=with"], ["-m", "seed=0", INLINE, "hydra.sweep.dir=without"]):
        done = run_here(tmp_path, *given, *TASKS, *own)
        assert done.returncode == 0, done.stderr
    found = [record for name in ("with", "without") for record in records(tmp_path / name)]
    (one, other) = (record["key"] for record in found if record["choices"]["method"] == "mtl")  # a sweep adds stl
    assert one == other
    refused = run_here(tmp_path, *given, "hydra.run.dir=neither")
    assert refused.returncode == 1 and "dataset.label must be given: dataset.label=VALUE" in refused.stderr
