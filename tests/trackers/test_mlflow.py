"""MLflow against the real package, with a data base in a file; what was written is read back."""

import re
from pathlib import Path
from urllib.parse import urlparse

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient

from fairrun.config.check import InputError
from fairrun.report import report
from fairrun.results import records as results
from fairrun.trackers.mlflow import NAME, Mlflow, _name
from tests.helpers.records import record

HISTORY = pd.DataFrame({"epoch": [1, 2], "train/loss": [0.5, 0.25], "val/accuracy/s=1": [0.5, 0.75]})
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of its libraries
DPD = "demographic_parity_difference"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A data base; making its tables takes seconds."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"
    Mlflow(tracking_uri=uri, experiment="first").check(single=True)
    return uri


@pytest.fixture
def tracker(base, request):
    return Mlflow(tracking_uri=base, experiment=request.node.name)


@pytest.fixture
def sweep(tmp_path):
    """Two seeds, one of which failed."""
    folder = tmp_path / "a-sweep"
    for seed, status in enumerate(("finished", "failed")):
        scores = {f"{split}/{name}": 0.5 for split in ("val", "test") for name in ("accuracy", DPD)}
        (folder / str(seed)).mkdir(parents=True)
        results.write(folder / str(seed), record(seed=seed, status=status, metrics=scores), HISTORY)
    return folder


def runs(tracker):
    client = MlflowClient(tracking_uri=tracker.tracking_uri)
    experiment = client.get_experiment_by_name(tracker.experiment)
    return client, {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def test_runs_have_parameters_epochs_and_a_status(sweep, tracker):
    tracker.finish(sweep, "a-sweep")
    client, found = runs(tracker)
    run = found["erm adult seed=0"]
    params = {"method": "erm", "dataset": "adult", "method.lam": "0.5", "data_sha256": "0" * 64, "seed": "3"}
    assert run.data.params.items() >= params.items()
    assert run.data.tags["group"] == "a-sweep"
    assert run.data.metrics["summary/test/accuracy"] == 0.5
    losses = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(m.step, m.value) for m in losses] == [(1, 0.5), (2, 0.25)]
    groups = client.get_metric_history(run.info.run_id, "val/accuracy/sex:M")
    assert [m.value for m in groups] == [0.5, 0.75]
    assert (run.info.status, found["erm adult seed=1"].info.status) == ("FINISHED", "FAILED")


@pytest.mark.slow
def test_the_summary_has_table_picture_page_and_records(sweep, tracker):
    report(sweep)
    tracker.finish(sweep, "a-sweep")
    run = runs(tracker)[1][f"summary adult {DPD}"]
    kept = Path(urlparse(run.info.artifact_uri).path)
    assert {path.name for path in kept.iterdir()} == {"front.csv", "front.png", "sweep"}
    assert {path.name for path in (kept / "sweep").iterdir()} >= {"report.html", "records.jsonl", "table.csv"}
    assert run.data.metrics["summary/runs"] == 1


def test_a_run_trained_anew_takes_the_place_of_the_earlier_one(sweep, tracker):
    tracker.finish(sweep, "a-sweep")
    first = runs(tracker)[1]["erm adult seed=0"].info.run_id
    results.write(sweep / "0", results.read(sweep / "0") | {"epoch": 1}, HISTORY[:1])
    tracker.finish(sweep, "a-sweep")
    client, found = runs(tracker)
    assert len(found) == 3
    assert found["erm adult seed=0"].info.run_id != first
    assert client.get_run(first).info.lifecycle_stage == "deleted"


def test_epochs_are_there_while_they_are_trained(tmp_path, base, request):
    live = Mlflow(tracking_uri=base, experiment=request.node.name, live=True)
    found = record(metrics={"test/accuracy": 0.5})
    results.write(tmp_path, found, HISTORY)
    begun = {key: found[key] for key in found if key not in ("status", "versions")} | {"versions": {}}
    live.epochs(tmp_path, None, begun, HISTORY.to_dict("records")[0:][:1])
    (run,) = runs(live)[1].values()
    assert (run.info.status, run.data.metrics["train/loss"]) == ("RUNNING", 0.5)
    live.epochs(tmp_path, None, begun, HISTORY.to_dict("records")[1:][:1])
    live.log(tmp_path, None, found, HISTORY)
    (run,) = runs(live)[1].values()
    assert (run.info.status, run.data.metrics["train/loss"]) == ("FINISHED", 0.25)
    assert run.data.params["versions.fairrun"] == "0"


