"""The CoinAPI dialect: every field of what is said of each event, to its value: trades, quotes and books."""

from __future__ import annotations

from typing import Any

import pytest

from coinapi_market import ETH, Server, at, opened
from support import BTC, START_NS, order
from tickwire.dialects.coinapi.ids import order_guid, trade_uuid
from tickwire.model.events import Trade
from tickwire.model.records import (
    AmendOrder,
    CancelOrder,
    VenueBookSnapshot,
    VenueBookUpdate,
    VenueTrade,
)

SYMBOL = "SIM_SPOT_BTC_USDT"
SECOND = 1_000_000_000


def test_trade() -> None:
    server, client = opened("trade")
    server.do(order("buy", 10_000, 5))
    server.do(order("sell", 10_000, 2), ms=3)
    server.do(order("sell", 9_900, 4, account="a"), order("buy", 9_900, 4, account="b"))  # below the own bid of 100
    first, *_ = client.said()
    assert first == {
        "type": "trade",
        "symbol_id": SYMBOL,
        "sequence": 1,
        "time_exchange": at(5),
        "time_coinapi": at(5),
        "uuid": trade_uuid(Trade(BTC.symbol, 1, START_NS + 5_000_000, "", 0, 0, "", 0, "", "")),
        "price": "100.00",
        "size": "0.002",
        "taker_side": "SELL",
    }
    assert list(first)[:2] == ["type", "symbol_id"]


@pytest.mark.parametrize(("side", "said"), [("buy", "BUY"), ("sell", "SELL"), (None, "UNKNOWN")])
def test_a_trade_of_a_venue_has_its_time_and_its_taker(side: Any, said: str) -> None:
    server, client = opened("trade", server=Server(ETH))
    server.do(VenueTrade(ETH.symbol, "t9", 31_005, 12, side, START_NS - 7_654_321))
    (trade,) = client.said()
    assert (trade["symbol_id"], trade["taker_side"]) == ("KRAKEN_SPOT_ETH_USD", said)
    assert (trade["price"], trade["size"]) == ("3100.5", "0.12")
    assert (trade["time_exchange"], trade["time_coinapi"]) == ("2023-11-14T22:13:19.9923456Z", at(3))


def test_the_sequence_of_trades_has_no_hole() -> None:
    server, client = opened("trade")
    server.do(order("buy", 10_000, 9))
    for _ in range(3):
        server.do(order("sell", 10_000, 1), order("sell", 10_000, 1))
    assert [trade["sequence"] for trade in client.said()] == [1, 2, 3, 4, 5, 6]


def test_quote() -> None:
    server = Server()
    server.do(order("buy", 10_000, 5), order("sell", 10_250, 7))
    client = server.open()
    (first,) = client.hello("quote")
    assert first == {
        "type": "quote",
        "symbol_id": SYMBOL,
        "sequence": 2,
        "time_exchange": at(2),
        "time_coinapi": at(2),
        "ask_price": "102.50",
        "ask_size": "0.007",
        "bid_price": "100.00",
        "bid_size": "0.005",
    }
    server.do(order("sell", 10_000, 5))
    (second,) = client.said()
    assert (second["sequence"], second["bid_price"], second["bid_size"]) == (3, "0.00", "0.000")
    assert (second["ask_price"], second["ask_size"]) == ("102.50", "0.007")


def test_a_symbol_without_a_quote_says_nothing_yet() -> None:
    assert Server().open().hello("quote") == []


def test_book() -> None:
    server = Server()
    server.do(order("buy", 10_000, 5), order("buy", 9_950, 1), order("sell", 10_250, 7))
    client = server.open()
    (snapshot,) = client.hello("book")
    assert snapshot == {
        "type": "book",
        "symbol_id": SYMBOL,
        "sequence": 3,
        "time_exchange": at(2),
        "time_coinapi": at(2),
        "is_snapshot": True,
        "asks": [{"price": "102.50", "size": "0.007"}],
        "bids": [{"price": "100.00", "size": "0.005"}, {"price": "99.50", "size": "0.001"}],
    }
    server.do(order("sell", 10_000, 5), order("sell", 10_200, 2))
    assert client.said() == [
        {
            "type": "book",
            "symbol_id": SYMBOL,
            "sequence": 4 + added,
            "time_exchange": at(3),
            "time_coinapi": at(3),
            "is_snapshot": False,
            "asks": asks,
            "bids": bids,
        }
        for added, asks, bids in (
            (0, [], [{"price": "100.00", "size": 0}]),
            (1, [{"price": "102.00", "size": "0.002"}], []),
        )
    ]


def test_a_book_that_is_replaced_is_a_snapshot_in_mid_stream() -> None:
    server = Server(ETH)
    client = server.open()
    (first,) = client.hello("book", exchange_id=["KRAKEN"])
    assert (first["is_snapshot"], first["asks"], first["bids"]) == (True, [], [])
    server.do(VenueBookSnapshot(ETH.symbol, [(31_000, 5)], [(31_010, 7)]))
    server.do(VenueBookUpdate(ETH.symbol, [(31_000, 0), (30_999, 2)], []))
    server.do(VenueBookSnapshot(ETH.symbol, [(30_000, 1)], []))
    assert [(m["is_snapshot"], m["bids"], m["asks"]) for m in client.said()] == [
        (True, [{"price": "3100.0", "size": "0.05"}], [{"price": "3101.0", "size": "0.07"}]),
        (False, [{"price": "3100.0", "size": 0}, {"price": "3099.9", "size": "0.02"}], []),
        (True, [{"price": "3000.0", "size": "0.01"}], []),
    ]


