"""Figures: the depth of a book, and candles with their volume, on matplotlib.

Prices and sizes become floats here, where they turn into positions on a picture, and nowhere else. Importing this
module imports matplotlib, so whoever draws imports it when something is to be drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tickwire.errors import InvalidInput, NotInstalled
from tickwire.model.channel import CANDLE_INTERVALS_NS
from tickwire.protocol.messages import CandleData

try:
    import matplotlib
except ModuleNotFoundError as error:
    if error.name != "matplotlib":
        raise
    raise NotInstalled('pictures need matplotlib: pip install "tickwire[plot]"') from None

from matplotlib import dates, figure
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.ticker import Formatter, MaxNLocator

Level: TypeAlias = tuple[Decimal, Decimal]
"""(price, size)"""
ThemeName: TypeAlias = Literal["light", "dark"]
Size: TypeAlias = tuple[int, int]
"""Width and height in pixels; of an SVG, which has none, only their ratio counts."""

SIZE: Size = (1200, 675)
SIZE_MIN, SIZE_MAX = 300, 6_000
"""Pixels of a side: the least that labels fit into, and 140 MB of memory to draw."""
INCHES_WIDE = 10
"""Of every picture, so that its words take the same part of it in each size."""
FORMATS = (".png", ".svg")
BODY_WIDTH = 0.7
"""Of a candle, in its interval."""


@dataclass(frozen=True)
class Theme:
    """Colours: of the page, its words and lines, and of what is bought, sold and neither."""

    page: str
    ink: str
    faint: str
    grid: str
    up: str
    down: str
    plain: str


THEMES: dict[ThemeName, Theme] = {
    "light": Theme("#ffffff", "#1c2127", "#5f6b7a", "#e4e7eb", "#0b7d57", "#c0364f", "#2f6db5"),
    "dark": Theme("#12161c", "#e6e9ee", "#97a3b3", "#262d36", "#2fbf8f", "#f0647c", "#6aa5ec"),
}


class Picture(figure.Figure):
    """A matplotlib figure that a notebook shows by itself, and that is the same file every time it is saved."""

    def save(self, path: Path | str) -> None:
        """Write it, as PNG or SVG by the suffix of `path`.

        Raises:
            InvalidInput: another suffix. OSError: the file can't be written.
        """
        path = checked_path(path)
        path.write_bytes(self.rendered(path.suffix[1:].lower()))

    def rendered(self, kind: str) -> bytes:
        """The bytes of a file of this kind, `png` or `svg`: nothing in them is of the moment they were made at."""
        out = BytesIO()
        metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        settings: dict[Any, Any] = {"svg.hashsalt": "tickwire", "svg.fonttype": "none", "savefig.bbox": None}
        with matplotlib.rc_context(settings):
            self.savefig(out, format=kind, dpi="figure", metadata=metadata)
        return out.getvalue()

    def _repr_png_(self) -> bytes:
        return self.rendered("png")


def checked_path(path: Path | str) -> Path:
    """Where a picture may be written, as far as the name tells.

    Raises:
        InvalidInput: neither PNG nor SVG, or there is no such folder.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InvalidInput(f"{path} must end in {' or '.join(FORMATS)}, which says what to write", field="out")
    if not path.absolute().parent.is_dir():
        raise InvalidInput(f"{path} can't be written: there is no folder {path.parent}", field="out")
    return path


