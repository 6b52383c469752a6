"""How long do the page's frames take while a book changes 1,000 and 10,000 times a second?

    built feed ──► server ──► WebSocket ──► the page in Chromium ──► frames, each measured in the page itself
    (page_server.py)

For each rate the page runs alone, in a browser of its own, with all panels of a desktop. A frame's work is the time
from the first script of the frame (`requestAnimationFrame`) to the first task after it was rendered, which is asked for
within the frame by a message to oneself: scripts, style, layout and painting, but not what other processes do of it.
Messages come between frames: what they cost shows in the intervals and in the processor time.

Checked, with exit code 1 when one does not hold:

- the page took in as many changes a second as were made, and drew all the time;
- when they end, the ladder on the screen is the server's book, level for level, at the same message.

No time is checked. The rate that the page really had is in the table.

    make bench-page
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for when this file is run as a script

from benchmarks.chromium import Tab, opened
from benchmarks.fanout import Failed, said, started, tell

RATES = (1_000, 10_000)
WARM_UP_SECONDS = 5
FRAME_MS = 1_000 / 60
RATE_RATIO_MIN, RATE_RATIO_SMOKE_MIN = 0.9, 0.5
"""Of the changes that were to be made in a second, those that the page must have got."""
FRAMES_PER_SECOND_MIN = 5
"""Below, the page does not draw: what is measured then is not its frames."""

MEASURE = """(() => {
    const seen = window.seen = { work: [], intervals: [], long: [], began: performance.now(), first: seq(), on: true };
    function seq() { return Number(document.querySelector("[data-ladder]").dataset.seq); }
    seen.seq = seq;
    const { port1, port2 } = new MessageChannel();
    let at, before;
    port1.onmessage = () => seen.work.push(performance.now() - at);
    const frame = time => {
        if (!seen.on) return;
        at = performance.now();
        if (before !== undefined) seen.intervals.push(time - before);
        before = time;
        port2.postMessage(0);
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    new PerformanceObserver(list => seen.long.push(...list.getEntries().map(entry => entry.duration)))
        .observe({ type: "longtask" });
})()"""
REPORT = """(() => {
    const { work, intervals, long, began, first, seq } = window.seen;
    window.seen.on = false;
    return { work, intervals, long, seconds: (performance.now() - began) / 1000, changes: seq() - first };
})()"""
LIVE = """document.body?.dataset.state === "live" && Number(document.querySelector("[data-ladder]")?.dataset.seq) > 0"""
LADDER = """(() => {
    const ladder = document.querySelector("[data-ladder]");
    const rows = side => [...ladder.querySelectorAll(`[data-side="${side}"]`)]
        .filter(row => row.dataset.price).map(row => [row.dataset.price, row.dataset.size]);
    return { seq: Number(ladder.dataset.seq), bids: rows("bid"), asks: rows("ask") };
})()"""


class Wrong(Exception):
    """The page does not show what it must."""


class Quantiles(NamedTuple):
    """Milliseconds, by nearest rank."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Quantiles:
        """Of at least one sample."""
        ordered = sorted(samples)
        return cls(*(ordered[ceil(share * len(ordered)) - 1] for share in (0.5, 0.95, 0.99)))


class Result(NamedTuple):
    """What one rate came to.

    Attributes:
        rate: changes a second that were to be made.
        received: changes a second that the page took in.
        frames: how many were drawn.
        seconds: how long it was measured.
        work, interval: of the frames, ms.
        dropped: frames of 1/60 s that were not drawn in time.
        long_tasks: tasks of 50 ms or more in the page.
        kilobytes: a second, on the wire, framed.
        page_cpu, server_cpu: processor seconds a second.
    """

    rate: int
    received: float
    frames: int
    seconds: float
    work: Quantiles
    interval: Quantiles
    dropped: int
    long_tasks: int
    kilobytes: float
    page_cpu: float
    server_cpu: float


def dropped(intervals: Sequence[float]) -> int:
    """How many frames of 1/60 s have no frame of their own."""
    return sum(max(0, round(interval / FRAME_MS) - 1) for interval in intervals)


async def measure(rate: int, seconds: float, warm_up: float, ratio_min: float) -> Result:
    """One rate, in a browser and with a server of its own.

    Raises:
        Wrong: the page is not right, or gets less than is sent.
        Failed: there is no browser, or the page does not come up.
    """
    with started("benchmarks.page_server", rate) as server:
        try:
            port = said(server)["port"]
            async with opened(f"http://127.0.0.1:{port}/") as tab:
                await tab.until(LIVE)
                await asyncio.sleep(warm_up)
                await tab.call("HeapProfiler.collectGarbage")
                cpu, before = await tab.cpu_seconds(), ask(server)
                await tab.run(MEASURE)
                await asyncio.sleep(seconds)
                seen = await tab.run(REPORT)
                cpu, after = await tab.cpu_seconds() - cpu, ask(server)
                await check_ladder(tab, ask(server, "stop"))
        except BaseException:
            server.kill()
            raise
    length = seen["seconds"]
    received = seen["changes"] / length
    if received < rate * ratio_min:
        raise Wrong(f"of {rate:,} changes a second the page got {received:,.0f}")
    if len(seen["work"]) < FRAMES_PER_SECOND_MIN * length:
        raise Wrong(f"the page drew only {len(seen['work'])} frames in {length:.0f} s")
    return Result(
        rate=rate,
        received=received,
        frames=len(seen["work"]),
        seconds=length,
        work=Quantiles.of(seen["work"]),
        interval=Quantiles.of(seen["intervals"]),
        dropped=dropped(seen["intervals"]),
        long_tasks=len(seen["long"]),
        kilobytes=(after["bytes"] - before["bytes"]) / length / 1_000,
        page_cpu=cpu / length,
        server_cpu=(after["cpu_seconds"] - before["cpu_seconds"]) / length,
    )


def ask(server: subprocess.Popen[str], line: str = "counts") -> dict[str, Any]:
    """What the server says of itself."""
    tell(server, line)
    return said(server)


async def check_ladder(tab: Tab, book: dict[str, Any]) -> None:
    """The page comes to show the server's last book.

    Raises:
        Wrong: it shows another. Failed: it does not come to the book's message.
    """
    await tab.until(f"window.seen.seq() >= {book['seq']}")
    compare(await tab.run(LADDER), book)


def compare(ladder: dict[str, Any], book: dict[str, Any]) -> None:
    """Every level that is shown is that of the book, at the same message.

    Raises:
        Wrong: it is not.
    """
    if ladder["seq"] != book["seq"]:
        raise Wrong(f"the ladder is at message {ladder['seq']}, the book at {book['seq']}")
    for side, best_first in (("bids", True), ("asks", False)):
        rows = sorted(map(tuple, ladder[side]), key=lambda row: float(row[0]), reverse=best_first)
        levels = list(map(tuple, book[side][: len(rows)]))
        if not rows or rows != levels:
            raise Wrong(f"the ladder's {side} are {rows}, the book's {levels}")


def show(results: Sequence[Result]) -> None:
    """The table."""
    print("changes/s   received  frames/s   work p50/p95/p99 ms   interval p50/p95/p99 ms   dropped  long", end="")
    print("      KB/s  page CPU  server CPU")
    for each in results:
        frames = each.frames / each.seconds
        work, interval = ("/".join(f"{ms:.1f}" for ms in times) for times in (each.work, each.interval))
        print(f"{each.rate:9,}{each.received:11,.0f}{frames:10.1f}{work:>22}{interval:>26}", end="")
        print(f"{each.dropped:10,}{each.long_tasks:6,}", end="")
        print(f"{each.kilobytes:10,.0f}{each.page_cpu:10.0%}{each.server_cpu:12.0%}")


def main(argv: list[str]) -> int:
    """Run, print, and return 1 if the page was wrong."""
    parser = argparse.ArgumentParser(description="frame times of the page under book changes")
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, metavar="N", help="changes a second")
    parser.add_argument("--seconds", type=float, default=20, metavar="N", help="length of a measurement (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--smoke", action="store_true", help="one low rate, a second: only the checks count")
    given = parser.parse_args(argv)
    warm_up, ratio_min = WARM_UP_SECONDS, RATE_RATIO_MIN
    if given.smoke:
        given.rates, given.seconds, warm_up, ratio_min = [200], 1, 1, RATE_RATIO_SMOKE_MIN
    results: list[Result] = []
    problem = None
    try:
        for rate in given.rates:
            results.append(asyncio.run(measure(rate, given.seconds, warm_up, ratio_min)))
    except (Failed, Wrong) as wrong:
        problem = wrong
    show(results)
    if problem is not None:
        print(f"WRONG: {problem}", file=sys.stderr)
        return 1
    if given.json:
        given.json.write_text(json.dumps([result._asdict() for result in results], indent=2) + "\n")
    print("the ladder was the server's book, level for level, when the changes ended")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
