"""How much memory this process may use, and features that would take too much."""

import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from fairrun.config.check import InputError

ROOT = Path("/")


def memory() -> int:
    """The bytes that this process may use: the machine's, or fewer where a control group limits them."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_limits(ROOT)])


def refuse_too_large(num_rows: int, num_numbers: int, bins: int, sizes: Mapping[str, int]) -> None:
    """Raise ``InputError`` if the encoded rows and one copy of them would take more than half of the memory.

    There are ``bins`` features for each of ``num_numbers`` columns of numbers; ``sizes`` are categories by column.
    """
    there = memory()
    of_numbers, of_categories = bins * num_numbers, sum(sizes.values())
    features = of_numbers + of_categories
    if 16 * num_rows * features <= there / 2:
        return
    if of_numbers > of_categories:
        key = "numeric" if bins == 1 else "bins"
        remedy = f"{of_numbers} are of columns of numbers: leave columns out"
        remedy += "" if bins == 1 else f", or take a smaller number than {bins}"
    else:
        key, largest = "categorical", sorted(sizes, key=lambda column: -sizes[column])[:3]
        most = ", ".join(f"{column!r} ({sizes[column]})" for column in largest)
        remedy = f"most categories have {most}: leave such columns out"
    raise InputError(
        f"dataset.{key}: {num_rows} rows with {features} features would take {16e-9 * num_rows * features:.1f} GB, "
        f"more than half of the {there / 1e9:.1f} GB that this process may use; {remedy}"
    )


@functools.cache
def _limits(root: Path) -> tuple[int, ...]:
    """The limits of the control groups that this process is in, of both versions, and of those above them."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return ()
    groups = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    found: list[int] = []
    for _, controllers, path in groups:
        if controllers == "":
            found += _of(root / "sys/fs/cgroup", path, "memory.max")
        elif "memory" in controllers.split(","):
            found += _of(root / "sys/fs/cgroup/memory", path, "memory.limit_in_bytes")
    return tuple(found)


def _of(mount: Path, path: str, name: str) -> Iterator[int]:
    """The limits of a group and of those above it; a container may see its own group as the root alone."""
    group = Path(path.lstrip("/"))
    for place in (group, *group.parents):
        try:
            text = (mount / place / name).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if text.isdecimal():  # else "max"
            yield int(text)
