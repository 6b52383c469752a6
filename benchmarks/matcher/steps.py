"""What a book of any make can be told to do: steps, one for each command."""

from __future__ import annotations

from typing import Literal, TypeAlias

from tickwire.model.records import Side

Place: TypeAlias = tuple[Literal[0], int, str, Side, int, int, Literal["gtc", "ioc"]]
"""Kind, order id, account, side, price, size, time in force."""
Cancel: TypeAlias = tuple[Literal[1], int]
"""Kind, order id."""
Amend: TypeAlias = tuple[Literal[2], int, int]
"""Kind, order id, new size."""
Step: TypeAlias = Place | Cancel | Amend
