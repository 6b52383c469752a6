"""The client's socket: messages put together from frames, and a server that breaks the protocol."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

from tickwire.client.link import open_link
from tickwire.protocol.codec import frame


def sent(opcode: Opcode, data: bytes = b"", fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=False)


class Listener:
    """A receiver that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.lost: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    def received(self, data: bytes) -> None:
        self.messages.append(data)

    def link_lost(self, code: int, reason: str) -> None:
        self.lost.set_result((code, reason))


async def told(stream: bytes) -> tuple[list[bytes], int, int | None, list[bytes]]:
    """What becomes of these bytes of a server: the messages, the code that the client's side ends with, the one that it
    sends to the server, and its pongs."""
    pongs: list[bytes] = []
    closed: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def handler(ws: ServerConnection) -> None:
        parse = ws.protocol.recv_frame

        def recv_frame(frame: Frame) -> None:
            if frame.opcode is Opcode.PONG:
                pongs.append(bytes(frame.data))
            parse(frame)

        ws.protocol.recv_frame = recv_frame  # type: ignore[method-assign]
        ws.transport.write(stream)
        await ws.wait_closed()
        closed.set_result(ws.protocol.close_rcvd.code if ws.protocol.close_rcvd else None)

    listener = Listener()
    async with asyncio.timeout(20), serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        await open_link(f"ws://127.0.0.1:{port}", "json", listener)
        code, _ = await listener.lost
        return listener.messages, code, await closed, pongs


BYE = sent(Opcode.CLOSE, b"\x03\xe8")


async def test_messages_are_put_together_whatever_is_between_their_frames() -> None:
    text = "aé€\U0001f600".encode()
    pieces = [sent(Opcode.TEXT, text[:2], fin=False), sent(Opcode.PING, b"p")]
    pieces += [sent(Opcode.CONT, text[2:4], fin=False), sent(Opcode.PONG), sent(Opcode.CONT, text[4:])]
    messages, code, answer, pongs = await told(sent(Opcode.BINARY, b"\xff") + b"".join(pieces) + BYE)
    assert (messages, code, answer, pongs) == ([b"\xff", text], 1000, 1000, [b"p"])


@pytest.mark.parametrize(
    ("breach", "code"),
    [
        (frame(0x41, b"reserved bit"), 1002),
        (frame(0x49, b"reserved bit"), 1002),
        (sent(Opcode.CONT, b"x"), 1002),
        (sent(Opcode.TEXT, b"x", fin=False) + sent(Opcode.TEXT, b"x"), 1002),
        (sent(Opcode.TEXT, b"x", fin=False) + sent(Opcode.BINARY, b"x", fin=False), 1002),
        (sent(Opcode.TEXT, b"\xff"), 1007),
        (sent(Opcode.TEXT, b"\xed\xa0", fin=False) + sent(Opcode.CONT, b"\x80"), 1007),
        (sent(Opcode.TEXT, b"\xc3", fin=False) + sent(Opcode.CONT), 1007),
    ],
)
async def test_what_breaks_the_protocol_ends_the_connection(breach: bytes, code: int) -> None:
    first, then = sent(Opcode.TEXT, b"first"), sent(Opcode.TEXT, b"then")
    assert await told(first + breach + then) == ([b"first"], code, code, [])


@pytest.mark.parametrize(
    ("said", "answer"), [(b"", 1000), (b"\x0f\xa1", 4001), (b"\x00\x00", 1002), (b"\x03\xee", 1002)]
)
async def test_a_close_frame_is_answered_with_its_code_if_it_may_bear_it(said: bytes, answer: int) -> None:
    _, code, answered, _ = await told(sent(Opcode.CLOSE, said))
    assert (code, answered) == (int.from_bytes(said, "big") if said else 1005, answer)
