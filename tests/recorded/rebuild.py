"""Books, trades and quotes rebuilt straight from the raw recordings: the slow, obvious twin of the feed.

Nothing of the project is imported. Prices and sizes are `Decimal`s, books are dicts, symbols are spelled out, and
each venue's rules are written down a second time, from its documentation. Generators where there is much.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

Side = dict[Decimal, Decimal]
"""price -> size, in no order"""
Book = tuple[Side, Side]
"""(bids, asks)"""
Order = tuple[str, Decimal, Decimal]
"""(order id, price, size)"""


class Trade(NamedTuple):
    """A trade; `side` is the taker's, None where the venue does not tell; `ts_event` is nanoseconds, UTC."""

    symbol: str
    trade_id: str
    price: Decimal
    size: Decimal
    side: str | None
    ts_event: int
    buy_order_id: str = ""
    sell_order_id: str = ""


class Quote(NamedTuple):
    """A best bid and ask; a side is None where there is none. `ts_event` is nanoseconds, UTC, 0 where unknown."""

    symbol: str
    bid: Decimal | None
    bid_size: Decimal
    ask: Decimal | None
    ask_size: Decimal
    ts_event: int


def _set(side: Side, price: str, size: str) -> None:
    if Decimal(size) == 0:
        side.pop(Decimal(price), None)
    else:
        side[Decimal(price)] = Decimal(size)


# ---- Binance --------------------------------------------------------------------------------------


def _binance_frames(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line.split(" ", 1)[1])


def binance_books(path: Path) -> Iterator[Book]:
    """The book after the snapshot and after every diff that is not in it; the same two dicts each time."""
    bids: Side = {}
    asks: Side = {}
    last_update_id: int | None = None
    previous_u: int | None = None
    waiting: list[dict[str, Any]] = []
    for frame in _binance_frames(path):
        if "lastUpdateId" in frame:
            last_update_id = frame["lastUpdateId"]
            for price, size in frame["bids"]:
                _set(bids, price, size)
            for price, size in frame["asks"]:
                _set(asks, price, size)
            yield bids, asks
        elif "@depth" in frame["stream"]:
            waiting.append(frame["data"])
        if last_update_id is None:
            continue
        for diff in waiting:
            if diff["u"] <= last_update_id:
                continue
            if previous_u is None:
                assert diff["U"] <= last_update_id + 1 <= diff["u"], diff
            else:
                assert diff["U"] == previous_u + 1, diff
            previous_u = diff["u"]
            for price, size in diff["b"]:
                _set(bids, price, size)
            for price, size in diff["a"]:
                _set(asks, price, size)
            yield bids, asks
        waiting.clear()


def binance_final_book(path: Path) -> Book:
    """The book at the end of the recording."""
    bids: Side = {}
    asks: Side = {}
    for bids, asks in binance_books(path):  # noqa: B007
        pass
    return bids, asks


def binance_trades(path: Path) -> list[Trade]:
    """Every trade frame, in order."""
    frames = (frame["data"] for frame in _binance_frames(path) if "@trade" in frame.get("stream", ""))
    return [
        Trade(
            "BINANCE:BTC-USDT",
            str(trade["t"]),
            Decimal(trade["p"]),
            Decimal(trade["q"]),
            "sell" if trade["m"] else "buy",
            trade["T"] * 10**6,
        )
        for trade in frames
    ]


def binance_quotes(path: Path) -> Iterator[Quote]:
    """Every bookTicker frame, in order."""
    for frame in _binance_frames(path):
        if frame.get("stream", "").endswith("@bookTicker"):
            data = frame["data"]
            bid, bid_size, ask, ask_size = (Decimal(data[key]) for key in ("b", "B", "a", "A"))
            yield Quote("BINANCE:BTC-USDT", bid, bid_size, ask, ask_size, 0)


# ---- the recordings of cryptofeed -----------------------------------------------------------------


def _received(path: Path) -> Iterator[tuple[Decimal, Any]]:
    """(seconds, frame) of every frame of a connection; numbers with a point stay text."""
    with path.open() as lines:
        for line in lines:
            if line[:1].isdigit():
                seconds, frame = line.split(": ", 1)
                yield Decimal(seconds), json.loads(frame, parse_float=str)


