"""scripts/fuzz N [--tables N] [--kills N]: exit status 1 if a case fails."""

import argparse
import logging
import secrets
import sys

import torch

from bench.fuzz import configurations, kills, tables


def main() -> None:
    """Try the cases, and print what became of them."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("configurations", type=int, help="how many random configurations")
    parser.add_argument("--tables", type=int, default=0, help="how many random tables")
    parser.add_argument("--kills", type=int, default=0, help="how many sweeps that are killed and go on")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(2**31), help="of the cases; default: another every time"
    )
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    print(f"--seed {given.seed}", flush=True)
    counts = []
    for kind, number in ((configurations, given.configurations), (tables, given.tables), (kills, given.kills)):
        if number:
            counts.append(kind.run(number, given.seed))
            print(counts[-1], flush=True)
    sys.exit(any(found.failures for found in counts))


if __name__ == "__main__":
    main()
