"""W&B against the real package, offline; what was written is read back."""

import json
import os
import subprocess
import sys
import time

import pandas as pd
import pytest
import wandb
from wandb.proto import wandb_internal_pb2

from fairrun.cli.subcommands.sync import main
from fairrun.command.folders import locked
from fairrun.config.check import InputError
from fairrun.report import report
from fairrun.results import records as results
from fairrun.trackers import NoTracker, told
from fairrun.trackers.tensorboard import TensorBoard
from fairrun.trackers.wandb import Wandb, _artifact_name
from tests.helpers.records import record

MARK = "wandb.json"
HISTORY = pd.DataFrame({"epoch": [1, 2], "train/loss": [0.5, 0.25], "val/accuracy": [0.5, 0.75]})
OFFLINE = Wandb(project="fairness", entity=None, mode="offline")
DPD = "demographic_parity_difference"


@pytest.fixture(autouse=True)
def nobody(tmp_path_factory, monkeypatch):
    """A home without settings and keys of W&B."""
    home = tmp_path_factory.mktemp("home")
    for name, value in (("HOME", home), ("NETRC", home / "netrc"), ("WANDB_API_KEY", "")):
        monkeypatch.setenv(name, str(value))


def write(folder, tracker=None, accuracy=0.75, unfairness=0.1, dataset="adult", **changes):
    """A run's files.  Its metrics are the same on validation and test rows.  Returns the record."""
    changes = {"seed": 3, "epoch": 2} | changes
    written = record(**changes)
    written["choices"]["dataset"] = dataset
    written["config"] |= {"seed": changes["seed"], "metric": {"name": DPD, "greater_is_better": False}}
    written["config"]["tracker"] = tracker or {"_target_": "fairrun.trackers.NoTracker"}
    written["metrics"] |= {f"{split}/{DPD}": unfairness for split in ("val", "test")}
    written["metrics"] |= {f"{split}/accuracy": accuracy for split in ("val", "test")}
    folder.mkdir(parents=True, exist_ok=True)
    results.write(folder, written, HISTORY)
    return written


@pytest.fixture
def sweep(tmp_path):
    """Two seeds."""
    folder = tmp_path / "a-sweep"
    for seed in (0, 1):
        write(folder / str(seed), seed=seed)
    return folder


def read_back(folder):
    """The records of the one offline run below ``folder``, once W&B's own process has written the last of them."""
    (path,) = folder.rglob("run-*.wandb")
    deadline = time.monotonic() + 30
    while not any(record.WhichOneof("record_type") == "exit" for record in parse(path)):
        assert time.monotonic() < deadline, "W&B did not finish its file"
        time.sleep(0.05)
    return parse(path)


def parse(path):
    """Protobuf records in blocks of 32 KiB, each of chunks (checksum, length, type)."""
    content, position, records, pending = path.read_bytes(), 7, [], b""
    while position + 7 <= len(content):
        if 32768 - position % 32768 < 7:
            position += 32768 - position % 32768
        length, kind = int.from_bytes(content[position + 4 : position + 6], "little"), content[position + 6]
        pending += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last of several
            records.append(wandb_internal_pb2.Record.FromString(pending))
            pending = b""
    return records


def values(items):
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def described(folder):
    (run,) = [r.run for r in read_back(folder) if r.WhichOneof("record_type") == "run"]
    return run


def summary(folder):
    updates = [r.summary.update for r in read_back(folder) if r.WhichOneof("record_type") == "summary"]
    return {key: value for update in updates for key, value in values(update).items()}


def tables(folder):
    contents = {path.name.split("_0_")[0]: json.loads(path.read_text()) for path in folder.rglob("*.table.json")}
    return {name: pd.DataFrame(content["data"], columns=content["columns"]) for name, content in contents.items()}


def history(folder):
    return [values(r.history.item) for r in read_back(folder) if r.WhichOneof("record_type") == "history"]


