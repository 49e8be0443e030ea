"""TensorBoard against the real package: event files are read back."""

import numpy as np
import pandas as pd
import pytest

from fairrun.config.check import InputError
from fairrun.report import report
from fairrun.results import records as results
from fairrun.trackers import logger
from fairrun.trackers.tensorboard import FOLDER, TensorBoard
from tests.helpers.records import record

HISTORY = pd.DataFrame({"epoch": [1, 2], "train/loss": [0.5, 0.25], "val/accuracy/s=1": [0.5, 0.75]})
DPD = "demographic_parity_difference"
MARK = "tensorboard.json"


@pytest.fixture
def sweep(tmp_path):
    """Two seeds."""
    folder = tmp_path / "a-sweep"
    for seed in (0, 1):
        scores = {f"{split}/{name}": 0.5 for split in ("val", "test") for name in ("accuracy", DPD)}
        (folder / str(seed)).mkdir(parents=True)
        results.write(folder / str(seed), record(seed=seed, metrics=scores), HISTORY)
    return folder


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder / FOLDER), size_guidance={"images": 0}).Reload()


def test_epochs_are_scalars_and_groups_have_their_names(sweep):
    TensorBoard().finish(sweep, "a-sweep")
    found = events(sweep / "1")
    assert [(event.step, event.value) for event in found.Scalars("train/loss")] == [(1, 0.5), (2, 0.25)]
    assert [event.value for event in found.Scalars("val/accuracy/sex=M")] == [0.5, 0.75]
    assert found.Scalars("summary/test/accuracy")[0].value == 0.5


def test_the_configuration_is_hyper_parameters(sweep):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    TensorBoard().finish(sweep, "a-sweep")
    content = events(sweep / "1").summary_metadata["_hparams_/session_start_info"].plugin_data.content
    given = HParamsPluginData.FromString(content).session_start_info.hparams
    assert given["method"].string_value == "erm"
    assert given["method.lam"].number_value == 0.5
    assert given["data_sha256"].string_value == "0" * 64


