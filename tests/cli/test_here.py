"""A command that tests run in their own process says what one in a process of its own says, and leaves nothing."""

import logging
import os
import signal
import sys

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from fairrun import train
from fairrun.training.stop import SIGNALS
from tests.helpers.command import DESCRIPTION, run_warm
from tests.helpers.here import run_here


def state():
    root = logging.getLogger()
    hydra = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    signals = [signal.getsignal(number) for number in SIGNALS]
    logs = root.handlers[:], root.level, logging.getLogRecordFactory()
    return os.getcwd(), dict(os.environ), sys.argv, sys.path[:], train._locks[:], hydra, signals, logs, sys.stdout


@pytest.mark.slow
@pytest.mark.parametrize("overrides", [["+dataset.merged.group=north,south", "method.lamm=1"]])
def test_it_says_the_same_again_and_again_and_nothing_stays(tmp_path, csv, overrides):
    """A warning that comes once a process among it."""
    given = [*DESCRIPTION, *overrides, "resume=false", "plugins=[mine]", "hydra.run.dir=out"]
    before = state()
    said = [run(tmp_path, *given) for run in (run_here, run_here, run_warm)]
    assert state() == before
    first, again, alone = ((done.returncode, *map(timeless, (done.stdout, done.stderr))) for done in said)
    assert first == again == alone


def timeless(text):
    """Lines without the time at which they were logged."""
    return [line.partition("][")[2] if line.startswith("[20") else line for line in text.splitlines()]
