"""How many orders a second are acknowledged, how long does one take, and how long does a restart?

                core 0                                           core 1
    ┌──────────────────────────────────┐        ┌──────────────────────────────────────┐
    │ tickwire: session, tape, market, │◄──TCP──┤ 20 accounts, each with a window of   │
    │ acknowledgement                  ├───────►│ orders under way; reads every answer │
    └──────────────────────────────────┘        └──────────────────────────────────────┘

- Orders: each account rests an order, takes a lot from the market's maker, cancels an order that rests, and so on.
  Each must be answered once, in order, with its own name and the status that it must have; in the end the orders on
  the tape, on the book and taken must be those acknowledged, and the ledger must balance.
- Latency: one order under way, from `send` to its answer, beside servers that only send the message back.
- Recovery: a tape of such orders, 100 a transaction, to the market that it leaves: from its beginning, and as a server
  would find it at the worst moment, with the newest snapshot as old as it gets.

A wrong answer makes the run fail with exit code 1.

    python benchmarks/bench_orders.py [--orders N] [--samples N] [--commands N] [--rounds N] [--json FILE] [--smoke]
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain, takewhile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for when this file is run as a script

from benchmarks.bench_latency import quantiles
from benchmarks.bench_matcher import fastest, mixed
from benchmarks.bench_orders_server import DURABILITIES, ECHOES, INSTRUMENT, Step, account, opening, steps
from benchmarks.fanout import Failed, said, started, tell
from benchmarks.fanout_load import BUFFER_BYTES, SILENCE_SECONDS_MAX, Wrong, frame_size
from benchmarks.fanout_workload import pin

from tickwire.limits import SNAPSHOT_EVERY_RECORDS
from tickwire.market.market import Market
from tickwire.model.records import CancelOrder, Clock, Record
from tickwire.server.pipeline import restore
from tickwire.tape.sqlite import SqliteTape

TRANSACTION = 100
AFTERMATH_SECONDS = 0.1
"""How long to look for answers after the last one."""
WARM_UP_SHARE = 20
"""One in so many samples of the latency comes before those that count."""


class _Order(msgspec.Struct):
    client_order_id: str
    status: str


class _Result(msgspec.Struct):
    order: _Order
    fills: list[msgspec.Raw]


class _Answer(msgspec.Struct):
    id: int = 0
    """0: no answer but a hello or a heartbeat."""
    result: _Result | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def request(number: int, step: Step) -> bytes:
    """The masked frame that asks for a step."""
    command = step.command
    params: dict[str, str]
    if isinstance(command, CancelOrder):
        method, params = "order.cancel", {"client_order_id": command.client_order_id}
    else:
        assert command.price is not None
        method = "order.place"
        params = {
            "symbol": command.symbol,
            "side": command.side,
            "size": INSTRUMENT.size.format(command.size),
            "price": INSTRUMENT.price.format(command.price),
            "time_in_force": command.time_in_force,
            "client_order_id": command.client_order_id,
        }
    body = msgspec.json.encode({"id": number, "method": method, "params": params})
    size = bytes((0x80 | len(body),)) if len(body) < 126 else b"\xfe" + len(body).to_bytes(2, "big")
    return b"\x81" + size + bytes(4) + body  # a mask of zeros leaves the bytes as they are


class Trader:
    """One account's connection: sends its steps and checks the answers."""

    def __init__(self, client: socket.socket, planned: Sequence[Step], window: int) -> None:
        self.client = client
        self.acknowledged = 0
        self._planned = planned
        self._requests = [request(number, step) for number, step in enumerate(planned, 1)]
        self._window = window
        self._sent = 0
        self._begun = b""

    @property
    def complete(self) -> bool:
        """Whether every step is acknowledged."""
        return self.acknowledged == len(self._planned)

    def send(self) -> None:
        """Fill the window."""
        until = min(len(self._requests), self.acknowledged + self._window)
        if until > self._sent:
            self.client.sendall(b"".join(self._requests[self._sent : until]))
            self._sent = until

    def received(self, data: bytes) -> None:
        """Check what was read.

        Raises:
            Wrong: it is not the answer to the next step.
        """
        data = self._begun + data
        at = 0
        while (size := frame_size(data[at : at + 10])) is not None and at + size <= len(data):
            self._answer(data[at + (2 if data[at + 1] < 126 else 4) : at + size])
            at += size
        self._begun = data[at:]

    def _answer(self, body: bytes) -> None:
        answer = _decode(body)
        if answer.id == 0 and body.startswith((b'{"type":"hello"', b'{"type":"heartbeat"')):
            return
        number = self.acknowledged
        if number >= self._sent:
            raise Wrong(f"everything sent was acknowledged, and then this came: {body!r}")
        command, status = self._planned[number]
        result = answer.result
        if (
            result is None
            or (answer.id, result.order.client_order_id) != (number + 1, command.client_order_id)
            or (result.order.status, len(result.fills)) != (status, status == "filled")
        ):
            raise Wrong(f"request {number + 1}, {command}, was to be {status}, but this came: {body!r}")
        self.acknowledged += 1


