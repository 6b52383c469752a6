"""The lines of recorded data, of every format: any bytes, and any damage to good ones; and whole files of them.

The contract: a line gives records that fit the tape, or `FeedError` and nothing else. A file gives records, or
`FeedError` or `ConfigError`, which name it.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.harness import PIECES, encoded, fuzzed, torn
from tickwire.errors import ConfigError, FeedError
from tickwire.feeds.formats import FORMATS
from tickwire.feeds.formats.tickwire import Header
from tickwire.feeds.recorded import RecordedFeed
from tickwire.model.records import decode_records, encode_records
from tickwire.protocol.messages import InstrumentInfo, StatusData

S = "SIM:BTC-USDT"
INFO = InstrumentInfo(
    S, "SIM", "BTC", "USDT", "crypto", "matched", "0.01", "0.1", ["book", "book_l3"], StatusData("open", "live", "")
)


def recorded(channel: str, kind: str, data: Any) -> bytes:
    """A line of tickwire's own format."""
    message = {"channel": channel, "symbol": S, "type": kind, "seq": 1, "ts": 1, "data": data}
    return encoded({"at": 9, "message": message}, "json")


ORDERS_URL = b"https://api.test/Public/GetAllOrders?primaryCurrencyCode=eth&secondaryCurrencyCode=aud"
RECORDINGS: list[tuple[str, str, list[bytes]]] = [
    (
        "binance",
        "btcusdt_1",
        [
            b'1 {"stream":"btcusdt@depth","data":{"s":"BTCUSDT","E":9,"U":4,"u":6,"b":[["1.00","2.5"]],"a":[]}}',
            b'2 {"lastUpdateId":5,"bids":[["1.00","2.0"]],"asks":[["1.01","3.5"]]}',
            b'3 {"stream":"btcusdt@depth","data":{"s":"BTCUSDT","E":9,"U":7,"u":7,"b":[],"a":[["1.01","0"]]}}',
            b'4 {"stream":"btcusdt@trade","data":{"s":"BTCUSDT","t":77,"p":"1.01","q":"0.5","T":8,"m":false}}',
            b'5 {"stream":"btcusdt@bookTicker","data":{"s":"BTCUSDT","b":"1.00","B":"2","a":"1.01","A":"3"}}',
        ],
    ),
    (
        "coinbase",
        "COINBASE.0",
        [
            b'https://test/products -> 1.5: [{"id":"A-B","base_currency":"A","quote_currency":"B",'
            b'"quote_increment":"0.01","base_increment":"0.1"}]',
            b'configuration: {"l2_book":["A-B"]}',
            b'2.5: {"type":"snapshot","product_id":"A-B","bids":[["1.00","2.5"]],"asks":[["1.01","0.5"]]}',
            b'2.6: {"type":"l2update","product_id":"A-B","changes":[["buy","1.00","0"]],'
            b'"time":"2021-04-17T16:43:37.1Z"}',
            b'2.7: {"type":"match","product_id":"A-B","trade_id":1,"maker_order_id":"m","taker_order_id":"t",'
            b'"side":"buy","price":"1.00","size":"0.5","time":"2021-04-17T16:43:37.2Z"}',
        ],
    ),
    (
        "kraken",
        "KRAKEN.0",
        [
            b'configuration: {"l2_book":["A-B"]}',
            b'1.5: [4,{"as":[["1.01","0.5","1.4"]],"bs":[["1.00","1.5","1.3"]]},"book-10","A/B"]',
            b'1.6: [4,{"a":[["1.01","0.0","1.5"]]},{"b":[["0.99","1.5","1.2","r"]],"c":"7"},"book-10","A/B"]',
            b'1.7: [5,[["1.01","0.1","1.6","b","l",""]],"trade","A/B"]',
            b'1.8: {"event":"heartbeat"}',
        ],
    ),
    (
        "independent_reserve",
        "INDEPENDENT_RESERVE.0",
        [
            b'configuration: {"l3_book":["ETH-AUD"]}',
            b'1.4: {"Channel":"orderbook-eth","Nonce":6,"Data":{"OrderGuid":"a"},"Time":1,"Event":"OrderCanceled"}',
            ORDERS_URL + b' -> 1.5: {"BuyOrders":[{"Guid":"b","Price":1.01,"Volume":2.5}],"SellOrders":[{"Guid":"a",'
            b'"Price":1.05,"Volume":1E-8}],"PrimaryCurrencyCode":"Eth","SecondaryCurrencyCode":"Aud",'
            b'"CreatedTimestampUtc":"2022-04-03T22:10:10.2Z"}',
            b'1.6: {"Channel":"orderbook-eth","Nonce":7,"Data":{"OrderType":"LimitBid","OrderGuid":"c","Price":'
            b'{"aud":1.02},"Volume":4.5},"Time":1649023810100,"Event":"NewOrder"}',
            b'1.7: {"Channel":"orderbook-eth","Nonce":8,"Data":{"OrderGuid":"c","Volume":0.5},"Time":2,'
            b'"Event":"OrderChanged"}',
            b"wss://test <-> 1.8",
        ],
    ),
    (
        "tickwire",
        "a.jsonl",
        [
            msgspec.json.encode(Header(url="ws://h/ws", epoch="e", instruments=[INFO])),
            recorded("book", "snapshot", {"bids": [["1.00", "0.5"]], "asks": [["1.01", "0.5"]], "checksum": 7}),
            recorded("book", "update", {"bids": [["1.00", "0"]], "asks": [], "checksum": 7}),
            recorded("book_l3", "snapshot", {"bids": [["1", "1.00", "0.5"]], "asks": []}),
            recorded(
                "book_l3", "update", {"action": "add", "order_id": "2", "side": "buy", "price": "1.00", "size": "1"}
            ),
            b'{"at":12,"message":{"type":"gap","channel":"book","symbol":"SIM:BTC-USDT","from":1,"to":2}}',
        ],
    ),
    ("fx", "20140508_eurusd_tick_quote.csv", [b"17007,1.39147,1.39148"]),
    ("equity", "20131008_ibm_Quote_Tick.csv", [b"14400640,1800100,200,0,0,P,1,0"]),
    ("equity", "20131008_ibm_Trade_Tick.csv", [b"14400640,1800100,200,P,1,0"]),
]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, str, list[bytes]]:
    """A recording with a few slices of its lines replaced, and lines perhaps repeated, lost or swapped."""
    name, source, lines = draw(st.sampled_from(RECORDINGS))
    lines = list(lines)
    for _ in range(draw(st.integers(0, 2))):
        index = draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        start = draw(st.integers(0, len(line)))
        lines[index] = line[:start] + draw(PIECES) + line[start + draw(st.integers(0, 12)) :]
    for _ in range(draw(st.integers(0, 1))):
        lines.insert(draw(st.integers(0, len(lines))), lines.pop(draw(st.integers(0, len(lines) - 1))))
    if draw(st.booleans()):
        lines.append(draw(st.sampled_from(lines)))
    return name, source, lines


