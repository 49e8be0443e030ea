"""A trained run."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from fairrun.method.api import Theta

Rules = dict[str, dict[str, Any]]  # group number -> how a score becomes a decision, as JSON


@dataclass
class Run:
    """One trained run."""

    history: pd.DataFrame  # one row per epoch: epoch, train/..., val/..., test/...
    theta: Theta  # parameters after the last epoch, without the run axis
    chosen: Theta  # of the epoch that counts
    constants: Theta = field(default_factory=dict, kw_only=True)  # of the network, the same for all runs
    failure: str | None = None  # names the first step whose loss is not finite; None if there is none
    postprocessed: dict[str, float] = field(default_factory=dict)  # val/..., test/... of the epoch that counts
    rules: Rules | None = None  # of the post-processing
    points: list[dict[str, Any]] = field(default_factory=list)  # of a curve of post-processing, as JSON
    groups: dict[str, Any] | None = None  # what tells groups by features, where rules need it, as JSON
    scores: dict[str, np.ndarray] = field(default_factory=dict)  # split -> what the chosen parameters predict
    classifiers: dict[str, tuple[float, bytes]] = field(default_factory=dict)  # of a library: file -> share, content
