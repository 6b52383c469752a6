"""What every connection shares: the market, the hub, and who may connect."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from tickwire import __version__
from tickwire.clock import NowNs
from tickwire.config import ServerSettings
from tickwire.limits import CONNECTIONS_MAX
from tickwire.market.market import Market
from tickwire.model.identity import Identity
from tickwire.model.records import Record
from tickwire.protocol.codec import ENCODINGS
from tickwire.protocol.messages import LoginParams
from tickwire.protocol.orders import Submit
from tickwire.protocol.rate import TokenBucket
from tickwire.protocol.render import Renderer
from tickwire.protocol.session import Session
from tickwire.server.auth import Authenticator
from tickwire.server.socket import Connection
from tickwire.streams.hub import Hub

WS_PATH = "/ws"
SETTLE_SECONDS = 0.25
SETTLE_ROUNDS_MAX = 8
"""A client that goes on and on subscribing keeps a feed waiting two seconds, no longer."""


def _not_yet(*_: object) -> None:
    raise AssertionError("no pipeline yet")


class Gateway:
    """Makes sessions for connections.

    Args:
        market, hub, renderer: what the sessions serve.
        authenticator: knows the keys.
        epoch: the tape's.
        now: the wall clock.
        settings: whether a key is required, and how often a session may ask.
        welcome: the records that a new account begins with.

    Attributes:
        submit: puts commands on the tape; see `Pipeline.submit`. To be set before the first connection.
    """

    def __init__(
        self,
        *,
        market: Market,
        hub: Hub,
        renderer: Renderer,
        authenticator: Authenticator,
        epoch: str,
        now: NowNs,
        settings: ServerSettings,
        welcome: Callable[[str], list[Record]],
    ) -> None:
        self.hub = hub
        self.submit: Submit = _not_yet
        self._authenticator = authenticator
        self._settings = settings
        self._welcome = welcome
        self.connections: set[Connection] = set()
        self._market = market
        self._renderer = renderer
        self._epoch = epoch
        self._now = now
        self._subscribed = asyncio.Event()
        self._buckets: dict[str, TokenBucket] = {}

    def refusal(self, target: str) -> tuple[int, str] | None:
        """Why an upgrade of this request target is refused, as HTTP status and text; None when it is not."""
        if target.partition("?")[0] != WS_PATH:
            return 404, f"There is no WebSocket here. Connect to {WS_PATH}.\n"
        if len(self.connections) >= CONNECTIONS_MAX:
            return 503, f"This server has {CONNECTIONS_MAX} connections, its limit. Try again later.\n"
        return None

    def identify(self, authorization: str, ip: str) -> Identity:
        """Who an upgrade's header `Authorization` stands for.

        Raises:
            InvalidInput: `login_failed`.
        """
        return self._welcomed(self._authenticator.header(authorization, ip=ip))

    def allow(self, key_id: str, requests: int) -> None:
        """Count requests of a key over HTTP, where there is no session to count them.

        Raises:
            InvalidInput: `rate_limited`.
        """
        bucket = self._buckets.get(key_id)
        if bucket is None:  # at most one a key
            bucket = self._buckets[key_id] = TokenBucket(self._settings.requests_per_second, self._now())
        bucket.take(self._now(), requests)

    def close_revoked(self) -> None:
        """Close the connections whose key is no longer in force."""
        if not self._authenticator.refresh():
            return
        self._buckets.clear()
        for connection in list(self.connections):
            key_id = connection.key_id
            if key_id is not None and not self._authenticator.in_force(key_id):
                connection.close(4403, "the session's key was revoked")

    def _login(self, params: LoginParams, challenge: str, ip: str) -> Identity:
        return self._welcomed(self._authenticator.login(params, challenge=challenge, ip=ip))

    def _welcomed(self, identity: Identity) -> Identity:
        records = [] if identity.account in self._market.ledger.balances else self._welcome(identity.account)
        if records:
            self.submit(records, lambda _: None)
        return identity

    def new_session(self, connection: Connection, identity: Identity | None, ip: str) -> Session:
        """The session of an accepted connection.

        Args:
            identity: who the upgrade's header stood for. ip: address of the client.
        """
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
            authenticate=lambda params, challenge: self._login(params, challenge, ip),
            in_force=self._authenticator.in_force,
            submit=self.submit,
            identity=identity,
            require_key=self._settings.require_key,
            requests_per_second=self._settings.requests_per_second,
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
