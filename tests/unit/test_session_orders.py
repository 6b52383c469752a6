"""Orders, logins and private streams in a session: what is asked, what reaches the tape, what is answered."""

from __future__ import annotations

from typing import Any

import pytest

from session_client import KEYS, SYMBOL, Client
from support import decoded, order
from tickwire.limits import REQUESTS_PER_SECOND_MAX
from tickwire.model.events import Fill
from tickwire.model.records import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    DeadMan,
    Guard,
    KillSwitch,
    PlaceOrder,
    SessionEnded,
    TradingStatus,
    Transfer,
)
from tickwire.protocol.codec import JSON, MSGPACK

BUY = {"symbol": SYMBOL, "side": "buy", "price": "1.00", "size": "0.010"}
PLACED = PlaceOrder(SYMBOL, "alice", "buy", 10, 100, session="s1")


@pytest.fixture(params=[JSON.name, MSGPACK.name])
def client(request: pytest.FixtureRequest) -> Client:
    client = Client(request.param)
    client.world.fund("alice", USDT="1000", BTC="10")
    client.login("trader")
    return client


def test_an_order_is_answered_once_it_is_on_the_tape(client: Client) -> None:
    assert client.call("order.place", {**BUY, "client_order_id": "c-1"}, "r7") == []
    time_in = client.world.clock()
    assert client.replies() == []
    (reply,) = client.commit()
    now = client.world.clock()
    assert now > time_in
    shown = {
        "order_id": "1",
        "client_order_id": "c-1",
        "symbol": SYMBOL,
        "side": "buy",
        "type": "limit",
        "status": "open",
        "time_in_force": "gtc",
        "price": "1.00",
        "stop_price": None,
        "size": "0.010",
        "remaining": "0.010",
        "filled": "0.000",
        "average_price": None,
        "fee": "0",
        "post_only": False,
        "reduce_only": False,
        "display_size": None,
        "self_trade_prevention": "cancel_newest",
        "expires_at": None,
        "reason": "",
        "created": now,
        "updated": now,
    }
    assert reply == {"id": "r7", "time_in": time_in, "time_out": now, "result": {"order": shown, "fills": []}}
    assert client.result("order.get", {"client_order_id": "c-1"}) == {"order": shown, "fills": []}
    assert client.result("order.list") == {"orders": [shown], "epoch": "e1", "seq": 1}
    assert client.result("order.list", {"symbol": SYMBOL}) == {"orders": [shown], "epoch": "e1", "seq": 1}


@pytest.mark.parametrize(
    ("params", "record"),
    [
        (BUY, PLACED),
        (
            {"symbol": SYMBOL, "side": "sell", "size": "0.5", "type": "market", "time_in_force": "ioc"},
            PlaceOrder(SYMBOL, "alice", "sell", 500, None, "market", "ioc", session="s1"),
        ),
        (
            {"symbol": SYMBOL, "side": "sell", "size": "1", "type": "stop", "stop_price": "0.9", "reduce_only": True},
            PlaceOrder(
                SYMBOL, "alice", "sell", 1000, None, "stop", stop_price=90, reduce_only=True, session="s1"
            ),
        ),
        (
            {"symbol": SYMBOL, "side": "sell", "size": "1", "type": "take_profit", "stop_price": "1.1"},
            PlaceOrder(SYMBOL, "alice", "sell", 1000, None, "take_profit", stop_price=110, session="s1"),
        ),
        (
            {**BUY, "type": "stop_limit", "stop_price": "1.10", "time_in_force": "gtd", "expires_at": 2**62,
             "display_size": "0.010", "post_only": True, "client_order_id": "x y", "deadline": 2**63 - 1,
             "self_trade_prevention": "decrement"},
            PlaceOrder(
                SYMBOL, "alice", "buy", 10, 100, "stop_limit", "gtd", True, "x y", 110, 2**62, False, 10,
                "decrement", 2**63 - 1, "s1",
            ),
        ),
    ],
)  # fmt: skip
def test_what_goes_onto_the_tape(client: Client, params: Any, record: PlaceOrder) -> None:
    client.call("order.place", params)
    assert client.world.commands == [record]


