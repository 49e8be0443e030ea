"""A training that was stopped goes on as if it had not been."""

import io
import os
import signal

import pytest
import torch

from fairrun.models.mlp import MLP
from fairrun.training import stop
from fairrun.training.checkpoint import DIGEST, Checkpoint
from fairrun.training.fit import fit
from fairrun.training.stop import SIGNALS, Stopped, listen
from tests.helpers.synthetic import HEADS, method, rows_for

NETWORK = MLP(num_features=6, num_classes=2, width=8, depth=2, fairness_layers=1, fairness_position=None, dropout=0.2)


class Killed(Exception):
    """As a kill would stop it."""


def fitted(methods, checkpoint, progress):
    network = HEADS if "tasks" in methods[0].needs else NETWORK
    rows, seeds = rows_for(methods[0]), range(len(methods))
    return fit(network, methods, seeds, rows, epochs=5, batch_size=32, progress=progress, checkpoint=checkpoint)


def train(methods, path, stop_after=None, every_s=0.0):
    def progress(epoch, record, alive):
        if epoch - 1 == stop_after:
            raise Killed

    checkpoint = None if path is None else Checkpoint(path, every_s)
    return fitted(methods, checkpoint, progress)


STAGES = ["nash_ltr", "method.variant=authors", "method.bargain_epochs=5", "method.bargain_until=0.3"]


@pytest.mark.parametrize("chosen", [["erm"], STAGES], ids=" ".join)
def test_a_stopped_training_continues_bit_for_bit(chosen, tmp_path):
    """So does one of every method: a rule of the contract."""
    methods = [method(*chosen), method(*chosen, "method.optimizer.lr=0.01")]
    whole = train(methods, None)
    with pytest.raises(Killed):
        train(methods, tmp_path / "stack.pt", stop_after=3)
    heard = []
    continued = fitted(methods, Checkpoint(tmp_path / "stack.pt", 0.0), lambda epoch, *_: heard.append(epoch))
    assert heard == [4, 5]
    for one, other in zip(whole, continued, strict=True):
        assert one.history.equals(other.history)
        assert all(torch.equal(one.theta[part], other.theta[part]) for part in one.theta)


def test_a_run_that_failed_before_the_stop_is_still_marked(tmp_path):
    overrides = ["optimizer@method.optimizer=sgd", "method.optimizer.momentum=0"]
    methods = [method("erm", *overrides, f"method.optimizer.lr={lr}") for lr in (0.1, 1e30)]
    with pytest.raises(Killed):
        train(methods, tmp_path / "stack.pt", stop_after=3)
    good, bad = train(methods, tmp_path / "stack.pt")
    assert good.failure is None
    assert bad.failure == train(methods, None)[1].failure


def test_it_is_written_only_when_it_is_time(tmp_path):
    train([method("erm")], tmp_path / "stack.pt", every_s=3600)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_a_warning_and_a_new_start(tmp_path, caplog):
    (tmp_path / "stack.pt").write_bytes(b"not what torch writes")
    (run,) = train([method("erm")], tmp_path / "stack.pt")
    assert run.history.equals(train([method("erm")], None)[0].history)
    assert "cannot be read" in caplog.text


def test_a_signal_ends_a_training_at_the_end_of_its_epoch_with_its_progress_saved(tmp_path):
    """The third epoch's; the rest is trained by the next start, bit for bit."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    methods = [method("erm")]

    def progress(epoch, record, alive):
        if epoch == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        listen()
        with pytest.raises(Stopped) as found, stop.training():
            fitted(methods, Checkpoint(tmp_path / "stack.pt", 3600), progress)
        assert found.value.number == signal.SIGTERM and stop.asked() is None
        heard = []
        (run,) = fitted(methods, Checkpoint(tmp_path / "stack.pt", 3600), lambda epoch, *_: heard.append(epoch))
        assert heard[-1] == 5 and len(heard) < 4
        assert run.history.equals(train(methods, None)[0].history)
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_a_flipped_bit_is_a_warning_and_a_new_start(tmp_path, caplog):
    with pytest.raises(Killed):
        train([method("erm")], tmp_path / "stack.pt", stop_after=3)
    content = bytearray((tmp_path / "stack.pt").read_bytes())
    content[2 * len(content) // 3] ^= 1
    (tmp_path / "stack.pt").write_bytes(content)
    (run,) = train([method("erm")], tmp_path / "stack.pt")
    assert run.history.equals(train([method("erm")], None)[0].history)
    assert "its SHA-256 is not that of its content" in caplog.text


def test_a_file_that_cannot_be_written_does_not_stop_training(tmp_path, caplog):
    (run,) = train([method("erm")], tmp_path / "no" / "such" / "folder" / "stack.pt")
    assert len(run.history) == 5
    assert "could not be written" in caplog.text


def test_the_file_holds_nothing_that_runs_code(tmp_path):
    train([method("group_dro")], tmp_path / "stack.pt")
    content = torch.load(io.BytesIO((tmp_path / "stack.pt").read_bytes()[DIGEST:]), weights_only=True)
    assert content["epoch"] == 5


def test_a_signal_after_the_last_epoch_ends_the_next_training():
    stop.listen()
    try:
        with stop.training():
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(stop.Stopped), stop.training():
            raise AssertionError("it must not begin")
        with stop.training():
            assert stop.asked() is None
    finally:
        for number in stop.SIGNALS:
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
