"""An independent reader of the protocol, which holds the server to its promises for each client it serves.

It shares no code with the client or the server: it decodes every message into plain dicts, follows every stream,
rebuilds every book, and compares what different clients were shown. `Record` is what all of them know together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias
from zlib import crc32

import msgspec

from simulation.trace import Trace

Key: TypeAlias = tuple[str, str, int, int, str]
"""(channel, symbol, depth, interval_ms, interval)"""
PRIVATE = ("orders", "fills", "balances", "positions")


class Violation(Exception):
    """A promise is broken."""


def lossless(key: Key) -> bool:
    """Whether every message of a stream counts."""
    return key[0] in ("trades", "book_l3", "status", *PRIVATE) or (key[0] == "book" and not key[2] and not key[3])


def key_of(row: dict[str, Any]) -> Key:
    """Which stream a message, or a row of a heartbeat, is of."""
    get = row.get
    return row["channel"], row["symbol"], get("depth", 0), get("interval_ms", 0), get("interval", "")


def units(text: str) -> int:
    """A decimal without its point. Those of one instrument have equally many decimals, so they compare like numbers."""
    return int(text.replace(".", ""))


class Record:
    """What the clients of one run have been told, over all of their connections.

    Attributes:
        epoch: the one that every `hello` must name.
        on_tape: whether a placement of this (account, client_order_id) is committed.
        said: (stream, seq, kind) -> data. In a stream of the latest class, a snapshot is as good as an update.
        answers: (account, client_order_id) -> what its placement was answered.
        steps: of each stream of the latest class the pairs of seqs that one client was sent one after the other.
    """

    def __init__(self, trace: Trace, epoch: str, on_tape: Callable[[str, str], bool]) -> None:
        self.trace = trace
        self.epoch = epoch
        self.on_tape = on_tape
        self.sessions: set[str] = set()
        self.said: dict[tuple[Key, int, str], Any] = {}
        self.answers: dict[tuple[str, str], Any] = {}
        self.steps: dict[Key, set[tuple[int, int]]] = {}
        self.counts: dict[str, int] = {}

    def count(self, what: str) -> None:
        """So that a test sees what a run has met."""
        self.counts[what] = self.counts.get(what, 0) + 1


class Book:
    """A book, rebuilt from the messages of its stream."""

    def __init__(self, by_order: bool) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.orders: dict[str, tuple[str, int, int]] | None = {} if by_order else None

    def copy(self) -> Book:
        """The book as it stands."""
        copy = Book(self.orders is not None)
        copy.bids, copy.asks = dict(self.bids), dict(self.asks)
        copy.orders = None if self.orders is None else dict(self.orders)
        return copy

    def take(self, data: dict[str, Any] | None, whole: bool, checked: bool) -> str | None:
        """Apply a message; returns what is wrong with it."""
        if whole or data is None:
            self.bids.clear()
            self.asks.clear()
        if self.orders is not None:
            problem = self._take_orders(data, whole or data is None)
            if problem:
                return problem
        elif data is not None:
            for side, rows in ((self.bids, data["bids"]), (self.asks, data["asks"])):
                for price, size in rows:
                    if size == "0":
                        side.pop(units(price), None)
                    else:
                        side[units(price)] = units(size)
        if self.bids and self.asks and max(self.bids) >= min(self.asks):
            return f"the book is crossed: bid {max(self.bids)}, ask {min(self.asks)}"
        if checked and data is not None and data["checksum"] != self.checksum():
            return f"the checksum is {data['checksum']}, that of the book is {self.checksum()}"
        return None

    def checksum(self) -> int:
        """Kraken's scheme: the best 10 asks, then the best 10 bids, without points and leading zeros."""
        asks, bids = sorted(self.asks)[:10], sorted(self.bids, reverse=True)[:10]
        text = "".join([f"{p}{self.asks[p]}" for p in asks] + [f"{p}{self.bids[p]}" for p in bids])
        return crc32(text.encode())

    def _take_orders(self, data: dict[str, Any] | None, whole: bool) -> str | None:
        orders = self.orders
        assert orders is not None
        if whole:
            orders.clear()
            for side, rows in (("buy", data["bids"]), ("sell", data["asks"])) if data is not None else ():
                for order_id, price, size in rows:
                    self._set(order_id, side, units(price), units(size))
            return None
        assert data is not None
        order_id, action, side, price = data["order_id"], data["action"], data["side"], units(data["price"])
        size = 0 if action == "cancel" or data["size"] == "0" else units(data["size"])
        known = orders.get(order_id)
        if (known is None) != (action == "add") or (known is not None and known[:2] != (side, price)):
            return f"{action} of order {order_id}, which stands as {known}"
        if action == "fill" and known is not None and known[2] - units(data["filled"]) != size:
            return f"order {order_id} of {known[2]} is filled {data['filled']} and has {data['size']} left"
        self._set(order_id, side, price, size)
        return None

    def _set(self, order_id: str, side: str, price: int, size: int) -> None:
        assert self.orders is not None
        _, _, before = self.orders.pop(order_id, ("", 0, 0))
        if size:
            self.orders[order_id] = side, price, size
        levels = self.bids if side == "buy" else self.asks
        total = levels.get(price, 0) - before + size
        if total:
            levels[price] = total
        else:
            del levels[price]


