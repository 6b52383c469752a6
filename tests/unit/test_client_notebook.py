"""What a notebook does with books and candles: frames, pictures, tables; and how candles are gathered."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any

import msgspec
import pytest

import tickwire
from client_peer import FakeServer, Peer, quick, start
from tickwire.client.books import Live, LiveBook, LiveOrders
from tickwire.client.candles import Candles
from tickwire.errors import BookInvalid, InvalidInput, NotInstalled, RequestRefused, UnknownSymbol
from tickwire.frames import Backend
from tickwire.model.channel import stream_key
from tickwire.protocol.client_outcomes import ClientStats
from tickwire.protocol.messages import (
    BookData,
    CandleData,
    ErrorBody,
    InstrumentInfo,
    OrdersData,
    StatusData,
    StreamMessage,
)

pandas: Any = import_module("pandas")
polars: Any = import_module("polars")

BTC = "SIM:BTC-USDT"
INFO = InstrumentInfo(
    BTC, "SIM", "BTC", "USDT", "crypto", "matched", "0.25", "0.001", ["book"], StatusData("open", "live", "")
)
MINUTE = 60_000_000_000
SECONDS_MAX = 10
LEVELS = [
    ("bid", 1, Decimal("99.75"), Decimal("0.500"), Decimal("0.500")),
    ("bid", 2, Decimal("99.50"), Decimal("1.000"), Decimal("1.500")),
    ("ask", 1, Decimal("100.00"), Decimal("2.000"), Decimal("2.000")),
    ("ask", 2, Decimal("100.50"), Decimal("0.001"), Decimal("2.001")),
]


class Owner:
    def leave(self, consumer: object) -> None: ...

    def flow(self, queue: object, full: bool) -> None: ...


def by_level() -> LiveBook:
    key = stream_key("book", BTC, depth=5)
    book = LiveBook(Owner(), key, INFO, ClientStats())
    data = BookData([("99.75", "0.500"), ("99.50", "1.000")], [("100.00", "2.000"), ("100.50", "0.001")], 0)
    assert book._take(StreamMessage("book", BTC, "snapshot", 7, 70, data, 5), 100) is None
    return book


def by_order() -> LiveOrders:
    book = LiveOrders(Owner(), stream_key("book_l3", BTC), INFO, ClientStats())
    bids = [("1", "99.75", "0.200"), ("2", "99.75", "0.300"), ("3", "99.50", "1.000")]
    data = OrdersData(bids, [("4", "100.00", "2.000"), ("5", "100.50", "0.001")])
    assert book._take(StreamMessage("book_l3", BTC, "snapshot", 7, 70, data), 100) is None
    return book


# ---- books ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("book", [by_level(), by_order()], ids=["by level", "by order"])
def test_a_book_as_a_frame_is_exact_in_both_libraries(book: Live) -> None:
    frame = book.to_dataframe()
    assert isinstance(frame, polars.DataFrame)
    assert frame.columns == ["side", "level", "price", "size", "cumulative"]
    assert frame.rows() == LEVELS
    assert frame.schema["price"] == polars.Decimal(38, 2)
    assert frame.schema["cumulative"] == polars.Decimal(38, 3)
    other = book.to_dataframe(backend="pandas")
    assert isinstance(other, pandas.DataFrame)
    assert list(other.itertuples(index=False, name=None)) == LEVELS
    assert book.to_dataframe(1).rows() == [LEVELS[0], LEVELS[2]]


@pytest.mark.parametrize("backend", ["polars", "pandas"])
def test_sums_are_exact_beyond_the_digits_of_python(backend: Backend) -> None:
    info = msgspec.structs.replace(INFO, tick_size="1", lot_size="0.987654321987654321")
    book = LiveBook(Owner(), stream_key("book", BTC, depth=5), info, ClientStats())
    most, least = "987654321987654320.012345678012345679", "0.987654321987654321"  # 10^18 - 1 lots, and one
    data = BookData([("2", most), ("1", least)], [], 0)
    assert book._take(StreamMessage("book", BTC, "snapshot", 1, 1, data, 5), 100) is None
    frame = book.to_dataframe(backend=backend)
    assert [str(row) for row in frame["cumulative"]] == [most, "987654321987654321.000000000000000000"]


def test_a_book_that_cant_be_read_gives_no_frame_and_no_picture() -> None:
    book = by_level()
    book._interrupt(book.keys[0], "the connection is lost")
    for read in (book.to_dataframe, book.plot):
        with pytest.raises(BookInvalid, match="the connection is lost"):
            read()
    assert "the book can&#x27;t be read now, the connection is lost" in book._repr_html_()


def test_the_picture_of_a_book_is_of_its_best_levels() -> None:
    (axes,) = by_level().plot().axes
    lines: Any = axes.get_lines()
    bids, asks, _ = lines
    assert bids.get_xydata().tolist() == [[99.75, 0], [99.75, 0.5], [99.5, 1.5]]
    assert asks.get_xydata().tolist() == [[100, 0], [100, 2], [100.5, 2.001]]
    assert axes.get_xlabel() == "price, USDT"
    (axes,) = by_order().plot(1, theme="dark", size=(640, 360)).axes
    assert [line.get_label() for line in axes.get_lines()[:2]] == ["bids, 1 levels", "asks, 1 levels"]


def test_a_negative_depth_is_said() -> None:
    book = by_level()
    for read in (book.bids, book.asks, book.to_dataframe, book.plot):
        with pytest.raises(InvalidInput, match=r"^depth must be a number of levels, not -1$") as caught:
            read(-1)
        assert caught.value.field == "depth"
    assert book.bids(0) == []


def test_a_notebook_shows_a_book_as_a_table() -> None:
    html = by_level()._repr_html_()
    assert f"<caption>{BTC}, seq 7</caption>" in html
    rows = ["<tr><td>ask</td><td>100.50</td><td>0.001</td></tr>", "<tr><td>ask</td><td>100.00</td><td>2.000</td></tr>"]
    rows += ["<tr><td>bid</td><td>99.75</td><td>0.500</td></tr>", "<tr><td>bid</td><td>99.50</td><td>1.000</td></tr>"]
    assert f"<tbody>{''.join(rows)}</tbody>" in html


def test_without_matplotlib_a_book_is_not_drawn_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tickwire, "plots", raising=False)
    monkeypatch.delitem(sys.modules, "tickwire.plots", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NotInstalled, match=r'pip install "tickwire\[plot\]"'):
        by_level().plot()
    assert len(by_level().to_dataframe()) == 4


# ---- candles -------------------------------------------------------------------------------------


def candle(n: int, closed: bool = True) -> CandleData:
    price = f"{100 + n}.25"
    return CandleData("1m", n * MINUTE, price, price, price, price, "0.001", "0.10025", 1, closed, "0.001", "0.10025")


def said(candle: CandleData | None, kind: Any = "update") -> StreamMessage:
    return StreamMessage("candles", BTC, kind, 1, 1, candle, interval="1m")


def page(*candles: CandleData) -> dict[str, Any]:
    return {"epoch": "e1", "channel": "candles", "symbol": BTC, "seq": 9, "messages": [said(each) for each in candles]}


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with asyncio.timeout(SECONDS_MAX), FakeServer() as server:
        yield server


async def opened(peer: Peer, newest: CandleData | None) -> None:
    await peer.answer("instruments", {"instruments": [INFO]})
    asked = await peer.answer("snapshot", said(newest, "snapshot"))
    assert asked["params"] == {"channel": "candles", "symbol": BTC, "interval": "1m"}


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_candles_end_with_the_open_one(server: FakeServer, encoding: str) -> None:
    async with quick(server.url, encoding=encoding) as client:
        peer = await server.peer()
        asking = start(client.candles(BTC, limit=3))
        await opened(peer, candle(5, closed=False))
        asked = await peer.answer("history", page(candle(1), candle(2), candle(4)))
        assert asked["params"] == {"channel": "candles", "symbol": BTC, "interval": "1m", "limit": 3}
        candles = await asking
        assert list(candles) == [candle(2), candle(4), candle(5, closed=False)]
        assert (candles.symbol, candles.interval, len(candles)) == (BTC, "1m", 3)
        assert repr(candles) == f"<3 candles of 1m of {BTC}>"
        assert candles[-1] == candle(5, closed=False)
        assert isinstance(candles[:2], Candles)
        assert [each.start for each in candles[:2]] == [2 * MINUTE, 4 * MINUTE]


async def test_a_candle_that_closed_while_it_was_asked_for_is_there_once(server: FakeServer) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        asking = start(client.candles(BTC))
        await opened(peer, candle(2, closed=False))
        await peer.answer("history", page(candle(1), candle(2)))
        assert list(await asking) == [candle(1), candle(2)]


async def test_more_candles_than_an_answer_holds_are_asked_for_page_by_page(server: FakeServer) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        asking = start(client.candles(BTC, limit=2_500, start=MINUTE, end=datetime(1970, 1, 3, tzinfo=UTC)))
        await opened(peer, candle(3_000, closed=False))  # at the end or later: not asked for
        every = [candle(n) for n in range(501, 2_880)]
        for first, limit in ((1_379, 1_000), (379, 1_000), (0, 500)):
            asked = await peer.answer("history", page(*every[first : first + (limit if first else 379)]))
            end = (
                2_880 * MINUTE if limit == 1_000 and first == 1_379 else every[first + (limit if first else 379)].start
            )
            assert asked["params"] == {
                "channel": "candles", "symbol": BTC, "interval": "1m", "start": MINUTE, "end": end, "limit": limit
            }  # fmt: skip
        assert list(await asking) == every


async def test_a_page_that_comes_too_soon_for_the_server_is_asked_for_again(server: FakeServer) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async with quick(server.url, sleep=sleep) as client:
        peer = await server.peer()
        asking = start(client.candles(BTC))
        await opened(peer, None)
        for _ in range(2):
            await peer.refuse("history", ErrorBody("rate_limited", "slow down", retry=True))
        await peer.answer("history", page(candle(1)))
        assert list(await asking) == [candle(1)]
        assert waited == [1, 1]
        asking = start(client.candles(BTC))
        await peer.answer("snapshot", said(None, "snapshot"))
        await peer.refuse("history", ErrorBody("not_available", "no candles"))
        with pytest.raises(RequestRefused, match="not_available"):
            await asking


async def test_what_cant_be_asked_for_is_said(server: FakeServer) -> None:
    async with quick(server.url) as client:
        peer = await server.peer()
        asking = start(client.candles("SIM:NO-NE"))
        await peer.answer("instruments", {"instruments": [INFO]})
        with pytest.raises(UnknownSymbol):
            await asking
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"interval": "2m"}, "interval must be one of 1s"),
            ({"limit": 0}, "limit must be 1 to 10000, not 0"),
            ({"limit": 10_001}, "limit must be 1 to 10000"),
            ({"start": datetime(2026, 1, 1)}, "start needs a time zone"),
            ({"start": 0}, "start must be after the beginning of 1970 and before 2262-04-12, UTC"),
            ({"start": datetime(1969, 1, 1, tzinfo=UTC)}, "start must be after the beginning of 1970"),
            ({"end": -1}, "end must be after the beginning of 1970"),
            ({"end": 2**63}, "end must be after the beginning of 1970"),
            ({"end": datetime(2263, 1, 1, tzinfo=UTC)}, "end must be after the beginning of 1970"),
        ]
        for arguments, words in wrong:
            with pytest.raises(InvalidInput, match=words):
                await client.candles(BTC, **arguments)


CANDLES = Candles(INFO, "1m", [candle(1), candle(2, closed=False)])


@pytest.mark.parametrize("backend", ["polars", "pandas"])
def test_candles_as_a_frame_are_exact(backend: Backend) -> None:
    frame = CANDLES.to_dataframe(backend=backend)
    columns = ["start", "open", "high", "low", "close", "volume", "quote_volume", "buy_volume", "buy_quote_volume"]
    assert list(frame.columns) == [*columns, "trades", "closed"]
    first, last = frame.rows() if backend == "polars" else frame.itertuples(index=False, name=None)
    prices = [Decimal("102.25")] * 4
    volumes = [Decimal("0.001"), Decimal("0.10025")] * 2
    assert list(last) == [datetime(1970, 1, 1, 0, 2, tzinfo=UTC), *prices, *volumes, 1, False]
    assert [first[1], first[-1]] == [Decimal("101.25"), True]
    if backend == "polars":
        assert (frame.schema["close"], frame.schema["quote_volume"]) == (polars.Decimal(38, 2), polars.Decimal(38, 5))


def test_candles_as_a_picture_and_as_a_table() -> None:
    upper, lower = CANDLES.plot(theme="dark").axes
    bars: Any = lower.patches
    assert [upper.get_ylabel(), lower.get_ylabel()] == ["price, USDT", "volume, BTC"]
    assert [bar.get_height() for bar in bars] == [0.001, 0.001]
    html = Candles(INFO, "1m", [candle(n, n < 12) for n in range(13)])._repr_html_()
    assert f"<caption>{BTC}: 13 candles of 1m, the newest 10</caption>" in html
    assert html.count("<tr>") == 11
    assert "<tr><td>1970-01-01 00:12:00</td><td>112.25</td>" in html
    assert html.endswith("<td>0.001</td><td>1</td><td>open</td></tr></tbody></table>")
