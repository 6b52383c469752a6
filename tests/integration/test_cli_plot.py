"""`tickwire plot` as a process of its own, and notebooks' calls on the blocking client, against a whole server."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from importlib import import_module
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

import tickwire
from serving import serving
from tickwire.cli import plot
from tickwire.cli.main import app
from tickwire.client import Candles, Client, StreamMessage, connect, connect_blocking
from tickwire.protocol.messages import CandleData

polars: Any = import_module("polars")

BTC = "SIM:BTC-USDT"
SECONDS_MAX = 120
TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving() as served:
        yield served.url


async def run(*arguments: str, url: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command."""
    called = asyncio.to_thread(CliRunner().invoke, app, ["plot", *arguments, "--url", url])
    result = await asyncio.wait_for(called, SECONDS_MAX)
    return result.exit_code, result.stdout, result.stderr


def words(path: Path) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.parse(path).iter(TEXT)]


async def closed_candles(client: Client, count: int) -> None:
    """Wait until there are so many."""
    async with await client.subscribe("candles", BTC, interval="1s") as messages:
        async for message in messages:
            assert isinstance(message, StreamMessage)
            candle: CandleData | None = message.data
            if candle is not None and candle.closed:
                count -= 1
                if not count:
                    return


async def test_the_book_is_drawn_by_a_process_of_its_own(url: str, tmp_path: Path) -> None:
    out = tmp_path / "depth.svg"
    arguments = ("book", BTC, "--out", str(out), "--depth", "7", "--theme", "dark", "--url", url)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tickwire", "plot", *arguments)
    assert await asyncio.wait_for(process.wait(), SECONDS_MAX) == 0
    assert {f"{BTC}: order book", "price, USDT", "bids, 7 levels", "asks, 7 levels"} <= set(words(out))


async def test_candles_are_drawn(url: str, tmp_path: Path) -> None:
    async with connect(url) as client:
        await closed_candles(client, 2)
    out = tmp_path / "candles.png"
    arguments = ("candles", BTC, "--interval", "1s", "--limit", "2", "--out", str(out), "--size", "640x480")
    assert await run(*arguments, url=url) == (0, "", "")
    data = out.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20]), int.from_bytes(data[20:24])) == (640, 480)


async def test_latency_is_measured_drawn_and_said(url: str, tmp_path: Path) -> None:
    out = tmp_path / "latency.svg"
    code, said, err = await run("latency", "--out", str(out), "--seconds", "2", url=url)
    assert (code, err) == (0, "")
    line = r"([0-9,]+) measured, p50 ([0-9.]+ [mµ]?s), p90 ([0-9.]+ [mµ]?s), p99 ([0-9.]+ [mµ]?s)\n"
    found = re.fullmatch(f"Round trip of a ping: {line}Lag of a book message: {line}", said)
    assert found is not None, said
    assert 1 <= int(found[1]) <= 41  # one every 50 ms
    assert int(found[5].replace(",", "")) >= 1
    drawn = words(out)
    for first in (2, 6):
        for percent, value in zip((50, 90, 99), found.groups()[first - 1 : first + 2], strict=True):
            assert f"p{percent} {value}" in drawn


async def test_on_another_machine_only_pings_are_measured(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot, "same_machine", lambda url: False)
    code, said, err = await run("latency", "--out", str(tmp_path / "a.svg"), "--seconds", "2", url=url)
    left_out = f"{url} is not this machine: the lag, which two clocks would have to agree on, is left out\n"
    assert (code, err) == (0, left_out)
    assert re.fullmatch(r"Round trip of a ping: \d+ measured, p50 .*\n", said)
    assert "Lag of a book message" not in words(tmp_path / "a.svg")


async def test_a_wrong_symbol_is_said_with_the_right_one(url: str, tmp_path: Path) -> None:
    for command in ("book", "candles"):
        out = tmp_path / "a.svg"
        assert await run(command, "BTC", "--out", str(out), url=url) == (
            2,
            "",
            f"tickwire: no instrument BTC: did you mean {BTC}?\n",
        )
        assert not out.exists()


async def test_candles_of_a_server_are_those_of_its_stream(url: str) -> None:
    async with asyncio.timeout(SECONDS_MAX), connect(url) as client:
        async with await client.subscribe("candles", BTC, interval="1s") as messages:
            closed: list[CandleData] = []
            async for message in messages:
                assert isinstance(message, StreamMessage)
                if message.data is not None and message.data.closed:
                    closed.append(message.data)
                if len(closed) == 3:
                    break
        candles = await client.candles(BTC, "1s", start=closed[0].start)
        assert list(candles[:3]) == closed
        assert list(await client.candles(BTC, "1s", end=closed[-1].start, limit=2)) == closed[:2]
        assert all(one.start < other.start for one, other in pairwise(candles))
        assert [candle.closed for candle in candles[:-1]] == [True] * (len(candles) - 1)


async def test_a_notebook_has_the_same_without_async(url: str, tmp_path: Path) -> None:
    def work() -> None:
        assert connect_blocking(url)._repr_html_() is None
        with connect_blocking(url) as client:
            assert client._repr_html_() is None
            for book in (client.book(BTC), client.book_l3(BTC)):
                frame = book.to_dataframe(3)
                assert isinstance(frame, polars.DataFrame)
                assert frame["side"].to_list() == ["bid"] * 3 + ["ask"] * 3
                assert frame["level"].to_list() == [1, 2, 3] * 2
                sizes = frame["size"].to_list()
                assert all(isinstance(size, Decimal) for size in sizes)
                assert frame["cumulative"].to_list() == [*accumulate(sizes[:3]), *accumulate(sizes[3:])]
                assert frame["price"][0] < frame["price"][3]
                assert book._repr_html_().startswith(f"<table><caption>{BTC}, seq ")
                book.plot(5).save(tmp_path / "book.svg")
                assert "asks, 5 levels" in words(tmp_path / "book.svg")
            candles = client.candles(BTC, "1s", limit=5)
            assert isinstance(candles, tickwire.Candles)
            assert isinstance(candles, Candles)
            assert candles.to_dataframe()["start"].dt.epoch("ns").to_list() == [candle.start for candle in candles]
            candles.plot().save(tmp_path / "candles.svg")
            assert "volume, BTC" in words(tmp_path / "candles.svg")

    await asyncio.wait_for(asyncio.to_thread(work), SECONDS_MAX)


async def test_the_code_of_the_notebook_page_runs(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "howto" / "notebooks.md").read_text()
    cells = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    async with connect(url) as client:
        await closed_candles(client, 2)

    def work() -> dict[str, Any]:
        names: dict[str, Any] = {}
        for cell in cells:
            exec(compile(cell.replace("ws://127.0.0.1:8000/ws", url), "notebooks.md", "exec"), names)
        return names

    names = await asyncio.wait_for(asyncio.to_thread(work), SECONDS_MAX)
    asks = [(row["price"], row["size"]) for row in names["frame"].to_dicts() if row["side"] == "ask"]
    left, cost = Decimal(2), Decimal(0)
    for price, size in asks:
        cost += price * min(size, left)
        left -= min(size, left)
    assert names["cost"] == cost
    assert "asks, " in " ".join(words(tmp_path / "depth.svg"))
    assert (tmp_path / "candles.png").read_bytes()[16:24] == (1600).to_bytes(4) + (900).to_bytes(4)
