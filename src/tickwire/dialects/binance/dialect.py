"""The Binance spot protocol: market streams, the WebSocket API and REST."""

from __future__ import annotations

from collections.abc import Callable

from tickwire.dialects.base import HttpAnswer, HttpRequest, Opening, Refused, Services
from tickwire.dialects.binance.api import Api
from tickwire.dialects.binance.api_session import ApiSession
from tickwire.dialects.binance.errors import BinanceError
from tickwire.dialects.binance.rest import Rest
from tickwire.dialects.binance.stream_session import open_streams
from tickwire.dialects.binance.streams import Streams
from tickwire.protocol.served import ServedSession

WS_API = "/ws-api/v3"


class Binance:
    """See `tickwire.dialects.base.Dialect`. One instance serves one server."""

    name = "binance"

    def __init__(self) -> None:
        self._api: Api | None = None
        self._rest: Rest | None = None
        self._streams: Streams | None = None

    def session(self, services: Services, opening: Opening) -> ServedSession | Refused:
        """`/ws-api/v3`, or the streams under `/ws` and `/stream`."""
        try:
            if opening.path.rstrip("/") == WS_API:
                return ApiSession(self._of(services), opening)
        except BinanceError as error:
            return Refused(error.status, f"{error}\n")
        if opening.path.split("/")[1:2] not in (["ws"], ["stream"]):
            return Refused(404, f"There is no WebSocket here. Connect to /ws, /stream or {WS_API}.\n")
        if self._streams is None:
            self._streams = Streams(services.market, services.history, self._of(services).names)
        return open_streams(services, self._streams, opening)

    def http(self, services: Services, request: HttpRequest, reply: Callable[[HttpAnswer], None]) -> None:
        """`/api/v3`"""
        api = self._of(services)
        if self._rest is None:
            self._rest = Rest(api)
        self._rest.answer(request, reply)

    def _of(self, services: Services) -> Api:
        if self._api is None:
            self._api = Api(services)
        return self._api