def test_an_order_that_matches_comes_back_with_its_fills(client: Client) -> None:
    client.world.do(order("sell", 99, 4, account="b"), order("sell", 100, 3, account="b"))
    result = client.result("order.place", BUY)
    now = client.world.clock()
    row = {"symbol": SYMBOL, "order_id": "3", "client_order_id": "", "side": "buy", "fee": "0", "fee_asset": "USDT",
           "liquidity": "taker", "ts": now}  # fmt: skip
    assert result["fills"] == [
        {**row, "trade_id": "1", "price": "0.99", "size": "0.004", "seq": 1},
        {**row, "trade_id": "2", "price": "1.00", "size": "0.003", "seq": 2},
    ]
    shown = result["order"]
    assert (shown["filled"], shown["remaining"], shown["average_price"]) == ("0.007", "0.003", "0.994286")
    assert client.result("order.get", {"order_id": "3"}) == result


def test_amend_and_cancel_by_either_id(client: Client) -> None:
    client.result("order.place", {**BUY, "client_order_id": "c1"})
    amended = client.result("order.amend", {"client_order_id": "c1", "size": "0.008"})
    assert (amended["order"]["size"], amended["order"]["price"]) == ("0.008", "1.00")
    amended = client.result("order.amend", {"order_id": "1", "price": "1.01"})
    assert (amended["order"]["size"], amended["order"]["price"]) == ("0.008", "1.01")
    canceled = client.result("order.cancel", {"client_order_id": "c1"})
    assert (canceled["order"]["status"], canceled["order"]["reason"]) == ("canceled", "requested")
    assert client.world.commands[1:] == [
        AmendOrder("alice", 1, None, 8),
        AmendOrder("alice", 1, 101, None),
        CancelOrder("alice", 1),
    ]
    assert client.error("order.cancel", {"order_id": "1"})[:2] == ("order_closed", "order_id")


def test_what_is_under_way_can_be_amended_and_canceled(client: Client) -> None:
    client.call("order.place", {**BUY, "client_order_id": "c1"}, 1)
    client.call("order.amend", {"client_order_id": "c1", "price": "0.98"}, 2)
    client.call("order.cancel", {"client_order_id": "c1"}, 3)
    assert client.error("order.cancel", {"client_order_id": "c2"}, 4) == ("unknown_order", "client_order_id", 4)
    placed, amended, canceled = client.commit()
    assert [placed["id"], amended["id"], canceled["id"]] == [1, 2, 3]
    assert client.world.commands[1:] == [
        AmendOrder("alice", 0, 98, None, "c1"),
        CancelOrder("alice", 0, "c1"),
    ]
    assert (amended["result"]["order"]["price"], canceled["result"]["order"]["status"]) == ("0.98", "canceled")


def test_a_placement_that_was_not_taken_is_not_under_way(client: Client) -> None:
    client.world.busy = True
    assert client.error("order.place", {**BUY, "client_order_id": "c1"}) == ("busy", None, 1)
    client.world.busy = False
    assert client.error("order.cancel", {"client_order_id": "c1"})[:2] == ("unknown_order", "client_order_id")
    assert client.world.commands == []


def test_what_the_fold_refuses_has_its_code_and_field(client: Client) -> None:
    client.world.do(TradingStatus(SYMBOL, "halted"))
    assert client.error("order.place", BUY, 5) == ("trading_halted", "symbol", 5)
    client.world.do(TradingStatus(SYMBOL, "open"))
    assert client.error("order.place", {**BUY, "size": "9999999"}, 6) == ("insufficient_balance", None, 6)


def test_a_server_that_fails_leaves_the_outcome_unknown(client: Client) -> None:
    client.call("order.place", BUY, 8)
    client.world.failing = True
    (reply,) = client.commit()
    assert (reply["id"], reply["error"]["code"]) == (8, "outcome_unknown")
    assert "retry" not in reply["error"]


def test_a_closed_session_answers_nothing_more(client: Client) -> None:
    client.call("order.place", BUY)
    client.session.closed()
    assert client.commit() == []
    assert client.world.commands == [PLACED]  # and no guard was armed


