"""The HTTP side of the dialects: each has all paths that begin with its name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tickwire.dialects.base import Dialect, HttpAnswer, HttpRequest, Services
from tickwire.errors import InvalidInput
from tickwire.model.identity import Identity
from tickwire.protocol.rate import RateLimited
from tickwire.server.body import body_of

_METHODS = ["GET", "POST", "PUT", "DELETE"]


def dialect_routes(
    dialects: dict[str, Dialect], services: Services, recognise: Callable[[str | None, str], Identity | None]
) -> list[Route]:
    """The routes of all dialects.

    Args:
        recognise: whom a header `Authorization` from an address stands for, if that is a proof of our own; raises
            `InvalidInput` (`rate_limited`, `busy`).
    """
    return [
        Route(path, _endpoint(dialect, services, recognise), methods=_METHODS)
        for name, dialect in dialects.items()
        for path in (f"/{name}", f"/{name}/{{path:path}}")
    ]


def _endpoint(
    dialect: Dialect, services: Services, recognise: Callable[[str | None, str], Identity | None]
) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        ip = request.client.host if request.client else ""
        try:
            body = await body_of(request)
            identity = recognise(request.headers.get("authorization"), ip)
        except RateLimited as error:
            return PlainTextResponse(f"{error}\n", 429, {"Retry-After": str(error.retry_after_s)})
        except InvalidInput as error:
            return PlainTextResponse(f"{error}\n", 503 if error.code == "busy" else 413)
        asked = HttpRequest(
            request.method,
            request.url.path[1 + len(dialect.name) :],
            request.url.query,
            {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(request.headers.raw)},
            body,
            ip,
            identity,
        )
        answer: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
        dialect.http(services, asked, lambda reply: None if answer.done() else answer.set_result(reply))
        status, body, headers = await answer
        return Response(body, status, {"Content-Type": "application/json", **dict(headers)})

    return endpoint
