"""The WebSocket door: upgrades and frames, damaged and cut anywhere; `server/frames.py`, `websockets`, the session.

The contract: nothing raises, and nothing is logged as an error. All that the server writes is whole frames, without a
mask. Every message is answered and every ping, in the order they came in, up to the first frame that breaks a rule:
that is answered with a Close frame that says so, after which nothing follows. What is kept of a connection
between two reads is less than a header, a frame and the fragments of one message.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.utils import apply_mask

from fuzz.doors import Entrance, Socket
from fuzz.harness import fuzzed, torn
from support import frames
from tickwire.limits import MESSAGE_BYTES_MAX
from tickwire.protocol.codec import frame
from tickwire.server.frames import Messages

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
EXTRAS = [
    b"Sec-WebSocket-Protocol: tickwire.v1.json\r\n",
    b"Sec-WebSocket-Protocol: tickwire.v1.msgpack, nothing\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
    b"Origin: http://localhost\r\n",
    b"Authorization: Bearer a.b.c\r\n",
]


MASK = b"\x12\x34\x56\x78"


def sent(opcode: Opcode, data: bytes, fin: bool = True) -> bytes:
    """A client's frame, always with the same mask."""
    whole = frame(opcode, data)
    header = whole[: len(whole) - len(data)]
    return bytes([header[0] if fin else opcode, header[1] | 0x80]) + header[2:] + MASK + apply_mask(data, MASK)


@st.composite
def items(draw: st.DrawFn) -> list[tuple[bytes, Any]]:
    """Frames, each with the answer that it must have: a request's id, a ping's payload; None for none."""
    found: list[tuple[bytes, Any]] = []
    for number in range(draw(st.integers(1, 5))):
        request = json.dumps({"id": number, "method": draw(st.sampled_from(["ping", "nope", "é"]))}).encode()
        match draw(st.integers(0, 3)):
            case 0:
                found.append((sent(Opcode.TEXT, request), number))
            case 1:
                found.append((sent(Opcode.PING, b"%d" % number), b"%d" % number))
            case 2:
                found.append((sent(Opcode.PONG, b"?"), None))
            case _:
                at = draw(st.integers(0, len(request)))
                found.append((sent(Opcode.TEXT, request[:at], fin=False), None))
                if draw(st.booleans()):
                    found.append((sent(Opcode.PING, b"inside"), b"inside"))
                found.append((sent(Opcode.CONT, request[at:]), number))
    return found


BREACHES = [
    (sent(Opcode.CONT, b"x"), 1002),
    (sent(Opcode.TEXT, b"x", fin=False) + sent(Opcode.TEXT, b"x"), 1002),
    (sent(Opcode.TEXT, b"\xff"), 1007),
    (sent(Opcode.TEXT, b"\xed\xa0", fin=False) + sent(Opcode.CONT, b"\x80"), 1007),
    (sent(Opcode.TEXT, b"x" * (MESSAGE_BYTES_MAX + 1)), 1009),
    (sent(Opcode.TEXT, b"x" * MESSAGE_BYTES_MAX, fin=False) + sent(Opcode.CONT, b"x"), 1009),
    (sent(Opcode.CLOSE, b"\x03\xe8bye"), 1000),
    (sent(Opcode.CLOSE, b"\x03\xed"), 1002),
    (sent(Opcode.CLOSE, b"\x03"), 1002),
    (Frame(Opcode.TEXT, b"x").serialize(mask=False), 1002),
    (b"\x83\x80abcd", 1002),
    (b"\xf1\x80abcd", 1002),
    (b"\x09\x80abcd", 1002),
]
"""What ends a connection, and the code it ends with."""


def said(socket: Socket) -> list[Frame]:
    """The frames behind the handshake and the hello, each held to what all must be."""
    head, _, rest = bytes(socket.written).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    hello, *found = frames(rest)
    assert b"hello" in hello.data
    for answer in found:
        assert answer.fin
        if answer.opcode is Opcode.CLOSE:
            Close.parse(bytes(answer.data)).check()
            assert answer is found[-1]
    assert socket.hung_up == any(answer.opcode is Opcode.CLOSE for answer in found)
    return found


