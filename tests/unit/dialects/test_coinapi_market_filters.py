"""The CoinAPI dialect: what the filters let through, and the names of things."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coinapi_market import ETH, FX, INDEX
from support import BTC
from tickwire.dialects.coinapi.filters import asset_names, filter_of
from tickwire.dialects.coinapi.ids import find_instrument, index_id, native_id, order_guid, symbol_id, trade_uuid
from tickwire.dialects.coinapi.messages import ClientMessage
from tickwire.dialects.coinapi.periods import PERIODS
from tickwire.errors import InvalidInput
from tickwire.market.market import Market
from tickwire.model.events import Trade
from tickwire.model.instrument import AssetClass, Instrument
from tickwire.model.records import ListInstrument


def instrument(venue: str, base: str, quote: str, asset_class: AssetClass = "crypto") -> Instrument:
    return Instrument(
        venue=venue, base=base, quote=quote, asset_class=asset_class, tick_size="0.01", lot_size="1", kind="mirrored"
    )


COINBASE = [instrument("COINBASE", base, "USD") for base in ("BTC", "ETH", "BTCST")]
BITSTAMP = [instrument("BITSTAMP", "BTC", "USD"), instrument("BITSTAMP", "BTC", "EUR")]
FUTURE = instrument("DERIBIT", "BTC", "USD", "future")
ALL = [*COINBASE, *BITSTAMP, FUTURE, INDEX, FX]
IDS = [symbol_id(each) for each in ALL]


def picked(*, exact: bool = False, **filters: Any) -> list[str]:
    message = ClientMessage("hello", **{f"subscribe_filter_{name}": value for name, value in filters.items()})
    chosen = filter_of(message, exact=exact)
    return [symbol_id(each) for each in ALL if chosen.matches(each)]


def test_symbol_ids() -> None:
    assert IDS == [
        "COINBASE_SPOT_BTC_USD",
        "COINBASE_SPOT_ETH_USD",
        "COINBASE_SPOT_BTCST_USD",
        "BITSTAMP_SPOT_BTC_USD",
        "BITSTAMP_SPOT_BTC_EUR",
        "DERIBIT_PERP_BTC_USD",
        "CFB_IDX_REFRATE_BTC_USD",
        "FXCM_SPOT_EUR_USD",
    ]
    assert index_id(INDEX) == "IDX_REFRATE_BTC_USD"
    assert native_id(COINBASE[0]) == "BTC-USD"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        # nothing given
        ({}, IDS),
        ({"symbol_id": None, "asset_id": None, "exchange_id": None}, IDS),
        ({"symbol_id": [], "asset_id": []}, IDS),
        # symbols are prefixes, whole with $
        ({"symbol_id": ["COINBASE_SPOT_BTC"]}, ["COINBASE_SPOT_BTC_USD", "COINBASE_SPOT_BTCST_USD"]),
        ({"symbol_id": ["COINBASE_SPOT_BTC_USD$"]}, ["COINBASE_SPOT_BTC_USD"]),
        ({"symbol_id": ["COINBASE_SPOT_BTC$"]}, []),
        ({"symbol_id": ["COINBASE_", "BITSTAMP_SPOT_BTC_EUR$"]}, [*IDS[:3], "BITSTAMP_SPOT_BTC_EUR"]),
        ({"symbol_id": ["BTC-USD"]}, [IDS[0], IDS[3], IDS[5]]),
        ({"symbol_id": [""]}, IDS),
        ({"symbol_id": ["$"]}, []),
        ({"symbol_id": ["coinbase_spot_eth"]}, ["COINBASE_SPOT_ETH_USD"]),
        # exchanges and symbols widen each other
        ({"exchange_id": ["COINBASE"]}, IDS[:3]),
        ({"exchange_id": ["COIN"]}, []),
        (
            {"exchange_id": ["COINBASE"], "symbol_id": ["BITSTAMP_SPOT_BTC_USD$"]},
            [*IDS[:3], "BITSTAMP_SPOT_BTC_USD"],
        ),
        # assets on either side, pairs in their order
        ({"asset_id": ["EUR"]}, ["BITSTAMP_SPOT_BTC_EUR", "FXCM_SPOT_EUR_USD"]),
        ({"asset_id": ["BTC/USD"]}, [IDS[0], IDS[3], IDS[5]]),
        ({"asset_id": ["USD/BTC"]}, []),
        ({"asset_id": ["btc/eur", "eth"]}, ["COINBASE_SPOT_ETH_USD", "BITSTAMP_SPOT_BTC_EUR"]),
        # assets narrow what the others name
        ({"asset_id": ["BTC"], "exchange_id": ["COINBASE"]}, ["COINBASE_SPOT_BTC_USD"]),
        ({"asset_id": ["EUR"], "symbol_id": ["BITSTAMP"], "exchange_id": ["COINBASE"]}, ["BITSTAMP_SPOT_BTC_EUR"]),
        # indexes
        ({"index_id": ["IDX_REFRATE_BTC_USD"]}, ["CFB_IDX_REFRATE_BTC_USD"]),
        ({"index_id": ["IDX_"]}, ["CFB_IDX_REFRATE_BTC_USD"]),
        ({"index_id": ["IDX_$"]}, []),
    ],
)
def test_filters(filters: dict[str, Any], expected: list[str]) -> None:
    assert picked(**filters) == expected


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        (["COINBASE_SPOT_BTC"], []),
        (["COINBASE_SPOT_BTC_USD"], ["COINBASE_SPOT_BTC_USD"]),
        (["BTC-EUR"], ["BITSTAMP_SPOT_BTC_EUR"]),
        (["BTC-EUR$"], ["BITSTAMP_SPOT_BTC_EUR"]),
    ],
)
def test_exact_filters(symbols: list[str], expected: list[str]) -> None:
    assert picked(symbol_id=symbols, exact=True) == expected


def test_of_nested_prefixes_the_shortest_is_enough() -> None:
    nested = ["SIM_SPOT_A", "Q" * 300, *("Q" * length for length in range(1, 300)), "SIM_SPOT_AB", "SIM_IDX"]
    message = ClientMessage("hello", subscribe_filter_symbol_id=nested)
    assert filter_of(message, exact=False).prefixes == ("Q", "SIM_IDX", "SIM_SPOT_A")


@pytest.mark.parametrize("asset", ["", "/", "BTC/", "/USD", "BTC/USD/EUR"])
def test_what_is_neither_an_asset_nor_a_pair_is_refused(asset: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        asset_names(ClientMessage("hello", subscribe_filter_asset_id=["BTC", asset]))
    assert refused.value.field == "subscribe_filter_asset_id"
    assert repr(asset) in str(refused.value)


PARTS = st.sampled_from(["A", "AB", "ABC", "B", "USD", "A_B"])


def slow(each: Instrument, symbols: list[str], exchanges: list[str], assets: list[str]) -> bool:
    """The same, read off the description."""
    identity = symbol_id(each)
    by_symbol = any(
        identity == s[:-1] if s.endswith("$") else identity.startswith(s) or s == f"{each.base}-{each.quote}"
        for s in symbols
    )
    chosen = by_symbol or each.venue in exchanges or not (symbols or exchanges)
    sides = (each.base, each.quote)
    return chosen and (not assets or any(a in sides or a == "/".join(sides) for a in assets))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    instruments=st.lists(st.builds(instrument, PARTS, PARTS, PARTS), min_size=1, max_size=4),
    data=st.data(),
)
def test_filters_do_what_they_say(instruments: list[Instrument], data: st.DataObject) -> None:
    ids = [symbol_id(each) for each in instruments]
    pieces = st.sampled_from(ids).flatmap(
        lambda each: st.integers(0, len(each)).flatmap(lambda end: st.sampled_from([each[:end], f"{each[:end]}$"]))
    )
    symbols = data.draw(st.lists(pieces | st.sampled_from(["A-B", "AB-USD"]), max_size=3))
    exchanges = data.draw(st.lists(PARTS, max_size=2))
    assets = data.draw(st.lists(PARTS | st.builds("{}/{}".format, PARTS, PARTS), max_size=2))
    message = ClientMessage(
        "hello",
        subscribe_filter_symbol_id=symbols,
        subscribe_filter_exchange_id=exchanges,
        subscribe_filter_asset_id=assets,
    )
    chosen = filter_of(message, exact=False)
    for each in instruments:
        assert chosen.matches(each) == slow(each, symbols, exchanges, assets)


def test_an_instrument_is_found_by_its_symbol_id() -> None:
    market = Market()
    listed = [BTC, ETH, INDEX, instrument("A", "B_C", "D"), instrument("A", "X", "Y", "future")]
    for each in listed:
        market.apply(ListInstrument(each))
    assert [find_instrument(market, symbol_id(each)) for each in listed] == listed
    for wrong in ("", "SIM", "SIM_SPOT_BTC", "SIM_PERP_BTC_USDT", "SIM:BTC-USDT", "CFB_IDX_", "A_SPOT_X_Y"):
        assert find_instrument(market, wrong) is None


UUID4 = re.compile(r"[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}")


def test_ids_of_trades_and_orders_are_guids_and_always_the_same() -> None:
    trades = [Trade("A:B-C", seq, ts, "", 1, 1, "", 0, "", "") for seq in (1, 2) for ts in (10_000_000, 11_000_000)]
    uuids = [trade_uuid(trade) for trade in trades]
    assert len(set(uuids)) == 4
    assert all(UUID4.fullmatch(uuid) for uuid in uuids)
    assert uuids[0] == "12DFED96-0000-4000-800A-000000000001"
    assert order_guid("A:B-C", "1") == "2D145033-44CA-4662-87DB-F40557B8E386"
    assert order_guid("A:B-C", "1") != order_guid("A:B-D", "1")
    own = "b1e2a4b0-0000-1000-8000-00000000000f"
    assert order_guid("A:B-C", own) == own.upper()


def test_periods() -> None:
    assert " ".join(PERIODS) == (
        "1SEC 2SEC 3SEC 4SEC 5SEC 6SEC 10SEC 15SEC 20SEC 30SEC "
        "1MIN 2MIN 3MIN 4MIN 5MIN 6MIN 10MIN 15MIN 20MIN 30MIN "
        "1HRS 2HRS 3HRS 4HRS 6HRS 8HRS 12HRS 1DAY 2DAY 3DAY 5DAY 7DAY 10DAY "
        "1MTH 2MTH 3MTH 4MTH 6MTH 1YRS 2YRS 3YRS 4YRS 5YRS"
    )
    shown = {
        name: (each.unit_count, each.unit_name, each.seconds, each.period.months) for name, each in PERIODS.items()
    }
    assert shown["1SEC"] == (1, "second", 1, 0)
    assert shown["20MIN"] == (20, "minute", 1_200, 0)
    assert shown["8HRS"] == (8, "hour", 28_800, 0)
    assert shown["7DAY"] == (7, "day", 604_800, 0)
    assert shown["4MTH"] == (4, "month", 0, 4)
    assert shown["5YRS"] == (5, "year", 0, 60)
    assert [PERIODS[each].display_name for each in ("1SEC", "6MTH")] == ["1 Second", "6 Months"]
