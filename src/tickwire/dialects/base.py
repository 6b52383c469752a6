"""What every dialect stands on: the market and its streams, who may read and trade, and requests over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tickwire.market.history import History
from tickwire.market.market import Market
from tickwire.meters import Meters
from tickwire.model.channel import StreamKey
from tickwire.model.identity import Identity
from tickwire.protocol.codec import JSON
from tickwire.protocol.messages import Rate
from tickwire.protocol.orders import Desk, Submit
from tickwire.protocol.render import Renderer
from tickwire.protocol.served import ServedSession
from tickwire.streams.hub import Hub
from tickwire.streams.log import Sink


class Keys(Protocol):
    """Turns what a client shows into an `Identity`."""

    def api_key(self, key: str, ip: str) -> Identity:
        """Who an API key that is its own proof stands for.

        Raises:
            InvalidInput: `login_failed`, or `rate_limited` after many of those.
        """
        ...

    def token_on(self, key: str, token: str, ip: str) -> Identity:
        """Who a key stands for with a token (JWT with `nbf` and `exp`) that its owner has signed: an API key, or the
        name of an Ed25519 or RSA key, which proves nothing alone.

        Raises:
            InvalidInput: `login_failed`, or `rate_limited` after many of those.
        """
        ...

    def signed(self, key: str, payloads: Sequence[bytes], signature: str, ip: str) -> Identity:
        """Who has signed one of these payloads: HMAC-SHA256 in hex with the key's secret as text, or RSA (PKCS #1 v1.5,
        SHA-256) or Ed25519 in base64, by the kind of the key. `key` is its name, or the API key that stands for it.

        Raises:
            InvalidInput: `login_failed`, or `rate_limited` after many of those.
        """
        ...

    def in_force(self, key_id: str) -> bool:
        """Whether a key that has proved itself earlier may still be used."""
        ...


@dataclass(frozen=True)
class Services:
    """What a dialect serves.

    Attributes:
        market, hub, renderer, history: what there is to read.
        keys: who is who.
        submit: where commands go.
        allow: counts requests of a key over HTTP and says what is left; raises `RateLimited`.
        allow_address: the same, of an address that shows no key.
        now: the wall clock, ns since the epoch.
        epoch: the tape's.
        version: of the server.
        require_key: without one, nothing may be read.
        draining: whether the server is about to stop.
    """

    market: Market
    hub: Hub
    renderer: Renderer
    history: History
    keys: Keys
    submit: Submit
    allow: Callable[[str, int], Rate]
    allow_address: Callable[[str, int], Rate]
    now: Callable[[], int]
    epoch: str
    version: str
    require_key: bool
    meters: Meters
    draining: Callable[[], bool]

    def may_see(self, identity: Identity | None, channel: str, symbol: str) -> bool:
        """Whether whoever is logged in may see a public channel of a symbol."""
        return not self.require_key if identity is None else identity.may_see(channel, symbol)

    def desk(self, session: str = "") -> Desk:
        """What takes the orders of one connection, or ("") of those over HTTP."""
        return Desk(
            market=self.market,
            renderer=self.renderer,
            submit=self.submit,
            encoding=JSON,
            now=self.now,
            session=session,
            epoch=self.epoch,
            meters=self.meters,
        )


class Opening(NamedTuple):
    """A WebSocket that a client opens.

    Attributes:
        session_id: unique name of the session.
        path: what the request names after the dialect's own part, "/ws/btcusdt@trade". query: what comes after "?".
        headers: of the request, names in lower case.
        ip: address of the client.
        sink: where the hub hands its messages.
        writes: how often anything was written to the socket so far; no change means silence.
        identity: whom an `Authorization` of our own (a token, or a key and its secret) stood for, if there was one.
        upgrades: what its address has left of those it may make.
        connections_max, connections_left: sockets that its address may have, and how many more than it has now.
    """

    session_id: str
    path: str
    query: str
    headers: Mapping[str, str]
    ip: str
    sink: Sink
    writes: Callable[[], int]
    identity: Identity | None
    upgrades: Rate
    connections_max: int
    connections_left: int


class Refused(NamedTuple):
    """An upgrade is answered with this instead: an HTTP status and words."""

    status: int
    text: str


class HttpRequest(NamedTuple):
    """A request over HTTP. `path` is what comes after the dialect's own part; header names are in lower case;
    `identity` is whom an `Authorization` of our own stood for, if there was one."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    ip: str
    identity: Identity | None = None


class HttpAnswer(NamedTuple):
    """Its answer, JSON unless a header says otherwise."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class QuietCodec:
    """The part of a `tickwire.streams.log.Codec` whose protocol has no words for what a client does not get: it sees
    that by the numbers of what comes next."""

    __slots__ = ()

    def lagging(self, messages: int) -> bytes:
        """Nothing."""
        return b""

    def dropped(self, key: StreamKey, first: int, last: int) -> bytes | None:
        """Nothing."""
        return b""


class Dialect(Protocol):
    """A protocol of somebody else's.

    Attributes:
        name: the first part of its paths: `/binance/…`.
    """

    name: str

    def session(self, services: Services, opening: Opening) -> ServedSession | Refused:
        """The session of a WebSocket that is opened, or why it is not."""
        ...

    def http(self, services: Services, request: HttpRequest, reply: Callable[[HttpAnswer], None]) -> None:
        """Answer a request: call `reply` once, now or when the outcome is known."""
        ...
