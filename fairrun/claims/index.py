"""The index of papers whose claims were tested: how many have which verdict, and a line a claim."""

from collections import Counter
from collections.abc import Sequence

from fairrun.analysis.verdict import Verdict
from fairrun.claims.told import Told, budgets, effect, verdict_of
from fairrun.report.tables import grid

PARTS = """
A claim of several data sets, rivals, settings or protocols has a part for each, which is tested alone. Most claims show
where all of their parts do, and a claim of "some" or "somewhere" where one does, at a p-value times their number. A
paper's page has every part with its interval. Of many claims some would show by chance, so that verdicts stand after
Holm's correction. It counts all claims of a paper together, and those that we added to the paper ("ours") apart, so
that none of ours changes what is said of the paper's.
""".strip()


def index(papers: Sequence[Told]) -> str:
    """The page: ``counts``, and for each paper its claims."""
    parts = [
        "# Which claims show",
        "Every claim has a verdict that a rule computes from runs ([the rules](../claims.md)); a paper's page has its "
        "tables, pictures, commands and protocols.",
        counts(papers),
        PARTS,
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
