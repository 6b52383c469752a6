"""Rows as a data frame of polars or pandas, and as a small HTML table: what a notebook works with and shows.

Nothing is rounded: a decimal column is `Decimal(38, scale)` in polars, `scale` being the most decimals of its values,
and in pandas, which has no such type, a column of Python's `Decimal`. Times are UTC, in ns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, NamedTuple, TypeAlias

from tickwire.errors import InvalidInput, NotInstalled

Backend: TypeAlias = Literal["polars", "pandas"]
BACKENDS: tuple[Backend, ...] = ("polars", "pandas")
"""The first that is installed is taken, unless one is named."""
DECIMAL_DIGITS = 38
"""The most that polars counts with."""


class Column(NamedTuple):
    """The values of a column and what they are. A `time` is ns since the epoch."""

    kind: Literal["text", "integer", "boolean", "decimal", "time"]
    values: Sequence[Any]


def data_frame(columns: Mapping[str, Column], backend: Backend | None = None) -> Any:
    """A data frame of these columns.

    Args:
        backend: the library; None takes polars where it is installed, else pandas.

    Raises:
        NotInstalled: it is not installed, or none is. InvalidInput: no such backend, or a decimal column needs more
            digits than polars has.
    """
    name, library = _library(backend)
    series = _polars if name == "polars" else _pandas
    return library.DataFrame({title: series(library, column) for title, column in columns.items()})


def html_table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as a notebook shows it."""
    line = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{line}</tr></thead><tbody>{body}</tbody></table>"


def _library(backend: Backend | None) -> tuple[Backend, ModuleType]:
    if backend is not None and backend not in BACKENDS:
        raise InvalidInput(f"backend must be {' or '.join(BACKENDS)}, not {backend!r}", field="backend")
    for name in (backend,) if backend is not None else BACKENDS:
        try:
            return name, import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    raise NotInstalled(f"a data frame needs {backend or ' or '.join(BACKENDS)}: pip install {backend or BACKENDS[0]}")


def _polars(polars: Any, column: Column) -> Any:
    kind, values = column
    if kind == "time":
        return polars.Series(values, dtype=polars.Int64).cast(polars.Datetime("ns", "UTC"))
    if kind == "decimal":
        decimals = _decimals(values)
        whole = max((value.adjusted() + 1 for value in values), default=0)
        if max(0, whole) + decimals > DECIMAL_DIGITS:  # polars would make nulls of what does not fit
            text = f"a column needs more than the {DECIMAL_DIGITS} digits of polars; backend='pandas' has no such limit"
            raise InvalidInput(text, field="backend")
        return polars.Series(values, dtype=polars.Decimal(DECIMAL_DIGITS, decimals))
    types = {"text": polars.String, "integer": polars.Int64, "boolean": polars.Boolean}
    return polars.Series(values, dtype=types[kind])


def _pandas(pandas: Any, column: Column) -> Any:
    kind, values = column
    if kind == "time":
        return pandas.Series(values, dtype="int64").astype("datetime64[ns, UTC]")
    types = {"decimal": "object", "text": "str", "integer": "int64", "boolean": "bool"}
    return pandas.Series(values, dtype=types[kind])


def _decimals(values: Sequence[Decimal]) -> int:
    """The most digits after the point."""
    return max((max(0, -int(value.as_tuple().exponent)) for value in values), default=0)
