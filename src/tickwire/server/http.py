"""The HTTP side of the port: a page that says what this is, and the probes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tickwire import __version__
from tickwire.market.market import Market

_HOME = """tickwire {version}: a real-time WebSocket API for financial markets

Connect a WebSocket to {ws_url} and send

    {{"id":1,"method":"subscribe","params":{{"channel":"book","symbols":["{symbol}"]}}}}

or, from a terminal on this machine:

    tickwire watch {symbol} --url {ws_url}

{count} instruments: {symbols}
"""


def http_app(market: Market, ready: Callable[[], bool], api: Sequence[Route] = ()) -> Starlette:
    """The application behind everything that is not a WebSocket.

    Args:
        market: for its instruments.
        ready: whether the server serves; `/readyz` says so.
        api: the routes of the REST interface.
    """

    async def home(request: Request) -> Response:
        symbols = [instrument.symbol for instrument in market.instruments]
        text = _HOME.format(
            version=__version__,
            ws_url=f"ws://{request.url.netloc}/ws",
            symbol=symbols[0] if symbols else "SIM:BTC-USDT",
            count=len(symbols),
            symbols=", ".join(symbols) or "none yet",
        )
        return PlainTextResponse(text)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        return JSONResponse({"ready": ready()}, status_code=200 if ready() else 503)

    return Starlette(routes=[Route("/", home), Route("/healthz", healthz), Route("/readyz", readyz), *api])
