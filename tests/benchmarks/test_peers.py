"""The servers of the benchmarks: each sends what was agreed, and what is lost on the way is noticed."""

from __future__ import annotations

import ctypes
import os
import select
import sys
from pathlib import Path

import pytest

from benchmarks.load import (
    Reader,
    Stream,
    UnframedReader,
    connect,
    frame_size,
    nats_message,
    order,
    receive,
    stream_of,
    subscribed,
)
from benchmarks.peers import PEERS, serving
from benchmarks.peers.workload import frame, framed, payload
from benchmarks.processes import said, started_program
from benchmarks.results import Wrong
from tickwire.protocol.codec import JSON

HEARTBEAT = JSON.frame(
    {"type": "heartbeat", "time": 1, "streams": [{"channel": "trades", "symbol": "S", "seq": 3}] * 3}
)
PING = b"\x89\x041234"
RUNNABLE = [name for name, peer in PEERS.items() if peer.available]


def feed(reader: Reader, chunks: list[bytes]) -> Reader:
    for chunk in chunks:
        buffer = ctypes.create_string_buffer(chunk, len(chunk))
        reader.received(ctypes.addressof(buffer), len(chunk))
    return reader


def read(chunks: list[bytes], messages: int) -> Reader:
    return feed(Reader(Stream(messages)), chunks)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


# ---- messages -------------------------------------------------------------------------------------


def test_a_message_is_127_bytes_on_the_wire_and_bears_its_number() -> None:
    assert len(payload(41)) == 125
    assert payload(41).startswith(b'{"n":000000000041,')
    assert frame(41) == b"\x81\x7d" + payload(41)
    assert payload(41) != payload(42)


def test_a_longer_message_has_a_longer_header() -> None:
    assert len(payload(41, 300)) == 300
    assert frame(41, 300) == b"\x81\x7e\x01\x2c" + payload(41, 300)
    assert frame_size(frame(41, 300)[:4]) == 304
    assert frame_size(frame(41, 300)[:3]) is None
    assert frame_size(b"\x82\x7f" + (70_000).to_bytes(8, "big")) == 70_010


def test_every_stream_has_as_many_readers() -> None:
    assert subscribed(3, 100) == [3, 14, 25, 36, 47, 58, 69, 80, 91, 2]
    assert sorted(stream for client in range(100) for stream in subscribed(client, 100)) == sorted([*range(100)] * 10)


def test_the_order_between_streams_is_that_of_the_server() -> None:
    assert order("socketify", {1, 2}, 12, 3, turn=6) == [1, 2, 4, 5, 7, 8, 10, 11]
    assert order("tickwire", {1, 2}, 12, 3, turn=6) == [1, 4, 2, 5, 7, 10, 8, 11]
    assert order("tickwire", {0, 2}, 12, 3, turn=5) == [0, 3, 2, 5, 8, 6, 9, 11]


# ---- the check of every byte ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 126, 127, 128, 1000])
def test_the_stream_is_accepted_in_pieces_of_any_size(size: int) -> None:
    reader = read(pieces(b"".join(map(frame, range(6))), size), 6)
    assert (reader.complete, reader.heartbeats, reader.awaited) == (True, 0, 6)


@pytest.mark.parametrize("size", [1, 3, 126, 127, 1000])
def test_a_heartbeat_or_a_ping_between_two_messages_is_no_error(size: int) -> None:
    data = HEARTBEAT + frame(0) + HEARTBEAT + PING + frame(1) + frame(2) + HEARTBEAT
    reader = read(pieces(data, size), 3)
    assert (reader.complete, reader.begun, reader.heartbeats) == (True, b"", 4)


@pytest.mark.parametrize(
    "frames",
    [
        [frame(0), frame(2), frame(3)],
        [frame(0), frame(0), frame(1)],
        [frame(1), frame(0), frame(2)],
        [frame(0), frame(1)[:-3] + b"?" + frame(1)[-2:], frame(2)],
        [frame(0), frame(1), frame(2), frame(3)],
        [frame(0), JSON.frame({"type": "gap"}), frame(1), frame(2)],
        [frame(0), JSON.frame({"type": "skipped"}), frame(1), frame(2)],
        [frame(0), HEARTBEAT, frame(1), frame(1)],
    ],
    ids=["lost", "twice", "swapped", "changed", "too many", "gap", "skipped", "twice after a heartbeat"],
)
def test_anything_else_is_an_error(frames: list[bytes]) -> None:
    with pytest.raises(Wrong, match="was to come, but this came"):
        read([b"".join(frames)], 3)
    with pytest.raises(Wrong, match="was to come, but this came"):
        read(frames, 3)


