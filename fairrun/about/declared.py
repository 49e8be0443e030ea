"""What a class says of itself, read from its source: docstrings, fields with types and ranges, class attributes.

No module is imported: torch takes seconds.
"""

import ast
import functools
import io
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from fairrun.config.check import In
from fairrun.config.plugins import is_allowed, spec

WORDS = {
    "PerRun": "a number",
    "float": "a number",
    "int": "an integer",
    "bool": "true or false",
    "str": "text",
    "None": "null",
    "list": "a list",
    "Mapping": "a mapping",
    "PerTask": "a number, or a list with one for each task",
}
PLURAL = {"text": "texts", "a number": "numbers", "an integer": "integers"}


class Field(NamedTuple):
    """A field of a dataclass: a key of the configuration."""

    kind: str  # its type in words: "a number", "one of sum, norm"
    allowed: str  # its range: ">= 0", "in (0, 1]"; "" where the type says it all
    comment: str
    per_run: bool  # whether runs side by side may differ in it


class Source(NamedTuple):
    """The source of a module."""

    name: str
    tree: ast.Module
    comments: dict[int, str]  # by line, from 1
    alone: dict[int, str]  # those that have a line of their own

    @property
    def docstring(self) -> str:
        """The module's docstring."""
        return ast.get_docstring(self.tree) or ""

    def find(self, name: str) -> "tuple[Source, ast.AST] | None":
        """Where a name of the module is defined, here or where it is imported from: its module, and what defines it."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
                return self, node
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
                return self, node
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                return self, node
            if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
                other = source(node.module or "")
                original = next(alias.name for alias in node.names if (alias.asname or alias.name) == name)
                return other.find(original) if other else None
        return None


@functools.cache
def source(module: str) -> Source | None:
    """A module by its dotted name; None where there is none."""
    for path in _paths(module):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            comments = {line: comment for line, _, comment in _comments(text)}
            return Source(module, ast.parse(text), comments, {n: c for n, alone, c in _comments(text) if alone})
    return None


def _paths(module: str) -> Iterator[Path]:
    """Where a module may lie.  Only names without a dot are looked up, so that nothing is imported."""
    top, *parts = module.split(".")
    found = spec(top) if top else None
    if found and not parts and not found.submodule_search_locations and found.has_location:
        yield Path(str(found.origin))
    for place in (found.submodule_search_locations or []) if found else []:
        stem = Path(place, *parts)
        yield stem / "__init__.py" if stem.is_dir() else stem.with_name(f"{stem.name}.py")


def _comments(text: str) -> list[tuple[int, bool, str]]:
    """Every comment: its line, whether it has the line for itself, its text."""
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT]
    return [(t.start[0], t.line.lstrip().startswith("#"), t.string.lstrip("# ")) for t in tokens]


def defined(target: str) -> tuple[Source, ast.AST] | None:
    """What the dotted path of a class or function leads to; None where that is not known."""
    module, _, name = target.rpartition(".")
    found = source(module) if module else None
    return found.find(name) if found else None


def docstring(target: str) -> tuple[str, str]:
    """The docstrings of a class or function, and of its module."""
    found = defined(target)
    if found is None or not isinstance(found[1], ast.ClassDef | ast.FunctionDef):
        return "", ""
    return ast.get_docstring(found[1]) or "", found[0].docstring


@functools.cache
def fields(target: str) -> dict[str, Field]:
    """The fields of a dataclass, with those that it inherits."""
    found: dict[str, Field] = {}
    for module, cls in reversed(list(_classes(target))):
        for node in cls.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[node.target.id] = _field(module, node)
    return found


def attribute(target: str, name: str, values: Mapping[str, Any]) -> Any:
    """The value of a class attribute, or of a property that returns an expression of the fields' ``values``.

    None where the class has neither, or where nobody allows its package and the value is not plain.
    """
    for _, cls in _classes(target):
        for node in cls.body:
            expression = _expression(node, name)
            if expression is not None:
                if not is_allowed(target):
                    return _plain(expression)
                code = compile(ast.Expression(expression), target, "eval")
                return eval(code, {"__builtins__": {"frozenset": frozenset}}, {"self": SimpleNamespace(**values)})
    return None


def _plain(expression: ast.expr) -> Any:
    """The value of a literal, or of a frozenset of one, which runs no code; else None."""
    call = isinstance(expression, ast.Call) and ast.unparse(expression.func) == "frozenset" and expression.args
    try:
        return ast.literal_eval(call[0] if call else expression)
    except ValueError:
        return None


def _expression(node: ast.AST, name: str) -> ast.expr | None:
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
        return node.value
    if isinstance(node, ast.FunctionDef) and node.name == name:
        return next((step.value for step in node.body if isinstance(step, ast.Return)), None)
    return None


def _classes(target: str) -> Iterator[tuple[Source, ast.ClassDef]]:
    """A class and those that it derives from, itself first."""
    module, cls = defined(target) or (None, None)
    if module is not None and isinstance(cls, ast.ClassDef):
        yield module, cls
        for base in cls.bases:
            if isinstance(base, ast.Name) and (where := module.find(base.id)):
                yield from _classes(f"{where[0].name}.{base.id}")


def _field(module: Source, node: ast.AnnAssign) -> Field:
    lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    comment = next((module.comments[line] for line in lines if line in module.comments), "")
    above = module.alone.get(node.lineno - 1, "")
    kind, allowed = _kind(module, node.annotation)
    return Field(kind, allowed, comment or above, "PerRun" in ast.unparse(node.annotation))


def _kind(module: Source, node: ast.expr) -> tuple[str, str]:
    """A type in words, and its range."""
    if isinstance(node, ast.BinOp):
        (left, range_left), (right, range_right) = _kind(module, node.left), _kind(module, node.right)
        return f"{left} or {right}", range_left or range_right
    if isinstance(node, ast.Constant):
        return WORDS.get(str(node.value), str(node.value)), ""
    if isinstance(node, ast.Name):
        found = module.find(node.id) if node.id not in WORDS else None
        if found and isinstance(found[1], ast.Assign):
            return _kind(found[0], found[1].value)
        return WORDS.get(node.id, "a node with a _target_"), ""
    if isinstance(node, ast.Subscript):
        return _subscript(module, ast.unparse(node.value), node.slice)
    return ast.unparse(node), ""


def _subscript(module: Source, name: str, inner: ast.expr) -> tuple[str, str]:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Literal":
        return f"one of {', '.join(str(ast.literal_eval(part)) for part in parts)}", ""
    if name == "Annotated":
        kind, allowed = _kind(module, parts[0])
        for rule in parts[1:]:
            if isinstance(rule, ast.Call) and ast.unparse(rule.func) == "In":
                allowed = In(_text(module, rule.args[0])).allowed
            elif isinstance(rule, ast.Call) and ast.unparse(rule.func) == "OneOf":
                path = any(word.arg == "or_path" for word in rule.keywords)
                own = ", or the path of a function of your own" if path else ""
                kind = f"one of {', '.join(_names(module, rule.args[0]))}{own}"
        return kind, allowed
    if name in ("list", "Sequence"):
        kind = _kind(module, parts[0])[0]
        return f"a list of {PLURAL.get(kind, kind)}", ""
    return WORDS.get(name, name), ""


def _text(module: Source, node: ast.expr) -> str:
    """A text that may have constants of the module in it."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(module, part) for part in node.values)
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
        found = module.find(node.value.id)
        return str(ast.literal_eval(found[1].value)) if found and isinstance(found[1], ast.Assign) else "?"
    return str(ast.literal_eval(node))


def _names(module: Source, node: ast.expr) -> list[str]:
    """The names in a collection: texts, or the functions that a table is made of."""
    if isinstance(node, ast.Call) and len(node.args) == 1:
        return _names(module, node.args[0])
    if isinstance(node, ast.Name):
        found = module.find(node.id)
        if found and isinstance(found[1], ast.Assign | ast.AnnAssign) and found[1].value is not None:
            return _names(found[0], found[1].value)
    if isinstance(node, ast.DictComp):
        return _names(module, node.generators[0].iter)
    parts = node.keys if isinstance(node, ast.Dict) else node.elts if isinstance(node, ast.Tuple | ast.List) else []
    return [
        str(part.value) if isinstance(part, ast.Constant) else part.id
        for part in parts
        if isinstance(part, ast.Constant | ast.Name)
    ]
