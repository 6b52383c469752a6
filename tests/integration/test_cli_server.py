"""The commands that are clients, as processes of their own, against whole servers."""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import json
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import tickwire
from tickwire.client import Client
from tickwire.config import FeedSpec, ServerSettings
from tickwire.protocol.messages import StreamMessage
from tickwire.server.app import Server

BTC, EUR = "SIM:BTC-USDT", "SIM:EUR-USD"
SECONDS_MAX = 60
COMMAND = (sys.executable, "-m", "tickwire")
Json = dict[str, Any]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(ServerSettings(port=0, drain_seconds=0)).running() as running:
        yield running


def environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TICKWIRE_")} | more


async def started(*arguments: str, url: str = "", width: int = 120) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    env = environment(TICKWIRE_URL=url, COLUMNS=str(width))
    return await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=env)


async def run(*arguments: str, url: str, width: int = 120) -> tuple[int | None, str, str]:
    """(exit code, stdout, stderr) of a command."""
    process = await started(*COMMAND, *arguments, url=url, width=width)
    async with asyncio.timeout(SECONDS_MAX):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def objects(text: str) -> list[Json]:
    return [json.loads(line) for line in text.splitlines()]


# ---- instruments, tail ---------------------------------------------------------------------------


async def test_instruments(server: Server) -> None:
    code, out, err = await run("instruments", "--class", "fx", url=server.url)
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["symbol", "class", "kind", "tick", "lot", "channels", "state"],
        *(
            [
                symbol,
                "fx",
                "matched",
                "0.00001",
                "1000",
                *("trades", "book", "book_l3", "quotes", "candles", "ticker", "rates", "status"),
                "live",
            ]
            for symbol in (EUR, "SIM:GBP-USD")
        ),
    ]
    code, out, err = await run("instruments", "--json", url=server.url)
    assert [row["symbol"] for row in objects(out)] == [i.symbol for i in server.market.instruments]
    assert objects(out)[0]["status"] == {"instrument": "open", "feed": "live", "reason": ""}


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_tail_prints_every_message_as_json(server: Server, encoding: str) -> None:
    code, out, err = await run("tail", "book", BTC, "--count", "30", "--encoding", encoding, url=server.url)
    assert (code, err) == (0, "")
    snapshot, *updates = objects(out)
    assert (snapshot["type"], len(snapshot["data"]["asks"]) > 10) == ("snapshot", True)
    assert [(m["type"], m["seq"]) for m in updates] == [("update", snapshot["seq"] + n) for n in range(1, 30)]
    assert " " not in out


async def test_tail_of_all_instruments_with_options(server: Server) -> None:
    arguments = ("tail", "book", "all", "--depth", "1", "--interval-ms", "100", "--count", "12")
    code, out, err = await run(*arguments, url=server.url)
    assert (code, err) == (0, "")
    messages = objects(out)
    assert {m["symbol"] for m in messages[:6]} == {i.symbol for i in server.market.instruments}
    assert {(m["depth"], m["interval_ms"], len(m["data"]["bids"])) for m in messages} == {(1, 100, 1)}


async def test_a_closed_pipe_ends_tail_quietly(server: Server) -> None:
    shell = f"{sys.executable} -m tickwire tail trades {BTC} | head -n 2"
    process = await started("sh", "-c", shell, url=server.url)
    async with asyncio.timeout(SECONDS_MAX):
        out, err = await process.communicate()
    assert [m["type"] for m in objects(out.decode())] == ["snapshot", "update"]
    assert err == b""


async def test_ctrl_c_ends_tail_quietly(server: Server) -> None:
    process = await started(*COMMAND, "tail", "trades", BTC, url=server.url)
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS_MAX):
        assert json.loads(await process.stdout.readline())["type"] == "snapshot"
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert (process.returncode, err) == (130, b"")


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["watch", "SIM:BTC"], 2, "no instrument SIM:BTC: did you mean SIM:BTC-USDT?"),
        (["tail", "trades", "SIM:ETH-USD"], 2, "no instrument SIM:ETH-USD: did you mean SIM:ETH-USDT?"),
        (
            ["tail", "rates", BTC],
            1,
            f"not_available: {BTC} has no rates; it has trades, book, book_l3, quotes, candles, ticker, status",
        ),
        (
            ["record", BTC, "--channel", "rates", "--out", "no.jsonl"],
            2,
            f"{BTC} has none of these; it has trades, book, book_l3, quotes, candles, ticker, status",
        ),
        (["record", BTC, "--out", "/"], 2, "/ exists already; give another name with --out"),
        (["record", BTC, "--out", "/none/a"], 1, "/none/a: No such file or directory"),
    ],
)
async def test_errors_that_only_the_server_can_tell(server: Server, arguments: list[str], code: int, line: str) -> None:
    assert await run(*arguments, url=server.url) == (code, "", f"tickwire: {line}\n")


