"""Rules of the configuration file of a class."""

import dataclasses

from fairrun.config.keys import MEMBERS
from fairrun.contract.subject import Broken, Subject, broken, hold
from fairrun.method.api import AnyMethod

FROM_DATA = ("num_features", "num_tasks", "categories", "num_classes")  # fields of a network that the data set fills


def the_file_lists_every_field(subject: Subject) -> None:
    """Its configuration file lists every field of the class, and nothing else."""
    _has_file(subject)
    fields, keys = {field.name for field in dataclasses.fields(subject.made)}, subject.keys
    if not isinstance(subject.made, AnyMethod):
        fields, keys = fields - {*FROM_DATA}, keys - {MEMBERS}
    if lacking := sorted(fields - keys):
        broken(f"{subject.file} lacks {', '.join(lacking)}")
    hold(keys <= fields, f"{subject.file} has keys that are no fields: {', '.join(sorted(keys - fields))}")


def a_file_has_the_defaults_of_the_class(subject: Subject) -> None:
    """The defaults of the class are the values of one of its files; the others are presets."""
    _has_file(subject)
    fields = dataclasses.fields(subject.made)
    defaults = {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}
    wrong = {}
    for file, made in subject.presets.items():
        found = {name: value for name, value in vars(made).items() if defaults.get(name, value) != value}
        wrong[file] = [f"{name} {value!r}, not {defaults[name]!r}" for name, value in found.items()]
    if all(wrong.values()):
        raise Broken("; ".join(f"{file}: {', '.join(lines)}" for file, lines in wrong.items()))


def _has_file(subject: Subject) -> None:
    hold(subject.file, f"no configuration file names {subject.name}")
