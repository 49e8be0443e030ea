"""The runs whose numbers stop being finite."""

import numpy as np


class Failures:
    """The first step of each run whose loss is not finite, [R]; -1 of a run without one.  Such a run trains no further.

    It is trained with its stack until the last run of it stops, but its later epochs do not count.
    """

    def __init__(self, num_runs: int) -> None:
        self.step = np.full(num_runs, -1)

    def see(self, epoch: int, losses: np.ndarray, val_loss: np.ndarray, trains: np.ndarray) -> None:
        """Note the runs that fail in ``epoch``, from 0, among those that train.

        ``losses`` are those of steps, [steps, R].  The last step can spoil the parameters without a training loss that
        shows it; the validation loss [R] does.
        """
        shown = np.concatenate([losses[:-1], np.where(np.isfinite(val_loss), losses[-1], np.nan)[None]])
        bad = ~np.isfinite(shown)
        now = bad.any(0) & trains
        self.step[now] = epoch * len(losses) + bad.argmax(0)[now]

    def ends(self, num_steps: int) -> np.ndarray:
        """The epochs after which each run failed, [R], with so many steps in an epoch; 0 of one that did not."""
        return np.where(self.step < 0, 0, self.step // num_steps + 1)
