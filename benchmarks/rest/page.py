"""What the page docs/explanation/rest-vs-websocket.md says, with the numbers of the benchmark `rest`."""

from __future__ import annotations

from benchmarks.results import Result

PATH = "explanation/rest-vs-websocket.md"

_TEXT = """# Polling a book, and being told

<!-- written by `make bench`; change benchmarks/rest/page.py instead -->

A book of {levels:.0f} levels that changes {changes:,.0f} times a second: BTC/USDT of the built-in market. A client
may ask for it over REST again and again, or read its stream. What does it know then, and what does that cost?

![How old is the book that a client holds?](../benchmarks/rest-1.svg)

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


def page(result: Result) -> str:
    """The page's text."""
    (table,) = result.measured.tables
    rows = {name: [float(cell or 0) for cell in cells] for name, *cells in table.rows}
    stream, slow, middle, fast = (rows[name] for name in ("stream", "GET, 1 Hz", "GET, 10 Hz", "GET, 100 Hz"))
    lines = [
        f"| {name} | {_ms(p50)} | {_ms(p99)} | {never_seen:.1f}% | {size:,.0f} KB/s | {cpu:,.1f} ms/s |"
        for name, (p50, p99, never_seen, size, cpu) in rows.items()
    ]
    settings = result.measured.settings
    return _TEXT.format(
        changes=settings["changes/s"],
        levels=settings["levels of the book"],
        rows="\n".join(lines),
        clients=settings["clients"],
        seconds=settings["seconds"],
        stream_p99=_ms(stream[1]),
        fast_p99=_ms(fast[1]),
        middle_p50=_ms(middle[0]),
        fast_bytes=_ratio(fast[3], stream[3]),
        middle_bytes=_ratio(middle[3], stream[3]),
        fast_cpu=_ratio(fast[4], stream[4]),
        slow_missed=f"{slow[2]:.1f}%",
        fast_missed=f"{fast[2]:.0f}%",
    )


def _ms(value: float) -> str:
    digits = 0 if value >= 10 or not value else 1 if value >= 1 else 2
    return f"{value:,.{digits}f} ms"


def _ratio(one: float, other: float) -> str:
    ratio = one / other if other else float("inf")
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:,.1f} times"
