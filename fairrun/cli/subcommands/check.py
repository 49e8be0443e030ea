"""Check a method or network of your own by the rules that fairrun's keep: fairrun check mypkg.FairMixup.

A network is one of fairrun.models.network.Network, or a plain torch.nn.Module as model=module trains it.

One line a rule: ok, what is wrong and where, or why the rule is not for this class.  CONTRIBUTING.md lists the rules.
The package that you name is imported, from the current folder too.
"""

import sys
import time
from collections.abc import Sequence

from fairrun.command.parser import Parser
from fairrun.config.check import one_of


def main(arguments: list[str]) -> None:
    """The subcommand; exit status 1 where a rule is broken."""
    given = _parser().parse_args(arguments)
    print(f"checking {given.path}: loading torch", flush=True)
    from fairrun.contract import Broken, Exempt, check
    from fairrun.kit.subject import rules_of_class, subject_of

    subject = subject_of(given.path, given.file)
    rules = {rule.__name__: rule for rule in rules_of_class(type(subject.made))}
    for name in given.rule:
        one_of("--rule", name, rules)
    chosen = {name: rule for name, rule in rules.items() if name in given.rule or not given.rule}
    print(f"{subject.name}, {subject.file or 'of its defaults'}: {len(chosen)} rules", flush=True)
    said, width, started = [], max(map(len, chosen)), time.monotonic()
    for name, rule in chosen.items():
        try:
            check(rule, subject)
            said.append("ok")
        except Exempt as why:
            said.append(f"not for it: {why}")
        except Broken as what:
            said.append(f"BROKEN: {what}")
        print(f"{name:{width}}  {said[-1]}", flush=True)
    counts = {kind: sum(line.startswith(kind) for line in said) for kind in ("ok", "not for it", "BROKEN")}
    print(", ".join(f"{number} {kind}" for kind, number in counts.items()), f"in {time.monotonic() - started:.0f} s")
    sys.exit(int(counts["BROKEN"] > 0))


def words(arguments: Sequence[str]) -> list[str]:
    """The options."""
    return _parser().flags()


def _parser() -> Parser:
    parser = Parser(prog="fairrun check", description=__doc__)
    parser.add_argument("path", metavar="PACKAGE.CLASS", help="the class, by its dotted path")
    parser.add_argument(
        "--file", default="", metavar="NAME", help="its configuration file, where several name the class"
    )
    parser.add_argument("--rule", action="append", default=[], help="only this rule; may be given several times")
    return parser
