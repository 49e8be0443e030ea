"""Section on published points: their areas, as set by ``report.published``."""

import pandas as pd

from fairrun.analysis.front import aopac, chosen
from fairrun.analysis.published import KINDS
from fairrun.analysis.tradeoff import Tradeoff, share
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section, Table
from fairrun.report.style import PUBLISHED, estimate
from fairrun.report.terminal import Shown

TERMINAL_CAPTION = "published points; areas with the anchors of these runs' test rows; sources and caveats: table.md"

LEAD = "AOPAC of points that others published, not run here: of those that no other of the method dominates, with the "
LEAD += "anchors of these runs' test rows. The glossary gives the sources."


def build(trade: Tradeoff, options: ReportOptions) -> Section | None:
    """The table, and ``quoted.csv``; None if no published point is for the data set and metric."""
    areas = published_areas(trade)
    if areas.empty:
        return None
    table = _table(areas)
    terms = {"published": "by others, not run here: " + "; ".join(areas["source"].unique())}
    return Section(
        tables=[Table("published", table, _caption(trade, areas), "Published, not run here", lead=LEAD, terms=terms)],
        terminal=_terminal(trade, table),
        csv={"quoted.csv": areas},
    )


def published_areas(trade: Tradeoff) -> pd.DataFrame:
    """The areas of published points, with the anchors of the runs' test rows.

    There is a row for each published method and kind of demographic parity difference, with the columns ``method``,
    ``kind``, ``points``, ``aopac``, ``aopac_ideal`` and ``source``.
    """
    rows = []
    for panel in trade.panels:
        kind = next((kind for kind, metric in KINDS.items() if metric == panel.metric), "")
        for (_, method), own in panel.published.groupby(["number", "method"]):
            area = aopac(chosen(own, panel.metric, split="test"), panel.anchors)
            row = {"method": method, "kind": kind, "points": len(own), "aopac": area}
            source = "; ".join(own["source"].unique())
            rows.append(row | {"aopac_ideal": share(area, panel.ideal), "source": source})
    return pd.DataFrame(rows, columns=["method", "kind", "points", "aopac", "aopac_ideal", "source"])


def _table(areas: pd.DataFrame) -> pd.DataFrame:
    """A row of text for each published method."""
    names = {"aopac": "AOPAC", "aopac_ideal": "AOPAC / ideal"}
    return pd.DataFrame(
        {"method": f"{PUBLISHED}{row['method']}", "difference": row["kind"], "points": str(row["points"])}
        | {name: estimate(row, column, digits=4) for column, name in names.items()}
        for _, row in areas.iterrows()
    )


def _caption(trade: Tradeoff, areas: pd.DataFrame) -> str:
    text = f"{trade.dataset}: points that others published, not run here, and AOPAC of those that no other of the "
    text += "method dominates, with the anchors of these runs' test rows. "
    return text + "; ".join(areas["source"].unique()) + "."


def _terminal(trade: Tradeoff, table: pd.DataFrame) -> list[Shown]:
    """The table of areas; none if the anchors are not known."""
    if trade.anchors.majority != trade.anchors.majority:
        return []
    return [Shown(table, f"{trade.dataset}: published by others, not run here", TERMINAL_CAPTION)]
