"""How order entry is opened, and how requests over HTTP reach their routes, as the server asks the dialect."""

from __future__ import annotations

from typing import Any

import pytest

from ems_client import Server, messages, plain
from tickwire.dialects.base import HttpAnswer, HttpRequest, Refused
from tickwire.dialects.coinapi.dialect import CoinApi
from tickwire.dialects.coinapi.ems_session import EmsSession


@pytest.mark.parametrize(
    ("path", "query", "headers"),
    [
        ("/ems", "", {"x_coinapi_key": "trader"}),
        ("/ems/v1", "", {"x_coinapi_key": "trader"}),
        ("/ems/v1/", "apikey=trader", {}),
        ("/ems/v1/APIKEY-trader", "", {}),
        ("/ems", "", {"authorization": "trader"}),
    ],
)
def test_order_entry_is_opened_with_a_key(path: str, query: str, headers: dict[str, str]) -> None:
    server = Server()
    session = CoinApi().session(server.services, server.opening(path, query, headers))
    assert isinstance(session, EmsSession)
    assert (session.session_id, session.ending, session.headers) == ("s1", None, [])
    assert session.identity is not None
    assert session.identity.key_id == "trader"
    assert [message["type"] for message in messages(session.opened())] == [
        "SERVER_INFO", "ORDER_EXEC_REPORT_SNAPSHOT", "BALANCE_SNAPSHOT", "POSITION_SNAPSHOT", "SYMBOLS_SNAPSHOT"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, Refused(401, "order entry needs an API key")),
        ({"x_coinapi_key": "nobody"}, Refused(401, "Invalid API key")),
        ({"x_coinapi_key": "operator"}, Refused(403, "this needs a key with the scope read")),
    ],
)
def test_without_a_key_that_may_it_is_not(headers: dict[str, Any], refused: Refused) -> None:
    server = Server()
    assert CoinApi().session(server.services, server.opening("/ems", headers=headers)) == refused


def test_both_interfaces_are_one_desk() -> None:
    server, dialect = Server(), CoinApi()
    server.fund(USDT="1000")
    answers: list[HttpAnswer] = []
    body = (
        b'{"exchange_id":"SIM","client_order_id":"c-1","symbol_id_exchange":"BTC-USDT","amount_order":0.001,"price":1,'
        b'"side":"BUY","order_type":"LIMIT","time_in_force":"GOOD_TILL_TIME_OMS","expire_time":"2024-01-01"}'
    )
    request = HttpRequest("POST", "/ems/v1/orders", "", {"x-coinapi-key": "trader"}, body, "::1")
    dialect.http(server.services, request, answers.append)
    server.commit()
    assert answers[0].status == 200
    session = dialect.session(server.services, server.opening("/ems", headers={"x_coinapi_key": "reader"}))
    assert isinstance(session, EmsSession)
    (report,) = messages(session.opened())[1]["data"]
    assert plain(answers[0].body) == {"type": "ORDER_EXEC_REPORT_UPDATE", **report}
    assert report["time_in_force"] == "GOOD_TILL_TIME_OMS"
