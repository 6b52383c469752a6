"""The parsers of recorded data, on frames shaped like the venues': exact records, and FeedError for all else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from tickwire.errors import FeedError
from tickwire.feeds.formats import FORMATS
from tickwire.feeds.formats.base import Format, iso_ns, seconds_ns
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
    VenueTrade,
)


class Recording(NamedTuple):
    """Lines of one file, the parser having learnt from the first `head` of them."""

    format_name: str
    source: str
    lines: tuple[bytes, ...]


def parser(format_name: str, source: str, lines: Sequence[bytes]) -> Format:
    """A parser of the file that has learnt what it can."""
    made = FORMATS[format_name]("test", [source])
    for number, raw in enumerate(lines, 1):
        if made.learn(made.open_line(source, number, raw)):
            break
    return made


def parse(recording: Recording) -> list[list[Record]]:
    """The records of each line."""
    made = parser(*recording)
    return [
        made.records(made.open_line(recording.source, number, raw)) for number, raw in enumerate(recording.lines, 1)
    ]


# ---- Binance --------------------------------------------------------------------------------------

B = "BINANCE:BTC-USDT"


def depth(first: int, last: int, bids: str = "[]", asks: str = "[]", *, symbol: str = "BTCUSDT") -> bytes:
    return (
        f'1700000000000000001 {{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":1700000000123,'
        f'"s":"{symbol}","U":{first},"u":{last},"b":{bids},"a":{asks}}}}}'
    ).encode()


B_SNAPSHOT = (
    b'1700000000000000002 {"lastUpdateId":105,"bids":[["100.10000000","2.00000000"],["100.00000000","1.00000001"]],'
    b'"asks":[["100.20000000","3.50000000"]]}'
)
B_TRADE = (
    b'1700000000000000003 {"stream":"btcusdt@trade","data":{"e":"trade","E":1700000000124,"s":"BTCUSDT","t":77,'
    b'"p":"100.20000000","q":"0.50000000","T":1700000000122,"m":false,"M":true}}'
)
B_TICKER = (
    b'1700000000000000004 {"stream":"btcusdt@bookTicker","data":{"u":109,"s":"BTCUSDT","b":"100.10000000",'
    b'"B":"2.00000000","a":"100.20000000","A":"3.00000000"}}'
)


def binance(*lines: bytes) -> list[list[Record]]:
    return parse(Recording("binance", "btcusdt_20231114.gz", lines))


def b_update(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> VenueBookUpdate:
    return VenueBookUpdate(symbol=B, bids=bids, asks=asks, ts_event=1_700_000_000_123_000_000)


def test_binance_instrument_comes_from_the_files_name() -> None:
    assert parser("binance", "btcusdt_20231114.gz", []).instruments == [
        Instrument(
            venue="BINANCE",
            base="BTC",
            quote="USDT",
            asset_class="crypto",
            tick_size="0.01",
            lot_size="0.00000001",
            kind="mirrored",
            feed="test",
        )
    ]
    (other,) = parser("binance", "solbtc_20231114", []).instruments
    assert (other.symbol, other.tick_size) == ("BINANCE:SOL-BTC", "0.00000001")
    with pytest.raises(FeedError, match="'FRAMES' is none"):
        parser("binance", "frames.gz".replace(".gz", "_1"), [])


def test_binance_snapshot_joins_the_diffs_that_came_before_and_after_it() -> None:
    got = binance(
        depth(95, 99, '[["99.00000000","1.00000000"]]'),  # in the snapshot
        depth(100, 105, '[["98.00000000","1.00000000"]]'),  # in it to the last
        depth(106, 108, '[["100.10000000","0.00000000"]]', '[["100.15000000","0.25000000"]]'),
        B_SNAPSHOT,
        depth(109, 109, '[["100.00000000","4.00000000"]]'),
    )
    assert got == [
        [],
        [],
        [],
        [
            VenueBookSnapshot(
                symbol=B, bids=[(10_010, 200_000_000), (10_000, 100_000_001)], asks=[(10_020, 350_000_000)]
            ),
            b_update([(10_010, 0)], [(10_015, 25_000_000)]),
        ],
        [b_update([(10_000, 400_000_000)], [])],
    ]


def test_binance_first_diff_may_overlap_the_snapshot() -> None:
    got = binance(B_SNAPSHOT, depth(90, 105), depth(101, 106, '[["99.00000000","1.00000000"]]'), depth(107, 107))
    assert got[1:] == [[], [b_update([(9_900, 100_000_000)], [])], [b_update([], [])]]


@pytest.mark.parametrize(
    ("diffs", "message"),
    [
        ([depth(107, 108)], "gap: expected the diff that holds update 106, got 107 to 108"),
        ([depth(106, 108), depth(110, 111)], "gap: expected a diff from update 109 on, got 110 to 111"),
        ([depth(106, 108), depth(106, 108)], "gap: expected a diff from update 109 on, got 106 to 108"),
        ([depth(109, 108)], "expected U up to u, got 109 and 108"),
    ],
)
def test_binance_gap_is_an_error(diffs: list[bytes], message: str) -> None:
    for lines in ([B_SNAPSHOT, *diffs], [*diffs, B_SNAPSHOT]):  # live, and from the buffer
        with pytest.raises(FeedError, match=re.escape(message)):
            binance(*lines)


def test_binance_second_snapshot_replaces_unless_it_is_old() -> None:
    newer = B_SNAPSHOT.replace(b'"lastUpdateId":105', b'"lastUpdateId":120')
    got = binance(B_SNAPSHOT, depth(106, 110), B_SNAPSHOT, newer, depth(111, 120), depth(115, 121))
    assert got[2] == []
    assert got[3] == got[0]
    assert got[4:] == [[], [b_update([], [])]]


def test_binance_waits_for_a_snapshot_only_so_long() -> None:
    made = parser("binance", "btcusdt_1", [])
    line = made.open_line("btcusdt_1", 1, depth(1, 1))
    for _ in range(10_000):
        assert made.records(line) == []
    with pytest.raises(FeedError, match="expected a depth snapshot within 10000 diffs"):
        made.records(line)


def test_binance_trade_and_quote() -> None:
    sold = B_TRADE.replace(b'"m":false', b'"m":true')
    empty_side = B_TICKER.replace(b'"100.10000000","B":"2.00000000"', b'"0.00000000","B":"0.00000000"')
    aggregate = B_TRADE.replace(b"@trade", b"@aggTrade")
    trade = VenueTrade(
        symbol=B, trade_id="77", price=10_020, size=50_000_000, side="buy", ts_event=1_700_000_000_122_000_000
    )
    assert binance(B_TRADE, sold, B_TICKER, empty_side, aggregate) == [
        [trade],
        [
            VenueTrade(
                symbol=B, trade_id="77", price=10_020, size=50_000_000, side="sell", ts_event=1_700_000_000_122_000_000
            )
        ],
        [VenueQuote(symbol=B, bid=10_010, bid_size=200_000_000, ask=10_020, ask_size=300_000_000)],
        [VenueQuote(symbol=B, bid=None, bid_size=0, ask=10_020, ask_size=300_000_000)],
        [],
    ]


# ---- Coinbase -------------------------------------------------------------------------------------

C = "COINBASE:SKL-USD"
C_HEAD = (
    b'https://exchange.test/products -> 1618677816.5: [{"id":"SKL-USD","base_currency":"SKL","quote_currency":"USD",'
    b'"quote_increment":"0.0001","base_increment":"0.1","status":"online"}]',
    b'configuration: {"trades":["SKL-USD"],"l2_book":["SKL-USD"]}',
    b"wss://feed.test <-> 1618677816.6",
    b'wss://feed.test <- 1618677816.7: {"type":"subscribe","product_ids":["SKL-USD"],"channels":["level2"]}',
)
C_SNAPSHOT = (
    b'1618677817.0786: {"type":"snapshot","product_id":"SKL-USD","asks":[["0.5762","2865.9"]],'
    b'"bids":[["0.5750","10.0"],["0.5749","7.5"]]}'
)
C_UPDATE = (
    b'1618677817.1: {"type":"l2update","product_id":"SKL-USD","changes":[["buy","0.5751","3.2"],["sell","0.5762","0"],'
    b'["buy","0.5749","0.0000"]],"time":"2021-04-17T16:43:37.123456Z"}'
)
C_MATCH = (
    b'1618677817.2: {"type":"match","trade_id":9,"maker_order_id":"m-1","taker_order_id":"t-1","side":"sell",'
    b'"size":"1.5","price":"0.5762","product_id":"SKL-USD","sequence":5,"time":"2021-04-17T16:43:37.2Z"}'
)
C_NS = 1_618_677_817_000_000_000


def coinbase(*lines: bytes) -> list[list[Record]]:
    return parse(Recording("coinbase", "COINBASE.0", C_HEAD + lines))[len(C_HEAD) :]


def test_coinbase_instruments_come_from_the_product_list() -> None:
    (instrument,) = parser("coinbase", "COINBASE.0", C_HEAD).instruments
    assert (instrument.symbol, instrument.tick_size, instrument.lot_size, instrument.book) == (
        C,
        "0.0001",
        "0.1",
        "levels",
    )


def test_coinbase_book_and_trades() -> None:
    bought_from_maker = VenueTrade(
        symbol=C,
        trade_id="9",
        price=5_762,
        size=15,
        side="buy",  # the maker sold
        ts_event=C_NS + 200_000_000,
        buy_order_id="t-1",
        sell_order_id="m-1",
    )
    sold_to_maker = VenueTrade(
        symbol=C,
        trade_id="9",
        price=5_762,
        size=15,
        side="sell",
        ts_event=C_NS + 200_000_000,
        buy_order_id="m-1",
        sell_order_id="t-1",
    )
    last = C_MATCH.replace(b'"match"', b'"last_match"')
    ticker = b'1618677817.3: {"type":"ticker","product_id":"SKL-USD","price":"0.5762"}'
    assert coinbase(
        C_SNAPSHOT, C_UPDATE, C_MATCH, C_MATCH.replace(b'"side":"sell"', b'"side":"buy"'), last, ticker
    ) == [
        [VenueBookSnapshot(symbol=C, bids=[(5_750, 100), (5_749, 75)], asks=[(5_762, 28_659)])],
        [VenueBookUpdate(symbol=C, bids=[(5_751, 32), (5_749, 0)], asks=[(5_762, 0)], ts_event=C_NS + 123_456_000)],
        [bought_from_maker],
        [sold_to_maker],
        [],
        [],
    ]


def test_coinbase_needs_its_product_list_and_snapshots() -> None:
    with pytest.raises(FeedError, match=r"expected the product list and the configuration \(COINBASE\.0\)"):
        parse(Recording("coinbase", "COINBASE.ws.1.0", (C_SNAPSHOT,)))
    with pytest.raises(FeedError, match="expected a snapshot of SKL-USD before its first l2update"):
        coinbase(C_UPDATE)
    with pytest.raises(FeedError, match="expected ABC-USD in the product list"):
        parser("coinbase", "COINBASE.0", [C_HEAD[0], b'configuration: {"l2_book":["ABC-USD"]}'])
    with pytest.raises(FeedError, match="expected a product of the configuration, got 'ABC-USD'"):
        coinbase(C_SNAPSHOT.replace(b"SKL-USD", b"ABC-USD"))


# ---- Kraken ---------------------------------------------------------------------------------------

K = "KRAKEN:XBT-CHF"
K_HEAD = (
    b'configuration: {"trades":["BTC-CHF"],"l2_book":["BTC-CHF"]}',
    b"wss://ws.test <-> 1618678132.3",
    b'1618678132.8: {"event":"systemStatus","status":"online"}',
)
K_SNAPSHOT = (
    b'1618678133.0: [464,{"as":[["54100.10000","0.50000000","1618678132.900001"]],'
    b'"bs":[["54100.00000","1.00000000","1618678132.900002"],["54099.90000","2.00000000","1618678100.000000"]]},'
    b'"book-1000","XBT/CHF"]'
)
K_BIDS = (
    b'1618678133.1: [464,{"b":[["54100.00000","0.00000000","1618678133.050000"],'
    b'["54098.70000","0.30000000","1618678110.000000","r"]],"c":"974947235"},"book-1000","XBT/CHF"]'
)
K_BOTH = (
    b'1618678133.2: [464,{"a":[["54100.20000","0.10000000","1618678133.150000"]]},'
    b'{"b":[["54099.90000","0.20000000","1618678133.140000"]],"c":"1"},"book-1000","XBT/CHF"]'
)
K_TRADES = (
    b'1618678133.3: [465,[["54100.10000","0.10000000","1618678133.250001","b","l",""],'
    b'["54100.00000","0.20000000","1618678133.250002","s","m",""]],"trade","XBT/CHF"]'
)
K_TICKER = b'1618678133.4: [466,{"a":["54100.20000",0,"0.1"]},"ticker","XBT/CHF"]'
K_NS = 1_618_678_133_000_000_000


def kraken(*lines: bytes) -> list[list[Record]]:
    return parse(Recording("kraken", "KRAKEN.ws.1.0", K_HEAD + lines))[len(K_HEAD) :]


def test_kraken_steps_are_the_decimals_of_the_frames() -> None:
    for line in (K_SNAPSHOT, K_TRADES):
        (instrument,) = parser("kraken", "KRAKEN.0", [*K_HEAD, K_TICKER, line]).instruments
        assert (instrument.symbol, instrument.tick_size, instrument.lot_size) == (K, "0.00001", "0.00000001")
    whole = K_TRADES.replace(b"54100.10000", b"54100")
    assert parser("kraken", "KRAKEN.0", [*K_HEAD, whole]).instruments[0].tick_size == "1"


def test_kraken_book_trades_and_checksums() -> None:
    assert kraken(K_SNAPSHOT, K_BIDS, K_BOTH, K_TRADES, K_TICKER, K_TRADES)[:5] == [
        [
            VenueBookSnapshot(
                symbol=K,
                bids=[(5_410_000_000, 100_000_000), (5_409_990_000, 200_000_000)],
                asks=[(5_410_010_000, 50_000_000)],
                ts_event=K_NS - 99_998_000,
                depth=1000,
            )
        ],
        [
            VenueBookUpdate(
                symbol=K,
                bids=[(5_410_000_000, 0), (5_409_870_000, 30_000_000)],
                asks=[],
                ts_event=K_NS + 50_000_000,
                checksum=974_947_235,
            )
        ],
        [
            VenueBookUpdate(
                symbol=K,
                bids=[(5_409_990_000, 20_000_000)],
                asks=[(5_410_020_000, 10_000_000)],
                ts_event=K_NS + 150_000_000,
                checksum=1,
            )
        ],
        [
            VenueTrade(
                symbol=K,
                trade_id="1",
                price=5_410_010_000,
                size=10_000_000,
                side="buy",
                ts_event=K_NS + 250_001_000,
            ),
            VenueTrade(
                symbol=K,
                trade_id="2",
                price=5_410_000_000,
                size=20_000_000,
                side="sell",
                ts_event=K_NS + 250_002_000,
            ),
        ],
        [],
    ]


def test_kraken_numbers_the_trades_of_a_pair() -> None:
    ids = [
        record.trade_id for records in kraken(K_TRADES, K_TRADES) for record in records if type(record) is VenueTrade
    ]
    assert ids == ["1", "2", "3", "4"]


def test_kraken_needs_a_snapshot_first() -> None:
    with pytest.raises(FeedError, match="expected a snapshot of XBT/CHF before its first update"):
        kraken(K_BIDS)


# ---- Independent Reserve --------------------------------------------------------------------------

I = "INDEPENDENT_RESERVE:ETH-AUD"  # noqa: E741
I_HEAD = (b'configuration: {"l3_book":["ETH-AUD"]}', b"wss://ws.test <-> 1649023807.9")
I_SNAPSHOT = (
    b"https://api.test/Public/GetAllOrders?primaryCurrencyCode=eth&secondaryCurrencyCode=aud -> 1649023810.2: "
    b'{"BuyOrders":[{"Guid":"b-1","Price":4726.2,"Volume":15.0},{"Guid":"b-2","Price":0.0,"Volume":1E-8}],'
    b'"SellOrders":[{"Guid":"a-1","Price":4733.45,"Volume":2.5}],"PrimaryCurrencyCode":"Eth",'
    b'"SecondaryCurrencyCode":"Aud","CreatedTimestampUtc":"2022-04-03T22:10:10.2120295Z"}'
)
I_NS = 1_649_023_810_000_000_000


def order_event(nonce: int, event: str, data: str, *, channel: str = "orderbook-eth") -> bytes:
    return (
        f'1649023811.1: {{"Channel":"{channel}","Nonce":{nonce},"Data":{{{data}}},"Time":1649023810100,'
        f'"Event":"{event}"}}'
    ).encode()


def new(nonce: int, guid: str, price: str = "4726.2", volume: str = "1.5", kind: str = "LimitBid") -> bytes:
    data = f'"OrderType":"{kind}","OrderGuid":"{guid}","Price":{{"aud":{price},"usd":1.0}},"Volume":{volume}'
    return order_event(nonce, "NewOrder", data)


def canceled(nonce: int, guid: str) -> bytes:
    return order_event(nonce, "OrderCanceled", f'"OrderType":"LimitBid","OrderGuid":"{guid}"')


def changed(nonce: int, guid: str, volume: str) -> bytes:
    return order_event(nonce, "OrderChanged", f'"OrderType":"LimitBid","OrderGuid":"{guid}","Volume":{volume}')


def independent_reserve(*lines: bytes) -> list[list[Record]]:
    return parse(Recording("independent_reserve", "INDEPENDENT_RESERVE.0", I_HEAD + lines))[len(I_HEAD) :]


I_EVENT_NS = I_NS + 100_000_000
I_BOOK = VenueOrdersSnapshot(
    symbol=I,
    bids=[("b-1", 472_620, 1_500_000_000), ("b-2", 0, 1)],
    asks=[("a-1", 473_345, 250_000_000)],
    ts_event=I_NS + 212_029_500,
)


def test_independent_reserve_instrument() -> None:
    (instrument,) = parser("independent_reserve", "INDEPENDENT_RESERVE.0", [*I_HEAD, I_SNAPSHOT]).instruments
    assert instrument == Instrument(
        venue="INDEPENDENT_RESERVE",
        base="ETH",
        quote="AUD",
        asset_class="crypto",
        tick_size="0.01",
        lot_size="0.00000001",
        kind="mirrored",
        book="orders",
        feed="test",
    )
    finer = I_SNAPSHOT.replace(b"4733.45", b"4733.45601")
    (instrument,) = parser("independent_reserve", "INDEPENDENT_RESERVE.0", [*I_HEAD, finer]).instruments
    assert instrument.tick_size == "0.00001"


def test_independent_reserve_changes_after_the_snapshot() -> None:
    assert independent_reserve(
        I_SNAPSHOT,
        new(7, "b-3"),
        new(8, "b-1"),  # in the snapshot
        changed(9, "b-3", "0.5"),
        changed(10, "b-3", "0.75"),  # a size only falls
        canceled(11, "nobody"),
        new(12, "a-2", "4740", "3", "LimitOffer"),
        changed(13, "b-3", "0.0"),
        canceled(14, "a-1"),
        canceled(15, "a-1"),
        new(16, "m-1", kind="MarketBid"),
        canceled(17, "m-1"),
        b'1649023812.0: {"Time":1649023811000,"Event":"Heartbeat"}',
    ) == [
        [I_BOOK],
        [VenueOrderAdd(symbol=I, order_id="b-3", side="buy", price=472_620, size=150_000_000, ts_event=I_EVENT_NS)],
        [],
        [VenueOrderChange(symbol=I, order_id="b-3", size=50_000_000, ts_event=I_EVENT_NS)],
        [],
        [],
        [VenueOrderAdd(symbol=I, order_id="a-2", side="sell", price=474_000, size=300_000_000, ts_event=I_EVENT_NS)],
        [VenueOrderRemove(symbol=I, order_id="b-3", ts_event=I_EVENT_NS)],
        [VenueOrderRemove(symbol=I, order_id="a-1", ts_event=I_EVENT_NS)],
        [],
        [],
        [],
        [],
    ]


def test_independent_reserve_changes_before_the_snapshot_are_part_of_it() -> None:
    got = independent_reserve(
        new(1, "gone", "5000.00"),
        canceled(2, "gone"),
        new(3, "b-1"),
        new(4, "b-3"),
        changed(5, "b-1", "4"),
        canceled(6, "a-1"),
        new(7, "b-4", "4727"),
        I_SNAPSHOT,
        canceled(8, "b-3"),
        I_SNAPSHOT,  # the book is kept by now
    )
    assert got[:7] == [[]] * 7
    assert got[7] == [
        VenueOrdersSnapshot(
            symbol=I,
            bids=[
                ("b-4", 472_700, 150_000_000),
                ("b-1", 472_620, 400_000_000),
                ("b-3", 472_620, 150_000_000),
                ("b-2", 0, 1),
            ],
            asks=[],
            ts_event=I_NS + 212_029_500,
        )
    ]
    assert got[8:] == [[VenueOrderRemove(symbol=I, order_id="b-3", ts_event=I_EVENT_NS)], []]


def test_independent_reserve_nonce_rises_by_one() -> None:
    with pytest.raises(FeedError, match="gap: expected Nonce 8 on orderbook-eth, got 9"):
        independent_reserve(I_SNAPSHOT, new(7, "b-3"), new(9, "b-4"))
    with pytest.raises(FeedError, match="gap: expected Nonce 8 on orderbook-eth, got 7"):
        independent_reserve(new(7, "b-3"), new(7, "b-4"))
    other_channel = order_event(1, "OrderCanceled", '"OrderGuid":"x"', channel="orderbook-dot")
    assert independent_reserve(I_SNAPSHOT, new(7, "b-1"), other_channel, canceled(8, "x"))[1:] == [[], [], []]


def test_independent_reserve_waits_for_a_new_snapshot_after_a_reconnection() -> None:
    opened = b"wss://ws.test <-> 1649023812.0"
    assert independent_reserve(I_SNAPSHOT, canceled(7, "b-1"), opened, canceled(90, "b-2"), I_SNAPSHOT)[2:] == [
        [],
        [],
        [
            VenueOrdersSnapshot(
                symbol=I,
                bids=[("b-1", 472_620, 1_500_000_000)],
                asks=[("a-1", 473_345, 250_000_000)],
                ts_event=I_NS + 212_029_500,
            )
        ],
    ]


def test_independent_reserve_waits_for_a_snapshot_only_so_long() -> None:
    made = parser("independent_reserve", "INDEPENDENT_RESERVE.0", [*I_HEAD, I_SNAPSHOT])
    for nonce in range(10_000):
        assert made.records(made.open_line("", 1, canceled(nonce, "x"))) == []
    with pytest.raises(FeedError, match="expected the orders of every pair of eth within 10000 changes"):
        made.records(made.open_line("", 1, canceled(10_000, "x")))


# ---- LEAN -----------------------------------------------------------------------------------------


def test_fx_quote() -> None:
    source = "eurusd_fxcm_20140508_quote.zip/20140508_eurusd_tick_quote.csv"
    assert parser("fx", source, []).instruments == [
        Instrument(
            venue="FXCM",
            base="EUR",
            quote="USD",
            asset_class="fx",
            tick_size="0.00001",
            lot_size="1",
            kind="mirrored",
            book="none",
            feed="test",
        )
    ]
    assert parse(Recording("fx", source, (b"17007,1.39147,1.3915",))) == [
        [
            VenueQuote(
                symbol="FXCM:EUR-USD",
                bid=139_147,
                bid_size=0,
                ask=139_150,
                ask_size=0,
                ts_event=1_399_507_217_007_000_000,  # 2014-05-08T00:00:17.007Z
            )
        ]
    ]


@pytest.mark.parametrize(
    ("day", "midnight_s"),
    [
        ("20131008", 1_381_204_800),  # 04:00 UTC: summer time in New York
        ("20131210", 1_386_651_600),  # 05:00 UTC: winter
    ],
)
def test_equity_quotes_and_trades(day: str, midnight_s: int) -> None:
    at_ns = midnight_s * 1_000_000_000 + 14_400_640_000_000
    quotes = f"ibm_{day}_quote.zip/{day}_ibm_Quote_Tick.csv"
    assert parse(
        Recording("equity", quotes, (b"14400640,1800100,200,0,0,P,1,0", b"14400640,0,0,1826200,100,P,1,1"))
    ) == [
        [VenueQuote(symbol="NYSE:IBM-USD", bid=1_800_100, bid_size=200, ask=None, ask_size=0, ts_event=at_ns)],
        [VenueQuote(symbol="NYSE:IBM-USD", bid=None, bid_size=0, ask=1_826_200, ask_size=100, ts_event=at_ns)],
    ]
    trades = f"{day}_ibm_Trade_Tick.csv"
    assert parse(Recording("equity", trades, (b"14400640,1821000,300,P,2000,0",) * 2)) == [
        [VenueTrade(symbol="NYSE:IBM-USD", trade_id="1", price=1_821_000, size=300, side=None, ts_event=at_ns)],
        [VenueTrade(symbol="NYSE:IBM-USD", trade_id="2", price=1_821_000, size=300, side=None, ts_event=at_ns)],
    ]
    made = parser("equity", trades, [])
    assert made.open_line(trades, 1, b"14400640,1821000,300,P,2000,0").at_ns == at_ns
    (instrument,) = made.instruments
    assert (instrument.symbol, instrument.tick_size, instrument.lot_size, instrument.asset_class, instrument.book) == (
        "NYSE:IBM-USD",
        "0.0001",
        "1",
        "equity",
        "none",
    )


@pytest.mark.parametrize(
    ("format_name", "source"),
    [
        ("fx", "eurusd.csv"),
        ("fx", "20140508_eurusd_tick_trade.csv"),
        ("fx", "20140508_eur_tick_quote.csv"),
        ("fx", "20141308_eurusd_tick_quote.csv"),
        ("equity", "ibm_20131008_quote.csv"),
        ("equity", "20131008_ibm_minute_trade.csv"),
        ("equity", "20131008_i$m_Trade_Tick.csv"),
        ("binance", "b$cusdt_20240101"),
        ("binance", "usdt_20240101"),
    ],
)
def test_a_name_that_tells_nothing_is_an_error(format_name: str, source: str) -> None:
    with pytest.raises(FeedError):
        FORMATS[format_name]("test", [source])


# ---- times ----------------------------------------------------------------------------------------


def test_times_are_exact() -> None:
    assert seconds_ns("1618677816.8414998") == 1_618_677_816_841_499_800
    assert seconds_ns("1618677816.100000009") == 1_618_677_816_100_000_009
    assert seconds_ns("1618677816") == 1_618_677_816_000_000_000
    assert iso_ns("2021-04-17T16:43:30.244075Z") == 1_618_677_810_244_075_000
    assert iso_ns("2022-04-03T22:10:11.4620357Z") == 1_649_023_811_462_035_700
    assert iso_ns("2021-04-17T16:43:30Z") == 1_618_677_810_000_000_000


@pytest.mark.parametrize(
    "text", ["", ".", "1.", ".5", "-1", "1e9", "1_0", "99999999999", "9999999999", "1.0000000001", "١"]
)
def test_seconds_that_are_none(text: str) -> None:
    with pytest.raises(FeedError, match="expected a time in seconds"):
        seconds_ns(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "2021-04-17",
        "2021-04-17T16:43:30",
        "2021-04-17T16:43:30.1",
        "2021-04-17T16:43:30.Z",
        "2021-04-17T16:43:30.1234567890Z",
        "2021-04-17T16:43:30.12+00:00Z",
        "2021-04-17T25:43:30.1Z",
        "0001-01-01T00:00:00Z",
        "2262-01-01T00:00:00Z",
        "2021-04-17T16:43:30x1Z",
    ],
)
def test_iso_stamps_that_are_none(text: str) -> None:
    with pytest.raises(FeedError, match="expected a time"):
        iso_ns(text)


# ---- truncated, with trailing garbage, hostile ----------------------------------------------------

WHOLE = {
    "binance": Recording("binance", "btcusdt_1", (B_SNAPSHOT, depth(106, 107), B_TRADE, B_TICKER)),
    "coinbase": Recording("coinbase", "COINBASE.0", (*C_HEAD, C_SNAPSHOT, C_UPDATE, C_MATCH)),
    "kraken": Recording("kraken", "KRAKEN.0", (*K_HEAD, K_SNAPSHOT, K_BIDS, K_BOTH, K_TRADES)),
    "independent_reserve": Recording(
        "independent_reserve", "INDEPENDENT_RESERVE.0", (*I_HEAD, I_SNAPSHOT, new(1, "b-3"), changed(2, "b-3", "1"))
    ),
    "fx": Recording("fx", "20140508_eurusd_tick_quote.csv", (b"17007,1.39147,1.39148",)),
    "equity": Recording("equity", "20131008_ibm_Quote_Tick.csv", (b"14400640,1800100,200,0,0,P,1,0",)),
    "equity trades": Recording("equity", "20131008_ibm_Trade_Tick.csv", (b"14400640,1800100,200,P,1,0",)),
}
DATA_FROM = {"coinbase": len(C_HEAD), "kraken": len(K_HEAD), "independent_reserve": len(I_HEAD)}


@pytest.mark.parametrize("name", WHOLE)
def test_truncated_lines_are_errors(name: str) -> None:
    recording = WHOLE[name]
    assert sum(map(len, parse(recording))) > 0
    for index in range(DATA_FROM.get(name, 0), len(recording.lines)):
        line = recording.lines[index]
        for length in range(1, len(line)):
            if name == "fx" and length > line.rindex(b",") + 1:
                continue  # a shorter price is a price
            cut = (*recording.lines[:index], line[:length])
            with pytest.raises(FeedError):
                parse(recording._replace(lines=cut))


@pytest.mark.parametrize("garbage", [b"}", b"x", b",1", b"\x00", b"\xff", b' {"a":1}'])
@pytest.mark.parametrize("name", WHOLE)
def test_trailing_garbage_is_an_error(name: str, garbage: bytes) -> None:
    recording = WHOLE[name]
    for index in range(DATA_FROM.get(name, 0), len(recording.lines)):
        spoilt = (*recording.lines[:index], recording.lines[index] + garbage)
        with pytest.raises(FeedError):
            parse(recording._replace(lines=spoilt))


HOSTILE = [
    ("binance", b'"100.10000000"', b'"-100.10000000"'),
    ("binance", b'"100.10000000"', b'"0.00000000"'),
    ("binance", b'"100.10000000"', b'"100.10100000"'),
    ("binance", b'"100.10000000"', b'"1e2"'),
    ("binance", b'"100.10000000"', b"100.1"),
    ("binance", b'"100.10000000"', b'"' + b"9" * 5000 + b'"'),
    ("binance", b'"2.00000000"', b'"-2.00000000"'),
    ("binance", b'"2.00000000"', b'"99999999999999.00000000"'),
    ("binance", b'"2.00000000"', b'"2.000000001"'),
    ("binance", b'"2.00000000"', '"²"'.encode()),
    ("binance", b'"0.50000000"', b'"0.00000000"'),
    ("binance", b'"lastUpdateId":105', b'"lastUpdateId":-1'),
    ("binance", b'"lastUpdateId":105', b'"lastUpdateId":' + b"9" * 30),
    ("binance", b'"lastUpdateId":105', b'"other":105'),
    ("binance", b'"E":1700000000123', b'"E":99999999999999999'),
    ("binance", b'"T":1700000000122', b'"T":-5'),
    ("binance", b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'),
    ("binance", b'"p":"100.20000000",', b""),
    ("binance", b"1700000000000000003 ", b"99999999999999999999 "),
    ("binance", b'"M":true', b'"M":' + b"[" * 100_000),
    ("coinbase", b'"0.5762"', b'"0.57625"'),
    ("coinbase", b'"0.5762"', b'"NaN"'),
    ("coinbase", b'"2865.9"', b'"-1.0"'),
    ("coinbase", b'["buy","0.5751","3.2"]', b'["hold","0.5751","3.2"]'),
    ("coinbase", b'["buy","0.5751","3.2"]', b'["buy","0.5751"]'),
    ("coinbase", b'"2021-04-17T16:43:37.123456Z"', b'"yesterday"'),
    ("coinbase", b'"size":"1.5"', b'"size":"0"'),
    ("coinbase", b'"trade_id":9', b'"trade_id":"9"'),
    ("coinbase", b'"maker_order_id":"m-1"', b'"maker_order_id":"\xff"'),
    ("coinbase", b'"type":"match"', b'"type":7'),
    ("coinbase", b'"quote_increment":"0.0001"', b'"quote_increment":"0"'),
    ("coinbase", b'"quote_increment":"0.0001"', b'"quote_increment":"0.' + b"0" * 10_000 + b'1"'),
    ("coinbase", b'"base_currency":"SKL"', b'"base_currency":"S L"'),
    ("coinbase", b"1618677817.1:", b"1618677817.1234567891:"),
    ("coinbase", b"wss://feed.test <->", b"wss://feed.test <<>"),
    ("kraken", b'"54100.20000"', b'"-54100.20000"'),
    ("kraken", b'"54100.20000"', b'"54100.200001"'),
    ("kraken", b'"1618678133.150000"', b'"soon"'),
    ("kraken", b'"c":"974947235"', b'"c":"-1"'),
    ("kraken", b'"c":"974947235"', b'"c":974947235'),
    ("kraken", b'"c":"974947235"', b'"c":"' + b"9" * 5000 + b'"'),
    ("kraken", b'"book-1000"', b'"book-x"'),
    ("kraken", b'"book-1000"', b'"book-' + b"9" * 5000 + b'"'),
    ("kraken", b'"XBT/CHF"', b'"XBTCHF"'),
    ("kraken", b'"XBT/CHF"', b"7"),
    ("kraken", b',"b","l",""', b',"x","l",""'),
    ("kraken", b'"0.10000000","1618678133.250001"', b'"0.00000000","1618678133.250001"'),
    ("kraken", b'"54100.10000"', b'"54100.' + b"1" * 5000 + b'"'),
    ("kraken", b'{"event":"systemStatus","status":"online"}', b"{]"),
    ("independent_reserve", b'"Price":4726.2', b'"Price":-4726.2'),
    ("independent_reserve", b'"Price":4726.2', b'"Price":1e999999999'),
    ("independent_reserve", b'"Price":4726.2', b'"Price":1E-999999999'),
    ("independent_reserve", b'"Price":4726.2', b'"Price":"NaN"'),
    ("independent_reserve", b'"Price":4726.2', b'"Price":' + b"1" * 5000),
    ("independent_reserve", b'"Price":4733.45', b'"Price":0.0'),
    ("independent_reserve", b'"Volume":15.0', b'"Volume":0'),
    ("independent_reserve", b'"Volume":15.0', b'"Volume":1e-9'),
    ("independent_reserve", b'"aud":4726.2', b'"aud":4726.201'),
    ("independent_reserve", b'"aud":4726.2', b'"nzd":4726.2'),
    ("independent_reserve", b'"LimitBid"', b'"StopBid"'),
    ("independent_reserve", b'"2022-04-03T22:10:10.2120295Z"', b'"now"'),
    ("independent_reserve", b'"Nonce":2', b'"Nonce":-2'),
    ("independent_reserve", b'"OrderGuid":"b-3","Price"', b'"OrderGuid":3,"Price"'),
    ("independent_reserve", b'"PrimaryCurrencyCode":"Eth"', b'"PrimaryCurrencyCode":""'),
    ("fx", b"1.39147", b"-1.39147"),
    ("fx", b"1.39147", b"0"),
    ("fx", b"1.39147", b"1.391475"),
    ("fx", b"1.39147", b""),
    ("fx", b"1.39147", b"\xb2"),
    ("fx", b"17007", b"1_7"),
    ("fx", b"17007", b"99999999"),
    ("fx", b"17007", b" 17"),
    ("equity", b"1800100", b"-1"),
    ("equity", b"1800100", b"1" * 19),
    ("equity", b"1800100", b"1_0"),
    ("equity", b"200", b"1.5"),
    ("equity trades", b"1800100", b"0"),
    ("equity trades", b"200", b"0"),
    ("equity trades", b"P,1", b"P"),
]


@pytest.mark.parametrize(("name", "good", "bad"), HOSTILE)
def test_hostile_values_are_errors(name: str, good: bytes, bad: bytes) -> None:
    recording = WHOLE[name]
    spoilt = tuple(line.replace(good, bad) for line in recording.lines)
    assert spoilt != recording.lines
    with pytest.raises(FeedError, match="expected"):
        parse(recording._replace(lines=spoilt))