def test_the_summary_has_the_table_and_the_picture(sweep):
    report(sweep)
    TensorBoard().finish(sweep, "a-sweep")
    found = events(sweep / f"summary_adult_{DPD}")
    text = found.Tensors("front/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| method | setting | seeds | accuracy |" in text
    assert np.isfinite(found.Scalars("summary/hypervolume")[0].value)
    assert found.Images("front picture")


def test_a_run_trained_anew_overwrites_itself(sweep, capsys):
    TensorBoard().finish(sweep, "a-sweep")
    results.write(sweep / "0", record(seed=0, metrics=results.read(sweep / "0")["metrics"], epoch=1), HISTORY[:1])
    TensorBoard().finish(sweep, "a-sweep")
    assert len(events(sweep / "0").Scalars("train/loss")) == 1
    assert capsys.readouterr().out.splitlines() == [
        "TensorBoard, event files in the runs' folders: 2 runs logged, 0 already were",
        "TensorBoard, event files in the runs' folders: 1 run logged, 1 already were",
    ]


def test_epochs_are_there_while_they_are_trained(tmp_path):
    found = record(metrics={"test/accuracy": 0.5})
    results.write(tmp_path, found, HISTORY)
    begun = {key: found[key] for key in found if key != "status"}
    live = TensorBoard(live=True)
    live.epochs(tmp_path, None, begun, HISTORY.to_dict("records")[0:][:1])
    assert [event.value for event in events(tmp_path).Scalars("train/loss")] == [0.5]
    live.epochs(tmp_path, None, begun, HISTORY.to_dict("records")[1:][:1])
    live.log(tmp_path, None, found, HISTORY)
    assert [event.value for event in events(tmp_path).Scalars("train/loss")] == [0.5, 0.25]


def test_event_files_that_are_not_its_own_stay(tmp_path):
    foreign = tmp_path / FOLDER / "events.out.tfevents.1.host.2.0"
    foreign.parent.mkdir()
    foreign.write_bytes(b"")
    found = record()
    results.write(tmp_path, found, HISTORY)
    TensorBoard().log(tmp_path, None, found, HISTORY)
    results.write(tmp_path, found | {"epoch": 1}, HISTORY[:1])
    TensorBoard().log(tmp_path, None, found | {"epoch": 1}, HISTORY[:1])
    assert foreign.exists()
    assert len(list(foreign.parent.iterdir())) == 2


def test_data_sets_whose_names_read_alike_have_summaries_of_their_own(tmp_path):
    for k, name in enumerate(("a_b", "a/b", "x" * 300)):
        scores = {f"{split}/{metric}": 0.5 for split in ("val", "test") for metric in ("accuracy", DPD)}
        found = record(seed=0, metrics=scores)
        found["choices"] |= {"dataset": name}
        (tmp_path / str(k)).mkdir()
        results.write(tmp_path / str(k), found, HISTORY)
    TensorBoard().finish(tmp_path, "a-sweep")
    assert len([folder for folder in tmp_path.glob("summary_*") if list(folder.rglob("events.*"))]) == 3


def test_a_picture_that_cannot_be_read_is_one_message_and_the_runs_are_logged(sweep, capsys):
    report(sweep)
    (sweep / "front.png").write_text("no picture")
    said = f"TensorBoard did not take {sweep}/summary_adult_{DPD}; sync the sweep later: UnidentifiedImageError"
    with pytest.raises(InputError, match=said):
        TensorBoard().finish(sweep, "a-sweep")
    assert capsys.readouterr().out.endswith(": 2 runs logged, 0 already were\n")


class Choosy(TensorBoard):
    """Refuses the runs whose folders are named in ``full``, and does not answer then if ``lost``.

    ``asked`` has a line for every time that it is asked whether it answers.
    """

    full, lost, asked = ("0", "1"), False, []

    def open(self, described, folder, id):
        if folder.name in self.full:
            raise OSError(f"{folder.name} is too large")
        return super().open(described, folder, id)

    def answers(self):
        self.asked.append(1)
        return not self.lost


@pytest.fixture
def six(sweep):
    """Six seeds."""
    for seed in range(2, 6):
        (sweep / str(seed)).mkdir()
        results.write(sweep / str(seed), results.read(sweep / "0") | {"seed": seed}, HISTORY)
    return sweep


def test_runs_that_are_always_refused_stop_no_other(six, capsys):
    for said in ("4 runs logged, 0 already were, 2 refused", "0 runs logged, 4 already were, 2 refused"):
        with pytest.raises(InputError, match=r"(?s)0 is too large.*1 is too large"):
            Choosy().finish(six, "a-sweep")
        assert capsys.readouterr().out.endswith(f": {said}\n")
    assert (six / f"summary_adult_{DPD}" / FOLDER).exists()


def test_a_tracker_that_does_not_answer_is_asked_once_and_what_is_not_tried_is_counted(six, capsys, monkeypatch):
    """Run 3 is logged already, and is not among those that are not tried."""
    monkeypatch.setattr(Choosy, "asked", [])
    TensorBoard().finish(six / "3", None)
    monkeypatch.setattr(Choosy, "lost", True)
    with pytest.raises(InputError, match=r"^TensorBoard did not take [^\n]*0 is too large$"):
        Choosy().finish(six, "a-sweep")
    assert capsys.readouterr().out.endswith(": 0 runs logged, 1 already were, 1 refused, 4 not tried\n")
    assert len(Choosy.asked) == 1
    assert not (six / f"summary_adult_{DPD}" / FOLDER).exists()


def test_of_many_refusals_the_first_are_said(six, capsys, monkeypatch):
    monkeypatch.setattr(logger, "REASONS", 2)
    monkeypatch.setattr(Choosy, "full", tuple("012345"))
    with pytest.raises(InputError, match=r"(?s)0 is too large.*1 is too large\nand 4 more$"):
        Choosy().finish(six, None)


@pytest.mark.parametrize("killed_at", ["removing", "opening"])
def test_a_run_killed_while_it_is_logged_again_is_logged_by_the_next_command(sweep, monkeypatch, killed_at):
    """It was logged elsewhere before, to files that are removed: elsewhere does not have it any more."""
    tracker = TensorBoard()
    tracker.finish(sweep, None)
    before = tracker.known_id(sweep / "0")
    (sweep / "0" / MARK).write_text((sweep / "0" / MARK).read_text().replace(tracker.place, "elsewhere"))
    with monkeypatch.context() as patched:
        if killed_at == "removing":
            forget = TensorBoard.forget
            patched.setattr(TensorBoard, "forget", lambda *given: (forget(*given), _killed())[1])
        else:
            patched.setattr(TensorBoard, "open", lambda *given: _killed())
        with pytest.raises(KeyboardInterrupt):
            tracker.finish(sweep, None)
    elsewhere = Elsewhere()
    assert not elsewhere.has(sweep / "0")
    elsewhere.finish(sweep, None)
    assert elsewhere.has(sweep / "0") and elsewhere.known_id(sweep / "0") == before
    assert [event.step for event in events(sweep / "0").Scalars("train/loss")] == [1, 2]


class Elsewhere(TensorBoard):
    """Another place for event files."""

    place = "elsewhere"


def _killed():
    raise KeyboardInterrupt


def test_what_follows_runs_is_there_before_two_threads_ask_for_it():
    assert vars(TensorBoard())["_following"] == {}
