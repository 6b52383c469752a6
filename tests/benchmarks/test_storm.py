from __future__ import annotations

import socket
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks import storm
from benchmarks.load import HEARTBEAT, Stream
from benchmarks.results import Wrong
from benchmarks.storm import Storm, connection_storm
from benchmarks.storm.arriving import Arriving, Loop, arrive
from benchmarks.storm.resuming import Plan, Resumed, resume_storm

PLAN = Plan(clients=3, others=1, rate=100, payload_bytes=50, calm=0.2, away=0.1, after=0.1)
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: %b\r\n\r\n"


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that answers whatever one client asks with the same; its port."""

    def serve() -> None:
        client, _ = listening.accept()
        with client:
            client.recv(65_536)
            client.sendall(answer)
            client.recv(65_536)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve)
        serving.start()
        try:
            yield listening.getsockname()[1]
        finally:
            serving.join()


def arrived(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> Arriving:
    """A client that asked with the key of RFC 6455, section 1.3."""
    monkeypatch.setattr("benchmarks.storm.arriving.os.urandom", lambda _: b"the sample nonce")
    loop = Loop()
    with answering(answer) as port:
        client = Arriving(port, "/ws", b"", 1)
        monkeypatch.setattr("benchmarks.storm.arriving.hashlib.sha1", None)  # what is timed has nothing to compute
        try:
            arrive(loop, [client])
        finally:
            loop.close()
            client.socket.close()
    return client


def test_a_client_is_there_when_it_has_been_greeted(monkeypatch: pytest.MonkeyPatch) -> None:
    heartbeat = bytes((0x81, len(HEARTBEAT))) + HEARTBEAT
    client = arrived(UPGRADED % b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" + heartbeat + b"\x81\x02hi\x81\x01", monkeypatch)
    assert client.greeted == [b"\x81\x02hi"]
    assert client.rest == b"\x81\x01"


@pytest.mark.parametrize(
    "answer",
    [UPGRADED % b"s3pPLMBiTxaQ9kYGzzhZRbK+xOp=", b"HTTP/1.1 503 Service Unavailable\r\n\r\n"],
)
def test_an_upgrade_that_is_not_granted_is_found(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Wrong, match="the upgrade was answered with"):
        arrived(answer, monkeypatch)


def test_a_message_that_is_lost_after_a_connection_storm_is_found() -> None:
    with pytest.raises(Wrong, match="tickwire, 2 clients at once: message 3 was to come"):
        connection_storm("tickwire", 2, lose=3)


def test_a_connection_storm_is_told_by_the_clock_and_by_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    storms = {"tickwire": Storm(0.2, 0.1, 0.75), "websockets": Storm(0.1, 0.02, 0.5)}
    monkeypatch.setattr(storm, "connection_storm", lambda name, *_: storms[name])
    monkeypatch.setattr(storm, "resume_storm", lambda _: Resumed(1.0, [1.0], 52, [1], [1], 0.5, 0.5))
    parser = ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    storm.options(parser)
    table = storm.measure(parser.parse_args(["--only", *storms, "--clients", "100", "--rounds", "1"])).tables[0]
    assert table.rows == [
        ["tickwire", 0.2, 500, pytest.approx(1_000), "75%", 1, 1],
        ["websockets", 0.1, 1_000, pytest.approx(200), "50%", 0.5, pytest.approx(0.2)],
    ]


def test_all_that_was_missed_comes_when_the_clients_come_back() -> None:
    resumed = resume_storm(PLAN)
    assert len(resumed.each) == 3
    assert max(resumed.each) <= resumed.seconds
    assert resumed.missed_bytes % 52 == 0
    assert resumed.missed_bytes >= 3 * 52


def test_a_message_that_is_missed_and_not_made_up_for_is_found() -> None:
    with pytest.raises(Wrong, match=r"message [0-9]+ was to come"):
        resume_storm(PLAN._replace(late=1))


def test_a_message_after_the_last_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.storm.resuming.Stream", lambda messages, make: Stream(messages - 1, make))
    with pytest.raises(Wrong, match="message 39 was to come, but this came"):
        resume_storm(PLAN)


def test_who_comes_back_from_a_place_that_there_is_not_is_found() -> None:
    with pytest.raises(Wrong, match=r"who comes back is told .*recovered"):
        resume_storm(PLAN._replace(late=1_000))