def test_an_order_sent_again_after_it_expired_is_answered_as_at_first(client: Client) -> None:
    params = {
        **BUY,
        "time_in_force": "gtd",
        "expires_at": client.world.clock() + 400_000_000,
        "client_order_id": "c1",
    }
    first = client.result("order.place", params)
    client.world.clock.advance(ms=500)
    client.commit()
    assert client.result("order.place", params) == first
    late = client.error("order.place", {**params, "client_order_id": "c2"})
    assert late[:2] == ("invalid_params", "expires_at")


def test_cancel_all(client: Client) -> None:
    for _ in range(2):
        client.result("order.place", BUY)
    assert client.result("order.cancel_all", {"symbol": SYMBOL}) == {"order_ids": ["1", "2"]}
    assert client.result("order.cancel_all") == {"order_ids": []}
    assert client.world.commands[2:] == [CancelAll("alice", SYMBOL), CancelAll("alice")]


def test_each_operation_of_a_batch_is_answered_on_its_own(client: Client) -> None:
    operations = [
        {"method": "place", "params": {**BUY, "client_order_id": "c1"}},
        {"method": "place", "params": {**BUY, "price": "1.001"}},
        {"method": "place", "params": {**BUY, "size": "9999999"}},
        {"method": "amend", "params": {"client_order_id": "c1", "price": "0.99"}},
        {"method": "cancel", "params": {"order_id": "77"}},
        {"method": "cancel", "params": {"client_order_id": "c1"}},
    ]
    results = client.result("order.batch", {"operations": operations})["results"]
    assert client.world.commands == [
        PlaceOrder(SYMBOL, "alice", "buy", 10, 100, client_order_id="c1", session="s1"),
        PlaceOrder(SYMBOL, "alice", "buy", 9_999_999_000, 100, session="s1"),
        AmendOrder("alice", 0, 99, None, "c1"),
        CancelOrder("alice", 0, "c1"),
    ]
    assert [item["error"]["code"] if "error" in item else item["result"]["order"]["status"] for item in results] == [
        "open", "invalid_params", "insufficient_balance", "open", "unknown_order", "canceled",
    ]  # fmt: skip
    assert [item["error"]["field"] for item in results if "error" in item] == [
        "operations[1].params.price",
        "operations[2].params",
        "operations[4].params.order_id",
    ]
    assert results[3]["result"]["order"]["price"] == "0.99"


def test_that_there_is_no_such_order_is_said_behind_all_that_is_queued(client: Client) -> None:
    assert client.call("order.get", {"client_order_id": "c-9"}, "r1") == []
    assert client.call("order.place", {**BUY, "client_order_id": "c-8"}, "r2") == []
    missing, placed = client.commit()
    assert (missing["id"], missing["error"]["code"], missing["error"]["field"]) == (
        "r1",
        "unknown_order",
        "client_order_id",
    )
    assert placed["result"]["order"]["client_order_id"] == "c-8"
    assert client.call("order.place", {**BUY, "client_order_id": "c-9"}, "r3") == []
    assert client.call("order.get", {"client_order_id": "c-9"}, "r4") == []
    assert [reply["result"]["order"]["order_id"] for reply in client.commit()] == ["2", "2"]


def test_a_batch_costs_as_many_requests_as_it_has_operations(client: Client) -> None:
    client.world.clock.advance(ms=1000)
    operations = [{"method": "place", "params": BUY}] * 30
    assert client.call("order.batch", {"operations": operations}) == []
    (reply,) = client.call("order.batch", {"operations": operations})  # 30 - 5 since then: 25 are left, of 30
    assert (reply["error"]["code"], reply["error"]["retry"]) == ("rate_limited", True)
    assert len(client.world.submitted[0][0]) == 30
    client.world.clock.advance(ms=1000)
    request = JSON if client.encoding == JSON.name else MSGPACK
    ping = request.encode({"id": 1, "method": "ping"})
    assert client.call("order.batch", {"operations": operations * 5})[0]["error"]["code"] == "invalid_params"
    answers = [client.send(ping)[0] for _ in range(REQUESTS_PER_SECOND_MAX)]
    assert ["error" in answer for answer in answers] == [False] * (REQUESTS_PER_SECOND_MAX - 1) + [True]


