"""Instruments: their names, the channels they have, and the steps that everything of theirs is printed in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tickwire.errors import InvalidInput, InvalidNumber
from tickwire.model.instrument import Instrument


def instrument(**more: Any) -> Instrument:
    given = {
        "venue": "SIM",
        "base": "BTC",
        "quote": "USDT",
        "asset_class": "crypto",
        "tick_size": "0.01",
        "lot_size": "0.001",
        "kind": "mirrored",
    }
    return Instrument(**(given | more))


def test_the_symbol_is_venue_base_and_quote() -> None:
    assert instrument().symbol == "SIM:BTC-USDT"
    assert instrument(venue="NYSE", base="BRK.B", quote="USD").symbol == "NYSE:BRK.B-USD"
    assert instrument(venue="INDEPENDENT_RESERVE", base="1INCH").symbol == "INDEPENDENT_RESERVE:1INCH-USDT"


@pytest.mark.parametrize("part", ["", "A:B", "A-B", "A B", "Ä", "_", ".", "A\n"])
@pytest.mark.parametrize("field", ["venue", "base", "quote"])
def test_a_part_of_the_symbol_that_would_make_it_ambiguous(field: str, part: str) -> None:
    with pytest.raises(InvalidInput, match="must be letters, digits") as caught:
        instrument(**{field: part})
    assert caught.value.field == field
    assert repr(part) in caught.value.message


@pytest.mark.parametrize("step", ["", "0", "-0.01", "1e-2", ".5", "1.", "0,01"])
@pytest.mark.parametrize("field", ["tick_size", "lot_size"])
def test_a_step_that_is_none(field: str, step: str) -> None:
    with pytest.raises(InvalidNumber) as caught:
        instrument(**{field: step})
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field}: ")


@pytest.mark.parametrize("book", ["levels", "none"])
def test_a_matched_instrument_has_a_book_by_order(book: str) -> None:
    with pytest.raises(InvalidInput, match='a matched instrument has book "orders"') as caught:
        instrument(kind="matched", book=book)
    assert caught.value.field == "book"
    assert instrument(kind="matched", book="orders").book == "orders"


@pytest.mark.parametrize(
    ("asset_class", "book", "channels"),
    [
        ("crypto", "orders", "trades book book_l3 quotes candles ticker status"),
        ("crypto", "levels", "trades book quotes candles ticker status"),
        ("future", "levels", "trades book quotes candles ticker status"),
        ("equity", "none", "trades quotes candles ticker status"),
        ("fx", "none", "trades quotes candles ticker rates status"),
        ("index", "none", "trades quotes candles ticker rates status"),
        ("fx", "orders", "trades book book_l3 quotes candles ticker rates status"),
    ],
)
def test_channels(asset_class: str, book: str, channels: str) -> None:
    assert instrument(asset_class=asset_class, book=book).channels == tuple(channels.split())


@pytest.mark.parametrize(
    ("tick_size", "lot_size", "price", "size", "notional", "rate"),
    [  # each is the text of 7 steps
        ("0.01", "0.001", "0.07", "0.007", "0.00007", "0.007"),
        ("0.25", "1", "1.75", "7", "1.75", "0.175"),
        ("0.00001", "1000", "0.00007", "7000", "0.07000", "0.000007"),
        ("5", "100", "35", "700", "3500", "3.5"),
        ("1", "1", "7", "7", "7", "0.7"),
        ("12.5", "0.5", "87.5", "3.5", "43.75", "8.75"),
        ("0.0100", "0.10", "0.0700", "0.70", "0.007000", "0.00700"),
    ],
)
def test_the_steps_of_everything(
    tick_size: str, lot_size: str, price: str, size: str, notional: str, rate: str
) -> None:
    made = instrument(tick_size=tick_size, lot_size=lot_size)
    assert (made.price.format(7), made.size.format(7)) == (price, size)
    assert made.notional.format(7) == notional
    assert made.rate.format(7) == rate


def test_a_rate_in_tenths_of_a_tick_shows_a_middle_exactly() -> None:
    fx = instrument(tick_size="0.00001", asset_class="fx")
    bid, ask = fx.price.parse("1.08001"), fx.price.parse("1.08002")
    assert fx.rate.format((bid + ask) * 5) == "1.080015"


def test_a_wrong_instrument_can_not_be_decoded_either() -> None:
    body = msgspec.json.encode(instrument()).replace(b"BTC", b"B-C")
    with pytest.raises(InvalidInput, match="base 'B-C'"):
        msgspec.json.decode(body, type=Instrument)
