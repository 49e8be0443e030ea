"""The pages about methods: what each is, needs and takes, by its configuration file and its class."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import yaml

from fairrun.about import catalogue, declared, explain, files
from website.markdown import block, code, link, page, plain, prose, table

FOLDER = "reference/methods/"
ROOT = "../../../"  # of the repository, from a page of the folder
HEAD = ("method", "what it does", "paper", "groups in training", "validation batch", "tasks", "classes")
LAYERS = {
    "classifier": "a last linear layer, `classifier`",
    "fairness": "layers of the fairness player (`model.fairness_layers` of an MLP)",
}


def pages() -> dict[str, str]:
    """The page of each method, and one that lists them."""
    entries = catalogue.entries("methods")
    listed = [(link(f"`{entry.name}`", f"{entry.name}.md"), prose(entry.does), *_facts(entry)[1:]) for entry in entries]
    index = page("Methods", "A method is chosen by `method=NAME`; several by `method=A,B`.", *table(HEAD, listed))
    return {f"{FOLDER}index.md": index} | {f"{FOLDER}{entry.name}.md": _page(entry) for entry in entries}


def _facts(entry: catalogue.Entry) -> tuple[str, ...]:
    """The name, the paper, and what a method needs, as a row of the table of methods."""
    needs, paper = catalogue.needs_of(entry.name), catalogue.paper(entry.name) or entry.paper
    several = bool(_attribute(entry.name, "multiclass"))
    return (
        entry.name,
        plain(paper) or "none",
        "yes" if entry.groups == catalogue.TRAINING else "of the validation batch" if "val" in needs else "no",
        "yes" if "val" in needs else "no",
        "several" if "tasks" in needs else "one",
        "two or more" if several else "two",
    )


def _attribute(name: str, attribute: str) -> object:
    """The value of a class attribute of a method, with the values of its file."""
    keys = files.composed("method", name)
    values = {key: yaml.safe_load(found.value) for key, found in keys.items() if "." not in key}
    return declared.attribute(_class(keys), attribute, values)


def _class(keys: Mapping[str, files.Key]) -> str:
    """The class that a method's file names."""
    return files.target(keys, "optimizer")


def _page(entry: catalogue.Entry) -> str:
    keys = files.composed("method", entry.name)
    target = _class(keys)
    doc, module = declared.docstring(target)
    _, paper, groups, validation, tasks, classes = _facts(entry)
    needs = catalogue.needs_of(entry.name)
    file = PurePosixPath(*target.split(".")[:-1]).with_suffix(".py")
    about = [
        ("paper", paper),
        ("sees groups in training", groups),
        ("needs a validation batch", validation),
        ("tasks", tasks),
        ("classes of the label", classes),
        *(("needs of the network", text) for need, text in LAYERS.items() if need in needs),
        ("class", link(f"`{target}`", f"{ROOT}{file}")),
        ("configuration", link(f"`method={entry.name}`", f"{ROOT}conf/method/{entry.name}.yaml")),
    ]
    parameters = [row for key in files.leaves(keys) if "." not in key for row in [_parameter(keys, key)]]
    return page(
        entry.name,
        prose(f"{entry.does}."),
        "",
        prose(doc.partition("\n\n")[0]),
        *table(("", ""), about),
        "## Parameters",
        *(table(("key", "default", "type and range", "meaning"), parameters) or ["None but those of the optimizer."]),
        *_nodes(keys),
        "## How it works",
        *block(module),
    )


def _parameter(keys: Mapping[str, files.Key], key: str) -> tuple[str, ...]:
    said = explain.about(keys, key)
    side = "; runs that differ in it train side by side" if said.per_run else ""
    return code(f"method.{key}"), code(keys[key].value), plain(of_type(said)), f"{plain(said.comment)}{side}"


def of_type(said: explain.About) -> str:
    """The type and the range of a key, in words."""
    return ", ".join(filter(None, [said.kind, said.allowed]))


def _nodes(keys: Mapping[str, files.Key]) -> Iterator[str]:
    """The nodes that are choices of other groups: optimizers, the classifier of a library."""
    nodes = dict.fromkeys(key.partition(".")[0] for key in files.leaves(keys) if "." in key)
    for node in nodes:
        group = "estimator" if node == "estimator" else "optimizer"
        yield f"`method.{node}` is chosen from the group [{group}](../keys/{group}.md): `{group}@method.{node}=NAME`."
        yield ""