def test_a_batch_that_could_never_pass_is_refused_for_its_size() -> None:
    client = Client(login="trader", requests_per_second=20)
    client.world.clock.advance(ms=1000)
    params = {"operations": [{"method": "place", "params": BUY}] * 21}
    assert client.error("order.batch", params)[:2] == ("invalid_params", "operations")
    client.world.clock.advance(ms=1000)
    assert client.call("order.batch", {"operations": params["operations"][:20]}) == []
    assert len(client.world.submitted[0][0]) == 20


def test_a_guarded_session_ends_even_if_the_server_has_failed() -> None:
    client = Client(login="trader")
    client.result("session.cancel_on_disconnect", {"scope": "connection"})
    client.world.busy = True
    client.session.closed()
    client.session.closed()
    assert client.world.submitted == []


def test_an_empty_batch_is_a_request_too() -> None:
    client = Client(login="trader", requests_per_second=2)
    client.world.clock.advance(ms=1000)
    empty = b'{"id":1,"method":"order.batch","params":{"operations":[]}}'
    codes = [client.send(empty)[0]["error"]["code"] for _ in range(3)]
    assert codes == ["invalid_params", "invalid_params", "rate_limited"]


def test_the_account(client: Client) -> None:
    client.world.do(order("sell", 100, 4, account="b"))
    client.result("order.place", BUY)
    rows = [
        {"asset": "USDT", "available": "999.99", "held": "0.006"},
        {"asset": "BTC", "available": "10.004", "held": "0"},
    ]
    assert client.result("account.balances") == {"balances": rows, "epoch": "e1", "seq": 3}
    assert client.result("account.positions") == {
        "positions": [
            {
                "symbol": SYMBOL,
                "size": "0.004",
                "average_price": "1.00",
                "realised": "0.00000",
                "unrealised": "0.00000",
                "fees": "0",
                "mark": "1.00",
            }
        ],
        "epoch": "e1",
        "seq": 1,
    }
    (fill,) = client.result("snapshot", {"channel": "fills"})["data"]["fills"]
    assert client.result("account.fills") == {"fills": [fill], "epoch": "e1", "seq": 1}
    assert client.result("account.portfolio", {"currency": "USDT"}) == {
        "currency": "USDT",
        "total": "1010",
        "holdings": [
            {"asset": "USDT", "amount": "999.996", "value": "999.996"},
            {"asset": "BTC", "amount": "10.004", "value": "10.004"},
        ],
        "epoch": "e1",
        "seq": 3,
    }
    assert client.result("account.portfolio", {"currency": "USD"})["holdings"][0]["value"] is None


def test_operators_move_money_and_switch_off() -> None:
    client = Client(login="operator")
    transfer = {"account": "alice", "asset": "USDT", "amount": "10.50", "transfer_id": "t1"}
    assert client.result("admin.deposit", transfer) == {}
    assert client.result("admin.deposit", {**transfer, "amount": "10.5"}) == {}  # the same: nothing moves
    assert client.error("admin.deposit", {**transfer, "amount": "11"})[:2] == ("duplicate_id", "transfer_id")
    withdrawal = {**transfer, "amount": "99", "transfer_id": "t2"}
    assert client.error("admin.withdraw", withdrawal)[:2] == ("insufficient_balance", None)
    assert client.result("admin.withdraw", {**withdrawal, "amount": "0.1", "transfer_id": "t3"}) == {}
    assert client.world.commands[0] == Transfer("alice", "USDT", "10.5", "t1")
    assert client.world.commands[-1] == Transfer("alice", "USDT", "-0.1", "t3")
    trader = Client(login="trader", world=client.world)
    assert trader.result("account.balances") == {
        "balances": [{"asset": "USDT", "available": "10.4", "held": "0"}],
        "epoch": "e1",
        "seq": 2,
    }
    trader.result("order.place", BUY)
    assert client.result("admin.kill_switch", {"on": True, "account": "alice"}) == {"order_ids": ["1"]}
    assert trader.error("order.place", BUY)[0] == "kill_switch"
    assert client.result("admin.kill_switch", {"on": False, "account": "alice"}) == {"order_ids": []}
    assert client.result("admin.kill_switch", {"on": True, "symbol": SYMBOL}) == {"order_ids": []}
    assert client.result("admin.trading_status", {"symbol": SYMBOL, "state": "halted"}) == {}
    assert client.world.commands[-5:] == [
        KillSwitch(True, "alice"),
        PLACED,
        KillSwitch(False, "alice"),
        KillSwitch(True, "", SYMBOL),
        TradingStatus(SYMBOL, "halted"),
    ]


