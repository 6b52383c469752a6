"""What an account is told of itself: its orders' executions, its balances, and money that came or went.

The market says how things stand after a command; the venue says what happened. So a codec keeps what was said last of
each open order and of each asset, and tells the difference.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from tickwire.dialects.base import QuietCodec
from tickwire.dialects.binance.decimals import amount, formats
from tickwire.dialects.binance.names import SELF_TRADE_PREVENTION, name_of
from tickwire.dialects.binance.orders import NO_LIST, side_of, status_of, time_in_force_of, type_of, working_since
from tickwire.engine.terms import Terms
from tickwire.market.market import Market
from tickwire.model.channel import StreamKey
from tickwire.model.events import Balances, Event, Fill, OrderUpdate
from tickwire.model.instrument import Instrument
from tickwire.model.order import Order
from tickwire.protocol.codec import TEXT, frame

_ENDED = {"CANCELED": "CANCELED", "EXPIRED": "EXPIRED", "EXPIRED_IN_MATCH": "TRADE_PREVENTION"}
"""The execution type that goes with how an order ended, where it did not end by trading."""
_REPORTS = 4
"""Kinds of reports that one event can make, so that the numbers of executions do not meet."""


class _Told(NamedTuple):
    """What was said last of an open order."""

    waiting: bool
    price: int | None
    size: int
    remaining: int


class UserCodec(QuietCodec):
    """Writes one account's events for the subscriptions that have one number, in one unit of time.

    Args:
        subscription: its number in the session.
        unit: nanoseconds in the unit of the times.
    """

    name = "binance"

    def __init__(self, market: Market, account: str, subscription: int, unit: int) -> None:
        self._market = market
        self._account = account
        self._subscription = subscription
        self._unit = unit
        self._orders: dict[int, _Told] = {}
        self._totals: dict[str, int] = {}

    # ---- tickwire.streams.log.Codec --------------------------------------------------------------

    def snapshot(self, key: StreamKey, event: Event | None, *, seq: int, ts: int) -> bytes:
        """Nothing is said at first, but from here on it is known what was."""
        orders = self._market.open_orders_of(self._account)
        self._orders = {order.order_id: _told(order) for order in orders}
        balances = self._market.view(StreamKey("balances", self._account))
        assert isinstance(balances, Balances)
        self._totals = {asset: available + held for asset, available, held in balances.balances}
        return b""

    def updates(self, key: StreamKey, events: list[Event]) -> bytes:
        """What a transaction did to the account, in order."""
        said: list[dict[str, Any]] = []
        fills: dict[int, list[Fill]] = {}
        traded: dict[str, int] = {}
        for event in events:
            if isinstance(event, Fill):
                fills.setdefault(event.order_id, []).append(event)
                self._count(event, traded)
            elif isinstance(event, OrderUpdate):
                said += self._executions(event, fills.pop(event.order.order_id, []))
            elif isinstance(event, Balances):
                said += self._balances(event, traded)
                traded = {}
        return b"".join(self.frame(event) for event in said)

    def dropped(self, key: StreamKey, first: int, last: int) -> None:
        """The venue has no words for it: the client is closed, and asks how things stand when it comes again."""

    # ---- events ----------------------------------------------------------------------------------

    def frame(self, event: dict[str, Any]) -> bytes:
        """An event as the subscription's clients get it."""
        return frame(TEXT, msgspec.json.encode({"subscriptionId": self._subscription, "event": event}))

    def terminated(self, now: int) -> bytes:
        """The last event of a subscription."""
        return self.frame({"e": "eventStreamTerminated", "E": now // self._unit})

    def _count(self, fill: Fill, traded: dict[str, int]) -> None:
        """Note what a fill does to the balances."""
        instrument = self._instrument(fill.instrument)
        terms = Terms(instrument)
        sign = 1 if fill.side == "buy" else -1
        value = fill.price * fill.size * terms.notional_value
        base, quote = instrument.base, instrument.quote
        traded[base] = traded.get(base, 0) + sign * fill.size * terms.lot_value
        traded[quote] = traded.get(quote, 0) - sign * value - fill.fee

    def _balances(self, event: Balances, traded: dict[str, int]) -> list[dict[str, Any]]:
        """The balances that changed; before them what neither orders nor fills account for: transfers."""
        time, said = event.ts // self._unit, []
        for asset, available, held in event.balances:
            total = available + held
            moved = total - self._totals.get(asset, 0) - traded.get(asset, 0)
            self._totals[asset] = total
            if moved:
                said.append({"e": "balanceUpdate", "E": time, "a": asset, "d": amount(moved), "T": time})
        rows = [{"a": asset, "f": amount(free), "l": amount(held)} for asset, free, held in event.balances]
        said.append({"e": "outboundAccountPosition", "E": time, "u": time, "B": rows})
        return said

    def _executions(self, event: OrderUpdate, fills: list[Fill]) -> list[dict[str, Any]]:
        """What happened to an order: it was entered, woken or amended, traded, and ended."""
        order = event.order
        told = self._orders.get(order.order_id)
        filled = order.filled - sum(fill.size for fill in fills)
        cost = order.cost - sum(fill.price * fill.size for fill in fills)
        status = "PARTIALLY_FILLED" if filled else "NEW"
        waited = told is not None and told.waiting
        woken = waited and (bool(fills) or order.status == "open")
        since = None if waited and not woken else working_since(order)
        instrument = self._instrument(order.symbol)
        report = _Report(order, instrument, event.ts, self._unit, _REPORTS * event.seq, since)
        said = []
        if told is None or woken:
            said.append(report.made("NEW", status, 0, filled, cost))
        elif (told.price, told.size) != (order.price, order.size):
            said.append(report.made("REPLACED", status, 0, filled, cost))
        for fill in fills:
            filled += fill.size
            cost += fill.price * fill.size
            status = "FILLED" if filled == order.size else "PARTIALLY_FILLED"
            said.append(report.made("TRADE", status, 0, filled, cost, fill))
        ended = None if order.live else _ENDED.get(status_of(order))
        if ended is not None:
            said.append(report.made(ended, status_of(order), 1, filled, cost))
        elif order.live and order.reason == "self_trade" and self._was_cut(told, order, fills):
            said.append(report.made("TRADE_PREVENTION", status_of(order), 2, filled, cost))
        if order.live:
            self._orders[order.order_id] = _told(order)
        else:
            self._orders.pop(order.order_id, None)
        return said

    def _was_cut(self, told: _Told | None, order: Order, fills: list[Fill]) -> bool:
        before = order.size if told is None else told.remaining + order.size - told.size
        return before - sum(fill.size for fill in fills) != order.remaining

    def _instrument(self, symbol: str) -> Instrument:
        return self._market.listing(symbol).instrument


class _Report(NamedTuple):
    """Makes the `executionReport`s of one order's update.

    Attributes:
        time: of the tape, ns. unit: nanoseconds in the unit of the times.
        execution: the first of the update's numbers of executions.
        since: when the order came to be matched, ns; None where it has not.
    """

    order: Order
    instrument: Instrument
    time: int
    unit: int
    execution: int
    since: int | None

    def made(self, what: str, status: str, number: int, filled: int, cost: int, fill: Fill | None = None) -> Any:
        """One report.

        Args:
            what, status: the execution type and the order's status after it.
            number: tells the executions of one update apart.
            filled, cost: lots and ticks x lots, after it.
            fill: the trade, where it is one.
        """
        order, i, time = self.order, self.instrument, self.time // self.unit
        price, size, notional = formats(i)
        live = status in ("NEW", "PARTIALLY_FILLED")
        report: dict[str, Any] = {
            "e": "executionReport",
            "E": time,
            "s": name_of(i),
            "c": order.client_order_id,
            "S": side_of(order),
            "o": type_of(order),
            "f": time_in_force_of(order),
            "q": size(order.size),
            "p": price(order.price or 0),
            "P": price(order.stop_price or 0),
            "F": size(order.display_size),
            "g": NO_LIST,
            "C": order.client_order_id if what == "CANCELED" else "",
            "x": what,
            "X": status,
            "r": "NONE",
            "i": order.order_id,
            "l": size(fill.size if fill else 0),
            "z": size(filled),
            "L": price(fill.price if fill else 0),
            "n": amount(fill.fee) if fill else "0",
            "N": i.quote if fill else None,
            "T": time,
            "t": int(fill.trade_id) if fill else -1,
            "I": _REPORTS * fill.seq + 3 if fill else self.execution + number,
            "w": live and self.since is not None,
            "m": fill is not None and fill.liquidity == "maker",
            "M": False,
            "O": order.created // self.unit,
            "Z": notional(cost),
            "Y": notional(fill.price * fill.size if fill else 0),
            "Q": notional(0),
            "V": SELF_TRADE_PREVENTION[order.self_trade_prevention],
        }
        if self.since is not None:
            report["W"] = self.since // self.unit
        return report


def _told(order: Order) -> _Told:
    return _Told(order.status == "waiting", order.price, order.size, order.remaining)
