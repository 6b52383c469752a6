"""A small market as a client of the Binance dialect sees it, driven by hand."""

from __future__ import annotations

from typing import Any

import msgspec

from dialect_books import book, joined
from dialect_world import DialectWorld, Socket
from support import BTC, ListSink
from tickwire.dialects.base import Refused
from tickwire.dialects.binance.call import Call
from tickwire.dialects.binance.names import Names
from tickwire.dialects.binance.operations import METHODS
from tickwire.dialects.binance.params import Params
from tickwire.dialects.binance.stream_session import open_streams
from tickwire.dialects.binance.streams import Streams
from tickwire.dialects.binance.usage import Usage
from tickwire.model.identity import Identity
from tickwire.model.instrument import Instrument
from tickwire.tape.candles import CandleStore


class VenueWorld(DialectWorld):
    """A market with a history, and the streams of the dialect. Its keys are called k1, k2 and so on."""

    def __init__(
        self, instrument: Instrument = BTC, *, require_key: bool = False, history: CandleStore | None = None
    ) -> None:
        super().__init__(instrument, require_key=require_key, history=history)
        self.names = Names(self.market)
        self.streams = Streams(self.market, self.history, self.names)

    def in_force(self, key_id: str) -> bool:
        return key_id.startswith("k") and super().in_force(key_id)

    def ask(self, method: str, *, unit: int = 1_000_000, **params: object) -> Any:
        """What an operation that needs no key answers about BTCUSDT, as the wire has it."""
        texts = {"symbol": "BTCUSDT"} | {name: str(value) for name, value in params.items()}
        unused: Any = None
        call = Call(
            self.services,
            self.names.table(),
            Usage(),
            unused,
            Params(texts),
            None,
            None,
            "127.0.0.1",
            self.clock(),
            unit,
            unused,
            None,
        )
        return msgspec.json.decode(msgspec.json.encode(METHODS[method].run(call)))

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
        opening = self.opening(path, query, headers, sink=sink, identity=identity)
        session = open_streams(self.services, self.streams, opening)
        return session if isinstance(session, Refused) else Client(session, sink)


class Client(Socket):
    """One connection."""

    def ask(self, method: str, *params: Any, request_id: Any = 1) -> Any:
        """The answer to a request; what follows it is in `first`."""
        answer, *self.first = self.send(
            msgspec.json.encode({"method": method, "params": list(params), "id": request_id})
        )
        return answer


class LocalBook:
    """Keeps a book as the venue tells its clients to.

    Attributes:
        book: as of the last update that is applied; its number is -1 while there is none.
        restarts: how often updates were missing.
    """

    def __init__(self, world: VenueWorld, stream: Client) -> None:
        self._world = world
        self._stream = stream
        self._buffer: list[Any] = []
        self.book = book(-1, (), ())
        self.restarts = 0
        self._joining = False

    def read(self) -> None:
        """Take what the stream has said."""
        for event in self._stream.said():
            last = self.book.seq
            if last < 0:
                self._buffer.append(event)
            elif event["u"] > last:
                if event["U"] == last + 1 or (self._joining and event["U"] <= last):
                    self.book.change(event["b"], event["a"])
                    self.book = self.book._replace(seq=event["u"])
                    self._joining = False
                else:
                    self.restarts += 1
                    self.book, self._buffer = book(-1, (), ()), [event]

    def fetch(self) -> None:
        """Get the snapshot and join the buffered events to it; without a book where they begin after it."""
        depth = self._world.ask("depth", limit=5_000)
        events = [event for event in self._buffer if event["u"] > depth["lastUpdateId"]]
        if not events or events[0]["U"] <= depth["lastUpdateId"] + 1:
            *_, self.book = joined(depth, events)
            self._joining, self._buffer = not events, []  # the first event may begin before the snapshot
