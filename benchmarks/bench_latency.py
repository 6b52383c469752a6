"""How long from the moment a trade is due to the moment a client has it, at 10,000 trades a second for 200 clients?

                  core 0                                              core 1
    ┌────────────────────────────────────────────┐        ┌─────────────────────────────┐
    │ open loop ──► pipeline: tape (SQLite), ────┼──TCP──►│ 200 clients; 5 look at      │
    │ due times      market, hub, JSON           │        │ every message and its stamp │
    └────────────────────────────────────────────┘        └─────────────────────────────┘

The schedule does not wait for the server, and a message's latency counts from the time it was due: if the server
stalls, all that comes late because of it is counted (no coordinated omission). The five clients are spread over
the order in which the hub serves them. They must see every trade once and in order, the others must end with the
last one; anything else makes the run fail with exit code 1. The server's own share in the producer is included.

    python benchmarks/bench_latency.py [--clients 200] [--rate 10000] [--seconds 10] [--json FILE] [--smoke]
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import sys
import time
from math import ceil
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for when this file is run as a script

from benchmarks.fanout import Failed, said, started, tell
from benchmarks.fanout_load import BUFFER_BYTES, SILENCE_SECONDS_MAX, Wrong, connect, frame_size
from benchmarks.fanout_workload import pin

SUBSCRIBE = b'{"id":1,"method":"subscribe","params":{"channel":"trades","symbols":["SIM:EUR-USD"]}}'
SAMPLED = 5
WARM_UP_SECONDS = 1
TAIL_BYTES = 2048
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


class _Trade(msgspec.Struct):
    id: str
    price: str
    ts_event: int


class _Message(msgspec.Struct):
    type: str
    seq: int = 0
    ts: int = 0
    data: msgspec.Raw = msgspec.Raw(b"null")


class Sample:
    """A client that looks at every message."""

    def __init__(self) -> None:
        self.from_due: list[int] = []
        """Nanoseconds from when each trade was due, in order."""
        self.from_tape: list[int] = []
        """Nanoseconds from the tape's stamp."""
        self._begun = b""
        self._message = msgspec.json.Decoder(_Message)
        self._trade = msgspec.json.Decoder(_Trade)

    def received(self, data: bytes, now: int) -> None:
        """Take in what was read at `now`.

        Raises:
            Wrong: a message is not the next one.
        """
        data = self._begun + data
        at = 0
        while (size := frame_size(data[at : at + 10])) is not None and at + size <= len(data):
            body = data[at + (2 if data[at + 1] < 126 else 4) : at + size]
            message = self._message.decode(body)
            if message.type != "heartbeat":
                n = len(self.from_due)
                trade = self._trade.decode(message.data) if message.type == "update" else None
                if trade is None or (message.seq, trade.id, trade.price) != (n + 1, str(n), f"1.0800{n % 7}"):
                    raise Wrong(f"trade {n} was to come, but this came: {body!r}")
                self.from_due.append(now - trade.ts_event)
                self.from_tape.append(now - message.ts)
            at += size
        self._begun = data[at:]


def read(clients: list[socket.socket], messages: int, rate: int) -> list[Sample]:
    """Read until every client has the last of so many trades.

    Raises:
        Wrong: one did not get what it had to.
    """
    by_fileno = {client.fileno(): client for client in clients}
    last = max(1, len(clients) - 1)
    samples = {clients[index * last // (SAMPLED - 1)].fileno(): Sample() for index in range(SAMPLED)}
    end, tails = b'"id":"%d"' % (messages - 1), dict.fromkeys(by_fileno.keys() - samples.keys(), b"")
    waiting = set(by_fileno)
    buffer = memoryview(bytearray(BUFFER_BYTES))
    with select.epoll() as epoll:
        for fileno in by_fileno:
            epoll.register(fileno, select.EPOLLIN)
        while waiting:
            ready = epoll.poll(SILENCE_SECONDS_MAX, len(by_fileno))
            if not ready:
                raise Wrong(f"nothing came for {SILENCE_SECONDS_MAX:.0f} s, and {len(waiting)} clients are incomplete")
            # what the others get is of interest only when the last trade may be in it: half a second before the end
            ending = any(len(sample.from_due) >= messages - rate // 2 for sample in samples.values())
            for fileno, _ in ready:
                size = by_fileno[fileno].recv_into(buffer)
                if fileno in samples:
                    now = time.monotonic_ns()
                    sample = samples[fileno]
                    sample.received(bytes(buffer[:size]), now)
                    if len(sample.from_due) == messages:
                        waiting.discard(fileno)
                elif ending:
                    tails[fileno] = (tails[fileno] + bytes(buffer[:size]))[-TAIL_BYTES:]
                    if end in tails[fileno]:
                        waiting.discard(fileno)
                if not size:
                    raise Wrong("the server closed a connection")
    return list(samples.values())


def quantiles(latencies: list[int]) -> dict[str, float]:
    """Milliseconds at each of `QUANTILES`, by nearest rank."""
    latencies.sort()
    return {name: latencies[ceil(share * len(latencies)) - 1] / 1e6 for name, share in QUANTILES.items()}


def main(argv: list[str]) -> int:
    """Run, print, and return 1 if a client did not get what it had to."""
    parser = argparse.ArgumentParser(description="latency from a trade's due time to a client")
    parser.add_argument("--clients", type=int, default=200, metavar="N", help="(%(default)s)")
    parser.add_argument("--rate", type=int, default=10_000, metavar="N", help="trades a second (%(default)s)")
    parser.add_argument("--seconds", type=int, default=10, metavar="N", help="length of the run (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    parser.add_argument("--smoke", action="store_true", help="a few clients, two seconds: only the checks count")
    given = parser.parse_args(argv)
    if given.smoke:
        given.clients, given.rate, given.seconds = 10, 1_000, 2
    messages = given.rate * given.seconds
    with started("benchmarks.latency_server", "--rate", given.rate, "--messages", messages) as server:
        try:
            port = said(server)["port"]
            pin(1)  # not before: the server would inherit it
            clients = [connect(port, SUBSCRIBE, greetings=3) for _ in range(given.clients)]
            tell(server, "start")
            cpu, began = time.process_time(), time.perf_counter()
            samples = read(clients, messages, given.rate)
            own = (time.process_time() - cpu) / (time.perf_counter() - began)
            report = said(server)
        except (Failed, Wrong, OSError) as problem:
            server.kill()
            print(f"WRONG: {problem}", file=sys.stderr)
            return 1
        tell(server, "stop")
    skip = given.rate * WARM_UP_SECONDS
    due = quantiles([latency for sample in samples for latency in sample.from_due[skip:]])
    tape = quantiles([latency for sample in samples for latency in sample.from_tape[skip:]])
    per_transaction = messages / report["transactions"]
    print(f"{given.rate:,} trades/s to {given.clients} clients, {per_transaction:.1f} trades a transaction")
    print(f"server core {report['server']:.0%} (it polls), clients' core {own:.0%}")
    print("latency in ms    " + "".join(f"{name:>9}" for name in QUANTILES))
    print("from due time    " + "".join(f"{value:>9.3f}" for value in due.values()))
    print("from tape's stamp" + "".join(f"{value:>9.3f}" for value in tape.values()))
    if given.json:
        result = {"clients": given.clients, "rate": given.rate, "from_due_ms": due, "from_tape_ms": tape}
        given.json.write_text(json.dumps(result | report, indent=2) + "\n")
    print("every sampled client got every trade once and in order, all others the last one")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
