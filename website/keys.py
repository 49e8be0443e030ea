"""The pages about keys of the configuration, and about the choices that set many of them."""

from collections.abc import Iterator

from fairrun.about import catalogue, explain, files
from fairrun.config.keys import CONF
from website.markdown import code, link, page, plain, prose, table
from website.methods import of_type

FOLDER = "reference/keys/"
ROOT = "../../../"
HEAD = ("key", "default", "type and range", "meaning", "another value")
# What a page is about: the node of its keys, and their group
NODES = {group: (node, group) for node, group in explain.NODES.items()}
NODES |= {"optimizer": ("method.optimizer", "optimizer")}
PRESETS = ("experiments", "benchmarks", "sweeps")  # of ``catalogue.GROUPS``


def pages() -> dict[str, str]:
    """A page of the keys that every run has, one for each group, and one of the choices that set others."""
    groups = {f"{FOLDER}{_name(group)}.md": _group(node, group) for node, group in NODES.values()}
    return {f"{FOLDER}index.md": _common(), **groups, "reference/presets.md": _presets()}


def _name(group: str) -> str:
    return group.rpartition("/")[2]


def _common() -> str:
    keys = files.leaves(files.read(CONF / "train.yaml").keys)
    rows = [_common_row(key, explain.about({key: found}, key), found.value) for key, found in keys.items()]
    groups = [(link(code(group), f"{_name(group)}.md"), code(f"{node}.…")) for node, group in NODES.values()]
    return page(
        "Keys",
        "These keys every run has. `fairrun help KEY` says the same on the terminal.",
        *table(HEAD, rows),
        "## Keys of a choice",
        "",
        "A choice of a group brings keys of its own:",
        *table(("group", "its keys"), groups),
    )


def _common_row(key: str, said: explain.About, default: str) -> tuple[str, ...]:
    effects = "; ".join(explain.effects(key, per_run=said.per_run))
    return code(key), code(default), plain(of_type(said)), plain(said.comment), plain(effects)


def _group(node: str, group: str) -> str:
    """The choices of a group, and their keys: those that all of them have first."""
    choices = files.choices(group)
    listed = [(code(f"{group}={name}"), prose(files.read(path).summary)) for name, path in choices.items()]
    every = dict.fromkeys(key for name in choices for key in files.leaves(files.composed(group, name)))
    rows = [row for key in every for row in _rows(node, group, key, len(choices))]
    return page(
        f"Keys of {_name(group)}",
        *table(("choice", ""), listed),
        *(["## Keys"] if rows else []),
        *table(("key", "with", "default", "type and range", "meaning"), rows),
    )


def _rows(node: str, group: str, key: str, number: int) -> Iterator[tuple[str, ...]]:
    """A row for each meaning that a key has in the choices of its group."""
    for said, defaults in explain.of_choices(group, key).items():
        same = len(set(defaults.values())) == 1
        who = "all" if len(defaults) == number else ", ".join(defaults)
        default = code(next(iter(defaults.values()))) if same else _each(defaults)
        yield code(f"{node}.{key}"), who, default, plain(of_type(said)), plain(said.comment)


def _each(defaults: dict[str, str]) -> str:
    """Defaults that differ, with the choices that have each."""
    by_value: dict[str, list[str]] = {}
    for name, value in defaults.items():
        by_value.setdefault(value, []).append(name)
    return "<br>".join(f"{code(value) or '…'} ({', '.join(names)})" for value, names in by_value.items())


def _presets() -> str:
    """Experiments, benchmarks and search spaces."""
    lines = []
    for what in PRESETS:
        group = catalogue.GROUPS[what]
        rows = [
            (link(code(f"{group}={e.name}"), f"../../conf/{group}/{e.name}.yaml"), prose(e.does), plain(e.paper))
            for e in catalogue.entries(what)
        ]
        lines += [f"## {what.capitalize()}", *table(("choice", "what it is", "paper"), rows)]
    return page("Experiments, benchmarks, search spaces", "Each is a file of values for many keys.", "", *lines)
