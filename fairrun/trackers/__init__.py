"""Logs results elsewhere: to Weights & Biases, MLflow or TensorBoard.  The config group ``tracker`` chooses.

``api`` has the interface, and ``told`` what every tracker is told of a run and of a sweep.  ``logger`` logs each run
from its files, once.  ``wandb``, ``mlflow`` and ``tensorboard`` each import their library only where they use it.
"""

from fairrun.trackers.api import NoTracker, Tracker

__all__ = ["NoTracker", "Tracker"]
