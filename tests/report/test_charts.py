"""Charts: how methods look, where axes end, and what the page and the pictures draw."""

import itertools
import math

import numpy as np
import pytest
import yaml

from fairrun.about.files import choices
from fairrun.config.keys import CONF
from fairrun.report.charts.chart import Axis, Chart, Panel, Point, Rule, Series
from fairrun.report.charts.limits import fitted, ticks
from fairrun.report.charts.looks import COLOURS, DARK, KNOWN, LIGHT, MARKERS, OF_METHODS, Look, looks
from fairrun.report.charts.picture import COLUMN, draw
from fairrun.report.charts.plot import plot


def luminance(colour):
    shares = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return np.dot(linear, (0.2126, 0.7152, 0.0722))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", COLOURS)
def test_every_colour_is_seen_on_its_ground(name):
    light, dark = COLOURS[name]
    assert contrast(light, LIGHT) >= 3 and contrast(dark, DARK) >= 3


def test_every_method_of_the_catalogue_has_a_look_of_its_own():
    assert {*choices("method"), *choices("estimator")} == set(KNOWN)
    assert len(set(KNOWN.values())) == len(KNOWN)
    assert all(look.colour in OF_METHODS and look.marker in MARKERS for look in KNOWN.values())


def test_a_method_of_a_users_own_moves_no_other_and_looks_like_none_of_them():
    own = [f"mine_{k}" for k in range(50)]
    assert not set(KNOWN.values()) & {looks([name])[name] for name in own}
    assert {name: look for name, look in looks([*KNOWN, *own]).items() if name in KNOWN} == KNOWN


@pytest.mark.parametrize("path", sorted((CONF / "benchmark").rglob("*.yaml")), ids=lambda path: path.stem)
def test_methods_that_a_benchmark_compares_have_other_colours(path):
    grids = yaml.safe_load(path.read_text())["grids"]
    given = [name for grid in grids for name in np.atleast_1d(grid.get("method", []))]
    methods = {name for name in given if name in KNOWN}
    colours = {KNOWN[name].colour for name in methods}
    assert len(colours) == len(methods) or len(methods) > len(OF_METHODS)


def test_a_method_looks_the_same_whatever_is_beside_it():
    alone = {name: looks([name])[name] for name in ("erm", "penalty", "mine", "irw")}
    for some in itertools.permutations(alone, 3):
        assert looks(some) == {name: alone[name] for name in some}


def test_parts_of_a_method_share_its_colour_and_differ_in_the_marker():
    found = looks(["penalty, width 8", "penalty, width 16", "erm", "grid_search of lightgbm"])
    assert found["penalty, width 8"].colour == found["penalty, width 16"].colour == KNOWN["penalty"].colour
    assert len(set(found.values())) == 4
    assert found["grid_search of lightgbm"].colour == KNOWN["grid_search"].colour


def test_a_value_near_the_data_stretches_an_axis_and_a_far_one_does_not():
    assert fitted([0.8, 0.9], near=[0.78])[0] < 0.78
    assert fitted([0.8, 0.9], near=[0.5])[0] > 0.79
    assert fitted([math.nan]) == (0.0, 1.0)
    low, high = fitted([0.5])
    assert low < 0.5 < high


def test_ticks_are_round_and_have_equally_many_digits():
    assert [text for _, text in ticks(0.0, 0.21, 5)] == ["0.00", "0.05", "0.10", "0.15", "0.20"]
    assert [text for _, text in ticks(0.5, 8.5, integers=True)] == ["2", "4", "6", "8"]


def chart(points, rules=(), ends=(0.0, 1.0)):
    """A chart of one panel on the unit square."""
    series = Series("erm", Look("ink"), points)
    return Chart([Panel(Axis("gap", *ends, -1), Axis("accuracy", 0.0, 1.0, 1), [series], rules=rules)], "A chart")


def test_places_are_percent_of_the_panel_from_the_left_and_the_top():
    (panel,) = plot(chart([Point(0.25, 0.9, "erm")]))["panels"]
    (point,) = panel["series"][0]["points"]
    assert (point["x"], point["y"]) == (25, 10)
    assert panel["better"] == "↖"


