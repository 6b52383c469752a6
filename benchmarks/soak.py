"""Does a server that is left alone stay within its bounds?

    built-in market ──► server (small bounds) ──► 45 clients that only read
                                              ──► 4 clients that keep a verified book
                                              ──► 1 client that subscribes and never reads

The bounds are made small, so that a minute shows what an hour would with the default ones: the tape must fill
its bytes many times over. Checked at the end, with exit code 1 when one does not hold:

- the tape's folder never grew past its limit, and what was dropped is covered by a snapshot (the tape replays);
- the server's memory did not grow between the first third and the last by more than its stated bound;
- the books of the four clients stayed valid, and the server still answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import tickwire
from tickwire.client.books import LiveBook
from tickwire.server.pipeline import restore
from tickwire.tape.sqlite import open_tape

READERS, BOOKS = 45, 4
TAPE_BYTES_MAX = 512 * 1024
RETAINED_BYTES_MAX = 4 * 1024 * 1024
FOLDER_BYTES_MAX = 2 * TAPE_BYTES_MAX + 5 * 1024 * 1024 + 2 * 512 * 1024
"""The rows with SQLite's own pages, its write-ahead log of 1,000 pages and what one commit adds, two snapshots."""
MEMORY_GROWTH_MAX = 2 * RETAINED_BYTES_MAX
SYMBOL = "SIM:BTC-USDT"

SERVER = """
import sys, uvloop
from pathlib import Path
from tickwire.config import ServerSettings
from tickwire.server.app import Server
server = Server(ServerSettings(port=0, data_dir=Path(sys.argv[1]), tape_bytes_max=int(sys.argv[2]),
                               retained_bytes_max=int(sys.argv[3]), snapshot_every=5000))
print(server.url, flush=True)
uvloop.run(server.serve())
"""


def memory_bytes(pid: int) -> int:
    """Resident memory of a process (Linux)."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def folder_bytes(folder: Path) -> int:
    """Size of the files in a folder; one that goes meanwhile counts nothing."""
    total = 0
    for path in folder.iterdir():
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


async def raw_client(port: int, *, reads: bool) -> None:
    """Subscribe to every channel of the busiest market; then read and drop everything, or never read again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
    writer.write(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    for channel in ("book", "trades", "book_l3", "quotes", "ticker"):
        request = {"id": channel, "method": "subscribe", "params": {"channel": channel, "symbols": [SYMBOL]}}
        payload = json.dumps(request).encode()
        writer.write(bytes([0x81, 0x80 | 126, *len(payload).to_bytes(2, "big"), 0, 0, 0, 0]) + payload)
    await asyncio.gather(*([discard(reader)] if reads else []), stay_alive(writer))


async def discard(reader: asyncio.StreamReader) -> None:
    """Read and drop everything."""
    while await reader.read(2**16):
        pass
    raise ConnectionError("the server closed a client that reads")


async def stay_alive(writer: asyncio.StreamWriter) -> None:
    """Send a pong now and then, as one that answers pings does: the server closes a peer that sends nothing."""
    while True:
        await asyncio.sleep(5)
        writer.write(bytes([0x8A, 0x80, 0, 0, 0, 0]))


async def watch(url: str, pid: int, folder: Path, seconds: int) -> tuple[list[int], list[int], list[LiveBook]]:
    """Run the clients; memory and folder size a second, and the books."""
    port = int(url.rsplit(":", 1)[1].removesuffix("/ws"))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(raw_client(port, reads=n > 0)) for n in range(READERS + 1)]
        clients = [await tickwire.connect(url).__aenter__() for _ in range(BOOKS)]
        books = [await client.book(SYMBOL) for client in clients]
        first_seq = books[0].seq
        memory, folder_sizes = [], []
        for second in range(seconds):
            await asyncio.sleep(1)
            memory.append(memory_bytes(pid))
            folder_sizes.append(folder_bytes(folder))
            if sys.stderr.isatty():
                print(f"\r{second + 1}/{seconds} s, {memory[-1] >> 20} MiB", end="", file=sys.stderr)
        assert books[0].seq > first_seq, "the market stood still"
        assert all(book.valid for book in books), "a book is not valid at the end"
        assert await clients[0].ping() > 0
        assert not any(client.stats.gaps for client in clients), "a client that reads was told a gap"
        for client in clients:
            await client.close()
        for task in tasks:
            assert not task.done(), "the server closed a client"
            task.cancel()
    return memory, folder_sizes, books


def main(argv: list[str] | None = None) -> int:
    """Run it; 0 when every bound held."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=90)
    seconds = parser.parse_args(argv).seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-c", SERVER, name, str(TAPE_BYTES_MAX), str(RETAINED_BYTES_MAX)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                url = server.stdout.readline().strip()
                memory, sizes, _ = asyncio.run(watch(url, server.pid, folder, seconds))
            finally:
                server.terminate()
        third = max(1, seconds // 3)
        growth = max(memory[-third:]) - max(memory[:third])
        tape = open_tape(folder, "process")
        written = tape.last_seq
        dropped = tape.first_seq - 1
        restore(tape)
        tape.close()
    held = growth <= MEMORY_GROWTH_MAX and max(sizes) <= FOLDER_BYTES_MAX and (dropped > 0 or seconds < 60)
    print(f"{seconds} s with {READERS + BOOKS + 1} clients, one of which never reads")
    print(f"tape      {written:,} transactions, the first {dropped:,} dropped and covered by a snapshot")
    print(f"folder    {max(sizes) / 1e6:.1f} MB at most, bound {FOLDER_BYTES_MAX / 1e6:.1f} MB")
    print(f"memory    {memory[0] / 1e6:.1f} MB at first, {memory[-1] / 1e6:.1f} MB at last;")
    print(f"          last third above first third by {growth / 1e6:.1f} MB, bound {MEMORY_GROWTH_MAX / 1e6:.1f} MB")
    print("bounds    held" if held else "bounds    BROKEN")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
