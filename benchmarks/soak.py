"""Does a busy server stay within its bounds, and is every client complete?

    built-in market ──► server (small bounds) ──► 500 clients that come and go, resume,
                           ▲                      sleep and trade (soak_clients.py)
                           └── watched: memory, descriptors, threads, tasks, the tape's folder

At least 20,000 messages a second are *delivered*, over all clients together. The bounds of what the server keeps are
made small, so that they are reached while it warms up, and a minute shows what an hour would with the default ones.
Checked, with exit code 1 when one does not hold:

- no client was sent anything but what comes next: see soak_clients.py;
- memory: the line through the samples after the warm-up (least squares) rises by less than a bound over the run;
- when all have left, the server has as many descriptors, threads and tasks as before they came;
- the tape's folder never grew past its limit, and the tape replays.

    make soak MINUTES=1
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for when this file is run as a script

from benchmarks.soak_clients import Totals
from tickwire.server.keys import KeyStore
from tickwire.server.pipeline import restore
from tickwire.tape.sqlite import open_tape

TRADERS = 20
MIB = 1024 * 1024
LIMITS = {
    "RETAINED_BYTES_MAX": 8 * MIB,
    "RESUME_SECONDS": 10,
    "SNAPSHOT_EVERY_RECORDS": 5_000,
    "CLIENT_ORDER_IDS_MAX": 50,
    "CLOSED_ORDERS_MAX": 50,
    "FILLS_KEPT_MAX": 50,
}
TAPE_MIB = 1
FOLDER_BYTES_MAX = 2 * TAPE_MIB * MIB + 5 * MIB + 4 * MIB
"""The rows with SQLite's own pages, its write-ahead log of 1,000 pages and what one commit adds, two snapshots."""
WARM_UP = 0.3
"""Part of the run whose samples of memory are not looked at."""
GROWTH_BYTES_MAX = 12 * MIB
"""Over the rest of it."""
DELIVERED_PER_SECOND_MIN = 20_000
SETTLE_SECONDS_MAX = 20.0


class Parts(NamedTuple):
    """What a process must not leak."""

    descriptors: int
    threads: int
    tasks: int


class Watched:
    """The server's process, from outside (Linux)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _status(self, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{self._process.pid}/status").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return self._status("VmRSS") * 1024

    @property
    def parts(self) -> Parts:
        """What there is of each."""
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGUSR1)
        tasks = int(self._process.stdout.readline())
        return Parts(len(os.listdir(f"/proc/{self._process.pid}/fd")), self._status("Threads"), tasks)

    def settled(self, before: Parts) -> Parts:
        """The parts, as soon as they are not more than before, or after a while."""
        end = time.monotonic() + SETTLE_SECONDS_MAX
        while any(now > then for now, then in zip(self.parts, before, strict=True)) and time.monotonic() < end:
            time.sleep(0.5)
        return self.parts


def folder_bytes(folder: Path) -> int:
    """Size of the files in a folder; one that goes meanwhile counts nothing."""
    total = 0
    for path in folder.iterdir():
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Of the line through (x, y) samples, by least squares."""
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread if spread else 0.0


class Result(NamedTuple):
    """What was watched.

    Attributes:
        totals: of the clients, at the end.
        delivered_per_second: while all were there.
        memory: (seconds, bytes) once a second.
        folder_bytes_max: of the tape's folder.
        before, after: the clients.
    """

    totals: Totals
    delivered_per_second: float
    memory: list[tuple[float, float]]
    folder_bytes_max: int
    before: Parts
    after: Parts


