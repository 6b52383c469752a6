"""Candles of the past and the one in progress, as one sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, overload

import msgspec

from tickwire.client.keeper import Keeper
from tickwire.errors import InvalidInput, RequestRefused
from tickwire.frames import Backend, Column, data_frame, html_table
from tickwire.limits import CANDLES_KEPT_MAX, HISTORY_ROWS_MAX
from tickwire.model.channel import stream_key
from tickwire.protocol.messages import CandleData, HistoryParams, InstrumentInfo, SnapshotParams
from tickwire.protocol.params import TIME_MAX

if TYPE_CHECKING:
    from tickwire.plots import Picture, Size, ThemeName

CANDLES_DEFAULT = 200
"""What a chart shows well."""
RETRIES_MAX = 10
"""How often a page that the server refuses for the rate of requests is asked for again, a second apart."""
SHOWN = 10
"""Candles that a notebook shows of them."""
EPOCH = datetime.fromtimestamp(0, UTC)

_DECIMALS = ("open", "high", "low", "close", "volume", "quote_volume", "buy_volume", "buy_quote_volume")


class _Message(msgspec.Struct, frozen=True):
    data: CandleData | None


class _Page(msgspec.Struct, frozen=True):
    messages: list[_Message]


class Candles(Sequence[CandleData]):
    """Candles of one instrument and interval, oldest first. Only the last one can be open: `closed` is False.

    An interval without a trade has no candle.

    Attributes:
        symbol, interval: what they are of.
    """

    def __init__(self, info: InstrumentInfo, interval: str, rows: Sequence[CandleData]) -> None:
        self.symbol = info.symbol
        self.interval = interval
        self._info = info
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> CandleData: ...

    @overload
    def __getitem__(self, index: slice) -> Candles: ...

    def __getitem__(self, index: int | slice) -> CandleData | Candles:
        if isinstance(index, slice):
            return Candles(self._info, self.interval, self._rows[index])
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[CandleData]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return f"<{len(self)} candles of {self.interval} of {self.symbol}>"

    def to_dataframe(self, *, backend: Backend | None = None) -> Any:
        """The candles as a data frame.

        Columns: `start` (time, UTC), `open`, `high`, `low`, `close`, `volume`, `quote_volume`, `buy_volume` and
        `buy_quote_volume` (of these, what takers bought), `trades`, `closed`. Numbers are exact: `Decimal` of 38
        digits in polars, Python's `Decimal` in pandas.

        Args:
            backend: `polars` or `pandas`; None takes polars where it is installed, else pandas.

        Raises:
            NotInstalled: neither is, or not the one that was named. InvalidInput: a number has more digits than polars.
        """
        columns = {"start": Column("time", [row.start for row in self])}
        for name in _DECIMALS:
            columns[name] = Column("decimal", [Decimal(getattr(row, name)) for row in self])
        columns["trades"] = Column("integer", [row.trades for row in self])
        columns["closed"] = Column("boolean", [row.closed for row in self])
        return data_frame(columns, backend)

    def plot(self, *, theme: ThemeName = "light", size: Size | None = None) -> Picture:
        """Candles and volume, drawn with matplotlib; `.save("candles.png")` writes it.

        Args:
            theme: `light` or `dark`. size: width and height in pixels.

        Raises:
            NotInstalled: matplotlib is not.
        """
        from tickwire import plots

        return plots.candles(
            self.symbol,
            self.interval,
            self,
            base=self._info.base,
            quote=self._info.quote,
            theme=theme,
            size=size or plots.SIZE,
        )

    def _repr_html_(self) -> str:
        head = ("start, UTC", "open", "high", "low", "close", "volume", "trades", "")
        rows = [
            (
                f"{EPOCH + timedelta(microseconds=row.start // 1_000):%Y-%m-%d %H:%M:%S}",
                *(row.open, row.high, row.low, row.close, row.volume, row.trades),
                "" if row.closed else "open",
            )
            for row in self[-SHOWN:]
        ]
        newest = f", the newest {SHOWN}" if len(self) > SHOWN else ""
        return html_table(f"{self.symbol}: {len(self):,} candles of {self.interval}{newest}", head, rows)


async def read_candles(
    keeper: Keeper,
    info: InstrumentInfo,
    interval: str,
    limit: int,
    start: int | datetime | None,
    end: int | datetime | None,
) -> Candles:
    """The candles of an instrument. Arguments and errors as of `Client.candles`."""
    key = stream_key("candles", info.symbol, interval=interval)
    if not 1 <= limit <= CANDLES_KEPT_MAX:
        raise InvalidInput(f"limit must be 1 to {CANDLES_KEPT_MAX}, not {limit}", field="limit")
    first, before = _ns(start, "start"), _ns(end, "end")
    # asked first: whatever is closed in between is then in the history, and no candle is missing
    shown = await keeper.request("snapshot", SnapshotParams("candles", info.symbol, interval=key.interval), _Message)
    rows: list[CandleData] = []
    asked = got = 0
    while len(rows) < limit and got == asked:
        asked = min(HISTORY_ROWS_MAX, limit - len(rows))
        until = rows[0].start if rows else before
        page = await _page(keeper, HistoryParams("candles", info.symbol, key.interval, first, until, asked))
        rows = page + rows
        got = len(page)
    newest = shown.data
    if newest is not None and (rows[-1].start if rows else -1) < newest.start and _within(newest.start, first, before):
        rows.append(newest)
    return Candles(info, key.interval, rows[-limit:])


async def _page(keeper: Keeper, params: HistoryParams) -> list[CandleData]:
    for retries_left in reversed(range(RETRIES_MAX + 1)):
        try:
            page = await keeper.request("history", params, _Page)
            break
        except RequestRefused as error:
            if error.code != "rate_limited" or not retries_left:
                raise
            await keeper.pause()
    return [message.data for message in page.messages if message.data is not None]


def _within(at: int, first: int | None, before: int | None) -> bool:
    return (first is None or first <= at) and (before is None or at < before)


def _ns(when: int | datetime | None, field: str) -> int | None:
    """A time in ns since the epoch, as the server takes it."""
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise InvalidInput(f"{field} needs a time zone: datetime(..., tzinfo=UTC)", field=field)
        when = (when - EPOCH) // timedelta(microseconds=1) * 1_000
    if when is not None and not 1 <= when <= TIME_MAX:
        raise InvalidInput(f"{field} must be after the beginning of 1970 and before 2262-04-12, UTC", field=field)
    return when
