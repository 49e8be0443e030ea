"""What each key of the configuration means for a run."""

from typing import NamedTuple

# Top-level keys that change nothing in a run's results.
NO_EFFECT = ("tracker", "report", "results", "resume", "checkpoint_minutes")

# Keys of the configuration that, where they are null, make what stands beside them say nothing
SWITCHES = ("dataset.outliers.kind", "schedule.every")

TUNED = "tuned"  # top-level key of presets: what every method takes, of which a run has its own in its method's fields


def switch_of(key: str) -> str | None:
    """The one of ``SWITCHES`` that a dotted key stands beside."""
    nodes = {switch: switch.rpartition(".")[0] for switch in SWITCHES}
    return next((switch for switch, node in nodes.items() if key != switch and key.startswith(f"{node}.")), None)


class Renamed(NamedTuple):
    """A key that has a new name, and with it all keys below it.  The old name works for one more version."""

    old: str
    new: str
    methods: tuple[str, ...] = ()  # choices of group ``method`` that the entry is limited to; (): it holds for all


# To rename a key, add a line: the first entry that fits a key counts.  ``fairrun.config.renames`` applies the table to
# the command line, to the ranges of a sweep and to configuration files.
RENAMED = (
    Renamed("dataset.states", "dataset.proxies"),
    Renamed("dataset.merged", "dataset.binarize"),
    Renamed("dataset.omitted", "dataset.drop_categories"),
)
# Keys whose values are mappings that the user names the keys of: +dataset.tasks.NAME=... adds one.
FREE = ("dataset.tasks", "dataset.binarize", "dataset.proxies", "dataset.drop_categories", "report.compare")


def is_below(key: str, node: str) -> bool:
    """Whether a dotted ``key`` is ``node`` or stands below it."""
    return key == node or key.startswith(f"{node}.")