def test_a_run_is_one_offline_run_with_group_tags_and_flat_config(sweep):
    OFFLINE.finish(sweep, "a-sweep")
    run = described(sweep / "1")
    assert run.project == "fairness"
    assert run.run_group == "a-sweep"
    assert set(run.tags) == {"erm", "adult", "mlp"}
    assert run.display_name == "erm adult seed=1"
    config = values(run.config.update)
    flat = {"method": "erm", "dataset": "adult", "model": "mlp", "metric": DPD}
    flat |= {"method.lam": 0.5, "method.optimizer.lr": 0.1, "seed": 1, "data_sha256": "0" * 64}
    assert config.items() >= flat.items()
    assert config["groups"] == ["sex=F", "sex=M"] and config["versions.fairrun"] == "0"


def test_groups_have_their_names(tmp_path):
    metrics = {"test/accuracy/s=0": 0.5, "test/accuracy/s=1": 0.75}
    rows = HISTORY.assign(**{"val/accuracy/s=1": [0.25, 0.5]})
    OFFLINE.log(tmp_path, None, write(tmp_path, metrics=metrics), rows)
    assert summary(tmp_path)["test/accuracy/sex=F"] == 0.5
    assert summary(tmp_path)["test/accuracy/sex=M"] == 0.75
    assert [row["val/accuracy/sex=M"] for row in history(tmp_path)] == [0.25, 0.5]


def test_the_history_is_logged_by_epoch(tmp_path):
    OFFLINE.log(tmp_path, None, write(tmp_path), HISTORY)
    rows = history(tmp_path)
    assert [row["epoch"] for row in rows] == [1, 2]
    assert [row["train/loss"] for row in rows] == [0.5, 0.25]
    assert [row["_step"] for row in rows] == [1, 2]


def test_the_summary_is_the_chosen_epochs(tmp_path):
    OFFLINE.log(tmp_path, None, write(tmp_path), HISTORY)
    logged = summary(tmp_path)
    assert logged["test/accuracy"] == 0.75
    assert logged["status"] == "finished"


def test_a_single_run_is_logged_at_once_and_without_a_group(tmp_path):
    OFFLINE.log(tmp_path, None, write(tmp_path), HISTORY)
    assert described(tmp_path).run_group == ""


def test_a_run_of_a_sweep_waits_for_the_end_of_the_sweep(sweep):
    OFFLINE.log(sweep / "0", "a-sweep", write(sweep / "0"), HISTORY)
    assert not list(sweep.rglob("wandb*"))
    OFFLINE.finish(sweep, "a-sweep")
    assert [described(sweep / seed).display_name[-1] for seed in "01"] == ["3", "1"]
    assert wandb.run is None


def test_a_failed_run_has_failed_at_wandb_too(tmp_path):
    OFFLINE.log(tmp_path, None, write(tmp_path, status="failed"), HISTORY)
    (last,) = [r.exit for r in read_back(tmp_path) if r.WhichOneof("record_type") == "exit"]
    assert last.exit_code == 1
    assert summary(tmp_path)["status"] == "failed"


def test_no_run_is_logged_twice(sweep, capsys):
    OFFLINE.finish(sweep, "a-sweep")
    before = {path: path.stat().st_mtime_ns for path in sweep.glob("[01]/wandb/*/*.wandb") if read_back(path.parent)}
    write(sweep / "2", seed=2)
    OFFLINE.finish(sweep, "a-sweep")
    assert {path: path.stat().st_mtime_ns for path in sweep.glob("[01]/wandb/*/*.wandb")} == before
    assert described(sweep / "2").display_name == "erm adult seed=2"
    said = ["W&B, offline: 2 runs logged, 0 already were", "W&B, offline: 1 run logged, 2 already were"]
    assert capsys.readouterr().out.splitlines() == said


def test_a_run_trained_anew_overwrites_itself(sweep):
    OFFLINE.finish(sweep, "a-sweep")
    first = described(sweep / "0").run_id
    write(sweep / "0", seed=0, accuracy=0.5)
    OFFLINE.finish(sweep, "a-sweep")
    assert described(sweep / "0").run_id == first
    assert summary(sweep / "0")["test/accuracy"] == 0.5


