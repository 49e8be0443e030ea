"""The text of LightGBM's trees, checked before LightGBM reads it: it trusts sizes, indices and children, and may crash.

The text is a header, a block for each tree, and what training was told; each line of a block is KEY=NUMBERS.
"""

import re
from collections.abc import Callable

import numpy as np

from fairrun.config.check import InputError

HEADER = {  # the lines that must be there, and what they must say for one label of two classes
    "version": r"v4",
    "num_class": r"1",
    "num_tree_per_iteration": r"1",
    "label_index": r"0",
    "max_feature_idx": r"\d+",
    "objective": r"[a-z_]+( [a-z_]+:\S+)*",
    "feature_names": r"\S+( \S+)*",
    "feature_infos": r"\S+( \S+)*",
    "tree_sizes": r"\d+( \d+)*",
}
OPTIONAL = {"monotone_constraints": r"-?\d+( -?\d+)*"}
WORDS = ("tree", "average_output")  # lines of the header without a value; the second is of random forests
INNER = ("split_gain", "threshold", "internal_value", "internal_weight", "internal_count")  # numbers of each inner node
LEAVES = ("leaf_weight", "leaf_count")  # numbers of each leaf
BRANCHES = ("split_feature", "decision_type", "left_child", "right_child")  # whole numbers of each inner node
FIXED = {"num_cat": "0", "is_linear": "0"}  # features are numbers, and leaves are constants
KEYS = {"num_leaves", "leaf_value", "shrinkage", *INNER, *LEAVES, *BRANCHES, *FIXED}
DECISIONS = (0, 2, 4, 6, 8, 10)  # no category; to the left by default or not; missing values none, 0 or NaN
TAIL = re.compile(
    r"end of trees\n\nfeature_importances:\n(\S+=\d+\n)*\nparameters:\n(\[\w+: [^\n]*\]\n)*\nend of parameters\n\n"
    r"pandas_categorical:null\n?"
)


def check_text(content: bytes, num_features: int) -> None:
    """Check the text of a classifier for rows of so many features.  Raises ``InputError``, which says what is wrong."""
    text = content.decode("ascii", errors="replace")
    _hold("\ufffd" not in text and "\r" not in text and "\0" not in text, "it must be plain text")
    head, _, rest = text.partition("\n\n")
    sizes = _checked_header(head, num_features)
    blocks, end, tail = rest.partition("end of trees\n")
    _hold(TAIL.fullmatch(end + tail), "what follows the trees is not as LightGBM writes it")
    _hold(sum(sizes) == len(blocks), f"tree_sizes must be those of the trees, {len(blocks)} characters")
    start = 0
    for k, size in enumerate(sizes):
        _check_tree(k, blocks[start : start + size], num_features)
        start += size


def _hold(condition: object, otherwise: str) -> None:
    if not condition:
        raise InputError(f"LightGBM's text is damaged: {otherwise}")


def _checked_header(head: str, num_features: int) -> list[int]:
    """The sizes of the trees' blocks, in characters."""
    lines = [line for line in head.split("\n") if line not in WORDS]
    _hold(head.startswith("tree\n"), "its first line must be tree")
    found = _pairs(lines, "the header")
    allowed = HEADER | OPTIONAL
    for key in [*HEADER, *found]:
        sound = key in allowed and key in found and re.fullmatch(allowed[key], found[key])
        _hold(sound, f"{key} in the header must be as LightGBM writes it, got {found.get(key, 'none')[:40]!r}")
    last = int(found["max_feature_idx"][:9])
    _hold(last == num_features - 1, f"it must be for {num_features} features, got max_feature_idx={last}")
    for key in ("feature_names", "feature_infos", *(OPTIONAL.keys() & found.keys())):
        _hold(len(found[key].split(" ")) == num_features, f"{key} must be {num_features}, one a feature")
    return [int(size[:12]) for size in found["tree_sizes"].split(" ")]


def _check_tree(k: int, block: str, num_features: int) -> None:
    """Check one block: as many numbers as nodes, and every node but the first the child of one before it."""
    where = f"Tree={k}"
    lines = block.rstrip("\n").split("\n")
    _hold(lines[0] == where and block.endswith("\n\n"), f"{where} must begin where tree_sizes says")
    found = _pairs(lines[1:], where)
    _hold(found.keys() == KEYS, f"{where} must have the lines {', '.join(sorted(found.keys() ^ KEYS))}, and no others")
    _hold(re.fullmatch(r"[1-9]\d{0,8}", found["num_leaves"]), f"{where} must have num_leaves >= 1")
    leaves = int(found["num_leaves"])
    for key, value in FIXED.items():
        _hold(found[key] == value, f"{where} must have {key}={value}, got {found[key][:40]!r}")

    def numbers(key: str, make: Callable[[str], float], *counts: int) -> np.ndarray:
        texts = found[key].split(" ") if found[key] else []
        _hold(len(texts) in counts, f"{where} must have {counts[0]} numbers {key}, got {len(texts)}")
        try:
            return np.array([make(text) for text in texts])
        except ValueError as error:
            raise InputError(f"LightGBM's text is damaged: {where} must have numbers {key}: {error}") from None

    for key in INNER:
        numbers(key, float, leaves - 1)
    for key in LEAVES:
        numbers(key, float, leaves, *([0] if leaves == 1 else []))
    values = [*numbers("leaf_value", float, leaves), *numbers("shrinkage", float, 1)]
    _hold(np.isfinite(values).all(), f"{where} must have finite numbers leaf_value and shrinkage")
    feature, decision, left, right = (numbers(key, _whole, leaves - 1) for key in BRANCHES)
    within = ((feature >= 0) & (feature < num_features)).all()
    _hold(within, f"{where} must have split_feature among {num_features} features")
    _hold(np.isin(decision, DECISIONS).all(), f"{where} must have decision_type among {', '.join(map(str, DECISIONS))}")
    children, parents = np.concatenate([left, right]), np.tile(np.arange(leaves - 1), 2)
    once = np.array_equal(np.sort(children), [*range(-leaves, 0), *range(1, leaves - 1)]) or leaves == 1
    _hold(once, f"{where} must have every node but the first once as left_child or right_child")
    _hold(((children < 0) | (children > parents)).all(), f"{where} must have children after their parents")


def _whole(text: str) -> int:
    """A whole number of few digits, as C++ and Python both read it."""
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise ValueError(f"{text[:40]!r} is no whole number")
    return int(text)


def _pairs(lines: list[str], where: str) -> dict[str, str]:
    """KEY=VALUE of each line."""
    found: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.partition("=")
        _hold(equals and key not in found, f"{where} must have lines KEY=VALUE, each key once, got {line[:40]!r}")
        found[key] = value
    return found
