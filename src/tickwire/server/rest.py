"""The HTTP interface: the methods of the socket, with the same parameters, results and error codes.

A key comes in the header `Authorization`; see `tickwire.server.auth`. What a session may read without one, so may a
request. An answer means the same as on the socket: what it says was done is on the tape, and where it stands in a
stream, `epoch` and `seq` say.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tickwire.dialects.base import Services
from tickwire.errors import InvalidInput
from tickwire.meters import OK, UNKNOWN
from tickwire.model.channel import CHANNELS
from tickwire.model.identity import Identity, Scope
from tickwire.protocol.codec import JSON
from tickwire.protocol.messages import InstrumentInfo, NoParams, Rate, TimeResult
from tickwire.protocol.orders import METHODS, Job
from tickwire.protocol.params import decode_params, error_body
from tickwire.protocol.rate import RateLimited, cost, rate_headers
from tickwire.protocol.reader import READS, Reader
from tickwire.server.body import body_of

API = "/api/v1"
CLIENT_ID = "client:"
"""Before a client_order_id where a path has an order's id."""

STATUS = {
    "login_failed": 401,
    "not_logged_in": 401,
    "not_permitted": 403,
    "not_entitled": 403,
    "unknown_order": 404,
    "unknown_symbol": 404,
    "not_available": 404,
    "unknown_method": 405,
    "order_closed": 409,
    "duplicate_id": 409,
    "rate_limited": 429,
    "outcome_unknown": 500,
    "busy": 503,
}
"""The HTTP status of an error code; 400 for what the request has wrong, and for what the market refuses."""


class Operation(NamedTuple):
    """One request of the interface.

    Attributes:
        verb, path: of the request; `{symbol}` and `{order}` in the path are parameters.
        method: of the socket; `instrument` is HTTP's alone.
        query: the parameters that may come in the query; the others come in the body, if any.
        fixed: parameters that the path implies.
    """

    verb: str
    path: str
    method: str
    query: tuple[str, ...] = ()
    fixed: tuple[tuple[str, str], ...] = ()


_VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
"""That are answered, if only with 405: or a path with a parameter would take what another one refuses."""
_OPTIONS = {"book": ("depth",), "candles": ("interval",)}
_PERIOD = ("start", "end", "limit")

OPERATIONS = (
    Operation("GET", "/time", "time"),
    Operation("GET", "/instruments", "instruments", ("venue", "asset_class")),
    Operation("GET", "/instruments/{symbol}", "instrument"),
    *(
        Operation("GET", f"/instruments/{{symbol}}/{name}", "snapshot", _OPTIONS.get(name, ()), (("channel", name),))
        for name in CHANNELS
    ),
    Operation(
        "GET", "/instruments/{symbol}/candles/history", "history", ("interval", *_PERIOD), (("channel", "candles"),)
    ),
    Operation("GET", "/instruments/{symbol}/trades/history", "history", _PERIOD, (("channel", "trades"),)),
    Operation("POST", "/orders", "order.place"),
    Operation("GET", "/orders", "order.list", ("symbol",)),
    Operation("DELETE", "/orders", "order.cancel_all", ("symbol",)),
    Operation("POST", "/orders/batch", "order.batch"),
    Operation("GET", "/orders/{order}", "order.get"),
    Operation("PATCH", "/orders/{order}", "order.amend"),
    Operation("DELETE", "/orders/{order}", "order.cancel"),
    Operation("GET", "/account/balances", "account.balances"),
    Operation("GET", "/account/positions", "account.positions"),
    Operation("GET", "/account/fills", "account.fills"),
    Operation("GET", "/account/portfolio", "account.portfolio", ("currency",)),
    Operation("POST", "/admin/deposits", "admin.deposit"),
    Operation("POST", "/admin/withdrawals", "admin.withdraw"),
    Operation("POST", "/admin/kill-switch", "admin.kill_switch"),
    Operation("POST", "/admin/trading-status", "admin.trading_status"),
)


def rest_routes(
    services: Services, identify: Callable[[str, str], Identity], allow_address: Callable[[str, int], Rate]
) -> list[Route]:
    """The routes of the HTTP interface.

    Args:
        services: what it serves.
        identify: who a header `Authorization` from an address stands for; raises `InvalidInput` (`login_failed`,
            `rate_limited`).
        allow_address: counts requests of an address that come without a key, and says what is left; raises
            `RateLimited`.
    """
    rest = _Rest(services, identify, allow_address)
    paths: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.verb] = operation
    return [Route(API + path, rest.endpoint(by_verb), methods=_VERBS) for path, by_verb in paths.items()]


