"""Where a request comes from: its address and scheme behind trusted proxies, and the web page that sent it.

`X-Forwarded-For` and `X-Forwarded-Proto` are what anybody may write, so they count only from a proxy that the operator
has named. The address is then the right-most one that is no such proxy: those to the left of it are the client's word.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from tickwire.model.address import Address, parse_address

_LOCAL_NAME = "localhost"


class RequestHeaders(Protocol):
    """The headers of a request, as more than one library has them."""

    def get_all(self, name: str) -> list[str]:
        """The values of a header, one a line of the request."""
        ...


class Caller(NamedTuple):
    """Whoever sent a request.

    Attributes:
        ip: its address; "" on a Unix socket.
        secure: whether it came over TLS, if only as far as the proxy.
    """

    ip: str
    secure: bool


class Callers:
    """Tells where requests come from, and whether the page that sent one may.

    Args:
        trusted_proxies: networks (CIDR) or addresses, checked.
        origins: of the pages that may besides those of this server, as browsers spell them: `https://app.example`.
        host: the name or address that this server listens on.
    """

    def __init__(self, trusted_proxies: Sequence[str], origins: Sequence[str], host: str) -> None:
        self._proxies = [ipaddress.ip_network(text) for text in trusted_proxies]
        self._origins = frozenset(origins)
        self._host = host.lower()

    def is_proxy(self, ip: str) -> bool:
        """Whether what the peer at this address says of its callers is believed."""
        if not self._proxies:
            return False
        address = parse_address(ip)
        return address is not None and any(address in network for network in self._proxies)

    def identify(self, peer: str, secure: bool, headers: RequestHeaders) -> Caller:
        """Who sent a request.

        Args:
            peer: address at the other end of the socket. secure: whether the socket is a TLS one.
        """
        if not self.is_proxy(peer):
            return Caller(peer, secure)
        protocols = headers.get_all("X-Forwarded-Proto")
        if protocols:
            secure = protocols[-1].rpartition(",")[2].strip().lower() in ("https", "wss")
        ip = peer
        for hop in reversed(",".join(headers.get_all("X-Forwarded-For")).split(",")):
            address = _hop(hop)
            if address is None:  # what a proxy can't spell is not worth going by
                break
            ip = str(address)
            if not self.is_proxy(ip):
                break
        return Caller(ip, secure)

    def may_read(self, headers: RequestHeaders, secure: bool) -> bool:
        """Whether the page that a request comes from may: it is on the list, or this server's own. What has no `Origin`
        is no page, and may.

        A page is this server's own when its origin is the request's `Host`, and that an address, `localhost` or the
        name that the server listens on. For any other name, also one that is made to lead here (DNS rebinding), the
        list decides.
        """
        origins = headers.get_all("Origin")
        if not origins:
            return True
        hosts = headers.get_all("Host")
        if len(origins) != 1 or len(hosts) != 1:
            return False
        origin, host = origins[0], hosts[0].lower()
        return origin in self._origins or (origin == _origin(host, secure) and self.is_own(host))

    def may_have_page(self, host: str, secure: bool) -> bool:
        """Whether the page at this `Host` may then connect."""
        return self.is_own(host) or _origin(host.lower(), secure) in self._origins

    def is_own(self, host: str) -> bool:
        """Whether a `Host` is an address, `localhost` or the name that the server listens on: none that somebody else
        makes to lead here."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in (_LOCAL_NAME, self._host) or parse_address(name) is not None


def _origin(host: str, secure: bool) -> str:
    return f"{'https' if secure else 'http'}://{host}"


def _hop(text: str) -> Address | None:
    """An entry of `X-Forwarded-For`: an address, which some proxies give with a port."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return parse_address(text)