class Stream:
    """A subscription of one connection, and what an account's stream adds up to.

    Attributes:
        seq: of the last message; None where a snapshot must come next, which has the seq `due`.
        missed_until: up to here all messages were promised when it was resumed.
    """

    def __init__(self, key: Key, due: int) -> None:
        self.key = key
        self.seq: int | None = None
        self.due = due
        self.missed_until = 0
        self.book = Book(key[0] == "book_l3") if key[0] in ("book", "book_l3") else None

    def at(self) -> tuple[int, Book | None]:
        """Where it stands."""
        assert self.seq is not None
        return self.seq, None if self.book is None else self.book.copy()


class Witness:
    """Everything that one client sends and is sent. It is told by the network, before the client.

    Attributes:
        name: of the client. account: that it logs in to.
        kept: where each lossless stream stood on earlier connections: what `from` may name.
        streams: of the connection that is open.
    """

    def __init__(self, name: str, account: str, encoding: str, record: Record, fail: Callable[[str], None]) -> None:
        self.name = name
        self.account = account
        self.session = ""
        self.connected = False
        self.kept: dict[Key, tuple[int, Book | None]] = {}
        self.streams: dict[Key, Stream] = {}
        self.beats = 0
        self._deadline = 0
        self._record = record
        self._fail = fail
        codec: Any = msgspec.json if encoding == "json" else msgspec.msgpack
        self._decode: Callable[[bytes], Any] = codec.Decoder().decode
        self._pending: dict[object, dict[str, Any]] = {}
        self._said_so: dict[str, Callable[[dict[str, Any]], None]] = {
            "hello": self._hello, "heartbeat": self._heartbeat, "gap": self._gap, "skipped": self._skipped,
            "drain": self._drain, "lagging": self._lagging,
        }  # fmt: skip

    # ---- what the network calls ------------------------------------------------------------------

    def opened(self) -> None:
        """A new connection."""
        self.streams, self._pending = {}, {}
        self.connected, self.session, self.beats, self._deadline = True, "", 0, 0

    def closed(self, code: int) -> None:
        """It is gone."""
        self.connected = False
        for key, stream in self.streams.items():
            self._keep(key, stream)
        self.streams = {}
        self._record.count(f"closed {code}")
        if code == 1012 and not 0 < self._deadline <= self._record.trace.now():
            self._fail(f"{self.name}: closed for a restart before the deadline, {self._deadline} (0: none was told)")
        self._record.trace.note(f"{self.name} x", code)

    def sent(self, data: bytes) -> None:
        """The client asks."""
        request = self._decode(data)
        self._record.trace.note(f"{self.name} >", request)
        if request["id"] in self._pending:
            self._fail(f"{self.name} uses an id twice: {request}")
        self._pending[request["id"]] = request

    def received(self, data: bytes) -> None:
        """The server says something."""
        message = self._decode(data)
        self._record.trace.note(f"{self.name} <", message)
        try:
            if not self.session and message.get("type") != "hello":
                raise Violation("something comes before hello")
            if "id" in message:
                self._reply(message)
            elif message["type"] in self._said_so:
                self._said_so[message["type"]](message)
            else:
                self._message(message)
        except (Violation, KeyError, ValueError, TypeError, AssertionError) as error:
            self._fail(f"{self.name}: {error!r} at {message}")

    def stands(self) -> dict[Key, int | None]:
        """Where the streams of the open connection stand."""
        return {key: stream.seq for key, stream in self.streams.items()}

    # ---- control ---------------------------------------------------------------------------------

    def _hello(self, message: dict[str, Any]) -> None:
        if self.session or message["session"] in self._record.sessions:
            raise Violation("a second hello, or a session's second client")
        if message["epoch"] != self._record.epoch:
            raise Violation(f"the epoch is {message['epoch']}, the tape's is {self._record.epoch}")
        self.session = message["session"]
        self._record.sessions.add(self.session)

    def _heartbeat(self, message: dict[str, Any]) -> None:
        self.beats += 1
        told = {key_of(row): row["seq"] for row in message["streams"]}
        if told != self.stands():
            wrong = {key: (told.get(key), self.stands().get(key)) for key in {**told, **self.stands()}}
            wrong = {key: pair for key, pair in wrong.items() if pair[0] != pair[1]}
            raise Violation(f"a heartbeat does not name what has arrived, (told, arrived): {wrong}")

    def _drain(self, message: dict[str, Any]) -> None:
        self._record.count("drain")
        self._deadline = message["deadline"]

    def _lagging(self, message: dict[str, Any]) -> None:
        self._record.count("lagging")
        if message["messages"] < 1:
            raise Violation("it lags behind by nothing")

    def _gap(self, message: dict[str, Any]) -> None:
        stream = self._stream(message)
        if not lossless(stream.key) or stream.seq is None or not stream.seq + 1 == message["from"] <= message["to"]:
            raise Violation(f"a gap behind {stream.seq}")
        if stream.seq < stream.missed_until:
            raise Violation(f"recovered, and yet there is a gap before {stream.missed_until}")
        self._record.count("gap")
        self._keep(stream.key, stream)
        stream.seq, stream.due = None, message["to"]

    def _skipped(self, message: dict[str, Any]) -> None:
        stream = self._stream(message)
        if lossless(stream.key) or stream.seq is None or not stream.seq < message["from"] <= message["to"]:
            raise Violation(f"skipped behind {stream.seq}")
        self._record.count("skipped")
        stream.seq = message["to"]

    # ---- replies ---------------------------------------------------------------------------------

    def _reply(self, message: dict[str, Any]) -> None:
        request = self._pending.pop(message["id"], None)
        if request is None:
            raise Violation("a reply to nothing, or a second one")
        if ("result" in message) == ("error" in message):
            raise Violation("a reply is either a result or an error")
        method, params, result = request["method"], request.get("params") or {}, message.get("result")
        if method == "order.place":
            self._placed(params, result, message.get("error"))
        elif method == "order.batch" and result is not None:
            rows = zip(params["operations"], result["results"], strict=True)
            for operation, row in rows:
                if operation["method"] == "place":
                    self._placed(operation["params"], row.get("result"), row.get("error"))
        elif method == "subscribe" and result is not None:
            self._subscribed(params, result)
        elif method == "unsubscribe" and result is not None:
            for row in result["streams"]:
                del self.streams[key_of(row)]

    def _placed(self, params: dict[str, Any], result: Any, error: Any) -> None:
        name = self.account, params["client_order_id"]
        if error is not None and error["code"] in ("busy", "rate_limited", "outcome_unknown"):
            return
        record = self._record
        if result is not None and not record.on_tape(*name):
            raise Violation(f"{name} is acknowledged and not on the tape")
        answer = result if error is None else error["code"]
        first = record.answers.setdefault(name, answer)
        if first is not answer:
            record.count("answered again")
            if first != answer:
                raise Violation(f"{name} was answered {first} at first, now {answer}")

    def _subscribed(self, params: dict[str, Any], result: dict[str, Any]) -> None:
        since, record = params.get("from"), self._record
        rows = result["streams"]
        if (since is None) != (result.get("recovered") is None):
            raise Violation("`recovered` does not answer `from`")
        if since is not None and result["recovered"] != all(row["recovered"] for row in rows):
            raise Violation("`recovered` is not what is said of each stream")
        for row in rows:
            key = key_of(row)
            old = self.streams.get(key)
            if old is not None:
                self._keep(key, old)
            stream = self.streams[key] = Stream(key, row["seq"])
            if since is None:
                continue
            if not row["recovered"]:
                if not row["reason"]:
                    raise Violation("not recovered, and no reason")
                record.count(f"not recovered {key[0]}")
                continue
            if since["epoch"] != record.epoch:
                raise Violation(f"recovered from another epoch, {since['epoch']}")
            record.count(f"recovered {key[0]}")
            seq, book = self.kept[key]
            asked = since["seq"][key[1]] if isinstance(since["seq"], dict) else since["seq"]
            if seq != asked:
                raise Violation(f"the client asked from {asked} and had got to {seq}")
            stream.seq, stream.missed_until = seq, row["seq"]
            stream.book = None if book is None else book.copy()

    # ---- streams ---------------------------------------------------------------------------------

    def _stream(self, message: dict[str, Any]) -> Stream:
        stream = self.streams.get(key_of(message))
        if stream is None:
            raise Violation("a message of a stream that is not subscribed to")
        return stream

    def _keep(self, key: Key, stream: Stream) -> None:
        if stream.seq is not None and lossless(key):
            self.kept[key] = stream.at()

    def _message(self, message: dict[str, Any]) -> None:
        stream = self._stream(message)
        key, seq, data, last = stream.key, message["seq"], message["data"], stream.seq
        exact = lossless(key)
        if last is None:
            if message["type"] != "snapshot" or stream.due != seq:
                raise Violation(f"a snapshot of {stream.due} was due")
        elif seq != last + 1 if exact else seq <= last:
            raise Violation(f"{seq} follows {last}")
        if not exact and last is not None and message["type"] == "update":
            self._record.steps.setdefault(key, set()).add((last, seq))
        stream.seq = seq
        if stream.book is not None:
            whole = message["type"] == "snapshot" or not exact
            problem = stream.book.take(data, whole, exact and key[0] == "book")
            if problem is not None:
                raise Violation(problem)
        if key[0] == "quotes" and data and data["bid"] and data["ask"] and units(data["bid"]) >= units(data["ask"]):
            raise Violation("the quote is crossed")
        if message["type"] == "snapshot" and last is None:
            self._compare((key, seq, "snapshot" if exact else "state"), data)
        else:
            self._compare((key, seq, "update" if exact else "state"), data)

    def _compare(self, place: tuple[Key, int, str], data: Any) -> None:
        (key, _, kind), record = place, self._record
        if kind != "update" and key[0] == "positions" and data is not None:
            for row in data["positions"]:  # they are valued at the price of the moment, which no seq counts
                row["mark"] = row["unrealised"] = None
        if kind == "state" and key[0] == "candles" and data is not None and data["closed"]:
            return  # said once, and not what a new subscriber is shown
        first = record.said.setdefault(place, data)
        if first is not data and first != data:
            raise Violation(f"another client was shown {first}")
