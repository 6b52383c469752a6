"""The clients of the encodings benchmark: each compares every byte with what its encoding has to say."""

from __future__ import annotations

import ctypes
import socket
from argparse import ArgumentParser
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import msgspec

from benchmarks.encodings.played import inflated, keys, opened, saved
from benchmarks.load import Reader, Stream, frame_size, receive
from benchmarks.processes import LOAD_CORE, pin, say
from benchmarks.results import Wrong
from tickwire.model.channel import StreamKey
from tickwire.protocol.client_codec import by_request, stream_params
from tickwire.protocol.deflate import WIRE_ENCODINGS

_UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {protocol}\r\n"
    "{extensions}\r\n"
)
_DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"


class Frames(Stream):
    """What every client has to receive, in frames of any length."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        self.data = b"".join(frames)
        self.address = ctypes.cast(ctypes.c_char_p(self.data), ctypes.c_void_p).value or 0
        self.starts = [0, *accumulate(map(len, frames))]
        """Where each begins; last, where the stream ends."""


class FramesReader(Reader):
    """One client's place in such a stream."""

    __slots__ = ()
    _stream: Frames

    @property
    def awaited(self) -> int:
        """See `Reader`."""
        return bisect_right(self._stream.starts, self.position) - 1

    def _by_frame(self, data: bytes) -> None:
        expected, starts = self._stream.data, self._stream.starts
        number = self.awaited
        data = expected[starts[number] : self.position] + self.begun + data
        at = 0
        while (size := frame_size(data[at : at + 10])) is not None and at + size <= len(data):
            whole = data[at : at + size]
            if number + 1 < len(starts) and whole == expected[starts[number] : starts[number + 1]]:
                number += 1
            elif b"heartbeat" in inflated(whole)[:24]:
                self.heartbeats += 1
            else:
                raise Wrong(f"message {number} was to come, but this came: {inflated(whole)[:160]!r}")
            at += size
        rest = data[at:]
        is_next = expected.startswith(rest, starts[number])
        self.begun = b"" if is_next else rest
        self.position = starts[number] + len(rest) if is_next else starts[number]


def connect(port: int, encoding: str, requests: list[list[StreamKey]]) -> socket.socket:
    """A client that has subscribed, and whose next bytes are those of the streams.

    Raises:
        Wrong: the server refused it, or does not speak this encoding.
    """
    protocol, _, compressed = encoding.partition("+")
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(_UPGRADE.format(protocol=protocol, extensions=_DEFLATE if compressed else "").encode())
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += _some(client)
    end = received.index(b"\r\n\r\n") + 4
    answer = bytes(received[:end]).decode()
    if f": {protocol}\r\n" not in answer or ("permessage-deflate" in answer) != bool(compressed):
        raise Wrong(f"the upgrade to {encoding} was answered with {answer!r}")
    del received[:end]
    wire = WIRE_ENCODINGS[protocol]
    for number, request in enumerate(requests, 1):
        for each in by_request(request):
            body = wire.encode({"id": number, "method": "subscribe", "params": stream_params(each)})
            client.sendall(bytes((0x80 | wire.opcode, 0xFE)) + len(body).to_bytes(2, "big") + bytes(4) + body)
    for _ in range(1 + len(requests) + sum(map(len, requests))):  # hello, the replies, and a snapshot a stream
        while (size := frame_size(received)) is None or size > len(received):
            received += _some(client)
        del received[:size]
    if received:
        raise Wrong("the stream began before the start was given")
    client.setblocking(False)
    return client


def _some(client: socket.socket) -> bytes:
    data = client.recv(1 << 20)
    if not data:
        raise Wrong("the server closed the connection before the stream began")
    return data


def main() -> int:
    """Connect, read, check and report."""
    parser = ArgumentParser()
    parser.add_argument("transactions", type=Path, help="a file of `played.save`")
    parser.add_argument("frames", type=Path, help="the frames that have to come, as MessagePack")
    parser.add_argument("--encoding", choices=WIRE_ENCODINGS, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clients", type=int, required=True)
    given = parser.parse_args()
    pin(LOAD_CORE)
    requests = keys(opened(saved(given.transactions)[0]).market)
    stream = Frames(msgspec.msgpack.decode(given.frames.read_bytes(), type=list[bytes]))
    try:
        readers = {connect(given.port, given.encoding, requests): FramesReader(stream) for _ in range(given.clients)}
        say(ready=given.clients)
        received = receive(readers)
    except (Wrong, OSError) as error:
        say(error=str(error))
        return 1
    say(**received._asdict())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
