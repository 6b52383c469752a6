"""A small market as a client of the Binance dialect sees it, driven by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from support import BTC, ListSink, World, decoded
from tickwire.dialects.base import Opening, Refused, Services
from tickwire.dialects.binance import market_data
from tickwire.dialects.binance.names import Names
from tickwire.dialects.binance.stream_session import StreamSession, open_streams
from tickwire.dialects.binance.streams import Streams
from tickwire.errors import InvalidInput
from tickwire.meters import Meters
from tickwire.model.channel import CANDLE_INTERVALS_NS
from tickwire.model.events import Candle, Event
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.model.records import Clock, Record
from tickwire.protocol.messages import Rate


class Kept:
    """A history in memory."""

    def __init__(self) -> None:
        self.closed: list[Candle] = []

    def candles(
        self, symbol: str, interval: str, *, start: int = 0, end: int = 2**63 - 1, limit: int, newest: bool = True
    ) -> list[Candle]:
        length = CANDLE_INTERVALS_NS[interval]
        found = sorted(
            (c for c in self.closed if c.symbol == symbol and c.interval == length and start <= c.start < end),
            key=lambda c: c.start,
        )
        return found[max(0, len(found) - limit) :] if newest else found[:limit]


class KeyRing:
    """API keys of keys that are called k1, k2 and so on, of which some are revoked."""

    def __init__(self) -> None:
        self.known: dict[str, Identity] = {}
        self.revoked: set[str] = set()

    def api_key(self, key: str, ip: str) -> Identity:
        if key not in self.known:
            raise InvalidInput("the key is not known", code="login_failed")
        return self.known[key]

    def token_on(self, key: str, token: str, ip: str) -> Identity:
        raise AssertionError("no token is given here")

    def signed(self, key: str, payloads: Sequence[bytes], signature: str, ip: str) -> Identity:
        raise AssertionError

    def in_force(self, key_id: str) -> bool:
        return key_id.startswith("k") and key_id not in self.revoked


class VenueWorld(World):
    """A market with a history, and the streams of the dialect."""

    def __init__(self, instrument: Instrument = BTC, *, require_key: bool = False) -> None:
        self.history = Kept()
        self.keys = KeyRing()
        super().__init__(None, instrument, Meters())
        self.names = Names(self.market)
        self.streams = Streams(self.market, self.history, self.names)
        unused: Callable[..., Any] = lambda *_: None  # noqa: E731
        self.services = Services(
            market=self.market,
            hub=self.hub,
            renderer=self.renderer,
            history=self.history,
            keys=self.keys,
            submit=unused,
            allow=lambda key, cost: Rate(1, 1, 0),
            allow_address=lambda ip, cost: Rate(1, 1, 0),
            now=self.clock,
            epoch="e",
            version="0",
            require_key=require_key,
            meters=Meters(),
            draining=lambda: False,
        )

    def do(self, *records: Record, ms: int = 1) -> list[Event]:
        """As in `World`; closed candles are in the history before anything is said."""
        self.clock.advance(ms=ms)
        events: list[Event] = []
        for record in (Clock(self.clock()), *records):
            made = self.market.apply(record)
            events += made
            self.hub.publish(made)
        self.history.closed += [event for event in events if isinstance(event, Candle)]
        self.hub.flush()
        return events

    def until(self, ns: int, *records: Record) -> list[Event]:
        """As `do`, at a time."""
        return self.do(*records, ms=(ns - self.clock()) // 1_000_000)

    def open(
        self, path: str, query: str = "", headers: dict[str, str] | None = None, identity: Identity | None = None
    ) -> Client:
        """A client with a connection.

        Raises:
            AssertionError: the upgrade was refused.
        """
        client = self.try_open(path, query, headers, identity)
        assert isinstance(client, Client), client
        return client

    def try_open(
        self, path: str, query: str = "", headers: dict[str, str] | None = None, identity: Identity | None = None
    ) -> Client | Refused:
        """A client with a connection, or why it has none."""
        sink = ListSink()
        opening = Opening(
            "s1",
            path,
            query,
            headers or {},
            "127.0.0.1",
            sink,
            lambda: len(sink.writes),
            identity,
            Rate(100, 99, 10),
            1_000,
            999,
        )
        session = open_streams(self.services, self.streams, opening)
        return session if isinstance(session, Refused) else Client(session, sink)


class Client:
    """One connection."""

    def __init__(self, session: StreamSession, sink: ListSink) -> None:
        self.session = session
        self.sink = sink
        self.first = decoded(session.opened())

    def send(self, data: bytes) -> list[Any]:
        """What a message is answered with."""
        return decoded(b"".join(self.session.received(data)))

    def ask(self, method: str, *params: Any, request_id: Any = 1) -> Any:
        """The answer to a request; what follows it is in `first`."""
        answer, *self.first = self.send(
            msgspec.json.encode({"method": method, "params": list(params), "id": request_id})
        )
        return answer

    def said(self) -> list[Any]:
        """What the streams have said since."""
        return self.sink.messages()


class LocalBook:
    """Keeps a book as the venue tells its clients to."""

    def __init__(self, world: VenueWorld, stream: Client) -> None:
        self._world = world
        self._stream = stream
        self._buffer: list[Any] = []
        self.last = -1
        """The last update that is applied; -1 while there is no book."""
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.restarts = 0
        self._joining = False

    def read(self) -> None:
        """Take what the stream has said."""
        for event in self._stream.said():
            if self.last < 0:
                self._buffer.append(event)
            elif event["u"] > self.last:
                if event["U"] == self.last + 1 or (self._joining and event["U"] <= self.last):
                    self._apply(event)
                else:
                    self.restarts += 1
                    self.last, self._buffer = -1, [event]

    def fetch(self) -> None:
        """Get the snapshot and join the buffered events to it; without a book where they begin after it."""
        (instrument,) = self._world.names.table().values()
        depth = msgspec.to_builtins(market_data.depth(self._world.services, instrument, 5_000))
        events = [event for event in self._buffer if event["u"] > depth["lastUpdateId"]]
        if events and not events[0]["U"] <= depth["lastUpdateId"] + 1 <= events[0]["u"]:
            return
        self.last = depth["lastUpdateId"]
        self.bids, self.asks = dict(depth["bids"]), dict(depth["asks"])
        self._joining, self._buffer = True, []  # the first event may begin before the snapshot
        for event in events:
            assert self._joining or event["U"] == self.last + 1
            self._apply(event)

    def _apply(self, event: Any) -> None:
        for side, levels in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, size in levels:
                if size.strip("0.") == "":
                    side.pop(price, None)
                else:
                    side[price] = size
        self.last, self._joining = event["u"], False