def decoded(name):
    """The name that became ``name``, if it was short enough."""
    return re.sub(r":x([0-9A-F]*):|:", lambda found: _letter(found[1]), name)


def _letter(code):
    return "=" if code is None else chr(int(code, 16)) if code else ""


@given(st.text(st.sampled_from("ax=<:/. 3E\u2e2e\n") | st.characters(codec="utf-8"), max_size=20))
def test_names_that_differ_stay_different_and_mlflow_takes_them(name):
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name

    for validate in (_validate_metric_name, _validate_param_name, _validate_tag_name):
        validate(_name(name))
    assert decoded(_name(name)) == name


def test_long_names_that_differ_at_their_ends_stay_different():
    names = [_name("age=" + "9" * 300 + end) for end in "ab"]
    assert names[0] != names[1] and {len(name) for name in names} == {NAME}


def test_groups_that_differ_in_a_sign_are_metrics_of_their_own(tmp_path, tracker):
    found = record(groups=["age=<30", "age=>30"], metrics={"test/accuracy/s=0": 0.25, "test/accuracy/s=1": 0.75})
    results.write(tmp_path, found, HISTORY)
    tracker.log(tmp_path, None, found, HISTORY)
    (run,) = runs(tracker)[1].values()
    shown = {name: value for name, value in run.data.metrics.items() if "age" in name and "summary" in name}
    assert shown == {"summary/test/accuracy/age::x3C:30": 0.25, "summary/test/accuracy/age::x3E:30": 0.75}


def test_a_server_that_nobody_answers_at_is_refused():
    with pytest.raises(InputError, match=r"tracker\.tracking_uri must be an MLflow server or data base, got 'http:"):
        Mlflow(tracking_uri="http://127.0.0.1:9", experiment="fairrun").check(single=True)


def test_only_a_server_or_data_base_that_is_there_answers(tracker):
    assert tracker.answers()
    assert not Mlflow(tracking_uri="http://127.0.0.1:9", experiment="fairrun").answers()


def test_a_server_that_is_none_is_refused():
    with pytest.raises(
        InputError, match=r"tracker\.tracking_uri must be an MLflow server or data base, got 'nonsense://x'"
    ):
        Mlflow(tracking_uri="nonsense://x", experiment="fairrun").check(single=True)


def test_a_run_of_which_only_some_epochs_were_seen_is_there_once(tmp_path, base, request):
    live = Mlflow(tracking_uri=base, experiment=request.node.name, live=True)
    found = record(metrics={"test/accuracy": 0.5})
    results.write(tmp_path, found, HISTORY)
    live.epochs(tmp_path, None, found, HISTORY.to_dict("records")[1:][:1])
    live.log(tmp_path, None, found, HISTORY)
    client, there = runs(live)
    (run,) = there.values()
    assert len(client.get_metric_history(run.info.run_id, "train/loss")) == 2
    experiment = client.get_experiment_by_name(live.experiment)
    assert len(client.search_runs([experiment.experiment_id])) == 1


@pytest.fixture
def requests(monkeypatch):
    """The batches that MLflow is sent."""
    sent, send = [], MlflowClient.log_batch
    monkeypatch.setattr(MlflowClient, "log_batch", lambda *args, **keys: (sent.append(keys), send(*args, **keys))[1])
    return sent


