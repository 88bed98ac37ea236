"""Charts as SVG."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bench.plot import Chart, Panel, Series, as_svg, ticks

_SVG = "{http://www.w3.org/2000/svg}"
_points = st.lists(
    st.tuples(st.integers(1, 64), st.floats(0, 1e4)), min_size=1, max_size=6, unique_by=lambda one: one[0]
)


def _chart(*series: Series) -> Chart:
    return Chart("Rate & time <of all>", "people", "tokens/s", (Panel("cold", series), Panel("warm", series)))


@given(st.floats(1e-3, 1e6))
def test_ticks_begin_at_nothing_and_reach_the_greatest_in_few_equal_steps(greatest):
    marks = ticks(greatest)
    assert marks[0] == 0
    assert marks[-1] >= greatest * (1 - 1e-9)
    assert 2 <= len(marks) <= 6
    assert len({f"{later - earlier:.6g}" for earlier, later in pairwise(marks)}) == 1


@given(_points, _points)
def test_a_chart_is_a_picture_in_which_every_point_has_its_place(ours, theirs):
    series = (Series("ours", tuple(ours)), Series("theirs", tuple(theirs)))
    root = ET.fromstring(as_svg(_chart(*series)))
    width, height = (float(part) for part in root.get("viewBox").split()[2:])
    dots = root.findall(f"{_SVG}circle")
    assert len(dots) == 2 + 2 * (len(ours) + len(theirs))  # the legend's, and those of two panels
    assert all(0 <= float(one.get("cx")) <= width and 0 <= float(one.get("cy")) <= height for one in dots)


def test_greater_values_stand_higher():
    root = ET.fromstring(as_svg(_chart(Series("ours", ((1, 5.0), (4, 50.0))))))
    low, high = root.findall(f"{_SVG}circle")[1:3]
    assert float(high.get("cy")) < float(low.get("cy"))
    assert float(high.get("cx")) > float(low.get("cx"))


def test_words_name_the_axes_and_the_lines():
    texts = [
        one.text for one in ET.fromstring(as_svg(_chart(Series("ours", ((1, 5.0),))))).iter(f"{_SVG}text")
    ]
    assert {"people", "ours", "Rate & time <of all>"} <= set(texts)
    assert any("tokens/s" in text for text in texts)


def test_a_dark_page_has_its_own_colours_for_all_that_is_drawn():
    style = re.search(r"<style>(.*)</style>", as_svg(_chart(Series("ours", ((1, 5.0),)))))[1]
    light, dark = style.split("@media(prefers-color-scheme:dark)")
    for what in ("text{", ".line0{stroke", ".dot0{", ".grid{"):
        assert what in light
        assert what in dark
