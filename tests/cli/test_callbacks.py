"""What other launchers pickle."""

import pickle

from omegaconf import OmegaConf

from fairrun import train
from fairrun.train import OutputFolder


def test_a_callback_that_holds_a_lock_can_be_pickled(tmp_path):
    callback = OutputFolder()
    node = {"run": {"dir": str(tmp_path / "run")}, "sweep": {"dir": str(tmp_path / "sweep")}}
    config = OmegaConf.create({"hydra": node})
    callback.on_run_start(config)
    callback.on_multirun_start(config)
    assert isinstance(pickle.loads(pickle.dumps(callback)), OutputFolder)
    for lock in train._locks:
        lock.close()
