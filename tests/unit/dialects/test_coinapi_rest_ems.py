"""Order entry over HTTP: every route, every field, every status."""

from __future__ import annotations

from typing import Any

import pytest

from ems_client import ORDER, RestClient, Server, iso
from support import START_NS, order
from tickwire.model.records import CancelAll, PlaceOrder, Transfer

NEW = {name: value for name, value in ORDER.items() if name != "type"} | {"client_order_id": "c-1"}
ORDERS = "/ems/v1/orders"


@pytest.fixture
def client() -> RestClient:
    server = Server()
    server.fund(USDT="1000", BTC="10")
    return RestClient(server)


def ms(client: RestClient) -> int:
    return (client.server.clock() - START_NS) // 1_000_000


def post(client: RestClient, path: str, body: Any, status: int = 200) -> Any:
    got, answer = client.ask(path, method="POST", body=body)
    assert got == status, answer
    return answer


def test_an_order_is_answered_with_its_report(client: RestClient) -> None:
    asked = ms(client)
    report = post(client, ORDERS, NEW)
    assert client.server.commands == [
        PlaceOrder("SIM:BTC-USDT", "alice", "buy", 45, 10_025, client_order_id="c-1")
    ]  # fmt: skip
    assert report == {
        "type": "ORDER_EXEC_REPORT_UPDATE",
        "id": "1",
        "client_order_id_format_exchange": "c-1",
        "exchange_order_id": "1",
        "amount_open": "0.045",
        "amount_filled": "0.000",
        "status": "NEW",
        "status_history": [
            ["RECEIVED", iso(asked)], ["ROUTING", iso(asked)], ["ROUTED", iso(asked)], ["NEW", iso(asked + 1)]
        ],
        "error_message": None,
        "fills": [],
        "exchange_id": "SIM",
        "client_order_id": "c-1",
        "symbol_id_exchange": "BTC-USDT",
        "symbol_id_coinapi": "SIM_SPOT_BTC_USDT",
        "amount_order": "0.045",
        "price": "100.25",
        "avg_px": "0",
        "side": "BUY",
        "order_type": "LIMIT",
        "time_in_force": "GOOD_TILL_CANCEL",
        "expire_time": None,
        "exec_inst": [],
    }  # fmt: skip
    assert post(client, ORDERS, NEW) == report
    assert client.get(f"{ORDERS}/status/c-1") == report
    (row,) = client.get(ORDERS)
    assert {"type": "ORDER_EXEC_REPORT_UPDATE", **row} == report
    assert client.get(ORDERS, "exchange_id=SIM") == [row]


def test_a_refused_order_is_a_report_as_well(client: RestClient) -> None:
    report = post(client, ORDERS, NEW | {"price": 100_000})
    assert (report["status"], report["exchange_order_id"]) == ("REJECTED", None)
    assert report["error_message"].startswith("insufficient_balance: ")
    report = post(client, ORDERS, NEW | {"price": 100.001})
    assert report["status"] == "REJECTED"
    assert report["error_message"] == "invalid_params: price 100.001 is not a multiple of 0.01"


def test_an_order_is_canceled(client: RestClient) -> None:
    post(client, ORDERS, NEW)
    report = post(client, f"{ORDERS}/cancel", {"exchange_id": "SIM", "client_order_id": "c-1"})
    assert [status for status, _ in report["status_history"]] == [
        "RECEIVED", "ROUTING", "ROUTED", "NEW", "PENDING_CANCEL", "CANCELED"
    ]  # fmt: skip
    assert client.get(ORDERS) == []
    assert client.get(f"{ORDERS}/status/c-1") == report


def test_all_orders_are_canceled(client: RestClient) -> None:
    for name in ("c-1", "c-2"):
        post(client, ORDERS, NEW | {"client_order_id": name})
    assert post(client, f"{ORDERS}/cancel/all", {"exchange_id": "SIM"}) == {
        "type": "ORDER_CANCEL_ALL_RESULT",
        "exchange_id": "SIM",
        "message": "2 orders were canceled",
        "exchange_order_ids": ["1", "2"],
        "reject_reason": None,
        "rejected_message": None,
    }
    assert client.server.commands[-1] == CancelAll("alice")
    assert client.get(ORDERS) == []


