"""The benchmark of latency: what it takes for right, and when a message has come."""

from __future__ import annotations

import ctypes
import socket
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

import pytest

from benchmarks import latency
from benchmarks.latency.arrivals import Arrivals, Behind, read
from benchmarks.latency.contestants import Sent
from benchmarks.latency.trades import Trades, TradesReader, trade, trade_bytes
from benchmarks.load import Reader, Stream
from benchmarks.peers.workload import framed
from benchmarks.percentiles import quantile, quantiles, tail
from benchmarks.results import Wrong
from tickwire.protocol.codec import JSON

BEGAN, RATE = 1_000_000, 1_000
STREAMS = [{"channel": "trades", "symbol": "SIM:EUR-USD", "seq": 3}] * 3
HEARTBEAT = JSON.frame({"type": "heartbeat", "time": 1, "streams": STREAMS})


def message(n: int, late: int = 5, due: int | None = None) -> bytes:
    due = BEGAN + n * 1_000_000_000 // RATE if due is None else due
    return framed(trade(n, due + late, due))


def give(reader: TradesReader, data: bytes, pieces: int = 0) -> None:
    for at in range(0, len(data), pieces or len(data)):
        piece = data[at : at + (pieces or len(data))]
        buffer = ctypes.create_string_buffer(piece, len(piece))
        reader.received(ctypes.addressof(buffer), len(piece))


@pytest.mark.parametrize("size", [1, 3, 100, 229, 1000])
def test_trades_are_accepted_in_pieces_of_any_size_with_heartbeats_between(size: int) -> None:
    trades = Trades(4, RATE)
    first, second = TradesReader(trades), TradesReader(trades)
    give(first, HEARTBEAT + message(0) + message(1, late=7) + HEARTBEAT + message(2), size)
    assert (first.awaited, list(trades.stamps)) == (3, [BEGAN + 5, BEGAN + 1_000_007, BEGAN + 2_000_005])
    give(second, message(0) + HEARTBEAT + HEARTBEAT + message(1, late=7) + message(2) + message(3), size)
    assert (second.awaited, trades.stamps[3], trades.end) == (4, BEGAN + 3_000_005, len(trades.data[: trades.end]))
    give(first, message(3))
    assert first.awaited == 4


@pytest.mark.parametrize(
    "data",
    [
        message(0) + message(2),
        message(0) * 2,
        message(0) + message(1, due=BEGAN + 1_000_001),
        message(0) + message(1).replace(b'"size":"1"', b'"size":"2"'),
        message(0) + JSON.frame({"type": "gap"}),
    ],
    ids=["lost", "twice", "not due then", "changed", "gap"],
)
def test_whoever_is_ahead_must_get_the_next_trade(data: bytes) -> None:
    with pytest.raises(Wrong, match="message 1 was to come, but this came"):
        give(TradesReader(Trades(4, RATE)), data)


@pytest.mark.parametrize(
    "data",
    [message(0) + message(2), message(0) * 2, message(0) + message(1, late=6) + message(2)],
    ids=["lost", "twice", "another stamp"],
)
def test_the_others_must_get_what_the_first_got(data: bytes) -> None:
    trades = Trades(4, RATE)
    give(TradesReader(trades), message(0) + message(1) + message(2))
    with pytest.raises(Wrong, match="message 1 was to come, but this came"):
        give(TradesReader(trades), data)


def test_a_client_that_is_told_that_it_lags_shows_that_the_server_does_not_keep_up() -> None:
    with pytest.raises(Behind, match="before message 1 that it lags"):
        give(TradesReader(Trades(4, RATE)), message(0) + JSON.frame({"type": "lagging", "messages": 14_002}))


def test_more_trades_than_were_to_come_are_wrong() -> None:
    with pytest.raises(Wrong, match="message 1 was to come, but this came"):
        give(TradesReader(Trades(1, RATE)), message(0) + message(1))


@pytest.mark.parametrize(
    "late", [-1, 4, 1_000_000_000_000_000_000], ids=["before it was due", "before the last one", "in the future"]
)
def test_the_tape_stamps_a_trade_when_it_comes(late: int) -> None:
    first = message(0, late=5 if late < 0 else 1_000_005)  # 1 ms lies between the times that they are due
    with pytest.raises(Wrong, match="message 1 is stamped"):
        give(TradesReader(Trades(4, RATE)), first + message(1, late))


def test_the_peers_messages_are_as_long_as_the_last_trade() -> None:
    now = time.monotonic_ns()
    assert trade_bytes(1000) == len(trade(999, now, now)) == len(trade(99, now, now)) + 1


