"""The settings of a server, checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from tickwire.errors import ConfigError
from tickwire.limits import (
    REQUESTS_PER_SECOND_MAX,
    RETAINED_BYTES_MAX,
    SNAPSHOT_EVERY_RECORDS,
    TAPE_BYTES_MAX,
    TAPE_HOURS_MAX,
)
from tickwire.tape.base import Durability

SIMULATED = "simulated"


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
        require_key: market data only for clients that have logged in.
        requests_per_second: of one session, with a burst of as many.
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
    require_key: bool = False
    requests_per_second: int = REQUESTS_PER_SECOND_MAX

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"port {self.port}: give one from 0 to 65535")
        positive = ("tape_bytes_max", "tape_hours_max", "snapshot_every", "retained_bytes_max", "requests_per_second")
        for name in positive:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1")
        if len(set(self.feeds)) != len(self.feeds):
            raise ConfigError("the same feed is given twice")