def test_a_run_whose_logging_was_cut_short_is_logged_again_under_its_id(sweep):
    OFFLINE.finish(sweep, "a-sweep")
    mark = json.loads((sweep / "0" / MARK).read_text())
    (sweep / "0" / MARK).write_text(json.dumps(mark | {"place": None}))
    half = sweep / "0" / "wandb" / f"offline-run-20200101_000000-{mark['id']}"
    half.mkdir()
    (half / f"run-{mark['id']}.wandb").write_bytes(b"half")
    OFFLINE.finish(sweep, "a-sweep")
    assert described(sweep / "0").run_id == mark["id"]
    assert json.loads((sweep / "0" / MARK).read_text()) == mark


@pytest.mark.parametrize("home", ["wandb", ".wandb"])
def test_what_lies_in_a_folder_of_wandb_and_is_not_the_runs_own_stays(tmp_path, home):
    """As with hydra.run.dir=. where a user has W&B runs of other programs."""
    foreign = tmp_path / home / "offline-run-20200101_000000-foreign" / "run-foreign.wandb"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"")
    notes = tmp_path / home / "notes.txt"
    notes.write_text("mine")
    for accuracy in (0.75, 0.5):
        OFFLINE.log(tmp_path, None, write(tmp_path, accuracy=accuracy), HISTORY)
    assert foreign.exists() and notes.exists()
    assert len(list((tmp_path / home).glob("offline-run-*"))) == 2


def test_ids_differ_between_runs_and_hold_no_character_that_wandb_refuses(sweep):
    OFFLINE.finish(sweep, "a-sweep")
    ids = {described(folder).run_id for folder in sweep.iterdir()}
    assert len(ids) == 3
    assert all(name.isalnum() for name in ids)


def test_the_summary_run_shows_the_front(tmp_path):
    """Test means (accuracy, difference) (0.75, 0.1) and (0.6, 0): over the majority's 0.5 they dominate
    0.25 * 0.9 + 0.1 * 0.1.  (0.6, 0.2) is off the front.
    """
    for k, (lam, accuracy, unfairness) in enumerate([(0, 0.75, 0.1), (1, 0.6, 0.0), (2, 0.6, 0.2)]):
        config = {"seed": 0, "method": {"lam": lam}}
        write(tmp_path / str(k), accuracy=accuracy, unfairness=unfairness, config=config)
    OFFLINE.finish(tmp_path, "a-sweep")
    folder = tmp_path / f"summary_adult_{DPD}"
    run = described(folder)
    assert (run.run_group, run.job_type, run.project) == ("a-sweep", "summary", "fairness")
    assert values(run.config.update).items() >= {"dataset": "adult", "metric": DPD}.items()
    assert summary(folder)["hypervolume"] == pytest.approx(0.235)
    assert summary(folder)["few_test_rows"] == "sex=F: 10; sex=M: 10"
    settings, points = tables(folder)["configurations"], tables(folder)["front_table"]
    words = DPD.replace("_", " ")
    assert settings[["method", "setting", "seeds", "front"]].to_numpy().tolist() == [
        ["erm", "lam 0", 1, True],
        ["erm", "lam 1", 1, True],
        ["erm", "lam 2", 1, False],
    ]
    assert list(settings)[3:9] == [f"{name}{end}" for name in ("accuracy", words) for end in ("", " low", " high")]
    assert points[[words, "accuracy"]].to_numpy().tolist() == [[0.1, 0.75], [0.0, 0.6], [0.2, 0.6]]
    configs = [r.config.update for r in read_back(folder) if r.WhichOneof("record_type") == "config"]
    (chart,) = [values(update)["_wandb.visualize.front"] for update in configs]
    assert chart["panel_config"]["panelDefId"] == "wandb/scatter/v0"
    assert chart["panel_config"]["fieldSettings"] == {"x": words, "y": "accuracy"}


