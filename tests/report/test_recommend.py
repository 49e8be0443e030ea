"""The sentence and the command that a report ends with."""

import shutil
from html import escape
from pathlib import Path

import pytest

from fairrun.analysis.recommend import bound_of
from fairrun.report.options import ReportOptions
from fairrun.report.sections.recommend import build
from tests.helpers.reports import HARD, sweep, texts, trade, write_run

COLLAPSED = {f"{split}/selection_rate": 0.0 for split in ("val", "test")}
NOISE = (("accuracy", -1), (HARD, 1))
WORST = {"metric.name": "worst_group_accuracy", "metric.greater_is_better": True}


def bounded(rows, bound):
    return [row | {"fairness_bound": bound} for row in rows]


def uneven(folder, seeds=3):
    """Another penalty, fairer on validation rows than on test rows; its front has a knee."""
    values = {"val/accuracy": 0.84, f"val/{HARD}": 0.06, "test/accuracy": 0.83}
    tests = (0.15, 0.17, 0.3)
    return [write_run(folder, lam=3.0, seed=k, **values, **{f"test/{HARD}": tests[k]}) for k in range(seeds)]


def said(folder, rows, **given):
    section = build(trade(folder, rows, **given), ReportOptions(**{"compare": ()} | given))
    lines = [] if section is None else [*section.sentences, *(f"  {command}" for command in section.commands)]
    return "".join(f"{line}\n" for line in lines).replace(str(folder), "FOLDER")


def test_what_is_said_of_each_choice(tmp_path, snapshot):
    rows = [*sweep(tmp_path), *uneven(tmp_path)]
    erm, penalties, other = rows[:3], rows[3:12], rows[12:]
    more = [row | {"method.lam": 4.0 + k} for k in range(5) for row in other]
    worse = [row | {f"val/{HARD}": 0.5} for row in penalties[:3]]
    bad = [row | {"test/accuracy": 0.7, f"test/{HARD}": 0.4} for row in penalties]
    equal = [
        row | {f"test/{name}": erm[k % 3][f"test/{name}"] for name in ("accuracy", HARD)}
        for k, row in enumerate(penalties)
    ]
    noisy = [
        row | {f"test/{name}": erm[k % 3][f"test/{name}"] + sign * 0.01 * (k % 3 - 0.5) for name, sign in NOISE}
        for k, row in enumerate(penalties)
    ]
    cases = {
        "worse in both on test rows, but not clearly": (bounded([*erm, *noisy], 0.2), {}),
        "worse in both on test rows": (bounded([*erm, *bad], 0.2), {}),
        "the same on test rows": (bounded([*erm, *equal], 0.2), {}),
        "a bound": (bounded(rows, 0.2), {}),
        "a bound that many do not keep on test rows": (bounded([*rows, *more], 0.2), {}),
        "a bound that one configuration keeps": (bounded(rows[:9], 0.2), {}),
        "a bound that it does not keep on test rows": (bounded([*erm, *other], 0.1), {}),
        "a bound that none keeps": (bounded(rows, 0.05), {}),
        "a bound from below": ([row | WORST for row in bounded(rows, 0.73)], {"metric": "worst_group_accuracy"}),
        "another bound": (bounded(rows, 0.2), {"bound": 0.1}),
        "the knee": (rows, {}),
        "no knee": (rows[:6], {}),
        "one on the front": ([*erm, *worse], {}),
        "the worst seed": (bounded(rows, 0.2), {"seed_summary": "worst"}),
        "two seeds": (bounded([row for row in rows if row["seed"] < 2], 0.2), {}),
        "one seed": (bounded([row for row in rows if row["seed"] == 0], 0.2), {}),
        "no erm": (bounded(rows[3:], 0.2), {}),
        "erm of other seeds": (bounded([*(row | {"seed": 9} for row in erm), *penalties], 0.2), {}),
        "erm itself": (bounded(rows, 0.4), {}),
        "all degenerate": ([row | COLLAPSED for row in rows], {}),
        "one configuration": (erm, {}),
    }
    texts = [f"{name}:\n{said(tmp_path, of_case, **given)}" for name, (of_case, given) in cases.items()]
    shutil.rmtree(Path(other[0]["folder"], ".hydra"))
    texts.append(f"no overrides:\n{said(tmp_path, bounded(rows, 0.2))}")
    snapshot("choices.txt", "\n".join(texts))


@pytest.mark.parametrize(
    ("bounds", "metric", "expected"),
    [
        ([0.1, 0.1], HARD, 0.1),
        ([0, 0], HARD, 0.0),
        ([0.1, 0.2], HARD, None),
        ([None, None], HARD, None),
        ([0.1, None], HARD, None),
        ([0.1, 0.1], "worst_group_accuracy", None),
    ],
)
def test_the_bound_is_that_of_all_runs_and_of_the_metric_that_is_shown(bounds, metric, expected, tmp_path):
    rows = [row | {"fairness_bound": bounds[k % 2]} for k, row in enumerate(sweep(tmp_path, seeds=2))]
    found = bound_of(trade(tmp_path, rows, metric=metric))
    assert found == expected


@pytest.mark.slow
def test_it_is_the_first_thing_on_the_page_of_each_data_set(tmp_path):
    rows = [row for name in ("adult", "law_school") for row in sweep(tmp_path, dataset=name)]
    page = texts(tmp_path, bounded(rows, 0.2))["report.html"].read_text()
    for name in ("adult", "law_school"):
        part = page[page.index(f">{name}</h2>") :]
        assert part.index("Which model to take") < part.index(f"{name}: take penalty lam 1, ") < part.index("<figure")
        command = "fairrun train method=penalty method.lam=1.0 'method.fairness_loss=<b>mmd</b>'"
        command = escape(f"{command} dataset={name} seed=0 results.save=chosen").replace("&#x27;", "&#39;")
        assert f"<code>{command}</code><button" in part


def test_where_nothing_differs_clearly_the_baseline_is_the_plain_choice(tmp_path):
    rows = sweep(tmp_path)
    alike = [
        row | {f"test/{name}": rows[k % 3][f"test/{name}"] for name in ("accuracy", HARD)} | {"val/accuracy": 0.9}
        for k, row in enumerate(rows[3:])
    ]
    text = said(tmp_path, bounded([*rows[:3], *alike], 0.4))
    assert text.startswith("adult: the rule picks penalty lam ") and "So erm is the plain choice.\n" in text
    assert "This command trains penalty lam " in text


@pytest.mark.slow
def test_a_command_says_that_its_data_have_had_several_states(tmp_path):
    """Which one their files hold now is not known without reading them."""
    rows = sweep(tmp_path)
    before = [row | {"data_sha256": "cd" * 32} for row in sweep(tmp_path / "before")]
    page = texts(tmp_path, [*rows, *before])["report.html"].read_text()
    assert page.count("; runs here have several states of these data, and it reads them as they are now:") == 2
    assert "several states" not in texts(tmp_path, rows)["report.html"].read_text()
    named = sweep(tmp_path / "named", dataset="adult, data abababab")  # as the hash of their rows begins
    assert "several states" not in texts(tmp_path, named)["report.html"].read_text()
