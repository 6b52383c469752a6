"""What an account is told of itself over the WebSocket API: each event, each field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from binance_api import Connection, Exchange
from support import order
from tickwire.model.instrument import Instrument
from tickwire.model.records import AmendOrder, CancelOrder, DeadMan, KillSwitch, PlaceOrder, Transfer

FEES = Instrument(
    venue="SIM",
    base="BTC",
    quote="USDT",
    asset_class="crypto",
    tick_size="0.01",
    lot_size="0.001",
    kind="matched",
    book="orders",
    maker_fee="-0.0001",
    taker_fee="0.001",
)
ZERO = "0.00000000"


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    exchange = Exchange(FEES)
    yield exchange
    exchange.close()


@pytest.fixture
def alice(exchange: Exchange) -> Connection:
    return follow(exchange)


def follow(exchange: Exchange, query: str = "") -> Connection:
    client = exchange.connect(query)
    assert client.result("userDataStream.subscribe.signature", exchange.alice) == {"subscriptionId": 0}
    assert client.events() == []
    return client


def events(client: Connection) -> list[Any]:
    """What was said, all of it under number 0."""
    messages = client.events()
    assert all(message.keys() == {"subscriptionId", "event"} for message in messages)
    assert {message["subscriptionId"] for message in messages} <= {0}
    return [message["event"] for message in messages]


def reports(client: Connection, *fields: str) -> list[tuple[Any, ...]]:
    """Some fields of the execution reports that were said."""
    return [tuple(event[f] for f in fields) for event in events(client) if event["e"] == "executionReport"]


# ---- every field ---------------------------------------------------------------------------------


def test_an_order_is_new_then_traded(exchange: Exchange, alice: Connection) -> None:
    exchange.do(
        PlaceOrder(FEES.symbol, "a", "buy", 500, 10_000, client_order_id="mine", display_size=200),
    )
    now = exchange.now_ms
    new = {
        "e": "executionReport",
        "E": now,
        "s": "BTCUSDT",
        "c": "mine",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.50000000",
        "p": "100.00000000",
        "P": "0.00000000",
        "F": "0.20000000",
        "g": -1,
        "C": "",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": 1,
        "l": "0.00000000",
        "z": "0.00000000",
        "L": "0.00000000",
        "n": "0",
        "N": None,
        "T": now,
        "t": -1,
        "I": 4,
        "w": True,
        "m": False,
        "M": False,
        "O": now,
        "Z": ZERO,
        "Y": ZERO,
        "Q": ZERO,
        "V": "EXPIRE_TAKER",
        "W": now,
    }
    free = "999999949.95000000"
    assert events(alice) == [
        new,
        {
            "e": "outboundAccountPosition",
            "E": now,
            "u": now,
            "B": [{"a": "USDT", "f": free, "l": "50.05000000"}],
        },
    ]
    exchange.do(order("sell", 10_000, 300))
    traded = {**new, "E": now + 1, "T": now + 1, "x": "TRADE", "X": "PARTIALLY_FILLED", "m": True}
    assert events(alice) == [
        # the iceberg shows 0.200 at a time, and each part trades on its own
        {
            **traded,
            "l": "0.20000000",
            "z": "0.20000000",
            "L": "100.00000000",
            "Y": "20.00000000",
            "Z": "20.00000000",
            "n": "-0.00200000",
            "N": "USDT",
            "t": 1,
            "I": 7,
        },
        {
            **traded,
            "l": "0.10000000",
            "z": "0.30000000",
            "L": "100.00000000",
            "Y": "10.00000000",
            "Z": "30.00000000",
            "n": "-0.00100000",
            "N": "USDT",
            "t": 2,
            "I": 11,
        },
        {
            "e": "outboundAccountPosition",
            "E": now + 1,
            "u": now + 1,
            "B": [
                {"a": "BTC", "f": "1000000000.30000000", "l": "0.00000000"},
                {"a": "USDT", "f": "999999949.98300000", "l": "20.02000000"},
            ],
        },
    ]


def test_a_taker_trades_level_by_level(exchange: Exchange, alice: Connection) -> None:
    exchange.do(order("sell", 10_000, 100), order("sell", 10_100, 100))
    exchange.do(order("buy", None, 150))
    assert reports(alice, "x", "X", "l", "z", "L", "Y", "Z", "t", "m", "n", "w") == [
        ("NEW", "NEW", "0.00000000", "0.00000000", "0.00000000", ZERO, ZERO, -1, False, "0", True),
        (
            "TRADE",
            "PARTIALLY_FILLED",
            "0.10000000",
            "0.10000000",
            "100.00000000",
            "10.00000000",
            "10.00000000",
            1,
            False,
            "0.01000000",
            True,
        ),
        (
            "TRADE",
            "FILLED",
            "0.05000000",
            "0.15000000",
            "101.00000000",
            "5.05000000",
            "15.05000000",
            2,
            False,
            "0.00505000",
            False,
        ),
    ]


def test_executions_have_numbers_of_their_own(exchange: Exchange, alice: Connection) -> None:
    exchange.do(order("sell", 10_000, 100), order("sell", 10_100, 100))
    for size in (30, 80, 20):
        exchange.do(order("buy", 10_100, size, time_in_force="ioc"))
    exchange.do(order("buy", 9_000, 5))
    exchange.do(CancelOrder("a", 6))
    numbers = [number for (number,) in reports(alice, "I")]
    assert len(numbers) == 9
    assert len(set(numbers)) == 9


# ---- how orders end ------------------------------------------------------------------------------


def test_a_canceled_order(exchange: Exchange, alice: Connection) -> None:
    exchange.do(order("buy", 10_000, 100, client_order_id="mine"))
    events(alice)
    exchange.do(CancelOrder("a", client_order_id="mine"))
    assert reports(alice, "x", "X", "c", "C", "w", "q", "z") == [
        ("CANCELED", "CANCELED", "mine", "mine", False, "0.10000000", "0.00000000")
    ]


def test_what_could_not_be_taken_expires(exchange: Exchange, alice: Connection) -> None:
    exchange.do(order("sell", 10_000, 100))
    exchange.do(order("buy", 10_000, 150, time_in_force="ioc"))
    assert reports(alice, "x", "X", "z", "f") == [
        ("NEW", "NEW", "0.00000000", "IOC"),
        ("TRADE", "PARTIALLY_FILLED", "0.10000000", "IOC"),
        ("EXPIRED", "EXPIRED", "0.10000000", "IOC"),
    ]


def test_an_order_whose_time_is_over_expires(exchange: Exchange, alice: Connection) -> None:
    until = exchange.clock() + 1_000_000_000
    exchange.do(order("buy", 10_000, 100, time_in_force="gtd", expires_at=until))
    exchange.until(until)
    assert reports(alice, "x", "X", "f") == [("NEW", "NEW", "GTC"), ("EXPIRED", "EXPIRED", "GTC")]


def test_the_house_expires_and_the_owner_cancels(exchange: Exchange, alice: Connection) -> None:
    exchange.do(order("buy", 10_000, 100))
    exchange.do(DeadMan("a", exchange.clock() + 10_000_000))
    exchange.do(ms=20)
    exchange.do(order("buy", 10_000, 100))
    exchange.do(KillSwitch(True, account="a"))
    assert reports(alice, "i", "x", "X") == [
        (1, "NEW", "NEW"),
        (1, "CANCELED", "CANCELED"),
        (2, "NEW", "NEW"),
        (2, "EXPIRED", "EXPIRED"),
    ]


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("cancel_newest", [(2, "NEW", "NEW", "0.30000000"), (2, "TRADE_PREVENTION", "EXPIRED_IN_MATCH", "0.30000000")]),
        (
            "cancel_oldest",
            [(2, "NEW", "NEW", "0.30000000"), (1, "TRADE_PREVENTION", "EXPIRED_IN_MATCH", "0.10000000")],
        ),
        (
            "decrement",
            [
                (2, "NEW", "NEW", "0.30000000"),
                (2, "TRADE_PREVENTION", "NEW", "0.30000000"),
                (1, "TRADE_PREVENTION", "EXPIRED_IN_MATCH", "0.10000000"),
            ],
        ),
    ],
)
def test_trades_with_oneself_are_prevented(
    exchange: Exchange, alice: Connection, mode: str, said: list[tuple[Any, ...]]
) -> None:
    exchange.do(order("sell", 10_000, 100, account="a"))
    events(alice)
    exchange.do(order("buy", 10_000, 300, self_trade_prevention=mode))
    assert sorted(reports(alice, "i", "x", "X", "q")) == sorted(said)


def test_an_amended_order_is_replaced(exchange: Exchange, alice: Connection) -> None:
    exchange.do(order("buy", 10_000, 300), order("sell", 10_000, 100))
    events(alice)
    exchange.do(AmendOrder("a", 1, size=200))
    exchange.do(AmendOrder("a", 1, price=9_900))
    assert reports(alice, "x", "X", "q", "p", "z", "Z") == [
        ("REPLACED", "PARTIALLY_FILLED", "0.20000000", "100.00000000", "0.10000000", "10.00000000"),
        ("REPLACED", "PARTIALLY_FILLED", "0.20000000", "99.00000000", "0.10000000", "10.00000000"),
    ]


def test_a_stop_is_new_when_it_waits_and_when_it_wakes(exchange: Exchange, alice: Connection) -> None:
    exchange.do(order("sell", 10_000, 500))
    exchange.do(PlaceOrder(FEES.symbol, "a", "buy", 200, 10_000, "stop_limit", stop_price=10_000))
    assert [report[:4] for report in reports(alice, "o", "x", "w", "P")] == [
        ("STOP_LOSS_LIMIT", "NEW", False, "100.00000000")
    ]
    exchange.do(order("buy", 10_000, 100, account="b", self_trade_prevention="cancel_newest"))
    exchange.do(Transfer("c", "USDT", "100", "c"), order("buy", 10_000, 100, account="c"))
    assert reports(alice, "i", "x", "X", "w", "z") == [
        (2, "NEW", "NEW", True, "0.00000000"),
        (2, "TRADE", "FILLED", False, "0.20000000"),
    ]


def test_a_stop_that_is_canceled_while_it_waits_never_worked(exchange: Exchange, alice: Connection) -> None:
    exchange.do(PlaceOrder(FEES.symbol, "a", "buy", 200, None, "stop", stop_price=10_000))
    exchange.do(CancelOrder("a", 1))
    new, canceled = [event for event in events(alice) if event["e"] == "executionReport"]
    assert ("W" in new, "W" in canceled) == (False, False)
    assert (canceled["x"], canceled["X"]) == ("CANCELED", "CANCELED")


# ---- money ---------------------------------------------------------------------------------------


def test_money_that_comes_and_goes(exchange: Exchange, alice: Connection) -> None:
    exchange.do(Transfer("a", "USDT", "12.5", "t1"))
    now = exchange.now_ms
    assert events(alice) == [
        {"e": "balanceUpdate", "E": now, "a": "USDT", "d": "12.50000000", "T": now},
        {
            "e": "outboundAccountPosition",
            "E": now,
            "u": now,
            "B": [{"a": "USDT", "f": "1000000012.50000000", "l": "0.00000000"}],
        },
    ]
    exchange.do(Transfer("a", "EUR", "3", "t2"))
    exchange.do(Transfer("a", "EUR", "-1", "t3"))
    assert [(e["a"], e["d"]) for e in events(alice) if e["e"] == "balanceUpdate"] == [
        ("EUR", "3.00000000"),
        ("EUR", "-1.00000000"),
    ]


def test_transfers_are_told_from_trades_of_the_same_moment(exchange: Exchange, alice: Connection) -> None:
    exchange.do(order("sell", 10_000, 100), order("buy", 10_000, 100), Transfer("a", "BTC", "1", "t"))
    said = events(alice)
    assert [event["e"] for event in said] == [
        "executionReport",
        "executionReport",
        "outboundAccountPosition",
        "balanceUpdate",
        "outboundAccountPosition",
    ]
    assert said[3]["d"] == "1.00000000"
    assert said[4]["B"] == [{"a": "BTC", "f": "1000000001.10000000", "l": "0.00000000"}]


# ---- subscriptions -------------------------------------------------------------------------------


def test_a_subscription_begins_where_things_stand(exchange: Exchange) -> None:
    exchange.do(order("buy", 10_000, 300))
    client = follow(exchange)
    exchange.do(order("sell", 10_000, 100))
    assert reports(client, "x", "z") == [("TRADE", "0.10000000")]


def test_what_orders_hold_is_no_money_that_came(exchange: Exchange) -> None:
    exchange.do(order("buy", 10_000, 300))
    client = follow(exchange)
    exchange.do(Transfer("a", "USDT", "2", "t"))
    assert [event.get("d") for event in events(client)] == ["2.00000000", None]


def test_clients_share_what_is_written_for_them(exchange: Exchange) -> None:
    first, second, other = follow(exchange), follow(exchange), follow(exchange, "timeUnit=MICROSECOND")
    exchange.do(order("buy", 10_000, 300))
    ((frame,),) = first.sink.writes
    ((same,),) = second.sink.writes
    assert frame is same
    assert events(first) == events(second)
    assert reports(other, "E") == [(exchange.clock() // 1_000,)]


def test_subscribing_late_does_not_disturb_those_who_have(exchange: Exchange) -> None:
    first = follow(exchange)
    exchange.do(order("buy", 10_000, 300))
    events(first)
    second = follow(exchange)
    exchange.do(order("sell", 10_000, 100))
    assert reports(first, "x", "z") == reports(second, "x", "z") == [("TRADE", "0.10000000")]


def test_subscriptions_have_numbers(exchange: Exchange) -> None:
    client = exchange.connect()
    assert client.result("session.subscriptions") == []
    assert client.result("userDataStream.subscribe.signature", exchange.alice) == {"subscriptionId": 0}
    assert client.result("userDataStream.subscribe.signature", exchange.bob) == {"subscriptionId": 1}
    assert client.error("userDataStream.subscribe.signature", exchange.bob) == (
        400,
        -2035,
        "User Data Stream subscription already active.",
    )
    assert client.result("session.subscriptions") == [{"subscriptionId": 0}, {"subscriptionId": 1}]
    exchange.do(order("buy", 10_000, 300), order("sell", 10_000, 300))
    said = [(message["subscriptionId"], message["event"]["e"]) for message in client.events()]
    assert set(said) == {(n, e) for n in (0, 1) for e in ("executionReport", "outboundAccountPosition")}
    assert client.result("userDataStream.unsubscribe", subscriptionId=0) == {}
    assert client.events() == [{"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": exchange.now_ms}}]
    assert client.error("userDataStream.unsubscribe", subscriptionId=0) == (
        400,
        -2036,
        "User Data Stream subscription not active.",
    )
    assert client.result("userDataStream.subscribe.signature", exchange.alice) == {"subscriptionId": 0}
    assert client.result("userDataStream.unsubscribe") == {}
    assert [message["subscriptionId"] for message in client.events()] == [1, 0]
    assert client.error("userDataStream.unsubscribe")[1] == -2036
    exchange.do(order("buy", 10_000, 300))
    assert client.events() == []


def test_a_login_follows_its_own_account(exchange: Exchange) -> None:
    client, owner = exchange.connect(), exchange.ed25519("a")
    words = "You are not authorized to execute this request."
    assert client.error("userDataStream.subscribe") == (401, -1002, words)
    client.result("session.logon", owner)
    assert client.result("userDataStream.subscribe") == {"subscriptionId": 0}
    assert client.result("session.status")["userDataStream"] is True
    client.result("userDataStream.subscribe.signature", exchange.bob)
    client.events()
    assert client.result("session.logout")["userDataStream"] is False
    assert client.events() == [{"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": exchange.now_ms}}]
    assert client.result("session.subscriptions") == [{"subscriptionId": 1}]


def test_a_revoked_key_is_told_nothing_more(exchange: Exchange, alice: Connection) -> None:
    exchange.revoke(exchange.alice)
    alice.session.check()
    exchange.do(order("buy", 10_000, 300))
    assert events(alice) == [{"e": "eventStreamTerminated", "E": exchange.now_ms - 1}]


def test_a_client_that_is_gone_costs_nothing(exchange: Exchange, alice: Connection) -> None:
    alice.session.closed()
    assert ("orders", "a", "") not in exchange.hub.heard
    exchange.do(order("buy", 10_000, 300))
    assert alice.said() == []
