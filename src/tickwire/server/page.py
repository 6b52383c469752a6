"""The dashboard's files: built once (by `make demo`, or with the wheel), and in memory while the server runs.

A page of this origin may trade for whoever is signed in on it, so it loads nothing from anywhere else, runs no script
but its own files, and no other page may frame it.
"""

from __future__ import annotations

import gzip
import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

PAGE = Path(__file__).parent.parent / "page"
"""Where the build puts them."""
MISSING = """
There is more for a browser, the dashboard, but it is not built here. That takes Node.js, 20.19 or newer, with npm: in a
checkout, `make demo` then builds it and starts the server. Published wheels have it.
"""
_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_FOREVER = "public, max-age=31536000, immutable"
"""Of files whose names hold a hash of what is in them."""


class _File(NamedTuple):
    plain: bytes
    small: bytes
    media_type: str


def page_routes(text: Callable[[Request], str]) -> list[Route]:
    """`/`, and what the page there is made of.

    Args:
        text: what `/` says to whoever is no browser, and to a browser while there is no page.
    """
    files = {path.relative_to(PAGE).as_posix(): _read(path) for path in PAGE.rglob("*") if path.is_file()}
    index = files.pop("index.html", None)

    async def home(request: Request) -> Response:
        if index is not None and "text/html" in request.headers.get("accept", ""):
            return _answer(request, index, {"Cache-Control": "no-cache", "Vary": "Accept, Accept-Encoding"})
        said = text(request) + ("" if index is not None else MISSING)
        return PlainTextResponse(said, headers={"Vary": "Accept"})

    async def asset(request: Request) -> Response:
        file = files.get(f"assets/{request.path_params['name']}")
        if file is None:
            return PlainTextResponse("There is no such file: load the page again, the server may be newer.\n", 404)
        return _answer(request, file, {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"})

    return [Route("/", home), Route("/assets/{name}", asset)]


def _read(path: Path) -> _File:
    plain = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _File(plain, gzip.compress(plain, mtime=0), media_type)


def _answer(request: Request, file: _File, headers: dict[str, str]) -> Response:
    headers |= _SECURITY
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.small, headers=headers | {"Content-Encoding": "gzip"}, media_type=file.media_type)
    return Response(file.plain, headers=headers, media_type=file.media_type)
