"""Addresses of clients, and whose they are."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PARTIES_MAX = 4_096
"""Addresses of which it is remembered whose they are: a client's is looked at four times while it connects."""


def parse_address(text: str) -> Address | None:
    """An address, a v4 one that is written as v6 as v4; None when it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # how a socket that listens on both shows a v4 client
    return address


@lru_cache(maxsize=PARTIES_MAX)
def party(ip: str) -> str:
    """Whose an address is, as far as that can be told: a v6 host has a whole /64 (RFC 6177) to choose its own from."""
    address = parse_address(ip)
    if isinstance(address, ipaddress.IPv6Address):
        return f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64"
    return ip if address is None else str(address)
