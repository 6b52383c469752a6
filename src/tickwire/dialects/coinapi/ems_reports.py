"""Execution reports: an order of the market as order entry shows it, whoever placed it and over whichever protocol.

What has become of an order is the market's to say: its status and history are worked out from the order and its
fills, so that every session, the REST interface and a restarted server say the same. Only what the market does not
keep is remembered here, of the newest orders: when a request came in and went on, and the words that it used.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET

from tickwire.dialects.coinapi.ems_messages import NOTHING, FillReport, NewOrder, Report, Status
from tickwire.dialects.coinapi.ids import native_id, symbol_id
from tickwire.dialects.coinapi.messages import Number
from tickwire.dialects.coinapi.times import iso_time
from tickwire.limits import FILLS_SHOWN_MAX
from tickwire.market.market import Market
from tickwire.model.events import Fill
from tickwire.model.instrument import Instrument
from tickwire.model.order import Order
from tickwire.protocol.render_account import average_price

TICKETS_MAX = 20_000
"""Orders whose request is remembered, of all accounts together: some 10 MB. The oldest is forgotten first; then it is
told in the market's words."""

TIME_IN_FORCE = {
    "gtc": "GOOD_TILL_CANCEL",
    "gtd": "GOOD_TILL_TIME_EXCHANGE",
    "ioc": "IMMEDIATE_OR_CANCEL",
    "fok": "FILL_OR_KILL",
}
"""How each time in force of the market is called."""

History: TypeAlias = list[tuple[Status, int]]

UPDATE = "ORDER_EXEC_REPORT_UPDATE"


class Ticket(msgspec.Struct):
    """What was asked, and when (ns).

    Attributes:
        received: the request came. routed: it was handed on to the market.
        cancel_at: the order's cancellation was asked for; 0 when it was not.
    """

    received: int
    routed: int
    time_in_force: str
    expire_time: str | None
    exec_inst: list[str]
    cancel_at: int = 0


class Wanted(NamedTuple):
    """A new order that makes sense.

    Attributes:
        amount, price: plain decimals.
        guarded: cancel it when the connection is lost.
    """

    request: NewOrder
    instrument: Instrument
    amount: str
    price: str
    ticket: Ticket
    guarded: bool


class Blotter:
    """The orders of all accounts, as reports.

    Attributes:
        placing: the symbols of orders that are on their way to the market, by account and client_order_id.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._tickets: OrderedDict[tuple[str, str | int], Ticket] = OrderedDict()
        self.placing: dict[tuple[str, str], str] = {}

    # ---- what is remembered ----------------------------------------------------------------------

    def knows(self, account: str, client_order_id: str) -> bool:
        """Whether an account has such an order, or one on its way."""
        on_its_way = (account, client_order_id) in self.placing
        return on_its_way or self._market.order(account, 0, client_order_id) is not None

    def add(self, account: str, client_order_id: str, ticket: Ticket) -> None:
        """Remember a request."""
        self._remember((account, client_order_id), ticket)

    def forget(self, account: str, client_order_id: str) -> None:
        """Nothing has come of a request."""
        self._tickets.pop((account, client_order_id), None)

    def cancelling(self, account: str, order_id: int, client_order_id: str, now: int) -> None:
        """An order's cancellation is on its way."""
        order = self._market.order(account, order_id, "" if order_id else client_order_id)
        key = (account, client_order_id or order_id) if order is None else _key_of(order)
        ticket = self._tickets.get(key)
        if ticket is None:
            if order is None:
                return
            ticket = ticket_of(order)
            self._remember(key, ticket)
        ticket.cancel_at = ticket.cancel_at or now

    def _remember(self, key: tuple[str, str | int], ticket: Ticket) -> None:
        self._tickets[key] = ticket
        if len(self._tickets) > TICKETS_MAX:
            self._tickets.popitem(last=False)

    # ---- reports ---------------------------------------------------------------------------------

    def reports(self, account: str, orders: list[Order], *, update: bool) -> list[Report]:
        """Orders of an account as they stood, each perhaps some fills ago.

        Args:
            update: each is a message of its own, else a row of a snapshot.
        """
        rows: dict[int, list[Fill]] = {}
        if any(order.filled for order in orders):
            for fill in self._market.fills_of(account):
                rows.setdefault(fill.order_id, []).append(fill)
        return [self._report(order, rows.get(order.order_id, []), update) for order in orders]

    def _report(self, order: Order, fills: list[Fill], update: bool) -> Report:
        instrument = self._market.listing(order.symbol).instrument
        price, size = instrument.price.format, instrument.size.format
        now = self._market.order(order.account, order.order_id)
        # the fills that the order had then: of the oldest some may not be kept any more
        counted = (now or order).filled - sum(fill.size for fill in fills)
        then: list[Fill] = []
        for fill in fills:
            counted += fill.size
            if counted > order.filled:
                break
            then.append(fill)
        ticket = self._tickets.get(_key_of(order)) or ticket_of(order)
        history = _history(order, then, ticket)
        reason = "" if order.reason == "requested" else order.reason
        return Report(
            type=UPDATE if update else UNSET,
            id=str(order.order_id),
            exchange_order_id=str(order.order_id),
            amount_open=Number(size(order.remaining if order.live else order.size - order.filled)),
            amount_filled=Number(size(order.filled)),
            error_message=reason or None,
            fills=[
                FillReport(fill.trade_id, iso_time(fill.ts), Number(price(fill.price)), Number(size(fill.size)))
                for fill in then[-FILLS_SHOWN_MAX:]
            ],
            amount_order=Number(size(order.size)),
            price=NOTHING if order.price is None else Number(price(order.price)),
            avg_px=Number(average_price(order.cost, order.filled, instrument.price)) if order.filled else NOTHING,
            side="BUY" if order.side == "buy" else "SELL",
            order_type=order.type.upper(),
            **_common(order.client_order_id, instrument, ticket, history),
        )


