"""Channels: what can be subscribed to, which options each takes, and its delivery class."""

from __future__ import annotations

from typing import NamedTuple

from tickwire.errors import InvalidInput

CANDLE_INTERVALS_NS: dict[str, int] = {
    "1s": 1_000_000_000,
    "5s": 5_000_000_000,
    "1m": 60_000_000_000,
    "5m": 300_000_000_000,
    "15m": 900_000_000_000,
    "1h": 3_600_000_000_000,
    "4h": 14_400_000_000_000,
    "1d": 86_400_000_000_000,
}
"""Names of the candle intervals and their lengths; each is aligned to the epoch, UTC."""
CANDLE_NAMES: dict[int, str] = {length: name for name, length in CANDLE_INTERVALS_NS.items()}

BOOK_DEPTHS = (1, 5, 10, 20, 50, 100, 500, 1000)
"""Depths that `book` can be had in. A short list, so that clients share streams."""
BOOK_INTERVALS_MS = (100, 250, 500, 1000, 5000)
"""Intervals that `book` can be had at; without one a variant follows every transaction of the tape."""

CHANNELS = ("trades", "book", "book_l3", "quotes", "candles", "ticker", "rates", "status")
PRIVATE_CHANNELS = ("orders", "fills", "balances", "positions")
"""One stream an account each, lossless; where a stream is named, the account stands for the symbol."""
CLOCK = "clock"
JOINED_CHANNELS: dict[str, tuple[str, ...]] = {"book_batch": ("book",), "account": PRIVATE_CHANNELS, CLOCK: ()}
"""Streams that are not offered by name and that dialects are made of: what happened in these channels, in order, as one
stream. `book_batch` is said once every `interval_ms`; `account` counts its messages itself; `clock` has no symbol and
says every `interval_ms` that it is time. All are lossless: what a dialect says at a tick may be of many instruments."""
_LOSSLESS = frozenset(("trades", "book_l3", "status", *PRIVATE_CHANNELS, *JOINED_CHANNELS))


class StreamKey(NamedTuple):
    """Names one stream: a channel of a symbol, with the options that make it another stream.

    `symbol` is the account for a private channel. `depth` and `interval_ms` belong to `book` (0: not set),
    `interval` to `candles` ("" elsewhere).
    """

    channel: str
    symbol: str
    depth: int = 0
    interval_ms: int = 0
    interval: str = ""

    @property
    def lossless(self) -> bool:
        """True when every message counts; False when only the newest does."""
        channel = self.channel
        return channel in _LOSSLESS or (channel == "book" and not self.depth and not self.interval_ms)


def stream_key(
    channel: str, symbol: str, *, depth: int | None = None, interval_ms: int | None = None, interval: str | None = None
) -> StreamKey:
    """A checked `StreamKey`. The symbol is not looked up here.

    Raises:
        InvalidInput: no such channel, or an option that it does not take.
    """
    if channel not in CHANNELS and channel not in PRIVATE_CHANNELS:
        there_are = ", ".join(CHANNELS + PRIVATE_CHANNELS)
        raise InvalidInput(f"no channel {channel!r}; there are {there_are}", field="channel", code="unknown_channel")
    if channel != "book" and (depth is not None or interval_ms is not None):
        field = "depth" if depth is not None else "interval_ms"
        raise InvalidInput(f"{field} belongs to the channel book, not to {channel}", field=field)
    if depth is not None and depth not in BOOK_DEPTHS:
        raise InvalidInput(f"depth must be one of {', '.join(map(str, BOOK_DEPTHS))}", field="depth")
    if interval_ms is not None and interval_ms not in BOOK_INTERVALS_MS:
        raise InvalidInput(f"interval_ms must be one of {', '.join(map(str, BOOK_INTERVALS_MS))}", field="interval_ms")
    if channel == "candles":
        interval = "1m" if interval is None else interval
        if interval not in CANDLE_INTERVALS_NS:
            raise InvalidInput(f"interval must be one of {', '.join(CANDLE_INTERVALS_NS)}", field="interval")
    elif interval is not None:
        raise InvalidInput(f"interval belongs to the channel candles, not to {channel}", field="interval")
    return StreamKey(channel, symbol, depth or 0, interval_ms or 0, interval or "")