# ---- who is asking -------------------------------------------------------------------------------


def test_login_and_logout() -> None:
    client = Client()
    assert client.login("other") == {"account": "bob", "scopes": ["read", "trade"]}
    assert client.result("account.balances")["balances"] == []
    assert client.result("auth.logout") == {}
    assert client.error("account.balances") == ("not_logged_in", "method", 1)


def test_a_failed_login_leaves_who_is_logged_in() -> None:
    client = Client(login="reader")
    assert client.error("auth.login", {"key": "trader", "signature": "guessed"})[0] == "login_failed"
    assert client.result("account.balances")["balances"] == []


def test_the_upgrade_may_have_logged_in() -> None:
    client = Client(identity=KEYS["reader"])
    assert client.result("account.balances")["balances"] == []
    assert client.error("order.place", BUY)[:2] == ("not_permitted", "method")


def test_where_a_key_is_required() -> None:
    client = Client(require_key=True)
    assert client.error("instruments")[:2] == ("not_logged_in", "method")
    assert client.error("subscribe", {"channel": "book", "symbols": [SYMBOL]})[:2] == ("not_logged_in", "method")
    assert client.error("subscriptions")[:2] == ("not_logged_in", "method")
    assert client.error("nope")[:2] == ("unknown_method", "method")
    assert "rate" in client.result("ping")
    assert client.result("time") == {"time": client.world.clock()}
    client.login("operator")
    assert len(client.call("subscribe", {"channel": "book", "symbols": [SYMBOL]})) == 2


def test_a_revoked_key_ends_its_login_at_once() -> None:
    client = Client(login="other")
    client.world.fund("bob", USDT="10")
    client.call("subscribe", {"channel": "orders"})
    client.call("subscribe", {"channel": "book", "symbols": [SYMBOL]})
    client.result("session.cancel_on_disconnect", {"scope": "account"})
    client.revoked.add("other")
    client.session.check()
    (beat,) = decoded(client.session.heartbeat())
    assert [stream["channel"] for stream in beat["streams"]] == ["book"]
    assert client.session.ending == (4403, "the session's key was revoked")
    assert client.session.identity is None
    assert client.error("order.place", BUY)[:2] == ("not_logged_in", "method")
    client.session.closed()
    assert client.world.commands[1:] == [SessionEnded("s1")]  # the guard still fires


def test_a_key_that_is_revoked_is_seen_by_the_next_message() -> None:
    client = Client(login="other")
    client.revoked.add("other")
    assert client.error("account.balances")[:2] == ("not_logged_in", "method")
    assert client.session.ending == (4403, "the session's key was revoked")


def test_the_limit_of_requests_can_be_set() -> None:
    client = Client(requests_per_second=2)
    (hello,) = decoded(client.session.opened())
    assert hello["limits"]["requests_per_second"] == 2
    answers = [client.send(b'{"id":1,"method":"ping"}')[0] for _ in range(3)]
    assert ["error" in answer for answer in answers] == [False, False, True]


# ---- guards --------------------------------------------------------------------------------------


def test_a_guard_fires_when_the_connection_is_lost(client: Client) -> None:
    client.result("order.place", BUY)
    assert client.result("session.cancel_on_disconnect", {"scope": "connection"}) == {}
    client.session.closed()
    client.session.closed()
    client.commit()
    assert client.world.commands[1:] == [Guard("alice", "s1", "connection"), SessionEnded("s1")]
    assert client.world.market.open_orders_of("alice") == []