def _iso_ns(text: str) -> int:
    """Nanoseconds of `2021-04-17T16:43:30.244075Z`."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86_400 + whole.seconds) * 10**9 + int(fraction.ljust(9, "0"))


# ---- Coinbase -------------------------------------------------------------------------------------


def coinbase_books(folder: Path) -> Iterator[tuple[str, Book]]:
    """The product's book after every snapshot and l2update; the same dicts each time."""
    books: dict[str, Book] = {}
    for _, frame in _received(folder / "COINBASE.ws.28.0"):
        symbol = f"COINBASE:{frame.get('product_id')}"
        if frame["type"] == "snapshot":
            books[symbol] = ({}, {})
            for side, levels in zip(books[symbol], (frame["bids"], frame["asks"]), strict=True):
                for price, size in levels:
                    _set(side, price, size)
            yield symbol, books[symbol]
        elif frame["type"] == "l2update":
            for side_name, price, size in frame["changes"]:
                _set(books[symbol][0 if side_name == "buy" else 1], price, size)
            yield symbol, books[symbol]


def coinbase_final_books(folder: Path) -> dict[str, Book]:
    """Every product's book at the end of the recording, by symbol."""
    return dict(coinbase_books(folder))


def coinbase_matches(folder: Path) -> list[Trade]:
    """Every match, in order, without the `last_match` that precedes the subscription."""
    trades = []
    for _, frame in _received(folder / "COINBASE.ws.28.0"):
        if frame["type"] == "match":
            maker, taker = frame["maker_order_id"], frame["taker_order_id"]
            side, buyer, seller = ("sell", maker, taker) if frame["side"] == "buy" else ("buy", taker, maker)
            trades.append(
                Trade(
                    f"COINBASE:{frame['product_id']}",
                    str(frame["trade_id"]),
                    Decimal(frame["price"]),
                    Decimal(frame["size"]),
                    side,
                    _iso_ns(frame["time"]),
                    buyer,
                    seller,
                )
            )
    return trades


# ---- Kraken ---------------------------------------------------------------------------------------


class KrakenUpdate(NamedTuple):
    """A book after one frame. `checksum` is what the venue sent, None for a snapshot."""

    symbol: str
    book: Book
    checksum: int | None


def kraken_books(folder: Path) -> Iterator[KrakenUpdate]:
    """The pair's book after every frame; the same dicts each time.

    Every checksum is verified here, from the venue's own strings, after the book was cut to 1,000 levels.
    """
    books: dict[str, Book] = {}
    texts: dict[str, tuple[dict[Decimal, str], dict[Decimal, str]]] = {}
    for _, frame in _received(folder / "KRAKEN.ws.50.0"):
        if not isinstance(frame, list):
            continue
        symbol = f"KRAKEN:{frame[-1].replace('/', '-')}"
        book, text = books.setdefault(symbol, ({}, {})), texts.setdefault(symbol, ({}, {}))
        checksum = None
        for part in frame[1:-2]:
            for key, levels in part.items():
                if key == "c":
                    checksum = int(levels)
                    continue
                index = 0 if key in ("b", "bs") else 1
                for price, size, *_ in levels:
                    _set(book[index], price, size)
                    digits = price.replace(".", "").lstrip("0") + size.replace(".", "").lstrip("0")
                    text[index][Decimal(price)] = digits
        best_bids, best_asks = sorted(book[0], reverse=True), sorted(book[1])
        for side, best in zip(book, (best_bids, best_asks), strict=True):
            for price in best[1000:]:
                del side[price]
        if checksum is not None:
            line = "".join(text[1][price] for price in best_asks[:10])
            line += "".join(text[0][price] for price in best_bids[:10])
            assert crc32(line.encode()) == checksum, (symbol, line)
        yield KrakenUpdate(symbol, book, checksum)


def kraken_final_books(folder: Path) -> dict[str, Book]:
    """Every pair's book at the end of the recording, by symbol; every checksum on the way verified."""
    return {update.symbol: update.book for update in kraken_books(folder)}


def kraken_checksums(folder: Path) -> list[tuple[str, int]]:
    """Every checksum the venue sent, in order, with its symbol."""
    return [(update.symbol, update.checksum) for update in kraken_books(folder) if update.checksum is not None]


def kraken_trades(folder: Path) -> list[Trade]:
    """Every trade, in order. The venue gives none an id: they are numbered within their pair."""
    trades: list[Trade] = []
    for _, frame in _received(folder / "KRAKEN.ws.48.0"):
        if isinstance(frame, list):
            symbol = f"KRAKEN:{frame[-1].replace('/', '-')}"
            for price, size, seconds, side, *_ in frame[1]:
                number = 1 + sum(trade.symbol == symbol for trade in trades)
                taker = {"b": "buy", "s": "sell"}[side]
                ts_event = int(Decimal(seconds) * 10**9)
                trades.append(Trade(symbol, str(number), Decimal(price), Decimal(size), taker, ts_event))
    return trades


