"""Options and fixtures that all tests share."""

import os
from collections.abc import Iterator

import pytest
import torch

torch.set_num_threads(1)  # as runs are trained: only then does a product round alike for one run and for many


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="rewrite tests/golden with the losses of today's code")


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
