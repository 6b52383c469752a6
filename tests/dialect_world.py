"""A small server as a dialect sees it, driven by hand: a market with its history, keys and limits, but no sockets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from support import BTC, ListSink, World, decoded
from tickwire.dialects.base import Opening, Services
from tickwire.errors import InvalidInput
from tickwire.meters import Meters
from tickwire.model.events import Candle, Event
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.model.records import Record
from tickwire.protocol.messages import Rate
from tickwire.protocol.served import ServedSession
from tickwire.streams.log import Retention
from tickwire.tape.candles import CandleStore


class DialectWorld(World):
    """A market with what a dialect is given of it. Closed candles are in the history before anything is said.

    Attributes:
        known: whom an API key stands for; the token that belongs to a key is "token.of.KEY".
        revoked: ids of keys that are not in force any more.
        draining: whether the server is about to stop.
    """

    def __init__(
        self,
        instrument: Instrument = BTC,
        *,
        known: Mapping[str, Identity] | None = None,
        require_key: bool = False,
        history: CandleStore | None = None,
        retention: Retention | None = None,
    ) -> None:
        self.history = history or CandleStore(None)
        self.known = dict(known or {})
        self.revoked: set[str] = set()
        self.draining = False
        meters = Meters()
        super().__init__(retention, instrument, meters)
        self.services = Services(
            market=self.market,
            hub=self.hub,
            renderer=self.renderer,
            history=self.history,
            keys=self,
            submit=self.submit,
            allow=self.allow,
            allow_address=lambda ip, requests: self.allow(f"address {ip}", requests),
            now=self.clock,
            epoch="e1",
            version="1.2.3",
            require_key=require_key,
            meters=meters,
            draining=lambda: self.draining,
        )

    def fold(self, record: Record) -> list[Event]:
        events = super().fold(record)
        self.history.add(event for event in events if isinstance(event, Candle))
        return events

    def until(self, ns: int, *records: Record) -> list[Event]:
        """As `do`, at a time."""
        return self.do(*records, ms=(ns - self.clock()) // 1_000_000)

    # ---- what the server is to a dialect -----------------------------------------------------------

    def api_key(self, key: str, ip: str) -> Identity:
        if key not in self.known:
            raise InvalidInput("the key is not known", code="login_failed")
        return self.known[key]

    def token_on(self, key: str, token: str, ip: str) -> Identity:
        if token != f"token.of.{key}":
            raise InvalidInput("the key is not known", code="login_failed")
        return self.api_key(key, ip)

    def signed(self, key: str, payloads: Sequence[bytes], signature: str, ip: str) -> Identity:
        raise AssertionError("nothing is signed here")

    def in_force(self, key_id: str) -> bool:
        return key_id not in self.revoked

    def allow(self, key_id: str, requests: int) -> Rate:
        return Rate(1, 1, 0)

    # ---- clients -----------------------------------------------------------------------------------

    @staticmethod
    def opening(
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        sink: ListSink | None = None,
        identity: Identity | None = None,
        ip: str = "::1",
        session_id: str = "s1",
    ) -> Opening:
        """A WebSocket that a client opens; `x_y` is the header x-y."""
        lower = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        seen, rate = sink or ListSink(), Rate(100, 98, 20)
        return Opening(session_id, path, query, lower, ip, seen, lambda: seen.flushes, identity, rate, 1_000, 997)


class Socket:
    """A WebSocket that is open.

    Attributes:
        first: what the server has said first.
    """

    def __init__(self, session: ServedSession, sink: ListSink) -> None:
        self.session = session
        self.sink = sink
        self.first = self.read(session.opened())

    def read(self, data: bytes) -> list[Any]:
        """The messages in some frames."""
        return decoded(data)

    def send(self, data: bytes) -> list[Any]:
        """What a message is answered with at once."""
        return self.read(b"".join(self.session.received(data)))

    def said(self) -> list[Any]:
        """What came since over the hub."""
        return self.read(self.sink.taken())
