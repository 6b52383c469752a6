"""Reading recordings: plain, gzip, zip and folders merged by time, lazily, with errors that say where."""

from __future__ import annotations

import gzip
import io
import zipfile
from itertools import islice
from pathlib import Path

import pytest

from tickwire.errors import ConfigError, FeedError
from tickwire.feeds import recorded
from tickwire.feeds.base import Due, Feed
from tickwire.feeds.formats import FORMATS
from tickwire.feeds.recorded import RecordedFeed
from tickwire.model.records import VenueQuote, VenueTrade

MIDNIGHT_NS = 1_399_507_200_000_000_000  # 2014-05-08T00:00:00Z
EURUSD = "20140508_eurusd_tick_quote.csv"


def quote(ms: int, bid: int, ask: int, symbol: str = "FXCM:EUR-USD") -> Due:
    at_ns = MIDNIGHT_NS + ms * 1_000_000
    return Due(at_ns, [VenueQuote(symbol=symbol, bid=bid, bid_size=0, ask=ask, ask_size=0, ts_event=at_ns)])


def ticker(at_ns: int, bid: str) -> bytes:
    return (
        f'{at_ns} {{"stream":"btcusdt@bookTicker","data":{{"u":1,"s":"BTCUSDT",'
        f'"b":"{bid}","B":"1","a":"9","A":"1"}}}}\n'
    ).encode()


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.csv", data)
    return path


def test_every_row_of_the_table_is_described() -> None:
    assert {"binance", "coinbase", "equity", "fx", "independent_reserve", "kraken"} <= FORMATS.keys()
    for row in FORMATS.values():
        assert row.holds
        assert row.files


