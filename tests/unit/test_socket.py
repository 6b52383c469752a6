"""A connection between a transport that keeps its writes and a small market: what leaves, when, and in one write."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from itertools import chain
from typing import Any
from unittest.mock import ANY

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol

from support import BTC, World, decoded, frames, order
from tickwire.config import ServerSettings
from tickwire.errors import CodecFailed
from tickwire.limits import FLOOD_FACTOR, REQUESTS_PER_SECOND_MAX
from tickwire.market.history import NoHistory
from tickwire.model.records import Guard, Record, SessionEnded
from tickwire.protocol.codec import JSON
from tickwire.protocol.session import Session
from tickwire.server.auth import Authenticator
from tickwire.server.gateway import Gateway
from tickwire.server.keys import KeyStore
from tickwire.server.socket import Connection

UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Basic {}\r\n\r\n"
)
PING, CLOSE = Frame(Opcode.PING, b"?").serialize(mask=True), Frame(Opcode.CLOSE, b"").serialize(mask=True)
GUARD = {"scope": "account"}


class Socket:
    """A transport that keeps every write. `unsent` is what it says that the client has not read."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.unsent = 0
        self.closing = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def writelines(self, pieces: list[bytes]) -> None:
        self.writes.append(b"".join(pieces))

    def close(self) -> None:
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_protocol(self, _: object) -> None: ...

    def set_write_buffer_limits(self, high: int, low: int) -> None: ...

    def get_extra_info(self, _: str) -> Any:
        return None


class Client:
    """A trader's connection, upgraded and greeted. What it submits waits in `submitted`."""

    def __init__(self) -> None:
        self.world = world = World()
        self.keys = keys = KeyStore(None)
        self.key = key = keys.create("a", scopes=("read", "trade"), kind="hmac")[1]
        gateway = Gateway(
            market=world.market,
            hub=world.hub,
            renderer=world.renderer,
            authenticator=Authenticator(keys, world.clock),
            epoch="e1",
            now=world.clock,
            settings=ServerSettings(),
            welcome=lambda _: [],
            history=NoHistory(),
        )
        self.submitted: list[tuple[list[Record], Any]] = []
        gateway.submit = lambda records, done: self.submitted.append((records, done))
        self.socket = Socket()
        self.gateway = gateway
        self.connection = Connection(gateway, set())
        self.connection.connection_made(self.socket)  # type: ignore[arg-type]
        self.connection.data_received(
            UPGRADE.format(base64.b64encode(f"{key.key}:{key.secret}".encode()).decode()).encode()
        )
        response, hello = self.socket.writes
        assert response.startswith(b"HTTP/1.1 101")
        assert decoded(hello)[0]["type"] == "hello"
        self.socket.writes.clear()

    def reads(self, *pieces: bytes) -> None:
        """The client's frames come in, in one read."""
        self.connection.data_received(b"".join(pieces))

    def written(self) -> list[list[Any]]:
        """Each write since the last call: messages, and the opcodes of control frames."""
        writes, self.socket.writes = self.socket.writes, []
        return [
            [JSON.decode(bytes(f.data), dict) if f.opcode is Opcode.TEXT else f.opcode for f in frames(write)]
            for write in writes
        ]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client()
    yield client
    client.connection.connection_lost(None)
    client.keys.close()


def request(number: int, method: str, **params: Any) -> bytes:
    body = JSON.encode({"id": number, "method": method, "params": params})
    return Frame(Opcode.TEXT, body).serialize(mask=True)


def ids(messages: list[Any]) -> list[Any]:
    return [message["id"] if isinstance(message, dict) else message for message in messages]


async def test_what_is_read_at_once_is_answered_in_one_write(client: Client) -> None:
    client.reads(request(1, "ping"), PING, request(2, "nope"), request(3, "ping"))
    (write,) = client.written()
    assert ids(write) == [1, Opcode.PONG, 2, 3]
    assert write[2]["error"]["code"] == "unknown_method"


async def test_an_answer_leaves_with_the_turns_streams_and_ahead_of_them(client: Client) -> None:
    client.reads(request(1, "subscribe", channel="book", symbols=[BTC.symbol]))
    client.reads(request(2, "session.cancel_on_disconnect", **GUARD))
    ((reply, snapshot),) = client.written()
    assert (reply["id"], snapshot["type"]) == (1, "snapshot")
    ((records, done),) = client.submitted
    assert records == [Guard("a", client.connection._session.session_id, "account")]  # type: ignore[union-attr]
    done([None])
    assert client.written() == []
    client.world.do(order("buy", 100, 5))
    ((answer, update),) = client.written()
    assert (answer["id"], answer["result"]) == (2, {})
    assert (update["channel"], update["seq"]) == ("book", 1)


async def test_a_client_whose_socket_is_full_is_still_answered(client: Client) -> None:
    client.reads(request(1, "subscribe", channel="book", symbols=[BTC.symbol]))
    client.reads(request(2, "session.cancel_on_disconnect", **GUARD))
    client.written()
    client.connection.pause_writing()
    client.submitted[0][1]([None])
    client.world.do(order("buy", 100, 5))
    assert [ids(write) for write in client.written()] == [[2]]
    client.connection.resume_writing()
    ((notice, missed),) = client.written()
    assert notice == {"type": "lagging", "messages": 1}
    assert missed["seq"] == 1


