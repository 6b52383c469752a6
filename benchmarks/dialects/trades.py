"""The trades of the benchmark, and how each dialect has to say them, written down by hand.

Every message of a dialect has the same length, so that the number of one follows from its place in the stream.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from benchmarks.peers.workload import framed
from tickwire.dialects.coinapi.ids import trade_uuid
from tickwire.model.events import Trade
from tickwire.model.instrument import Instrument

INSTRUMENT = Instrument(
    venue="SIM",
    base="BTC",
    quote="USDT",
    asset_class="crypto",
    tick_size="0.01",
    lot_size="0.01",
    kind="matched",
    book="orders",
)
START_NS = 1_732_180_000_000_000_000
_START = datetime.fromtimestamp(START_NS // 10**9, UTC)
_FIRST = 1_000_000_000


def trade(n: int) -> Trade:
    """Trade number `n`, from 0; one every millisecond."""
    at = START_NS + n * 1_000_000
    return Trade(
        INSTRUMENT.symbol, _FIRST + n, at, str(_FIRST + n), 9_700_000 + n % 7, 1 + n % 9, "buy", at, "11", "12"
    )


def native(n: int) -> bytes:
    """As our own protocol says it."""
    at = START_NS + n * 1_000_000
    return (
        b'{"channel":"trades","symbol":"SIM:BTC-USDT","type":"update","seq":%d,"ts":%d,"data":{"id":"%d",'
        b'"price":"97000.0%d","size":"0.0%d","side":"buy","ts_event":%d,"buy_order_id":"11","sell_order_id":"12"}}'
        % (_FIRST + n, at, _FIRST + n, n % 7, 1 + n % 9, at)
    )


def binance(n: int) -> bytes:
    """As Binance's raw stream `btcusdt@trade` says it."""
    at = START_NS // 1_000_000 + n
    return (
        b'{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"97000.0%d000000","q":"0.0%d000000","T":%d,"m":false,"M":true}'
        % (at, _FIRST + n, n % 7, 1 + n % 9, at)
    )  # fmt: skip


def coinapi(n: int) -> bytes:
    """As CoinAPI's data type `trade` says it."""
    at = (_START + timedelta(milliseconds=n)).strftime("%Y-%m-%dT%H:%M:%S.%f0Z").encode()
    return (
        b'{"type":"trade","symbol_id":"SIM_SPOT_BTC_USDT","sequence":%d,"time_exchange":"%b","time_coinapi":"%b",'
        b'"uuid":"%b","price":97000.0%d,"size":0.0%d,"taker_side":"BUY"}'
        % (_FIRST + n, at, at, trade_uuid(trade(n)).encode(), n % 7, 1 + n % 9)
    )


PAYLOADS: dict[str, Callable[[int], bytes]] = {"native": native, "binance": binance, "coinapi": coinapi}
"""By the dialect's name."""


def message(dialect: str, n: int) -> bytes:
    """Message number `n` as it is on the wire."""
    return framed(PAYLOADS[dialect](n))