def test_each_data_set_has_a_summary_run_of_its_finished_runs(tmp_path):
    for k, (dataset, status) in enumerate([("adult", "finished"), ("german", "finished"), ("compas", "failed")]):
        write(tmp_path / str(k), dataset=dataset, status=status)
    write(tmp_path / "3", dataset="german", status="failed")
    OFFLINE.finish(tmp_path, "a-sweep")
    folders = sorted(tmp_path.glob("summary_*"))
    assert [folder.name for folder in folders] == [f"summary_adult_{DPD}", f"summary_german_{DPD}"]
    assert [summary(folder)["runs"] for folder in folders] == [1, 1]


def test_a_metric_may_be_better_where_it_is_greater(tmp_path):
    """(accuracy, worst-group accuracy) (0.75, 0.75) dominates (0.7, 0.7), and over the majority's 0.5 0.25 * 0.75."""
    metric = {"name": "worst_group_accuracy", "greater_is_better": True}
    for k, score in enumerate([0.75, 0.7]):
        scores = {f"{split}/{name}": score for split in ("val", "test") for name in ("accuracy", metric["name"])}
        config = {"seed": 0, "method": {"lam": k}, "metric": metric}
        (tmp_path / str(k)).mkdir()
        results.write(tmp_path / str(k), record(config=config, metrics=scores, seed=0, epoch=2), HISTORY)
    OFFLINE.finish(tmp_path, "a-sweep")
    folder = tmp_path / "summary_adult_worst_group_accuracy"
    assert summary(folder)["hypervolume"] == pytest.approx(0.1875)
    assert tables(folder)["configurations"]["front"].tolist() == [True, False]


def test_a_summary_run_made_again_overwrites_itself(sweep):
    OFFLINE.finish(sweep, "a-sweep")
    first = described(sweep / f"summary_adult_{DPD}").run_id
    write(sweep / "2", seed=2)
    OFFLINE.finish(sweep, "a-sweep")
    assert described(sweep / f"summary_adult_{DPD}").run_id == first
    assert summary(sweep / f"summary_adult_{DPD}")["runs"] == 3


def test_sync_pushes_a_sweep_that_was_run_without_wandb(sweep, capsys):
    main([str(sweep), "tracker=wandb", "tracker.mode=offline"])
    assert described(sweep / "0").project == "fairrun"
    assert described(sweep / "0").run_group == "a-sweep"
    assert described(sweep / f"summary_adult_{DPD}").job_type == "summary"
    main([str(sweep), "tracker=wandb", "tracker.mode=offline"])
    first = "sending to W&B, offline, project fairrun"
    said = [first, "W&B, offline: 2 runs logged, 0 already were", first, "W&B, offline: 0 runs logged, 2 already were"]
    assert capsys.readouterr().out.splitlines() == said


def test_sync_reads_values_as_training_does(sweep, capsys, monkeypatch):
    monkeypatch.setenv("TEAM", "us")
    main([str(sweep), "tracker=wandb", "tracker.mode=offline", "tracker.project=no", "tracker.entity=${oc.env:TEAM}"])
    run = described(sweep / "0")
    assert (run.project, run.entity) == ("no", "us")
    assert capsys.readouterr().out.startswith("sending to W&B, offline, project us/no\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("tracker.project", "'tracker.project' is no override, KEY=VALUE"),
        ("wandb", "did you mean tracker=wandb?"),
        ("tracker.project=[a", r"'tracker.project=\[a' cannot be read: "),
        ("tracker.project=a,b", "'tracker.project=a,b' must be KEY=VALUE with one value"),
        ("+tracker.project=a", r"'\+tracker.project=a' must be KEY=VALUE with one value"),
        ("traker=wandb", r"got traker=\.\.\.; did you mean tracker\?"),
        ("traker.experiment=a", r"got traker.experiment=\.\.\.; did you mean tracker.experiment\?"),
        ("method=erm", "fairrun sync takes tracker=NAME and tracker.KEY=VALUE, got method="),
        ("tracker=[wandb]", r"tracker must be one of mlflow, tensorboard, wandb, got \['wandb'\]"),
        ("tracker.projekt=a", r"tracker.projekt is no key: did you mean tracker.project\?"),
        ("tracker.entity=${oc.env:NOBODY_SET_IT}", "tracker.entity: .*NOBODY_SET_IT"),
    ],
)
def test_sync_refuses_what_it_cannot_read(sweep, given, said):
    with pytest.raises(SystemExit, match=said):
        main([str(sweep), *(["tracker=wandb"] if "tracker=" not in given else []), "tracker.mode=offline", given])