def test_the_history_of_orders(client: RestClient) -> None:
    post(client, ORDERS, NEW)
    entered = ms(client)
    client.server.do(order("sell", 10_025, 45))
    filled = ms(client)
    client.server.do(order("buy", 9_000, 1, account="alice"))
    rows = client.get(f"{ORDERS}/history", "time_start=2023-11-14&time_end=2023-11-15")
    asked = entered - 1
    assert rows[0] == {
        "apikey": "trader",
        "exchangeId": "SIM",
        "clientOrderId": "c-1",
        "symbolIdExchange": "BTC-USDT",
        "symbolIdCoinapi": "SIM_SPOT_BTC_USDT",
        "amountOrder": "0.045",
        "price": "100.25",
        "side": "1",
        "orderType": "LIMIT",
        "timeInForce": "GOOD_TILL_CANCEL",
        "expireTime": None,
        "execInst": [],
        "clientOrderIdFormatExchange": "c-1",
        "exchangeOrderId": "1",
        "amountOpen": "0.000",
        "amountFilled": "0.045",
        "avgPx": "100.25",
        "status": "FILLED",
        "statusHistoryStatus": ["RECEIVED", "ROUTING", "ROUTED", "NEW", "FILLED"],
        "statusHistoryTime": [iso(asked), iso(asked), iso(asked), iso(entered), iso(filled)],
        "errorMessageResult": None,
        "errorMessageReason": None,
        "errorMessageMessage": None,
        "fillsTime": [iso(filled)],
        "fillsPrice": ["100.25"],
        "fillsAmount": ["0.045"],
        "createdTime": iso(entered),
    }
    assert [row["status"] for row in rows] == ["FILLED", "NEW"]
    later = client.get(f"{ORDERS}/history", f"time_start={iso(filled + 1)}&time_end=2023-11-15")
    assert [row["status"] for row in later] == ["NEW"]
    since = client.get(f"{ORDERS}/history", f"time_start={iso(filled)}&time_end=2023-11-15")
    assert [row["status"] for row in since] == ["FILLED", "NEW"]
    earlier = client.get(f"{ORDERS}/history", f"time_start=2023-11-14&time_end={iso(filled)}")
    assert [row["status"] for row in earlier] == ["FILLED"]
    post(client, f"{ORDERS}/cancel/all", {"exchange_id": "SIM"})
    client.server.do(order("sell", 11_000, 5, account="alice", time_in_force="ioc"))
    row = client.get(f"{ORDERS}/history", "time_start=2023-11-14&time_end=2023-11-15")[-1]
    assert (row["side"], row["status"], row["errorMessageReason"]) == ("2", "CANCELED", "not_filled")


