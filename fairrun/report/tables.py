"""A sweep's tables: for people as Markdown and LaTeX, for programs as CSV."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from fairrun.analysis.compare import SIDES
from fairrun.analysis.front import aopac, chosen
from fairrun.analysis.interval import RULE
from fairrun.analysis.published import KINDS
from fairrun.analysis.relative import tasks
from fairrun.analysis.tradeoff import AOPAC, ORACLE, Tradeoff, describe, share, value, words
from fairrun.report.style import UNKNOWN, Captioned, estimate

AREA_WORDS = {"hypervolume": "hypervolume", "aopac": "AOPAC", "soft_aopac": "soft AOPAC"}
AREA_WORDS |= {"aopac_ideal": "AOPAC / ideal", "soft_aopac_ideal": "soft AOPAC / ideal"}


def settings_table(trade: Tradeoff) -> pd.DataFrame:
    """A row a setting, all text; a star marks the front of all methods.  With collapsed runs their number."""
    rows = []
    collapses = (trade.settings["collapsed"] > 0).any()
    for _, row in trade.settings.iterrows():
        cells = {c.removeprefix("method."): value(row[c]) for c in trade.by} | {"seeds": str(row["seeds"])}
        for name in trade.directions:
            cells[trade.heading if name == trade.metric else words(name)] = estimate(row, f"test/{name}")
        cells |= {name: estimate(row, column) for column, name in trade.removal.items()}
        if collapses:
            cells["collapsed"] = value(row["collapsed"])
        cells["front"] = "*" if row["front"] else ""
        if trade.test_oracle:
            cells["test oracle"] = "*" if row["test_oracle"] else ""
        rows.append(cells)
    return pd.DataFrame(rows)


def methods_table(trade: Tradeoff) -> pd.DataFrame:
    """A row a method, all text: areas, and the two ends of its front; with a test oracle a row more for each."""
    rows = []
    for prefix, split in (("", "validation"), (ORACLE, "test (oracle)"))[: 1 + trade.test_oracle]:
        for _, row in trade.methods.iterrows():
            cells = {"method": row["method"], "chosen on": split, "seeds": str(row["seeds"])}
            cells |= {AREA_WORDS[name]: estimate(row, prefix + name, digits=4) for name in trade.areas}
            if not prefix:
                cells["settings on front"] = f"{row['chosen']} of {row['settings']}"
                cells |= {"most accurate": row["most_accurate"] or UNKNOWN, "fairest": row["fairest"] or UNKNOWN}
            rows.append(cells)
    return pd.DataFrame(rows).fillna("")


def comparisons_table(trade: Tradeoff) -> pd.DataFrame:
    """A row a pair of methods and an area, all text; no rows with one method."""
    rows = []
    for _, row in trade.comparisons[trade.comparisons["area"].isin(trade.areas)].iterrows():
        cells = {"area": AREA_WORDS[row["area"]], "first": row["first"], "second": row["second"]}
        cells["first minus second"] = estimate(row, "difference", digits=4)
        rows.append(cells | {"first better": f"{row['first_better']} of {row['seeds']} seeds"})
    return pd.DataFrame(rows)


def pairs_table(trade: Tradeoff) -> pd.DataFrame:
    """A row a pair of settings, all text: first minus second in each metric."""
    keys = [column for column in trade.by if column != "method"]
    rows = []
    for _, row in trade.pairs.iterrows():
        cells = {}
        for side in SIDES:
            setting = describe(pd.Series({key: row[f"{side}.{key}"] for key in keys}), keys)
            cells[side] = f"{row[side]} {setting}".strip()
        cells["seeds"] = str(row["seeds"])
        rows.append(cells | {words(name): estimate(row, f"test/{name}") for name in trade.directions})
    return pd.DataFrame(rows)


def quoted_table(trade: Tradeoff) -> pd.DataFrame:
    """A row a quoted method, all text; no rows without one."""
    rows = quoted_areas(trade).to_dict("records")
    areas = {"aopac": "AOPAC", "aopac_ideal": "AOPAC / ideal"}
    return pd.DataFrame(
        {"method": f"quoted: {row['method']}", "difference": row["kind"], "points": str(row["points"])}
        | {name: estimate(pd.Series(row), column, digits=4) for column, name in areas.items()}
        for row in rows
    )


def quoted_areas(trade: Tradeoff) -> pd.DataFrame:
    """A row a quoted method and kind of demographic parity difference: the areas of its points, by the anchors of the
    runs' test rows.

    Columns ``method``, ``kind``, ``points``, ``aopac``, ``aopac_ideal``, ``source``.
    """
    rows = []
    for panel in trade.panels:
        kind = next((kind for kind, metric in KINDS.items() if metric == panel.metric), "")
        for (_, method), own in panel.quoted.groupby(["number", "method"]):
            area = aopac(chosen(own, panel.metric, split="test"), panel.anchors)
            row = {"method": method, "kind": kind, "points": len(own), "aopac": area}
            source = "; ".join(own["source"].unique())
            rows.append(row | {"aopac_ideal": share(area, panel.ideal), "source": source})
    return pd.DataFrame(rows, columns=["method", "kind", "points", "aopac", "aopac_ideal", "source"])


def collapse_note(trade: Tradeoff) -> str:
    """How many runs collapsed; empty if none did."""
    number = int(trade.settings["collapsed"].sum())
    if not number:
        return ""
    text = f"{number} of {len(trade.runs)} runs collapsed to a constant prediction: at the epoch that counts, their "
    return f"{text}decisions on the validation rows are all alike."


def seed_summary_note(trade: Tradeoff) -> str:
    """What stands for the seeds of a setting where it is not the mean; else empty."""
    if trade.seed_summary == "mean":
        return ""
    text = f"{trade.heading[0].upper()}{trade.heading[1:]}: that of the worst of a setting's seeds, on validation rows "
    return f"{text}as on test rows, without an interval; all else: means."


def directions(trade: Tradeoff) -> str:
    """Which end of each metric is good: "Accuracy: higher is better; log loss: lower is better."."""
    text = "; ".join(f"{words(name)}: {good}" for name, good in trade.directions.items())
    return f"{text[0].upper()}{text[1:]}."


def captions(trade: Tradeoff) -> tuple[str, str, str, str, str]:
    """What the rows of the five tables are: settings, methods, comparisons, pairs, quoted."""
    over = f"mean over {trade.seeds} [95% interval: {RULE}]"
    metric = words(trade.metric)
    settings = f"{trade.dataset}: test rows, {over}. {directions(trade)} "
    if tasks(trade.runs):
        settings += "Of several tasks: means over tasks, decisions at 0.5. "
    if trade.removal:
        settings += "Removed: training rows left out as outliers, at the epoch that counts; precision: how many of "
        settings += "them had been made outliers; recall: how many of those that had been. "
    settings += "* front of all settings, chosen on validation rows."
    if trade.test_oracle:
        settings += " Test oracle: * front chosen on test rows, for comparison only."
    for note in filter(None, (seed_summary_note(trade), collapse_note(trade))):
        settings += f" {note}"
    anchors, worst = trade.anchors, trade.hypervolume_point[1]
    methods = f"{trade.dataset}: area under each method's front, {over}; higher is better. "
    methods += "Every seed's front is chosen on its own validation rows and valued on test rows. "
    if anchors.majority == anchors.majority:
        methods += (
            f"Hypervolume: accuracy and {metric}, reference point accuracy {anchors.majority:.4f} (the majority's) and "
            f"{metric} {worst:g}."
        )
        if "aopac" in trade.areas:
            methods += (
                f" AOPAC: area over the parity-accuracy curve between the majority's accuracy and "
                f"the labels' demographic parity difference {anchors.max_dp:.4f}, on hard decisions "
                f"({words(AOPAC['aopac'])}) and on soft ones ({words(AOPAC['soft_aopac'])}); / ideal: its share of the "
                f"area {trade.ideal:.4f} of the best front that the labels allow."
            )
    else:
        methods += "Areas are unknown: the records do not give one rate of positive labels for each group."
    if trade.test_oracle:
        methods += " Test oracle: chosen on test rows, for comparison only."
    comparisons = f"{trade.dataset}: methods paired by seed, difference of areas, {over}."
    pairs = f"{trade.dataset}: compared, seed by seed: first minus second on test rows, mean over shared seeds "
    pairs += f"[95% interval: {RULE}]. {directions(trade)} Settings agree in every key in which both "
    pairs += "methods have a value in common."
    quoted = f"{trade.dataset}: points quoted from publications, not run here, and AOPAC of those that no other of the "
    quoted += "method dominates, with the anchors of these runs' test rows. "
    quoted += "; ".join(f"{source}" for source in quoted_areas(trade)["source"].unique()) + "."
    return settings, methods, comparisons, pairs, quoted


def captioned(trade: Tradeoff) -> list[Captioned]:
    """The kind, rows and caption of each table that has rows."""
    tables = [of(trade) for of in (settings_table, methods_table, comparisons_table, pairs_table, quoted_table)]
    named = zip(("settings", "methods", "comparisons", "pairs", "quoted"), tables, captions(trade), strict=True)
    return [(kind, table, caption) for kind, table, caption in named if len(table)]


def markdown(table: pd.DataFrame, caption: str) -> str:
    """The table in GitHub's Markdown, below its caption."""
    rows = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join([caption, "", *lines]).replace("*", r"\*") + "\n"