def run(name: str, source: str, lines: list[bytes]) -> int:
    """Records of the lines, which must fit the tape; lines that are refused are passed over."""
    made = FORMATS[name]("test", [source])
    count = 0
    for step in (made.learn, made.records):
        for number, raw in enumerate(filter(None, lines), 1):
            try:
                result = step(made.open_line(source, number, raw))
            except FeedError:
                continue
            if result is True:
                break
            if isinstance(result, list):
                assert decode_records(encode_records(result)) == result
                count += len(result)
    return count


def test_undamaged_recordings_give_records() -> None:
    assert [run(*recording) for recording in RECORDINGS] == [5, 3, 3, 3, 2, 1, 1, 1]


@fuzzed(250)
@given(damaged())
def test_damaged_lines(recording: tuple[str, str, list[bytes]]) -> None:
    run(*recording)


@fuzzed(100)
@given(
    st.sampled_from(RECORDINGS),
    st.lists(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda body: b"1.5: " + body)), max_size=3),
)
def test_any_bytes(recording: tuple[str, str, list[bytes]], noise: list[bytes]) -> None:
    name, source, lines = recording
    run(name, source, [*lines, *noise])


def packed(name: str, content: bytes, how: str) -> bytes:
    """A file's content as it is, or compressed."""
    if how == "gzip":
        return gzip.compress(content, mtime=0)
    if how == "zip":
        with zipfile.ZipFile(archive := io.BytesIO(), "w") as file:
            file.writestr(zipfile.ZipInfo(name), content)
        return archive.getvalue()
    return content


def test_an_archive_with_a_damaged_name(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(packed("é", b"1 {}", "zip").replace("é".encode(), b"\xff\xff"))
    with pytest.raises(ConfigError, match=r"a\.zip can't be read"):
        RecordedFeed("binance", path)


@fuzzed(60)
@given(data=st.data(), recording=damaged(), how=st.sampled_from(["", "gzip", "zip"]))
def test_whole_files(
    tmp_path_factory: Any, data: st.DataObject, recording: tuple[str, str, list[bytes]], how: str
) -> None:
    name, source, lines = recording
    path: Path = tmp_path_factory.mktemp("file") / source
    path.write_bytes(data.draw(torn(packed(source, b"\n".join(lines), how))))
    count = 0
    try:
        for due in RecordedFeed(name, path).due():
            assert decode_records(encode_records(due.records)) == due.records
            count += 1
    except (FeedError, ConfigError) as error:
        assert source in str(error), error  # noqa: PT017
    assert count <= len(lines) + 2
