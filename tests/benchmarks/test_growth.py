"""What makes the growth benchmark fail, and how it fits exponents."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Literal

import pytest

from benchmarks.growth import findings
from benchmarks.growth.curve import Curve, Family, cpu_us, sizes, table
from benchmarks.growth.fan_out import check, clients, streams
from benchmarks.growth.history import ask, candle
from benchmarks.growth.instruments import REQUESTS, Asking
from benchmarks.growth.market import Publisher, opened, symbol, trade
from benchmarks.growth.sockets import sockets
from benchmarks.results import Wrong
from benchmarks.sink import Sink
from tickwire.model.channel import StreamKey
from tickwire.tape.candles import CandleStore


def curve(cost: Callable[[int], float], expected: Literal["flat", "linear"] = "flat") -> Curve:
    return Curve("it", "µs", expected, [(size, cost(size)) for size in sizes(10, 5_000)])


def test_sizes_double() -> None:
    assert sizes(10, 100) == [10, 20, 40, 80, 100]
    assert sizes(1, 4) == [1, 2, 4]


@pytest.mark.parametrize("power", [-1, 0, 0.5, 1, 2])
def test_the_exponent_is_that_of_a_power(power: float) -> None:
    assert curve(lambda size: 7 * size**power).exponent == pytest.approx(power)


def test_the_exponent_is_that_of_the_upper_half() -> None:
    assert curve(lambda size: max(size, 200)).exponent == pytest.approx(1, abs=0.1)
    assert curve(lambda size: max(1 / size, 1 / 100)).exponent == pytest.approx(0, abs=0.1)


def test_a_curve_may_be_as_steep_as_is_expected() -> None:
    assert curve(lambda _: 3).as_expected
    assert not curve(lambda size: size**0.5).as_expected
    assert curve(lambda size: size, "linear").as_expected
    assert not curve(lambda size: size**1.5, "linear").as_expected


def test_a_curve_that_is_too_steep_is_a_finding() -> None:
    families = [Family("clients", [curve(lambda _: 3), curve(lambda size: size)])]
    assert findings(families)[0] == (
        "Not as expected: it grows with size to the 1.00 against the number of clients: 10 µs at 10, 5e+03 at 5,000."
    )
    assert [row[-1] for row in table(families).rows] == ["yes", "NO: faster"]
    assert findings([Family("clients", [curve(lambda _: 3)])])[0].startswith("No curve is steeper")


def test_a_turn_that_holds_the_server_up_is_a_finding() -> None:
    families = [Family("instruments", [curve(lambda size: 2.0 * size, "linear"), curve(lambda _: 9_000)])]
    assert findings(families)[0] == "At the most instruments one turn holds the server up for a while: it: 10.0 ms."


def test_what_is_done_before_does_not_count() -> None:
    calls: list[str] = []
    assert cpu_us(lambda: calls.append("work"), 2, before=lambda: calls.append("before")) > 0
    assert calls == ["before", "work", "before", "work"]


def test_every_client_must_be_given_every_message() -> None:
    publisher, sinks = Publisher(opened(2)), [Sink(), Sink()]
    for sink in sinks:
        publisher.subscribe([StreamKey("trades", symbol(0)), StreamKey("trades", symbol(1))], sink)
    publisher.transaction([trade(0, 1), trade(1, 1), trade(0, 2)])
    last_seqs = {symbol(0): 3, symbol(1): 2}
    check(sinks, last_seqs)
    with pytest.raises(Wrong, match="B00001-USDT: 3 trades were made, 2 came"):
        check(sinks, last_seqs | {symbol(1): 3})
    sinks[1].taken.pop()
    with pytest.raises(Wrong, match="different messages"):
        check(sinks, last_seqs)


@pytest.mark.parametrize("measure", [clients, streams])
def test_it_fails_when_an_event_is_lost(measure: Callable[[list[int], int], Family]) -> None:
    with pytest.raises(Wrong, match="SIM:B00000-USDT: trade 7 was to come, but 8 came"):
        measure([2], 5)


def test_it_fails_when_the_server_loses_a_message() -> None:
    with pytest.raises(Wrong, match="message 3 was to come"):
        sockets([2], delivered=20, lose=3)


@pytest.mark.parametrize("name", REQUESTS)
def test_it_fails_on_a_wrong_answer(name: str) -> None:
    asking = Asking(opened(3))
    asking.ask(REQUESTS[name])
    with pytest.raises(Wrong, match="was answered with"):
        asking.ask(REQUESTS[name]._replace(right="something else"))


def test_it_fails_on_other_candles() -> None:
    with closing(CandleStore(None)) as store:
        store.add(candle(n) for n in range(200))
        ask(store, 200, newest=True)
        with pytest.raises(Wrong, match="of 201 candles, the newest are not"):
            ask(store, 201, newest=True)
        ask(store, 201, newest=False)
