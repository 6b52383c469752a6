"""A small server for the CoinAPI dialect, without sockets: what it serves, a client of its order entry, and its REST
interface. Commands wait for `commit`, as they do for the tape."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from support import START_NS, ListSink, World, frames
from tickwire.dialects.base import HttpAnswer, HttpRequest, Opening, Services
from tickwire.dialects.coinapi.ems import Ems
from tickwire.dialects.coinapi.ems_messages import Status
from tickwire.dialects.coinapi.ems_session import EmsSession
from tickwire.dialects.coinapi.rest import Rest
from tickwire.errors import InvalidInput
from tickwire.meters import Meters
from tickwire.model.events import Candle
from tickwire.model.identity import Identity
from tickwire.model.outcome import Outcome
from tickwire.model.records import Clock, Record, Transfer
from tickwire.protocol.messages import Rate
from tickwire.protocol.orders import Outcomes
from tickwire.protocol.rate import RateLimited

KEYS = {
    "reader": Identity("reader", "alice", frozenset({"read"})),
    "trader": Identity("trader", "alice", frozenset({"trade"})),
    "other": Identity("other", "bob", frozenset({"read", "trade"})),
    "narrow": Identity("narrow", "alice", frozenset({"read"}), symbols=("FXCM:*",)),
    "quotes": Identity("quotes", "alice", frozenset({"read"}), channels=("quotes",)),
    "operator": Identity("operator", "ops", frozenset({"admin"})),
}


class Past:
    """Closed candles by symbol and interval, oldest first."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], list[Candle]] = {}

    def candles(
        self, symbol: str, interval: str, *, start: int = 0, end: int = 2**63 - 1, limit: int, newest: bool = True
    ) -> list[Candle]:
        found = [each for each in self.kept.get((symbol, interval), []) if start <= each.start < end]
        return found[-limit:] if newest else found[:limit]


class Server:
    """A market with what a dialect is given of it.

    Attributes:
        submitted: what waits for `commit`. commands: every command ever submitted.
        busy: refuse what is submitted. failing: fail at the next `commit`.
        revoked: keys that are not in force any more.
        allowance: requests that a key may still make over HTTP. counted: for whom some were counted.
    """

    def __init__(self, world: World | None = None, *, require_key: bool = False) -> None:
        self.world = world or World()
        self.past = Past()
        self.submitted: list[tuple[list[Record], Any]] = []
        self.commands: list[Record] = []
        self.busy = self.draining = self.failing = False
        self.revoked: set[str] = set()
        self.allowance = 50
        self.counted: list[str] = []
        self.services = Services(
            market=self.world.market,
            hub=self.world.hub,
            renderer=self.world.renderer,
            history=self.past,
            keys=self,
            submit=self.submit,
            allow=self.allow,
            allow_address=lambda ip, requests: self.allow(f"address {ip}", requests),
            now=self.world.clock,
            epoch="e1",
            version="1.2.3",
            require_key=require_key,
            meters=Meters(),
            draining=lambda: self.draining,
        )
        self.ems = Ems(self.services)

    # ---- what the server is to a dialect -----------------------------------------------------------

    def api_key(self, key: str, ip: str) -> Identity:
        if key not in KEYS:
            raise InvalidInput("the login failed", code="login_failed")
        return KEYS[key]

    def token_on(self, key: str, token: str, ip: str) -> Identity:
        raise AssertionError("no token is given here")

    def signed(self, key: str, payloads: Sequence[bytes], signature: str, ip: str) -> Identity:
        raise AssertionError("nothing is signed here")

    def in_force(self, key_id: str) -> bool:
        return key_id not in self.revoked

    def allow(self, key_id: str, requests: int) -> Rate:
        if requests > self.allowance:
            raise RateLimited("requests a second of one key", Rate(50, self.allowance, 1_000), 1)
        self.allowance -= requests
        self.counted.append(key_id)
        return Rate(50, self.allowance, 20 * (50 - self.allowance))

    def submit(self, records: list[Record], done: Any) -> None:
        if self.busy:
            raise InvalidInput("the server has more to do than it can queue; nothing was done", code="busy")
        self.submitted.append((records, done))
        self.commands += records

    # ---- what a test does ----------------------------------------------------------------------------

    def commit(self, *, ms: int = 1) -> None:
        """Let the tape take what was submitted."""
        world, market = self.world, self.world.market
        world.clock.advance(ms=ms)
        world.hub.publish(market.apply(Clock(world.clock())))
        submitted, self.submitted = self.submitted, []
        for records, done in submitted:
            outcomes: list[Outcome | None] = []
            for record in [] if self.failing else records:
                market.outcome = None
                world.hub.publish(market.apply(record))
                outcomes.append(market.outcome)
            answer: Outcomes | None = None if self.failing else outcomes
            done(answer)
        world.hub.flush()

    def fund(self, account: str = "alice", **assets: str) -> None:
        for asset, amount in assets.items():
            self.world.do(Transfer(account, asset, amount, f"{account} {asset} {amount}"))

    def opening(self, session_id: str = "s1", *, path: str = "/ems", query: str = "", **headers: str) -> Opening:
        lower = {name.replace("_", "-"): value for name, value in headers.items()}
        return Opening(
            session_id,
            path,
            query,
            {"host": "localhost:8080", **lower},
            "::1",
            ListSink(),
            lambda: 0,
            None,
            Rate(100, 99, 10),
            1_000,
            999,
        )


class EmsClient:
    """A client of order entry."""

    def __init__(self, server: Server | None = None, key: str = "trader", session_id: str = "s1") -> None:
        self.server = server or Server()
        self.world = self.server.world
        opening = self.server.opening(session_id)
        assert isinstance(opening.sink, ListSink)
        self.sink = opening.sink
        self.session = EmsSession(self.server.ems, opening, KEYS[key])
        self.first = messages(self.session.opened())

    def send(self, message: Any) -> list[Any]:
        """What is answered at once."""
        self.world.clock.advance(ms=100)  # well below the request limit
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        return messages(b"".join(self.session.received(data)))

    def told(self) -> list[Any]:
        """What came since, over the hub."""
        pieces = b"".join(piece for write in self.sink.writes for piece in write)
        self.sink.writes.clear()
        return messages(pieces)

    def committed(self) -> list[Any]:
        """What comes of it once it is on the tape."""
        self.server.commit()
        return self.told()

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
        self.world = self.server.world
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