def latex(table: pd.DataFrame, caption: str, label: str) -> str:
    r"""The table for LaTeX with \usepackage{booktabs}."""
    plain = table.replace(UNKNOWN, "--")
    style = plain.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
    columns = "l" + "r" * (len(table.columns) - 1)
    return style.to_latex(
        hrules=True, caption=_escaped(caption), label=label, position_float="centering", column_format=columns
    )


def _escaped(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, "\\" + character)
    return text


def write(folder: Path, trades: list[Tradeoff], more: Mapping[str, Sequence[Captioned]]) -> list[Path]:
    """Write ``table.md`` and ``table.tex`` (all tables, and ``more`` of a data set), and ``table.csv``,
    ``methods.csv``, ``comparisons.csv`` and ``pairs.csv`` (full precision, a column for the data set); with quoted
    points also ``quoted.csv``.
    """
    texts: dict[str, list[str]] = {"table.md": [], "table.tex": ["% needs \\usepackage{booktabs}\n"]}
    for trade in trades:
        for kind, table, caption in (*captioned(trade), *more.get(trade.dataset, ())):
            texts["table.md"].append(markdown(table, caption))
            texts["table.tex"].append(latex(table, caption, f"tab:{trade.dataset}-{kind}"))
    for name, parts in texts.items():
        (folder / name).write_text("\n".join(parts), encoding="utf-8")
    frames = {
        "table.csv": [trade.settings.drop(columns="dataset", errors="ignore") for trade in trades],
        "methods.csv": [trade.methods for trade in trades],
        "comparisons.csv": [trade.comparisons for trade in trades],
        "pairs.csv": [trade.pairs for trade in trades],
    }
    quoted = [quoted_areas(trade) for trade in trades]
    if any(len(rows) for rows in quoted):
        frames["quoted.csv"] = quoted
    written = [folder / name for name in texts]
    for name, parallel in frames.items():
        named = {trade.dataset: table for trade, table in zip(trades, parallel, strict=True)}
        written.append(write_csv(folder / name, named))
    return written


def write_csv(path: Path, frames: Mapping[str, pd.DataFrame]) -> Path:
    """Write the frames of data sets below each other, with a column for the data set."""
    pd.concat(frames, names=["dataset", None]).reset_index("dataset").to_csv(path, index=False)
    return path
