"""The server or the network goes away under the page: it says so within a second, and is right again after it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from playwright.async_api import expect

from browser.conftest import NewTab
from browser.history import kept
from browser.page import Tab
from browser.rest import BTC, ETH, port
from browser.test_market import check_ladder
from proxy import Proxy
from serving import serving

NOTICE_MS_MAX = 1_000
SECONDS = float(os.environ.get("MINUTES") or 1 / 6) * 60
"""How long the page is used for before and after its heap is looked at."""
HEAP_GROWTH_BYTES_MAX = 2_000_000
NODES_GROWTH_MAX = 200
LIMITED = (str(Path(__file__).resolve().parents[2] / "benchmarks" / "limited_server.py"), '{"HEARTBEAT_MS": 1000}')
"""A server of a mute connection to which the client is sure after 2.5 seconds, not 12.5."""

WATCH_STATE = """() => {
    const began = performance.now();
    let due = began, lagMs = 0;
    const late = () => Math.max(0, performance.now() - due);
    const tick = () => {
        lagMs += late();
        due = performance.now() + 50;
        setTimeout(tick, 50);
    };
    tick();
    const observer = new MutationObserver(() => {
        window.turn = { state: document.body.dataset.state, afterMs: performance.now() - began, lagMs: lagMs + late() };
        observer.disconnect();
    });
    observer.observe(document.body, { attributes: true, attributeFilter: ["data-state"] });
}"""


class Turn(NamedTuple):
    """The state that the page turned to next, how long after it was watched, and how late its timers came meanwhile.

    Both times are measured in the page, which is watched before anything happens: a slow test is no slow page.
    """

    state: str
    after_ms: float
    lag_ms: float


async def next_turn(page: Tab) -> Turn:
    """Wait until the page has turned to another state since `WATCH_STATE`."""
    await page.until("() => window.turn")
    return Turn(*(await page.page.evaluate("[turn.state, turn.afterMs, turn.lagMs]")))


def check_quick(turn: Turn) -> None:
    """It took no longer than it may. Where timers come late the machine is busy, and the page could say nothing."""
    assert turn.after_ms - turn.lag_ms < NOTICE_MS_MAX, turn


async def test_a_killed_server_is_seen_at_once_and_resumed_when_it_is_back(tab: NewTab, tmp_path: Path) -> None:
    options = ("--drain-seconds", "0", "--data-dir", str(tmp_path / "data"))
    async with serving(*options) as served:
        page = await tab(served.url)
        before = await page.ladder(BTC)
        await page.page.evaluate(WATCH_STATE)
        served.process.kill()
        turn = await next_turn(page)
        assert turn.state in ("lost", "reconnecting")
        check_quick(turn)
        await served.process.wait()
    async with serving(*options, "--port", str(port(served.url))) as again, kept(again.url, "book", BTC) as history:
        await page.until_state("live")
        ladder = await page.ladder(BTC, after=max(before.seq, history.messages[0].seq))
        check_ladder(ladder, await history.book(ladder.seq))
        assert int(await page.figure("Resumed")) > 0


async def test_a_cut_cable_is_seen_within_a_second(tab: NewTab, tmp_path: Path) -> None:
    async with (
        serving("--drain-seconds", "0", program=LIMITED) as served,
        Proxy(port(served.url)) as cable,
        kept(served.url, "book", BTC) as history,
    ):
        page = await tab(cable.url)
        before = await page.ladder(BTC)
        await page.page.evaluate(WATCH_STATE)
        cable.stall()
        turn = await next_turn(page)
        assert turn.state == "stale"
        check_quick(turn)
        await page.until_state("live")  # by a connection that it has made anew
        ladder = await page.ladder(BTC, after=before.seq)
        check_ladder(ladder, await history.book(ladder.seq))


async def test_who_signs_out_without_a_connection_stays_signed_out(tab: NewTab, market: str) -> None:
    async with Proxy(port(market)) as cable:
        page = await tab(cable.url)
        await page.sign_in()
        before = await page.ladder(BTC)
        cable.cut()
        await page.until_state("lost", "reconnecting")
        await page.page.keyboard.press("c")
        await expect(page.page.get_by_role("alert").filter(has_text="Waiting for the connection")).to_be_visible()
        await page.page.get_by_role("button", name="Sign out").click()
        cable.mend()
        await page.until_state("live")
        await page.ladder(BTC, after=before.seq)
        await expect(page.page.get_by_role("button", name="Sign out")).to_have_count(0)
        await page.sign_in()


async def test_a_server_that_stops_is_announced(tab: NewTab) -> None:
    async with serving("--drain-seconds", "2") as served:
        page = await tab(served.url)
        await page.page.evaluate(WATCH_STATE)
        served.process.terminate()
        assert (await next_turn(page)).state == "draining"
        await page.until_state("lost", "reconnecting")


async def test_the_heap_does_not_grow(tab: NewTab, market: str) -> None:
    async with Proxy(port(market)) as cable:
        page = await tab(cable.url)
        await page.sign_in()
        await _use(page, cable, SECONDS / 2)
        before = await _heap(page)
        await _use(page, cable, SECONDS)
        after = await _heap(page)
    print(json.dumps({"before": before, "after": after}))
    assert after["JSHeapUsedSize"] - before["JSHeapUsedSize"] < HEAP_GROWTH_BYTES_MAX
    assert after["Nodes"] - before["Nodes"] < NODES_GROWTH_MAX
    assert after["JSEventListeners"] - before["JSEventListeners"] < NODES_GROWTH_MAX


async def _use(page: Tab, cable: Proxy, seconds: float) -> None:
    """Look at one instrument after the other, over a connection that is cut again and again: twice at least."""
    end = time.monotonic() + seconds
    rounds = 0
    while rounds < 2 or time.monotonic() < end:
        for symbol in (ETH, BTC):
            await page.select(symbol)
            ladder = await page.ladder(symbol)
            await page.ladder(symbol, after=ladder.seq)
        cable.cut()
        await page.until_state("lost", "reconnecting")
        cable.mend()
        await page.until_state("live")
        await page.ladder(BTC)
        rounds += 1


async def _heap(page: Tab) -> dict[str, Any]:
    """What the page holds when all garbage is gone."""
    devtools = await page.page.context.new_cdp_session(page.page)
    await devtools.send("Performance.enable")
    for _ in range(3):  # what a first collection finalises, a second one frees
        await devtools.send("HeapProfiler.collectGarbage")
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    await devtools.detach()
    wanted = ("JSHeapUsedSize", "Nodes", "JSEventListeners")
    return {each["name"]: each["value"] for each in metrics if each["name"] in wanted}
