"""How long until a change of the book is on the screen, and how long do the page's frames take meanwhile?

    a venue's book, ──► server ──► WebSocket ──► the dashboard in Chromium ──► frames, each measured in the page:
    open loop                                    with all panels               what it shows, and when it is rendered

For each rate the page runs alone, in a browser of its own without a GPU, on the same cores as the server. A change has
come when a frame that shows it is rendered: at the first task after the frame, which the frame itself asks for by a
message to oneself. That is counted from the time the change was due, by the wall clock that both have, so a stall of
the server or of the page counts for all that it delays. What other processes then do to bring the frame to a display
is not in it. A frame's work is the time from its first script (`requestAnimationFrame`) to that task: scripts, style,
layout and painting. Messages come between frames: what they cost shows in the intervals and in the processor time.

Checked: the page took in as many changes a second as were made, drew all the time, and never went back; when the
changes end, the ladder on the screen is the server's book, level for level, at the same message.
"""

from __future__ import annotations

import asyncio
import subprocess
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

from benchmarks.chromium import Tab, opened
from benchmarks.percentiles import quantile, tail
from benchmarks.processes import said, started, tell
from benchmarks.results import Cell, Lines, Measured, Table, Wrong
from benchmarks.screen.shown import CLOCKS_MS_MAX, latencies

RATES = (1_000, 10_000)
WARM_UP_SECONDS = 5
FRAME_MS = 1_000 / 60
RATE_RATIO_MIN, RATE_RATIO_SMOKE_MIN = 0.9, 0.5
"""Of the changes that were to be made in a second, those that the page must have got."""
FRAMES_PER_SECOND_MIN = 5
"""Below, the page does not draw: what is measured then is not its frames."""
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_SCREEN = "From when a change was due until it was on the screen"

MEASURE = """(() => {
    const seen = window.seen = { work: [], intervals: [], long: [], shown: [], began: performance.now(), on: true };
    seen.seq = () => Number(document.querySelector("[data-ladder]").dataset.seq);
    const { port1, port2 } = new MessageChannel();
    let at, before;
    port1.onmessage = () => {
        const now = performance.now();
        seen.work.push(now - at);
        seen.shown.push([seen.seq(), performance.timeOrigin + now]);
    };
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
    const { work, intervals, long, shown, began } = window.seen;
    const now = performance.now();
    window.seen.on = false;
    return { work, intervals, long, shown, seconds: (now - began) / 1000,
        clocks: performance.timeOrigin + now - Date.now() };
})()"""
LIVE = """document.body?.dataset.state === "live" && Number(document.querySelector("[data-ladder]")?.dataset.seq) > 0"""
LADDER = """(() => {
    const ladder = document.querySelector("[data-ladder]");
    const rows = side => [...ladder.querySelectorAll(`[data-side="${side}"]`)]
        .filter(row => row.dataset.price).map(row => [row.dataset.price, row.dataset.size]);
    return { seq: Number(ladder.dataset.seq), bids: rows("bid"), asks: rows("ask") };
})()"""


class Run(NamedTuple):
    """What one rate came to.

    Args:
        received: changes a second that the page took in.
        shown: from when each change was due until it was on the screen, ms.
        work, intervals: of each frame, ms.
        long_tasks: tasks of 50 ms or more in the page, a count.
        kilobytes: a second, on the wire, framed.
        page_cpu, server_cpu: processor seconds a second.
    """

    received: float
    shown: list[float]
    work: list[float]
    intervals: list[float]
    seconds: float
    long_tasks: int
    kilobytes: float
    page_cpu: float
    server_cpu: float


def options(parser: ArgumentParser) -> None:
    """What can be set."""
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, metavar="N", help="changes a second")
    parser.add_argument("--seconds", type=float, default=20, metavar="S", help="length of a run (%(default)s)")


