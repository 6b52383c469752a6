"""Decimal strings to ticks and lots and back: exact, and strict about what a number is."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.errors import InvalidNumber
from tickwire.model.units import DIGITS_MAX, UNITS_MAX, Scale, scale

STEPS = ("0.01", "0.25", "0.0100", "0.00000001", "0.5", "1", "5", "100", "12.5")
PLAIN_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")

steps = st.sampled_from(STEPS)
exact = settings(max_examples=300, derandomize=True, deadline=None)


@exact
@given(steps, st.integers(-(10**18), 10**18))
def test_format_is_exact_and_parse_is_its_inverse(step: str, n: int) -> None:
    text = scale(step).format(n)
    assert PLAIN_DECIMAL.fullmatch(text)
    assert Fraction(text) == n * Fraction(step)
    assert len(text.partition(".")[2]) == len(step.partition(".")[2])
    assert scale(step).parse(text) == n


@exact
@given(steps, st.text("0123456789.-+eE_ \n٣²", max_size=8) | st.from_regex(PLAIN_DECIMAL, fullmatch=True))
def test_parse_is_exact_or_refuses(step: str, text: str) -> None:
    expected = Fraction(text) / Fraction(step) if PLAIN_DECIMAL.fullmatch(text) and text.isascii() else None
    if expected is None or expected.denominator != 1 or abs(expected) > UNITS_MAX or len(text) > DIGITS_MAX:
        with pytest.raises(InvalidNumber):
            scale(step).parse(text)
    else:
        assert scale(step).parse(text) == expected


@pytest.mark.parametrize(
    ("step", "text", "n"),
    [
        ("0.01", "1.23", 123),
        ("0.01", "1.2", 120),
        ("0.01", "1", 100),
        ("0.01", "1.2300", 123),
        ("0.01", "007.50", 750),
        ("0.01", "-0.05", -5),
        ("0.01", "-0", 0),
        ("0.25", "0.75", 3),
        ("0.25", "-1", -4),
        ("100", "2500", 25),
    ],
)
def test_parse(step: str, text: str, n: int) -> None:
    assert scale(step).parse(text) == n


@pytest.mark.parametrize(
    ("step", "n", "text"),
    [
        ("0.01", 5, "0.05"),
        ("0.01", -5, "-0.05"),
        ("0.01", 0, "0.00"),
        ("0.0100", 3, "0.0300"),
        ("0.25", 7, "1.75"),
        ("100", -25, "-2500"),
    ],
)
def test_format(step: str, n: int, text: str) -> None:
    assert scale(step).format(n) == text


@pytest.mark.parametrize(
    "text",
    ["", ".", "-", "1.", ".5", "+1", "--1", "1-", " 1", "1 ", "1\n", "1_000", "1,5", "1e5", "0x1", "1.2.3", "nan",
     "inf", "٣", "1.٣", "１", "²"],
)  # fmt: skip
def test_malformed_numbers(text: str) -> None:
    with pytest.raises(InvalidNumber, match="is not a plain decimal number") as caught:
        scale("0.01").parse(text, field="stop_price")
    assert caught.value.field == "stop_price"
    assert caught.value.message.startswith(f"stop_price {text!r}")


@pytest.mark.parametrize(
    ("step", "text"),
    [("0.01", "0.001"), ("0.01", "1.239"), ("0.25", "0.30"), ("0.25", "-0.1"), ("5", "12"), ("1", "0.5")],
)
def test_not_a_multiple_of_the_step(step: str, text: str) -> None:
    with pytest.raises(InvalidNumber, match=f"size {text} is not a multiple of {step}") as caught:
        scale(step).parse(text, field="size")
    assert caught.value.field == "size"


@pytest.mark.parametrize(
    ("step", "decimals", "units"), [("0.01", 2, 1), ("0.25", 2, 25), ("0.0100", 4, 100), ("5", 0, 5), ("12.5", 1, 125)]
)
def test_a_step(step: str, decimals: int, units: int) -> None:
    made = Scale(step)
    assert (made.step, made.decimals, made.units, made.divisor) == (step, decimals, units, 10**decimals)
    assert scale(step) is scale(step)


@pytest.mark.parametrize("step", ["", ".", "1.", "-1", "+1", "1e-2", "0.0_1", " 1", "٠.١", "0", "0.00"])
def test_bad_steps(step: str) -> None:
    with pytest.raises(InvalidNumber) as caught:
        Scale(step)
    assert caught.value.field == "step"


@pytest.mark.parametrize("text", ["9" * 5000, "1" + "0" * 30, "10000000000000000.01"])
def test_a_number_too_large_for_the_tape_is_refused(text: str) -> None:
    with pytest.raises(InvalidNumber, match="size") as caught:
        Scale("0.01").parse(text, "size")
    assert caught.value.field == "size"


def test_the_largest_number_is_accepted() -> None:
    assert Scale("0.01").parse("10000000000000000.00") == 10**18
