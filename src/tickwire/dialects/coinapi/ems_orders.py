"""From the requests of order entry to commands for the tape, and what is told of what came of them.

A request that makes no sense raises `Reject`. An order that makes sense and that the market does not take is told with
a report whose status is REJECTED; but where that could be mistaken for the end of another order with the same
`client_order_id`, the request is rejected instead. The same request sent again is the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from tickwire.dialects.coinapi.ems import Ems
from tickwire.dialects.coinapi.ems_messages import (
    REJECTED_MESSAGE_MAX,
    CancelEvery,
    CancelSingle,
    MessageReject,
    NewOrder,
    Reject,
    Report,
    decimal_text,
    reject_of,
)
from tickwire.dialects.coinapi.ems_reports import History, Ticket, Wanted, begun, request_report
from tickwire.dialects.coinapi.times import iso_time, parse_iso_time
from tickwire.errors import InvalidInput
from tickwire.model.instrument import Instrument
from tickwire.model.order import Order
from tickwire.model.outcome import Done, Executed
from tickwire.model.records import CancelAll, CancelOrder, Guard, Record, TimeInForce
from tickwire.protocol.messages import OrderParams, PlaceParams
from tickwire.protocol.orders import Job, Outcomes, accepted
from tickwire.protocol.params import TEXT_LENGTH_MAX, check_id

TIMES_IN_FORCE: dict[str, TimeInForce] = {
    "GOOD_TILL_CANCEL": "gtc",
    "GOOD_TILL_TIME_EXCHANGE": "gtd",
    "GOOD_TILL_TIME_OEML": "gtd",
    "GOOD_TILL_TIME_OMS": "gtd",
    "FILL_OR_KILL": "fok",
    "IMMEDIATE_OR_CANCEL": "ioc",
}
"""All that keep time are kept by the exchange: here it and the order management are one."""

INSTRUCTIONS = ("MAKER_OR_CANCEL", "CANCEL_ON_DISCONNECT", "DO_NOT_CANCEL_ON_DISCONNECT", "DO_NOT_INCREASE")
UNSUPPORTED = {
    "AUCTION_ONLY": "there are no auctions here",
    "INDICATION_OF_INTEREST": "every order here is firm",
}

Answer: TypeAlias = Report | Reject | list[str]
"""What came of a request: a report, or why not; of cancel all, the ids of the orders that it canceled."""


class EmsDesk:
    """Takes the requests of one session, or of the REST interface.

    Args:
        ems: the server's.
        session_id: whose connection `CANCEL_ON_DISCONNECT` is about; "" where there is none.
        quiet: the client sees the account's stream: only what that does not say is answered.
    """

    def __init__(self, ems: Ems, *, session_id: str = "", quiet: bool = False) -> None:
        self._ems = ems
        self._session_id = session_id
        self._quiet = quiet
        self._free, self._guarded = ems.services.desk(), ems.services.desk(session_id)
        self.armed = False
        """Whether the end of the session cancels orders."""

    # ---- new orders ------------------------------------------------------------------------------

    def place(self, request: NewOrder, account: str, answer: Callable[[Answer], None]) -> Report | None:
        """`ORDER_NEW_SINGLE_REQUEST`. Returns what can be said at once: that it is on its way, or that it is refused.
        In the first case `answer` is called later.

        Raises:
            Reject: it makes no sense, or nothing more can be taken now.
        """
        wanted = self._wanted(request)
        blotter, ticket = self._ems.blotter, wanted.ticket
        coid, key = request.client_order_id, (account, request.client_order_id)
        again = blotter.knows(account, coid)
        desk = self._guarded if wanted.guarded else self._free
        try:
            job = desk.place(_params(wanted), account)
        except InvalidInput as error:
            return self._refusal(wanted, error, [("RECEIVED", ticket.received), ("REJECTED", ticket.received)], again)
        commands: list[Record] = job.commands
        if wanted.guarded and not self.armed:
            commands = [Guard(account, self._session_id, "connection"), *commands]

        def answered(result: Answer | InvalidInput | None) -> None:
            blotter.placing.pop(key, None)
            if isinstance(result, InvalidInput):
                result = self._failed(account, wanted, result, again)
            if result is not None:
                answer(result)

        try:
            desk.execute(Job(commands, lambda outcomes: self._placed(account, outcomes[-1:])), answered)
        except InvalidInput as error:
            raise reject_of(error, request.exchange_id) from None
        self.armed = self.armed or wanted.guarded
        if not again:
            ticket.routed = self._ems.services.now()
            blotter.add(account, coid, ticket)
            blotter.placing[key] = wanted.instrument.symbol
        return None if again else request_report(wanted, begun(ticket))

    def _placed(self, account: str, outcomes: Outcomes) -> Report | None:
        outcome = accepted(outcomes)
        assert isinstance(outcome, Executed)
        market, order = self._ems.services.market, outcome.order
        is_old = order.created < market.now  # the first answer to the same request, sent again
        if self._quiet and not is_old:
            return None
        return self.report(market.order(account, order.order_id) or order)

    def _failed(self, account: str, wanted: Wanted, error: InvalidInput, again: bool) -> Report | Reject | None:
        """What to say of an order that went to the market and was not taken."""
        ticket, now = wanted.ticket, self._ems.services.now()
        if error.code != "outcome_unknown" and not again:
            self._ems.blotter.forget(account, wanted.request.client_order_id)
        try:
            return self._refusal(wanted, error, [*begun(ticket), ("REJECTED", now)], again)
        except Reject as reject:
            return reject

    def _refusal(self, wanted: Wanted, error: InvalidInput, history: History, again: bool) -> Report:
        """A report of an order that is not taken.

        Raises:
            Reject: it would be mistaken for one of another order, or what became of this one is not known.
        """
        if again or error.code in ("duplicate_id", "busy", "outcome_unknown"):
            raise reject_of(error, wanted.instrument.venue) from None
        return request_report(wanted, history, f"{error.code}: {error.message}")

    def _wanted(self, request: NewOrder) -> Wanted:
        """A request, checked as far as it can be without the market's help."""
        exchange_id, received = request.exchange_id, self._ems.services.now()
        instrument = self._instrument(request)
        if not request.client_order_id:
            raise _other("client_order_id must name the order", exchange_id)
        if request.order_type != "LIMIT":
            text = (
                f"order_type {request.order_type!r} is not supported: send LIMIT with the worst price that you would "
                "take, IMMEDIATE_OR_CANCEL or FILL_OR_KILL"
            )
            raise Reject("METHOD_NOT_SUPPORTED", text, exchange_id)
        if request.time_in_force not in TIMES_IN_FORCE:
            raise _other(f"time_in_force must be one of {', '.join(TIMES_IN_FORCE)}", exchange_id)
        words = words_of(request.exec_inst)
        for word in words:
            if word in UNSUPPORTED:
                text = f"exec_inst {word} is not supported: {UNSUPPORTED[word]}"
                raise Reject("METHOD_NOT_SUPPORTED", text, exchange_id)
            if word not in INSTRUCTIONS:
                raise _other(f"exec_inst {word!r} is unknown; there are {', '.join(INSTRUCTIONS)}", exchange_id)
        guarded = "CANCEL_ON_DISCONNECT" in words
        if guarded and "DO_NOT_CANCEL_ON_DISCONNECT" in words:
            raise _other("exec_inst can't both cancel and not cancel on disconnect", exchange_id)
        if guarded and not self._session_id:
            text = "exec_inst CANCEL_ON_DISCONNECT needs a connection: place the order over the WebSocket"
            raise Reject("METHOD_NOT_SUPPORTED", text, exchange_id)
        try:
            check_id(request.client_order_id, "client_order_id")
            amount = decimal_text(request.amount_order, "amount_order")
            price = decimal_text(request.price, "price")
            expires = parse_iso_time(request.expire_time, "expire_time") if request.expire_time else 0
        except InvalidInput as error:
            raise reject_of(error, exchange_id) from None
        if TIMES_IN_FORCE[request.time_in_force] == "gtd" and not expires:
            raise _other(f"{request.time_in_force} needs expire_time", exchange_id)
        shown = iso_time(expires) if expires else None
        ticket = Ticket(received, received, request.time_in_force, shown, words)
        return Wanted(request, instrument, amount, price, ticket, guarded)

    def _instrument(self, request: NewOrder) -> Instrument:
        exchange_id = request.exchange_id
        self.check_exchange(exchange_id)
        names = [name for name in (request.symbol_id_coinapi, request.symbol_id_exchange) if name]
        if not names:
            raise _other("give symbol_id_coinapi or symbol_id_exchange", exchange_id)
        found = [self._ems.find(exchange_id, name) for name in names]
        for name, instrument in zip(names, found, strict=True):
            if instrument is None:
                raise _other(f"{exchange_id} trades no {name!r}; SYMBOLS_SNAPSHOT lists what it does", exchange_id)
        if found[0] != found[-1]:
            raise _other("symbol_id_coinapi and symbol_id_exchange are of different instruments", exchange_id)
        assert found[0] is not None
        return found[0]

    def check_exchange(self, exchange_id: str) -> None:
        """Raises:
        Reject: there is no such exchange.
        """
        exchanges = self._ems.exchanges
        if exchange_id not in exchanges:
            there_are = ", ".join(exchanges) or "none"
            text = f"no exchange {exchange_id!r} can be reached here; there are: {there_are}"
            raise Reject("EXCHANGE_UNREACHABLE", text, exchange_id)

    # ---- cancellations ---------------------------------------------------------------------------

    def cancel(self, request: CancelSingle, account: str, answer: Callable[[Answer], None]) -> Report | None:
        """`ORDER_CANCEL_SINGLE_REQUEST`. Returns the order as it is pending cancel, None while it is on its way itself;
        `answer` is called later.

        Raises:
            Reject: there is no such order, it has ended, or nothing more can be taken now.
        """
        exchange_id, coid = request.exchange_id, request.client_order_id or ""
        order_id = str(request.exchange_order_id or "")
        self.check_exchange(exchange_id)
        if not order_id and not coid:
            raise _other("give exchange_order_id or client_order_id", exchange_id)

        def answered(result: Answer | InvalidInput | None) -> None:
            if isinstance(result, InvalidInput):
                result = reject_of(result, exchange_id)
            if result is not None:
                answer(result)

        try:
            order, commands = self._cancellation(exchange_id, account, order_id, coid)
            self._free.execute(Job(commands, self._canceled), answered)
        except InvalidInput as error:
            raise reject_of(error, exchange_id) from None
        self._ems.blotter.cancelling(account, int(order_id or 0), coid, self._ems.services.now())
        return None if order is None else self.report(order)

    def _cancellation(
        self, exchange_id: str, account: str, order_id: str, coid: str
    ) -> tuple[Order | None, list[Record]]:
        """The order that is meant, None while it is on its way, and what cancels it.

        Raises:
            InvalidInput: there is none, or it has ended.
        """
        market, order = self._ems.services.market, None
        symbol = "" if order_id else self._ems.blotter.placing.get((account, coid), "")
        commands: list[Record] = [CancelOrder(account, 0, coid)]
        if not symbol:
            params = OrderParams(order_id=order_id, client_order_id="" if order_id else coid)
            commands = self._free.cancel(params, account).commands
            order = market.order(account, int(order_id or 0), params.client_order_id)
            if order is not None and coid in ("", order.client_order_id):
                symbol = order.symbol
        if not symbol or market.listing(symbol).instrument.venue != exchange_id:
            raise InvalidInput(f"{exchange_id} has no such order of the account", code="unknown_order")
        return order, commands

    def _canceled(self, outcomes: Outcomes) -> Report | None:
        outcome = accepted(outcomes)
        assert isinstance(outcome, Executed)
        return None if self._quiet else self.report(outcome.order)

    def cancel_all(self, request: CancelEvery, account: str, answer: Callable[[Answer], None]) -> None:
        """`ORDER_CANCEL_ALL_REQUEST`; `answer` is called later.

        Raises:
            Reject: there is no such exchange, or nothing more can be taken now.
        """
        exchange_id = request.exchange_id
        self.check_exchange(exchange_id)

        def answered(result: list[str] | InvalidInput) -> None:
            if isinstance(result, InvalidInput):
                answer(reject_of(result, exchange_id))
            elif not self._quiet:
                answer(result)

        try:
            self._free.execute(Job(self._sweeps(exchange_id, account), _swept), answered)
        except InvalidInput as error:
            raise reject_of(error, exchange_id) from None

    def _sweeps(self, exchange_id: str, account: str) -> list[Record]:
        """What cancels all orders of an account on an exchange, those that are on their way as well."""
        if self._ems.exchanges == [exchange_id]:
            return [CancelAll(account)]
        market = self._ems.services.market
        symbols = [order.symbol for order in market.open_orders_of(account)]
        symbols += [symbol for (owner, _), symbol in self._ems.blotter.placing.items() if owner == account]
        return [
            CancelAll(account, symbol)
            for symbol in dict.fromkeys(symbols)
            if market.listing(symbol).instrument.venue == exchange_id
        ]

    # ---- answers ---------------------------------------------------------------------------------

    def report(self, order: Order) -> Report:
        """An order as it stands."""
        return self._ems.blotter.reports(order.account, [order], update=True)[0]