def test_many_epochs_are_one_request(tmp_path, base, request, requests):
    live = Mlflow(tracking_uri=base, experiment=request.node.name, live=True)
    rows = [{"epoch": epoch, "train/loss": 1 / epoch} for epoch in range(1, 501)]
    found = record()
    results.write(tmp_path, found, pd.DataFrame(rows))
    live.epochs(tmp_path, None, found, rows)
    assert [len(sent["metrics"]) for sent in requests if "metrics" in sent] == [500]
    client, there = runs(live)
    (run,) = there.values()
    losses = client.get_metric_history(run.info.run_id, "train/loss")
    assert sorted((m.step, m.value) for m in losses) == [(row["epoch"], row["train/loss"]) for row in rows]
    live.stop()


def test_runs_have_one_client(sweep, tracker, monkeypatch):
    made, make = [], MlflowClient.__init__
    monkeypatch.setattr(MlflowClient, "__init__", lambda *args, **keys: (made.append(1), make(*args, **keys))[1])
    tracker.finish(sweep, "a-sweep")
    assert len(made) == 1


def test_what_mlflow_refuses_while_a_run_trains_is_one_message_and_the_run_is_logged_later(tmp_path, base, request):
    """Somebody deletes the run."""
    live = Mlflow(tracking_uri=base, experiment=request.node.name, live=True)
    found = record()
    results.write(tmp_path, found, HISTORY)
    live.epochs(tmp_path, "a-sweep", found, HISTORY.to_dict("records")[:1])
    client, there = runs(live)
    client.delete_run(there["erm adult seed=3"].info.run_id)
    with pytest.raises(InputError, match=f"MLflow did not take {tmp_path}; it is logged when it is trained: Mlflow"):
        live.epochs(tmp_path, "a-sweep", found, HISTORY.to_dict("records")[1:])
    with pytest.raises(InputError, match=f"MLflow did not take {tmp_path}; its files are complete, sync them later: "):
        live.log(tmp_path, "a-sweep", found, HISTORY)
    live.finish(tmp_path, None)
    client, there = runs(live)
    assert len(client.get_metric_history(there["erm adult seed=3"].info.run_id, "train/loss")) == 2


def test_a_run_that_is_stopped_is_killed_and_logged_anew_when_it_goes_on(tmp_path, base, request):
    live = Mlflow(tracking_uri=base, experiment=request.node.name, live=True)
    found = record()
    results.write(tmp_path, found, HISTORY)
    live.epochs(tmp_path, None, found, HISTORY.to_dict("records")[:1])
    live.stop()
    assert runs(live)[1]["erm adult seed=3"].info.status == "KILLED"
    live.epochs(tmp_path, None, found, HISTORY.to_dict("records")[1:])
    live.log(tmp_path, None, found, HISTORY)
    client, _ = runs(live)
    (run,) = client.search_runs([client.get_experiment_by_name(live.experiment).experiment_id])
    assert run.info.status == "FINISHED"
    assert [m.step for m in client.get_metric_history(run.info.run_id, "train/loss")] == [1, 2]


@pytest.mark.parametrize("uri", ["sqlite:///x.db", "file:./mlruns", "mlruns", "./a/../mlruns", "{here}/mlruns"])
def test_paths_are_of_the_current_folder(tmp_path, monkeypatch, uri):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    tracker = Mlflow(tracking_uri=uri.format(here=tmp_path), experiment="here")
    tracker.check(single=True)
    found = record()
    (tmp_path / "run").mkdir()
    results.write(tmp_path / "run", found, HISTORY)
    tracker.log(tmp_path / "run", None, found, HISTORY)
    assert (tmp_path / "x.db").exists() or (tmp_path / "mlruns").is_dir()
    monkeypatch.chdir(tmp_path / "run")
    assert tracker.has(tmp_path / "run")
    assert str(tmp_path) in tracker.place


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1:5000", "https://host/path", "databricks", "databricks://me", "postgresql://me:word@host/x"],
)
def test_addresses_of_servers_stay_without_passwords(uri):
    place = Mlflow(tracking_uri=uri, experiment="here").place
    assert place == f"{uri.replace('me:word@', '')} here"


def test_a_password_is_in_no_message():
    with pytest.raises(InputError) as refused:
        Mlflow(tracking_uri="http://me:word@127.0.0.1:9", experiment="fairrun").check(single=True)
    assert "word" not in str(refused.value)