def measure(given: Namespace) -> Measured:
    """Run.

    Raises:
        Wrong: there is no browser, or the page does not show what it must.
    """
    warm_up, ratio_min = float(WARM_UP_SECONDS), RATE_RATIO_MIN
    if given.smoke:
        given.rates, given.seconds, warm_up, ratio_min = [200], 0.8, 0.2, RATE_RATIO_SMOKE_MIN
    runs = {rate: asyncio.run(run(rate, given.seconds, warm_up, ratio_min)) for rate in given.rates}
    return Measured(
        settings={
            "seconds a run": given.seconds,
            "page": "1440 x 900, all panels",
            **{name: version(name) for name in ("tickwire", "uvicorn", "uvloop")},
        },
        tables=[_screen(runs), _frames(runs)],
        charts=[
            _chart(_SCREEN, {rate: each.shown for rate, each in runs.items()}),
            _chart("The work of a frame", {rate: each.work for rate, each in runs.items()}),
        ],
        findings=[
            f"The page draws at most once in {FRAME_MS:.1f} ms: a change waits for half of that on average, whatever "
            "the server does.",
            "The page's share of the processor is that of all its threads: the main one, the socket's, and those that "
            "paint in place of a GPU. Server and browser share the machine's cores.",
        ],
    )


async def run(rate: int, seconds: float, warm_up: float, ratio_min: float) -> Run:
    """One rate, in a browser and with a server of its own.

    Raises:
        Wrong: there is no browser, or the page is not right, or gets less than is sent.
    """
    with started("benchmarks.screen.server", rate) as server:
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
                book = ask(server, "stop")
                await check_ladder(tab, book)
        except BaseException:
            server.kill()
            raise
    length, frames = seen["seconds"], seen["shown"]
    if len(frames) < FRAMES_PER_SECOND_MIN * length:
        raise Wrong(f"the page drew only {len(frames)} frames in {length:.0f} s")
    received = (frames[-1][0] - frames[0][0]) / (frames[-1][1] - frames[0][1]) * 1_000
    if received < rate * ratio_min:
        raise Wrong(f"of {rate:,} changes a second the page got {received:,.0f}")
    if abs(seen["clocks"]) > CLOCKS_MS_MAX:
        raise Wrong(f"the page's clock is {seen['clocks']:.0f} ms off")
    first_seq, began_ms = book["seq"] - book["changes"] + 1, book["began_ns"] / 1e6
    return Run(
        received=received,
        shown=latencies(frames, first_seq=first_seq, began_ms=began_ms, rate=rate),
        work=seen["work"],
        intervals=seen["intervals"],
        seconds=length,
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
        Wrong: it does not.
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


def dropped(intervals: Sequence[float]) -> int:
    """How many frames of 1/60 s have no frame of their own."""
    return sum(max(0, round(interval / FRAME_MS) - 1) for interval in intervals)


def _at(samples: Sequence[float]) -> list[float]:
    ordered = sorted(samples)
    return [quantile(ordered, share) for share in SHARES.values()]


def _screen(runs: dict[int, Run]) -> Table:
    columns = ["changes/s", "received/s", *(f"{name} ms" for name in SHARES), "max ms", "page's processor", "server's"]
    rows: list[list[Cell]] = [
        [rate, r.received, *_at(r.shown), max(r.shown), f"{r.page_cpu:.0%}", f"{r.server_cpu:.0%}"]
        for rate, r in runs.items()
    ]
    return Table(_SCREEN, columns, rows)


def _frames(runs: dict[int, Run]) -> Table:
    quantiles = [f"{of} {name} ms" for of in ("work", "between") for name in SHARES]
    rows: list[list[Cell]] = [
        [
            rate,
            len(r.work) / r.seconds,
            *_at(r.work),
            *_at(r.intervals),
            f"{dropped(r.intervals)} of {len(r.work)}",
            r.long_tasks,
            r.kilobytes,
        ]
        for rate, r in runs.items()
    ]
    columns = ["changes/s", "frames/s", *quantiles, "left out", "long tasks", "KB/s"]
    return Table("The frames meanwhile", columns, rows)


def _chart(title: str, samples: dict[int, list[float]]) -> Lines:
    curves = {f"{rate:,} changes/s": tail(each) for rate, each in samples.items()}
    return Lines(title, x="one in so many is longer", y="ms", series=curves, log="x")
