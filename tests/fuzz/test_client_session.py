"""`ClientSession`, with the client's books above it: a server that says anything, in both encodings.

The contract: `received` never raises, and gives outcomes; what it can't read is `Broken` or counted. The session tracks
no more streams and has no more to say than it did before, whatever it is told. `decode` and `decode_message` raise
`ClientError` and nothing else. A live book takes any message of its stream and is then right or unreadable.
"""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client_peer import hello
from fuzz.harness import damaged, encoded, fuzzed, torn
from tickwire.client.books import LiveBook, LiveOrders
from tickwire.errors import BookInvalid, ClientError
from tickwire.model.channel import StreamKey
from tickwire.protocol.client_outcomes import Answered, Broken, ClientStats, Delivered
from tickwire.protocol.client_session import ClientSession, Encoding
from tickwire.protocol.codec import JSON, MSGPACK
from tickwire.protocol.messages import InstrumentInfo, LoginResult, Reply, StatusData, StreamMessage

S = "SIM:BTC-USDT"
BOOK, ORDERS, TRADES = StreamKey("book", S), StreamKey("book_l3", S), StreamKey("trades", S)
QUOTES, TICKER = StreamKey("quotes", S), StreamKey("ticker", S)
INFO = InstrumentInfo(
    S, "SIM", "BTC", "USDT", "crypto", "matched", "0.01", "0.1", ["book"], StatusData("open", "live", "")
)
TRADE = {"id": "1", "price": "1.00", "size": "0.1", "side": "buy", "ts_event": 1, "buy_order_id": None} | {
    "sell_order_id": None
}
ADD = {"action": "add", "order_id": "2", "side": "buy", "price": "0.98", "size": "1"}
MESSAGES: list[dict[str, Any]] = [
    {"type": "heartbeat", "time": 1, "streams": [{"channel": "book", "symbol": S, "seq": 1}]},
    {"type": "gap", "channel": "book", "symbol": S, "from": 1, "to": 2},
    {"type": "skipped", "channel": "ticker", "symbol": S, "from": 1, "to": 2},
    {"type": "drain", "deadline": 5},
    {"type": "lagging", "messages": 5},
    {"id": 1, "time_in": 1, "time_out": 2, "result": {"streams": [{"channel": "book", "symbol": S, "seq": 0}]}},
    {"id": 2, "time_in": 1, "time_out": 2, "error": {"code": "unknown_symbol", "message": "no", "field": "symbols[0]"}},
    {"type": "snapshot", "channel": "trades", "symbol": S, "seq": 1, "ts": 1, "data": {"trades": [TRADE]}},
    {"type": "update", "channel": "trades", "symbol": S, "seq": 2, "ts": 1, "data": TRADE},
    {"type": "snapshot", "channel": "book", "symbol": S, "seq": 1, "ts": 1}
    | {"data": {"bids": [["1.00", "0.5"]], "asks": [["1.01", "0.5"]], "checksum": crc32(b"10151005")}},
    {"type": "update", "channel": "book", "symbol": S, "seq": 2, "ts": 1}
    | {"data": {"bids": [["1.00", "0"]], "asks": [], "checksum": crc32(b"1015")}},
    {"type": "snapshot", "channel": "book_l3", "symbol": S, "seq": 1, "ts": 1}
    | {"data": {"bids": [["1", "1.00", "0.5"]], "asks": [["3", "1.01", "0.5"]]}},
    {"type": "update", "channel": "book_l3", "symbol": S, "seq": 2, "ts": 1, "data": ADD},
    {"type": "update", "channel": "book_l3", "symbol": S, "seq": 3, "ts": 1}
    | {"data": ADD | {"action": "fill", "size": "0.5", "filled": "0.5", "trade_id": "9"}},
    {"type": "update", "channel": "later", "symbol": S, "seq": 1, "ts": 1, "data": {}},
]
ENCODINGS: list[Encoding] = ["json", "msgpack"]


def test_the_messages_are_good() -> None:
    client = Client("json")
    for message in MESSAGES:
        client.hears(encoded(message, "json"))
    assert client.session.stats.malformed == 0
    assert {key: book.valid for key, book in client.books.items()} == {BOOK: True, ORDERS: True}
    assert client.books[BOOK].seq == 2
    assert client.books[ORDERS].bids() == [(Decimal("1.00"), Decimal("0.5")), (Decimal("0.98"), Decimal("0.5"))]


def opened(encoding: Encoding) -> ClientSession:
    """A session that was greeted and has subscribed; the first two requests are not answered yet."""
    session = ClientSession(encoding=encoding)
    codec = JSON if encoding == "json" else MSGPACK
    session.received(codec.encode(hello()), 1)
    for key in (QUOTES, TICKER, BOOK, ORDERS, TRADES):
        request_id, _ = session.subscribe([key])
        if request_id > 2:
            session.received(codec.encode(Reply(request_id, 1, 2, {"streams": []})), 1)
    return session


class Owner:
    """What a live book wants of its client."""

    def leave(self, consumer: Any) -> None: ...

    def flow(self, queue: Any, full: bool) -> None: ...


class Client:
    """A session with a live book on each stream that has one."""

    def __init__(self, encoding: Encoding) -> None:
        self.session = opened(encoding)
        self.books: dict[StreamKey, LiveBook | LiveOrders] = {
            BOOK: LiveBook(Owner(), BOOK, INFO, ClientStats()),
            ORDERS: LiveOrders(Owner(), ORDERS, INFO, ClientStats()),
        }

    def hears(self, data: bytes) -> None:
        """Hold all of it to the contract, for one message."""
        tracked = len(self.session._streams._streams)
        outcomes = self.session.received(data, 5)
        assert len(self.session._streams._streams) <= tracked
        assert len(self.session.to_send()) <= tracked
        for outcome in outcomes:
            match outcome:
                case Broken(code, reason):
                    assert code in (1002, 1007)
                    assert reason
                case Delivered(key, message, size) if key in self.books:
                    self._delivered(self.books[key], message, size)
                case Answered(_, result):
                    for decode in (self.session.decode_message, lambda raw: self.session.decode(raw, LoginResult)):
                        with contextlib.suppress(ClientError):
                            decode(result)

    def _delivered(self, book: LiveBook | LiveOrders, message: StreamMessage, size: int) -> None:
        wrong = book._take(message, size)
        if book.valid:
            assert wrong is None
            assert all(amount > 0 for _, amount in book.bids() + book.asks())
            assert book.seq == message.seq
        else:
            with pytest.raises(BookInvalid):
                book.bids()


@pytest.mark.parametrize("encoding", ENCODINGS)
@fuzzed(200)
@given(st.lists(st.sampled_from(MESSAGES).flatmap(damaged), min_size=1, max_size=8))
def test_damaged_messages(encoding: Encoding, messages: list[Any]) -> None:
    client = Client(encoding)
    for message in messages:
        client.hears(encoded(message, encoding))


@pytest.mark.parametrize("encoding", ENCODINGS)
@fuzzed(150)
@given(st.data(), st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=6))
def test_torn_messages(encoding: Encoding, data: st.DataObject, messages: list[Any]) -> None:
    client = Client(encoding)
    for message in messages:
        client.hears(data.draw(torn(encoded(message, encoding))))


@pytest.mark.parametrize("encoding", ENCODINGS)
@fuzzed(100)
@given(st.binary(max_size=80))
@example(b'{"type":"update","channel":"book","symbol":"SIM:BTC-USDT","data":' + b"[" * 50_000)
@example(b"\x91" * 50_000)
def test_any_bytes(encoding: Encoding, data: bytes) -> None:
    Client(encoding).hears(data)