def test_a_message_has_come_when_the_last_client_has_it() -> None:
    arrivals = Arrivals(clients=2, messages=3)
    arrivals.came(0, 0, 2, now=10)
    assert list(arrivals.last) == []
    arrivals.came(1, 0, 1, now=20)
    arrivals.came(0, 2, 3, now=25)
    arrivals.came(1, 1, 3, now=30)
    assert list(arrivals.last) == [20, 30, 30]
    assert {index: list(came) for index, came in arrivals.sampled.items()} == {0: [10, 10, 25], 1: [20, 30, 30]}


class Counting:
    """A reader to which each byte is a message."""

    def __init__(self) -> None:
        self.awaited = 0
        self.begun = b""

    def received(self, address: int, size: int) -> None:
        self.awaited += size


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def test_reading_ends_with_the_last_message(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.send(b"123")
    arrivals = read({ours: Counting()}, messages=3, rate=RATE)
    assert len(arrivals.last) == len(arrivals.sampled[0]) == 3


@pytest.mark.parametrize(
    ("more", "problem"),
    [(message(1), "message 2 was to come, but this came"), (message(1)[:40], "more came after the last message")],
    ids=["the last again", "half a message"],
)
@pytest.mark.parametrize("kind", ["trades", "stream"])
def test_nothing_comes_after_the_last_message(
    kind: str, more: bytes, problem: str, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    reader = TradesReader(Trades(2, RATE)) if kind == "trades" else Reader(Stream(2, message))

    class Ending:
        """A reader whose server says more as soon as it has all."""

        @property
        def awaited(self) -> int:
            return reader.awaited

        @property
        def begun(self) -> bytes:
            return reader.begun

        def received(self, address: int, size: int) -> None:
            before = reader.awaited
            reader.received(address, size)
            if before < 2 == reader.awaited:
                theirs.send(more)

    theirs.send(message(0) + message(1))
    with pytest.raises(Wrong, match=problem):
        read({ours: Ending()}, messages=2, rate=RATE)


def test_a_server_that_is_late_does_not_keep_up(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.latency.arrivals.LATE_SECONDS_MAX", -1.0)
    pair[1].send(b"1")
    with pytest.raises(Behind, match="all clients had 1 messages"):
        read({pair[0]: Counting()}, messages=3, rate=RATE)


def test_a_server_that_closes_a_connection_does_not_keep_up(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[1].close()
    with pytest.raises(Behind, match="it closed a connection before message 0"):
        read({pair[0]: Counting()}, messages=3, rate=RATE)


def test_silence_is_wrong(pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.latency.arrivals.SILENCE_SECONDS_MAX", 0.01)
    monkeypatch.setattr("benchmarks.latency.arrivals.POLL_SECONDS", 0.02)
    pair[1].send(b"1")
    with pytest.raises(Wrong, match=r"nothing came for .* and a client waits for message 1"):
        read({pair[0]: Counting()}, messages=3, rate=RATE)


def given(*arguments: str) -> Namespace:
    parser = ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    latency.options(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize("name", ["tickwire", "socketify"])
def test_it_fails_when_a_server_loses_a_message(name: str) -> None:
    with pytest.raises(Wrong, match=f"{name}, 500 messages/s: message 7 was to come, but this came"):
        latency.measure(given("--smoke", "--only", name, "--lose", "7"))


MS = 1_000_000
SENT = Sent(started_ns=0, working=0.5, per_turn=12.5)
OURS = latency.Run(last=[2 * MS, 4 * MS], each=[MS], tape=[3 * MS], reading=0.25, sent=SENT)
THEIRS = latency.Run(last=[5 * MS, 5 * MS], each=[4 * MS], tape=[], reading=0.5, sent=SENT)


def test_it_says_who_does_not_keep_up_and_how_tickwire_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, str]] = []

    def tried(name: str, clients: int, rate: int, seconds: float, lose: int) -> latency.Run | str:
        asked.append((rate, name))
        return {"tickwire": OURS, "socketify": THEIRS}.get(name, "it lags")

    monkeypatch.setattr(latency, "tried", tried)
    names = ("tickwire", "socketify", "websockets")
    measured = latency.measure(given("--only", *names, "--rounds", "2", "--rates", "20000", "10000"))
    assert asked == [
        *((10_000, name) for name in names),
        *((20_000, name) for name in names[:2]),
        *((10_000, name) for name in names[:2]),
    ]
    for table in measured.tables:
        assert table.rows == [
            ["tickwire", 2, 4, None, 4, 1, 1, None, "25%"],
            ["tickwire, from the tape's stamp", 3, 3, None, 3, None, None, None, None],
            ["socketify", 5, 5, None, 5, 4, 4, None, "50%"],
            ["websockets", *[None] * 8],
        ]
    late, skipped = measured.findings[-1], measured.findings[-2]
    assert skipped == "At 20,000 messages/s these were not tried, because they lag at a lower rate: websockets."
    assert late.startswith("At 10,000 messages/s these lag more than 1 s behind: websockets (round 1: it lags).")
    assert "tickwire had something to do in 50% of the time, and 12.5 messages a transaction" in measured.findings[0]
    (aim,) = measured.aims
    assert (aim.measured, aim.met) == (0.8, True)


@pytest.mark.parametrize("slow", ["socketify", "tickwire"])
def test_with_one_that_does_not_keep_up_there_is_no_ratio(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "tried", lambda name, *_: "it lags" if name == slow else OURS)
    (aim,) = latency.measure(given("--only", "tickwire", "socketify", "--rounds", "1")).aims
    assert (aim.measured, aim.met) == (None, False)
    assert aim.why == f"{slow} did not keep up with that rate in this run, so there is no ratio"


@pytest.mark.parametrize(("slow", "ratio"), [("socketify", 0.8), ("tickwire", None)])
def test_rounds_before_one_falls_behind_count(slow: str, ratio: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: dict[str, list[latency.Run | str]] = {"tickwire": [OURS, OURS, OURS], "socketify": [THEIRS] * 3}
    outcomes[slow][1] = "it lags"
    monkeypatch.setattr(latency, "tried", lambda name, *_: outcomes[name].pop(0))
    measured = latency.measure(given("--only", "tickwire", "socketify", "--rates", "10000"))
    assert measured.tables[0].rows[0][:3] == ["tickwire", 2, 4]
    assert measured.tables[0].rows[2][:3] == ["socketify", 5, 5]
    assert f"{slow} (round 2: it lags)" in measured.findings[-1]
    (aim,) = measured.aims
    assert aim.measured == ratio
    assert f"{slow} did not keep up" in aim.why


@pytest.mark.parametrize(("reading", "said"), [(0.94, False), (0.95, True)])
def test_the_aim_says_when_the_clients_are_the_bottleneck(
    reading: float, said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = {"tickwire": OURS, "socketify": THEIRS._replace(reading=reading)}
    monkeypatch.setattr(latency, "tried", lambda name, *_: runs[name])
    (aim,) = latency.measure(given("--only", "tickwire", "socketify", "--rates", "10000")).aims
    assert aim.measured == 0.8
    assert ("reading took the clients' core (95% with socketify): it is the bottleneck" in aim.why) == said


def test_rare_latencies_are_told_where_there_are_enough_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(messages: int) -> list[object]:
        run = OURS._replace(last=[n * MS for n in range(1, messages + 1)], tape=[])
        monkeypatch.setattr(latency, "tried", lambda *_: run)
        return list(latency.measure(given("--only", "tickwire", "--rates", "10000")).tables[0].rows[0])

    assert rows(9_999)[1:5] == [5_000, 9_900, None, 9_999]
    assert rows(10_000)[1:5] == [5_000, 9_900, 9_990, 10_000]


def test_a_server_gets_two_chances(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: list[latency.Run | Behind] = [Behind("once"), OURS, Behind("twice"), Behind("thrice")]

    def run(*_: object) -> latency.Run:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Behind):
            raise outcome
        return outcome

    monkeypatch.setattr(latency, "run", run)
    assert latency.tried("tickwire", 1, 1, 1, -1) is OURS
    assert latency.tried("tickwire", 1, 1, 1, -1) == "thrice"


def test_quantiles_are_by_nearest_rank() -> None:
    assert quantiles(n * 1_000_000 for n in range(1000, 0, -1)) == {"p50": 500, "p99": 990, "p99.9": 999, "max": 1000}
    assert [quantile([3, 5, 8], share) for share in (0, 0.33, 0.34, 0.67, 1)] == [3, 3, 5, 8, 8]


def test_a_curve_ends_where_ten_values_are_above_it() -> None:
    def points(values: int) -> list[tuple[int, float]]:
        return [(round(in_so_many), value) for in_so_many, value in tail(range(values, 0, -1))]

    assert points(1_000) == [(2, 500), (5, 800), (10, 900), (20, 950), (50, 980), (100, 990)]
    assert points(999)[-1] == (50, 980)
    assert points(10_000)[-1] == (1_000, 9_990)
    assert points(19) == []