@contextmanager
def drawing(theme: ThemeName, size: Size) -> Iterator[tuple[Picture, Theme]]:
    """An empty picture, and its colours while it is drawn.

    Raises:
        InvalidInput: no such theme, or a size out of bounds.
    """
    if theme not in THEMES:
        raise InvalidInput(f"theme must be {' or '.join(THEMES)}, not {theme!r}", field="theme")
    if not all(SIZE_MIN <= side <= SIZE_MAX for side in size):
        raise InvalidInput(f"size must be {SIZE_MIN} to {SIZE_MAX} pixels each way", field="size")
    colours = THEMES[theme]
    style: dict[Any, Any] = {
        "font.family": ["sans-serif"],
        "font.size": 10,
        "text.color": colours.ink,
        "figure.facecolor": colours.page,
        "savefig.facecolor": colours.page,
        "axes.facecolor": colours.page,
        "axes.edgecolor": colours.grid,
        "axes.labelcolor": colours.faint,
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.spines.top": False,
        "axes.spines.left": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 13,
        "axes.titleweight": "bold",
        "axes.titlepad": 26,
        "figure.constrained_layout.w_pad": 0.15,
        "figure.constrained_layout.h_pad": 0.12,
        "grid.color": colours.grid,
        "xtick.color": colours.grid,
        "ytick.color": colours.grid,
        "xtick.labelcolor": colours.faint,
        "ytick.labelcolor": colours.faint,
        "ytick.major.size": 0,
        "legend.edgecolor": colours.page,
        "legend.facecolor": colours.page,
        "legend.framealpha": 1,
        "text.parse_math": False,  # a $ in a name is a $
    }
    with matplotlib.rc_context(style):
        inches = (INCHES_WIDE, INCHES_WIDE * size[1] / size[0])
        yield Picture(figsize=inches, dpi=size[0] / INCHES_WIDE, layout="constrained"), colours


def titled(axes: Axes, title: str, below: str) -> None:
    """A title, and a line of smaller words below it."""
    axes.set_title(title)
    axes.annotate(
        below,
        (0, 1),
        xytext=(0, 9),
        xycoords="axes fraction",
        textcoords="offset points",
        color=matplotlib.rcParams["axes.labelcolor"],
        annotation_clip=False,
        in_layout=False,  # long words must not take room from the axes
    )


def nothing(axes: Axes, words: str, colours: Theme) -> None:
    """Words in the place of what is not there."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", color=colours.faint)


# ---- order book ----------------------------------------------------------------------------------


def book_depth(
    symbol: str,
    bids: Sequence[Level],
    asks: Sequence[Level],
    *,
    ts: int,
    base: str,
    quote: str,
    theme: ThemeName = "light",
    size: Size = SIZE,
) -> Picture:
    """How much can be bought or sold up to each price.

    Args:
        bids, asks: best first.
        ts: when the book was like that, ns since the epoch.
        base, quote: what sizes and prices are in.
    """
    with drawing(theme, size) as (picture, colours):
        axes = picture.add_subplot()
        for name, levels, colour in (("bids", bids, colours.up), ("asks", asks, colours.down)):
            _stairs(axes, name, levels, colour)
        said = [_time(ts)]
        if bids and asks:
            (bid, _), (ask, _) = bids[0], asks[0]
            middle = (bid + ask) / 2
            axes.axvline(float(middle), color=colours.faint, linewidth=1, linestyle=(0, (2, 3)))
            of_middle = f" ({(ask - bid) / middle * 10_000:.2f} bp)" if middle > 0 else ""
            said.append(f"best bid {bid:,f}, best ask {ask:,f}, spread {ask - bid:,f}{of_middle}")
        if bids or asks:
            axes.legend(loc="upper center", ncols=2, labelcolor=colours.faint)
        else:
            nothing(axes, "no orders", colours)
        titled(axes, f"{symbol}: order book", "   ·   ".join(said))
        axes.set(xlabel=f"price, {quote}", ylabel=f"size up to this price, {base}", ylim=(0, None))
        axes.xaxis.set_major_formatter(_Numbers())
        axes.yaxis.set_major_formatter(_Numbers())
        axes.margins(x=0)
        return picture


def _stairs(axes: Axes, name: str, levels: Sequence[Level], colour: str) -> None:
    """Each level's price is where the sum of sizes steps up, by its size; it begins at nothing."""
    if not levels:
        return
    prices = [float(price) for price, _ in levels]
    sums = [float(size) for size in accumulate(size for _, size in levels)]
    across = [prices[0], *prices]
    up = [0.0, *sums]
    axes.step(across, up, where="post", color=colour, linewidth=1.6, label=f"{name}, {len(levels)} levels")
    axes.fill_between(across, up, step="post", color=colour, alpha=0.18, linewidth=0)


# ---- candles -------------------------------------------------------------------------------------


