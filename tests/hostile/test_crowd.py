"""A crowd of a thousand: all come back at once, half of them stop reading. The others must hardly notice."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hostile.crowd import UNREAD_BYTES, State
from hostile.stage import FULL, MIB, Latency, Stage, serving
from tickwire.limits import SEND_BUFFER_HIGH_BYTES

SYMBOL = "TEST:BIG-USD"
CLIENTS = 1_000 if FULL else 200
SECONDS = 15.0 if FULL else 3.0
"""How long latency is measured each time."""
LEVELS, MESSAGES_PER_SECOND, RECORDED_SECONDS = (200, 10, 60) if FULL else (600, 20, 20)
TIMES_MAX = 2.0 if FULL else 50.0
"""What the honest clients' p99 may grow by. In `make test` other tests share the machine."""
FLOOR_MS = 5.0
"""A p99 below it is as good as any: it is that of a machine that does something else for a moment."""
UNSENT_BYTES_MAX = SEND_BUFFER_HIGH_BYTES if FULL else 64 * 1024
RETAINED_BYTES = 512 * 1024 if FULL else 256 * 1024
STALLED_BYTES = UNSENT_BYTES_MAX + 20 * UNREAD_BYTES
"""That a client is sent before it lags, most of it held by the two kernels."""
STALLED_BYTES_MAX = 64 * 1024
"""Memory that one may cost that does not read, besides the stream's log: what it was sent it shares with all others,
but each write that waits is an object."""
LEFT_MIB_MAX = 32
"""Memory that the server may keep when the crowd has left: free, in pieces that the allocator does not give back."""