# ---- Independent Reserve --------------------------------------------------------------------------


def independent_reserve_orders(folder: Path) -> dict[str, tuple[list[Order], list[Order]]]:
    """The orders (bids, asks) at the end of the recording, by symbol, in priority order.

    Every change of the recording is applied to the snapshot, whether it came before or after: an id that is
    there is not added again, one that is not there is not taken away.
    """
    books: dict[str, tuple[list[Order], list[Order]]] = {}
    with (folder / "INDEPENDENT_RESERVE.http.0.0").open() as lines:
        for line in filter(str.strip, lines):
            answer = json.loads(line.split(" -> ", 1)[1].split(": ", 1)[1], parse_float=Decimal, parse_int=Decimal)
            pair = f"{answer['PrimaryCurrencyCode']}-{answer['SecondaryCurrencyCode']}".upper()
            listed = [
                [(order["Guid"], order["Price"], order["Volume"]) for order in answer[name]]
                for name in ("BuyOrders", "SellOrders")
            ]
            books[f"INDEPENDENT_RESERVE:{pair}"] = (listed[0], listed[1])
    nonces: dict[str, int] = {}
    for _, frame in _received(folder / "INDEPENDENT_RESERVE.ws.1.0"):
        if frame["Event"] not in ("NewOrder", "OrderCanceled"):
            continue
        channel, data = frame["Channel"], frame["Data"]
        assert frame["Nonce"] == nonces.get(channel, frame["Nonce"] - 1) + 1, frame
        nonces[channel] = frame["Nonce"]
        primary = channel.removeprefix("orderbook-").upper()
        for symbol, sides in books.items():
            base, _, secondary = symbol.removeprefix("INDEPENDENT_RESERVE:").partition("-")
            if base != primary:
                continue
            side = sides[0] if data["OrderType"] == "LimitBid" else sides[1]
            ids = [order[0] for order in side]
            if frame["Event"] == "OrderCanceled":
                if data["OrderGuid"] in ids:
                    del side[ids.index(data["OrderGuid"])]
            elif data["OrderGuid"] not in ids:
                price = Decimal(data["Price"][secondary.lower()])
                side.append((data["OrderGuid"], price, Decimal(data["Volume"])))
    for bids, asks in books.values():
        bids.sort(key=lambda order: -order[1])
        asks.sort(key=lambda order: order[1])
    return books


# ---- LEAN's tick files ----------------------------------------------------------------------------


def _ticks(path: Path) -> Iterator[list[str]]:
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as lines:
        for line in lines:
            yield line.decode().strip().split(",")


def _midnight_ns(date: str, utc_offset_hours: int) -> int:
    zone = timezone(timedelta(hours=utc_offset_hours))
    return int(datetime.strptime(date, "%Y%m%d").replace(tzinfo=zone).timestamp()) * 10**9


def fx_quotes(path: Path) -> Iterator[Quote]:
    """Every quote of `eurusd_fxcm_20140508_quote.zip`."""
    midnight = _midnight_ns("20140508", 0)
    for ms, bid, ask in _ticks(path):
        yield Quote("FXCM:EUR-USD", Decimal(bid), Decimal(0), Decimal(ask), Decimal(0), midnight + int(ms) * 10**6)


def equity_quotes(path: Path) -> Iterator[Quote]:
    """Every line of `ibm_20131008_quote.zip`. New York was four hours behind UTC."""
    midnight = _midnight_ns("20131008", -4)
    for ms, bid, bid_size, ask, ask_size, *_ in _ticks(path):
        yield Quote(
            "NYSE:IBM-USD",
            Decimal(bid) / 10_000 if bid != "0" else None,
            Decimal(bid_size),
            Decimal(ask) / 10_000 if ask != "0" else None,
            Decimal(ask_size),
            midnight + int(ms) * 10**6,
        )


def equity_trades(path: Path) -> Iterator[Trade]:
    """Every trade of `ibm_20131008_trade.zip` or `spy_20131007_trade.zip`, numbered by line."""
    ticker, date, _ = path.name.split("_")
    midnight = _midnight_ns(date, -4)
    for number, (ms, price, size, *_) in enumerate(_ticks(path), 1):
        ts_event = midnight + int(ms) * 10**6
        yield Trade(f"NYSE:{ticker.upper()}-USD", str(number), Decimal(price) / 10_000, Decimal(size), None, ts_event)
