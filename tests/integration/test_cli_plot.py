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
from types import SimpleNamespace
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
            candle: CandleData | None = message.data if isinstance(message, StreamMessage) else None
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


LINE = r"([0-9,]+) measured, p50 ([0-9.]+ [mµ]?s), p90 ([0-9.]+ [mµ]?s), p99 ([0-9.]+ [mµ]?s)\n"


async def measured(out: Path, url: str, said: str) -> tuple[int, re.Match[str], str]:
    """`plot latency` for as many seconds as it takes to measure what `said` matches: those, the match and stderr."""
    for seconds in (1, 10, 60):
        code, stdout, stderr = await run("latency", "--out", str(out), "--seconds", str(seconds), url=url)
        assert code == 0, stderr
        found = re.fullmatch(said, stdout)
        if found is not None:
            return seconds, found, stderr
    pytest.fail(f"said: {stdout}")


async def test_latency_is_measured_drawn_and_said(url: str, tmp_path: Path) -> None:
    out = tmp_path / "latency.svg"
    seconds, found, err = await measured(out, url, f"Round trip of a ping: {LINE}Lag of a book message: {LINE}")
    assert err == ""
    assert 1 <= int(found[1].replace(",", "")) <= 20 * seconds + 1  # one every 50 ms
    drawn = words(out)
    for first in (2, 6):
        for percent, value in zip((50, 90, 99), found.groups()[first - 1 : first + 2], strict=True):
            assert f"p{percent} {value}" in drawn


async def test_on_another_machine_only_pings_are_measured(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot, "same_machine", lambda url: False)
    _, _, err = await measured(tmp_path / "a.svg", url, f"Round trip of a ping: {LINE}")
    assert err == f"{url} is not this machine: the lag, which two clocks would have to agree on, is left out\n"
    assert "Lag of a book message" not in words(tmp_path / "a.svg")


async def test_a_server_of_few_requests_is_pinged_less_often(tmp_path: Path) -> None:
    async with serving("--requests-per-second", "2") as served:
        said = f"Round trip of a ping: {LINE}Lag of a book message: {LINE}"
        seconds, found, _ = await measured(tmp_path / "a.svg", served.url, said)
        assert 1 <= int(found[1]) <= seconds + 1  # half as many as it allows


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
        closed: dict[int, CandleData] = {}  # by their start; the stream may leave some out
        async with await client.subscribe("candles", BTC, interval="1s") as messages:
            async for message in messages:
                candle: CandleData | None = message.data if isinstance(message, StreamMessage) else None
                if candle is not None and candle.closed:
                    closed[candle.start] = candle
                if len(closed) == 3:
                    break
        candles = await client.candles(BTC, "1s", start=min(closed))
        assert candles[0] == closed[min(closed)]
        assert {candle.start: candle for candle in candles if candle.start in closed} == closed
        assert all(one.start < other.start for one, other in pairwise(candles))
        assert [candle.closed for candle in candles[:-1]] == [True] * (len(candles) - 1)
        before = [candle for candle in candles if candle.start < max(closed)]
        assert list(await client.candles(BTC, "1s", end=max(closed), limit=2)) == before[-2:]


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


CELLS = re.findall(
    r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "howto" / "notebooks.md").read_text(), re.DOTALL
)


@pytest.mark.parametrize("backend", ["polars", "pandas"])
async def test_the_code_of_the_notebook_page_runs_with_either_library(
    url: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "pandas" if backend == "polars" else "polars", None)
    async with connect(url) as client:
        await closed_candles(client, 2)

    def work() -> dict[str, Any]:
        names: dict[str, Any] = {}
        for cell in CELLS:
            exec(compile(cell.replace("ws://127.0.0.1:8000/ws", url), "notebooks.md", "exec"), names)
        return names

    names = await asyncio.wait_for(asyncio.to_thread(work), SECONDS_MAX)
    assert type(names["frame"]).__module__.partition(".")[0] == backend
    assert capsys.readouterr().out == f"{names['cost']:,} USDT\n"
    assert "asks, " in " ".join(words(tmp_path / "depth.svg"))
    assert (tmp_path / "candles.png").read_bytes()[16:24] == (1600).to_bytes(4) + (900).to_bytes(4)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        (["0.5", "0.25", "9"], "202.75 USDT"),  # 0.5 at 100, 0.25 at 101, 1.25 at 102
        (["0.5", "1.5"], "201.5 USDT"),
        (["0.5", "1.25"], "the book holds 0.25 BTC too few"),
        ([], "the book holds 2 BTC too few"),
    ],
)
def test_the_cost_on_the_notebook_page_is_right(
    sizes: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asks = [(Decimal(100 + n), Decimal(size)) for n, size in enumerate(sizes)]
    (cell,) = (cell for cell in CELLS if "cost" in cell)
    exec(cell, {"book": SimpleNamespace(asks=lambda: asks)})
    assert capsys.readouterr().out == f"{said}\n"
