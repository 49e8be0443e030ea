"""What each key of the configuration means for a run."""

# Top-level keys that change nothing in a run's results.
NO_EFFECT = ("tracker", "report", "results", "resume", "checkpoint_minutes")

# Keys of the configuration that, where they are null, make what stands beside them say nothing
SWITCHES = ("dataset.outliers.kind", "schedule.every")

TUNED = "tuned"  # top-level key of presets: what every method takes, of which a run has its own in its method's fields


def switch_of(key: str) -> str | None:
    """The one of ``SWITCHES`` that a dotted key stands beside."""
    nodes = {switch: switch.rpartition(".")[0] for switch in SWITCHES}
    return next((switch for switch, node in nodes.items() if key != switch and key.startswith(f"{node}.")), None)
