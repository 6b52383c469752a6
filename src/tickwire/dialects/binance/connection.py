"""What both kinds of the venue's connections have in common."""

from __future__ import annotations

from tickwire.dialects.base import Opening, Services
from tickwire.dialects.binance.codecs import NAME
from tickwire.limits import HEARTBEAT_MS
from tickwire.model.identity import Identity

LIFE_SECONDS_MAX = 86_400
"""How long a connection lives. Beyond it: close 1001."""
GOING_AWAY, POLICY = 1001, 1008


class Connection:
    """One client's. See `tickwire.protocol.served.ServedSession` for what its methods are.

    Args:
        identity: whose key the client has shown.
    """

    def __init__(self, services: Services, opening: Opening, identity: Identity | None) -> None:
        self.session_id = opening.session_id
        self.identity = identity
        self.ending: tuple[int, str] | None = None
        self._services = services
        self._sink = opening.sink
        self._sent = services.meters.sent[NAME]
        self._beats = 0

    @property
    def beat_ms(self) -> int:
        """How often deadlines and keys are looked at."""
        return HEARTBEAT_MS

    @property
    def headers(self) -> list[tuple[str, str]]:
        """None."""
        return []

    def heartbeat(self) -> bytes:
        """Nothing: pings are the socket's."""
        return b""

    def check(self) -> None:
        """Look whether the connection has lived long enough, or a key was revoked: then what it proved is over."""
        self._beats += 1
        if self._beats * HEARTBEAT_MS >= LIFE_SECONDS_MAX * 1000:
            self.ending = GOING_AWAY, "connected for 24 hours: connect again"
        self._check_keys()

    def _check_keys(self) -> None:
        raise NotImplementedError

    def _count(self, frames: list[bytes]) -> None:
        self._sent.messages += len(frames)
        self._sent.size += sum(map(len, frames))