def message_reject(reject: Reject, rejected: str) -> MessageReject:
    """A reject as a message; `rejected` is what it answers."""
    return MessageReject(
        reject.reason, reject.exchange_id, reject.message[:TEXT_LENGTH_MAX], rejected[:REJECTED_MESSAGE_MAX]
    )


def words_of(exec_inst: Iterable[str] | str | None) -> list[str]:
    """Execution instructions, each once. Some clients send a single one without the list."""
    return list(dict.fromkeys([exec_inst] if isinstance(exec_inst, str) else exec_inst or []))


def _params(wanted: Wanted) -> PlaceParams:
    request, words = wanted.request, wanted.ticket.exec_inst
    time_in_force = TIMES_IN_FORCE[request.time_in_force]
    expires = wanted.ticket.expire_time if time_in_force == "gtd" else None
    return PlaceParams(
        symbol=wanted.instrument.symbol,
        side="buy" if request.side == "BUY" else "sell",
        size=wanted.amount,
        price=wanted.price,
        time_in_force=time_in_force,
        expires_at=None if expires is None else parse_iso_time(expires, "expire_time"),
        post_only="MAKER_OR_CANCEL" in words,
        reduce_only="DO_NOT_INCREASE" in words,
        client_order_id=request.client_order_id,
    )


def _other(text: str, exchange_id: str) -> Reject:
    return Reject("OTHER", text, exchange_id)


def _swept(outcomes: Outcomes) -> list[str]:
    return [str(order_id) for outcome in outcomes if isinstance(outcome, Done) for order_id in outcome.order_ids]
