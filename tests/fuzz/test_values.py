"""The small parsers: decimals, times, ids and names, streams, instruments, settings of the command line and its file.

The contract: each gives a value within its bounds that prints as what was read, or its one error, which names the field
or the option and is short whatever was given.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fuzz.harness import TEXTS, damaged, fuzzed, torn
from tickwire.cli.main import app
from tickwire.config import FeedSpec, ServerSettings, check_network, check_origin, parse_feed, parse_speed
from tickwire.errors import ConfigError, InvalidInput, InvalidNumber
from tickwire.model.channel import CHANNELS, PRIVATE_CHANNELS, stream_key
from tickwire.model.instrument import Instrument
from tickwire.model.units import DIGITS_MAX, UNITS_MAX, Scale, asset_text, asset_units, scale
from tickwire.protocol.params import TIME_MAX, check_id, check_name, parse_steps, parse_time

DIGITS = st.text("0123456789", max_size=25)
DECIMALS = st.one_of(
    st.builds(lambda sign, whole, dot, rest: sign + whole + dot + rest, st.sampled_from(["", "-", "+"]), DIGITS,
              st.sampled_from(["", ".", ",", "e"]), DIGITS),
    st.text("0123456789.-+eE_ ٣²", max_size=12),
    TEXTS,
    st.integers(39, 5_000).map(lambda count: "9" * count),
)  # fmt: skip
STEPS = st.sampled_from(["0.01", "1", "0.25", "0.00001", "10", "0.0100", "1000000", "0.3"])


@fuzzed(400)
@given(STEPS, DECIMALS)
def test_scale(step: str, text: str) -> None:
    unit = scale(step)
    try:
        count = unit.parse(text, "price")
    except InvalidNumber as error:
        assert error.field == "price"  # noqa: PT017
        return
    assert abs(count) <= UNITS_MAX
    assert Fraction(unit.format(count)) == Fraction(text) == count * Fraction(step)
    assert unit.parse(unit.format(count), "price") == count


@fuzzed(200)
@given(DECIMALS)
def test_steps(text: str) -> None:
    try:
        unit = Scale(text)
    except InvalidNumber as error:
        assert error.field == "step"  # noqa: PT017
        return
    assert Fraction(unit.format(1)) == Fraction(text) > 0


@fuzzed(300)
@given(DECIMALS)
def test_amounts(text: str) -> None:
    try:
        units = asset_units(text)
    except InvalidNumber as error:
        assert error.field == "amount"  # noqa: PT017
        return
    assert len(text) <= DIGITS_MAX + 2
    assert units == Fraction(text) * 10**18
    assert asset_units(asset_text(units)) == units


@fuzzed(100)
@given(st.integers() | st.sampled_from([0, TIME_MAX, TIME_MAX + 1]), DECIMALS)
def test_times_and_positive_steps(value: int, text: str) -> None:
    try:
        assert parse_time(value, "deadline") == value
        assert 0 < value <= TIME_MAX
    except InvalidInput as error:
        assert error.field == "deadline"  # noqa: PT017
    try:
        assert parse_steps(scale("0.01"), text, "size") > 0
    except InvalidInput as error:
        assert error.field == "size"  # noqa: PT017


@fuzzed(200)
@given(TEXTS | st.text(max_size=50))
def test_ids_and_names(text: str) -> None:
    for check in (check_id, check_name):
        try:
            check(text, "account")
        except InvalidInput as error:
            assert error.field == "account"  # noqa: PT017
        else:
            assert len(text) <= 36
            assert text.isascii()
            assert all(character.isprintable() for character in text)


NUMBERS = st.none() | st.sampled_from([5, 10, 100, 0, -1, 2**70]) | st.integers()


@fuzzed(200)
@given(
    st.sampled_from([*CHANNELS, *PRIVATE_CHANNELS]) | TEXTS, TEXTS, NUMBERS, NUMBERS, st.none() | TEXTS | st.just("1h")
)
def test_streams(channel: str, symbol: str, depth: int | None, interval_ms: int | None, interval: str | None) -> None:
    try:
        key = stream_key(channel, symbol, depth=depth, interval_ms=interval_ms, interval=interval)
    except InvalidInput as error:
        assert error.field in ("channel", "depth", "interval_ms", "interval")  # noqa: PT017
        return
    again = stream_key(
        key.channel,
        key.symbol,
        depth=key.depth or None,
        interval_ms=key.interval_ms or None,
        interval=key.interval or None,
    )
    assert again == key


INSTRUMENT = {
    "venue": "SIM", "base": "BTC", "quote": "USDT", "asset_class": "crypto", "tick_size": "0.01", "lot_size": "0.001",
    "kind": "matched", "book": "orders", "feed": "test", "maker_fee": "0", "taker_fee": "0.001",
}  # fmt: skip


@fuzzed(200)
@given(st.sampled_from(["venue", "base", "quote", "tick_size", "lot_size", "maker_fee", "taker_fee"]), TEXTS | DECIMALS)
def test_instruments(field: str, text: str) -> None:
    given_: dict[str, Any] = INSTRUMENT | {field: text}
    try:
        instrument = Instrument(**given_)
        fees = instrument.maker_fee_ppm, instrument.taker_fee_ppm
    except InvalidInput as error:
        assert error.field  # noqa: PT017
        return
    assert instrument.price.parse(instrument.price.format(1), "price") == 1
    assert all(abs(fee) <= 10**6 for fee in fees)
    assert ":" in instrument.symbol


# ---- the command line and its file ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("parse", "good"),
    [
        (parse_feed, "recorded:binance:data/a.jsonl"),
        (parse_speed, "10.5"),
        (check_origin, "https://app.example:8443"),
        (lambda text: check_network(text, "proxy"), "10.0.0.0/8"),
    ],
)
@fuzzed(100)
@given(data=st.data())
def test_settings(parse: Callable[[str], Any], good: str, data: st.DataObject) -> None:
    text = data.draw(torn(good.encode()).map(lambda raw: raw.decode("utf-8", "replace")) | st.text(max_size=30))
    try:
        value = parse(text)
    except ConfigError:
        assert text != good
        return
    if isinstance(value, FeedSpec):
        assert text == "simulated" or text == f"recorded:{value.format}:{value.path}" or text.startswith("recorded:")
    elif isinstance(value, float):
        assert 0 < value < 1e6


VALUES = {
    "port": 0,
    "host": "127.0.0.1",
    "speed": "1",
    "log_level": "warning",
    "require_key": False,
    "feed": ["simulated"],
}


@fuzzed(30)
@given(data=st.data())
def test_configuration_files(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A command ends with 2 and no traceback; no file can make it go on, for its folder is none."""
    folder: Path = tmp_path_factory.mktemp("config")
    (folder / "file").touch()
    settings = data.draw(damaged(VALUES))
    lines = [f"{name} = {toml(value)}" for name, value in settings.items()] if isinstance(settings, dict) else []
    content = "\n".join(["[doctor]", 'data_dir = "."', "[serve]", *lines]).encode("utf-8", "replace")
    (folder / "tickwire.toml").write_bytes(data.draw(torn(content)))
    result = CliRunner().invoke(app, ["--config", str(folder / "tickwire.toml"), "doctor", str(folder / "file")])
    assert result.exit_code == 2, result.exception
    assert "Traceback" not in result.output


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else repr(str(value))


def test_every_number_of_the_settings_has_a_least_one() -> None:
    for field in ("tape_bytes_max", "tape_hours_max", "snapshot_every", "retained_bytes_max", "requests_per_second"):
        with pytest.raises(ConfigError, match=field):
            ServerSettings(**{field: 0})  # type: ignore[arg-type]
