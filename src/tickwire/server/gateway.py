"""What every connection shares: the market, the hub, and who may connect."""

from __future__ import annotations

import asyncio
import secrets

from tickwire import __version__
from tickwire.clock import NowNs
from tickwire.limits import CONNECTIONS_MAX
from tickwire.market.market import Market
from tickwire.protocol.codec import ENCODINGS
from tickwire.protocol.render import Renderer
from tickwire.protocol.session import Session
from tickwire.server.socket import Connection
from tickwire.streams.hub import Hub

WS_PATH = "/ws"
SETTLE_SECONDS = 0.25
SETTLE_ROUNDS_MAX = 8
"""A client that goes on and on subscribing keeps a feed waiting two seconds, no longer."""


class Gateway:
    """Makes sessions for connections.

    Args:
        market, hub, renderer: what the sessions serve.
        epoch: the tape's.
        now: the wall clock.
    """

    def __init__(self, *, market: Market, hub: Hub, renderer: Renderer, epoch: str, now: NowNs) -> None:
        self.hub = hub
        self.connections: set[Connection] = set()
        self._market = market
        self._renderer = renderer
        self._epoch = epoch
        self._now = now
        self._subscribed = asyncio.Event()

    def refusal(self, target: str) -> tuple[int, str] | None:
        """Why an upgrade of this request target is refused, as HTTP status and text; None when it is not."""
        if target.partition("?")[0] != WS_PATH:
            return 404, f"There is no WebSocket here. Connect to {WS_PATH}.\n"
        if len(self.connections) >= CONNECTIONS_MAX:
            return 503, f"This server has {CONNECTIONS_MAX} connections, its limit. Try again later.\n"
        return None

    def new_session(self, connection: Connection) -> Session:
        """The session of an accepted connection."""
        return Session(
            session_id=secrets.token_hex(8),
            epoch=self._epoch,
            version=__version__,
            challenge=secrets.token_urlsafe(24),
            encoding=ENCODINGS[connection.encoding],
            market=self._market,
            hub=self.hub,
            renderer=self._renderer,
            sink=connection,
            now=self._now,
        )

    def heard(self) -> None:
        """A client's message has been answered."""
        if self.hub.subscriptions_made:
            self._subscribed.set()

    async def first_subscriber(self) -> None:
        """Returns when a client has subscribed, and then for a moment to nothing more.

        A feed that waits for this loses none of a client's first streams, which are separate requests.
        """
        await self._subscribed.wait()
        made = -1
        for _ in range(SETTLE_ROUNDS_MAX):
            if made == self.hub.subscriptions_made:
                break
            made = self.hub.subscriptions_made
            await asyncio.sleep(SETTLE_SECONDS)
