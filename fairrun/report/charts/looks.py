"""How methods look: one colour and marker each, the same in every report, on the page and in pictures.

Colours have a shade for a light and one for a dark ground; each has a contrast of at least 3 to its ground.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from fairrun.about.files import choices

LIGHT, DARK = "#ffffff", "#14181f"  # the grounds
COLOURS = {  # name -> on a light ground, on a dark one
    "ink": ("#1d2530", "#e8ebf0"),
    "orange": ("#c24e00", "#ff9a52"),
    "blue": ("#0063a6", "#62b0e8"),
    "green": ("#007a55", "#3cc79a"),
    "magenta": ("#a83279", "#ee8ec3"),
    "violet": ("#5b45b0", "#ab9bf5"),
    "ochre": ("#8a6500", "#e0b64a"),
    "red": ("#b3202c", "#ff8080"),
    "teal": ("#00767f", "#4fc3cc"),
    "brown": ("#6b4a2f", "#c9a583"),
    "grey": ("#6f7a87", "#98a2ae"),  # published points
    "dim": ("#4f5863", "#c0c8d1"),
    "indigo": ("#332288", "#a99cf0"),  # from here on: what is no method, as groups that bargain
    "plum": ("#aa4499", "#e08fd6"),
    "sea": ("#2b8a7c", "#6fd0c0"),
    "olive": ("#7c7c1f", "#cfcf6f"),
    "wine": ("#882255", "#e38fb4"),
    "sky": ("#3f8fb5", "#9fdcf5"),
}
GREYS = ("grey", "dim")
PLAYERS = ("indigo", "plum", "sea", "olive", "wine", "sky")
OF_METHODS = tuple(name for name in COLOURS if name not in (*GREYS, *PLAYERS))
MARKERS = {  # name -> matplotlib's
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "down": "v",
    "pentagon": "p",
    "hexagon": "h",
}
Style = Literal["-", "--", ":", "-."]
STYLES: tuple[Style, ...] = ("-", "--", ":", "-.")
DECLARED = re.compile(r"^# @look (\w+) (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Look:
    """A colour, a marker and the style of a line."""

    colour: str  # in COLOURS
    marker: str = "circle"  # in MARKERS
    style: Style = "-"

    @property
    def on_light(self) -> str:
        """The shade for a light ground."""
        return COLOURS[self.colour][0]


def _known() -> dict[str, Look]:
    """The looks of fairrun's own methods and classifiers, as the comment ``# @look`` of each one's file says it."""
    paths = [item for group in ("method", "estimator") for item in choices(group).items()]
    found = {name: DECLARED.search(path.read_text(encoding="utf-8")) for name, path in paths}
    return {name: Look(match[1], match[2]) for name, match in found.items() if match}


KNOWN = _known()
FREE = [own for own in (Look(*pair) for pair in product(OF_METHODS[1:], MARKERS)) if own not in KNOWN.values()]


def looks(methods: Iterable[str]) -> dict[str, Look]:
    """The look of each of ``methods``.

    A method of a user's own has a look by its name, which none of fairrun's has.  "penalty, width 8", one of several
    that ``report.split_by`` made, has the colour of the penalty; "grid_search of lightgbm" that of the search.  Where
    two would look alike, the later in the alphabet has another marker, then another colour.
    """
    found: dict[str, Look] = {}
    for method in sorted(dict.fromkeys(methods), key=lambda name: (name not in KNOWN, name)):
        own = _of_name(re.split(", | of ", method)[0])
        free = (look for look in _near(own) if look not in found.values())
        found[method] = next(free, own)
    return found


def _of_name(method: str) -> Look:
    if method in KNOWN:
        return KNOWN[method]
    return FREE[int.from_bytes(hashlib.sha256(method.encode()).digest()[:4]) % len(FREE)]


def _near(own: Look) -> Iterable[Look]:
    """The look itself, then those of its colour, then all others."""
    yield own
    yield from (replace(own, marker=marker) for marker in MARKERS)
    yield from (Look(colour, marker) for colour, marker in product(OF_METHODS, MARKERS))


def published_look(k: int) -> Look:
    """The look of published method number ``k``: grey, and drawn hollow."""
    return Look(GREYS[k // len(MARKERS) % len(GREYS)], [*MARKERS][k % len(MARKERS)])


def numbered_look(k: int) -> Look:
    """The look of number ``k`` of what is no method, as quantities beside each other: in no method's colour."""
    return Look(PLAYERS[k % len(PLAYERS)], [*MARKERS][k % len(MARKERS)])
