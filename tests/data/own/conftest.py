import functools

import pytest

from tests.helpers.loans import own_table


@pytest.fixture
def own(tmp_path):
    """Builds the data set of a frame, by way of a file."""
    return functools.partial(own_table, tmp_path)
