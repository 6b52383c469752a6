"""Operations that anybody may ask for: the time, the rules, and the market as it is and was."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from tickwire.dialects.binance import market_data
from tickwire.dialects.binance.call import Call
from tickwire.dialects.binance.errors import BinanceError
from tickwire.dialects.binance.intervals import INTERVALS
from tickwire.dialects.binance.market_data import CHANNELS, KLINES_MAX
from tickwire.dialects.binance.params import Params
from tickwire.dialects.binance.usage import LIMITS
from tickwire.model.instrument import Instrument

DEPTH_MAX = 5_000
TRADES_MAX = 1_000
STATS_TYPES: dict[str, Literal["FULL", "MINI"]] = {"FULL": "FULL", "MINI": "MINI"}

_MINUTE_NS, _HOUR_NS, _DAY_NS = 60 * 10**9, 3_600 * 10**9, 86_400 * 10**9
_WINDOWS = {
    **{f"{n}m": n * _MINUTE_NS for n in range(1, 60)},
    **{f"{n}h": n * _HOUR_NS for n in range(1, 24)},
    **{f"{n}d": n * _DAY_NS for n in range(1, 8)},
}
_ZONE = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-5][0-9]))?")


# ---- weights -------------------------------------------------------------------------------------


def depth_weight(params: Params) -> int:
    """Weight of `depth`, by how much is asked for."""
    limit = params.limit(100, DEPTH_MAX)
    return next(weight for most, weight in ((100, 5), (500, 25), (1_000, 50), (DEPTH_MAX, 250)) if limit <= most)


def by_symbols(one: int, every: int) -> Callable[[Params], int]:
    """Weight of what can be asked of one symbol, or of all."""
    return lambda params: one if "symbol" in params else every


def day_weight(params: Params) -> int:
    """Weight of `ticker.24hr`, by the number of symbols."""
    symbols = len(params.names("symbols"))
    if "symbol" in params or 1 <= symbols <= 20:
        return 2
    return 40 if 21 <= symbols <= 100 else 80


def window_weight(params: Params) -> int:
    """Weight of `ticker`: 4 a symbol, 200 at most."""
    return min(4 * max(1, len(params.names("symbols"))), 200)


def klines_weight(params: Params) -> int:
    """Weight of `klines`: 2 for each thousand candles that may have to be read."""
    interval = params.text("interval")
    if interval not in INTERVALS:
        return 2
    _, rows = market_data.kline_rows(interval, zone(params), params.limit(500, KLINES_MAX))
    return 2 * -(-rows // 1_000)


# ---- general -------------------------------------------------------------------------------------


def ping(_: Call) -> Any:
    """`ping`"""
    return {}


def time(call: Call) -> Any:
    """`time`"""
    return {"serverTime": call.time(call.now)}


def exchange_info(call: Call) -> Any:
    """`exchangeInfo`"""
    params = call.params
    params.not_with("symbol", "symbols", "permissions")
    params.not_with("symbols", "permissions")
    permissions = params.text("permissions")
    if permissions and not permissions.startswith("["):
        permissions = f'["{permissions}"]'
    spot = not permissions or "SPOT" in Params({"permissions": permissions}).names("permissions")
    named = [params.text("symbol")] if "symbol" in params else params.names("symbols")
    instruments = [call.instrument(name) for name in named] if named else list(call.instruments.values())
    rows = market_data.exchange_symbols(call.services, call.identity, instruments if spot else ())
    status = params.text("symbolStatus")
    return {
        "timezone": "UTC",
        "serverTime": call.time(call.now),
        "rateLimits": [limit.shown() for limit in LIMITS],
        "exchangeFilters": [],
        "symbols": [row for row in rows if status in ("", row.status)],
    }


# ---- market data ---------------------------------------------------------------------------------


def depth(call: Call) -> Any:
    """`depth`"""
    return market_data.depth(
        call.services, call.instrument(channel=CHANNELS["depth"]), call.params.limit(100, DEPTH_MAX)
    )


def trades(call: Call) -> Any:
    """`trades.recent`"""
    instrument = call.instrument(channel=CHANNELS["trades"])
    return market_data.trades(call.services, instrument, call.params.limit(500, TRADES_MAX), call.unit)


def historical_trades(call: Call) -> Any:
    """`trades.historical`"""
    instrument, limit = call.instrument(channel=CHANNELS["trades"]), call.params.limit(500, TRADES_MAX)
    return market_data.trades(call.services, instrument, limit, call.unit, _optional(call.params, "fromId"))


def agg_trades(call: Call) -> Any:
    """`trades.aggregate`"""
    params = call.params
    params.not_with("fromId", "startTime", "endTime")
    start, end = span(call)
    return market_data.agg_trades(
        call.services,
        call.instrument(channel=CHANNELS["aggTrades"]),
        params.limit(500, TRADES_MAX),
        call.unit,
        from_id=_optional(params, "fromId"),
        start=start,
        end=end,
    )


def klines(call: Call) -> Any:
    """`klines` and `uiKlines`"""
    params = call.params
    instrument = call.instrument(channel=CHANNELS["klines"])
    interval = params.required("interval")
    if interval not in INTERVALS:
        raise BinanceError(-1120)
    start, end = span(call)
    return market_data.klines(
        call.services,
        instrument,
        interval,
        params.limit(500, KLINES_MAX),
        call.unit,
        start=start,
        end=end,
        offset=zone(params),
    )


def avg_price(call: Call) -> Any:
    """`avgPrice`"""
    return market_data.avg_price(call.services, call.instrument(channel=CHANNELS["avgPrice"]), call.unit)


def ticker_24hr(call: Call) -> Any:
    """`ticker.24hr`"""
    kind = _stats_type(call.params)
    return _each(call, "ticker/24hr", lambda i: market_data.ticker_24hr(call.services, i, call.unit, kind))


def ticker_trading_day(call: Call) -> Any:
    """`ticker.tradingDay`"""
    kind, offset = _stats_type(call.params), zone(call.params)
    return _each(
        call,
        "ticker/tradingDay",
        lambda i: market_data.ticker_trading_day(call.services, i, call.unit, kind, offset=offset),
        every=False,
    )


def ticker(call: Call) -> Any:
    """`ticker`"""
    kind, length = _stats_type(call.params), _DAY_NS
    if "windowSize" in call.params:
        length = call.params.choice("windowSize", _WINDOWS)
    return _each(
        call,
        "ticker",
        lambda i: market_data.ticker_window(call.services, i, length, call.unit, kind),
        every=False,
    )


def ticker_price(call: Call) -> Any:
    """`ticker.price`"""
    return _each(call, "ticker/price", lambda i: market_data.ticker_price(call.services, i))


def ticker_book(call: Call) -> Any:
    """`ticker.book`"""
    return _each(call, "ticker/bookTicker", lambda i: market_data.ticker_book(call.services, i))


# ---- what several take ---------------------------------------------------------------------------


def span(call: Call) -> tuple[int | None, int | None]:
    """`startTime` and `endTime`, milliseconds or microseconds, in ns.

    Raises:
        BinanceError: -1128 where the one is after the other.
    """
    start, end = (_time(call.params, name) for name in ("startTime", "endTime"))
    if start is not None and end is not None and start > end:
        raise BinanceError(-1128)
    if end is not None and call.params.integer("endTime", 0) < 10**14:
        end += 999_999  # the whole of that millisecond
    return start, end


def _time(params: Params, name: str) -> int | None:
    if name not in params:
        return None
    value = params.integer(name, 0, high=10**17)
    return value * (1_000 if value >= 10**14 else 1_000_000)


def zone(params: Params) -> int:
    """`timeZone` as ns ahead of UTC: "8", "-3:30", from -12:00 to +14:00 in quarters of an hour, as all clocks are
    set: days of any other would have to be made of single minutes."""
    text = params.text("timeZone")
    if not text:
        return 0
    found = _ZONE.fullmatch(text)
    if found is None:
        raise BinanceError(-1130, "timeZone")
    minutes = int(found[2]) * 60 + int(found[3] or 0)
    minutes = -minutes if found[1] == "-" else minutes
    if minutes % 15 or not -12 * 60 <= minutes <= 14 * 60:
        raise BinanceError(-1130, "timeZone")
    return minutes * _MINUTE_NS


def _optional(params: Params, name: str) -> int | None:
    return params.integer(name, 0) if name in params else None


def _stats_type(params: Params) -> Literal["FULL", "MINI"]:
    return params.choice("type", STATS_TYPES) if "type" in params else "FULL"


def _each(call: Call, what: str, row: Callable[[Instrument], Any], *, every: bool = True) -> Any:
    """One symbol's row, or the rows of several.

    Args:
        every: all are meant where none is named.
    """
    params, channel = call.params, CHANNELS[what]
    params.not_with("symbol", "symbols")
    if "symbol" in params:
        return row(call.instrument(channel=channel))
    if "symbols" in params:
        return [row(call.instrument(name, channel)) for name in params.names("symbols")]
    if not every:
        text = "Param 'symbol' or 'symbols' must be sent, but both were empty/null!"
        raise BinanceError(-1102, text=text)
    return [row(instrument) for instrument in call.visible(channel)]