@pytest.mark.parametrize("size", [1, 2, 9, 145, 146, 1000])
@pytest.mark.parametrize("cut", [100, 144, 145, 400])
def test_nats_cuts_the_stream_into_frames_wherever_it_likes(size: int, cut: int) -> None:
    stream, reader = stream_of("nats", 6)
    assert reader is UnframedReader
    protocol = b"".join(map(nats_message, range(3))) + b"PING\r\n" + b"".join(map(nats_message, range(3, 6)))
    read = feed(reader(stream), pieces(b"".join(map(framed, pieces(protocol, cut))), size))
    assert (read.complete, read.heartbeats, read.awaited) == (True, 1, 6)


def test_a_lost_message_of_nats_is_an_error() -> None:
    stream, reader = stream_of("nats", 6)
    protocol = b"".join(nats_message(n) for n in (0, 1, 3, 4))
    with pytest.raises(Wrong, match="message 2 was to come, but this came: b'MSG s000 000 125"):
        feed(reader(stream), [framed(protocol)])


def test_a_stream_that_begins_anew_is_checked_to_its_end() -> None:
    def laps(chunks: list[bytes]) -> Reader:
        return feed(Reader(Stream(3, in_all=8)), chunks)

    data = b"".join(frame(n % 3) for n in range(8))
    for size in (1, 127, 200, 1016):
        read = laps(pieces(data, size))
        assert (read.complete, read.awaited) == (True, 8)
    between = 5 * 127  # two messages into the second lap
    read = laps([data[:between], HEARTBEAT[:9], HEARTBEAT[9:] + data[between:]])
    assert (read.complete, read.awaited, read.heartbeats) == (True, 8, 1)
    assert not laps([data[:-1]]).complete
    with pytest.raises(Wrong, match="message 8 was to come, but this came"):
        laps([data + frame(2)])
    with pytest.raises(Wrong, match="message 8 was to come, but this came"):
        laps([data, frame(2)])
    with pytest.raises(Wrong, match="message 5 was to come, but this came"):
        laps(pieces(data[: 5 * 127] + data[6 * 127 :], 200))


# ---- servers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_server_sends_all_but_what_it_is_to_lose(name: str) -> None:
    stream, reader = stream_of(name, 100, 300)
    with serving(name, messages=100, turn=16, payload_bytes=300, lose=70) as server:
        clients = [connect(server) for _ in range(2)]
        server.start()
        with pytest.raises(Wrong, match=r"message 70 was to come, but this came: .*000000000071"):
            receive({client: reader(stream) for client in clients})
        server.kill()
        for client in clients:
            client.close()


@pytest.mark.parametrize("name", ["tickwire", "socketify", "limit"])
def test_a_server_keeps_the_rate(name: str) -> None:
    stream, reader = stream_of(name, 100)
    with serving(name, messages=100, rate=1_000) as server:
        client = connect(server)
        server.start()
        received = receive({client: reader(stream)})
        report = server.report()
        client.close()
    # the last one was due 99 ms after the start
    assert received.ended_ns - report.started_ns >= 99_000_000
    assert report.waited_seconds == 0


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_server_stays_on_its_core(name: str) -> None:
    cores = sorted(os.sched_getaffinity(0))
    with serving(name, messages=1) as server:
        threads = [int(each.name) for each in Path(f"/proc/{server.pid}/task").iterdir()]
        assert [os.sched_getaffinity(thread) for thread in threads] == [{cores[0]}] * len(threads)


def test_what_publishes_to_nats_is_counted() -> None:
    if not PEERS["nats"].available:
        pytest.skip(PEERS["nats"].why_not)
    with serving("nats", messages=1_000) as server:
        server.start()
        report = server.report()
    assert report.load_cpu_seconds > 0
    assert report.cpu_seconds > 0


def test_what_was_started_ends_when_who_started_it_is_killed() -> None:
    program = (
        "import time; from benchmarks.processes import say, started_program;"
        "say(pid=started_program('sleep', 600).pid); time.sleep(600)"
    )
    parent = started_program(sys.executable, "-c", program)
    child = os.pidfd_open(said(parent)["pid"])
    parent.kill()
    parent.communicate()
    ended, _, _ = select.select([child], [], [], 10)
    os.close(child)
    assert ended == [child]


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = PEERS["ws"]._replace(needs="no-such-node")
    monkeypatch.setitem(PEERS, "ws", missing)
    assert not missing.available
    with pytest.raises(Wrong, match="there is no no-such-node here"), serving("ws", messages=1):
        pass
