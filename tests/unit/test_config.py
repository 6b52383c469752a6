"""Settings are checked before anything starts, and the error says what would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tickwire.config import FeedSpec, ServerSettings, parse_feed, parse_speed
from tickwire.errors import ConfigError


def test_feeds() -> None:
    assert parse_feed("simulated") == FeedSpec("simulated")
    assert parse_feed("recorded:binance:a/b.gz") == FeedSpec("recorded", "binance", Path("a/b.gz"))
    assert parse_feed("recorded:fx:C:/ticks.zip") == FeedSpec("recorded", "fx", Path("C:/ticks.zip"))


@pytest.mark.parametrize("text", ["", "simulate", "recorded", "recorded:binance", "recorded:binance:", "recorded::x"])
def test_a_wrong_feed_names_the_choices(text: str) -> None:
    with pytest.raises(ConfigError, match=r"`simulated` or `recorded:FORMAT:PATH`"):
        parse_feed(text)


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("1", 1.0), ("0.5", 0.5), ("1000", 1000.0)])
def test_speeds(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["", "0", "-1", "fast", "nan", "inf", "1e9"])
def test_a_wrong_speed_says_what_would_do(text: str) -> None:
    with pytest.raises(ConfigError, match="`max`"):
        parse_speed(text)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"port": -1}, "port"),
        ({"port": 65_536}, "port"),
        ({"tape_bytes_max": 0}, "tape_bytes_max"),
        ({"tape_hours_max": 0}, "tape_hours_max"),
        ({"snapshot_every": 0}, "snapshot_every"),
        ({"retained_bytes_max": 0}, "retained_bytes_max"),
        ({"feeds": (FeedSpec("simulated"), FeedSpec("simulated"))}, "feed"),
    ],
)
def test_a_setting_out_of_bounds_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        ServerSettings(**settings)