# ---- record and replay ---------------------------------------------------------------------------


@asynccontextmanager
async def replaying(path: Path) -> AsyncIterator[str]:
    """The URL of `tickwire replay`, which waits for its first subscriber."""
    process = await started(*COMMAND, "replay", str(path), "--speed", "max", "--wait", "--port", "0")
    assert process.stderr is not None
    try:
        async with asyncio.timeout(SECONDS_MAX):
            found = re.search(r"serves (ws://\S+)", (await process.stderr.readline()).decode())
            assert found is not None
            yield found[1]
    finally:
        process.terminate()
        await process.communicate()


async def ended(client: Client, symbol: str) -> None:
    """Wait until the instrument's recording has ended."""
    async with await client.subscribe("status", symbol) as messages:
        async for message in messages:
            assert isinstance(message, StreamMessage)
            if message.data.reason == "the recording has ended":
                return


async def replayed(url: str, channel: str, symbols: list[str]) -> tuple[list[StreamMessage], dict[str, Any]]:
    """All messages of a channel, and the last trades of each symbol."""
    async with tickwire.connect(url) as client:
        messages: list[StreamMessage] = []
        async with await client.subscribe(channel, symbols) as subscription:

            async def collect() -> None:
                async for message in subscription:
                    assert isinstance(message, StreamMessage)
                    messages.append(message)

            task = asyncio.create_task(collect())
            for symbol in symbols:
                await ended(client, symbol)
            await asyncio.sleep(0)  # lets `collect` take what came together with the end
            assert subscription.waiting == 0
        await task
        trades = {symbol: (await client.snapshot("trades", symbol)).data.trades for symbol in symbols}
    return messages, trades


