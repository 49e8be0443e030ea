"""Pages and the index, of papers and runs that are made up."""

import pandas as pd
import pytest

from fairrun.claims import index, page, spec
from fairrun.claims.frames import Runs
from fairrun.claims.judge import judged
from fairrun.claims.pictures import draw, png
from fairrun.claims.told import Told, effect
from fairrun.config.check import InputError
from fairrun.report.charts.looks import looks

PAPER = """
title: T
link: L
note: N
sources:
  first: {benchmark: b, protocol: honest, tuning: alpha by validation rows}
  second: {benchmark: b, protocol: published}
claims:
  up: {claim: It is up., where: W, tests: [{source: first, value: test/x, of: {method: erm}, above: 0, margin: 1}]}
  down: {claim: It is down., where: W, tests: [{source: second, value: test/x, of: {method: erm}, below: 0, margin: 1}]}
  new: {claim: It is new., where: W, tests: [{source: first, value: test/new, of: {method: erm}, above: 0, margin: 1}]}
tables:
  t: &t {title: One, source: first, rows: method, columns: [dataset], values: [test/x], paper: {test/x: {erm: {d: 7}}}}
  u: {<<: *t, title: Another, source: second}
"""
REMEDY = "`fairrun reproduce p`"


def source(budget, *values, **columns):
    """A source with a run a value, and what is said of it."""
    frame = pd.DataFrame(
        [
            {"method": "erm", "seed": seed, "status": "finished", "dataset": "d", "test/x": value} | columns
            for seed, value in enumerate(values)
        ]
    )
    versions = {"fairrun": "1", "torch": "2", "commit": "abcdef0123456"}
    return frame, {"command": "fairrun sweep b", "budget": budget, "again": "R", "versions": versions, "date": "today"}


def told(quick=None, **sources):
    def runs(own):
        return Runs(*({name: made[k] for name, made in own.items()} for k in (0, 1)), REMEDY)

    paper = spec.parsed("p", PAPER)

    def with_verdicts(own):
        return runs(own), judged(paper, runs(own).frames, REMEDY)

    return Told(paper, *with_verdicts(sources), with_verdicts(quick) if quick else None)


def test_what_is_not_stored_is_told_and_the_rest_stands():
    text = page.page(told(first=source("full", 1.0, 1.1, 1.2)))
    assert "| It is up. | W | **shows** | 1.100 [0.852, 1.348], 3 seeds |" in text
    assert f"| It is down. | W | **not measured yet** |  | {REMEDY} |" in text
    assert f"| It is new. | W | **not measured yet** |  | {REMEDY} |" in text
    assert f"## Another\n\nnot measured yet: {REMEDY}." in text and f"- **second**: not measured yet: {REMEDY}." in text
    assert "3 claims: 1 shows, 2 not measured yet" in text


def test_a_claim_of_a_smaller_budget_is_marked():
    found = told(first=source("full", 1.0, 1.1, 1.2), second=source("quick", 1.0, 1.1, 1.2))
    text = page.page(found)
    assert "Budget full for first; quick for second; quick has fewer seeds, data sets or epochs than full" in text
    assert "| W | **shows** |" in text and "| W | **contradicted** (quick) |" in text
    assert "| It is down. | **contradicted** (quick) | -1.100 [-1.348, -0.852], 3 seeds |" in index.index([found])
    alone = page.page(told(first=source("quick", 1.0, 1.1, 1.2)))
    assert "| W | **shows** (quick) |" in alone and "Budget quick; quick has fewer" in alone


def test_a_claim_of_one_part_has_its_value_its_margin_and_its_p_value_as_any():
    text = page.page(told(first=source("full", 1.0, 1.1, 1.2))).partition("## Every part of a claim")[2]
    assert (
        "### It is up.\n\nBy `test/x` of first.\n\n| part | measured | claimed | verdict | effect | margin | p |"
        in text
    )
    assert "| erm | 1.100 | above 0 | shows | 1.100 [0.852, 1.348], 3 seeds | 1 | 0.003 |" in text
    assert "It is new." not in text


def test_a_verdict_that_the_correction_took_back_says_what_it_was():
    """The p-value is .04, and of two claims .08."""
    found = told(first=source("full", 0.2, 0.9, 0.4, 0.9, 0.1), second=source("full", 0.1, 1.0, 0.4, 0.9, -0.1))
    assert "| It is up. | **undecided** (shows before Holm's correction) |" in index.index([found])
    assert "**undecided** (shows before Holm's correction)" in page.page(found)


def test_a_table_has_the_papers_number_the_protocol_the_settings_and_the_command():
    text = page.page(told(first=source("full", 1.0, 2.0, 3.0)))
    assert "| erm | 2.000 [-0.484, 4.484] (3)<br>paper: 7 |" in text
    footer = text.partition("paper: 7 |\n\n")[2].partition("\n")[0]
    assert footer.startswith("By `fairrun sweep b`, budget full. Protocol: honest") and footer.endswith(
        "one setting of erm."
    )
    assert "Tuning: alpha by validation rows." in footer


