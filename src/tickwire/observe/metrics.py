"""What `/metrics` shows, in Prometheus' text format.

Nothing of this runs until somebody asks: then the counts of `Meters` are read, and what can be looked up is looked up.
A label's values come from our own tables and settings, never from a client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from tickwire import __version__
from tickwire.clock import NowNs
from tickwire.market.market import Market
from tickwire.meters import OK, SECOND, Histogram, Meters
from tickwire.protocol.codes import CLOSE_CODES
from tickwire.streams.log import Cursor
from tickwire.tape.base import Tape

FEED_STATES = ("live", "stale", "down")
ACCEPTED = "accepted"
OTHER = "other"
"""The label of a close code that is in no table of ours: a client may send any."""

Labels: TypeAlias = tuple[str, ...]


class Client(Protocol):
    """What is read of a connection."""

    @property
    def encoding(self) -> str: ...
    @property
    def key_id(self) -> str | None: ...
    @property
    def lagging(self) -> Mapping[Cursor, None]: ...
    @property
    def unsent_bytes(self) -> int: ...


class Observed(NamedTuple):
    """The parts of a server that are read.

    Args:
        clients: the open connections.
        unready: why clients should not be sent here, "" when they may.
        pending_records: how many wait for the tape.
    """

    meters: Meters
    market: Market
    tape: Tape
    now: NowNs
    clients: Callable[[], Iterable[Client]]
    unready: Callable[[], str]
    pending_records: Callable[[], int]


class _Scrape:
    """The server at one moment: what takes a walk over all connections is found out in one."""

    def __init__(self, server: Observed) -> None:
        self.server = server
        self.connections: dict[str, int] = {}
        self.logged_in = self.lagging = self.lag_max = self.unsent = self.unsent_max = 0
        for client in server.clients():
            self.connections[client.encoding] = self.connections.get(client.encoding, 0) + 1
            self.logged_in += client.key_id is not None
            self.unsent += client.unsent_bytes
            self.unsent_max = max(self.unsent_max, client.unsent_bytes)
            if client.lagging:
                self.lagging += 1
                behind = sum(cursor.log.last_seq - cursor.seq for cursor in client.lagging)
                self.lag_max = max(self.lag_max, behind)

    def age(self, then: int) -> float:
        """Seconds since a moment."""
        return max(0, self.server.now() - then) / SECOND

    def closes(self) -> dict[str, int]:
        """By code, those that no table of ours has under one name."""
        found: dict[str, int] = {}
        for code, count in self.server.meters.closes.items():
            name = str(code) if code in _CLOSE_CODES else OTHER
            found[name] = found.get(name, 0) + count
        return found

    def orders(self) -> dict[Labels, int]:
        """By kind of operation and result."""
        found: dict[Labels, int] = {}
        for counts in (self.server.meters.requests, self.server.meters.batched):
            for (method, code), count in counts.items():
                if method in _OPERATIONS:
                    labels = method.removeprefix("order."), ACCEPTED if code == OK else code
                    found[labels] = found.get(labels, 0) + count
        return found


_OPERATIONS = ("order.place", "order.amend", "order.cancel", "order.cancel_all")
_CLOSE_CODES = {*CLOSE_CODES, 1001, 1003, 1005, 1006, 1008, 1010}
"""Ours and those of RFC 6455, section 7.4.1."""


class Row(NamedTuple):
    """A metric.

    Args:
        name: as it stands in `/metrics`; a histogram's series add `_bucket`, `_sum` and `_count`.
        help: what it is.
        read: its values, by the values of its labels; for a histogram, `Histogram`.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    read: Callable[[_Scrape], Any]
    labels: Labels = ()


def _one(value: float) -> dict[Labels, float]:
    return {(): value}


def _each(counts: Mapping[Any, float]) -> dict[Labels, float]:
    return {key if isinstance(key, tuple) else (str(key),): count for key, count in counts.items()}


