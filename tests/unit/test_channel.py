"""Which streams there are, their class, and what a request for one that there is not is told."""

from __future__ import annotations

from typing import Any

import pytest

from tickwire.errors import InvalidInput
from tickwire.model.channel import CANDLE_INTERVALS_NS, CANDLE_NAMES, CHANNELS, PRIVATE_CHANNELS, StreamKey, stream_key

S = "SIM:BTC-USDT"


@pytest.mark.parametrize(
    ("channel", "options", "key"),
    [
        ("trades", {}, StreamKey("trades", S, 0, 0, "")),
        ("book", {}, StreamKey("book", S, 0, 0, "")),
        ("book", {"depth": 10}, StreamKey("book", S, 10, 0, "")),
        ("book", {"interval_ms": 100}, StreamKey("book", S, 0, 100, "")),
        ("book", {"depth": 1000, "interval_ms": 5000}, StreamKey("book", S, 1000, 5000, "")),
        ("book_l3", {}, StreamKey("book_l3", S, 0, 0, "")),
        ("quotes", {}, StreamKey("quotes", S, 0, 0, "")),
        ("candles", {}, StreamKey("candles", S, 0, 0, "1m")),
        ("candles", {"interval": "4h"}, StreamKey("candles", S, 0, 0, "4h")),
        ("ticker", {}, StreamKey("ticker", S, 0, 0, "")),
        ("rates", {}, StreamKey("rates", S, 0, 0, "")),
        ("status", {}, StreamKey("status", S, 0, 0, "")),
        ("orders", {}, StreamKey("orders", S, 0, 0, "")),
        ("fills", {}, StreamKey("fills", S, 0, 0, "")),
        ("balances", {}, StreamKey("balances", S, 0, 0, "")),
        ("positions", {}, StreamKey("positions", S, 0, 0, "")),
    ],
)
def test_stream_key(channel: str, options: dict[str, Any], key: StreamKey) -> None:
    assert stream_key(channel, S, **options) == key


DEPTHS = "depth must be one of 1, 5, 10, 20, 50, 100, 500, 1000"
INTERVALS_MS = "interval_ms must be one of 100, 250, 500, 1000, 5000"
INTERVALS = "interval must be one of 1s, 5s, 1m, 5m, 15m, 1h, 4h, 1d"


@pytest.mark.parametrize(
    ("channel", "options", "field", "message"),
    [
        ("book", {"depth": 2}, "depth", DEPTHS),
        ("book", {"depth": 0}, "depth", DEPTHS),
        ("book", {"depth": -1}, "depth", DEPTHS),
        ("book", {"interval_ms": 0}, "interval_ms", INTERVALS_MS),
        ("book", {"interval_ms": 99}, "interval_ms", INTERVALS_MS),
        ("book", {"depth": 10, "interval_ms": 99}, "interval_ms", INTERVALS_MS),
        ("candles", {"interval": "2m"}, "interval", INTERVALS),
        ("candles", {"interval": ""}, "interval", INTERVALS),
        ("trades", {"depth": 10}, "depth", "depth belongs to the channel book, not to trades"),
        ("book_l3", {"interval_ms": 100}, "interval_ms", "interval_ms belongs to the channel book, not to book_l3"),
        ("candles", {"depth": 10, "interval_ms": 100}, "depth", "depth belongs to the channel book, not to candles"),
        ("book", {"interval": "1m"}, "interval", "interval belongs to the channel candles, not to book"),
        ("fills", {"depth": 10}, "depth", "depth belongs to the channel book, not to fills"),
        ("orders", {"interval": "1m"}, "interval", "interval belongs to the channel candles, not to orders"),
        ("status", {"interval": ""}, "interval", "interval belongs to the channel candles, not to status"),
    ],
)
def test_a_wrong_option_is_named_with_the_choices(
    channel: str, options: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        stream_key(channel, S, **options)
    assert (caught.value.code, caught.value.field, caught.value.message) == ("invalid_params", field, message)


@pytest.mark.parametrize("channel", ["", "Book", "trades ", "order"])
def test_an_unknown_channel_is_told_those_there_are(channel: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        stream_key(channel, S, depth=3)
    error = caught.value
    assert (error.code, error.field) == ("unknown_channel", "channel")
    public, private = (
        "trades, book, book_l3, quotes, candles, ticker, rates, status",
        "orders, fills, balances, positions",
    )
    assert error.message == f"no channel {channel!r}; there are {public}, {private}"


def test_the_class_of_every_stream() -> None:
    lossless = {channel for channel in CHANNELS + PRIVATE_CHANNELS if stream_key(channel, S).lossless}
    assert lossless == {"trades", "book", "book_l3", "status", "orders", "fills", "balances", "positions"}
    assert not stream_key("book", S, depth=10).lossless
    assert not stream_key("book", S, interval_ms=100).lossless


def test_candle_intervals_divide_a_day_and_are_whole_seconds() -> None:
    day = 24 * 3600 * 10**9
    assert all(day % length == 0 and length % 10**9 == 0 for length in CANDLE_INTERVALS_NS.values())
    seconds = {length // 10**9: name for length, name in CANDLE_NAMES.items()}
    hour = 3_600
    assert seconds == {1: "1s", 5: "5s", 60: "1m", 300: "5m", 900: "15m", hour: "1h", 4 * hour: "4h", 24 * hour: "1d"}