def answers(found: list[Frame]) -> list[Any]:
    return [
        json.loads(bytes(answer.data))["id"] if answer.opcode is Opcode.TEXT else bytes(answer.data)
        for answer in found
        if answer.opcode is not Opcode.CLOSE
    ]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    cuts = sorted(place % (len(stream) + 1) for place in places)
    return [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]


@fuzzed(80)
@given(items(), st.lists(st.integers(0, 10**6), max_size=8))
def test_every_message_and_ping_is_answered_in_order(
    entrance: Entrance, good: list[tuple[bytes, Any]], places: list[int]
) -> None:
    stream = b"".join(item for item, _ in good)
    found = said(entrance.say(UPGRADE + b"\r\n", *cut(stream, places)))
    assert answers(found) == [answer for _, answer in good if answer is not None]
    assert all(answer.opcode is not Opcode.CLOSE for answer in found)


@pytest.mark.parametrize("breach", BREACHES)
@fuzzed(6)
@given(good=items(), rest=items(), places=st.lists(st.integers(0, 10**6), max_size=8))
@example(good=[], rest=[], places=[])
def test_the_first_frame_that_ends_the_connection_is_the_last_one_that_counts(
    entrance: Entrance, breach: tuple[bytes, int], good: list[Any], rest: list[Any], places: list[int]
) -> None:
    stream = b"".join([*(item for item, _ in good), breach[0], *(item for item, _ in rest)])
    found = said(entrance.say(UPGRADE + b"\r\n", *cut(stream, places)))
    assert answers(found) == [answer for _, answer in good if answer is not None]
    assert Close.parse(bytes(found[-1].data)).code == breach[1]


@fuzzed(80)
@given(st.data(), items(), st.lists(st.integers(0, 10**6), max_size=4))
def test_torn_frames(entrance: Entrance, data: st.DataObject, good: list[tuple[bytes, Any]], places: list[int]) -> None:
    stream = data.draw(torn(b"".join(item for item, _ in good)))
    said(entrance.say(UPGRADE + b"\r\n", *cut(stream, places)))


@fuzzed(60)
@given(st.binary(max_size=100), st.lists(st.integers(0, 10**6), max_size=4))
def test_any_bytes(entrance: Entrance, stream: bytes, places: list[int]) -> None:
    said(entrance.say(UPGRADE + b"\r\n", *cut(stream, places)))


@fuzzed(60)
@given(st.data(), st.lists(st.sampled_from(EXTRAS), max_size=3), st.lists(st.integers(0, 10**6), max_size=3))
def test_torn_upgrades(entrance: Entrance, data: st.DataObject, extras: list[bytes], places: list[int]) -> None:
    stream = data.draw(torn(UPGRADE + b"".join(extras) + b"\r\n"))
    written = bytes(entrance.say(*cut(stream, places)).written)
    if written:
        assert written[:13] in {b"HTTP/1.1 %d " % status for status in (101, 200, 400, 401, 403, 404, 405, 426, 431)}


SIZE_MAX = 200


@fuzzed(100)
@given(st.lists(st.binary(max_size=SIZE_MAX + 50), max_size=8), st.lists(st.integers(0, 10**6), max_size=8))
def test_little_is_kept_of_what_is_not_complete(parts: list[bytes], places: list[int]) -> None:
    stream = b"".join(sent(Opcode.CONT if at else Opcode.BINARY, part, fin=False) for at, part in enumerate(parts))
    ws = ServerProtocol(state=State.OPEN, max_size=SIZE_MAX)
    messages = Messages(ws)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tickwire.server.frames.MESSAGE_BYTES_MAX", SIZE_MAX)
        for piece in cut(stream, places):
            assert list(messages.received(piece)) == []
            assert len(messages._fragments or b"") <= SIZE_MAX
            assert len(messages._header) < 10
            assert len(ws.reader.buffer) < SIZE_MAX + 14
    assert (ws.state is State.OPEN) == (sum(map(len, parts)) <= SIZE_MAX)
