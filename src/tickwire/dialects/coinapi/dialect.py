"""The dialect: which path is which of the vendor's services.

    /coinapi, /coinapi/v1            market data (hello with data types)
    /coinapi/ds                      the same with whole symbol ids in the filter
    /coinapi/currencies              a hello without data types means exrate
    /coinapi/indexes                 a hello without data types means index
    /coinapi/ems                     order entry

Each with or without `/v1`, and with or without a key at its end: `/coinapi/v1/APIKEY-KEY`.
"""

from __future__ import annotations

from collections.abc import Callable

from tickwire.dialects.base import HttpAnswer, HttpRequest, Opening, Refused, Services
from tickwire.dialects.coinapi.codecs import NAME
from tickwire.dialects.coinapi.credentials import identify, split_path
from tickwire.dialects.coinapi.ems import Ems
from tickwire.dialects.coinapi.ems_session import EmsSession
from tickwire.dialects.coinapi.market_session import MarketSession
from tickwire.dialects.coinapi.ohlcv import Candles
from tickwire.dialects.coinapi.rest import STATUSES, Rest
from tickwire.dialects.coinapi.scope import Flavour
from tickwire.errors import InvalidInput
from tickwire.protocol.served import ServedSession

_FLAVOURS = {
    "": Flavour(),
    "ds": Flavour(exact=True),
    "currencies": Flavour(("exrate",)),
    "indexes": Flavour(("index",)),
}
_VERSION = "v1"
_EMS = "ems"


class CoinApi:
    """The `Dialect` of CoinAPI and FinFeedAPI."""

    name = NAME

    def __init__(self) -> None:
        self._candles: Candles | None = None
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
        if self._candles is None:
            self._candles = Candles(services.market, services.history)
        return MarketSession(services, opening, flavour, self._candles)

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
            return Refused(STATUSES.get(error.code, 401), str(error))
        if identity is None:
            return Refused(401, "order entry needs an API key")
        try:
            identity.check("read")
        except InvalidInput as error:
            return Refused(403, str(error))
        return EmsSession(self._order_desk(services), opening, identity)