def test_a_feed_has_its_formats_name_unless_given_another(tmp_path: Path) -> None:
    path = written(tmp_path / EURUSD, b"0,1.0,1.1\n")
    feed: Feed = RecordedFeed("fx", path)
    assert feed.name == "recorded:fx"
    assert [instrument.feed for instrument in feed.instruments()] == ["recorded:fx"]
    other = RecordedFeed("fx", path, name="recorded:fx:2")
    assert other.name == "recorded:fx:2"
    assert [instrument.feed for instrument in other.instruments()] == ["recorded:fx:2"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n\r\n"])
def test_plain_gzip_and_zip_hold_the_same(tmp_path: Path, end: bytes) -> None:
    data = end.join([b"5,1.00001,1.00002", b"7,1.00003,1.00004"])  # the last line has no end
    expected = [quote(5, 100_001, 100_002), quote(7, 100_003, 100_004)]
    # told apart by content: the names say nothing
    assert list(RecordedFeed("fx", written(tmp_path / EURUSD, data)).due()) == expected
    assert list(RecordedFeed("fx", written(tmp_path / EURUSD, gzip.compress(data))).due()) == expected
    archive = zipped(tmp_path / "a", **{EURUSD.removesuffix(".csv"): data})
    assert list(RecordedFeed("fx", archive).due()) == expected


def test_a_feed_can_be_run_again(tmp_path: Path) -> None:
    feed = RecordedFeed("fx", written(tmp_path / EURUSD, b"5,1.00001,1.00002\n7,1.00003,1.00004\n"))
    run = feed.due()
    assert next(run) == quote(5, 100_001, 100_002)
    assert list(feed.due()) == [quote(5, 100_001, 100_002), quote(7, 100_003, 100_004)]
    assert list(run) == [quote(7, 100_003, 100_004)]


def test_a_folders_files_are_merged_by_time(tmp_path: Path) -> None:
    written(tmp_path / "LICENSE", b"not a recording")
    written(tmp_path / EURUSD, b"1,1.00001,1.1\n4,1.00004,1.1\n4,1.00005,1.1\n")
    zipped(
        tmp_path / "more.zip",
        **{
            "20140508_usdjpy_tick_quote": b"2,100.1,100.2\n4,100.3,100.4\n",
            "20140507_eurusd_tick_quote": b"86399999,1.00009,1.1\n",
        },
    )
    feed = RecordedFeed("fx", tmp_path)
    assert [instrument.symbol for instrument in feed.instruments()] == ["FXCM:EUR-USD", "FXCM:USD-JPY"]
    assert list(feed.due()) == [
        quote(-1, 100_009, 110_000),
        quote(1, 100_001, 110_000),
        quote(2, 10_010_000, 10_020_000, "FXCM:USD-JPY"),
        quote(4, 100_004, 110_000),
        quote(4, 100_005, 110_000),
        quote(4, 10_030_000, 10_040_000, "FXCM:USD-JPY"),
    ]


def test_line_numbers_count_empty_lines_too(tmp_path: Path) -> None:
    path = written(tmp_path / "20131008_ibm_Trade_Tick.csv", b"1,100,1,P,0,0\n\n2,100,1,P,0,0\n")
    trades = [record for due in RecordedFeed("equity", path).due() for record in due.records]
    assert [trade.trade_id for trade in trades if isinstance(trade, VenueTrade)] == ["1", "3"]


def test_a_clock_that_was_set_back_stands_still(tmp_path: Path) -> None:
    path = written(tmp_path / "btcusdt_1", ticker(1_000, "1") + ticker(900, "2") + ticker(1_001, "3"))
    assert [due.at_ns for due in RecordedFeed("binance", path).due()] == [1_000, 1_000, 1_001]


def test_lines_without_records_are_not_due(tmp_path: Path) -> None:
    other = b'5 {"stream":"btcusdt@kline_1m","data":{}}\n'
    path = written(tmp_path / "btcusdt_1", other + ticker(7, "1") + other)
    assert [due.at_ns for due in RecordedFeed("binance", path).due()] == [7]


def test_instruments_need_only_the_first_lines(tmp_path: Path) -> None:
    head = (
        b'https://exchange.test/products -> 1.5: [{"id":"A-B","base_currency":"A","quote_currency":"B",'
        b'"quote_increment":"0.01","base_increment":"1"}]\nconfiguration: {"l2_book":["A-B"]}\n'
    )
    written(tmp_path / "COINBASE.0", head)
    written(tmp_path / "COINBASE.ws.1.0", b"broken\n")
    with pytest.raises(FeedError, match=r"^COINBASE\.ws\.1\.0, line 1: expected '<seconds>"):
        RecordedFeed("coinbase", tmp_path)  # merging needs the first line of every file
    frame = b'3.5: {"type":"snapshot","product_id":"A-B","bids":[],"asks":[["1.01","2"]]}\n'
    written(tmp_path / "COINBASE.ws.1.0", frame + b"broken\n")
    feed = RecordedFeed("coinbase", tmp_path)
    run = feed.due()
    assert next(run).at_ns == 3_500_000_000
    with pytest.raises(FeedError, match=r"^COINBASE\.ws\.1\.0, line 2: expected '<seconds>"):
        next(run)


def test_a_file_is_read_as_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / EURUSD
    with gzip.open(path, "wb") as file:
        file.writelines(b"%d,1.00001,1.00002\n" % ms for ms in range(50_000))
    read = 0

    class Counting(io.BufferedReader):
        def readline(self, size: int | None = -1, /) -> bytes:
            nonlocal read
            line = super().readline(size)
            read += len(line)
            return line

    monkeypatch.setattr("tickwire.feeds.recorded.io.BufferedReader", Counting)
    assert len(list(islice(RecordedFeed("fx", path).due(), 10))) == 10
    assert 0 < read < 1_000


# ---- errors ---------------------------------------------------------------------------------------


def test_an_unknown_format_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        RecordedFeed("bitmex", tmp_path)
    message = str(caught.value)
    assert message.startswith("no format 'bitmex' of recorded data. There are binance: Binance spot")
    assert all(f"{name}: " in message for name in FORMATS)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing can't be read: .*No such file.*; expected FXCM quotes"):
        RecordedFeed("fx", tmp_path / "nothing")


def test_a_folder_without_a_recording(tmp_path: Path) -> None:
    written(tmp_path / "README.md", b"")
    with pytest.raises(ConfigError, match=r"has no file named KRAKEN\.\*; expected Kraken WebSocket v1"):
        RecordedFeed("kraken", tmp_path)


def test_a_recording_without_an_instrument(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no instrument found; expected Kraken"):
        RecordedFeed("kraken", written(tmp_path / "KRAKEN.0", b'1.5: {"event":"heartbeat"}\n'))


def test_a_name_that_tells_no_symbol(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^quotes\.csv: a LEAN tick file is named for .*; expected FXCM quotes"):
        RecordedFeed("fx", written(tmp_path / "quotes.csv", b"1,1.0,1.1\n"))


def test_too_many_files(tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", **{f"2014{n:04}_eurusd_tick_quote": b"" for n in range(257)})
    with pytest.raises(ConfigError, match="has 257 files; a recording has at most 256"):
        RecordedFeed("fx", tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"\x1f\x8bnot gzip after all",
        b"\x1f\x8b",
        b"PK\x03\x04not a zip after all",
        gzip.compress(b"1,1.0,1.1\n", mtime=0)[:12],
    ],
)
def test_an_unreadable_file(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path / EURUSD, data)
    with pytest.raises(ConfigError, match=rf"{EURUSD} can't be read: .*; expected FXCM quotes"):
        RecordedFeed("fx", path)


def test_an_archive_that_breaks_off_later(tmp_path: Path) -> None:
    data = b"".join(b"%d,1.%05d,1.9\n" % (n, n * 7919 % 100_000) for n in range(5_000))
    packed = gzip.compress(data)
    feed = RecordedFeed("fx", written(tmp_path / EURUSD, packed[: len(packed) // 2]))
    read: list[Due] = []
    with pytest.raises(FeedError, match=rf"^{EURUSD}, line \d+: Compressed file ended") as caught:
        read.extend(feed.due())
    assert read[:2] == [quote(0, 100_000, 190_000), quote(1, 107_919, 190_000)]
    assert 100 < len(read) < 5_000
    assert f"line {len(read) + 1}:" in str(caught.value)


def test_a_broken_member_of_a_zip(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", **{EURUSD.removesuffix(".csv"): b"1,1.0,1.1\n" * 2_000})
    whole = path.read_bytes()
    written(path, whole.replace(whole[60:70], bytes(10), 1))
    with pytest.raises((ConfigError, FeedError), match=r"a\.zip"):
        list(RecordedFeed("fx", path).due())


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", **{EURUSD.removesuffix(".csv"): b"1,1.0,1.1\n\n2,1.0\n"})
    run = RecordedFeed("fx", archive).due()
    assert next(run) == quote(1, 100_000, 110_000)
    with pytest.raises(FeedError, match=rf"^a\.zip/{EURUSD}, line 3: expected ms, bid, ask$"):
        next(run)


def test_an_endless_line_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "LINE_BYTES_MAX", 20)
    path = written(tmp_path / EURUSD, b"1,1.0000000000,1.11\n" + b"1" * 21)
    run = RecordedFeed("fx", path).due()
    assert next(run) == quote(1, 100_000, 111_000)
    with pytest.raises(FeedError, match=rf"^{EURUSD}, line 2: expected a line of at most 20 bytes$"):
        next(run)
