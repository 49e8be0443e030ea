"""Train every combination of values, then report: fairrun sweep method=penalty method.lam=0,0.5,1 'seed=range(5)'.

The same as ``fairrun train -m ...``.
"""

from collections.abc import Sequence

from fairrun.cli.subcommands import train


def main(arguments: list[str]) -> None:
    """The subcommand."""
    train.main(["-m", *arguments])


def words(arguments: Sequence[str]) -> list[str]:
    """Keys, groups and their choices, as Hydra completes them."""
    return train.words(["-m", *arguments])