def test_balances_and_positions(client: RestClient) -> None:
    client.server.do(order("sell", 10_000, 10))
    post(client, ORDERS, NEW | {"amount_order": 0.01})
    assert client.get("/ems/v1/balances") == [
        {
            "exchange_id": "SIM",
            "data": [
                {
                    "asset_id_exchange": asset,
                    "asset_id_coinapi": asset,
                    "balance": amount,
                    "available": amount,
                    "locked": "0",
                    "last_updated_by": "INITIALIZATION",
                    "rate_usd": None,
                }
                for asset, amount in (("USDT", "999"), ("BTC", "10.01"))
            ],
        }
    ]
    assert client.get("/ems/v1/positions") == [
        {
            "exchange_id": "SIM",
            "data": [
                {
                    "symbol_id_exchange": "BTC-USDT",
                    "symbol_id_coinapi": "SIM_SPOT_BTC_USDT",
                    "avg_entry_price": "100.00",
                    "quantity": "0.010",
                    "side": "BUY",
                    "unrealised_pnl": "0.00000",
                    "unrealized_pnl": "0.00000",
                    "leverage": "1",
                    "cross_margin": False,
                    "liquidation_price": None,
                }
            ],
        }
    ]
    assert client.get("/ems/v1/positions", "exchange_id=SIM")[0]["exchange_id"] == "SIM"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason", "words"),
    [
        ("POST", ORDERS, b"{", 400, "JSON_ERROR", "the message can't be decoded: "),
        ("POST", ORDERS, b'{"price":1,"price":2}', 400, "JSON_ERROR", "the key 'price' is given twice"),
        ("POST", ORDERS, {}, 400, "OTHER", "Object missing required field `exchange_id`"),
        ("POST", ORDERS, NEW | {"order_type": "MARKET"}, 400, "METHOD_NOT_SUPPORTED", "order_type 'MARKET' is not"),
        ("POST", ORDERS, NEW | {"exchange_id": "KRAKEN"}, 490, "EXCHANGE_UNREACHABLE", "no exchange 'KRAKEN'"),
        (
            "POST",
            ORDERS,
            NEW | {"exec_inst": ["CANCEL_ON_DISCONNECT"]},
            400,
            "METHOD_NOT_SUPPORTED",
            "exec_inst CANCEL_ON_DISCONNECT needs a connection: place the order over the WebSocket",
        ),
        (
            "POST",
            f"{ORDERS}/cancel",
            {"exchange_id": "SIM", "client_order_id": "x"},
            404,
            "ORDER_ID_NOT_FOUND",
            "the account has no order 'x', or it ended long ago",
        ),
        ("POST", f"{ORDERS}/cancel/all", {"exchange_id": "X"}, 490, "EXCHANGE_UNREACHABLE", "no exchange 'X'"),
        ("GET", f"{ORDERS}/status/x", b"", 404, "ORDER_ID_NOT_FOUND", "the account has no order 'x', or it ended long"),
        ("GET", f"{ORDERS}/history", b"", 400, "OTHER", "give time_start"),
        ("GET", f"{ORDERS}?exchange_id=X", b"", 490, "EXCHANGE_UNREACHABLE", "no exchange 'X' can be reached here; "),
    ],
)
def test_what_makes_no_sense_is_rejected(
    client: RestClient, method: str, path: str, body: Any, status: int, reason: str, words: str
) -> None:
    path, _, query = path.partition("?")
    got, answer = client.ask(path, query, method=method, body=body)
    assert (got, answer["type"], answer["reject_reason"]) == (status, "MESSAGE_REJECT", reason)
    assert list(answer) == ["type", "reject_reason", "exchange_id", "message", "rejected_message", "error"]
    assert answer["message"].startswith(words), answer
    assert answer["error"] == answer["message"]
    assert client.server.submitted == []


def test_a_busy_server_and_one_that_fails(client: RestClient) -> None:
    client.server.busy = True
    answer = post(client, ORDERS, NEW, 490)
    assert answer["reject_reason"] == "EXCHANGE_UNREACHABLE"
    client.server.busy = False
    client.server.failing = True
    answer = post(client, ORDERS, NEW, 504)
    assert answer["reject_reason"] == "EXCHANGE_RESPONSE_TIMEOUT"
    assert answer["exchange_id"] == "SIM"


def test_what_a_new_account_is_given_is_there_when_it_first_asks(client: RestClient) -> None:
    """The welcome goes onto the tape with the first proof; the question must not overtake it."""
    other, server = RestClient(client.server, key="other"), client.server
    server.busy = True
    assert other.ask("/ems/v1/balances")[0] == 490
    server.busy = False
    server.submit([Transfer("bob", "USDT", "5", "welcome")], lambda _: None)
    ((row,),) = (each["data"] for each in other.get("/ems/v1/balances"))
    assert (row["asset_id_exchange"], row["balance"]) == ("USDT", "5")
    server.busy = True
    assert other.ask("/ems/v1/balances")[0] == 200  # by now it is known


def test_an_order_is_the_accounts_alone(client: RestClient) -> None:
    post(client, ORDERS, NEW)
    other = RestClient(client.server, key="other")
    assert other.get(ORDERS) == []
    assert other.ask(f"{ORDERS}/status/c-1")[0] == 404


@pytest.mark.parametrize(
    ("key", "method", "path", "status", "words"),
    [
        ("", "GET", ORDERS, 401, "this needs an API key, in the header X-CoinAPI-Key or the parameter apikey"),
        ("nobody", "GET", ORDERS, 401, "Invalid API key"),
        ("reader", "POST", ORDERS, 403, "this needs a key with the scope trade"),
        ("operator", "GET", "/ems/v1/balances", 403, "this needs a key with the scope read"),
    ],
)
def test_who_may(key: str, method: str, path: str, status: int, words: str) -> None:
    client = RestClient(key=key)
    assert client.ask(path, method=method, body=NEW) == (status, {"error": words})
    assert client.server.submitted == []