def begun(ticket: Ticket) -> History:
    """How every order begins."""
    return [("RECEIVED", ticket.received), ("ROUTING", ticket.received), ("ROUTED", ticket.routed)]


def request_report(wanted: Wanted, history: History, error: str = "") -> Report:
    """A request that the market has refused, or has not answered yet."""
    request, instrument = wanted.request, wanted.instrument
    return Report(
        type=UPDATE,
        id=None,
        exchange_order_id=None,
        amount_open=Number(wanted.amount),
        amount_filled=NOTHING,
        error_message=error or None,
        fills=[],
        amount_order=Number(wanted.amount),
        price=Number(wanted.price),
        avg_px=NOTHING,
        side=request.side,
        order_type=request.order_type,
        **_common(request.client_order_id, instrument, wanted.ticket, history),
    )


def _common(client_order_id: str, instrument: Instrument, ticket: Ticket, history: History) -> dict[str, Any]:
    """What is said in the same way of an order and of a request."""
    return {
        "client_order_id": client_order_id,
        "client_order_id_format_exchange": client_order_id,
        "exchange_id": instrument.venue,
        "symbol_id_exchange": native_id(instrument),
        "symbol_id_coinapi": symbol_id(instrument),
        "status": history[-1][0],
        "status_history": [(status, iso_time(at)) for status, at in history],
        "time_in_force": ticket.time_in_force,
        "expire_time": ticket.expire_time,
        "exec_inst": ticket.exec_inst,
    }


def _history(order: Order, fills: list[Fill], ticket: Ticket) -> History:
    """Every status that an order has had, and when.

    Args:
        fills: those that it had then, without the oldest where they are not kept any more.
    """
    history = begun(ticket)
    filled_at_once = fills[0].ts == order.created if fills else bool(order.filled)
    rested = order.time_in_force in ("gtc", "gtd") and order.reason != "self_trade"
    if not filled_at_once and (order.live or rested or order.updated > order.created):
        history.append(("NEW", order.created))
    in_one = order.status == "filled" and bool(fills) and fills[0].size == order.filled
    if order.filled and not in_one:
        history.append(("PARTIALLY_FILLED", fills[0].ts if fills else order.updated))
    if ticket.cancel_at and len(history) > len(begun(ticket)):
        asked: tuple[Status, int] = "PENDING_CANCEL", max(ticket.cancel_at, order.created)
        later = sum(at > asked[1] for _, at in history)
        history.insert(len(history) - later, asked)
    if not order.live:
        history.append(("FILLED" if order.status == "filled" else "CANCELED", order.updated))
    return history


def _key_of(order: Order) -> tuple[str, str | int]:
    return order.account, order.client_order_id or order.order_id


def ticket_of(order: Order) -> Ticket:
    """What must have been asked, as far as the market has kept it."""
    words = [
        word for word, said in (("MAKER_OR_CANCEL", order.post_only), ("DO_NOT_INCREASE", order.reduce_only)) if said
    ]
    expires = iso_time(order.expires_at) if order.expires_at else None
    return Ticket(order.created, order.created, TIME_IN_FORCE[order.time_in_force], expires, words)
