"""The dialect: which path is which of the vendor's services, and what each address has used of its limits.

    /coinapi, /coinapi/v1            market data (hello with data types)
    /coinapi/ds                      the same with whole symbol ids in the filter
    /coinapi/currencies              a hello without data types means exrate
    /coinapi/indexes                 a hello without data types means index
    /coinapi/ems                     order entry

Each with or without `/v1`, and with or without a key at its end: `/coinapi/v1/APIKEY-KEY`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from tickwire.dialects.base import HttpAnswer, HttpRequest, Opening, Refused, Services
from tickwire.dialects.coinapi.codecs import NAME
from tickwire.dialects.coinapi.credentials import identify, split_path
from tickwire.dialects.coinapi.ems import Ems
from tickwire.dialects.coinapi.ems_session import EmsSession
from tickwire.dialects.coinapi.market_session import HELLO_WINDOW_SECONDS, MarketSession
from tickwire.dialects.coinapi.rest import Rest
from tickwire.dialects.coinapi.scope import Flavour
from tickwire.errors import InvalidInput
from tickwire.limits import ADDRESSES_MAX, CONNECTIONS_PER_IP_MAX, UPGRADES_PER_SECOND_MAX
from tickwire.protocol.messages import Rate
from tickwire.protocol.rate import RateLimited, TokenBucket
from tickwire.protocol.served import ServedSession

_FLAVOURS = {
    "": Flavour(),
    "ds": Flavour(exact=True),
    "currencies": Flavour(("exrate",)),
    "indexes": Flavour(("index",)),
}
_VERSION = "v1"
_EMS = "ems"


class _Address:
    """What one address has done lately."""

    def __init__(self, now: int) -> None:
        self.upgrades = TokenBucket(UPGRADES_PER_SECOND_MAX, now)
        self.connections = 0


class CoinApi:
    """The `Dialect` of CoinAPI and FinFeedAPI."""

    name = NAME

    def __init__(self) -> None:
        self._addresses: dict[str, _Address] = {}  # the one heard of last is the last
        self._ems: Ems | None = None
        self._rest: Rest | None = None

    def session(self, services: Services, opening: Opening) -> ServedSession | Refused:
        """The session of a WebSocket that is opened, or why it is not."""
        parts, _ = split_path(opening.path)
        if parts and parts[-1].lower() == _VERSION:
            parts.pop()
        service = "/".join(parts).lower()
        if service == _EMS:
            return self._order_entry(services, opening)
        flavour = _FLAVOURS.get(service)
        if flavour is None:
            there_are = ", ".join(f"/{NAME}/{name}" for name in (*_FLAVOURS, _EMS))
            return Refused(404, f"there is no WebSocket here; there are {there_are}")
        address = self._address(opening.ip, services.now())
        with suppress(RateLimited):  # the server has let it through, under limits that may be set otherwise
            address.upgrades.take(services.now())
        address.connections += 1

        def left() -> None:
            address.connections -= 1

        def headers(hellos: TokenBucket) -> list[tuple[str, str]]:
            now = services.now()
            room = max(0, CONNECTIONS_PER_IP_MAX - address.connections)
            return [
                *_limit("WsRequests", address.upgrades.state(now), 1),
                *_limit("WsHello", hellos.state(now), HELLO_WINDOW_SECONDS),
                ("X-ConcurrencyLimit-Limit", str(CONNECTIONS_PER_IP_MAX)),
                ("X-ConcurrencyLimit-Remaining", str(room)),
            ]

        return MarketSession(services, opening, flavour, headers=headers, left=left)

    def http(self, services: Services, request: HttpRequest, reply: Callable[[HttpAnswer], None]) -> None:
        """Answer a request."""
        if self._rest is None:
            self._rest = Rest(self._order_desk(services))
        self._rest.http(request, reply)

    def _order_desk(self, services: Services) -> Ems:
        if self._ems is None:
            self._ems = Ems(services)
        return self._ems

    def _order_entry(self, services: Services, opening: Opening) -> ServedSession | Refused:
        try:
            identity = identify(
                services.keys,
                headers=opening.headers,
                path=opening.path,
                query=opening.query,
                ip=opening.ip,
                token=opening.identity,
            )
        except InvalidInput as error:
            return Refused(429 if error.code == "rate_limited" else 401, str(error))
        if identity is None:
            return Refused(401, "order entry needs an API key")
        try:
            identity.check("read")
        except InvalidInput as error:
            return Refused(403, str(error))
        return EmsSession(self._order_desk(services), opening, identity)

    def _address(self, ip: str, now: int) -> _Address:
        address = self._addresses.pop(ip, None) or _Address(now)
        self._addresses[ip] = address
        if len(self._addresses) > ADDRESSES_MAX:
            del self._addresses[next(iter(self._addresses))]
        return address


def _limit(name: str, rate: Rate, window_seconds: int) -> list[tuple[str, str]]:
    """A limit as headers; where nothing is left, the next one is there after at most its share of the window."""
    window_ms = window_seconds * 1_000
    return [
        (f"X-{name}PerIpLimit-Limit", str(rate.limit)),
        (f"X-{name}PerIpLimit-Remaining", str(rate.remaining)),
        (f"X-{name}PerIpLimit-WindowSizeMs", str(window_ms)),
        (f"X-{name}PerIpLimit-RetryAfterMs", str(0 if rate.remaining else -(-window_ms // rate.limit))),
    ]
