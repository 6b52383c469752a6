"""Writes docs/explanation/rest-vs-websocket.md and its chart from what `rest_vs_stream.py` measured."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from math import log10
from pathlib import Path
from typing import Any

from benchmarks.staleness import Staleness

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "explanation"
PAGE = "rest-vs-websocket.md"
CHART = "rest-vs-websocket.svg"

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 56, 56
AGES_MS = (0.1, 1, 10, 100, 1_000)
STEPS = 240
COLOURS = {"stream": "#0b6e4f", "100 Hz": "#2f6db5", "10 Hz": "#b5652f", "1 Hz": "#a02c4a"}
LABELS_AT = {"stream": 0.955, "100 Hz": 0.80, "10 Hz": 0.55, "1 Hz": 0.30}
"""The share of time at which each line's label stands."""

_TEXT = """# Polling a book, and being told

<!-- written by `make bench-rest`; change benchmarks/rest_page.py instead -->

A book that changes {changes:,.0f} times a second: BTC/USDT of the built-in market, {levels}. A client may ask for it over REST as often as it likes, or
read its stream. What does it know then, and what does that cost?

![Share of the time in which the held book was no older than this]({chart})

| one client | staleness, p50 | p99 | changes never seen | received | server's processor |
|---|---|---|---|---|---|
{rows}

**Staleness** is how long what a client holds has been out of date: nothing until the next change is published, then as old as that change, until the client
hears of something newer. The quantiles are over all moments of the measurement, computed exactly. **Changes never seen** were published and
replaced between two answers: a price that was there, and the client can't know. **Server's processor** is what the server needs for this client, above what the
same server needs when nobody reads.

## What follows

- {follows_staleness}
- {follows_bytes}
- {follows_cpu}
- A poller sees a book, and another book. What happened in between, in which order, is lost: {follows_missed}
- A stream needs a client that keeps a book: it begins with a snapshot, applies each change, and checks the checksum. The Python client does so;
  [the protocol](../protocol.md) says how. REST is right for what is asked once: the state at the start of a report, an order's fate after a crash.

## How it was measured

`make bench-rest`: {clients} clients of each kind, {seconds:g} s each, server on one core and clients on the other, over the loopback: no network's time is in
it, which would be added to a poll twice (to ask and to answer) and to a message once. Connections are kept. Every measurement has a server of its own, which
plays the same recording with `tickwire.server.app.Server` as it is. Each book that a client held, {checked}, was compared level by level with the one
that the server's tape comes to at that number; one difference fails the run.
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
    """The page's Markdown."""
    stream, slow, middle, fast = (rows[name] for name in ("stream", "1 Hz", "10 Hz", "100 Hz"))
    lines = [
        f"| {'stream' if name == 'stream' else f'GET, {name}'} | {_ms(row['p50_ms'])} | {_ms(row['p99_ms'])} "
        f"| {row['missed'] / row['changes']:.0%} | {row['bytes'] / 1e3:,.0f} KB/s | {row['cpu_ms']:,.1f} ms/s |"
        for name, row in rows.items()
    ]
    return _TEXT.format(
        changes=stream["changes"],
        levels=f"{stream['levels']:.0f} levels",
        chart=CHART,
        rows="\n".join(lines),
        clients=clients,
        seconds=seconds,
        checked="of every kind",
        follows_staleness=(
            f"Asking ten times as often makes a book ten times fresher and costs ten times as much. At 100 Hz a client is "
            f"{_ms(fast['p99_ms'])} behind at the p99, the stream's reader {_ms(stream['p99_ms'])}."
        ),
        follows_bytes=(
            f"At {_ratio(fast['bytes'], stream['bytes'])} the bytes of the stream, 100 Hz carries whole books of which "
            f"little has changed; 10 Hz receives {_ratio(middle['bytes'], stream['bytes'])} as much as the stream, and is "
            f"{_ms(middle['p50_ms'])} old half of the time."
        ),
        follows_cpu=(
            f"The server works {_ratio(fast['cpu_ms'], stream['cpu_ms'])} as much for a client at 100 Hz as for one of the "
            f"stream. And a message is encoded once for all its readers, an answer for each."
        ),
        follows_missed=(
            f"at 1 Hz {slow['missed'] / slow['changes']:.0%} of the changes, at 100 Hz still "
            f"{fast['missed'] / fast['changes']:.0%}."
        ),
    )


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 10 else f"{value:,.1f} ms" if value >= 1 else f"{value:,.2f} ms"


def _ratio(one: float, other: float) -> str:
    ratio = one / other
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:,.1f} times"


def chart(staleness: Mapping[str, Staleness]) -> str:
    """An SVG: for each age the share of the time in which what was held was no older."""
    least, most = log10(AGES_MS[0]), log10(AGES_MS[-1])

    def x(age_ms: float) -> float:
        return LEFT + (log10(age_ms) - least) / (most - least) * (WIDTH - LEFT - RIGHT)

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def text(at_x: float, at_y: float, words: str, *, anchor: str = "middle", more: str = "") -> str:
        return f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="13" fill="#333">',
        "<title>Share of the time in which the held book was no older than this</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text(LEFT, 26, "How old is the book that a client holds?", anchor="start", more=' font-size="16" fill="#111"'),
        text(LEFT, 44, "share of the time in which it was no older than this", anchor="start"),
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        at = y(share)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e4e4e4"/>')
        parts.append(text(LEFT - 8, at + 4, f"{share:.0%}", anchor="end"))
    for age in AGES_MS:
        at = x(age)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e4e4e4"/>')
        parts.append(text(at, HEIGHT - BOTTOM + 20, f"{age:g} ms" if age < 1_000 else "1 s"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "staleness"))
    for name, measured in staleness.items():
        ages = [10 ** (least + (most - least) * step / STEPS) for step in range(STEPS + 1)]
        shares = [measured.share_within(age * 1e6) for age in ages]
        points = " ".join(f"{x(age):.1f},{y(share):.1f}" for age, share in zip(ages, shares, strict=True))
        colour = COLOURS[name]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        label = "stream" if name == "stream" else f"GET, {name}"
        at_share = LABELS_AT[name]
        age = next((age for age, share in zip(ages, shares, strict=True) if share >= at_share), ages[-1])
        right = x(age) < WIDTH - RIGHT - 90
        where = (x(age) + 8, "start") if right else (x(age) - 8, "end")
        more = f' fill="{colour}" font-weight="600"'
        parts.append(text(where[0], y(at_share) + 14, label, anchor=where[1], more=more))
    return "\n".join([*parts, "</svg>"]) + "\n"