def soak(folder: Path, seconds: float, clients: int) -> Result:
    """Run it all."""
    here = Path(__file__).parent
    keys = []
    with closing(KeyStore(folder / "keys.db")) as store:
        for number in range(TRADERS):
            key = store.create(f"trader{number}", scopes=["read", "trade"], kind="hmac")[1]
            keys.append(folder / f"{number}.key")
            key.save(keys[-1])
    server_command = [sys.executable, str(here / "limited_server.py"), json.dumps(LIMITS), "--port", "0"]
    server_command += ["--data-dir", str(folder / "tape"), "--tape-mb", str(TAPE_MIB), "--log-level", "warning"]
    (folder / "tape").mkdir()
    (folder / "keys.db").rename(folder / "tape" / "keys.db")
    log = folder / "server.log"
    pipe = subprocess.PIPE
    with log.open("w") as stderr, subprocess.Popen(server_command, stdout=pipe, stderr=stderr, text=True) as server:
        try:
            while (found := re.search(r"serves ws://\S+:(\d+)/ws", log.read_text())) is None:
                assert server.poll() is None, log.read_text()
                time.sleep(0.05)
            watched = Watched(server)
            time.sleep(1)
            before = watched.parts
            command = [sys.executable, str(here / "soak_clients.py"), found[1], str(clients), "1", *map(str, keys)]
            with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as crowd:
                said: list[tuple[float, Totals]] = []
                reading = threading.Thread(target=_follow, args=(crowd, said))
                reading.start()
                memory, sizes = _watch(watched, folder / "tape", seconds, crowd)
                assert crowd.stdin is not None
                crowd.stdin.close()
                reading.join()
            after = watched.settled(before)
        finally:
            server.terminate()
            server.wait(60)
    warning = log.read_text()
    assert "Traceback" not in warning, warning
    steady = [(at, totals.delivered) for at, totals in said if totals.open]
    return Result(said[-1][1], slope(steady[len(steady) // 3 :]), memory, max(sizes), before, after)


def _follow(crowd: subprocess.Popen[str], said: list[tuple[float, Totals]]) -> None:
    assert crowd.stdout is not None
    for line in crowd.stdout:
        said.append((time.monotonic(), msgspec.json.decode(line, type=Totals)))


def _watch(
    watched: Watched, folder: Path, seconds: float, crowd: subprocess.Popen[str]
) -> tuple[list[tuple[float, float]], list[int]]:
    """Memory and folder size, once a second."""
    memory: list[tuple[float, float]] = []
    sizes = []
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        assert crowd.poll() is None, "the clients' process has ended"
        memory.append((passed, watched.memory))
        sizes.append(folder_bytes(folder))
        if sys.stderr.isatty():
            print(f"\r{passed:.0f}/{seconds:.0f} s, {memory[-1][1] / MIB:.1f} MiB ", end="", file=sys.stderr)
        time.sleep(1)
    return memory, sizes


def broken(result: Result, seconds: float, delivered_min: float) -> list[str]:
    """The bounds that did not hold."""
    totals = result.totals
    steady = result.memory[int(len(result.memory) * WARM_UP) :]
    grown = slope(steady) * seconds * (1 - WARM_UP)
    found = list(totals.wrong)
    if result.delivered_per_second < delivered_min:
        found.append(f"{result.delivered_per_second:,.0f} messages a second, not {delivered_min:,.0f}")
    if grown > GROWTH_BYTES_MAX:
        found.append(f"memory grew by {grown / MIB:.1f} MiB")
    if result.folder_bytes_max > FOLDER_BYTES_MAX:
        found.append(f"the folder grew to {result.folder_bytes_max / MIB:.1f} MiB")
    for name, before, after in zip(Parts._fields, result.before, result.after, strict=True):
        if after > before:
            found.append(f"{after} {name} when all have left, {before} before they came")
    if not (totals.polite and totals.reset and totals.recovered and totals.orders and totals.heartbeats):
        found.append(f"something did not happen at all: {totals}")
    return found


def main(argv: list[str] | None = None) -> int:
    """Run it; 0 when every bound held."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--delivered-min", type=float, default=DELIVERED_PER_SECOND_MIN, help="messages a second")
    given = parser.parse_args(argv)
    seconds = given.minutes * 60
    with tempfile.TemporaryDirectory() as name:
        result = soak(Path(name), seconds, given.clients)
        with closing(open_tape(Path(name) / "tape", "process")) as tape:
            written, dropped = tape.last_seq, tape.first_seq - 1
            restore(tape)
    totals, steady = result.totals, result.memory[int(len(result.memory) * WARM_UP) :]
    first, last, highest = steady[0][1], steady[-1][1], max(size for _, size in result.memory)
    print(f"{seconds:.0f} s with {given.clients} clients, {TRADERS} of which trade")
    print(f"delivered {result.delivered_per_second:,.0f} messages a second, {totals.delivered:,} in all")
    print(f"clients   {totals.lives:,} connections, {totals.polite:,} ended politely and {totals.reset:,} by a reset")
    print(f"          {totals.resumed:,} streams resumed, {totals.recovered:,} of them recovered, the others anew")
    print(
        f"          {totals.gaps:,} gaps told, {totals.skipped:,} times skipped, {totals.heartbeats:,} right heartbeats"
    )
    print(f"orders    {totals.orders:,} requests answered")
    print(f"memory    {first / MIB:.1f} MiB after the warm-up, {last / MIB:.1f} at last, {highest / MIB:.1f} at most:")
    rises = slope(steady) / MIB
    print(
        f"          slope {rises * 3600:+.1f} MiB an hour, {rises * seconds * (1 - WARM_UP):+.1f} MiB since the warm-up"
    )
    print(f"parts     {result.before} before they came, {result.after} when all have left")
    print(f"tape      {written:,} transactions, the first {dropped:,} dropped")
    print(f"folder    {result.folder_bytes_max / MIB:.1f} MiB at most, bound {FOLDER_BYTES_MAX / MIB:.1f} MiB")
    wrong = broken(result, seconds, given.delivered_min)
    for text in wrong:
        print(f"WRONG     {text}")
    print("bounds    BROKEN" if wrong else "bounds    held")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
