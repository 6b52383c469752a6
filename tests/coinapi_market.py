"""A small market as a client of the CoinAPI dialect's market data sees it, driven by hand."""

from __future__ import annotations

import json
from typing import Any

from dialect_world import DialectWorld, Socket
from support import ListSink, frames, funded, order
from tickwire.dialects.base import Refused
from tickwire.dialects.coinapi.dialect import CoinApi
from tickwire.dialects.coinapi.market_session import MarketSession
from tickwire.errors import InvalidInput
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, PlaceOrder, Side
from tickwire.tape.candles import CandleStore

FX = Instrument(
    venue="FXCM", base="EUR", quote="USD", asset_class="fx", tick_size="0.00001", lot_size="1000", kind="mirrored",
    book="none", feed="fx",
)  # fmt: skip
ETH = Instrument(
    venue="KRAKEN", base="ETH", quote="USD", asset_class="crypto", tick_size="0.1", lot_size="0.01", kind="mirrored",
    book="levels",
)  # fmt: skip
INDEX = Instrument(
    venue="CFB", base="REFRATE_BTC_USD", quote="USD", asset_class="index", tick_size="0.01", lot_size="1",
    kind="mirrored", book="none",
)  # fmt: skip

SOL = Instrument(
    venue="SIM", base="SOL", quote="USDT", asset_class="crypto", tick_size="0.01", lot_size="0.01", kind="matched",
    book="orders",
)  # fmt: skip
BTC_ID, SOL_ID = "SIM_SPOT_BTC_USDT", "SIM_SPOT_SOL_USDT"

KEYS = {
    "73034021-0EBC-493D-8A00-E0F138111F41": Identity("k1", "alice", frozenset({"read"})),
    "narrow": Identity("k2", "alice", frozenset({"read"}), ("trades", "quotes"), ("SIM:*",)),
    "other": Identity("k3", "bob", frozenset({"read"})),
}
GUID = next(iter(KEYS))


class Server(DialectWorld):
    """A market with its history, and the dialect in front of it.

    Attributes:
        flooded: refuse every key for a while.
    """

    def __init__(self, *instruments: Instrument, require_key: bool = False, history: CandleStore | None = None) -> None:
        super().__init__(known=KEYS, require_key=require_key, history=history)
        self.flooded = False
        self.dialect = CoinApi()
        for instrument in instruments:
            self.do(ListInstrument(instrument))

    def api_key(self, key: str, ip: str) -> Identity:
        if self.flooded:
            raise InvalidInput("more than 30 failed logins a minute; slow down", code="rate_limited")
        return super().api_key(key, ip)

    def try_open(
        self, path: str = "/v1/", query: str = "", *, token: Identity | None = None, ip: str = "::1", **headers: str
    ) -> Client | Refused:
        sink = ListSink()
        opening = self.opening(path, query, headers, sink=sink, identity=token, ip=ip)
        session = self.dialect.session(self.services, opening)
        if isinstance(session, Refused):
            return session
        assert isinstance(session, MarketSession)
        return Client(session, sink)

    def open(self, path: str = "/v1/", query: str = "", *, token: Identity | None = None, **headers: str) -> Client:
        client = self.try_open(path, query, token=token, **headers)
        assert isinstance(client, Client), client
        return client


class Client(Socket):
    """One connection."""

    session: MarketSession

    def read(self, data: bytes) -> list[Any]:
        return messages(data)

    def say(self, type_: str, *data_types: str, **more: Any) -> list[Any]:
        """Send a message; `symbol_id=[…]` is short for the filter of that name."""
        body: dict[str, Any] = {"type": type_}
        if data_types:
            body["subscribe_data_type"] = list(data_types)
        for name, value in more.items():
            body[f"subscribe_filter_{name}" if name.endswith("_id") else name] = value
        return self.send(json.dumps(body).encode())

    def hello(self, *data_types: str, **more: Any) -> list[Any]:
        return self.say("hello", *data_types, **more)

    def error(self, answers: list[Any]) -> tuple[str, int]:
        """The error that is the only answer, and the code that the connection closes with."""
        (answer,) = answers
        assert answer.keys() == {"type", "message"}
        assert answer["type"] == "error"
        assert self.session.ending is not None
        return answer["message"], self.session.ending[0]


def messages(data: bytes) -> list[Any]:
    """The messages in some frames; numbers with a point as their text, so that a test sees every digit."""
    return [json.loads(bytes(frame.data), parse_float=str) for frame in frames(data)]


def sol(side: Side, price: int, size: int) -> PlaceOrder:
    """As `order`, on SOL."""
    return PlaceOrder(SOL.symbol, "a" if side == "buy" else "b", side, size, price)


def said(client: Client) -> list[tuple[str, str]]:
    """The types and symbols of what was said."""
    return [(m["type"], m.get("symbol_id", "")) for m in client.said()]


def two() -> Server:
    """A server with two instruments, BTC and SOL."""
    server = Server(SOL)
    server.do(*funded("a", "b", assets=["SOL"]))
    return server


def trade_both(server: Server) -> None:
    """A trade on each; both books are then as before."""
    server.do(order("buy", 10_000, 1), order("sell", 10_000, 1), sol("buy", 200, 10), sol("sell", 200, 10))


def beat(client: Client) -> bytes:
    """What the next beat says."""
    client.session.check()
    return client.session.heartbeat()[2:]


def at(ms: int) -> str:
    """The time so many milliseconds after the beginning, 2023-11-14T22:13:20Z."""
    minutes, rest = divmod(20_000 + ms, 60_000)
    return f"2023-11-14T22:{13 + minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}0000Z"


def opened(*data_types: str, server: Server | None = None, **more: Any) -> tuple[Server, Client]:
    """A client that has said hello for these data types, and its server."""
    server = server or Server()
    client = server.open()
    client.hello(*data_types, **more)
    return server, client
