"""What does durability before acknowledgement cost?

Appends the same transactions to the tape and, as a bare file, with one `write` each and for "power" an `fsync`
after it: the least that any log can do. The ratio of the two is what the tape costs on any machine.
Every transaction is read back and compared before a number is printed.

    python benchmarks/bench_tape.py [--transactions N] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Literal

from tickwire.model.records import Clock, PlaceOrder, Record, encode_records
from tickwire.tape.sqlite import SqliteTape

BATCHES = (1, 10, 100, 1000)
TS = 1_700_000_000_000_000_000


def transaction(number: int, records: int) -> list[Record]:
    """One clock and `records` orders."""
    orders = [
        PlaceOrder("SIM:BTC-USDT", "account-7", "buy" if i % 2 else "sell", 1 + i, price=6_000_000 + number % 100)
        for i in range(records)
    ]
    return [Clock(TS + number * 1_000_000), *orders]


def bare_seconds(path: Path, bodies: list[bytes], *, fsync: bool) -> float:
    """Time to write each body to a fresh file, one system call (or two) each."""
    with path.open("wb", buffering=0) as file:
        descriptor = file.fileno()
        began = time.perf_counter()
        for body in bodies:
            os.write(descriptor, body)
            if fsync:
                os.fsync(descriptor)
        return time.perf_counter() - began


def measure(folder: Path, durability: Literal["process", "power"], batch: int, count: int) -> str:
    """One line of the table."""
    transactions = [transaction(number, batch) for number in range(1, count + 1)]
    latencies = []
    with closing(SqliteTape(folder / f"{durability}-{batch}", durability)) as tape:
        for records in transactions:
            began = time.perf_counter()
            tape.append(records)
            latencies.append(time.perf_counter() - began)
        began = time.perf_counter()
        held = list(tape.read())
        read_seconds = time.perf_counter() - began
    if held != list(enumerate(transactions, 1)):
        raise SystemExit(f"{durability}, batches of {batch}: what was read is not what was appended")
    bodies = [encode_records(records) for records in transactions]
    bare = bare_seconds(folder / f"{durability}-{batch}.bare", bodies, fsync=durability == "power")
    seconds = sum(latencies)
    latencies.sort()
    return (
        f"{durability:10}{batch:>8,}{count / seconds:>12,.0f}{count * batch / seconds:>14,.0f}"
        f"{latencies[count // 2] * 1e6:>10,.1f}{latencies[count * 99 // 100] * 1e6:>10,.1f}"
        f"{latencies[-1] * 1e6:>10,.0f}{seconds / bare:>11.2f}x{count * (batch + 1) / read_seconds:>14,.0f}"
    )


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--transactions", type=int, default=20_000, help="of one record; larger ones are fewer")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; the system's temporary folder by default")
    arguments = parser.parse_args(argv)
    print(
        f"{'durability':10}{'records':>8}{'commits/s':>12}{'records/s':>14}"
        f"{'p50 µs':>10}{'p99 µs':>10}{'max µs':>10}{'bare file':>12}{'replayed/s':>14}"
    )
    durabilities: tuple[Literal["process", "power"], ...] = ("process", "power")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for durability in durabilities:
            for batch in BATCHES:
                count = arguments.transactions // (1 if durability == "process" else 10)
                print(measure(Path(folder), durability, batch, max(10, count * 10 // (batch + 9))))


if __name__ == "__main__":
    main()
