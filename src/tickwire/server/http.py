"""The HTTP side of the port: the page, the probes, and the metrics."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tickwire import __version__
from tickwire.market.market import Market
from tickwire.model.address import parse_address
from tickwire.observe.metrics import Metrics
from tickwire.server.page import page_routes

_HOME = """tickwire {version}: a real-time WebSocket API for financial markets

Connect a WebSocket to {ws_url} and send

    {{"id":1,"method":"subscribe","params":{{"channel":"book","symbols":["{symbol}"]}}}}

or, from a terminal on this machine:

    tickwire watch {symbol} --url {ws_url}

Clients of Binance spot and of CoinAPI work under /binance and /coinapi. This server's own REST is under /api/v1; it is
described by /openapi.json, and the WebSocket by /asyncapi.json.

{count} instruments: {symbols}
"""


def http_app(
    market: Market,
    unready: Callable[[], str],
    failing: Callable[[], str],
    may_have_page: Callable[[str, bool], bool],
    api: Sequence[Route] = (),
) -> Starlette:
    """The application behind everything that is not a WebSocket.

    Args:
        market: for its instruments.
        unready: why the server is not ready for clients, "" when it is; `/readyz` says so.
        failing: why the process had better be started anew, "" while it works; `/healthz` says so.
        may_have_page: whether the page at this `Host`, by https or not, could connect.
        api: more routes.
    """

    def home(request: Request) -> str:
        symbols = [instrument.symbol for instrument in market.instruments]
        return _HOME.format(
            version=__version__,
            ws_url=f"{request.url.scheme.replace('http', 'ws')}://{request.url.netloc}/ws",
            symbol=symbols[0] if symbols else "SIM:BTC-USDT",
            count=len(symbols),
            symbols=", ".join(symbols) or "none yet",
        )

    async def healthz(_: Request) -> Response:
        why = failing()
        return JSONResponse({"status": "failing", "reason": why} if why else {"status": "ok"}, 503 if why else 200)

    async def readyz(_: Request) -> Response:
        if why_not := unready():
            return JSONResponse({"ready": False, "reason": why_not}, 503)
        return JSONResponse({"ready": True})

    return Starlette(
        routes=[*page_routes(home, may_have_page), Route("/healthz", healthz), Route("/readyz", readyz), *api]
    )


def document_route(path: str, document: Callable[[], dict[str, Any]]) -> Route:
    """A document about the server, made when it is first asked for."""
    body = cache(lambda: msgspec.json.encode(document()))

    async def endpoint(_: Request) -> Response:
        return Response(body(), media_type="application/json")

    return Route(path, endpoint)


FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers that a proxy adds: what carries one comes from somewhere else than its address says."""


def metrics_route(metrics: Metrics, allow: Sequence[str], is_own: Callable[[str], bool]) -> Route:
    """`/metrics`, for those who ask from one of these networks themselves; everybody else is told that it is not for
    them, whatever their proxy's address.

    Args:
        is_own: whether a `Host` can't be a web page's that is made to lead here (DNS rebinding).
    """
    networks = [ipaddress.ip_network(text) for text in allow]

    async def endpoint(request: Request) -> Response:
        address = parse_address(request.client.host) if request.client else None
        by_proxy = any(name in request.headers for name in FORWARDED)
        if not is_own(request.headers.get("host", "")):
            return PlainTextResponse("Ask for metrics by an address, localhost or the name listened on.\n", 403)
        if by_proxy or address is None or not any(address in network for network in networks):
            text = "Metrics are not for this address. See the option --metrics-allow of tickwire serve.\n"
            return PlainTextResponse(text, 403)
        body, content_type = metrics.text(request.headers.get("accept", ""))
        return Response(body, media_type=content_type)

    return Route("/metrics", endpoint)