def recording(path: Path) -> None:
    """A book whose every update changes all of its levels: about 8 KB each."""
    info = {
        "symbol": SYMBOL, "venue": "TEST", "base": "BIG", "quote": "USD", "asset_class": "crypto", "kind": "mirrored",
        "tick_size": "1", "lot_size": "1", "channels": ["trades", "book", "quotes", "candles", "ticker", "status"],
        "status": {"instrument": "open", "feed": "live", "reason": ""},
    }  # fmt: skip
    lines: list[Any] = [{"tickwire": "recording", "version": 1, "url": "", "epoch": "", "instruments": [info]}]
    for seq in range(1, RECORDED_SECONDS * MESSAGES_PER_SECOND + 1):
        at = seq * 1_000_000_000 // MESSAGES_PER_SECOND
        data = {"bids": [[str(10_000 - n), str(1_000 + seq)] for n in range(LEVELS)], "asks": [], "checksum": 0}
        kind = "update" if seq > 1 else "snapshot"
        message = {"channel": "book", "symbol": SYMBOL, "type": kind, "seq": seq, "ts": at, "data": data}
        lines.append({"at": at, "message": message})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A server of that book, and honest readers of it."""
    folder = tmp_path_factory.mktemp("crowd")
    recording(folder / "big.jsonl")
    options = ("--feed", f"recorded:tickwire:{folder / 'big.jsonl'}", "--loop")
    lower = {"RETAINED_BYTES_PER_STREAM_MAX": RETAINED_BYTES, "SEND_BUFFER_HIGH_BYTES": UNSENT_BYTES_MAX}
    with serving(folder, *options, lower=lower, symbol=SYMBOL, channels="book,status") as stage:
        yield stage


class Crowd:
    """The crowd's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, command: str) -> State:
        """A command of crowd.py."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n".encode())
        line = await self._process.stdout.readline()
        assert line, f"the crowd's process has ended at {command}"
        return msgspec.json.decode(line, type=State)


@asynccontextmanager
async def crowd_of(stage: Stage, count: int) -> AsyncIterator[Crowd]:
    script = str(Path(__file__).with_name("crowd.py"))
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, str(stage.port), SYMBOL, str(count), stdin=pipe, stdout=pipe, limit=2**20
    )
    try:
        yield Crowd(process)
    finally:
        process.kill()
        await process.communicate()


async def measured(stage: Stage, what: str) -> tuple[Latency, Latency]:
    """What the honest clients have met with since the last report: latency of streams, and of pings."""
    found = await asyncio.to_thread(stage.report)
    assert found.wrong == []
    streams, pings = Latency.of(found.stream_ms), Latency.of(found.ping_ms)
    print(f"\n{what:42} streams {streams}; pings {pings}; memory {stage.process.memory / MIB:.1f} MiB", end="")
    return streams, pings


def within(disturbed: tuple[Latency, Latency], undisturbed: tuple[Latency, Latency]) -> bool:
    return all(
        now.p99 <= max(FLOOR_MS, TIMES_MAX * before.p99) for now, before in zip(disturbed, undisturbed, strict=True)
    )


async def left(stage: Stage, descriptors: int) -> None:
    """Until the server has noticed that all are gone."""
    async with asyncio.timeout(30):
        while stage.process.descriptors > descriptors:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_all_come_back_at_once(crowded: Stage) -> None:
    descriptors = crowded.process.descriptors
    async with crowd_of(crowded, CLIENTS) as crowd:
        state = await crowd.do("connect")
        assert (state.open, state.wrong) == (CLIENTS, [])
        await asyncio.sleep(SECONDS / 3)
        await asyncio.to_thread(crowded.report)
        before = crowded.process.memory
        await asyncio.sleep(SECONDS)
        undisturbed = await measured(crowded, f"{CLIENTS} clients, undisturbed")

        await crowd.do("cut")
        await left(crowded, descriptors)
        crowded.process.forget_peak()
        state = await crowd.do("connect")
        assert (state.open, state.recovered, state.begun_anew, state.gaps, state.wrong) == (CLIENTS, CLIENTS, 0, 0, [])
        took = state.seconds
        await asyncio.sleep(max(0.0, SECONDS - took))
        peak = crowded.process.memory_peak - before
        disturbed = await measured(crowded, f"{CLIENTS} have come back at once")
        state = await crowd.do("state")
        assert (state.open, state.wrong) == (CLIENTS, [])
        await crowd.do("cut")
        await left(crowded, descriptors)
    after = crowded.process.memory - before
    print(f"\n{'':42} all were back in {took:.2f} s; memory +{peak / MIB:.1f} MiB at most, ", end="")
    print(f"+{after / MIB:.1f} when they have left", end="")
    assert within(disturbed, undisturbed)
    assert peak <= CLIENTS * STALLED_BYTES_MAX + RETAINED_BYTES
    assert after <= LEFT_MIB_MAX * MIB


async def test_half_of_them_stop_reading(crowded: Stage) -> None:
    descriptors = crowded.process.descriptors
    stalled = CLIENTS // 2
    async with crowd_of(crowded, CLIENTS) as crowd:
        state = await crowd.do("connect")
        assert (state.open, state.wrong) == (CLIENTS, [])
        await asyncio.sleep(SECONDS / 3)
        await asyncio.to_thread(crowded.report)
        before = crowded.process.memory
        await asyncio.sleep(SECONDS)
        undisturbed = await measured(crowded, f"{CLIENTS} clients, undisturbed")

        crowded.process.forget_peak()
        await crowd.do(f"stall {stalled}")
        await asyncio.sleep(SECONDS)
        disturbed = await measured(crowded, f"{stalled} of {CLIENTS} read nothing")
        state = await crowd.do("state")
        assert (state.open, state.gaps, state.wrong) == (CLIENTS, 0, [])
        await asyncio.sleep((STALLED_BYTES + RETAINED_BYTES) / (LEVELS * 15 * MESSAGES_PER_SECOND))
        peak = crowded.process.memory_peak - before
        state = await crowd.do("wake")
        assert (state.open, state.wrong) == (CLIENTS, [])
        assert state.gaps == stalled
        await asyncio.to_thread(crowded.report)
        await crowd.do("cut")
        await left(crowded, descriptors)
    after = crowded.process.memory - before
    print(f"\n{'':42} memory +{peak / MIB:.1f} MiB at most, +{after / MIB:.1f} when they have left", end="")
    assert within(disturbed, undisturbed)
    assert peak <= stalled * STALLED_BYTES_MAX + RETAINED_BYTES
    assert after <= LEFT_MIB_MAX * MIB
