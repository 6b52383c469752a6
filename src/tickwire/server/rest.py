"""Order entry over HTTP: the methods of the socket, with the same parameters, results and error codes.

Every request names its key in the header `Authorization`; see `tickwire.server.auth`. An answer means the same as on
the socket: what it says was done is on the tape.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tickwire.errors import InvalidInput
from tickwire.meters import OK
from tickwire.model.identity import Identity
from tickwire.protocol.codec import JSON
from tickwire.protocol.messages import Rate
from tickwire.protocol.orders import METHODS, Desk, Job
from tickwire.protocol.params import decode_params, error_body
from tickwire.protocol.rate import RateLimited, cost, rate_headers
from tickwire.server.body import body_of

API = "/api/v1"
CLIENT_ID = "client:"
"""Before a client_order_id where a path has an order's id."""

_STATUS = {
    "login_failed": 401,
    "not_logged_in": 401,
    "not_permitted": 403,
    "not_entitled": 403,
    "unknown_order": 404,
    "unknown_symbol": 404,
    "order_closed": 409,
    "duplicate_id": 409,
    "rate_limited": 429,
    "outcome_unknown": 500,
    "busy": 503,
}
"""The HTTP status of an error code; 400 for what the request has wrong, and for what the market refuses."""

_ROUTES = (
    ("POST", "/orders", "order.place"),
    ("GET", "/orders", "order.list"),
    ("DELETE", "/orders", "order.cancel_all"),
    ("POST", "/orders/batch", "order.batch"),
    ("GET", "/orders/{order}", "order.get"),
    ("PATCH", "/orders/{order}", "order.amend"),
    ("DELETE", "/orders/{order}", "order.cancel"),
    ("GET", "/account/balances", "account.balances"),
    ("GET", "/account/positions", "account.positions"),
    ("GET", "/account/portfolio", "account.portfolio"),
    ("POST", "/admin/deposits", "admin.deposit"),
    ("POST", "/admin/withdrawals", "admin.withdraw"),
    ("POST", "/admin/kill-switch", "admin.kill_switch"),
    ("POST", "/admin/trading-status", "admin.trading_status"),
)


def rest_routes(desk: Desk, identify: Callable[[str, str], Identity], allow: Callable[[str, int], Rate]) -> list[Route]:
    """The routes of the HTTP interface.

    Args:
        desk: carries out what is asked.
        identify: who a header `Authorization` from an address stands for; raises `InvalidInput` (`login_failed`,
            `rate_limited`).
        allow: counts requests of a key, and says what is left; raises `RateLimited`.
    """
    return [Route(API + path, _endpoint(desk, identify, allow, name), methods=[verb]) for verb, path, name in _ROUTES]


def _endpoint(
    desk: Desk, identify: Callable[[str, str], Identity], allow: Callable[[str, int], Rate], name: str
) -> Callable[[Request], Any]:
    params_type, scope, method = METHODS[name]

    async def run(request: Request, headers: dict[str, str]) -> Any:
        authorization = request.headers.get("authorization")
        if authorization is None:
            raise InvalidInput("give a key in the header Authorization", code="not_logged_in")
        identity = identify(authorization, request.client.host if request.client else "")
        identity.check(scope)
        rate = allow(identity.key_id, 1)
        params: Any = decode_params(JSON, await _params(request), params_type)
        if more := cost(params) - 1:
            rate = allow(identity.key_id, more)
        headers.update(rate_headers(rate))
        answer = method(desk, params, identity.account)
        if isinstance(answer, Job):
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            desk.execute(answer, lambda result: None if future.done() else future.set_result(result))
            answer = await future
        if isinstance(answer, InvalidInput):
            raise answer
        return answer

    async def endpoint(request: Request) -> Response:
        headers: dict[str, str] = {}
        try:
            body, status = await run(request, headers), 200
            desk.meters.requests[name, OK] += 1
        except InvalidInput as error:
            desk.meters.requests[name, error.code] += 1
            body, status = {"error": error_body(error)}, _STATUS.get(error.code, 400)
            if isinstance(error, RateLimited):
                headers = {"Retry-After": str(error.retry_after_s), **dict(rate_headers(error.rate))}
        return Response(msgspec.json.encode(body), status, headers, media_type="application/json")

    return endpoint


async def _params(request: Request) -> bytes:
    """The parameters, from the body or the query, and the order that the path names."""
    named: dict[str, Any] = {}
    order = request.path_params.get("order")
    if order is not None:
        by_client = order.startswith(CLIENT_ID)
        named = {"client_order_id": order.removeprefix(CLIENT_ID)} if by_client else {"order_id": order}
    if request.method in ("GET", "DELETE"):
        return msgspec.json.encode({**request.query_params, **named})
    body = await body_of(request)
    if not named:
        return body
    given = decode_params(JSON, body, dict[str, msgspec.Raw])
    return msgspec.json.encode({**given, **named})