def read(path: Path) -> tuple[Json, list[Json]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        header, *lines = objects(file.read())
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    return header, [line["message"] for line in lines]


def of(messages: list[Json], channel: str, symbol: str) -> list[Json]:
    return [m for m in messages if (m.get("channel"), m.get("symbol")) == (channel, symbol)]


async def test_books_by_order_and_trades_are_replayed_as_they_were_recorded(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    code, out, err = await run("record", BTC, EUR, "--out", str(path), "--count", "400", url=server.url)
    assert (code, out) == (0, "")
    assert err.startswith(f"{path}: 400 messages, ")
    header, recorded = read(path)
    assert (header["epoch"], header["url"]) == (server.tape.epoch, server.url)
    assert [(i["symbol"], i["channels"]) for i in header["instruments"]] == [
        (BTC, ["trades", "book_l3"]),
        (EUR, ["trades", "book_l3"]),
    ]
    assert len(recorded) == 400

    async with replaying(path) as url:
        messages, trades = await replayed(url, "book_l3", [BTC, EUR])
    for symbol in (BTC, EUR):
        snapshot, *changes = of(recorded, "book_l3", symbol)
        got = [m for m in messages if m.symbol == symbol and m.seq > 0]
        assert [list(map(list, got[0].data.bids)), list(map(list, got[0].data.asks))] == [
            snapshot["data"]["bids"],
            snapshot["data"]["asks"],
        ]
        assert [(m.data.order_id, m.data.side, m.data.price, m.data.size) for m in got[1:]] == [
            (d["order_id"], d["side"], d["price"], d["size"]) for d in (m["data"] for m in changes)
        ]
        assert len(changes) > 50
        happened = [m["data"] for m in of(recorded, "trades", symbol) if m["type"] == "update"][-100:]
        assert [
            {name: getattr(t, name) for name in d} for t, d in zip(trades[symbol], happened, strict=True)
        ] == happened
    assert trades[BTC]


async def test_books_by_level_are_replayed_as_they_were_recorded(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    arguments = ("record", "all", "--channel", "book", "--channel", "quotes", "--out", str(path), "--count", "300")
    code, _, err = await run(*arguments, url=server.url)
    assert code == 0, err
    header, recorded = read(path)
    assert {tuple(i["channels"]) for i in header["instruments"]} == {("book", "quotes")}
    async with replaying(path) as url:
        messages, trades = await replayed(url, "book", [BTC])
    expected = [
        (m["type"], sides(m["data"]["bids"], m["data"]["asks"]), m["data"]["checksum"])
        for m in of(recorded, "book", BTC)
    ]
    got = [(m.type, sides(m.data.bids, m.data.asks), m.data.checksum) for m in messages if m.seq > 0]
    assert got == expected
    assert (len(got) > 30, trades) == (True, {BTC: []})


def sides(bids: Any, asks: Any) -> tuple[dict[str, str], dict[str, str]]:
    return dict(bids), dict(asks)


# ---- watch ---------------------------------------------------------------------------------------

HEADER = {
    "tickwire": "recording",
    "version": 1,
    "url": "",
    "epoch": "",
    "instruments": [
        {
            "symbol": symbol,
            "venue": symbol[:3],
            "base": symbol[4:7],
            "quote": symbol[8:],
            "asset_class": asset_class,
            "kind": "mirrored",
            "tick_size": tick,
            "lot_size": "0.1",
            "channels": channels,
            "status": {"instrument": "open", "feed": "live", "reason": ""},
        }
        for symbol, asset_class, tick, channels in (
            ("VEN:BTC-USD", "crypto", "0.5", ["trades", "book"]),
            ("VEN:EUR-USD", "fx", "0.0001", ["quotes"]),
        )
    ],
}
BOOK = {"bids": [["100.0", "1.5"], ["99.5", "0.5"]], "asks": [["100.5", "1.0"]], "checksum": 1}
TRADE = {"id": "1", "price": "100.5", "size": "0.3", "side": "buy", "ts_event": 1_700_000_000_123_000_000}
QUOTE = {"bid": "1.0801", "bid_size": "5.0", "ask": None, "ask_size": None, "ts_event": 0}


@pytest.fixture
async def still(tmp_path: Path) -> AsyncIterator[Server]:
    """A server whose recording has ended: nothing changes any more."""
    path = tmp_path / "still.jsonl"
    streams = (
        ("VEN:BTC-USD", "book", "snapshot", BOOK),
        ("VEN:BTC-USD", "trades", "update", TRADE | {"buy_order_id": None, "sell_order_id": None}),
        ("VEN:EUR-USD", "quotes", "snapshot", QUOTE),
    )
    lines = [
        {"at": n, "message": {"channel": channel, "symbol": symbol, "type": kind, "seq": 1, "ts": 1, "data": data}}
        for n, (symbol, channel, kind, data) in enumerate(streams)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in (HEADER, *lines)))
    settings = ServerSettings(port=0, feeds=(FeedSpec("recorded", "tickwire", path),), speed=None, drain_seconds=0)
    async with Server(settings).running() as running, tickwire.connect(running.url) as client:
        await ended(client, "VEN:EUR-USD")
        yield running


async def test_watch_prints_one_screen_where_there_is_no_terminal(still: Server) -> None:
    code, out, err = await run("watch", "VEN:BTC-USD", "--depth", "2", url=still.url, width=90)
    assert (code, err) == (0, "")
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == f"{' VEN:BTC-USD   100.5    +0.0 (+0.00%)':<85}DOWN"
    assert lines[2:10] == [
        "╭─ Order book BTC/USD NOT CURRENT: the feed is d… ─╮╭─ Trades UTC ───────────────────────╮",
        "│ price  size  total                               ││ time          price  size          │",
        "│                                                  ││ 22:13:20.123  100.5   0.3          │",
        "│ 100.5   1.0    1.0  ██████████████               ││                                    │",
        "│ mid 100.25  spread 0.5 (49.88 bp)                ││                                    │",
        "│ 100.0   1.5    1.5  █████████████████████        ││                                    │",
        "│  99.5   0.5    2.0  ████████████████████████████ ││                                    │",
        "╰──────────────────────────────────────────────────╯╰────────────────────────────────────╯",
    ]
    assert lines[-1].startswith(f" {still.url}  connected  latency -  - msg/s  book seq 1  gaps 0")


async def test_watch_shows_the_quote_of_an_instrument_without_a_book(still: Server) -> None:
    code, out, err = await run("watch", "VEN:EUR-USD", "--once", url=still.url, width=60)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[2] == "╭─ Quote EUR/USD NOT CURRENT: the feed is down: the reco… ─╮"
    assert [line.strip(" │") for line in lines[3:11] if line.strip(" │")] == [
        "price  size  total",
        "no asks",
        "1.0801   5.0    5.0  ███████████████████████████████████",
    ]


async def test_watch_in_a_terminal_is_live_until_q_is_pressed(server: Server) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    before = termios.tcgetattr(theirs)
    env = environment(TICKWIRE_URL=server.url, TERM="xterm-256color")
    env.pop("COLUMNS", None)
    env.pop("LINES", None)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "watch", BTC, "--interval", "1s", stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    try:
        async with asyncio.timeout(SECONDS_MAX):
            seen = ""
            while not re.search(r"● live.*book seq.*● live.*latency \d+\.\d ms", seen, re.DOTALL):
                seen += (await asyncio.to_thread(os.read, ours, 65_536)).decode(errors="replace")
            await asyncio.to_thread(os.write, ours, b"xq")
            while "\x1b[?1049l" not in seen:  # the alternate screen is left
                seen += (await asyncio.to_thread(os.read, ours, 65_536)).decode(errors="replace")
            assert await process.wait() == 0
        assert "\x1b[?1049h" in seen
        assert termios.tcgetattr(theirs) == before
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(ours)
        os.close(theirs)