@pytest.mark.parametrize("how", ["off", "logout", "another account"])
def test_a_guard_that_is_disarmed_does_not_fire(client: Client, how: str) -> None:
    client.result("order.place", BUY)
    client.result("session.cancel_on_disconnect", {"scope": "account"})
    if how == "off":
        client.result("session.cancel_on_disconnect", {"scope": "off"})
    elif how == "logout":
        client.result("auth.logout")
    else:
        client.login("other")
    client.session.closed()
    client.commit()
    assert client.world.commands[1:] == [Guard("alice", "s1", "account"), Guard("alice", "s1", "off")]
    assert len(client.world.market.open_orders_of("alice")) == 1


def test_a_logout_without_a_guard_submits_nothing(client: Client) -> None:
    client.result("auth.logout")
    client.session.closed()
    assert client.world.commands == []


def test_a_logout_that_can_not_disarm_is_refused(client: Client) -> None:
    client.result("session.cancel_on_disconnect", {"scope": "account"})
    client.world.busy = True
    assert client.error("auth.logout") == ("busy", None, 1)
    client.world.busy = False
    assert client.result("auth.logout") == {}
    assert client.world.commands == [Guard("alice", "s1", "account"), Guard("alice", "s1", "off")]


def test_another_key_of_the_same_account_keeps_the_guard(client: Client) -> None:
    client.result("session.cancel_on_disconnect", {"scope": "account"})
    client.call("subscribe", {"channel": "orders"})
    client.login("reader")
    assert client.result("subscriptions") == {"streams": []}
    client.session.closed()
    assert client.world.commands == [Guard("alice", "s1", "account"), SessionEnded("s1")]


def test_the_dead_man(client: Client) -> None:
    assert client.result("session.dead_man", {"timeout_ms": 1000}) == {}
    assert client.result("session.dead_man", {"timeout_ms": 86_400_000}) == {}
    last = client.world.clock() - 1_000_000
    assert client.result("session.dead_man", {"timeout_ms": 0}) == {}
    assert client.world.commands[1:] == [DeadMan("alice", last + 86_400_000_000_000), DeadMan("alice", 0)]


# ---- private streams -----------------------------------------------------------------------------


def test_private_streams_begin_with_a_snapshot_and_go_on(client: Client) -> None:
    client.result("order.place", BUY)
    reply, snapshot = client.call("subscribe", {"channel": "orders"})
    assert reply["result"] == {"streams": [{"channel": "orders", "symbol": "alice", "seq": 1}]}
    assert (snapshot["channel"], snapshot["symbol"], snapshot["type"], snapshot["seq"]) == (
        "orders",
        "alice",
        "snapshot",
        1,
    )
    assert [row["order_id"] for row in snapshot["data"]["orders"]] == ["1"]
    for channel in ("fills", "balances", "positions"):
        client.call("subscribe", {"channel": channel})
    client.world.do(order("sell", 100, 4, account="b"))
    messages = {message["channel"]: message for message in client.sink.messages()}
    assert set(messages) == {"orders", "fills", "balances", "positions"}
    assert {message["symbol"] for message in messages.values()} == {"alice"}
    assert {message["type"] for message in messages.values()} == {"update"}
    assert messages["orders"]["seq"] == 2
    assert messages["orders"]["data"]["filled"] == "0.004"
    assert (messages["fills"]["data"]["symbol"], messages["fills"]["data"]["liquidity"]) == (SYMBOL, "maker")
    assert messages["positions"]["data"]["positions"][0]["size"] == "0.004"
    (beat,) = decoded(client.session.heartbeat(), client.encoding)
    assert {(row["channel"], row["symbol"], row["seq"]) for row in beat["streams"]} == {
        ("orders", "alice", 2), ("fills", "alice", 1), ("balances", "alice", 4), ("positions", "alice", 1),
    }  # fmt: skip
    (shown,) = client.call("snapshot", {"channel": "fills"})
    assert shown["result"]["data"]["fills"] == [messages["fills"]["data"]]
    (stopped,) = client.call("unsubscribe", {"channel": "fills"})
    assert stopped["result"]["streams"] == [{"channel": "fills", "symbol": "alice", "seq": 1}]
    client.world.do(order("sell", 100, 1, account="b"))
    assert "fills" not in {message["channel"] for message in client.sink.messages()}


