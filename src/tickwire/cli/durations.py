"""A picture of how durations are distributed, and their percentiles: what `tickwire plot latency` draws and says."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, PercentFormatter

from tickwire.plots import SIZE, Picture, Size, Theme, ThemeName, drawing, nothing, titled

BINS_PER_DECADE = 25
PERCENTILES = (50, 90, 99)
LEAST_NS = 1_000
"""What is shorter is drawn as long as this: a logarithmic axis has no zero, and two clocks may differ."""


class Durations(NamedTuple):
    """What is drawn in one panel of `histogram`.

    Args:
        title, below: its title, and a line below that.
        values: ns, in any order.
    """

    title: str
    below: str
    values: Sequence[int]


def histogram(panels: Sequence[Durations], *, theme: ThemeName = "light", size: Size = SIZE) -> Picture:
    """How durations are distributed, with their percentiles: at least one panel, all of the same scale."""
    with drawing(theme, size) as (picture, colours):
        drawn = [max(duration, LEAST_NS) for panel in panels for duration in panel.values]
        edges = _edges(min(drawn), max(drawn)) if drawn else [1e-3, 1]
        every: list[Axes] = list(picture.subplots(len(panels), sharex=True, squeeze=False)[:, 0])
        for axes, panel in zip(every, panels, strict=True):
            titled(axes, panel.title, panel.below)
            axes.set(ylabel="share", xscale="log", xlim=(edges[0], edges[-1]))
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            if panel.values:
                _distribution(axes, panel.values, edges, colours)
            else:
                nothing(axes, "nothing was measured", colours)
        every[-1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        every[-1].xaxis.set_major_formatter(EngFormatter("s"))
        every[-1].xaxis.set_minor_formatter("")
        every[-1].set_xlabel("time, logarithmic")
        return picture


def _edges(least_ns: int, most_ns: int) -> list[float]:
    """Of the bins, in seconds: so many to each power of ten."""
    first = floor(log10(least_ns / 1e9) * BINS_PER_DECADE)
    last = max(first + BINS_PER_DECADE, ceil(log10(most_ns / 1e9) * BINS_PER_DECADE + 1e-9))
    return [10 ** (step / BINS_PER_DECADE) for step in range(first, last + 1)]


def _distribution(axes: Axes, durations: Sequence[int], edges: list[float], colours: Theme) -> None:
    seconds = [max(duration, LEAST_NS) / 1e9 for duration in durations]
    axes.hist(seconds, edges, weights=[1 / len(seconds)] * len(seconds), color=colours.plain, alpha=0.75)
    axes.margins(y=0.1)
    for step, (percent, value) in enumerate(percentiles(durations).items()):
        at = max(value, LEAST_NS) / 1e9
        left = at > (edges[0] * edges[-1] ** 4) ** 0.2  # no room for words in the last fifth
        axes.axvline(at, color=colours.ink, linewidth=1, linestyle=(0, (3, 2)))
        axes.annotate(
            f"p{percent} {duration_text(value)}",
            (at, 1),
            xytext=(-4 if left else 4, -11 - 14 * step),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            horizontalalignment="right" if left else "left",
            bbox={"boxstyle": "square,pad=0.1", "facecolor": colours.page, "alpha": 0.8, "linewidth": 0},
        )


def percentiles(durations: Sequence[int]) -> dict[int, int]:
    """Each of `PERCENTILES`, by the nearest rank: a duration that was measured."""
    ordered = sorted(durations)
    return {percent: ordered[-(-percent * len(ordered) // 100) - 1] for percent in PERCENTILES}


def duration_text(ns: int) -> str:
    """A duration with three digits, in the unit that fits it."""
    for unit, name in ((1_000_000_000, "s"), (1_000_000, "ms")):
        if abs(ns) >= unit:
            return f"{ns / unit:.{max(0, 2 - floor(log10(abs(ns) / unit)))}f} {name}"
    return f"{ns / 1_000:.0f} µs"
