"""Who sends: our server with all that a trade goes through, and the peers with ready bytes of the same length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from socket import socket
from typing import NamedTuple

from benchmarks.latency.arrivals import Reader
from benchmarks.latency.trades import SUBSCRIBE, Trades, TradesReader, trade_bytes
from benchmarks.load import connect, stream_of
from benchmarks.peers import OURS, serving
from benchmarks.processes import said, started, tell


class Sent(NamedTuple):
    """What a server says in the end.

    Args:
        started_ns: when message 0 was due.
        working: share of the time in which it had something to do, and `per_turn`: messages that it handled together,
            on average; 0 if it does not tell.
    """

    started_ns: int
    working: float = 0.0
    per_turn: float = 0.0


class Contestant(NamedTuple):
    """A server that listens.

    Args:
        connect: makes a client whose next bytes are those of the stream.
        reader: makes what checks a client's bytes.
        start: lets it send. report: waits until all is sent.
        stamps: of each message that was received, when it came to the tape, ns; empty where there is no tape.
    """

    connect: Callable[[], socket]
    reader: Callable[[], Reader]
    start: Callable[[], None]
    report: Callable[[], Sent]
    stamps: Sequence[int] = ()


def contestant(name: str, *, rate: int, messages: int, lose: int) -> AbstractContextManager[Contestant]:
    """A server that listens, and is stopped at the end.

    Args:
        rate: messages a second. messages: how many it is to send.
        lose: number of one to leave out, to see the check fail; -1 for none.

    Raises:
        Wrong: it has ended.
    """
    return _ours(rate, messages, lose) if name == OURS else _peer(name, rate, messages, lose)


@contextmanager
def _ours(rate: int, messages: int, lose: int) -> Iterator[Contestant]:
    with started("benchmarks.latency.server", "--rate", rate, "--messages", messages, "--lose", lose) as process:
        try:
            port = said(process)["port"]

            def report() -> Sent:
                return Sent(**said(process))

            trades = Trades(messages, rate)
            yield Contestant(
                connect=partial(connect, port, SUBSCRIBE, 3),  # hello, the reply and the snapshot come first
                reader=partial(TradesReader, trades),
                start=partial(tell, process, "start"),
                report=report,
                stamps=trades.stamps,
            )
            tell(process, "stop")
        except BaseException:
            process.kill()
            raise


@contextmanager
def _peer(name: str, rate: int, messages: int, lose: int) -> Iterator[Contestant]:
    size = trade_bytes(messages)
    stream, reader = stream_of(name, messages, size)
    with serving(name, messages=messages, rate=rate, payload_bytes=size, lose=lose) as server:
        yield Contestant(
            connect=partial(connect, server),
            reader=partial(reader, stream),
            start=server.start,
            report=lambda: Sent(server.report().started_ns),
        )
