"""The charts of the report, as SVG."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.results import Bars, Lines, shown
from tickwire import plots

SIZE = (1080, 560)
COLOURS = ("#0b6e4f", "#2f6db5", "#b5652f", "#a02c4a", "#6b4fa0", "#4f7a1d", "#8a6d00", "#5f6b7a", "#1c2127", "#c0364f")
"""tickwire comes first wherever it is compared, and so is green."""
BARS_WIDTH = 0.84
"""Of a group, in the distance of two."""


def drawn(chart: Lines | Bars) -> str:
    """A chart as SVG; the same chart gives the same bytes."""
    with plots.drawing("light", SIZE) as (picture, _):
        axes = picture.add_subplot()
        plots.titled(axes, chart.title, chart.y)
        if isinstance(chart, Lines):
            _lines(axes, chart)
        else:
            _bars(axes, chart)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return picture.rendered("svg").decode()


def _lines(axes: Axes, chart: Lines) -> None:
    for colour, (name, points) in zip(COLOURS, chart.series.items(), strict=False):
        axes.plot(
            *zip(*points, strict=True), color=colour, linewidth=2, label=name, marker="o" if len(points) < 20 else ""
        )
    axes.set_xlabel(chart.x)
    if "x" in chart.log:
        axes.set_xscale("log")
    if "y" in chart.log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    _numbered(axes.xaxis)
    _numbered(axes.yaxis)


def _bars(axes: Axes, chart: Bars) -> None:
    names = list(dict.fromkeys(name for group in chart.groups.values() for name in group))
    width = BARS_WIDTH / len(names)
    for place, (colour, name) in enumerate(zip(COLOURS, names, strict=False)):
        heights = {at: group[name] for at, group in enumerate(chart.groups.values()) if name in group}
        left = [at - BARS_WIDTH / 2 + width * (place + 0.5) for at in heights]
        axes.bar(left, list(heights.values()), width, color=colour, label=name)
    axes.set_xticks(range(len(chart.groups)), list(chart.groups))
    if chart.log:
        axes.set_yscale("log")
    axes.grid(False, axis="x")
    _numbered(axes.yaxis)


def _numbered(axis: Axis) -> None:
    axis.set_major_formatter(FuncFormatter(_number))
    axis.set_minor_formatter(NullFormatter())


def _number(value: float, _: object) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}" if value == 0 or abs(value) >= 1e-3 else shown(value)
