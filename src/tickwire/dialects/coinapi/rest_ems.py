"""Order entry over HTTP: the requests of the WebSocket, each answered once it is on the tape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from tickwire.dialects.coinapi.ems import Ems
from tickwire.dialects.coinapi.ems_messages import (
    REJECTED_MESSAGE_MAX,
    CancelEvery,
    CancelSingle,
    NewOrder,
    Reject,
    RejectReason,
    Report,
    decoded,
    reject_of,
)
from tickwire.dialects.coinapi.ems_orders import Answer, EmsDesk
from tickwire.dialects.coinapi.messages import Number
from tickwire.dialects.coinapi.times import iso_time, parse_iso_time
from tickwire.errors import InvalidInput
from tickwire.model.identity import Identity
from tickwire.protocol.params import TEXT_LENGTH_MAX

STATUSES: dict[RejectReason, int] = {
    "ORDER_ID_NOT_FOUND": 404,
    "EXCHANGE_UNREACHABLE": 490,
    "EXCHANGE_RESPONSE_TIMEOUT": 504,
}
"""The HTTP status of a reason; 400 for those that are not here."""


class RejectBody(msgspec.Struct, frozen=True, tag_field="type", tag="MESSAGE_REJECT"):
    """Why a request was not carried out: as on the WebSocket, and as the other answers over HTTP say it."""

    reject_reason: RejectReason
    exchange_id: str | None
    message: str
    rejected_message: str | None
    error: str


class CanceledBody(msgspec.Struct, frozen=True, tag_field="type", tag="ORDER_CANCEL_ALL_RESULT"):
    """What came of cancel all, with the fields that the vendor's clients look for."""

    exchange_id: str
    message: str
    exchange_order_ids: list[str]
    reject_reason: None = None
    rejected_message: None = None


class OfExchange(msgspec.Struct, frozen=True):
    """Balances or positions on an exchange."""

    exchange_id: str
    data: list[Any]


