"""A small server for the CoinAPI dialect: a client of its order entry, and one of its REST interface."""

from __future__ import annotations

import json
from typing import Any

from dialect_world import DialectWorld, Socket
from support import BTC, START_NS, ListSink, frames
from tickwire.dialects.base import HttpAnswer, HttpRequest
from tickwire.dialects.coinapi.ems import Ems
from tickwire.dialects.coinapi.ems_messages import Status
from tickwire.dialects.coinapi.ems_session import EmsSession
from tickwire.dialects.coinapi.rest import Rest
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.protocol.messages import Rate
from tickwire.protocol.rate import RateLimited
from tickwire.streams.log import Retention

KEYS = {
    "reader": Identity("reader", "alice", frozenset({"read"})),
    "trader": Identity("trader", "alice", frozenset({"trade"})),
    "other": Identity("other", "bob", frozenset({"read", "trade"})),
    "narrow": Identity("narrow", "alice", frozenset({"read"}), symbols=("FXCM:*",)),
    "quotes": Identity("quotes", "alice", frozenset({"read"}), channels=("quotes",)),
    "operator": Identity("operator", "ops", frozenset({"admin"})),
}


class Server(DialectWorld):
    """A server with order entry and REST.

    Attributes:
        allowance: requests that a key may still make over HTTP. counted: for whom some were counted.
    """

    def __init__(
        self, instrument: Instrument = BTC, *, require_key: bool = False, retention: Retention | None = None
    ) -> None:
        super().__init__(instrument, known=KEYS, require_key=require_key, retention=retention)
        self.allowance = 50
        self.counted: list[str] = []
        self.ems = Ems(self.services)

    def allow(self, key_id: str, requests: int) -> Rate:
        if requests > self.allowance:
            raise RateLimited("requests a second of one key", Rate(50, self.allowance, 1_000), 1)
        self.allowance -= requests
        self.counted.append(key_id)
        return Rate(50, self.allowance, 20 * (50 - self.allowance))


class EmsClient(Socket):
    """A client of order entry."""

    session: EmsSession

    def __init__(self, server: Server | None = None, key: str = "trader", session_id: str = "s1") -> None:
        self.server = server or Server()
        sink = ListSink()
        opening = self.server.opening("/ems", headers={"host": "localhost:8080"}, sink=sink, session_id=session_id)
        super().__init__(EmsSession(self.server.ems, opening, KEYS[key]), sink)

    def read(self, data: bytes) -> list[Any]:
        return messages(data)

    def send(self, message: Any) -> list[Any]:
        self.server.clock.advance(ms=100)  # well below the request limit
        return super().send(message if isinstance(message, bytes) else json.dumps(message).encode())

    def committed(self) -> list[Any]:
        """What comes of it once it is on the tape."""
        self.server.commit()
        return self.said()

    def place(self, client_order_id: str = "c-1", **more: Any) -> list[Any]:
        return self.send({**ORDER, "client_order_id": client_order_id, **more})


TRANSITIONS: dict[Status, tuple[Status, ...]] = {
    "RECEIVED": ("REJECTED", "ROUTING"),
    "ROUTING": ("ROUTED",),
    "ROUTED": ("REJECTED", "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED"),
    "NEW": ("PARTIALLY_FILLED", "FILLED", "PENDING_CANCEL", "CANCELED"),
    "PENDING_CANCEL": ("NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED"),
    "PARTIALLY_FILLED": ("FILLED", "PENDING_CANCEL", "CANCELED"),
    "FILLED": (),
    "CANCELED": (),
    "REJECTED": (),
}
"""The life of an order: what may follow each status."""

ORDER: dict[str, Any] = {
    "type": "ORDER_NEW_SINGLE_REQUEST",
    "exchange_id": "SIM",
    "symbol_id_coinapi": "SIM_SPOT_BTC_USDT",
    "amount_order": 0.045,
    "price": 100.25,
    "side": "BUY",
    "order_type": "LIMIT",
    "time_in_force": "GOOD_TILL_CANCEL",
}


def plain(data: bytes) -> Any:
    """JSON with numbers as their text, so that a test sees every digit."""
    return json.loads(data, parse_float=str, parse_int=str)


def messages(data: bytes) -> list[Any]:
    return [plain(bytes(frame.data)) for frame in frames(data)]


def iso(ms: int) -> str:
    """The time so many milliseconds after the beginning."""
    seconds, rest = divmod(ms, 1000)
    return f"2023-11-14T22:13:{20 + seconds:02d}.{rest:03d}0000Z"


assert START_NS == 1_700_000_000_000_000_000


class RestClient:
    """A client of the REST interfaces.

    Attributes:
        headers: of the last answer. turns: of the tape that it took.
    """

    def __init__(self, server: Server | None = None, key: str = "trader") -> None:
        self.server = server or Server()
        self.rest = Rest(self.server.ems)
        self.key = key
        self.headers: dict[str, str] = {}

    def ask(
        self, path: str, query: str = "", *, method: str = "GET", body: Any = b"", shown: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """The status and the answer, at once or when it is on the tape."""
        answers: list[HttpAnswer] = []
        if shown is None:
            shown = {"x-coinapi-key": self.key} if self.key else {}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.rest.http(HttpRequest(method, path, query, shown, data, "::1"), answers.append)
        self.turns = 0
        while not answers and self.turns < 10:
            self.turns += 1
            self.server.commit()
        (answer,) = answers
        self.headers = dict(answer.headers)
        return answer.status, plain(answer.body)

    def get(self, path: str, query: str = "") -> Any:
        """The answer to what must go well."""
        status, answer = self.ask(path, query)
        assert status == 200, answer
        return answer