@pytest.mark.parametrize("together", [True, False])
async def test_what_comes_before_a_close_frame_counts_and_nothing_follows_one(client: Client, together: bool) -> None:
    client.reads(request(1, "subscribe", channel="book", symbols=[BTC.symbol]))
    client.written()
    pieces = [request(2, "session.cancel_on_disconnect", **GUARD), request(3, "ping"), CLOSE, request(4, "ping")]
    for read in [pieces] if together else [[piece] for piece in pieces]:
        client.reads(*read)
    assert ids(list(chain.from_iterable(client.written()))) == [3, Opcode.CLOSE]
    assert client.socket.closing
    records, done = client.submitted[0]
    assert [type(record) for record in records] == [Guard]
    done([None])
    client.world.do(order("buy", 100, 5))
    assert client.written() == []


async def test_answers_that_are_not_read_close_the_connection(client: Client) -> None:
    client.socket.unsent = 2**30
    client.reads(request(1, "ping"))
    answer, close = client.socket.writes
    assert [message["id"] for message in decoded(answer)] == [1]
    assert frames(close)[0].data[:2] == (4001).to_bytes(2, "big")
    assert client.socket.closing


async def test_a_drain_answers_what_was_taken_takes_no_more_and_then_closes(client: Client) -> None:
    session = client.connection._session
    assert session is not None
    client.connection.drain(5)
    assert client.written() == [[{"type": "drain", "deadline": 5}]]
    client.reads(request(1, "session.cancel_on_disconnect", **GUARD), request(2, "ping"))
    assert [ids(write) for write in client.written()] == [[2]]
    client.connection.finish()
    client.reads(request(3, "session.cancel_on_disconnect", **GUARD), PING, request(4, "ping"))
    assert client.written() == [[Opcode.PONG]]
    ((_, done),) = client.submitted
    done([None])
    client.world.do()
    assert [ids(write) for write in client.written()] == [[1]]
    client.connection.close(1012, "stop")
    client.connection.drain(6)
    assert client.written() == [[Opcode.CLOSE]]
    assert client.submitted[1:] == [([SessionEnded(session.session_id)], ANY)]
    assert not client.socket.closing  # a socket that is cut now would lose what the client has not read yet
    client.reads(request(5, "ping"), CLOSE)
    assert client.written() == []
    assert client.socket.closing


async def test_a_revoked_key_closes_though_a_message_comes_before_it_is_looked_for(client: Client) -> None:
    client.keys.revoke(client.key.key)
    client.reads(request(1, "account.balances"), request(2, "ping"))
    ((refusal, close),) = client.written()
    assert (refusal["id"], refusal["error"]["code"], close) == (1, "not_logged_in", Opcode.CLOSE)
    assert client.connection._ws.close_sent is not None
    assert client.connection._ws.close_sent.code == 4403


async def test_a_revoked_key_closes_at_the_next_beat_of_whoever_asks_nothing(client: Client) -> None:
    client.keys.revoke(client.key.key)
    client.connection._on_beat()
    assert client.written() == [[Opcode.CLOSE]]
    assert client.connection._ws.close_sent is not None
    assert client.connection._ws.close_sent.code == 4403


@pytest.mark.parametrize("broken", ["check", "heartbeat"])
async def test_a_beat_that_fails_closes_and_is_not_the_last(
    client: Client, broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Session, broken, lambda _: 1 // 0)
    before = client.connection._beat
    client.connection._on_beat()
    assert client.written() == [[Opcode.CLOSE]]
    assert client.connection._ws.close_sent is not None
    assert client.connection._ws.close_sent.code == 1011
    assert "ZeroDivisionError" in caplog.text
    assert client.connection._beat is not before


async def test_whoever_does_not_read_a_refusal_is_cut(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.server.socket.CLOSING_SECONDS_MAX", 0)
    socket, cut = Socket(), asyncio.Event()
    socket.abort = cut.set  # type: ignore[method-assign]
    refused = Connection(client.gateway, set())
    refused.connection_made(socket)  # type: ignore[arg-type]
    refused.data_received(UPGRADE.replace("/ws", "/nowhere").encode())
    assert socket.writes[0].startswith(b"HTTP/1.1 404")
    assert socket.closing
    async with asyncio.timeout(20):
        await cut.wait()


async def test_far_too_many_pings_close_the_connection(client: Client) -> None:
    client.reads(*[PING] * (FLOOD_FACTOR * REQUESTS_PER_SECOND_MAX))
    assert client.written() == [[Opcode.PONG] * (FLOOD_FACTOR * REQUESTS_PER_SECOND_MAX)]
    client.reads(PING)
    assert client.written() == [[Opcode.PONG, Opcode.CLOSE]]


@pytest.mark.interpreted
async def test_a_stream_that_can_not_be_encoded_closes_its_readers(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for channel in ("book", "trades"):
        client.reads(request(1, "subscribe", channel=channel, symbols=[BTC.symbol]))
    client.written()
    monkeypatch.setattr(client.world.renderer, "data_of", lambda _: 1 // 0)
    with pytest.raises(CodecFailed):
        client.world.do(order("buy", 100, 5))
    assert client.written() == [[Opcode.CLOSE]]
    assert client.written() == []


async def test_a_connection_keeps_nothing_of_its_upgrade(client: Client) -> None:
    connection = client.connection
    assert type(connection._ws) is Protocol
    for kept in (connection, connection._messages, connection._session):
        assert not hasattr(kept, "__dict__")  # a quarter of its memory
