"""The benchmark of polling beside a stream: staleness is exact, and another book than the server's is noticed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

import benchmarks.rest
from benchmarks.peers.workload import framed
from benchmarks.rest import Client, Followed, Reader, check, summary
from benchmarks.rest.page import page
from benchmarks.rest.recording import Change, digest
from benchmarks.rest.staleness import Staleness
from benchmarks.results import Result, Wrong

PUBLISHED = [(1, 0), (2, 100), (3, 200), (4, 300)]


def test_staleness_counts_from_the_first_change_that_is_not_held() -> None:
    staleness = Staleness()
    staleness.add([(0, 1), (250, 3)], PUBLISHED, begin=0, end=400)
    # current to 100, then 0 to 150 old; current from 250 to 300, then 0 to 100 old
    assert [staleness.share_within(age) for age in (0, 50, 100, 149, 150)] == [0.375, 0.625, 0.875, 0.9975, 1.0]
    assert (staleness.changes, staleness.missed) == (4, 2)


def test_staleness_of_what_was_old_when_it_came() -> None:
    staleness = Staleness()
    staleness.add([(0, 1), (320, 2)], PUBLISHED, begin=150, end=350)
    # 50 to 220 old until 320, then 120 to 150 old
    assert [staleness.share_within(age) for age in (50, 120, 150, 220)] == [0.0, 0.35, 0.65, 1.0]
    assert (staleness.changes, staleness.missed) == (2, 2)


def test_what_is_heard_of_after_the_end_was_not_missed() -> None:
    staleness = Staleness()
    staleness.add([(0, 1), (120, 2), (420, 3), (430, 4)], PUBLISHED, begin=0, end=250)
    # 0 to 20 old from 100 to 120, 0 to 50 old from 200 on
    assert [staleness.share_within(age) for age in (0, 20, 50)] == [0.72, 0.88, 1.0]
    assert (staleness.changes, staleness.missed) == (3, 0)


def test_quantiles_of_staleness_are_exact() -> None:
    staleness = Staleness()
    staleness.add([(0, 1)], [(1, 0), (2, 10**9)], begin=0, end=3 * 10**9)
    staleness.add([(0, 2)], [(1, 0), (2, 0)], begin=0, end=10**9)
    assert staleness.quantile(0.5) == 0
    assert staleness.quantile(0.75) == pytest.approx(10**9, abs=2_000)
    assert staleness.quantile(1) == pytest.approx(2 * 10**9, abs=2_000)


class Held(Client):
    """A client that says it had these books."""

    def __init__(self, *held: tuple[int, int, str]) -> None:
        super().__init__()
        self._held = held

    def held(self) -> Iterator[tuple[int, int, str]]:
        """See `Client`."""
        yield from self._held


def test_polling_fails_on_another_book_than_the_server_had() -> None:
    changes = [Change(1, 0, "one", 2), Change(2, 50, "two", 2)]
    staleness = Staleness()
    check(Held((0, 1, "one"), (60, 2, "two")), changes, staleness, 0, 100)
    assert staleness.share_within(0) == pytest.approx(0.9)
    for held in ((60, 2, "one"), (60, 3, "two"), (160, 2, "one")):
        with pytest.raises(Wrong, match="is not the book that the server's tape has"):
            check(Held((0, 1, "one"), held), changes, Staleness(), 0, 100)


def test_a_client_must_be_there_from_the_beginning_on() -> None:
    with pytest.raises(Wrong, match="a client was not there when the measurement began"):
        check(Held((1, 1, "one")), [Change(1, 0, "one", 2)], Staleness(), 0, 100)


def book(kind: str, seq: int, *bids: tuple[str, str]) -> tuple[int, bytes]:
    return seq, json.dumps({"type": kind, "seq": seq, "data": {"bids": bids, "asks": []}}).encode()


def test_a_reader_of_the_stream_rebuilds_the_book() -> None:
    reader = Reader.__new__(Reader)
    reader.received = [
        book("snapshot", 4, ("9.9", "1"), ("10.1", "2")),
        (5, b'{"type":"heartbeat"}'),
        book("update", 5, ("10.1", "0"), ("11.0", "3"), ("9.9", "4")),
    ]
    books = [[("10.1", "2"), ("9.9", "1")], [("11.0", "3"), ("9.9", "4")]]
    assert list(reader.held()) == [(4 + n, 4 + n, digest(bids, [])) for n, bids in enumerate(books)]
    for wrong in (book("update", 7), book("update", 5), (7, b'{"type":"gap"}')):
        reader.received[3:] = [wrong]
        with pytest.raises(Wrong, match="the book's message 6 was to come, but this came"):
            list(reader.held())


def answered(payload: bytes) -> tuple[Reader, socket.socket]:
    """A reader that holds the book at 4, of a server that has sent this."""
    reader = Reader.__new__(Reader)
    reader.received, reader._begun, reader.bytes = [book("snapshot", 4)], b"", 0
    reader._socket, server = socket.socketpair()
    server.sendall(payload)
    return reader, server


def test_a_reader_hears_of_all_that_the_tape_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks.rest, "ANSWER_SECONDS_MAX", 0.01)
    updates = [book("update", seq)[1] for seq in (5, 6, 7)]
    reader, server = answered(b"".join(map(framed, updates)) + b"\x81")
    with reader._socket, server:
        changes = [Change(seq, 0, digest([], []), 0) for seq in (4, 5, 6, 7, 8)]
        check(reader, changes[:3], Staleness(), begin=4, end=5)
        assert [payload for _, payload in reader.received[1:]] == updates
        with pytest.raises(Wrong, match="the stream fell silent before number 8 of the book"):
            check(reader, changes, Staleness(), begin=4, end=5)
        server.close()
        with pytest.raises(Wrong, match="the server closed a stream"):
            check(reader, changes, Staleness(), begin=4, end=5)


def followed(cpu_seconds: float) -> Followed:
    staleness = Staleness()
    staleness.add([(0, 1), (99_999_999, 3)], [(1, 0), (2, 0), (3, 0)], begin=0, end=100_000_000)
    return Followed(staleness, changes=10, levels=4, bytes=4_000, cpu_seconds=cpu_seconds)


def test_the_page_says_what_was_measured() -> None:
    ways = ["stream", "GET, 1 Hz", "GET, 10 Hz", "GET, 100 Hz"]
    measured = summary({name: followed(0.005 + n / 1000) for n, name in enumerate(ways)}, 2, 20, idle=0.005)
    assert [row[0] for row in measured.tables[0].rows] == ways
    assert [row[4:] for row in measured.tables[0].rows] == [[2, pytest.approx(n / 2)] for n in range(4)]
    assert list(measured.charts[0].series) == ways  # type: ignore[union-attr]
    text = page(Result("rest", "", "", 0, {}, measured))
    assert "A book of 4 levels that changes 10 times a second" in text
    assert [line for line in text.splitlines() if line.startswith("| GET, 100 Hz")] == [
        "| GET, 100 Hz | 50 ms | 99 ms | 33.3% | 2 KB/s | 1.5 ms/s |"
    ]
    assert "2 clients of each kind for 20 s" in text
