"""Section on methods: the areas under their Pareto fronts, and comparisons of areas seed by seed."""

import numpy as np
import pandas as pd

from fairrun.analysis.interval import RULE
from fairrun.analysis.recommend import BASELINES
from fairrun.analysis.tradeoff import AOPAC, AREAS, ORACLE, Tradeoff, words
from fairrun.config.metrics import rests_on_groups
from fairrun.report.options import ReportOptions
from fairrun.report.section import Section, Table
from fairrun.report.style import UNKNOWN, estimate
from fairrun.report.terminal import Shown, without_zero

MOST_SEEN = 7  # rows of comparisons, of which none is folded
AREA_WORDS = {"hypervolume": "hypervolume", "aopac": "AOPAC", "soft_aopac": "soft AOPAC"}
AREA_WORDS |= {"aopac_ideal": "AOPAC / ideal", "soft_aopac_ideal": "soft AOPAC / ideal"}


def build(trade: Tradeoff, options: ReportOptions) -> Section:
    """Both tables, ``methods.csv`` and ``comparisons.csv``."""
    lead = f"Area under each method's front, mean over {trade.seeds} [95% interval]; higher is better. "
    lead += "Every seed's front is chosen on its own validation rows and valued on test rows."
    if trade.anchors.majority != trade.anchors.majority:
        lead += " Areas are unknown: the records do not give one rate of positive labels for each group."
    if trade.test_oracle:
        lead += " Test oracle: chosen on test rows, for comparison only."
    tables = [Table("methods", methods_table(trade), caption(trade), "Methods", lead=lead, terms=_terms(trade))]
    compared = comparisons_table(trade)
    if len(compared):
        over = f"mean over {trade.seeds} [95% interval: {RULE}]"
        text = f"{trade.dataset}: methods paired by seed, difference of areas, {over}."
        lead = f"First minus second, paired by seed: difference of areas, mean over {trade.seeds} [95% interval]."
        title, folded = "Methods compared", _folded(trade)
        tables.append(Table("comparisons", compared, text, title, lead=lead, folded=folded))
    csv = {"methods.csv": trade.methods, "comparisons.csv": trade.comparisons}
    return Section(tables=tables, terminal=_terminal(trade), csv=csv, of_groups=_of_groups(trade))


def _of_groups(trade: Tradeoff) -> list[str]:
    """The headings of areas that rest on groups: all, or without the hypervolume if its metric does not."""
    areas = [AREA_WORDS[name] for name in trade.areas if name != "hypervolume" or rests_on_groups(trade.metric)]
    return [*areas, "first minus second"] if areas else []


def _terms(trade: Tradeoff) -> dict[str, str]:
    """Definitions of the areas and of the ends of fronts."""
    found = {
        "configurations on front": "how many of a method's configurations are on its own validation front",
        "most accurate": "the end of the method's front with the highest accuracy on validation rows",
        "fairest": f"the end of the method's front with the best {words(trade.metric)} on validation rows",
    }
    if trade.anchors.majority != trade.anchors.majority:
        return found
    found["hypervolume"] = (
        f"area of accuracy and {words(trade.metric)} that a front dominates, from the reference point accuracy "
        f"{trade.anchors.majority:.4f} (the majority's) and {words(trade.metric)} {trade.hypervolume_point[1]:g}"
    )
    if "aopac" in trade.areas and trade.ideal == trade.ideal:
        for name, which in (("aopac", "hard decisions"), ("soft_aopac", "soft ones")):
            heading = AREA_WORDS[name]
            found[heading] = (
                f"area over the parity-accuracy curve between the majority's accuracy and the labels' demographic "
                f"parity difference {trade.anchors.max_dp:.4f}, on {which} ({words(AOPAC[name])})"
            )
            found[f"{heading} / ideal"] = f"share of the area {trade.ideal:.4f} of the best front that the labels allow"
    return found