def connect(port: int, login: str = "") -> socket.socket:
    """A client that is upgraded, and logged in where there is a login."""
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    upgrade = (
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    )
    client.sendall((upgrade + (f"Authorization: Basic {login}\r\n" if login else "") + "\r\n").encode())
    received = b""
    while not received.endswith(b"\r\n\r\n"):  # byte by byte: the hello that follows is the trader's to read
        received += client.recv(1) or b"\r\n\r\n"
    if not received.startswith(b"HTTP/1.1 101"):
        raise Wrong(f"the upgrade was refused: {received[:200]!r}")
    client.settimeout(SILENCE_SECONDS_MAX)
    return client


@contextmanager
def serving(contestant: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server on one core, and what it says first; this process keeps to the other one meanwhile."""
    cores = os.sched_getaffinity(0)
    with started("benchmarks.bench_orders_server", contestant, *arguments) as server:
        try:
            ready = said(server)
            pin(1)  # not before: the server would inherit it
            yield server, ready
        except BaseException:
            server.kill()
            raise
        finally:
            os.sched_setaffinity(0, cores)


# ---- orders ---------------------------------------------------------------------------------------


class Orders(NamedTuple):
    """One run: acknowledged a second, shares of their cores used, commands in a transaction of the tape."""

    per_s: float
    server: float
    generator: float
    per_transaction: float


def measure_orders(durability: str, connections: int, window: int, orders: int) -> Orders:
    """Let accounts trade.

    Raises:
        Wrong: an order was not acknowledged as it must be.
        Failed: the server has ended.
    """
    planned = [steps(account(number), orders // connections) for number in range(connections)]
    with serving(durability, "--accounts", connections) as (server, ready):
        traders = [
            Trader(connect(ready["port"], login), each, window)
            for login, each in zip(ready["logins"], planned, strict=True)
        ]
        tell(server, "start")
        seconds, cpu = trade(traders)
        tell(server, "report")
        report = said(server)
        check(report, list(chain.from_iterable(planned)))
    count = sum(trader.acknowledged for trader in traders)
    return Orders(count / seconds, report["cpu_seconds"] / seconds, cpu / seconds, count / report["transactions"])


def trade(traders: list[Trader]) -> tuple[float, float]:
    """Send and read until everyone has every answer, and a moment longer; returns seconds, and those of the processor.

    Raises:
        Wrong: an answer is not what it must be.
    """
    by_fileno = {trader.client.fileno(): trader for trader in traders}
    buffer = memoryview(bytearray(BUFFER_BYTES))
    incomplete, seconds, used = len(traders), 0.0, 0.0
    began, cpu = time.perf_counter(), time.process_time()
    with select.epoll() as epoll:
        for trader in traders:
            epoll.register(trader.client.fileno(), select.EPOLLIN)
            trader.send()
        while ready := epoll.poll(SILENCE_SECONDS_MAX if incomplete else AFTERMATH_SECONDS):
            for fileno, _ in ready:
                trader = by_fileno[fileno]
                was_complete = trader.complete
                size = trader.client.recv_into(buffer)
                if not size:
                    raise Wrong("the server closed a connection")
                trader.received(bytes(buffer[:size]))
                trader.send()
                incomplete -= trader.complete and not was_complete
            if not incomplete and not seconds:
                seconds, used = time.perf_counter() - began, time.process_time() - cpu
    if incomplete:
        raise Wrong(f"nothing came for {SILENCE_SECONDS_MAX:.0f} s, and {incomplete} connections are incomplete")
    return seconds, used


def check(report: dict[str, Any], acknowledged: list[Step]) -> None:
    """Compare what the server has with what it has acknowledged.

    Raises:
        Wrong: it is not the same.
    """
    statuses = [step.status for step in acknowledged]
    rested, taken, canceled = (statuses.count(status) for status in ("open", "filled", "canceled"))
    expected = {
        "placed": rested + taken,
        "canceled": canceled,
        "open": rested - canceled,
        "taken": taken,
        "imbalances": [],
    }
    found = {name: report[name] for name in expected}
    if found != expected:
        raise Wrong(f"the server should have {expected}, but has {found}")


# ---- latency --------------------------------------------------------------------------------------


def measure_latency(contestant: str, samples: int) -> list[int]:
    """Nanoseconds from sending an order to its answer, one at a time.

    Raises:
        Wrong: an answer is not what it must be.
        Failed: the server has ended.
    """
    planned = steps(account(0), samples + samples // WARM_UP_SHARE)
    with serving(contestant) as (server, ready):
        if contestant in ECHOES:
            with connect(ready["port"]) as client:
                latencies = _echoed(client, planned)
        else:
            with connect(ready["port"], *ready["logins"]) as client:
                latencies = _acknowledged(client, planned)
            tell(server, "start")
            tell(server, "report")
            check(said(server), planned)
    return latencies[samples // WARM_UP_SHARE :]


def _acknowledged(client: socket.socket, planned: list[Step]) -> list[int]:
    trader = Trader(client, planned, window=1)
    latencies = []
    for number in range(1, len(planned) + 1):
        began = time.perf_counter_ns()
        trader.send()
        data = client.recv(BUFFER_BYTES)
        taken = time.perf_counter_ns() - began
        trader.received(data)
        while trader.acknowledged < number:  # a hello or a heartbeat came first, or half of the answer
            data = client.recv(BUFFER_BYTES)
            taken = time.perf_counter_ns() - began
            if not data:
                raise Wrong("the server closed the connection")
            trader.received(data)
        latencies.append(taken)
    return latencies


def _echoed(client: socket.socket, planned: list[Step]) -> list[int]:
    latencies = []
    for number, step in enumerate(planned, 1):
        frame = request(number, step)
        header = 2 if frame[1] & 0x7F < 126 else 4
        expected = bytes((frame[0], frame[1] & 0x7F)) + frame[2:header] + frame[header + 4 :]
        began = time.perf_counter_ns()
        client.sendall(frame)
        data = client.recv(BUFFER_BYTES)
        latencies.append(time.perf_counter_ns() - began)
        if data != expected:
            raise Wrong(f"{expected!r} was to come back, but this came: {data!r}")
    return latencies


# ---- recovery -------------------------------------------------------------------------------------


class Recovery(NamedTuple):
    """Seconds from opening a tape to its market, from its beginning and from a snapshot as old as it gets; its size."""

    replayed: float
    from_snapshot: float
    megabytes: float


def measure_recovery(folder: Path, commands: int, accounts: int) -> Recovery:
    """Write a tape, and recover from it twice.

    Raises:
        Wrong: a market is not what the tape has to leave.
    """
    planned = [steps(account(number), commands // accounts) for number in range(accounts)]
    mixed_up = [step for turn in zip(*planned, strict=True) for step in turn]
    ts = 1_700_000_000_000_000_000
    with closing(SqliteTape(folder)) as tape:
        tape.append(opening(accounts, ts))
        for first in range(0, len(mixed_up), TRANSACTION):
            ts += 10_000_000
            records: list[Record] = [step.command for step in mixed_up[first : first + TRANSACTION]]
            tape.append([Clock(ts), *records])
        megabytes = tape.bytes_held / 1e6

    def recovered() -> tuple[float, str]:
        began = time.perf_counter()
        with closing(SqliteTape(folder)) as tape:
            market = restore(tape)
            seconds = time.perf_counter() - began
            statuses = [step.status for step in mixed_up]
            resting = sum(len(market.open_orders(INSTRUMENT.symbol, account(number))) for number in range(accounts))
            if resting != statuses.count("open") - statuses.count("canceled") or market.ledger.imbalances():
                raise Wrong(f"{resting} orders rest in the recovered market; {market.ledger.imbalances()}")
            return seconds, market.digest()

    replayed, digest = recovered()
    with closing(SqliteTape(folder)) as tape:
        covered = max(1, tape.last_seq - SNAPSHOT_EVERY_RECORDS // (TRANSACTION + 1))
        market = Market()
        market.heard = ()
        for _, transaction in takewhile(lambda row: row[0] <= covered, tape.read()):
            for record in transaction:
                market.apply(record)
        tape.save_snapshot(covered, market.snapshot())
    from_snapshot, again = recovered()
    if digest != again:
        raise Wrong("the snapshot leads to another market than the tape")
    return Recovery(replayed, from_snapshot, megabytes)


# ---- the report -----------------------------------------------------------------------------------


def show(orders: dict[str, Orders], latency: dict[str, dict[str, float]], recovery: Recovery, commands: int) -> None:
    """Print ratios first, then what was measured."""
    matcher = fastest(mixed(20_000)[0])[0]
    none = orders["none"].per_s
    p50 = {name: each["p50"] for name, each in latency.items()}
    print(f"orders/s: process {orders['process'].per_s / none:.2f}, power {orders['power'].per_s / none:.2f} of none")
    print(f"orders/s: the matcher alone does {matcher / none:.1f} times none ({matcher:,.0f} operations/s)")
    for durability in DURABILITIES:
        ratios = ", ".join(f"{p50[durability] / p50[echo]:.2f} times an echo of {echo}" for echo in ECHOES)
        print(f"p50 of {durability}: {ratios}")
    speed = commands / recovery.replayed
    print(f"recovery: replays {speed / orders['process'].per_s:.1f} times as fast as orders come in (process)")

    print(f"\n{'tape':<12}{'orders/s':>12}{'server core':>14}{'generator':>12}{'a transaction':>16}")
    for name, run in orders.items():
        print(f"{name:<12}{run.per_s:>12,.0f}{run.server:>14.0%}{run.generator:>12.0%}{run.per_transaction:>16.1f}")
    print(f"\n{'latency, µs':<12}" + "".join(f"{name:>12}" for name in next(iter(latency.values()))))
    for name, each in latency.items():
        print(f"{name:<12}" + "".join(f"{value * 1000:>12,.0f}" for value in each.values()))
    print(
        f"\nrecovery of {commands:,} commands ({recovery.megabytes:,.0f} MB): {recovery.replayed:.2f} s from the "
        f"beginning ({speed:,.0f}/s), {recovery.from_snapshot:.3f} s from a snapshot as old as it gets"
    )


def main(argv: list[str]) -> int:
    """Run everything, print it, and return 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description="acknowledged orders per second, their latency, and recovery")
    parser.add_argument("--connections", type=int, default=20, metavar="N", help="accounts that trade (%(default)s)")
    parser.add_argument("--window", type=int, default=20, metavar="N", help="orders each has under way (%(default)s)")
    parser.add_argument("--orders", type=int, default=60_000, metavar="N", help="of a run, in all (%(default)s)")
    parser.add_argument("--samples", type=int, default=20_000, metavar="N", help="of latency, in all (%(default)s)")
    parser.add_argument("--commands", type=int, default=1_000_000, metavar="N", help="to recover (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(%(default)s)")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; the system's temporary one by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every result there")
    parser.add_argument("--smoke", "--quick", action="store_true", help="a few orders: only the checks count")
    given = parser.parse_args(argv)
    if given.smoke:
        given.orders, given.samples, given.commands, given.rounds = 2_000, 300, 4_000, 1
    runs: dict[str, list[Orders]] = {name: [] for name in DURABILITIES}
    samples: dict[str, list[int]] = {name: [] for name in (*DURABILITIES, *ECHOES)}
    try:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            recovery = measure_recovery(Path(folder), given.commands, given.connections)
        for _ in range(given.rounds):
            for durability, results in runs.items():
                results.append(measure_orders(durability, given.connections, given.window, given.orders))
            for contestant, latencies in samples.items():
                latencies += measure_latency(contestant, given.samples // given.rounds)
    except (Failed, Wrong, OSError) as problem:
        print(f"WRONG: {problem}", file=sys.stderr)
        return 1
    orders: dict[str, Orders] = {name: Orders(*map(median, zip(*each, strict=True))) for name, each in runs.items()}
    latency = {name: quantiles(each) for name, each in samples.items()}
    show(orders, latency, recovery, given.commands)
    if given.json:
        result = {
            "orders": {name: [run._asdict() for run in each] for name, each in runs.items()},
            "latency_ms": latency,
            "recovery": recovery._asdict(),
        }
        given.json.write_text(json.dumps(result, indent=2) + "\n")
    print("every order was acknowledged once and as it had to be, and is on the tape")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
