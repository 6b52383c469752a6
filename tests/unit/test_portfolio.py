"""Assets valued in one currency: directly, the other way round, over others, or not at all."""

from __future__ import annotations

import pytest

from tickwire.engine.ledger import Balance
from tickwire.errors import InvalidInput
from tickwire.market.listing import Listing
from tickwire.market.matched import MatchedListing
from tickwire.market.portfolio import portfolio
from tickwire.model.instrument import Instrument

ONE = 10**18


def listing(
    base: str, quote: str, last: int | None, bid: int | None = None, ask: int | None = None, tick_size: str = "0.01"
) -> Listing:
    made = MatchedListing(
        Instrument(
            venue="V", base=base, quote=quote, asset_class="crypto", tick_size=tick_size, lot_size="1", kind="matched",
            book="orders",
        )
    )  # fmt: skip
    made.last_price = last
    made.set_quote(0, bid, int(bid is not None), ask, int(ask is not None), ts_event=0)
    return made


def test_one_hop_at_the_middle_of_the_quote() -> None:
    balances = {"BTC": Balance(2 * ONE, ONE), "USD": Balance(5, 7)}
    listings = [listing("BTC", "USD", 999, 10_000, 10_001)]  # 100.005
    assert portfolio(balances, "USD", listings) == (
        300_015 * 10**15 + 12,
        [("BTC", 3 * ONE, 300_015 * 10**15), ("USD", 12, 12)],
    )


@pytest.mark.parametrize(("bid", "ask"), [(None, None), (10_000, None), (None, 10_000)])
def test_the_last_trade_where_a_side_is_empty(bid: int | None, ask: int | None) -> None:
    listings = [listing("BTC", "USD", 999, bid, ask)]
    assert portfolio({"BTC": Balance(100)}, "USD", listings) == (999, [("BTC", 100, 999)])


def test_a_step_that_is_not_a_power_of_ten() -> None:
    listings = [listing("BTC", "USD", 7, tick_size="0.25")]  # 1.75
    assert portfolio({"BTC": Balance(100)}, "USD", listings) == (175, [("BTC", 100, 175)])


def test_the_inverse_is_rounded_down() -> None:
    listings = [listing("BTC", "USD", 300)]  # 3 USD
    assert portfolio({"USD": Balance(ONE, 1)}, "BTC", listings) == (ONE // 3, [("USD", ONE + 1, ONE // 3)])


def test_two_hops_are_rounded_once() -> None:
    listings = [listing("BTC", "USD", 300), listing("ETH", "BTC", 1, tick_size="0.3")]
    # an ETH is 0.3 BTC is 0.9 USD; rounded at each hop, 2 units would be 0
    assert portfolio({"ETH": Balance(2)}, "USD", listings) == (1, [("ETH", 2, 1)])


def test_two_hops_one_of_them_inverse() -> None:
    listings = [listing("BTC", "USD", 30_000), listing("BTC", "EUR", 20_000)]
    assert portfolio({"EUR": Balance(2 * ONE)}, "USD", listings) == (3 * ONE, [("EUR", 2 * ONE, 3 * ONE)])


def test_the_direct_instrument_goes_before_a_way_round() -> None:
    listings = [
        listing("ETH", "BTC", 100),
        listing("BTC", "USD", 100),
        listing("ETH", "USD", 700),
    ]
    assert portfolio({"ETH": Balance(ONE)}, "USD", listings) == (7 * ONE, [("ETH", ONE, 7 * ONE)])


def test_no_price_no_value() -> None:
    listings = [listing("BTC", "USD", None), listing("XRP", "EUR", 100)]
    assert portfolio(
        {"BTC": Balance(9), "XRP": Balance(1), "DOGE": Balance(4), "USD": Balance(2)}, "USD", listings
    ) == (
        2,
        [("BTC", 9, None), ("XRP", 1, None), ("DOGE", 4, None), ("USD", 2, 2)],
    )


def test_a_currency_that_nothing_is_priced_in() -> None:
    with pytest.raises(InvalidInput, match=r"no instrument has 'JPY'; ask `instruments`") as raised:
        portfolio({}, "JPY", [listing("BTC", "USD", 100)])
    assert raised.value.field == "currency"