def test_sync_takes_a_key_once(sweep):
    with pytest.raises(SystemExit, match="tracker must be given once, got wandb and mlflow"):
        main([str(sweep), "tracker=wandb", "tracker=mlflow"])


def test_sync_goes_where_the_runs_were_configured_to_go_unless_told(tmp_path):
    stored = {"_target_": "fairrun.trackers.wandb.Wandb", "project": "stored", "entity": "us", "mode": "offline"}
    for name in ("as-stored", "as-told"):
        write(tmp_path / name / "0")
        write(tmp_path / name / "1", tracker=stored)
    main([str(tmp_path / "as-stored"), "tracker.mode=offline"])
    told = ["tracker=wandb", "tracker.project=told", "tracker.entity=them"]
    main([str(tmp_path / "as-told"), *told, "tracker.mode=offline"])
    runs = [described(tmp_path / name / "0") for name in ("as-stored", "as-told")]
    assert [(run.project, run.entity) for run in runs] == [("stored", "us"), ("told", "them")]


def test_sync_pushes_a_single_run_without_group_and_summary(tmp_path):
    write(tmp_path)
    main([str(tmp_path), "tracker=wandb", "tracker.mode=offline"])
    assert described(tmp_path).run_group == ""


def test_sync_without_a_key_is_refused_and_changes_nothing(sweep):
    before = sorted(sweep.rglob("*"))
    with pytest.raises(SystemExit, match=r"needs a W&B key: run `wandb login`"):
        main([str(sweep), "tracker=wandb"])
    assert sorted(sweep.rglob("*")) == before


def test_sync_of_runs_without_a_tracker_goes_nowhere_until_one_is_given(sweep):
    before = sorted(sweep.rglob("*"))
    said = "a tracker must be given, as the runs have none: tracker=mlflow, tracker=tensorboard, tracker=wandb"
    for given in ([], ["tracker.mode=online"]):
        with pytest.raises(SystemExit, match=f"^{said}$"):
            main([str(sweep), *given])
    assert sorted(sweep.rglob("*")) == before


def test_sync_of_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"the folder must hold results of runs \(record.json\), got"):
        (tmp_path / "nowhere").mkdir()
        main([str(tmp_path / "nowhere"), "tracker.mode=offline"])


def test_online_without_a_key_is_refused():
    with pytest.raises(InputError, match=r"tracker\.mode=online needs a W&B key"):
        Wandb(project="fairness", entity=None, mode="online").check(single=True)


@pytest.mark.parametrize("content", [b"[1]", b"null", b'{"id": 5}', b'{"id": ""}', b"{}", b"", b"\x80\xff", b"{"])
def test_a_damaged_mark_stays_and_the_other_runs_are_logged(sweep, content, capsys):
    """Two runs that are damaged are no sign that nobody answers."""
    write(sweep / "2", seed=2)
    (sweep / "1" / "tensorboard.json").write_bytes(content)
    mark = sweep / "0" / "tensorboard.json"
    mark.write_bytes(content)
    with pytest.raises(InputError, match=f"^{mark} is damaged, or not fairrun's: move it elsewhere"):
        TensorBoard().finish(sweep, None)
    assert mark.read_bytes() == content
    assert capsys.readouterr().out.endswith(": 1 run logged, 0 already were, 2 with damaged files\n")
    mark.unlink()
    (sweep / "1" / "tensorboard.json").unlink()
    TensorBoard().finish(sweep, None)
    assert capsys.readouterr().out.endswith(": 2 runs logged, 1 already were\n")