def candles(
    symbol: str,
    interval: str,
    rows: Sequence[CandleData],
    *,
    base: str,
    quote: str,
    theme: ThemeName = "light",
    size: Size = SIZE,
) -> Picture:
    """Candles above their volume, by time; where nothing was traded there is nothing. One that is open is paler.

    Args:
        interval: a name of `CANDLE_INTERVALS_NS`.
        rows: oldest first.
        base, quote: what volumes and prices are in.
    """
    with drawing(theme, size) as (picture, colours):
        upper, lower = picture.subplots(2, sharex=True, height_ratios=[3, 1])
        days = CANDLE_INTERVALS_NS[interval] / 86_400e9
        said = f"candles of {interval}"
        if rows:
            _draw_candles(upper, lower, rows, days, colours)
            said += f"   ·   {_time(rows[0].start)} to {_time(rows[-1].start)}"
            if not rows[-1].closed:
                said += "   ·   the last one is open"
        else:
            nothing(upper, "no trade yet", colours)
        titled(upper, symbol, said)
        for axes, label in ((upper, f"price, {quote}"), (lower, f"volume, {base}")):
            axes.set_ylabel(label, labelpad=14)
            axes.yaxis.set_major_formatter(_Numbers())
            axes.yaxis.tick_right()
            axes.yaxis.set_label_position("right")
        lower.set_xlabel("time, UTC")
        lower.set_ylim(0, None)
        lower.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        upper.tick_params(bottom=False)
        picture.align_ylabels()
        return picture


def _draw_candles(upper: Axes, lower: Axes, rows: Sequence[CandleData], days: float, colours: Theme) -> None:
    centres = [row.start / 86_400e9 + days / 2 for row in rows]  # days since the epoch, as matplotlib counts time
    half = days * BODY_WIDTH / 2
    wicks, bodies, paints = [], [], []
    for at, row in zip(centres, rows, strict=True):
        first, last = float(row.open), float(row.close)
        wicks.append([(at, float(row.low)), (at, float(row.high))])
        bodies.append([(at - half, first), (at - half, last), (at + half, last), (at + half, first)])
        colour = _colour(row, colours)
        paints.append(to_rgb(colour) if row.closed else _mixed(colour, colours.page))
    upper.add_collection(LineCollection(wicks, colors=paints, linewidths=1))
    # the edge keeps a body visible whose open is its close
    upper.add_collection(PolyCollection(bodies, facecolors=paints, edgecolors=paints, linewidths=1))
    lower.bar(centres, [float(row.volume) for row in rows], days * BODY_WIDTH, color=paints, alpha=0.7, snap=False)
    newest, colour = Decimal(rows[-1].close), _colour(rows[-1], colours)
    upper.axhline(float(newest), color=colour, linewidth=0.8, linestyle=(0, (2, 3)))
    upper.annotate(
        f"{newest:,f}",
        (1, float(newest)),
        xytext=(4, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        verticalalignment="center",
        color=colours.page,
        bbox={"boxstyle": "square,pad=0.25", "facecolor": colour, "linewidth": 0},
    )
    upper.autoscale_view()
    lower.set_xlim(centres[0] - days, centres[-1] + days)
    locator = dates.AutoDateLocator(UTC, minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    lower.xaxis.set_major_locator(locator)
    lower.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, UTC))  # type: ignore[no-untyped-call]


def _colour(row: CandleData, colours: Theme) -> str:
    return colours.down if Decimal(row.close) < Decimal(row.open) else colours.up


# ---- inside --------------------------------------------------------------------------------------


class _Numbers(Formatter):
    """Numbers of an axis, without exponents and with as many decimals as their distance has."""

    def __call__(self, value: float, pos: int | None = None) -> str:
        return f"{Decimal(str(value)):,f}"

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        step = min((after - before for before, after in pairwise(values)), default=0)
        decimals = -int(Decimal(f"{step:.2g}").normalize().as_tuple().exponent)  # two digits, of 0.25 for example
        return [f"{value:,.{max(0, decimals)}f}" for value in values]


def _time(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _mixed(colour: str, page: str) -> tuple[float, ...]:
    """A colour halfway to that of the page."""
    return tuple((one + other) / 2 for one, other in zip(to_rgb(colour), to_rgb(page), strict=True))
