"""Where the fold puts what it makes public."""

from __future__ import annotations

from collections.abc import Container

from tickwire.model.events import Event

Heard = Container[tuple[str, str, str]]
"""Streams by (channel, symbol or account, "")."""


class Out:
    """The events of one record, in order.

    Args:
        heard: the lossless streams that anybody reads; None for all. Whoever makes an event of another one may spare
            the work, but for its number.

    Attributes:
        append: makes an event public.
    """

    __slots__ = ("_heard", "append", "events")

    def __init__(self, heard: Heard | None = None) -> None:
        self._heard = heard
        self.events: list[Event] = []
        self.append = self.events.append

    def hears(self, channel: str, symbol: str) -> bool:
        """Whether anybody reads this stream."""
        return self._heard is None or (channel, symbol, "") in self._heard
