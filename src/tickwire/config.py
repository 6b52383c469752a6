"""The settings of a server, checked before anything starts."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from tickwire.errors import ConfigError
from tickwire.limits import (
    CONNECTIONS_PER_IP_MAX,
    DRAIN_SECONDS,
    DRAIN_SECONDS_MAX,
    REQUESTS_PER_SECOND_MAX,
    RETAINED_BYTES_MAX,
    SNAPSHOT_EVERY_RECORDS,
    TAPE_BYTES_MAX,
    TAPE_HOURS_MAX,
    UPGRADES_PER_SECOND_MAX,
)
from tickwire.tape.base import Durability

SIMULATED = "simulated"
METRICS_ALLOW = ("127.0.0.0/8", "::1/128")
"""Who may read `/metrics` unless told otherwise: this machine."""


class FeedSpec(NamedTuple):
    """Which feed to run: the built-in market, or a recording of a format at a path."""

    kind: str
    format: str = ""
    path: Path = Path()


def parse_feed(text: str) -> FeedSpec:
    """`simulated`, or `recorded:FORMAT:PATH`.

    Raises:
        ConfigError: it is neither.
    """
    if text == SIMULATED:
        return FeedSpec(SIMULATED)
    kind, _, rest = text.partition(":")
    format_name, _, path = rest.partition(":")
    if kind != "recorded" or not format_name or not path:
        raise ConfigError(f"feed {text!r}: give `simulated` or `recorded:FORMAT:PATH`")
    return FeedSpec("recorded", format_name, Path(path))


def parse_speed(text: str) -> float | None:
    """Feed seconds per second; None for `max`.

    Raises:
        ConfigError: neither `max` nor a positive number.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e6:
        raise ConfigError(f"speed {text!r}: give a positive number such as 1 or 10, or `max`")
    return speed


def check_network(text: str, what: str) -> None:
    """An address or a network (CIDR); `what` says of whom.

    Raises:
        ConfigError: it is neither.
    """
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigError(f"{what} {text!r}: {error}; give an address or CIDR such as 10.0.0.0/8") from None


def check_origin(text: str) -> None:
    """An origin as browsers send it (RFC 6454, section 6.2): `https://app.example`, `http://localhost:5173`.

    Raises:
        ConfigError: it is spelled in another way, and would never be met.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    spelled = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"
    if not host or "*" in host or text != spelled or (parts.scheme, port) in (("https", 443), ("http", 80)):
        raise ConfigError(
            f"origin {text!r}: give it as browsers do, https://app.example or http://localhost:5173: in small letters, "
            "without a path, a `*`, or the port that the scheme has anyway"
        )


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All that a server can be told.

    Args:
        host, port: where to listen; port 0 takes a free one.
        data_dir: folder of the tape; None keeps it in memory, and nothing survives the process.
        durability: what a record on the tape survives; None means `process` with a data_dir, else `none`.
        feeds: what drives the market.
        speed: of recorded feeds, None for as fast as they go.
        loop: begin a recording again when it ends.
        wait_for_subscriber: recorded feeds start when a client has subscribed.
        seed: of the built-in market.
        tape_bytes_max, tape_hours_max: what the tape is kept to.
        snapshot_every: records between snapshots of the market.
        retained_bytes_max: published bytes kept for clients that lag.
        deflate: offer permessage-deflate: fewer bytes for more work.
        require_key: market data only for clients that have logged in.
        requests_per_second: of one session, with a burst of as many.
        connections_per_ip: sockets of one address.
        upgrades_per_second: of one address, with a burst of as many.
        tls_cert, tls_key: PEM files of the certificate, its chain included, and of its key; none means no TLS. They are
            read again when they change.
        origins: of the web pages that may use the server, besides its own.
        metrics_allow: addresses or networks that `/metrics` is for.
        trusted_proxies: addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
        drain_seconds: over which a planned stop spreads the closes of the sessions; 0 for all at once.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    data_dir: Path | None = None
    durability: Durability | None = None
    feeds: tuple[FeedSpec, ...] = (FeedSpec(SIMULATED),)
    speed: float | None = 1.0
    loop: bool = False
    wait_for_subscriber: bool = False
    seed: int = 1
    tape_bytes_max: int = TAPE_BYTES_MAX
    tape_hours_max: int = TAPE_HOURS_MAX
    snapshot_every: int = SNAPSHOT_EVERY_RECORDS
    retained_bytes_max: int = RETAINED_BYTES_MAX
    deflate: bool = False
    require_key: bool = False
    requests_per_second: int = REQUESTS_PER_SECOND_MAX
    connections_per_ip: int = CONNECTIONS_PER_IP_MAX
    upgrades_per_second: int = UPGRADES_PER_SECOND_MAX
    tls_cert: Path | None = None
    tls_key: Path | None = None
    origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    metrics_allow: tuple[str, ...] = METRICS_ALLOW
    drain_seconds: float = DRAIN_SECONDS

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"port {self.port}: give one from 0 to 65535")
        positive = (
            "tape_bytes_max",
            "tape_hours_max",
            "snapshot_every",
            "retained_bytes_max",
            "requests_per_second",
            "connections_per_ip",
            "upgrades_per_second",
        )
        for name in positive:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1")
        if not 0 <= self.drain_seconds <= DRAIN_SECONDS_MAX:
            raise ConfigError(f"drain_seconds {self.drain_seconds:g}: give 0 to {DRAIN_SECONDS_MAX}")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("TLS takes both tls_cert and tls_key")
        for origin in self.origins:
            check_origin(origin)
        for network in self.trusted_proxies:
            check_network(network, "trusted proxy")
        for network in self.metrics_allow:
            check_network(network, "metrics reader")
        if len(set(self.feeds)) != len(self.feeds):
            raise ConfigError("the same feed is given twice")
