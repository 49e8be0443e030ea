"""The index of papers whose claims were tested: how many have which verdict, and a line a claim."""

from collections import Counter
from collections.abc import Sequence

from fairrun.analysis.verdict import Verdict
from fairrun.claims.told import VERDICTS, Told, budgets, effect, verdict_of
from fairrun.report.tables import grid


def index(papers: Sequence[Told]) -> str:
    """The page: ``counts``, and for each paper its claims."""
    parts = [
        "# Which claims show",
        "Every claim has a verdict that a rule computes from runs ([the rules](../claims.md)); a paper's page has its "
        "tables, pictures, commands and protocols.",
        counts(papers),
        VERDICTS,
    ]
    for told in papers:
        parts += [f"## [{told.paper.title}]({told.paper.name}.md)", _lines(told)]
    return "\n\n".join(parts) + "\n"


def counts(papers: Sequence[Told]) -> str:
    """How many claims of each paper have which verdict."""
    shown = [v for v in Verdict if v is not Verdict.UNMEASURED or any(_numbers(told)[v] for told in papers)]
    rows = []
    for told in papers:
        numbers = _numbers(told)
        rows.append([told.paper.title, *(str(numbers[v]) for v in shown), ", ".join(budgets(told.paper, told.runs))])
    return grid(["paper", *shown, "budget"], rows)


def _numbers(told: Told) -> Counter[Verdict]:
    return Counter(found.verdict for found in told.verdicts.values())


def _lines(told: Told) -> str:
    rows = [
        [told.paper.claims[name].claim, verdict_of(told, name), effect(found)] for name, found in told.verdicts.items()
    ]
    return grid(["claim", "verdict", "effect [95% interval], seeds"], rows)