ROWS = (
    Row(
        "tickwire_info",
        "gauge",
        "1; the labels tell the server's version and the tape",
        lambda s: {(__version__, s.server.tape.epoch): 1},
        ("version", "epoch"),
    ),
    Row(
        "tickwire_ready",
        "gauge",
        "1 while /readyz says that clients may be sent here, else 0",
        lambda s: _one(not s.server.unready()),
    ),
    Row("tickwire_connections", "gauge", "open WebSocket connections", lambda s: _each(s.connections), ("encoding",)),
    Row(
        "tickwire_sessions_logged_in", "gauge", "connections that are logged in with a key", lambda s: _one(s.logged_in)
    ),
    Row(
        "tickwire_clients_lagging", "gauge", "clients that are behind in at least one stream", lambda s: _one(s.lagging)
    ),
    Row(
        "tickwire_lag_messages_max",
        "gauge",
        "messages that the client furthest behind has still to get, of all its streams together",
        lambda s: _one(s.lag_max),
    ),
    Row("tickwire_unsent_bytes", "gauge", "bytes that wait in all sockets together", lambda s: _one(s.unsent)),
    Row("tickwire_unsent_bytes_max", "gauge", "bytes that wait in the fullest socket", lambda s: _one(s.unsent_max)),
    Row(
        "tickwire_sent_messages_total",
        "counter",
        "messages handed to sockets: of streams, replies and heartbeats",
        lambda s: {(name,): sent.messages for name, sent in s.server.meters.sent.items()},
        ("encoding",),
    ),
    Row(
        "tickwire_sent_bytes_total",
        "counter",
        "bytes of these messages, framed",
        lambda s: {(name,): sent.size for name, sent in s.server.meters.sent.items()},
        ("encoding",),
    ),
    Row(
        "tickwire_dropped_messages_total",
        "counter",
        "messages that slow clients were told they do not get: gap (a snapshot follows), skipped (the newest follows)",
        lambda s: _each(s.server.meters.dropped),
        ("kind",),
    ),
    Row(
        "tickwire_closes_total",
        "counter",
        "connections that ended, by close code; 1006 where there was none",
        lambda s: _each(s.closes()),
        ("code",),
    ),
    Row(
        "tickwire_connections_refused_total",
        "counter",
        "sockets and WebSocket upgrades that were refused, by HTTP status",
        lambda s: _each(s.server.meters.connections_refused),
        ("status",),
    ),
    Row(
        "tickwire_requests_total",
        "counter",
        "answered requests, over sockets and HTTP, by error code (ok where there was none)",
        lambda s: _each(s.server.meters.requests),
        ("method", "code"),
    ),
    Row(
        "tickwire_orders_total",
        "counter",
        "operations on orders, those of batches too, by result: accepted or an error code",
        lambda s: _each(s.orders()),
        ("command", "result"),
    ),
    Row(
        "tickwire_command_latency_seconds",
        "histogram",
        "from the receipt of a command on a socket to its answer",
        lambda s: s.server.meters.answer_ns,
    ),
    Row(
        "tickwire_publication_latency_seconds",
        "histogram",
        "from the clock of a transaction until all that it caused is handed to the sockets",
        lambda s: s.server.meters.publish_ns,
    ),
    Row("tickwire_tape_commit_seconds", "histogram", "commits of the tape", lambda s: s.server.meters.commit_ns),
    Row(
        "tickwire_transaction_records",
        "histogram",
        "records of one transaction of the tape",
        lambda s: s.server.meters.transaction_records,
    ),
    Row(
        "tickwire_snapshot_seconds",
        "histogram",
        "snapshots of the market, which hold everything else up",
        lambda s: s.server.meters.snapshot_ns,
    ),
    Row(
        "tickwire_pending_records",
        "gauge",
        "records accepted and not yet on the tape",
        lambda s: _one(s.server.pending_records()),
    ),
    Row(
        "tickwire_tape_bytes", "gauge", "size of the transactions on the tape", lambda s: _one(s.server.tape.bytes_held)
    ),
    Row(
        "tickwire_tape_seq",
        "gauge",
        "number of the newest transaction of the tape",
        lambda s: _one(s.server.tape.last_seq),
    ),
    Row(
        "tickwire_tape_age_seconds",
        "gauge",
        "since the newest transaction of the tape; there is one every 50 ms",
        lambda s: _one(s.age(s.server.market.now)),
    ),
    Row(
        "tickwire_feed_state",
        "gauge",
        "1 for the state that a feed is in, else 0",
        lambda s: {
            (name, state): float(state == now)
            for name, (now, _) in s.server.market.feeds.items()
            for state in FEED_STATES
        },
        ("feed", "state"),
    ),
    Row(
        "tickwire_feed_age_seconds",
        "gauge",
        "since a feed last brought records",
        lambda s: {(name,): s.age(then) for name, then in s.server.meters.feed_ns.items()},
        ("feed",),
    ),
    Row(
        "tickwire_loop_lag_seconds",
        "histogram",
        "how late the event loop ran a callback that was due, 20 times a second",
        lambda s: s.server.meters.loop_lag_ns,
    ),
    Row(
        "tickwire_loop_blocked_total",
        "counter",
        "turns of the event loop that took more than 100 ms; the log says where",
        lambda s: _one(s.server.meters.loop_blocked),
    ),
)
"""Every metric of ours, in the order of `/metrics`."""


class Metrics(Collector):
    """Reads a server for a registry of prometheus-client, together with the process's own figures."""

    def __init__(self, server: Observed) -> None:
        self._server = server
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def collect(self) -> Iterator[Metric]:
        """Every metric as it is now (called by the registry)."""
        scrape = _Scrape(self._server)
        for row in ROWS:
            if row.kind == "histogram":
                yield _histogram(row, row.read(scrape))
                continue
            family = (CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily)(
                row.name, row.help, labels=row.labels
            )
            for labels, value in row.read(scrape).items():
                family.add_metric(labels, value)
            yield family

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """Everything in the format that a header `Accept` asks for, and the name of that format."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


def _histogram(row: Row, histogram: Histogram) -> Metric:
    unit = SECOND if row.name.endswith("_seconds") else 1
    buckets, below = [], 0
    for bound, count in zip((*histogram.bounds, None), histogram.counts, strict=True):
        below += count
        buckets.append(("+Inf" if bound is None else str(bound / unit), float(below)))
    return HistogramMetricFamily(row.name, row.help, buckets=buckets, sum_value=histogram.total / unit)
