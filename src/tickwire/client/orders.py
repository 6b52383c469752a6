"""One order that keeps itself up to date, and the numbers to place it with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol, Self, TypeAlias, TypeVar

from tickwire.client.waiting import Waiters, final
from tickwire.errors import InvalidInput
from tickwire.protocol.messages import AmendParams, FillData, OrderData, OrderParams, OrderResult

T = TypeVar("T")
Number: TypeAlias = str | Decimal | int
"""A price or size. Never a float, which can't hold most decimal fractions."""
OPEN = frozenset(("open", "waiting"))
"""Statuses of an order that may still fill."""
_DIGITS_MAX = 40
"""Digits of a number: as many as the server reads."""


def decimal_text(number: Number, field: str) -> str:
    """A price or size as the wire has it, without exponent.

    Raises:
        InvalidInput: it is a float, or no finite decimal of at most 40 digits.
    """
    if isinstance(number, bool) or not isinstance(number, str | Decimal | int):
        kind = type(number).__name__
        raise InvalidInput(f'{field} must be a str, Decimal or int such as "0.1", not a {kind}', field=field)
    try:
        value = Decimal(number)
    except (InvalidOperation, ValueError):
        raise InvalidInput(f'{field} must be a decimal such as "0.1", not {number!r}', field=field) from None
    if not value.is_finite() or not -_DIGITS_MAX < value.adjusted() < _DIGITS_MAX:
        raise InvalidInput(f"{field} must be a finite decimal of at most {_DIGITS_MAX} digits", field=field)
    return format(value, "f")


class OrderDesk(Protocol):
    """What a live order needs of its client."""

    async def ask(self, method: str, params: object, settle: Callable[[OrderResult], T]) -> T:
        """A request about an order; `settle` gets the result before the streams bring what came after it."""
        ...


class LiveOrder:
    """An order that follows the account's streams for as long as it is open.

    After a lost connection it shows what was known before, until the new connection has told how it stands. Of
    several pieces of news the one with the latest `updated` counts, and an order that has ended never opens again.
    """

    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk
        self._data: OrderData | None = None
        self._fills: dict[int, FillData] = {}
        self._waiters: Waiters[Any] = Waiters()
        self._end: Exception | None = None

    # ---- reading ---------------------------------------------------------------------------------

    @property
    def data(self) -> OrderData:
        """All that the server says of it."""
        assert self._data is not None  # nobody is handed one before there is a reply
        return self._data

    @property
    def order_id(self) -> str:
        """The server's id."""
        return self.data.order_id

    @property
    def client_order_id(self) -> str:
        """The client's id."""
        return self.data.client_order_id

    @property
    def status(self) -> str:
        """open, waiting (for its stop price), filled, canceled or expired."""
        return self.data.status

    @property
    def closed(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.data.status not in OPEN

    @property
    def filled(self) -> Decimal:
        """Size that has been filled."""
        return Decimal(self.data.filled)

    @property
    def remaining(self) -> Decimal:
        """Size that may still fill."""
        return Decimal(self.data.remaining)

    @property
    def average_price(self) -> Decimal | None:
        """Of what has been filled, None before the first fill."""
        return None if self.data.average_price is None else Decimal(self.data.average_price)

    @property
    def fills(self) -> list[FillData]:
        """Its fills that have arrived, oldest first. They come on a stream of their own: wait with
        `order.until(lambda o: o.complete)` when all are needed."""
        return [self._fills[seq] for seq in sorted(self._fills)]

    @property
    def complete(self) -> bool:
        """Whether it is closed and all its fills have arrived."""
        return self.closed and sum(Decimal(fill.size) for fill in self._fills.values()) >= self.filled

    # ---- waiting and acting ----------------------------------------------------------------------

    async def until(self, predicate: Callable[[Self], object]) -> None:
        """Wait for a state: until `predicate`, called after each change, is true.

        Raises:
            ConnectionLost: the client is closed, or has logged out; what `predicate` raises, too.
            OutcomeUnknown: after a reconnection the server no longer knows the order.
        """
        if predicate(self):
            return
        if self._end is not None:
            raise self._end
        await self._waiters.wait(predicate)

    async def done(self) -> OrderData:
        """Wait until it is closed. Errors as of `until`."""
        await self.until(lambda order: order.closed)
        return self.data

    async def amend(self, price: Number | None = None, size: Number | None = None) -> OrderData:
        """Change its price, its total size, or both; only a smaller size keeps its place in the queue. Errors as of
        `Client.request`, and InvalidInput. When the reply is lost, the order itself will show what came of it."""
        await self._desk.ask("order.amend", amend_params(self.order_id, "", price, size), self._settle)
        return self.data

    async def cancel(self) -> OrderData:
        """Cancel what remains. Errors as of `Client.request`: `order_closed` when it was too late."""
        await self._desk.ask("order.cancel", OrderParams(self.order_id), self._settle)
        return self.data

    def __repr__(self) -> str:
        data = self._data
        if data is None:
            return "<LiveOrder>"
        text = f"{data.side} {data.size} {data.symbol} at {data.price}: {data.status}, {data.filled} filled"
        return f"<LiveOrder {data.order_id} {text}>"

    # ---- what the account calls ------------------------------------------------------------------

    def _update(self, data: OrderData, fills: Iterable[FillData] = ()) -> None:
        known = self._data
        if known is None or (known.status in OPEN and data.updated >= known.updated):
            self._data = data
        self._fills.update((fill.seq, fill) for fill in fills)
        self._waiters.changed(self)

    def _settle(self, result: OrderResult) -> None:
        self._update(result.order, result.fills)

    def _add_fill(self, fill: FillData) -> None:
        self._fills[fill.seq] = fill
        if self._data is not None:
            self._waiters.changed(self)

    def _fail(self, error: Exception) -> None:
        if self._end is None:
            self._end = final(error)
            self._waiters.fail(self._end)


def amend_params(order_id: str, client_order_id: str, price: Number | None, size: Number | None) -> AmendParams:
    """Checked parameters of `order.amend`. Errors as of `decimal_text`."""
    return AmendParams(
        order_id,
        client_order_id,
        None if price is None else decimal_text(price, "price"),
        None if size is None else decimal_text(size, "size"),
    )