def methods_table(trade: Tradeoff) -> pd.DataFrame:
    """A row of text for each method: areas, and the two ends of its front; with a test oracle a second row for each."""
    rows = []
    for prefix, split in (("", "validation"), (ORACLE, "test (oracle)"))[: 1 + trade.test_oracle]:
        for _, row in trade.methods.iterrows():
            cells = {"method": row["method"], "chosen on": split, "seeds": str(row["seeds"])}
            cells |= {AREA_WORDS[name]: estimate(row, prefix + name, digits=4) for name in trade.areas}
            if not prefix:
                cells["configurations on front"] = f"{row['chosen']} of {row['settings']}"
                cells |= {"most accurate": row["most_accurate"] or UNKNOWN, "fairest": row["fairest"] or UNKNOWN}
            rows.append(cells)
    return pd.DataFrame(rows).fillna("")


def caption(trade: Tradeoff) -> str:
    """The caption of the table of methods, which explains its rows."""
    anchors, worst = trade.anchors, trade.hypervolume_point[1]
    text = f"{trade.dataset}: area under each method's front, mean over {trade.seeds} [95% interval: {RULE}]; "
    text += "higher is better. Every seed's front is chosen on its own validation rows and valued on test rows. "
    if anchors.majority == anchors.majority:
        text += (
            f"Hypervolume: accuracy and {words(trade.metric)}, reference point accuracy {anchors.majority:.4f} (the "
            f"majority's) and {words(trade.metric)} {worst:g}."
        )
        if "aopac" in trade.areas:
            text += (
                f" AOPAC: area over the parity-accuracy curve between the majority's accuracy and "
                f"the labels' demographic parity difference {anchors.max_dp:.4f}, on hard decisions "
                f"({words(AOPAC['aopac'])}) and on soft ones ({words(AOPAC['soft_aopac'])}); / ideal: its share of the "
                f"area {trade.ideal:.4f} of the best front that the labels allow."
            )
    else:
        text += "Areas are unknown: the records do not give one rate of positive labels for each group."
    if trade.test_oracle:
        text += " Test oracle: chosen on test rows, for comparison only."
    return text


def _folded(trade: Tradeoff) -> list[int]:
    """The rows of ``comparisons_table`` that are not among the first to see, where there are many.

    These are, of the first area, the pairs with a baseline and those with the method that has the largest area.
    """
    area = trade.areas[0]
    means = trade.methods.set_index("method")[area].dropna()
    seen = {name for name in trade.methods["method"] if name.partition(", ")[0] in BASELINES}
    seen |= {str(means.idxmax())} if len(means) else set()
    rows = _compared(trade)
    pairs = rows["first"].isin(seen) | rows["second"].isin(seen)
    hidden = np.flatnonzero(~(pairs & (rows["area"] == area)))
    return [] if len(rows) <= MOST_SEEN or len(hidden) == len(rows) else hidden.tolist()


def _compared(trade: Tradeoff) -> pd.DataFrame:
    return trade.comparisons[trade.comparisons["area"].isin(trade.areas)]


def comparisons_table(trade: Tradeoff) -> pd.DataFrame:
    """A row of text for each area and pair of methods; no rows if there is one method."""
    rows = []
    for _, row in _compared(trade).iterrows():
        cells = {"area": AREA_WORDS[row["area"]], "first": row["first"], "second": row["second"]}
        cells["first minus second"] = estimate(row, "difference", digits=4)
        rows.append(cells | {"first better": f"{row['first_better']} of {row['seeds']} seeds"})
    return pd.DataFrame(rows)


def _terminal(trade: Tradeoff) -> list[Shown]:
    """The table of areas; none if no area is known."""
    if trade.methods[list(AREAS)].isna().all(axis=None):
        return []
    title = f"{trade.dataset}: area under each method's front, mean over seeds [95% interval]"
    point = ", ".join(f"{number:.4g}" for number in trade.hypervolume_point)
    left_out = ["configurations on front", "most accurate", "fairest", *([] if trade.test_oracle else ["chosen on"])]
    table = methods_table(trade).drop(columns=left_out).apply(without_zero)
    text = f"hypervolume: reference (accuracy, metric) = ({point})"
    text += "; / ideal: share of the best front's AOPAC" * ("aopac" in trade.areas)
    keys = list(table.loc[:, :"seeds"])
    return [Shown(table, title, text, keys, optional=list(table)[len(keys) + 1 :], file="methods.csv")]
