"""The envelope that the recorder of cryptofeed puts around what a venue sent.

    <seconds>: <frame>                a frame was received
    <url> <- <seconds>: <frame>       a frame was sent
    <url> -> <seconds>: <body>        an HTTP request was answered
    <url> <-> <seconds>               a connection was opened
    configuration: {"l2_book":[…]}    the pairs that were asked for, by channel

A recording is a folder: `VENUE.0` (configuration and HTTP answers of the start), `VENUE.http.*` and
`VENUE.ws.*` (one file a connection).
"""

from __future__ import annotations

import msgspec

from tickwire.errors import FeedError
from tickwire.feeds.formats.base import Line, decoded, seconds_ns

_CONFIGURATION = msgspec.json.Decoder(dict[str, list[str]])


def open_line(source: str, number: int, raw: bytes) -> Line:
    """`Format.open_line` of these recordings.

    Raises:
        FeedError: the line is none of the five.
    """
    if raw[:1].isdigit():
        stamp, colon, body = raw.partition(b": ")
        about = "" if colon else None
    elif raw.startswith(b"configuration: "):
        return Line(0, source, number, "configuration", raw.removeprefix(b"configuration: "))
    else:
        url, _, rest = raw.partition(b" ")
        arrow, _, rest = rest.partition(b" ")
        stamp, colon, body = rest.partition(b": ")
        if arrow == b"->" and colon:
            about = url.decode(errors="replace")
        else:
            about = {(b"<-", b": "): "sent", (b"<->", b""): "opened"}.get((arrow, colon))
    if about is None:
        raise FeedError(
            "expected '<seconds>: <frame>' or '<url> <- | -> | <-> <seconds>' with what was sent or answered"
        )
    return Line(seconds_ns(stamp.decode(errors="replace")), source, number, about, body)


def configured_pairs(body: bytes) -> set[str]:
    """The pairs of a configuration line, all channels together, by the recorder's names for them.

    Raises:
        FeedError: it is not the pairs by channel.
    """
    channels = decoded(_CONFIGURATION, body, "the pairs of each channel")
    return {pair for pairs in channels.values() for pair in pairs}