@pytest.mark.parametrize(("data_type", "depth"), [("book5", 5), ("book20", 20), ("book50", 50)])
def test_the_best_of_a_book(data_type: str, depth: int) -> None:
    server = Server()
    server.do(*(order("buy", 10_000 - i, 1 + i) for i in range(60)), order("sell", 10_100, 1))
    client = server.open()
    (first,) = client.hello(data_type)
    assert list(first) == ["type", "symbol_id", "sequence", "time_exchange", "time_coinapi", "asks", "bids"]
    assert (first["type"], first["symbol_id"], first["sequence"]) == (data_type, SYMBOL, 61)
    assert first["time_exchange"] == first["time_coinapi"] == at(2)
    assert first["asks"] == [{"price": "101.00", "size": "0.001"}]
    assert first["bids"] == [
        {"price": f"{(10_000 - i) / 100:.2f}", "size": f"{(1 + i) / 1000:.3f}"} for i in range(depth)
    ]


def test_book5_comes_at_once_and_book20_every_second_if_it_changed() -> None:
    server, client = opened("book5", "book20")
    client.said()
    server.do(order("buy", 10_000, 5))
    server.do(order("buy", 9_999, 5))
    assert [m["type"] for m in client.said()] == ["book5", "book5"]
    server.until(START_NS + SECOND)
    (best,) = client.said()
    assert best["type"] == "book20"
    assert best["bids"] == [{"price": "100.00", "size": "0.005"}, {"price": "99.99", "size": "0.005"}]
    server.until(START_NS + 2 * SECOND)
    assert client.said() == []


def test_book_l3() -> None:
    server = Server()
    server.do(order("buy", 10_000, 5), order("buy", 10_000, 3), order("sell", 10_250, 7))
    client = server.open()
    (snapshot,) = client.hello("book_l3")
    guid = {number: order_guid(BTC.symbol, str(number)) for number in range(1, 6)}
    assert snapshot == {
        "type": "book_l3",
        "symbol_id": SYMBOL,
        "sequence": 3,
        "time_exchange": at(2),
        "time_coinapi": at(2),
        "is_snapshot": True,
        "asks": [{"price": "102.50", "size": "0.007", "id": guid[3]}],
        "bids": [
            {"price": "100.00", "size": "0.005", "id": guid[1]},
            {"price": "100.00", "size": "0.003", "id": guid[2]},
        ],
    }
    server.do(order("sell", 10_000, 6))  # takes the first whole and a part of the second
    server.do(order("sell", 10_300, 4))
    said = client.said()
    assert [(m["sequence"], m["is_snapshot"], m["asks"], m["bids"]) for m in said] == [
        (4, False, [], [{"price": "100.00", "size": "0.005", "id": guid[1], "update_type": "MATCH"}]),
        (5, False, [], [{"price": "100.00", "size": "0.001", "id": guid[2], "update_type": "MATCH"}]),
        (6, False, [{"price": "103.00", "size": "0.004", "id": guid[5], "update_type": "ADD"}], []),
    ]


def test_book_l3_amended_and_canceled() -> None:
    server = Server()
    server.do(order("buy", 10_000, 5))
    client = server.open()
    client.hello("book_l3")
    server.do(AmendOrder("a", 1, None, 3))
    server.do(CancelOrder("a", 1))
    guid = order_guid(BTC.symbol, "1")
    assert [m["bids"] for m in client.said()] == [
        [{"price": "100.00", "size": "0.003", "id": guid, "update_type": "UPDATE"}],
        [{"price": "100.00", "size": 0, "id": guid, "update_type": "DELETE"}],
    ]


def test_book_l3_of_a_venue_that_shows_no_orders_has_levels_without_id() -> None:
    server = Server(ETH)
    server.do(VenueBookSnapshot(ETH.symbol, [(31_000, 5)], [(31_010, 7)]))
    client = server.open()
    (snapshot,) = client.hello("book_l3", exchange_id=["KRAKEN"])
    assert (snapshot["type"], snapshot["is_snapshot"]) == ("book_l3", True)
    assert snapshot["bids"] == [{"price": "3100.0", "size": "0.05"}]
    server.do(VenueBookUpdate(ETH.symbol, [(31_000, 2)], [(31_010, 0)]))
    (update,) = client.said()
    assert update["bids"] == [{"price": "3100.0", "size": "0.02", "update_type": "UPDATE"}]
    assert update["asks"] == [{"price": "3101.0", "size": 0, "update_type": "DELETE"}]


def test_a_sequence_counts_in_32_bits() -> None:
    server, client = opened("trade")
    server.market.listing(BTC.symbol).seq["trades"] = 2**32 - 1
    server.do(order("buy", 10_000, 9))
    server.do(order("sell", 10_000, 1), order("sell", 10_000, 1))
    assert [trade["sequence"] for trade in client.said()] == [0, 1]
