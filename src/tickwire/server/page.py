"""The dashboard's files: built once (by `make demo`, or with the wheel), and in memory while the server runs.

A page of this origin may trade for whoever is signed in on it, so it loads nothing from anywhere else, runs no script
but its own files, and no other page may frame it.
"""

from __future__ import annotations

import gzip
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
ELSEWHERE = """The page could not connect at {origin}, since any name can be made to lead here. Open it by the server's
address, or start the server with `--origin {origin}`.
"""
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
"""Of what the build makes; what the machine thinks of suffixes differs."""
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


def page_routes(text: Callable[[Request], str], may_have_page: Callable[[str, bool], bool]) -> list[Route]:
    """`/`, and what the page there is made of.

    Args:
        text: what `/` says to whoever is no browser, and to a browser while there is no page.
        may_have_page: whether the page at this `Host`, by https or not, could connect.
    """
    files = {path.relative_to(PAGE).as_posix(): _read(path) for path in PAGE.rglob("*") if path.is_file()}
    index = files.pop("index.html", None)

    async def home(request: Request) -> Response:
        if not _takes(request, "accept", "text/html"):
            return PlainTextResponse(text(request), headers={"Vary": "Accept"})
        if index is None:
            return PlainTextResponse(text(request) + MISSING, headers={"Vary": "Accept"})
        host, scheme = request.headers.get("host", ""), request.url.scheme
        if not may_have_page(host, scheme == "https"):
            return PlainTextResponse(ELSEWHERE.format(origin=f"{scheme}://{host}"), 403, headers={"Vary": "Accept"})
        return _answer(request, index, {"Cache-Control": "no-cache", "Vary": "Accept, Accept-Encoding"})

    async def asset(request: Request) -> Response:
        file = files.get(f"assets/{request.path_params['name']}")
        if file is None:
            return PlainTextResponse("There is no such file: load the page again, the server may be newer.\n", 404)
        return _answer(request, file, {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"})

    return [Route("/", home), Route("/assets/{name}", asset)]


def _read(path: Path) -> _File:
    plain = path.read_bytes()
    return _File(plain, gzip.compress(plain, mtime=0), _MEDIA_TYPES.get(path.suffix, "application/octet-stream"))


def _answer(request: Request, file: _File, headers: dict[str, str]) -> Response:
    headers |= _SECURITY
    if _takes(request, "accept-encoding", "gzip"):
        return Response(file.small, headers=headers | {"Content-Encoding": "gzip"}, media_type=file.media_type)
    return Response(file.plain, headers=headers, media_type=file.media_type)


def _takes(request: Request, header: str, wanted: str) -> bool:
    """Whether a header of the `Accept` family names this, and not with `q=0`."""
    for item in request.headers.get(header, "").lower().split(","):
        name, *more = (part.strip() for part in item.split(";"))
        if name == wanted:
            return not any(part.startswith("q=") and not part.strip("q=.0") for part in more)
    return False
