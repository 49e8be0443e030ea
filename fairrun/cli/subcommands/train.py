"""Train one run: fairrun train method=penalty method.lam=1 dataset=adult.

The same as ``fairrun method=penalty ...`` and ``python -m fairrun.train method=penalty ...``.
"""

import sys
from collections.abc import Sequence


def main(arguments: list[str]) -> None:
    """The subcommand."""
    from fairrun import train

    sys.argv[1:] = arguments
    train.main()


def words(arguments: Sequence[str]) -> list[str]:
    """Keys, groups and their choices, as Hydra completes them."""
    from fairrun.about.completion import overrides

    return overrides(arguments)
