"""A small market as a client of the CoinAPI dialect's market data sees it, driven by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from support import BTC, ListSink, World, frames, funded, order
from tickwire.dialects.base import Opening, Refused, Services
from tickwire.dialects.coinapi.dialect import CoinApi
from tickwire.dialects.coinapi.market_session import MarketSession
from tickwire.errors import InvalidInput
from tickwire.meters import Meters
from tickwire.model.events import Candle, Event
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.model.records import Clock, ListInstrument, PlaceOrder, Record, Side
from tickwire.protocol.messages import Rate
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


class Server(World):
    """A market with its history, and the dialect in front of it.

    Attributes:
        revoked: ids of keys that are not in force any more. flooded: refuse every key for a while.
    """

    def __init__(self, *instruments: Instrument, require_key: bool = False, history: CandleStore | None = None) -> None:
        self.history = history or CandleStore(None)
        self.revoked: set[str] = set()
        self.flooded = False
        super().__init__(instrument=BTC, meters=Meters())
        self.dialect = CoinApi()
        self.services = Services(
            market=self.market,
            hub=self.hub,
            renderer=self.renderer,
            history=self.history,
            keys=self,
            submit=lambda records, done: None,
            allow=lambda key, cost: Rate(1, 1, 0),
            allow_address=lambda ip, cost: Rate(1, 1, 0),
            now=self.clock,
            epoch="e1",
            version="1.2.3",
            require_key=require_key,
            meters=Meters(),
            draining=lambda: False,
        )
        for instrument in instruments:
            self.do(ListInstrument(instrument))

    def do(self, *records: Record, ms: int = 1) -> list[Event]:
        """As in `World`; closed candles are in the history before anything is said."""
        self.clock.advance(ms=ms)
        events: list[Event] = []
        for record in (Clock(self.clock()), *records):
            made = self.market.apply(record)
            events += made
            self.hub.publish(made)
        self.history.add(event for event in events if isinstance(event, Candle))
        self.hub.flush()
        return events

    def until(self, ns: int, *records: Record) -> None:
        """As `do`, at a time."""
        self.do(*records, ms=(ns - self.clock()) // 1_000_000)

    # ---- keys ------------------------------------------------------------------------------------

    def api_key(self, key: str, ip: str) -> Identity:
        if self.flooded:
            raise InvalidInput("more than 30 failed logins a minute; slow down", code="rate_limited")
        if key not in KEYS:
            raise InvalidInput("the key is not known", code="login_failed")
        return KEYS[key]

    def token_on(self, key: str, token: str, ip: str) -> Identity:
        if token != f"token.of.{key}":
            raise InvalidInput("the key is not known", code="login_failed")
        return self.api_key(key, ip)

    def signed(self, key: str, payloads: Sequence[bytes], signature: str, ip: str) -> Identity:
        raise AssertionError("nothing is signed here")

    def in_force(self, key_id: str) -> bool:
        return key_id not in self.revoked

    # ---- clients ---------------------------------------------------------------------------------

    def try_open(
        self, path: str = "/v1/", query: str = "", *, token: Identity | None = None, ip: str = "::1", **headers: str
    ) -> Client | Refused:
        sink = CountingSink()
        lower = {name.replace("_", "-"): value for name, value in headers.items()}
        opening = Opening(
            "s1", path, query, lower, ip, sink, lambda: sink.flushes, token, Rate(100, 98, 20), 1_000, 997
        )
        session = self.dialect.session(self.services, opening)
        if isinstance(session, Refused):
            return session
        assert isinstance(session, MarketSession)
        return Client(self, session, sink)

    def open(self, path: str = "/v1/", query: str = "", *, token: Identity | None = None, **headers: str) -> Client:
        client = self.try_open(path, query, token=token, **headers)
        assert isinstance(client, Client), client
        return client


class CountingSink(ListSink):
    """Counts the writes, as a socket does."""

    def __init__(self) -> None:
        super().__init__()
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += bool(self.out)
        super().flush()


class Client:
    """One connection."""

    def __init__(self, server: Server, session: MarketSession, sink: CountingSink) -> None:
        self.server = server
        self.session = session
        self.sink = sink

    def send(self, data: bytes) -> list[Any]:
        """What a message is answered with."""
        return messages(b"".join(self.session.received(data)))

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

    def said(self) -> list[Any]:
        """What the streams have said since."""
        data = b"".join(piece for write in self.sink.writes for piece in write)
        self.sink.writes.clear()
        return messages(data)

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