def test_a_logout_ends_private_streams_only(client: Client) -> None:
    client.call("subscribe", {"channel": "orders"})
    client.call("subscribe", {"channel": "book", "symbols": [SYMBOL]})
    client.result("auth.logout")
    (reply,) = client.call("subscriptions")
    assert [stream["channel"] for stream in reply["result"]["streams"]] == ["book"]
    client.world.do(order("buy", 90, 1, account="alice"))
    assert [message["channel"] for message in client.sink.messages()] == ["book"]


def fill_twice(client: Client) -> None:
    client.result("order.place", BUY)
    client.world.do(order("sell", 100, 1, account="b"), order("sell", 100, 2, account="b"))
    client.world.do(order("sell", 100, 3, account="b"))


def test_missed_fills_are_sent_instead_of_a_snapshot(client: Client) -> None:
    fill_twice(client)
    params = {"channel": "fills", "from": {"epoch": "e1", "seq": 1}}
    reply, second, third = client.call("subscribe", params)
    state = {"channel": "fills", "symbol": "alice", "seq": 3, "recovered": True}
    assert reply["result"] == {"streams": [state], "recovered": True}
    assert [(m["type"], m["seq"], m["data"]["seq"], m["data"]["size"]) for m in (second, third)] == [
        ("update", 2, 2, "0.002"),
        ("update", 3, 3, "0.003"),
    ]
    client.world.do(order("sell", 100, 4, account="b"))
    assert [message["seq"] for message in client.sink.messages()] == [4]
    params["from"] = {"epoch": "e1", "seq": 4}
    (again,) = client.call("subscribe", params)
    assert again["result"]["recovered"] is True


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        ({"epoch": "e0", "seq": 1}, "the epoch is e1 now"),
        ({"epoch": "e1", "seq": 9}, "the last message is 3"),
        ({"epoch": "e1", "seq": -1}, "not all messages after -1 are kept"),
    ],
)
def test_fills_that_can_not_be_recovered_are_answered_with_a_snapshot(
    client: Client, position: Any, reason: str
) -> None:
    fill_twice(client)
    reply, snapshot = client.call("subscribe", {"channel": "fills", "from": position})
    state = {"channel": "fills", "symbol": "alice", "seq": 3, "recovered": False, "reason": reason}
    assert reply["result"] == {"streams": [state], "recovered": False}
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 3)
    assert [row["size"] for row in snapshot["data"]["fills"]] == ["0.001", "0.002", "0.003"]


@pytest.mark.interpreted
def test_fills_that_are_no_longer_held(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_twice(client)
    asked: list[tuple[str, int]] = []

    def missed_fills(account: str, after_seq: int) -> list[Fill] | None:
        asked.append((account, after_seq))
        return None

    monkeypatch.setattr(client.world.market, "missed_fills", missed_fills)
    reply, snapshot = client.call("subscribe", {"channel": "fills", "from": {"epoch": "e1", "seq": 2}})
    assert (reply["result"]["recovered"], snapshot["type"]) == (False, "snapshot")
    assert asked == [("alice", 2)]


def test_a_private_stream_goes_on_where_the_last_connection_left_it(client: Client) -> None:
    client.call("subscribe", {"channel": "orders"})
    client.result("order.place", BUY)
    client.session.closed()
    client.world.do(order("sell", 100, 4, account="b"), order("sell", 100, 6, account="b"))
    again = Client(client.encoding, world=client.world, login="trader")
    reply, first, second = again.call("subscribe", {"channel": "orders", "from": {"epoch": "e1", "seq": 1}})
    state = {"channel": "orders", "symbol": "alice", "seq": 3, "recovered": True}
    assert reply["result"] == {"streams": [state], "recovered": True}
    assert [(m["type"], m["seq"], m["data"]["status"], m["data"]["filled"]) for m in (first, second)] == [
        ("update", 2, "open", "0.004"),
        ("update", 3, "filled", "0.010"),
    ]
    other = Client(client.encoding, world=client.world, login="other")
    assert other.error("subscribe", {"channel": "orders", "symbols": ["alice"], "from": {"epoch": "e1", "seq": 1}}) == (
        "invalid_params",
        "symbols",
        1,
    )