def test_an_interval_beyond_the_panel_is_cut_and_marked():
    point = Point(0.5, 0.5, "erm", x_ends=(-1.0, 0.6), y_ends=(0.4, 0.7))
    along, up = plot(chart([point]))["panels"][0]["series"][0]["points"][0]["ends"]
    assert along["line"] == (0, 50, 60, 50) and along["cut"] == [("x-low", 0, 50)]
    assert up["cut"] == []


@pytest.mark.parametrize(("seeds", "drawn"), [(3, 0), (4, 2)])
def test_few_seeds_have_points_instead_of_intervals(seeds, drawn):
    point = Point(0.5, 0.5, "erm", x_ends=(0.4, 0.6), y_ends=(0.4, 0.6), seeds=seeds)
    assert len(plot(chart([point]))["panels"][0]["series"][0]["points"][0]["ends"]) == drawn
    lines = [line for line in draw(chart([point])).axes[0].lines if len(set(map(tuple, line.get_xydata()))) == 2]
    assert len(lines) == drawn


def test_a_rule_beyond_the_panel_is_a_mark_at_its_edge():
    (panel,) = plot(chart([], [Rule("y", 0.4, "majority"), Rule("x", 1.5, "labels")]))["panels"]
    inside, beyond = panel["rules"]
    assert panel["beyond"] == ["→ labels 1.500"]  # below the panel on the page, where it covers no point
    assert (inside["arrow"], inside["at"], inside["text"]) == ("", 60, "majority")
    assert beyond["text"] == "→ labels 1.500"


def test_a_point_without_a_value_is_not_drawn():
    (panel,) = plot(chart([Point(math.nan, 0.5, "erm"), Point(0.5, 0.5, "erm")]))["panels"]
    assert panel["count"] == 1


def test_a_picture_is_as_wide_as_a_column_and_its_texts_are_apart_and_readable():
    points = [Point(x, x, "erm", label=str(x)) for x in (0.1, 0.3, 0.5, 0.52, 0.9)]
    figure = draw(chart(points, [Rule("y", 0.2, "majority")]))
    (axes,) = figure.axes
    assert figure.get_figwidth() == COLUMN
    boxes = [text.get_window_extent() for text in axes.texts]
    assert all(text.get_fontsize() >= 7 for text in axes.texts)
    assert not [1 for one, other in itertools.combinations(boxes, 2) if one.overlaps(other)]
    for point in points:
        place = axes.transData.transform((point.x, point.y))
        assert not any(box.contains(*place) for box in boxes)
    assert {"erm", "majority", "↖ better"} <= {text.get_text() for text in axes.texts}


def test_no_name_lies_on_the_mark_of_a_rule_beyond_the_panel():
    low = Series("lightgbm + frontier", Look("ink"), [Point(0.5, 0.0, "x")], knob="bound")
    panel = Panel(
        Axis("gap", 0, 1, -1), Axis("accuracy", 0, 1, 1), [low], rules=[Rule("y", -0.5, "majority, always 0")]
    )
    (axes,) = draw(Chart([panel], "A chart")).axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert {"↓ majority, always 0 -0.500", "lightgbm + frontier (bound)"} <= {text.get_text() for text in axes.texts}
    assert not [1 for one, other in itertools.combinations(boxes, 2) if one.overlaps(other)]


@pytest.mark.parametrize("far", [0.045, 0.05, 0.055])
def test_values_side_by_side_do_not_read_as_one(far):
    points = [Point(0.5, 0.5, "erm", label="0.2"), Point(0.5 + far, 0.5, "erm", label="1")]
    (axes,) = draw(chart(points)).axes
    first, second = (text.get_window_extent() for text in axes.texts if text.get_text() in ("0.2", "1"))
    assert not (first.y0 < second.y1 and second.y0 < first.y1 and 0 <= second.x0 - first.x1 < axes.figure.dpi / 36)


def test_a_name_without_room_is_in_the_legend():
    crowd = Series("a name that is much too long for a picture of one column", Look("blue"), [Point(0.5, 0.5, "x")])
    panel = Panel(Axis("gap", 0, 1, -1), Axis("accuracy", 0, 1, 1), [crowd])
    figure = draw(Chart([panel], "A chart"))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [crowd.name]
