"""The CoinAPI dialect: exchange rates, from which prices and over which ways."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coinapi_market import FX, KEYS, Server
from tickwire.dialects.coinapi.exrates import Prices, prices, significant
from tickwire.dialects.coinapi.metadata import catalog
from tickwire.dialects.coinapi.view import View
from tickwire.model.instrument import AssetClass, Instrument
from tickwire.model.records import ListInstrument, VenueQuote, VenueRate, VenueTrade


def instrument(
    venue: str, base: str, quote: str, asset_class: AssetClass = "crypto", *, tick: str = "0.01", lot: str = "0.1"
) -> Instrument:
    return Instrument(
        venue=venue, base=base, quote=quote, asset_class=asset_class, tick_size=tick, lot_size=lot, kind="mirrored",
        book="none",
    )  # fmt: skip


def view_of(server: Server, key: str = "") -> View:
    return View.of(server.services, KEYS[key] if key else None)


def shown(market: Prices, base: str, quote: str) -> tuple[str, str] | None:
    rate = market.rate(base, quote)
    return None if rate is None else (rate.rate, rate.rate_type)


ISOLATED, TO_USD, TO_OTHER = "BASE_QUOTE_ISOLATED", "BASE_ALL_CROSSES_TO_REF", "BASE_AND_QUOTE_TO_REF"


def test_the_average_is_weighted_over_all_instruments_of_a_pair_in_either_direction() -> None:
    a, b = instrument("A", "X", "Y"), instrument("B", "X", "Y", tick="0.5", lot="2")
    c = instrument("C", "Y", "X")
    server = Server(a, b, c)
    server.do(
        VenueTrade(a.symbol, "1", 1_000, 20),  # 2 X for 20 Y
        VenueTrade(a.symbol, "2", 2_000, 10),  # 1 X for 20 Y
        VenueTrade(b.symbol, "1", 60, 3),  # 6 X for 180 Y
        VenueTrade(c.symbol, "1", 5, 400),  # 40 Y for 2 X
    )
    market = Prices(view_of(server))
    assert shown(market, "X", "Y") == (significant(260, 11), ISOLATED)
    assert shown(market, "Y", "X") == (significant(11, 260), ISOLATED)
    assert shown(market, "X", "Y") == ("23.6363636363636", ISOLATED)


def test_the_average_is_that_of_a_day() -> None:
    a = instrument("A", "X", "Y")
    server = Server(a)
    server.do(VenueTrade(a.symbol, "1", 1_000, 20))
    server.do(VenueTrade(a.symbol, "2", 2_000, 20), ms=12 * 3_600_000)
    assert shown(Prices(view_of(server)), "X", "Y") == ("15", ISOLATED)
    server.do(ms=13 * 3_600_000)
    assert shown(Prices(view_of(server)), "X", "Y") == ("20", ISOLATED)
    server.do(ms=24 * 3_600_000)  # no trade in a day: the last one
    assert shown(Prices(view_of(server)), "X", "Y") == ("20", ISOLATED)


def test_which_price_counts() -> None:
    a, b = instrument("A", "EUR", "USD"), instrument("B", "EUR", "USD")
    server = Server(a, b)
    assert shown(Prices(view_of(server)), "EUR", "USD") is None
    server.do(VenueQuote(a.symbol, 100, 1, 110, 1))
    assert shown(Prices(view_of(server)), "EUR", "USD") == ("1.05", ISOLATED)
    server.do(VenueTrade(b.symbol, "1", 120, 20))
    assert shown(Prices(view_of(server)), "EUR", "USD") == ("1.2", ISOLATED)
    server.do(ListInstrument(FX), VenueRate(FX.symbol, 108_250))
    assert shown(Prices(view_of(server)), "EUR", "USD") == ("1.0825", ISOLATED)


@pytest.mark.parametrize("asset_class", ["index", "future"])
def test_indexes_and_futures_are_prices_of_something_else(asset_class: AssetClass) -> None:
    a = instrument("A", "X", "USD", asset_class)
    server = Server(a)
    server.do(VenueTrade(a.symbol, "1", 120, 20), VenueQuote(a.symbol, 100, 1, 110, 1))
    assert shown(Prices(view_of(server)), "X", "USD") is None


def test_the_shortest_way_and_its_type() -> None:
    pairs = [("A", "B", 200), ("B", "USD", 300), ("B", "C", 500), ("C", "USD", 100), ("D", "E", 100)]
    listed = [instrument("V", base, quote) for base, quote, _ in pairs]
    server = Server(*listed)
    for each, (_, _, price) in zip(listed, pairs, strict=True):
        server.do(VenueTrade(each.symbol, "1", price, 20))
    market = Prices(view_of(server))
    assert shown(market, "A", "B") == ("2", ISOLATED)
    assert shown(market, "A", "USD") == ("6", TO_USD)
    assert shown(market, "A", "C") == ("10", TO_OTHER)
    assert shown(market, "USD", "A") == ("0.166666666666667", TO_OTHER)
    assert shown(market, "B", "USD") == ("3", ISOLATED)  # not over C, which would give 5
    assert shown(market, "A", "A") == ("1", ISOLATED)
    assert shown(market, "A", "E") is None
    assert shown(market, "A", "NONE") is shown(market, "NONE", "A") is None
    assert [(each.asset_id_quote, each.rate) for each in market.rates("A")] == [
        ("B", "2"), ("USD", "6"), ("C", "10"),
    ]  # fmt: skip
    assert market.rates("NONE") == []


def test_an_asset_alone_is_priced_in_the_first_reference_that_there_is() -> None:
    tether, euro = instrument("V", "X", "USDT"), instrument("V", "X", "EUR")
    server = Server(tether, euro)
    server.do(VenueTrade(euro.symbol, "1", 100, 20))
    server.do(VenueTrade(tether.symbol, "1", 200, 20))
    reference = Prices(view_of(server)).reference("X")
    assert reference is not None
    assert (reference.asset_id_quote, reference.rate) == ("USDT", "2")
    assert Prices(view_of(server)).reference("Z") is None


def test_a_key_gets_rates_only_from_what_it_may_see() -> None:
    a = instrument("A", "X", "USD")
    server = Server(a)
    server.do(VenueTrade(a.symbol, "1", 120, 20))
    assert shown(prices(view_of(server)), "X", "USD") == ("1.2", ISOLATED)
    assert shown(prices(view_of(server, "narrow")), "X", "USD") is None
    assert catalog(view_of(server, "narrow")).exchange("A") is None
    assert catalog(view_of(server, "narrow")).asset("X") is None


def test_prices_of_one_moment_are_shared() -> None:
    server = Server()
    one, other = prices(view_of(server)), prices(View.of(server.services, KEYS["other"]))
    assert one is other
    server.do()
    assert prices(view_of(server)) is one
    server.do(ms=1_000)
    assert prices(view_of(server)) is not one


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(1, 10**40), st.integers(1, 10**40))
def test_a_rate_has_fifteen_right_digits(numerator: int, denominator: int) -> None:
    text, exact = significant(numerator, denominator), Fraction(numerator, denominator)
    error = abs(Fraction(text) - exact)
    assert error * 10**15 <= 5 * exact
    assert "e" not in text.lower()
    assert not ("." in text and text.endswith("0"))


@pytest.mark.parametrize(
    ("fraction", "text"),
    [((1, 1), "1"), ((10, 1), "10"), ((1, 3), "0.333333333333333"), ((2, 3), "0.666666666666667"), ((1, 4), "0.25"),
     ((123456789012345678, 1), "123456789012345678"), ((1, 10**20), "0.00000000000000000001")],
)  # fmt: skip
def test_rates_as_text(fraction: tuple[int, int], text: str) -> None:
    assert significant(*fraction) == text
