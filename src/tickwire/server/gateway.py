"""What every connection shares: the market, the hub, and who may connect."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from websockets.http11 import Request

from tickwire import __version__
from tickwire.clock import NowNs
from tickwire.config import ServerSettings
from tickwire.dialects.all import all_dialects
from tickwire.dialects.base import Dialect, Opening, Refused, Services
from tickwire.errors import InvalidInput
from tickwire.limits import CONNECTIONS_PER_KEY_MAX, LIMIT_RETRY_SECONDS, RETRY_AFTER_SECONDS
from tickwire.market.history import History
from tickwire.market.market import Market
from tickwire.meters import Meters
from tickwire.model.identity import Identity
from tickwire.model.records import Record
from tickwire.protocol.deflate import WIRE_ENCODINGS
from tickwire.protocol.messages import LoginParams, Rate
from tickwire.protocol.orders import Submit
from tickwire.protocol.rate import RateLimited
from tickwire.protocol.render import Renderer
from tickwire.protocol.served import ServedSession
from tickwire.protocol.service import Service
from tickwire.protocol.session import Session
from tickwire.server.admission import Admission, Refusal
from tickwire.server.auth import Authenticator
from tickwire.server.caller import Callers
from tickwire.server.front import Openings
from tickwire.server.shared import SharedSegment
from tickwire.server.socket import Connection
from tickwire.streams.hub import Hub

log = logging.getLogger(__name__)

WS_PATH = "/ws"
SETTLE_SECONDS = 0.25
SETTLE_ROUNDS_MAX = 8
"""A client that goes on and on subscribing keeps a feed waiting two seconds, no longer."""


def _not_yet(*_: object) -> None:
    raise AssertionError("no pipeline yet")


class Admitted(NamedTuple):
    """Whose upgrade is accepted.

    Attributes:
        ip: address of the client.
        upgrades: what that has left of those it may make.
        identity: whom its header `Authorization` stood for, if there was one.
        dialect: whose path it is; None for the native protocol's.
    """

    ip: str
    upgrades: Rate
    identity: Identity | None
    dialect: Dialect | None = None


class Gateway:
    """Makes sessions for connections.

    Args:
        market, hub, renderer: what the sessions serve.
        authenticator: knows the keys.
        epoch: the tape's.
        now: the wall clock.
        settings: whether a key is required, who may connect, and how often.
        welcome: the records that a new account begins with.
        history: the closed candles that are kept.

    Attributes:
        dialects: other protocols that are spoken here, by name; services: what they serve.
        callers: tells where requests come from.
        admission: counts what each address and key has.
        submit: puts commands on the tape; see `Pipeline.submit`. To be set before the first connection.
        draining: the server stops, so that no connection is accepted any more.
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
        history: History,
        meters: Meters | None = None,
    ) -> None:
        self.hub = hub
        self.meters = meters or Meters()
        self.submit: Submit = _not_yet
        self.draining = False
        self._authenticator = authenticator
        self._settings = settings
        self.deflate = settings.deflate
        self._welcome = welcome
        self.connections: set[Connection] = set()
        self.openings = Openings()
        self.shared = SharedSegment()
        self._market = market
        self._subscribed = asyncio.Event()
        self.callers = Callers(settings.trusted_proxies, settings.origins, settings.host)
        self.admission = Admission(
            now,
            connections_per_ip=settings.connections_per_ip,
            upgrades_per_second=settings.upgrades_per_second,
            requests_per_second=settings.requests_per_second,
        )
        self._service = Service(
            epoch=epoch,
            version=__version__,
            market=market,
            hub=hub,
            renderer=renderer,
            history=history,
            now=now,
            in_force=authenticator.in_force,
            submit=lambda records, done: self.submit(records, done),
            require_key=settings.require_key,
            requests_per_second=settings.requests_per_second,
            demo=authenticator.demo,
            meters=self.meters,
        )
        self.dialects = all_dialects()
        self.services = Services(
            market=market,
            hub=hub,
            renderer=renderer,
            history=history,
            keys=self,
            submit=lambda records, done: self.submit(records, done),
            allow=self.allow,
            allow_address=self.allow_address,
            now=now,
            epoch=epoch,
            version=__version__,
            require_key=settings.require_key,
            meters=self.meters,
            draining=lambda: self.draining,
        )

    def admit(self, request: Request, *, connection: Connection, peer: str, secure: bool) -> Admitted | Refusal:
        """Whether an upgrade is accepted. If so, its socket is counted for the client's address, until it has left.

        Args:
            peer: address at the other end of the socket. secure: whether the socket is a TLS one.
        """
        caller = self.callers.identify(peer, secure, request.headers)
        try:
            upgrades = self.admission.upgrade(caller.ip)
        except RateLimited as error:
            return _limited(error)
        path = request.path.partition("?")[0]
        dialect = self.dialects.get(path[1:].partition("/")[0])
        if path != WS_PATH and dialect is None:
            return Refusal(404, f"There is no WebSocket here. Connect to {WS_PATH}.\n")
        if self.draining:
            text = "This server is about to stop and takes no new connections. Try again in a moment.\n"
            return Refusal(503, text, RETRY_AFTER_SECONDS)
        if not self.callers.may_read(request.headers, caller.secure):
            origin = ", ".join(request.headers.get_all("Origin"))
            text = f"Pages of the origin {origin} may not connect. `tickwire serve --origin ORIGIN` lets them.\n"
            return Refusal(403, text)
        identity: Identity | None = None
        try:
            for authorization in request.headers.get_all("Authorization")[:1]:
                if dialect is None:
                    identity = self.identify(authorization, caller.ip)
                else:
                    identity = self.recognise(authorization, caller.ip)
        except RateLimited as error:
            return _limited(error)
        except InvalidInput as error:
            if error.code == "busy":  # its account's first records can't be written now
                return Refusal(503, f"{error}\n", RETRY_AFTER_SECONDS)
            return Refusal(401, f"{error}\n")
        if identity is not None and not self.admission.has_room(identity.key_id, connection):
            return Refusal(429, f"{_too_many_connections()}\n", LIMIT_RETRY_SECONDS)
        return self.admission.enter(caller.ip) or Admitted(caller.ip, upgrades, identity, dialect)

    def identify(self, authorization: str, ip: str) -> Identity:
        """Who an HTTP header `Authorization` stands for.

        Raises:
            InvalidInput: `login_failed`, or `rate_limited` after many of those.
        """
        return self._proved(ip, lambda: self._authenticator.header(authorization, ip=ip))

    def allow(self, key_id: str, requests: int) -> Rate:
        """Count requests of a key over HTTP, where there is no session to count them; what is left.

        Raises:
            RateLimited: that is too many.
        """
        return self.admission.requests.take(key_id, requests)

    def allow_address(self, ip: str, requests: int) -> Rate:
        """The same, of an address that shows no key."""
        return self.admission.anonymous(ip, requests)

    def close_revoked(self) -> None:
        """Close the connections whose key is no longer in force."""
        if not self._authenticator.refresh():
            return
        for connection in list(self.connections):
            key_id = connection.key_id
            if key_id is not None and not self._authenticator.in_force(key_id):
                connection.close(4403, "the session's key was revoked")

    def login(self, params: LoginParams, challenge: str, connection: Connection, ip: str) -> Identity:
        """Who a client's login stands for, on a connection that may have it.

        Raises:
            InvalidInput: `login_failed`, `rate_limited`, `busy` or `too_many_connections`.
        """
        identity = self._proved(ip, lambda: self._authenticator.login(params, challenge=challenge, ip=ip))
        for other in self.admission.others(identity.key_id, connection):
            if params.takeover in (True, other.about.get("session")):
                other.close(4409, "another session of the key has taken over")
        if not self.admission.has_room(identity.key_id, connection):
            raise _too_many_connections()
        log.info("logged in", extra={**connection.about, "key": identity.key_id, "account": identity.account, "ip": ip})
        return identity

    def logged_in(self, connection: Connection, session: ServedSession) -> None:
        """Somebody else is logged in on a connection, or nobody any more."""
        if session.identity is None:
            self.admission.gone(connection)
        elif self.admission.has_room(session.identity.key_id, connection):
            self.admission.logged_in(session.identity.key_id, connection)
        else:
            connection.close(4102, f"too many connections of this key; retry_after={LIMIT_RETRY_SECONDS}")

    def recognise(self, authorization: str | None, ip: str) -> Identity | None:
        """Who an HTTP header `Authorization` stands for, where a dialect may mean something else by it; None where that
        has not the form of ours, or is wrong.

        Raises:
            InvalidInput: `rate_limited` after many that were wrong, or `busy`.
        """
        if not self._authenticator.is_own(authorization or ""):
            return None
        try:
            return self.identify(authorization or "", ip)
        except InvalidInput as error:
            if error.code != "login_failed":
                raise
            return None

    # ---- what dialects ask (tickwire.dialects.base.Keys) -------------------------------------------

    def api_key(self, key: str, ip: str) -> Identity:
        """Who an API key stands for."""
        return self._proved(ip, lambda: self._authenticator.api_key(key, ip=ip))

    def token_on(self, key: str, token: str, ip: str) -> Identity:
        """Who a key stands for with a token."""
        return self._proved(ip, lambda: self._authenticator.token_on(key, token, ip=ip))

    def signed(self, key: str, payloads: Sequence[bytes], signature: str, ip: str) -> Identity:
        """Who has signed one of these payloads."""
        return self._proved(ip, lambda: self._authenticator.signed(key, payloads, signature, ip=ip))

    def in_force(self, key_id: str) -> bool:
        """Whether a key may still be used."""
        return self._authenticator.in_force(key_id)

    def _proved(self, ip: str, proof: Callable[[], Identity]) -> Identity:
        """Look at a proof, unless too many from this address were wrong."""
        self.admission.may_log_in(ip)
        try:
            identity = proof()
        except InvalidInput as error:
            if error.code == "login_failed":
                self.admission.login_failed(ip)
                log.info("a login is refused", extra={"ip": ip})
            raise
        records = [] if identity.account in self._market.ledger.balances else self._welcome(identity.account)
        if records:
            self.submit(records, lambda _: None)
        return identity

    def new_session(self, connection: Connection, identity: Identity | None) -> Session:
        """The session of an accepted connection.

        Args:
            identity: who the upgrade's header stood for.
        """
        return Session(
            self._service,
            session_id=secrets.token_hex(8),
            challenge=secrets.token_urlsafe(24),
            encoding=WIRE_ENCODINGS[connection.encoding],
            sink=connection,
            authenticate=connection.login,
            identity=identity,
        )

    def new_dialect_session(
        self, connection: Connection, dialect: Dialect, request: Request, admitted: Admitted
    ) -> ServedSession | Refused:
        """The session of a connection that speaks a dialect."""
        path, _, query = request.path.partition("?")
        opening = Opening(
            session_id=secrets.token_hex(8),
            path=path[1 + len(dialect.name) :],
            query=query,
            headers={name.lower(): value for name, value in request.headers.raw_items()},
            ip=admitted.ip,
            sink=connection,
            writes=lambda: connection.writes,
            identity=admitted.identity,
            upgrades=admitted.upgrades,
            connections_max=self._settings.connections_per_ip,
            connections_left=self.admission.connections_left(admitted.ip),
        )
        return dialect.session(self.services, opening)

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


def _limited(error: RateLimited) -> Refusal:
    return Refusal(429, f"{error}\n", error.retry_after_s, error.rate)


def _too_many_connections() -> InvalidInput:
    return InvalidInput(
        f"the key is logged in on {CONNECTIONS_PER_KEY_MAX} connections, the most it may be: close one, or log in with "
        "`takeover`, which closes them all",
        code="too_many_connections",
    )
