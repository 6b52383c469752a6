"""The format `tickwire`: its own recordings back into records, exactly, and FeedError for all else."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tickwire.errors import FeedError
from tickwire.feeds.base import Due
from tickwire.feeds.formats.tickwire import Header, RecordedLine, Tickwire
from tickwire.feeds.recorded import RecordedFeed
from tickwire.model.instrument import Instrument
from tickwire.model.records import (
    Record,
    VenueBookSnapshot,
    VenueBookUpdate,
    VenueOrderAdd,
    VenueOrderChange,
    VenueOrderRemove,
    VenueOrdersSnapshot,
    VenueQuote,
    VenueRate,
    VenueTrade,
)
from tickwire.protocol.messages import Gap, InstrumentInfo, StatusData, StreamMessage, TradeData

BTC, EUR = "SIM:BTC-USDT", "FX:EUR-USD"
AT_NS = 1_700_000_000_000_000_000
LIVE = StatusData("open", "live", "")


def info(symbol: str, *channels: str, asset_class: str = "crypto", tick_size: str = "0.01") -> InstrumentInfo:
    venue, _, pair = symbol.partition(":")
    base, _, quote = pair.partition("-")
    return InstrumentInfo(symbol, venue, base, quote, asset_class, "matched", tick_size, "0.001", list(channels), LIVE)


def header(*infos: InstrumentInfo) -> bytes:
    return msgspec.json.encode(Header(url="ws://h/ws", epoch="e", instruments=list(infos)))


def line(channel: str, kind: str, data: Any, *, symbol: str = BTC, at: int = AT_NS) -> bytes:
    message = {"channel": channel, "symbol": symbol, "type": kind, "seq": 7, "ts": 5, "data": data}
    return json.dumps({"at": at, "message": message}).encode()


def parse(*lines: bytes) -> list[list[Record]]:
    """The records of each line after the header."""
    parser = Tickwire("test", ["a.jsonl"])
    assert parser.learn(parser.open_line("a.jsonl", 1, lines[0])) is True
    return [parser.records(parser.open_line("a.jsonl", number, raw)) for number, raw in enumerate(lines[1:], 2)]


BOOK = {"bids": [["100.00", "1.500"], ["99.99", "2.000"]], "asks": [["100.01", "0.001"]], "checksum": 4294967295}
TRADE = {
    "id": "t1",
    "price": "100.01",
    "size": "0.500",
    "side": "buy",
    "ts_event": 9,
    "buy_order_id": "5",
    "sell_order_id": None,
}


def test_instruments_are_mirrored_with_the_book_that_was_recorded() -> None:
    parser = Tickwire("feed", ["a.jsonl"])
    head = header(
        info(BTC, "trades", "book_l3"),
        info("SIM:ETH-USDT", "trades", "book"),
        info(EUR, "trades", "quotes", "rates", asset_class="fx", tick_size="0.00001"),
    )
    assert parser.learn(parser.open_line("a.jsonl", 1, head)) is True
    common: dict[str, Any] = {"kind": "mirrored", "feed": "feed", "lot_size": "0.001"}
    assert parser.instruments == [
        Instrument(
            venue="SIM", base="BTC", quote="USDT", asset_class="crypto", tick_size="0.01", book="orders", **common
        ),
        Instrument(
            venue="SIM", base="ETH", quote="USDT", asset_class="crypto", tick_size="0.01", book="levels", **common
        ),
        Instrument(venue="FX", base="EUR", quote="USD", asset_class="fx", tick_size="0.00001", book="none", **common),
    ]


def test_the_header_is_written_as_documented() -> None:
    assert header(info(BTC, "trades")) == (
        b'{"tickwire":"recording","version":1,"url":"ws://h/ws","epoch":"e","instruments":[{"symbol":"SIM:BTC-USDT",'
        b'"venue":"SIM","base":"BTC","quote":"USDT","asset_class":"crypto","kind":"matched","tick_size":"0.01",'
        b'"lot_size":"0.001","channels":["trades"],"status":{"instrument":"open","feed":"live","reason":""},'
        b'"maker_fee":"0","taker_fee":"0","price_band":"","size_max":"","notional_min":"","notional_max":""}]}'
    )


def test_lines_are_written_as_documented() -> None:
    trade = TradeData("1", "2", "3", None, 4, None, None)
    message = StreamMessage("trades", BTC, "update", 7, 5, trade)
    assert msgspec.json.encode(RecordedLine(1, message)) == (
        b'{"at":1,"message":{"channel":"trades","symbol":"SIM:BTC-USDT","type":"update","seq":7,"ts":5,"data":{"id":"1",'
        b'"price":"2","size":"3","side":null,"ts_event":4,"buy_order_id":null,"sell_order_id":null}}}'
    )
    assert msgspec.json.encode(RecordedLine(2, Gap("trades", BTC, 3, 4))) == (
        b'{"at":2,"message":{"type":"gap","channel":"trades","symbol":"SIM:BTC-USDT","from":3,"to":4}}'
    )


def test_books_by_level_carry_their_checksum() -> None:
    update = {"bids": [["100.00", "0"]], "asks": [["100.02", "0.250"]], "checksum": 0}
    assert parse(header(info(BTC, "book")), line("book", "snapshot", BOOK), line("book", "update", update)) == [
        [VenueBookSnapshot(BTC, [(10_000, 1_500), (9_999, 2_000)], [(10_001, 1)], checksum=4_294_967_295)],
        [VenueBookUpdate(BTC, [(10_000, 0)], [(10_002, 250)], checksum=0)],
    ]


def test_books_by_order() -> None:
    snapshot = {"bids": [["1", "100.00", "1.000"]], "asks": [["2", "100.01", "2.000"], ["3", "100.01", "0.500"]]}

    def change(action: str, order_id: str, size: str, **more: str) -> bytes:
        data = {"action": action, "order_id": order_id, "side": "sell", "price": "100.01", "size": size, **more}
        return line("book_l3", "update", data)

    assert parse(
        header(info(BTC, "book_l3")),
        line("book_l3", "snapshot", snapshot),
        change("add", "4", "0.125"),
        change("modify", "2", "1.000"),
        change("fill", "2", "0.400", filled="0.600", trade_id="9"),
        change("fill", "2", "0", filled="0.400", trade_id="10"),
        change("cancel", "3", "0"),
    ) == [
        [VenueOrdersSnapshot(BTC, [("1", 10_000, 1_000)], [("2", 10_001, 2_000), ("3", 10_001, 500)])],
        [VenueOrderAdd(BTC, "4", "sell", 10_001, 125)],
        [VenueOrderChange(BTC, "2", 1_000)],
        [VenueOrderChange(BTC, "2", 400)],
        [VenueOrderRemove(BTC, "2")],
        [VenueOrderRemove(BTC, "3")],
    ]


def test_the_more_detailed_book_is_the_one_replayed() -> None:
    orders: dict[str, Any] = {"bids": [], "asks": []}
    assert parse(
        header(info(BTC, "book", "book_l3")), line("book", "snapshot", BOOK), line("book_l3", "snapshot", orders)
    ) == [
        [],
        [VenueOrdersSnapshot(BTC, [], [])],
    ]


def test_trades_are_those_that_happened_during_the_recording() -> None:
    assert parse(
        header(info(BTC, "trades")),
        line("trades", "snapshot", {"trades": [TRADE]}),
        line("trades", "update", TRADE),
        line("trades", "update", {**TRADE, "id": "t2", "side": None, "sell_order_id": "6", "buy_order_id": None}),
    ) == [
        [],
        [VenueTrade(BTC, "t1", 10_001, 500, "buy", 9, "5", "")],
        [VenueTrade(BTC, "t2", 10_001, 500, None, 9, "", "6")],
    ]


def test_quotes_may_lack_a_side_or_a_size() -> None:
    whole = {"bid": "1.08001", "bid_size": "0.000", "ask": "1.08003", "ask_size": "3.000", "ts_event": 4}
    half = {"bid": None, "bid_size": None, "ask": "1.08003", "ask_size": None, "ts_event": 0}
    assert parse(
        header(info(EUR, "quotes", asset_class="fx", tick_size="0.00001")),
        line("quotes", "snapshot", whole, symbol=EUR),
        line("quotes", "update", half, symbol=EUR),
    ) == [[VenueQuote(EUR, 108_001, 0, 108_003, 3_000, 4)], [VenueQuote(EUR, None, 0, 108_003, 0, 0)]]


def test_rates_are_replayed_where_they_are_exact_and_nothing_else_makes_them() -> None:
    alone = {"rate": "1.080020", "ts_event": 4}
    between = {"rate": "1.080025"}
    of_a_quote = {"rate": "1.080020", "bid": "1.08001", "ask": "1.08003"}
    below_zero = {"rate": "-0.000010"}
    lines = [line("rates", "update", data, symbol=EUR) for data in (alone, between, of_a_quote, below_zero)]
    first, last = [VenueRate(EUR, 108_002, 4)], [VenueRate(EUR, -1)]
    fx = {"asset_class": "fx", "tick_size": "0.00001"}
    assert parse(header(info(EUR, "quotes", "rates", **fx)), *lines) == [first, [], [], last]
    assert parse(header(info(EUR, "rates", **fx)), *lines) == [first, [], [VenueRate(EUR, 108_002)], last]


def test_what_a_market_makes_itself_and_notices_are_left_out() -> None:
    gap = json.dumps({"at": AT_NS, "message": {"type": "gap", "channel": "book", "symbol": BTC, "from": 1, "to": 2}})
    status = {"instrument": "open", "feed": "live", "reason": ""}
    assert parse(
        header(info(BTC, "book", "status", "ticker")),
        line("status", "snapshot", status),
        line("ticker", "snapshot", None),
        gap.encode(),
    ) == [[], [], []]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{", "a line with `at` and `message`"),
        (b'{"at":-1,"message":{}}', "Expected `int` >= 0"),
        (b'{"at":1}', "missing required field `message`"),
        (line("trades", "update", TRADE, symbol="SIM:ETH-USDT"), "an instrument of the header, got 'SIM:ETH-USDT'"),
        (line("candle", "update", {}), "expected a channel of tickwire, got 'candle'"),
        (line("book", "update", BOOK), "expected a snapshot of SIM:BTC-USDT before its first update"),
        (line("book", "snapshot", {**BOOK, "checksum": 2**32}), "expected checksum to be a CRC-32, got 4294967296"),
        (line("book", "snapshot", {**BOOK, "bids": [["1.001", "1"]]}), "expected a price in steps of 0.01"),
        (line("book", "snapshot", {**BOOK, "bids": [["1.00", "-1"]]}), "expected a size of at least 0.000, got -1"),
        (line("trades", "update", {**TRADE, "side": "up"}), "expected side to be buy or sell, got 'up'"),
        (line("trades", "update", {**TRADE, "size": "0"}), "expected a size of at least 0.001, got 0"),
        (line("trades", "update", {**TRADE, "ts_event": -1}), "expected ts_event in nanoseconds"),
        (line("trades", "update", {**TRADE, "ts_event": 2**63}), "expected ts_event in nanoseconds"),
        (line("trades", "update", {"id": "1"}), "expected data of trades"),
        (line("rates", "update", {"rate": "x"}), "expected a rate in steps of 0.001: rate 'x'"),
        (line("rates", "update", {"rate": "1" * 5000}), "rate has more than 40 digits"),
        (line("rates", "update", {"rate": "9" * 25}), "is more than 1000000000000000.000"),
    ],
)
def test_a_wrong_line_is_an_error(raw: bytes, message: str) -> None:
    with pytest.raises(FeedError, match=re.escape(message)):
        parse(header(info(BTC, "trades", "book", "rates")), raw)


def test_wrong_orders_are_errors() -> None:
    head = header(info(BTC, "book_l3"))
    add = {"action": "add", "order_id": "1", "side": "up", "price": "1.00", "size": "1.000"}
    with pytest.raises(FeedError, match="expected a snapshot of SIM:BTC-USDT before its first update"):
        parse(head, line("book_l3", "update", add))
    with pytest.raises(FeedError, match="expected side to be buy or sell, got 'up'"):
        parse(head, line("book_l3", "snapshot", {"bids": [], "asks": []}), line("book_l3", "update", add))
    with pytest.raises(FeedError, match="expected a size of at least 0"):
        parse(head, line("book_l3", "snapshot", {"bids": [["1", "1.00", "0"]], "asks": []}))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"{}", "the header of a tickwire recording"),
        (line("trades", "update", TRADE), "the header of a tickwire recording"),
        (header(info(BTC)).replace(b'"version":1', b'"version":2'), "expected version 1 of the format, got 2"),
        (
            header(info(BTC, asset_class="bond")),
            "asset_class to be one of crypto, fx, equity, index, future, got 'bond'",
        ),
        (header(info(BTC, tick_size="x")), "an instrument's names and steps"),
        (header(info("S M:BTC-USDT")), "an instrument's names and steps"),
        (header(info(BTC), info(BTC)), "expected each instrument once, got SIM:BTC-USDT twice"),
    ],
)
def test_a_wrong_header_is_an_error(head: bytes, message: str) -> None:
    with pytest.raises(FeedError, match=re.escape(message)):
        parse(head)


# ---- through files -------------------------------------------------------------------------------

LINES = [
    header(info(BTC, "trades")),
    *(line("trades", "update", {**TRADE, "id": str(n)}, at=AT_NS + n) for n in range(3)),
]


def trades(path: Path) -> list[Due]:
    return list(RecordedFeed("tickwire", path).due())


def expected(count: int) -> list[Due]:
    return [Due(AT_NS + n, [VenueTrade(BTC, str(n), 10_001, 500, "buy", 9, "5", "")]) for n in range(count)]


def test_a_file_is_played_by_the_time_at_which_lines_were_received(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(raw + b"\n" for raw in LINES))
    assert trades(path) == expected(3)


def test_a_file_of_several_gzip_members_is_one_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(b"".join(gzip.compress(raw + b"\n") for raw in LINES))
    assert trades(path) == expected(3)


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_torn_file_is_played_up_to_its_last_whole_line(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(raw + b"\n" for raw in LINES)[: -cut - 1])
    run = RecordedFeed("tickwire", path).due()
    assert [next(run), next(run)] == expected(2)
    with pytest.raises(FeedError, match=r"a\.jsonl, line 4: "):
        next(run)


def test_files_of_a_folder_are_merged(tmp_path: Path) -> None:
    other = line("trades", "update", {**TRADE, "id": "x"}, symbol="SIM:ETH-USDT", at=AT_NS + 1)
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(LINES))
    (tmp_path / "b.jsonl").write_bytes(header(info("SIM:ETH-USDT", "trades")) + b"\n" + other)
    feed = RecordedFeed("tickwire", tmp_path)
    assert [instrument.symbol for instrument in feed.instruments()] == [BTC, "SIM:ETH-USDT"]
    ids = [record.trade_id for due in feed.due() for record in due.records if isinstance(record, VenueTrade)]
    assert ids == ["0", "1", "x", "2"]
