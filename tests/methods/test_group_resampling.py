"""Group resampling: what rows are drawn with, and how often groups are then seen."""

import pytest
import torch

from fairrun.config.check import InputError
from fairrun.method.api import Batch
from fairrun.methods.group_resampling import GroupResampling
from fairrun.training.binding import bind
from fairrun.training.optim import SGD

PLAIN = SGD(0.1, 0.0, 0.0)
S, Y = [0, 0, 0, 1, 1, 2, 2, 2, 2, 0], [0, 1, 1, 0, 0, 1, 0, 1, 1, 1]


def drawn_with(group_by):
    """The weights for the rows of S and Y, of which the last is padding."""
    s, y = torch.tensor([S]), torch.tensor([Y], dtype=torch.float64)
    w = torch.ones_like(y)
    w[:, -1] = 0
    batch = Batch(y.unsqueeze(-1), y, torch.arange(10)[None], w, s, num_groups=3)
    bound = bind([GroupResampling(PLAIN, group_by)], torch.float64)
    return bound.start_epoch(None, None, batch)[1][0]


def test_groups_are_drawn_as_often():
    """3, 2 and 4 rows."""
    assert drawn_with("s").tolist() == pytest.approx([1 / 3] * 3 + [1 / 2] * 2 + [1 / 4] * 4 + [0])


def test_cells_of_group_and_label_are_drawn_as_often():
    """Cells (0, 0): 1 row, (0, 1): 2, (1, 0): 2, (2, 0): 1, (2, 1): 3; (1, 1) has none."""
    expected = [1, 1 / 2, 1 / 2, 1 / 2, 1 / 2, 1 / 3, 1, 1 / 3, 1 / 3, 0]
    assert drawn_with("sy").tolist() == pytest.approx(expected)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="group_by must be one of s, sy, got 'y'"):
        GroupResampling(PLAIN, "y")
