"""Options and fixtures that all tests share."""

import functools
import os
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers import snapshots
from tests.helpers.command import DESCRIPTION
from tests.helpers.quick import quicken
from tests.helpers.synthetic import table

os.environ["FAIRRUN_PLUGINS"] = "tests"  # whose classes and functions tests name
quicken()
torch.set_num_threads(1)  # as runs are trained: only then does a product round alike for one run and for many


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="rewrite tests/golden with the losses of today's code")
    parser.addoption("--snapshots", action="store_true", help="rewrite tests/snapshots with the texts of today's code")


@pytest.fixture(scope="session", autouse=True)
def real_cache(request: pytest.FixtureRequest) -> Iterator[None]:
    """Real data is fetched once per checkout, into pytest's own cache, and never from a user's cache."""
    before = os.environ.get("FAIRRUN_CACHE")
    os.environ["FAIRRUN_CACHE"] = str(request.config.cache.mkdir("fairrun"))
    yield
    if before is None:
        del os.environ["FAIRRUN_CACHE"]
    else:
        os.environ["FAIRRUN_CACHE"] = before


@pytest.fixture(autouse=True)
def no_width(monkeypatch):
    """What is printed is as wide as a file takes, whatever a test before or the terminal says."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def snapshot(request):
    """``snapshot(name, text)`` fails where ``text`` is not that of tests/snapshots/NAME."""
    return functools.partial(snapshots.compare, rewrite=request.config.getoption("--snapshots"))


@pytest.fixture
def csv(tmp_path):
    """A user's own table in table.csv; ``command.DESCRIPTION`` describes it."""
    rows = table(400, seed=0)
    frame = pd.DataFrame(rows.x.numpy(), columns=[f"x{k}" for k in range(6)])
    frame["kind"] = np.where(frame["x5"] > 0, "a", "b")
    frame["group"] = np.array(["north", "south", "west"])[rows.s.numpy()]
    frame["hired"] = np.where(rows.y.numpy() == 1, "yes", "no")
    frame.to_csv(tmp_path / "table.csv", index=False)
    return frame


@pytest.fixture
def described(csv, tmp_path):
    """Overrides that describe the table of ``csv``, from any folder."""
    return [override.replace("table.csv", f"{tmp_path}/table.csv") for override in DESCRIPTION]
