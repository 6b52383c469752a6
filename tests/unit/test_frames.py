"""Data frames: exact values in both libraries, and words when there is none."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest

from tickwire.errors import InvalidInput, NotInstalled
from tickwire.frames import Backend, Column, data_frame, html_table

pandas: Any = import_module("pandas")
polars: Any = import_module("polars")

FINE, LARGE = Decimal("0.000000000000000001"), Decimal("12345678901234567890.5")
"""Neither is a float, and their sum has more digits than Python's Decimal counts with unless told."""
SUM = Decimal("12345678901234567890.500000000000000001")
COLUMNS = {
    "name": Column("text", ["a", "b"]),
    "count": Column("integer", [1, 2**62]),
    "good": Column("boolean", [True, False]),
    "price": Column("decimal", [FINE, LARGE]),
    "at": Column("time", [0, 1_700_000_000_123_456_789]),
}


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def test_polars_is_taken_first_and_counts_in_exact_decimals() -> None:
    frame = data_frame(COLUMNS)
    assert isinstance(frame, polars.DataFrame)
    assert frame.schema == {
        "name": polars.String,
        "count": polars.Int64,
        "good": polars.Boolean,
        "price": polars.Decimal(38, 18),
        "at": polars.Datetime("ns", "UTC"),
    }
    assert frame["price"].to_list() == [FINE, LARGE]
    assert frame["price"].sum() == SUM
    assert frame["count"].to_list() == [1, 2**62]
    assert frame["at"].to_physical().to_list() == [0, 1_700_000_000_123_456_789]


def test_pandas_holds_decimals_of_python() -> None:
    frame = data_frame(COLUMNS, "pandas")
    assert isinstance(frame, pandas.DataFrame)
    assert frame["price"].tolist() == [FINE, LARGE]
    assert {name: str(kind) for name, kind in frame.dtypes.items() if name != "name"} == {
        "count": "int64",
        "good": "bool",
        "price": "object",
        "at": "datetime64[ns, UTC]",
    }
    assert frame["name"].tolist() == ["a", "b"]
    assert frame["count"].tolist() == [1, 2**62]
    assert frame["at"][0].to_pydatetime() == datetime(1970, 1, 1, tzinfo=UTC)
    assert frame["at"][1].value == 1_700_000_000_123_456_789


@pytest.mark.parametrize("backend", ["polars", "pandas"])
def test_nothing_is_a_frame_with_columns(backend: Backend) -> None:
    frame = data_frame({name: Column(column.kind, []) for name, column in COLUMNS.items()}, backend)
    assert (frame.shape, list(frame.columns)) == ((0, 5), list(COLUMNS))
    kind = polars.Datetime("ns", "UTC") if backend == "polars" else "datetime64[ns, UTC]"
    assert frame["at"].dtype == kind


@pytest.mark.parametrize("values", [["1e37", "0.1"], ["1e38"], ["-1e30", "1e-9"], ["1e-39"]])
def test_what_polars_has_no_digits_for_is_said_and_pandas_holds_it(values: list[str]) -> None:
    column = Column("decimal", [Decimal(value) for value in values])
    with pytest.raises(InvalidInput, match="needs more than the 38 digits of polars; backend='pandas'") as caught:
        data_frame({"price": column})
    assert caught.value.field == "backend"
    assert data_frame({"price": column}, "pandas")["price"].tolist() == column.values


def test_polars_holds_all_of_its_38_digits() -> None:
    values = [Decimal("9" * 37 + ".9"), Decimal("-" + "9" * 37), Decimal(0)]
    assert data_frame({"price": Column("decimal", values)})["price"].to_list() == values
    least = [Decimal("0." + "0" * 37 + "1")]
    assert data_frame({"price": Column("decimal", least)})["price"].to_list() == least


def test_pandas_is_taken_where_polars_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "polars")
    assert isinstance(data_frame(COLUMNS), pandas.DataFrame)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "polars", "pandas")
    with pytest.raises(NotInstalled, match=r"^a data frame needs polars or pandas: pip install polars$"):
        data_frame(COLUMNS)
    with pytest.raises(NotInstalled, match=r"^a data frame needs pandas: pip install pandas$"):
        data_frame(COLUMNS, "pandas")
    with pytest.raises(InvalidInput, match=r"^backend must be polars or pandas, not 'arrow'$"):
        data_frame(COLUMNS, "arrow")  # type: ignore[arg-type]


def test_a_table_of_html_escapes_what_it_shows() -> None:
    assert html_table("A&B", ("x",), [("<b>",), (Decimal("0.10"),)]) == (
        "<table><caption>A&amp;B</caption><thead><tr><th>x</th></tr></thead>"
        "<tbody><tr><td>&lt;b&gt;</td></tr><tr><td>0.10</td></tr></tbody></table>"
    )
