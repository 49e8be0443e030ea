"""Test what a paper claims, on runs: fairrun reproduce irw, with a computed verdict on every claim.

``all`` takes every paper.  Runs that are done are not trained again, so that a stopped command goes on where it was.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from fairrun.config.check import InputError, one_of, require

FLAGS = ("--budget", "--seeds", "--table", "--folder", "--store", "--from")


def main(arguments: list[str]) -> None:
    """The subcommand."""
    from fairrun.claims.spec import names

    parser = argparse.ArgumentParser("fairrun reproduce", description=str(__doc__), allow_abbrev=False)
    parser.add_argument("paper", help=f"{', '.join(names())}, or all")
    parser.add_argument(
        "--budget", help="quick (minutes; the default), full (an hour), or tiny: whether it runs at all"
    )
    parser.add_argument("--seeds", type=int, help="in the place of those of the benchmarks")
    parser.add_argument("--table", help="one of the paper's tables alone")
    parser.add_argument("--folder", type=Path, help="runs and pages (outputs/reproduce; of --from: there)")
    parser.add_argument("--store", type=Path, help="a folder that keeps the results, small, and the pages")
    parser.add_argument("--from", type=Path, dest="stored", help="such a folder: nothing is trained")
    given = parser.parse_args(arguments)
    least = 1 if given.budget == "tiny" else 3
    require(given.seeds is None or given.seeds >= least, "--seeds", given.seeds, f">= {least}, as verdicts need three")
    one_of("the paper", given.paper, [*names(), "all"])
    from fairrun.claims.reproduce import Order, reproduce
    from fairrun.claims.spec import BUDGETS

    budget = given.budget or "quick"
    one_of("--budget", budget, BUDGETS)
    if given.stored is not None and not all(value is None for value in (given.store, given.seeds, given.budget)):
        raise InputError("--from takes results as they were stored: give it without --store, --seeds and --budget")
    order = Order(budget, given.seeds, given.table, given.folder, given.store, given.stored)
    reproduce(names() if given.paper == "all" else [given.paper], order)


def words(arguments: Sequence[str]) -> list[str]:
    """The papers and options."""
    from fairrun.claims.spec import names

    return [*names(), "all", *FLAGS]
