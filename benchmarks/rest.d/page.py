"""Writes docs/explanation/rest-vs-websocket.md and its chart from what `rest_vs_stream.py` measured."""

from __future__ import annotations

from collections.abc import Mapping
from math import log10
from pathlib import Path
from typing import Any

from benchmarks.staleness import Staleness

from tickwire import plots

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "explanation"
PAGE = "rest-vs-websocket.md"
CHART = "rest-vs-websocket.svg"

SIZE = (1080, 600)
AGES_MS = (0.01, 0.1, 1, 10, 100, 1_000)
STEPS = 240
COLOURS = {"stream": "#0b6e4f", "100 Hz": "#2f6db5", "10 Hz": "#b5652f", "1 Hz": "#a02c4a"}
LABELS_AT = {"stream": 0.955, "100 Hz": 0.80, "10 Hz": 0.55, "1 Hz": 0.25}
"""The share of time at which each line's label stands: to the right of the line, where it leaves room."""
LABEL_RIGHT_MS = 100

_TEXT = """# Polling a book, and being told

<!-- written by `make bench-rest`; change benchmarks/rest_page.py instead -->

A book of {levels:.0f} levels that changes {changes:,.0f} times a second: BTC/USDT of the built-in market. A client
may ask for it over REST again and again, or read its stream. What does it know then, and what does that cost?

![How old is the book that a client holds?]({chart})

| of one client | staleness, p50 | p99 | changes never seen | received | server's processor |
|---|---|---|---|---|---|
{rows}

**Staleness** is how long what a client holds has been out of date: nothing until the next change is published, then as
old as that change, until the client hears of something newer. The quantiles are over all moments of the measurement,
computed exactly. **Changes never seen** were published, and replaced before the next answer. **Server's processor** is
what the server needs for this client, above what it needs when nobody reads.

## What follows

- Asking ten times as often makes the book ten times fresher, for ten times the bytes. At 100 Hz the p99 is {fast_p99},
  that of the stream {stream_p99}.
- At 100 Hz a client receives {fast_bytes} as much as from the stream, whole books of which little has changed. At
  10 Hz it receives {middle_bytes} as much, and what it holds is {middle_p50} old half of the time.
- The server works {fast_cpu} as much for a client that asks at 100 Hz as for one that reads the stream. A message is
  encoded once for all readers, an answer for each.
- A poller sees a book and then another book. What happened in between, and in which order, is lost: at 1 Hz
  {slow_missed} of the changes, at 100 Hz still {fast_missed}.
- A stream needs a client that keeps the book: it begins with a snapshot, applies each change and compares the checksum.
  The Python client does so; [the protocol](../protocol.md) says how. REST is right for what is asked once: where things
  stood when a report began, what became of an order after a crash.

## How it was measured

`make bench-rest`: {clients} clients of each kind for {seconds:g} s, the server on one core and they on the other, over
the loopback: no network's time is in it, of which a poll has two ways (to ask, and to be answered) and a message one.
Connections are kept. Each measurement has a server of its own, the one that `tickwire replay` runs, which plays the
same recording. Every book that a client held was compared level by level with what the server's tape comes to at that
number; one difference fails the run. Read the ratios: the machine is a shared one.
"""


def write(
    rows: Mapping[str, Mapping[str, Any]], staleness: Mapping[str, Staleness], clients: int, seconds: float
) -> None:
    """Write the page and the chart.

    Args:
        rows: by the way to follow the book, as `rest_vs_stream.summary` gives them. staleness: by the same.
        clients, seconds: of each measurement.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / CHART).write_text(chart(staleness))
    (FOLDER / PAGE).write_text(page(rows, clients, seconds))


def page(rows: Mapping[str, Mapping[str, Any]], clients: int, seconds: float) -> str:
    """The page's text."""
    stream, slow, middle, fast = (rows[name] for name in ("stream", "1 Hz", "10 Hz", "100 Hz"))
    lines = [
        f"| {_way(name)} | {_ms(row['p50_ms'])} | {_ms(row['p99_ms'])} "
        f"| {row['missed']:.1%} | {row['bytes'] / 1e3:,.0f} KB/s | {row['cpu_ms']:,.1f} ms/s |"
        for name, row in rows.items()
    ]
    return _TEXT.format(
        changes=stream["changes"],
        levels=stream["levels"],
        chart=CHART,
        rows="\n".join(lines),
        clients=clients,
        seconds=seconds,
        fast_p99=_ms(fast["p99_ms"]),
        stream_p99=_ms(stream["p99_ms"]),
        middle_p50=_ms(middle["p50_ms"]),
        fast_bytes=_ratio(fast["bytes"], stream["bytes"]),
        middle_bytes=_ratio(middle["bytes"], stream["bytes"]),
        fast_cpu=_ratio(fast["cpu_ms"], stream["cpu_ms"]),
        slow_missed=f"{slow['missed']:.1%}",
        fast_missed=f"{fast['missed']:.0%}",
    )


def _ms(value: float) -> str:
    digits = 0 if value >= 10 or not value else 1 if value >= 1 else 2
    return f"{value:,.{digits}f} ms"


def _ratio(one: float, other: float) -> str:
    ratio = one / other
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:,.1f} times"


def chart(staleness: Mapping[str, Staleness]) -> str:
    """An SVG: for each age the share of the time in which what was held was no older."""
    least, most = log10(AGES_MS[0]), log10(AGES_MS[-1])
    ages = [10 ** (least + (most - least) * step / STEPS) for step in range(STEPS + 1)]
    with plots.drawing("light", SIZE) as (picture, _):
        axes = picture.add_subplot()
        for name, measured in staleness.items():
            shares = [measured.share_within(age * 1e6) for age in ages]
            axes.plot(ages, shares, color=COLOURS[name], linewidth=2, label=_way(name))
            at_share = LABELS_AT[name]
            age = next((age for age, share in zip(ages, shares, strict=True) if share >= at_share), ages[-1])
            beside = (7, -10) if age < LABEL_RIGHT_MS else (-7, 0)
            axes.annotate(
                _way(name),
                (age, at_share),
                beside,
                textcoords="offset points",
                color=COLOURS[name],
                weight="bold",
                horizontalalignment="left" if beside[0] > 0 else "right",
            )
        plots.titled(
            axes,
            "How old is the book that a client holds?",
            "share of the time in which it was no older than this",
        )
        axes.set(xscale="log", xlim=(AGES_MS[0], AGES_MS[-1]), ylim=(0, 1.02), xlabel="staleness")
        axes.set_xticks(AGES_MS, [f"{age:g} ms" if age < 1_000 else "1 s" for age in AGES_MS])
        axes.set_yticks((0, 0.25, 0.5, 0.75, 1), ("0%", "25%", "50%", "75%", "100%"))
        return picture.rendered("svg").decode()


def _way(name: str) -> str:
    return "stream" if name == "stream" else f"GET, {name}"
