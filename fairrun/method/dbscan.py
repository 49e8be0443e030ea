"""DBSCAN (Ester et al., KDD 1996) on the rows of a batch."""

from torch import Tensor


def dbscan_noise(squares: Tensor, reach: Tensor, min_samples: int) -> Tensor:
    """The rows that DBSCAN calls noise, bool [R, B]: neither core rows nor near one.

    ``squares`` [R, B, B] are squared distances, with inf to a row that does not count; ``reach`` [R, 1] is eps squared.
    A row is a core row if at least ``min_samples`` rows, itself included, are within eps.
    """
    near = squares <= reach.unsqueeze(-1)
    core = near.sum(-1) >= min_samples
    return ~(near & core.unsqueeze(1)).any(-1)