class _Rest:
    def __init__(
        self,
        services: Services,
        identify: Callable[[str, str], Identity],
        allow_address: Callable[[str, int], Rate],
    ) -> None:
        self._services = services
        self._identify = identify
        self._allow_address = allow_address
        self._reader = Reader(
            market=services.market,
            hub=services.hub,
            renderer=services.renderer,
            history=services.history,
            epoch=services.epoch,
            require_key=services.require_key,
        )
        self._desk = services.desk()

    def endpoint(self, by_verb: dict[str, Operation]) -> Callable[[Request], Any]:
        """Answers what is asked of one path."""

        allowed = ", ".join([*by_verb, "HEAD"] if "GET" in by_verb else by_verb)

        async def endpoint(request: Request) -> Response:
            operation = by_verb.get("GET" if request.method == "HEAD" else request.method)
            headers: dict[str, str] = {}
            try:
                if operation is None:
                    raise InvalidInput(f"no {request.method} here; there are {allowed}", code="unknown_method")
                body, status, code = await self._run(operation, request, headers), 200, OK
            except InvalidInput as error:
                body, status, code = {"error": error_body(error)}, STATUS.get(error.code, 400), error.code
                if isinstance(error, RateLimited):
                    headers = {"Retry-After": str(error.retry_after_s), **dict(rate_headers(error.rate))}
                if status == 401:
                    headers["WWW-Authenticate"] = "Bearer"
                elif status == 405:
                    headers["Allow"] = allowed
            self._services.meters.requests[operation.method if operation else UNKNOWN, code] += 1
            return Response(msgspec.json.encode(body), status, headers, media_type="application/json")

        return endpoint

    async def _run(self, operation: Operation, request: Request, headers: dict[str, str]) -> Any:
        method = operation.method
        desk_method = METHODS.get(method)
        identity, allow = self._caller(request)
        rate = allow(1)
        self._check(identity, method, None if desk_method is None else desk_method[1])
        raw = await _params(operation, request)
        if desk_method is None:
            params: Any = decode_params(JSON, raw, READS[method][0] if method in READS else NoParams)
        else:
            params = decode_params(JSON, raw, desk_method[0])
        if more := cost(params) - 1:
            rate = allow(more)
        headers.update(rate_headers(rate))
        if desk_method is None or identity is None:
            return self._read(operation, params, request, identity)
        answer = desk_method[2](self._desk, params, identity.account)
        if isinstance(answer, Job):
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._desk.execute(answer, lambda result: None if future.done() else future.set_result(result))
            answer = await future
        if isinstance(answer, InvalidInput):
            raise answer
        return answer

    def _caller(self, request: Request) -> tuple[Identity | None, Callable[[int], Rate]]:
        """Who asks, and what counts its requests."""
        ip = request.client.host if request.client else ""
        authorization = request.headers.get("authorization")
        if authorization is None:
            return None, lambda count: self._allow_address(ip, count)
        identity = self._identify(authorization, ip)
        return identity, lambda count: self._services.allow(identity.key_id, count)

    def _check(self, identity: Identity | None, method: str, scope: Scope | None) -> None:
        """Refuse who may not call a method."""
        if identity is None and (scope is not None or (self._services.require_key and method != "time")):
            raise InvalidInput("give a key in the header Authorization", code="not_logged_in")
        if identity is not None and scope is not None:
            identity.check(scope)

    def _read(self, operation: Operation, params: Any, request: Request, identity: Identity | None) -> Any:
        if operation.method == "time":
            return TimeResult(self._services.now())
        if operation.method == "instrument":
            found: InstrumentInfo = self._reader.instrument(request.path_params["symbol"], identity)
            return found
        return READS[operation.method][1](self._reader, params, identity)


_INTEGERS = frozenset(("depth", "start", "end", "limit"))
_INTEGER = re.compile(r"-?[0-9]{1,20}")


async def _params(operation: Operation, request: Request) -> bytes:
    """The parameters, from the path, and from the query or the body, as JSON."""
    named: dict[str, Any] = dict(operation.fixed)
    if (order := request.path_params.get("order")) is not None:
        by_client = order.startswith(CLIENT_ID)
        named |= {"client_order_id": order.removeprefix(CLIENT_ID)} if by_client else {"order_id": order}
    elif "symbol" in request.path_params and operation.method != "instrument":
        named["symbol"] = request.path_params["symbol"]
    for name, value in request.query_params.multi_items():
        if name not in operation.query or name in named:
            there_are = ", ".join(operation.query) or "none"
            text = f"the query has {name!r} twice" if name in named else f"no parameter {name!r}; there are {there_are}"
            raise InvalidInput(text, field=name)
        named[name] = int(value) if name in _INTEGERS and _INTEGER.fullmatch(value) else value
    if operation.verb in ("GET", "DELETE"):
        return msgspec.json.encode(named)
    body = await body_of(request)
    try:
        repeated = JSON.repeated_key(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the body can't be decoded: {error}", code="invalid_json") from None
    given = decode_params(JSON, body, dict[str, msgspec.Raw])
    repeated = repeated or next((name for name in named if name in given), None)
    if repeated is not None:
        raise InvalidInput(f"{repeated!r} is given twice", field=repeated)
    return msgspec.json.encode({**given, **named})