def test_a_run_that_another_process_logs_is_left_to_it(sweep, capsys):
    with locked("folder", str(sweep / "0"), ".tensorboard.lock"):
        TensorBoard().finish(sweep, None)
        with pytest.raises(InputError, match=f"{sweep / '0'} is being logged to TensorBoard by another process"):
            TensorBoard().log(sweep / "0", None, results.read(sweep / "0"), HISTORY)
    assert not (sweep / "0" / "tensorboard").exists()
    TensorBoard().finish(sweep, None)
    said = ["1 run logged, 0 already were, 1 being logged by another process", "1 run logged, 1 already were"]
    assert [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()] == said


def test_a_run_that_is_logged_is_not_described_again(sweep):
    """A record without any field cannot be described."""
    tracker = TensorBoard()
    tracker.finish(sweep, None)
    tracker.log(sweep / "0", None, {}, HISTORY)
    tracker.log(sweep / "0", "a-sweep", {}, HISTORY)


def test_a_run_that_is_stopped_ends_as_killed_and_goes_on_under_its_id(tmp_path):
    live = Wandb(project="fairness", entity=None, mode="offline", live=True)
    found = write(tmp_path)
    live.epochs(tmp_path, None, found, HISTORY.to_dict("records")[:1])
    live.stop()
    (end,) = [r.exit for r in read_back(tmp_path) if r.WhichOneof("record_type") == "exit"]
    assert end.exit_code == 255
    first = live.known_id(tmp_path)
    assert not live.has(tmp_path)
    live.epochs(tmp_path, None, found, HISTORY.to_dict("records")[1:])
    live.log(tmp_path, None, found, HISTORY)
    assert [row["train/loss"] for row in history(tmp_path)] == [0.5, 0.25]
    assert described(tmp_path).run_id == first
    assert live.has(tmp_path)


