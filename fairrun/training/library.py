"""Trains and evaluates a run of a method that a library trains: one fit, and a history of one epoch.

A score is the log-odds of the probability of label 1, as a network's logit, so that metrics and post-processing treat
it alike.  Probabilities of 0 and 1, which trees give, count as the numbers next to them, as in scikit-learn's log loss:
a row's loss is at most 36 nats.  For random decisions the score is the probability of the decision 1, and metrics are
expected values, as after post-processing.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits
from torch import Tensor

from fairrun.config.check import InputError
from fairrun.config.metrics import METRICS, Metric
from fairrun.data.pixels.stored import Features, in_memory
from fairrun.data.table import Data
from fairrun.estimators.saved import dump
from fairrun.method.library import Fitted, LibraryMethod, Rows
from fairrun.training.evaluation import evaluate_decisions, evaluation
from fairrun.training.run import Run
from fairrun.training.thresholds.postprocess import Scores

log = logging.getLogger(__name__)
FOR_AUTHORS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)  # of libraries, not for users
NEXT_TO_0 = float(np.finfo(np.float64).eps)


def fit_by_library(
    method: LibraryMethod,
    seed: int,
    data: Data,
    *,
    threads: int = 1,
    metrics: Sequence[Metric] = tuple(METRICS.values()),
    saves: bool = False,
) -> tuple[Run, Scores]:
    """Train a method on the training rows -> its run, and the scores of validation and test rows.

    The run has no parameters.  Its loss is the mean cross-entropy of training rows, NaN for random decisions.
    ``saves``: it has its classifiers as files, or a warning says why they cannot be saved.
    """
    train = data.train
    sensitive = train.s.numpy() if "s" in method.needs else None
    with _warnings_said_once(), threadpool_limits(threads):
        fitted = method.fit(Rows(features(train.x), train.y.long().numpy(), sensitive), seed, threads)
        p = [torch.from_numpy(method.predict(fitted, features(t.x)))[None] for t in (train, data.val, data.test)]
    scores = p if method.decides else [log_odds(each) for each in p]
    loss = torch.tensor(torch.nan)
    if not method.decides:
        loss = F.binary_cross_entropy_with_logits(scores[0][0], train.y.double())
    record = {"epoch": 1, "train/loss": float(loss)}
    of_logits = evaluation(data.target, len(data.groups), (), metrics)
    for split, values in zip(("val", "test"), scores[1:], strict=True):
        table = getattr(data, split)
        if method.decides:
            found = evaluate_decisions(values, table, len(data.groups), metrics)
        else:
            found = of_logits(values, table)
        record |= {f"{split}/{name}": float(value) for name, value in found.items()}
    finite = all(bool(each.isfinite().all()) for each in scores)
    failure = None if finite else f"the predictions were not finite with seed={seed}, {method}"
    left = {split: each[0].float().numpy() for split, each in zip(("val", "test"), p[1:], strict=True)}
    files = _files(fitted) if saves and finite else {}
    run = Run(pd.DataFrame([record]), {}, {}, failure, scores=left, classifiers=files)
    return run, Scores(scores[1][0], scores[2][0])


def _files(fitted: Fitted) -> dict[str, tuple[float, bytes]]:
    """The share and the content of the file of each classifier, by name; none if one cannot be saved."""
    try:
        files = dump(fitted.classifiers)
    except InputError as error:
        log.warning("no model is saved, but its scores: %s", error)
        return {}
    return {name: (share, content) for (name, content), share in zip(files.items(), fitted.shares, strict=True)}


def features(x: Features) -> np.ndarray:
    """Features as a library takes them."""
    return in_memory(x).double().numpy()


def log_odds(p: Tensor) -> Tensor:
    """The score of a probability: finite for 0 and 1."""
    p = p.clamp(NEXT_TO_0, 1 - NEXT_TO_0)
    return (p / (1 - p)).log()


@contextlib.contextmanager
def _warnings_said_once() -> Iterator[None]:
    """Log what libraries warn users of, the first line of each warning once: a reduction trains fifty classifiers."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    shown = [each for each in caught if not issubclass(each.category, FOR_AUTHORS)]
    for said in dict.fromkeys(f"{each.category.__name__}: {str(each.message).splitlines()[0]}" for each in shown):
        log.warning("%s", said)