class HistoryRow(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """An order as the vendor's log of orders has it. `apikey` is the name of the key that asks, never the key."""

    apikey: str
    exchange_id: str
    client_order_id: str
    symbol_id_exchange: str
    symbol_id_coinapi: str
    amount_order: Number
    price: Number
    side: int
    order_type: str
    time_in_force: str
    expire_time: str | None
    exec_inst: list[str]
    client_order_id_format_exchange: str
    exchange_order_id: str | None
    amount_open: Number
    amount_filled: Number
    avg_px: Number
    status: str
    status_history_status: list[str]
    status_history_time: list[str]
    error_message_result: str | None
    error_message_reason: str | None
    error_message_message: str | None
    fills_time: list[str]
    fills_price: list[Number]
    fills_amount: list[Number]
    created_time: str


class EmsCall(NamedTuple):
    """A request of order entry.

    Attributes:
        names: what the path names. query: its parameters.
        answer: to be called once, now or later, with a status and what is answered.
    """

    ems: Ems
    desk: EmsDesk
    identity: Identity
    names: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    answer: Callable[[int, Any], None]


def run(call: EmsCall, method: Callable[[EmsCall], None], *, again: bool = False) -> None:
    """Carry out a request, and answer what is wrong with it. Of an account that the market does not know yet it waits
    its turn: what its welcome gives may still be on its way to the tape."""
    services = call.ems.services
    try:
        try:
            if again or call.identity.account in services.market.ledger.balances:
                method(call)
            else:
                services.submit([], lambda _: run(call, method, again=True))
        except InvalidInput as error:
            raise reject_of(error, call.query.get("exchange_id")) from None
    except Reject as reject:
        _rejected(call, reject)


# ---- orders --------------------------------------------------------------------------------------


def place(call: EmsCall) -> None:
    """`POST /orders`. An order that is refused is a report as well."""
    report = call.desk.place(
        decoded(call.body, NewOrder), call.identity.account, lambda answer: _answered(call, answer)
    )
    if report is not None and report.status == "REJECTED":
        _answered(call, report)


def cancel(call: EmsCall) -> None:
    """`POST /orders/cancel`"""
    request = decoded(call.body, CancelSingle)
    call.desk.cancel(request, call.identity.account, lambda answer: _answered(call, answer))


def cancel_all(call: EmsCall) -> None:
    """`POST /orders/cancel/all`"""
    request = decoded(call.body, CancelEvery)

    def answered(answer: Answer) -> None:
        if isinstance(answer, list):
            words = f"{len(answer)} orders were canceled"
            call.answer(200, CanceledBody(request.exchange_id, words, answer))
        else:
            _answered(call, answer)

    call.desk.cancel_all(request, call.identity.account, answered)


def open_orders(call: EmsCall) -> None:
    """`GET /orders`"""
    account = call.identity.account
    call.answer(200, [row for each in _exchanges(call) for row in call.ems.open_orders(account, each)])


def status(call: EmsCall) -> None:
    """`GET /orders/status/{client_order_id}`"""
    name = call.names["client_order_id"]
    order = call.ems.services.market.order(call.identity.account, 0, name)
    if order is None:
        text = f"the account has no order {name!r}, or it ended long ago"
        raise Reject("ORDER_ID_NOT_FOUND", text)
    call.answer(200, call.desk.report(order))


def history(call: EmsCall) -> None:
    """`GET /orders/history`: the orders that were entered or changed within a time, oldest first: those that are open,
    and as many of those that ended as the market knows."""
    for name in ("time_start", "time_end"):
        if not call.query.get(name):
            raise InvalidInput(f"give {name}", field=name)
    start, end = (parse_iso_time(call.query[name], name) for name in ("time_start", "time_end"))
    market, account = call.ems.services.market, call.identity.account
    orders = [
        order
        for order in market.ended_orders_of(account) + market.open_orders_of(account)
        if start <= order.updated and order.created < end
    ]
    orders.sort(key=lambda order: order.order_id)
    reports = call.ems.blotter.reports(account, orders, update=False)
    rows = [_history_row(report, order.created, call.identity) for report, order in zip(reports, orders, strict=True)]
    call.answer(200, rows)


# ---- the account ---------------------------------------------------------------------------------


def balances(call: EmsCall) -> None:
    """`GET /balances`"""
    account = call.identity.account
    call.answer(200, [OfExchange(each, call.ems.all_balances(account)) for each in _exchanges(call)])


def positions(call: EmsCall) -> None:
    """`GET /positions`"""
    account = call.identity.account
    call.answer(200, [OfExchange(each, call.ems.all_positions(account, each)) for each in _exchanges(call)])


def _exchanges(call: EmsCall) -> list[str]:
    """The one that the query names, or all."""
    wanted = call.query.get("exchange_id")
    if not wanted:
        return call.ems.exchanges
    call.desk.check_exchange(wanted)
    return [wanted]


def _answered(call: EmsCall, answer: Answer) -> None:
    if isinstance(answer, Reject):
        _rejected(call, answer)
    else:
        call.answer(200, answer)


def _rejected(call: EmsCall, reject: Reject) -> None:
    text = reject.message[:TEXT_LENGTH_MAX]
    rejected = call.body.decode(errors="replace")[:REJECTED_MESSAGE_MAX] or None
    body = RejectBody(reject.reason, reject.exchange_id, text, rejected, text)
    call.answer(STATUSES.get(reject.reason, 400), body)


def _history_row(report: Report, created: int, identity: Identity) -> HistoryRow:
    reason = report.error_message
    return HistoryRow(
        apikey=identity.key_id,
        exchange_id=report.exchange_id,
        client_order_id=report.client_order_id,
        symbol_id_exchange=report.symbol_id_exchange,
        symbol_id_coinapi=report.symbol_id_coinapi,
        amount_order=report.amount_order,
        price=report.price,
        side=1 if report.side == "BUY" else 2,
        order_type=report.order_type,
        time_in_force=report.time_in_force,
        expire_time=report.expire_time,
        exec_inst=report.exec_inst,
        client_order_id_format_exchange=report.client_order_id_format_exchange,
        exchange_order_id=report.exchange_order_id,
        amount_open=report.amount_open,
        amount_filled=report.amount_filled,
        avg_px=report.avg_px,
        status=report.status,
        status_history_status=[name for name, _ in report.status_history],
        status_history_time=[time for _, time in report.status_history],
        error_message_result=None if reason is None else "error",
        error_message_reason=reason,
        error_message_message=reason,
        fills_time=[fill.time for fill in report.fills],
        fills_price=[fill.price for fill in report.fills],
        fills_amount=[fill.amount for fill in report.fills],
        created_time=iso_time(created),
    )
