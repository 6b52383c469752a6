"""Which stops wake, and in which order, on both the fast stop book and its slow twin."""

from __future__ import annotations

import pytest

from tickwire.engine.reference import ReferenceStops
from tickwire.engine.stops import StopBook


@pytest.fixture(params=[StopBook, ReferenceStops])
def stops(request: pytest.FixtureRequest) -> StopBook | ReferenceStops:
    book: StopBook | ReferenceStops = request.param()
    # The ids run against the order of entry, so that no order of waking can come from them.
    book.add(9, "rise", 105)
    book.add(8, "fall", 95)
    book.add(7, "rise", 103)
    book.add(6, "rise", 105)
    book.add(5, "fall", 97)
    book.add(4, "fall", 97)
    return book


def test_between_the_stops_nobody_wakes(stops: StopBook | ReferenceStops) -> None:
    assert stops.wake(102) == []
    assert stops.wake(98) == []
    assert len(stops) == 6


def test_a_rising_price_wakes_from_the_lowest(stops: StopBook | ReferenceStops) -> None:
    assert stops.wake(103) == [7]
    assert stops.wake(200) == [9, 6]
    assert stops.wake(200) == []
    assert [order_id in stops for order_id in (9, 8, 7, 6, 5, 4)] == [False, True, False, False, True, True]


def test_a_falling_price_wakes_from_the_highest(stops: StopBook | ReferenceStops) -> None:
    assert stops.wake(97) == [5, 4]
    assert stops.wake(96) == []
    assert stops.wake(95) == [8]
    assert len(stops) == 3


def test_who_waits_for_a_rise_wakes_first(stops: StopBook | ReferenceStops) -> None:
    stops.add(1, "fall", 110)
    stops.add(2, "rise", 90)
    assert stops.wake(104) == [2, 7, 1]
    assert len(stops) == 5


def test_a_removed_stop_never_wakes(stops: StopBook | ReferenceStops) -> None:
    assert stops.remove(9)
    assert not stops.remove(9)
    assert not stops.remove(100)
    assert stops.remove(5)
    assert 9 not in stops
    assert len(stops) == 4
    assert stops.wake(105) == [7, 6]
    assert stops.wake(90) == [4, 8]
    assert len(stops) == 0


def test_an_id_may_wait_again_and_is_last_then(stops: StopBook | ReferenceStops) -> None:
    stops.remove(9)
    stops.add(9, "rise", 105)
    assert stops.wake(105) == [7, 6, 9]
    stops.add(7, "fall", 99)
    assert 7 in stops
    assert stops.wake(99) == [7]
