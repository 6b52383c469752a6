"""Amounts, fees, holds and limits, to the last unit."""

from __future__ import annotations

from typing import Any

import pytest

from tickwire.engine.terms import Terms
from tickwire.model.instrument import Instrument
from tickwire.model.outcome import Refused


def terms(tick_size: str = "0.25", lot_size: str = "0.00001", **more: Any) -> Terms:
    return Terms(
        Instrument(
            venue="V", base="BTC", quote="USD", asset_class="crypto", tick_size=tick_size, lot_size=lot_size,
            kind="matched", book="orders", **more,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tick_size", "lot_size", "lot_value", "notional_value"),
    [
        ("0.25", "0.00001", 10**13, 25 * 10**11),
        ("1", "1", 10**18, 10**18),
        ("0.0100", "5", 5 * 10**18, 5 * 10**16),
        ("0.0000000001", "0.00000001", 10**10, 1),
    ],
)
def test_what_a_lot_and_a_tick_of_it_are_worth(
    tick_size: str, lot_size: str, lot_value: int, notional_value: int
) -> None:
    each = terms(tick_size, lot_size)
    assert (each.lot_value, each.notional_value) == (lot_value, notional_value)


def test_fees_and_rebates_are_rounded_towards_zero() -> None:
    each = terms()
    assert each.fee(1_999_999, 1) == 1
    assert each.fee(999_999, 1) == 0
    assert each.fee(1_999_999, -1) == -1
    assert each.fee(999_999, -1) == 0
    assert each.fee(10**24 + 1, 503) == 503 * 10**18


def test_a_hold_is_the_cost_and_the_higher_fee() -> None:
    unit = ("0.0000000001", "0.00000001")  # a tick x lot is one unit
    assert terms(*unit, maker_fee="0.001", taker_fee="0.002").hold("buy", 1, 1_999) == 1_999 + 3
    assert terms(*unit, maker_fee="0.003", taker_fee="0.002").hold("buy", 1, 1_999) == 1_999 + 5
    assert terms(*unit, maker_fee="-0.001", taker_fee="0.001").hold("buy", 1, 999) == 999
    assert terms(*unit, maker_fee="0.002", taker_fee="-0.001").hold("buy", 1, 1_500) == 1_500 + 3
    assert terms(maker_fee="0.0001", taker_fee="0.0005").hold("buy", 1, 7) == 7 * 25 * 10**11 + 875 * 10**7


def test_a_hold_covers_its_parts() -> None:
    each = terms("0.0000000001", "0.00000001", taker_fee="0.000503")
    for whole in (1_987, 1_988, 5_964, 5_965):
        holds = [each.hold("buy", 1, cost) for cost in range(whole + 1)]
        assert all(holds[part] + holds[whole - part] <= holds[whole] for part in range(whole))


def test_the_band() -> None:
    assert terms().band(100) is None
    assert terms(price_band="0.1").band(None) is None
    assert terms(price_band="0.1").band(100) == (90, 110)
    assert terms(price_band="0.1").band(109) == (99, 119)  # 10.9 ticks wide, rounded down
    assert terms(price_band="2").band(100) == (1, 300)
    assert terms(price_band="0").band(7) == (7, 7)


def test_each_limit_at_its_edge() -> None:
    each = terms(price_band="0.1", size_max="0.002", notional_min="1", notional_max="50")
    assert each.refusal(100, 4_000, 4_000) is None
    assert each.refusal(200, 2_000, None) is None  # nothing to go by: no band
    assert each.refusal(201, 100, None) == Refused(
        "size_too_large", "size 0.00201 is above V:BTC-USD's largest, 0.002", "size"
    )
    assert each.refusal(2, 200_000, 200_000) is None  # 1 USD
    assert each.refusal(1, 399_999, 400_000) == Refused(
        "notional_too_small", "0.9999975 USD is below V:BTC-USD's least, 1", "size"
    )
    assert each.refusal(50, 400_000, 400_000) is None  # 50 USD
    assert each.refusal(50, 400_001, 400_000) == Refused(
        "notional_too_large", "50.0001250 USD is above V:BTC-USD's most, 50", "size"
    )


def test_the_edges_of_the_band() -> None:
    each = terms(price_band="0.1")
    assert each.refusal(1, 360, 400) is None
    assert each.refusal(1, 440, 400) is None
    text = "price {} is outside 90.00 to 110.00, 0.1 around the market"
    assert each.refusal(1, 359, 400) == Refused("price_out_of_band", text.format("89.75"), "price")
    assert each.refusal(1, 441, 400) == Refused("price_out_of_band", text.format("110.25"), "price")


def test_a_market_order_is_valued_at_the_market() -> None:
    each = terms(price_band="0.1", notional_min="1")
    assert each.refusal(1, None, 400_000) is None
    refusal = each.refusal(1, None, 399_999)
    assert refusal is not None
    assert refusal.code == "notional_too_small"
    assert each.refusal(1, None, None) is None