def test_settings_that_were_run_are_told():
    frame = pd.concat([source("full", 1.0)[0].assign(**{"method.lam": lam}) for lam in (0.5, 1.0)])
    frame = pd.concat([frame, frame.assign(method="irw", **{"method.lam": 1.0})])
    assert page._grid(frame) == "erm (lam 0.5, 1); one setting of irw"


def test_verdicts_that_differ_between_quick_and_full_are_told():
    first = {"first": source("full", 1.0, 1.1, 1.2)}
    same = page.page(told({"first": source("quick", 1.0, 1.1, 1.2)}, **first))
    assert "| first | 3 runs, 3 seeds, d; `b` | 3 runs, 3 seeds, d; `b` |" in same and "No verdict differs." in same
    other = page.page(told({"first": source("quick", -9.0, 1.0, 9.0)}, **first))
    assert "| It is up. | **undecided**: 0.333 [-22.0" in other and " 3 seeds | **shows**: 1.100 [" in other
    assert "It is down. | **" not in other.partition("## Quick and full")[2]
    second = {"second": source("quick", 1.0, 1.1, 1.2)}
    assert "## Quick and full" not in page.page(told(second, **first, **second))


def test_the_index_counts_verdicts_and_has_a_line_a_claim():
    text = index.index([told(first=source("full", 1.0, 1.1, 1.2), second=source("full", 1.0, 1.1, 1.2))])
    assert "| T | 1 | 0 | 1 | 0 | 0 | 1 | full |" in text and "## [T](p.md)" in text
    whole = told(first=source("full", 1.0, 1.1, 1.2, **{"test/new": 1.0}), second=source("full", 1.0, 1.1, 1.2))
    assert "not measured yet" not in index.counts([whole])


def test_the_effects_of_parts_are_told_from_the_smallest_to_the_largest():
    text = PAPER.replace("above: 0, margin: 1}]}", "above: 0, margin: 1, each: [dataset]}]}", 1)
    frames = [source("full", *values)[0].assign(dataset=d) for d, values in (("a", (1.0, 1.1, 1.2)), ("b", (3, 4, 5)))]
    (found,) = [judged(spec.parsed("p", text), {"first": pd.concat(frames)}, REMEDY)["up"]]
    assert effect(found) == "1.100 [0.852, 1.348] to 4.000 [1.516, 6.484], 3 seeds; parts alone: 2 shows"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("kind: bars", "p: pictures.x.kind must be one of values, fronts, got 'bars'"),
        ("kind: fronts", "p: pictures.x: values must be two metrics of a plane"),
        ("kind: values, source: third", "p: pictures.x: source 'third' is not there"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_one_message(given, message):
    source = "" if "source" in given else "source: first, "
    text = PAPER + f"pictures: {{x: {{title: X, {source}{given}, values: {{test/x: x}}, each: []}}}}\n"
    with pytest.raises(InputError, match=message):
        spec.parsed("p", text)


def test_a_panel_of_a_list_has_its_values_as_title():
    frame = source("full", 1.0, 2.0, 3.0)[0]
    frame = frame.assign(**{"dataset.sensitive": [["sex", "race"]] * 3, "val/accuracy": 0.5})
    picture = spec.parsed(
        "p",
        PAPER
        + "pictures: {x: {title: X, source: first, kind: values, values: {test/x: x}, each: [dataset.sensitive]}}\n",
    ).pictures["x"]
    assert draw(picture, frame).axes[0].get_title(loc="left") == "sex, race"


@pytest.mark.parametrize("kind", ["values", "fronts"])
def test_a_picture_of_the_same_runs_is_the_same_file(kind):
    rows = [
        {"method": method, "seed": seed, "status": "finished", "dataset": data, "method.lam": lam}
        | {"metric.name": "gap", "metric.greater_is_better": False}
        | {
            f"{split}/{name}": lam * (seed + k) / 40
            for split in ("val", "test")
            for k, name in enumerate(("gap", "accuracy"))
        }
        for method in ("erm", "penalty")
        for data in "ab"
        for seed in range(3)
        for lam in ((1.0,) if kind == "values" else (1.0, 2.0))
    ]
    values = {"values": {"test/gap": "gap"}, "fronts": {"gap": "gap", "accuracy": "accuracy"}}[kind]
    drawn = spec.PictureSpec("T", "s", kind, values, ["dataset"])
    first, again = png(drawn, pd.DataFrame(rows)), png(drawn, pd.DataFrame(rows))
    other = png(drawn, pd.DataFrame(rows).assign(**{"test/gap": 0.5}))
    assert first == again != other and len(first) < 40_000


@pytest.mark.parametrize("values", [{"test/x": "x"}, {"test/x": "x", "test/y": "y"}])
def test_a_method_has_the_colour_of_reports_and_values_beside_each_other_have_no_methods(values):
    given = spec.PictureSpec(title="A", source="first", kind="values", values=values, each=["dataset"])
    frame = pd.concat([source("full", 1.0, 2.0, 3.0, **{"test/y": 1.5})[0].assign(method=m) for m in ("erm", "irw")])
    (axes,) = draw(given, frame).axes
    drawn = {line.get_color() for line in axes.lines}
    colours = {look.on_light for look in looks(["erm", "irw"]).values()}
    assert colours <= drawn if len(values) == 1 else not colours & drawn
