"""The picture of durations, by what is in it, and how durations and percentiles are said."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from tickwire.cli.durations import Durations, duration_text, histogram, percentiles
from tickwire.plots import Picture


def words(picture: Picture) -> set[str]:
    """All the text that is drawn."""
    svg = ElementTree.fromstring(picture.rendered("svg"))
    return {" ".join("".join(element.itertext()).split()) for element in svg.iter("{http://www.w3.org/2000/svg}text")}


def test_a_histogram_has_every_duration_in_its_place() -> None:
    picture = histogram([Durations("Lag", "", [1_050_000] * 3 + [5_150_000, 880_000_000])])
    bars: Any = picture.axes[0].patches
    drawn = [bar for bar in bars if bar.get_height()]
    assert [bar.get_height() for bar in drawn] == pytest.approx([0.6, 0.2, 0.2])
    for bar, seconds in zip(drawn, (0.00105, 0.00515, 0.88), strict=True):
        assert bar.get_x() < seconds < bar.get_x() + bar.get_width()
        assert bar.get_width() / bar.get_x() == pytest.approx(10 ** (1 / 25) - 1)


def test_a_histogram_shows_the_percentiles_that_were_measured() -> None:
    durations = [n * 100_000 for n in range(1, 101)]  # 0.1 to 10 ms
    picture = histogram([Durations("Round trip", "of a test", durations), Durations("Lag", "none", [])])
    upper, lower = picture.axes
    bars: Any = upper.patches
    lines: Any = upper.get_lines()
    assert sum(bar.get_height() for bar in bars) == pytest.approx(1)
    assert [line.get_xdata()[0] for line in lines] == [0.005, 0.009, 0.0099]
    assert words(picture) >= {"Round trip", "of a test", "p50 5.00 ms", "p90 9.00 ms", "p99 9.90 ms", "share", "1 ms"}
    assert "nothing was measured" in words(picture)
    assert not lower.patches


def test_percentiles_are_by_nearest_rank() -> None:
    assert percentiles([7]) == {50: 7, 90: 7, 99: 7}
    assert percentiles(range(1, 201)) == {50: 100, 90: 180, 99: 198}
    assert percentiles([3, 1, 2]) == {50: 2, 90: 3, 99: 3}


def test_what_two_clocks_make_negative_is_still_drawn() -> None:
    (axes,) = histogram([Durations("Lag", "", [-5_000, 2_000])]).axes
    bars: Any = axes.patches
    assert sum(bar.get_height() for bar in bars) == pytest.approx(1)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 µs"), (999_999, "1000 µs"), (1_000_000, "1.00 ms"), (12_345_678, "12.3 ms"), (123_456_789, "123 ms"),
        (2_500_000_000, "2.50 s"), (-40_000, "-40 µs"),
    ],
)  # fmt: skip
def test_a_duration_in_words(ns: int, text: str) -> None:
    assert duration_text(ns) == text
