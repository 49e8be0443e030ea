"""What each key of the configuration means for a run."""

from typing import NamedTuple

# Top-level keys that change nothing in a run's results.
NO_EFFECT = ("tracker", "report", "results", "resume", "checkpoint_minutes")

# Keys of the configuration that, where they are null, make what stands beside them say nothing
SWITCHES = ("dataset.outliers.kind", "schedule.every")


def switch_of(key: str) -> str | None:
    """The one of ``SWITCHES`` that a dotted key stands beside."""
    nodes = {switch: switch.rpartition(".")[0] for switch in SWITCHES}
    return next((switch for switch, node in nodes.items() if key != switch and key.startswith(f"{node}.")), None)


class Renamed(NamedTuple):
    """A key that has a new name, and with it all keys below it.  The old name works for one more version."""

    old: str
    new: str
    methods: tuple[str, ...] = ()  # choices of group ``method`` that the entry is limited to; (): it holds for all


_IRW = ("irw", "irwo", "irw_global", "irw_resampled")
_TUNED = (*_IRW, "arl", "bpf", "chi2_dro", "cvar_dro", "group_dro", "jtt", "vfair")  # had keys in ``tuned``
# To rename a key, add a line: the first entry that fits a key counts.  ``fairrun.config.renames`` applies the table to
# the command line, to the ranges of a sweep and to configuration files.
RENAMED = (
    Renamed("dataset.states", "dataset.proxies"),
    Renamed("dataset.merged", "dataset.binarize"),
    Renamed("dataset.omitted", "dataset.drop_categories"),
    # Top-level keys that reached one method or model: its own field now
    Renamed("tuned.arl.adversary_lr", "method.adversary_optimizer.lr", ("arl",)),
    *(Renamed(f"tuned.{name}", "method", (name,)) for name in _TUNED),
    Renamed("bargain_epochs", "method.bargain_epochs", ("nash_ltr", "nash_forml", "nash_meta_gdro")),
    Renamed("dro_variant", "method.variant", ("dro",)),
    Renamed("mtaf_variant", "method.variant", ("mtaf", "mtl_fair")),
    Renamed("task_reduction", "method.reduction", ("stl", "mtl", "greedy_fmt", "fbgrad")),
    Renamed("fairbinn_loss", "method.fairness_loss", ("fairbinn_authors", "lagrangian")),
    Renamed("shared_bottom", "model"),
)
# Old top-level keys.  What files say of other methods there is dropped.
GONE = ("tuned", "bargain_epochs", "dro_variant", "mtaf_variant", "task_reduction", "fairbinn_loss", "shared_bottom")
# Keys whose values are mappings that the user names the keys of: +dataset.tasks.NAME=... adds one.
FREE = ("dataset.tasks", "dataset.binarize", "dataset.proxies", "dataset.drop_categories", "report.compare")


def is_below(key: str, node: str) -> bool:
    """Whether a dotted ``key`` is ``node`` or stands below it."""
    return key == node or key.startswith(f"{node}.")