@pytest.mark.slow
def test_what_wandb_did_not_take_is_said_and_kept_for_later(sweep):
    """Nobody answers at the address.  A run with offline files is not online yet: it is the first to be refused.

    No other run is tried then.
    """
    write(sweep / "2", seed=2)
    OFFLINE.finish(sweep, "a-sweep")
    first = described(sweep / "0").run_id
    nowhere = {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_INIT_TIMEOUT": "1"}
    command = [sys.executable, "-m", "fairrun", "sync", str(sweep), "tracker=wandb"]
    done = subprocess.run(command, env=os.environ | nowhere, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert f"W&B did not take {sweep / '0'}; its files are complete, sync them later" in done.stderr
    assert "Traceback" not in done.stderr
    assert ": 0 runs logged, 0 already were, 1 refused, 2 not tried" in done.stdout
    assert json.loads((sweep / "0" / MARK).read_text())["id"] == first
    assert json.loads((sweep / "0" / MARK).read_text())["place"] is None
    assert json.loads((sweep / "2" / MARK).read_text())["place"] == "offline"


@pytest.mark.slow
def test_the_summary_run_keeps_report_and_records_as_an_artifact(sweep):
    """W&B's own process copies the files that its offline run will upload."""
    report(sweep)
    OFFLINE.finish(sweep, "a-sweep")
    (request,) = artifacts(sweep / f"summary_adult_{DPD}")
    assert (request.type, request.name) == ("sweep", "a-sweep")
    names = {entry.path for entry in request.manifest.contents}
    assert names >= {"report.html", "front.png", "table.csv", "records.jsonl"}
    assert list((sweep / f"summary_adult_{DPD}").rglob("front picture*.png"))


def artifacts(folder):
    """The artifacts that an offline run will log, but for those of its tables."""
    requests = [r.request for r in read_back(folder) if r.WhichOneof("record_type") == "request"]
    found = [r.log_artifact.artifact for r in requests if r.WhichOneof("request_type") == "log_artifact"]
    found += [r.artifact for r in read_back(folder) if r.WhichOneof("record_type") == "artifact"]
    return [artifact for artifact in found if artifact.type != "run_table"]


def test_a_sweep_agent_names_the_run(tmp_path, monkeypatch):
    """A run that was done before is logged under the agent's id too: the agent waits for it."""
    found = write(tmp_path)
    OFFLINE.log(tmp_path, None, found, HISTORY)
    monkeypatch.setenv("WANDB_RUN_ID", "from-the-agent")
    OFFLINE.log(tmp_path, None, found, HISTORY)
    assert described(tmp_path).run_id == "from-the-agent"
    assert json.loads((tmp_path / MARK).read_text())["id"] == "from-the-agent"


def test_a_sweep_agent_wants_one_run_online(monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "one")
    with pytest.raises(InputError, match="WANDB_RUN_ID=one names one W&B run: train a single run, without -m"):
        OFFLINE.check(single=False)
    OFFLINE.check(single=True)
    monkeypatch.setenv("WANDB_SWEEP_ID", "a-sweep")
    with pytest.raises(InputError, match=r"tracker\.mode must be online with a sweep agent of W&B, got 'offline'"):
        OFFLINE.check(single=True)


@pytest.mark.parametrize("id", ["x y/z", " x", "a:b"])
def test_an_id_that_wandb_refuses_is_refused_before_training(monkeypatch, id):
    monkeypatch.setenv("WANDB_RUN_ID", id)
    with pytest.raises(InputError, match=f"WANDB_RUN_ID must be an id that W&B takes, got {id!r}: "):
        OFFLINE.check(single=True)


@pytest.mark.parametrize(("key", "value"), [("project", "a/b"), ("entity", 5)])
def test_what_wandb_refuses_is_named_by_its_own_key(key, value):
    given = {"project": "fairness", "entity": None, "mode": "offline"} | {key: value}
    with pytest.raises(InputError, match=f"^tracker.{key} must be a name that W&B takes, got {value!r}: "):
        Wandb(**given).check(single=True)


def test_names_of_artifacts_that_differ_stay_different():
    names = [_artifact_name(name) for name in ("a-b", "a b", "a/b", "x" * 128, "x" * 129, "x" * 130)]
    assert len(set(names)) == 6 and max(map(len, names)) == 128
    assert names[0] == "a-b"


def test_epochs_are_logged_while_they_are_trained(tmp_path):
    found = write(tmp_path)
    live = Wandb(project="fairness", entity=None, mode="offline", live=True)
    for row in HISTORY.to_dict("records"):
        live.epochs(tmp_path, None, {key: found[key] for key in found if key != "status"}, [row])
    live.log(tmp_path, None, found, HISTORY)
    assert [row["train/loss"] for row in history(tmp_path)] == [0.5, 0.25]
    assert summary(tmp_path)["status"] == "finished"
    assert live.has(tmp_path)


def test_a_run_of_which_only_some_epochs_were_seen_is_logged_as_a_whole(tmp_path):
    found = write(tmp_path)
    live = Wandb(project="fairness", entity=None, mode="offline", live=True)
    live.epochs(tmp_path, None, found, HISTORY.to_dict("records")[1:][:1])
    live.log(tmp_path, None, found, HISTORY)
    assert [row["train/loss"] for row in history(tmp_path)] == [0.5, 0.25]


def test_files_only_is_always_possible(tmp_path):
    tracker = NoTracker()
    tracker.check(single=False)
    tracker.log(tmp_path, None, record(), HISTORY)
    tracker.finish(tmp_path, "a-sweep")
    assert not list(tmp_path.iterdir())


def test_wandb_is_imported_only_where_it_is_used():
    code = "import sys, fairrun.trackers.wandb, fairrun.trackers.sync; sys.exit('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_data_sets_whose_names_differ_in_a_slash_have_summaries_of_their_own(tmp_path):
    for k, dataset in enumerate(("a/b", "a_b", "a%2Fb")):
        write(tmp_path / str(k), dataset=dataset)
    folders = [problem.folder for problem in told.problems(tmp_path, "a-sweep")]
    assert len(set(folders)) == 3 and not any("/" in folder for folder in folders)
