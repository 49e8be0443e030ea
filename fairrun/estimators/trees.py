"""LightGBM's gradient-boosted trees (Ke et al., NeurIPS 2017).  https://lightgbm.readthedocs.io

Needs the extra ``trees``.
"""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fairrun.config.check import In
from fairrun.method.library import Estimator, require_installed


@dataclass(frozen=True)
class LightGBM(Estimator):
    """Gradient-boosted trees; the fields are those of ``LGBMClassifier``, with its defaults."""

    n_estimators: Annotated[int, In("[1, inf)")] = 100
    learning_rate: Annotated[float, In("(0, inf)")] = 0.1
    num_leaves: Annotated[int, In("[2, 131072]")] = 31
    max_depth: Annotated[int, In("[-1, inf)")] = -1  # of a tree; -1: no limit
    min_child_samples: Annotated[int, In("[0, inf)")] = 20  # rows of a leaf, at least
    subsample: Annotated[float, In("(0, 1]")] = 1.0  # share of the rows that a tree sees; below 1 rows are drawn
    colsample_bytree: Annotated[float, In("(0, 1]")] = 1.0  # share of the features that a tree sees
    reg_alpha: Annotated[float, In("[0, inf)")] = 0.0  # L1 penalty on the leaves' values
    reg_lambda: Annotated[float, In("[0, inf)")] = 0.0  # L2 penalty

    def __post_init__(self) -> None:
        super().__post_init__()
        require_installed("lightgbm", "'fairrun[trees]'")

    @property
    def library(self) -> str:
        """The package."""
        return "lightgbm"

    @property
    def random(self) -> bool:
        """Only where a tree sees a part of the rows or features."""
        return self.subsample < 1 or self.colsample_bytree < 1

    def make(self, seed: int, threads: int) -> Any:
        """The classifier, which gives the same numbers with any number of threads."""
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            **asdict(self),
            subsample_freq=int(self.subsample < 1),
            random_state=seed,
            n_jobs=threads,
            deterministic=True,
            force_row_wise=True,
            verbose=-1,
        )
