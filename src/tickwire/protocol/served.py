"""What a socket asks of the session above it, whichever protocol that speaks."""

from __future__ import annotations

from typing import Protocol

from tickwire.model.identity import Identity


class ServedSession(Protocol):
    """One client's session, sans-I/O: whole messages in, frames out.

    The caller owns the socket and the clock. It sends `opened()` first, then whatever `received()` returns, in that
    order and before the hub's next flush; calls `check()` and then `heartbeat()` every `beat_ms`; and calls `closed()`
    when the connection is gone. Nothing that a client sends makes a method raise.

    Attributes:
        session_id: unique name of the session.
        identity: who is logged in.
        ending: the code and reason to close the connection with, once `received` or `check` has set it.
        beat_ms: milliseconds between two beats.
        headers: of the answer to the upgrade.
    """

    session_id: str
    identity: Identity | None
    ending: tuple[int, str] | None

    @property
    def beat_ms(self) -> int:
        """Milliseconds between two beats."""
        ...

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Headers for the answer to the upgrade."""
        ...

    def opened(self) -> bytes:
        """What the server says first; b"" for nothing."""
        ...

    def received(self, data: bytes) -> list[bytes]:
        """Answer one message of the client."""
        ...

    def pinged(self, count: int) -> None:
        """So many pings and pongs have come. The socket answers them."""
        ...

    def check(self) -> None:
        """Look whether a deadline has passed, or the key was revoked."""
        ...

    def heartbeat(self) -> bytes:
        """What the beat says; b"" for nothing."""
        ...

    def drain(self, deadline: int) -> bytes:
        """Says that the server stops and closes this connection at `deadline`, ns since the epoch; b"" for nothing."""
        ...

    def closed(self) -> None:
        """The connection is gone: give everything up. Calling it twice is no error."""
        ...
