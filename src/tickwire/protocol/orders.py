"""Order entry: from the parameters of a request to commands for the tape, and from outcomes to results.

Whatever can be known without the fold is checked here, so that a wrong request never reaches the tape. A method of
`Desk` returns its result, or a `Job` for `Desk.execute`: the commands and how their outcomes are answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, TypeAlias

from tickwire.errors import InvalidInput
from tickwire.limits import BATCH_OPERATIONS_MAX
from tickwire.market.market import Market
from tickwire.meters import OK, Meters
from tickwire.model.channel import StreamKey
from tickwire.model.events import Fill
from tickwire.model.identity import Scope
from tickwire.model.instrument import Instrument
from tickwire.model.order import Order
from tickwire.model.outcome import Done, Executed, Outcome, Refused
from tickwire.model.records import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    DeadMan,
    KillSwitch,
    PlaceOrder,
    Record,
    TradingStatus,
    Transfer,
)
from tickwire.model.units import asset_text, asset_units
from tickwire.protocol.codec import Encoding
from tickwire.protocol.messages import (
    AccountBalances,
    AccountFills,
    AccountPositions,
    AmendParams,
    BatchItem,
    BatchParams,
    BatchResult,
    CancelAllParams,
    CanceledResult,
    DeadManParams,
    ErrorBody,
    Holding,
    KillSwitchParams,
    NoParams,
    OrderParams,
    OrderResult,
    OrdersResult,
    PlaceParams,
    PortfolioParams,
    PortfolioResult,
    TradingParams,
    TransferParams,
)
from tickwire.protocol.params import (
    check_combination,
    check_id,
    check_name,
    decode_params,
    error_body,
    parse_steps,
    parse_time,
)
from tickwire.protocol.render import Renderer

Outcomes: TypeAlias = list[Outcome | None]
"""One for each record submitted; None for a record that is no command."""
Submit: TypeAlias = Callable[[list[Record], Callable[[Outcomes | None], None]], None]
"""Puts commands on the tape and calls back later, never before it returns: with one outcome each, or with None when
the server failed meanwhile. Raises `InvalidInput` (`busy`) when too much is queued; then nothing was taken."""

DEAD_MAN_MS_MIN, DEAD_MAN_MS_MAX = 1_000, 86_400_000
_ORDER_ID_DIGITS_MAX = 18
_MS_NS = 1_000_000


class Job(NamedTuple):
    """Commands to be put on the tape, and what makes the request's result of their outcomes (or raises
    `InvalidInput`)."""

    commands: list[Record]
    result: Callable[[Outcomes], Any]


class Desk:
    """Takes the orders of one session, or of the HTTP interface.

    Args:
        market, renderer: what is traded on, and how it is shown.
        submit: where commands go.
        encoding: of the requests.
        now: the wall clock, nanoseconds.
        session: whose orders a guard of scope `connection` cancels; "" for none.
        epoch: of the tape; with a `seq` it names a place in a stream.
        meters: where the operations of batches are counted.
    """

    def __init__(
        self,
        *,
        market: Market,
        renderer: Renderer,
        submit: Submit,
        encoding: Encoding,
        now: Callable[[], int],
        session: str = "",
        epoch: str = "",
        meters: Meters | None = None,
    ) -> None:
        self._market = market
        self._renderer = renderer
        self._submit = submit
        self._encoding = encoding
        self._now = now
        self._session = session
        self._epoch = epoch
        self.meters = meters or Meters()
        self._placing: dict[tuple[str, str], PlaceOrder] = {}
        """Placements that are not answered yet, by account and client_order_id: they can be amended and canceled."""

    def execute(self, job: Job, reply: Callable[[Any], None]) -> None:
        """Submit a job; `reply` is called later with its result, or with an `InvalidInput`.

        Raises:
            InvalidInput: `busy`; nothing was submitted, and `reply` is never called.
        """

        def answered(outcomes: Outcomes | None) -> None:
            self._placed(job.commands)
            try:
                if outcomes is None:
                    text = "the server failed; whether this was done is unknown: ask for it after connecting again"
                    raise InvalidInput(text, code="outcome_unknown")
                result = job.result(outcomes)
            except InvalidInput as error:
                result = error
            reply(result)

        try:
            self._submit(job.commands, answered)
        except InvalidInput:
            self._placed(job.commands)
            raise

    def _placed(self, commands: Iterable[Record]) -> None:
        for command in commands:
            if isinstance(command, PlaceOrder):
                key = command.account, command.client_order_id
                if self._placing.get(key) is command:
                    del self._placing[key]

    # ---- orders ----------------------------------------------------------------------------------

    def place(self, params: PlaceParams, account: str) -> Job:
        """`order.place`"""
        return Job([self._placement(params, account)], self._order_result)

    def amend(self, params: AmendParams, account: str) -> Job:
        """`order.amend`"""
        return Job([self._amendment(params, account)], self._order_result)

    def cancel(self, params: OrderParams, account: str) -> Job:
        """`order.cancel`"""
        return Job([self._cancellation(params, account)], self._order_result)

    def cancel_all(self, params: CancelAllParams, account: str) -> Job:
        """`order.cancel_all`"""
        if params.symbol:
            self._tradable(params.symbol)
        return Job([CancelAll(account, params.symbol)], _canceled)

    def batch(self, params: BatchParams, account: str) -> Job | BatchResult:
        """`order.batch`: each operation is checked and answered on its own."""
        if not 1 <= len(params.operations) <= BATCH_OPERATIONS_MAX:
            raise InvalidInput(f"a batch has 1 to {BATCH_OPERATIONS_MAX} operations", field="operations")
        commands: list[Record] = []
        refused: dict[int, ErrorBody] = {}
        for index, operation in enumerate(params.operations):
            as_type, make = _OPERATIONS[operation.method]
            try:
                operation_params: Any = decode_params(self._encoding, bytes(operation.params), as_type)
                commands.append(make(self, operation_params, account))
            except InvalidInput as error:
                refused[index] = error_body(error, f"operations[{index}]")

        def result(outcomes: Outcomes) -> BatchResult:
            left = iter(outcomes)
            items = []
            for index in range(len(params.operations)):
                error = refused.get(index)
                if error is None:
                    try:
                        items.append(BatchItem(self._order_result([next(left)])))
                        continue
                    except InvalidInput as refusal:
                        error = error_body(refusal, f"operations[{index}]")
                items.append(BatchItem(error=error))
            for operation, item in zip(params.operations, items, strict=True):
                self.meters.batched[f"order.{operation.method}", item.error.code if item.error else OK] += 1
            return BatchResult(items)

        return Job(commands, result) if commands else result([])

    def get(self, params: OrderParams, account: str) -> OrderResult | Job:
        """`order.get`. An unknown client_order_id is looked for again behind all that is queued: its placement may have
        come over a connection that is lost, and "there is no such order" must be final."""

        def result(_: Outcomes) -> OrderResult:
            order = self._find(params, account)
            return self._shown(order, self._market.order_fills(account, order.order_id))

        try:
            return result([])
        except InvalidInput as error:
            if error.code != "unknown_order" or not params.client_order_id:
                raise
            return Job([], result)

    def open_orders(self, params: CancelAllParams, account: str) -> OrdersResult:
        """`order.list`"""
        if params.symbol:
            self._tradable(params.symbol)
        orders = self._market.open_orders_of(account, params.symbol)
        rows = [self._renderer.order(order) for order in orders]
        return OrdersResult(rows, epoch=self._epoch, seq=self._seq("orders", account))

    # ---- the account -----------------------------------------------------------------------------

    def balances(self, _: NoParams, account: str) -> AccountBalances:
        """`account.balances`"""
        data = self._state("balances", account)
        return AccountBalances(data.balances, epoch=self._epoch, seq=self._seq("balances", account))

    def positions(self, _: NoParams, account: str) -> AccountPositions:
        """`account.positions`"""
        data = self._state("positions", account)
        return AccountPositions(data.positions, epoch=self._epoch, seq=self._seq("positions", account))

    def fills(self, _: NoParams, account: str) -> AccountFills:
        """`account.fills`"""
        data = self._state("fills", account)
        return AccountFills(data.fills, epoch=self._epoch, seq=self._seq("fills", account))

    def portfolio(self, params: PortfolioParams, account: str) -> PortfolioResult:
        """`account.portfolio`"""
        check_name(params.currency, "currency")
        total, rows = self._market.portfolio(account, params.currency)
        holdings = [
            Holding(asset, asset_text(amount), None if value is None else asset_text(value))
            for asset, amount, value in rows
        ]
        seq = self._seq("balances", account)
        return PortfolioResult(params.currency, asset_text(total), holdings, self._epoch, seq)

    def dead_man(self, params: DeadManParams, account: str) -> Job:
        """`session.dead_man`"""
        timeout_ms = params.timeout_ms
        if timeout_ms and not DEAD_MAN_MS_MIN <= timeout_ms <= DEAD_MAN_MS_MAX:
            text = f"timeout_ms must be 0 or {DEAD_MAN_MS_MIN} to {DEAD_MAN_MS_MAX}"
            raise InvalidInput(text, field="timeout_ms")
        return Job([DeadMan(account, self._now() + timeout_ms * _MS_NS if timeout_ms else 0)], done)

    # ---- operators -------------------------------------------------------------------------------

    def deposit(self, params: TransferParams, _: str) -> Job:
        """`admin.deposit`"""
        return self._transfer(params, "")

    def withdraw(self, params: TransferParams, _: str) -> Job:
        """`admin.withdraw`"""
        return self._transfer(params, "-")

    def kill_switch(self, params: KillSwitchParams, _: str) -> Job:
        """`admin.kill_switch`"""
        if bool(params.account) == bool(params.symbol):
            raise InvalidInput("give either an account or a symbol", field="account")
        if params.symbol:
            self._tradable(params.symbol)
        else:
            check_name(params.account, "account")
        return Job([KillSwitch(params.on, params.account, params.symbol)], _canceled)

    def trading_status(self, params: TradingParams, _: str) -> Job:
        """`admin.trading_status`"""
        self._market.listing(params.symbol)
        return Job([TradingStatus(params.symbol, params.state)], done)

    def _transfer(self, params: TransferParams, sign: Literal["", "-"]) -> Job:
        check_name(params.account, "account")
        check_name(params.asset, "asset")
        amount = asset_units(params.amount, "amount")
        if amount <= 0:
            raise InvalidInput("amount must be more than 0", field="amount")
        check_id(params.transfer_id, "transfer_id")
        if not params.transfer_id:
            raise InvalidInput(
                "transfer_id must name the transfer, so that it is never made twice", field="transfer_id"
            )
        # in one form: "1.0" sent again as "1" is the same transfer
        return Job([Transfer(params.account, params.asset, sign + asset_text(amount), params.transfer_id)], done)

    # ---- from parameters to records --------------------------------------------------------------

    def _placement(self, params: PlaceParams, account: str) -> PlaceOrder:
        instrument = self._tradable(params.symbol)
        check_id(params.client_order_id, "client_order_id")
        check_combination(params)
        size = parse_steps(instrument.size, params.size, "size")
        price = None if params.price is None else parse_steps(instrument.price, params.price, "price")
        stop_price = (
            None if params.stop_price is None else parse_steps(instrument.price, params.stop_price, "stop_price")
        )
        display_size = 0
        if params.display_size is not None:
            display_size = parse_steps(instrument.size, params.display_size, "display_size")
            if display_size > size:
                raise InvalidInput("display_size must not be more than size", field="display_size")
        expires_at = parse_time(params.expires_at, "expires_at")
        key = account, params.client_order_id
        if expires_at and expires_at <= self._now() and not (key[1] and self._market.order(account, 0, key[1])):
            # an order that is sent again, to ask what became of it, may have expired
            raise InvalidInput("expires_at must be in the future", field="expires_at")
        record = PlaceOrder(
            params.symbol,
            account,
            params.side,
            size,
            price,
            params.type,
            params.time_in_force,
            params.post_only,
            params.client_order_id,
            stop_price,
            expires_at,
            params.reduce_only,
            display_size,
            params.self_trade_prevention,
            parse_time(params.deadline, "deadline"),
            self._session,
        )
        if key[1]:
            self._placing[key] = record
        return record

    def _amendment(self, params: AmendParams, account: str) -> AmendOrder:
        order = self._open(params, account)
        if params.price is None and params.size is None:
            raise InvalidInput("give a new price, a new size or both", field="price", code="no_change")
        if params.price is not None and order.price is None:
            raise InvalidInput(f"a {order.type} order has no price", field="price")
        instrument = self._market.listing(order.symbol).instrument
        return AmendOrder(
            account,
            order.order_id if isinstance(order, Order) else 0,
            None if params.price is None else parse_steps(instrument.price, params.price, "price"),
            None if params.size is None else parse_steps(instrument.size, params.size, "size"),
            "" if isinstance(order, Order) else params.client_order_id,
        )

    def _cancellation(self, params: OrderParams, account: str) -> CancelOrder:
        order = self._open(params, account)
        return (
            CancelOrder(account, order.order_id)
            if isinstance(order, Order)
            else CancelOrder(account, 0, params.client_order_id)
        )

    def _open(self, params: AmendParams | OrderParams, account: str) -> Order | PlaceOrder:
        """The order that is meant, where it can still be changed; one that is under way is its placement."""
        placing = self._placing.get((account, params.client_order_id)) if params.client_order_id else None
        try:
            order = self._find(params, account)
        except InvalidInput as error:
            if placing is not None and error.code == "unknown_order":
                return placing
            raise
        if not order.live:
            field = "order_id" if params.order_id else "client_order_id"
            raise InvalidInput(f"order {order.order_id} is {order.status}", field=field, code="order_closed")
        return order

    def _find(self, params: AmendParams | OrderParams, account: str) -> Order:
        """The order that one of the two ids names, open or ended not long ago."""
        text, client_order_id = params.order_id, params.client_order_id
        if bool(text) == bool(client_order_id):
            raise InvalidInput("give either order_id or client_order_id", field="order_id")
        check_id(client_order_id, "client_order_id")
        if text and not (text.isascii() and text.isdigit() and len(text) <= _ORDER_ID_DIGITS_MAX):
            raise InvalidInput(f"order_id must be up to {_ORDER_ID_DIGITS_MAX} digits", field="order_id")
        order = self._market.order(account, int(text or 0), client_order_id)
        if order is None:
            field = "order_id" if text else "client_order_id"
            message = f"the account has no order {text or client_order_id!r}, or it ended long ago"
            raise InvalidInput(message, field=field, code="unknown_order")
        return order

    def _tradable(self, symbol: str) -> Instrument:
        instrument = self._market.listing(symbol).instrument
        if instrument.kind != "matched":
            text = f"{symbol} is traded at its venue and only shown here"
            raise InvalidInput(text, field="symbol", code="not_tradable")
        return instrument

    # ---- from outcomes to results ----------------------------------------------------------------

    def _order_result(self, outcomes: Outcomes) -> OrderResult:
        outcome = accepted(outcomes)
        assert isinstance(outcome, Executed)
        return self._shown(outcome.order, outcome.fills)

    def _shown(self, order: Order, fills: Iterable[Fill]) -> OrderResult:
        return OrderResult(self._renderer.order(order), [self._renderer.fill(fill) for fill in fills])

    def _state(self, channel: str, account: str) -> Any:
        event = self._market.view(StreamKey(channel, account))
        assert event is not None
        return self._renderer.data(event)

    def _seq(self, channel: str, account: str) -> int:
        return self._market.seq(StreamKey(channel, account))


_OPERATIONS: dict[str, tuple[type, Callable[[Desk, Any, str], Record]]] = {
    "place": (PlaceParams, Desk._placement),
    "amend": (AmendParams, Desk._amendment),
    "cancel": (OrderParams, Desk._cancellation),
}

METHODS: dict[str, tuple[type, Scope, Callable[[Desk, Any, str], Any]]] = {
    "order.place": (PlaceParams, "trade", Desk.place),
    "order.amend": (AmendParams, "trade", Desk.amend),
    "order.cancel": (OrderParams, "trade", Desk.cancel),
    "order.cancel_all": (CancelAllParams, "trade", Desk.cancel_all),
    "order.batch": (BatchParams, "trade", Desk.batch),
    "order.get": (OrderParams, "read", Desk.get),
    "order.list": (CancelAllParams, "read", Desk.open_orders),
    "account.balances": (NoParams, "read", Desk.balances),
    "account.positions": (NoParams, "read", Desk.positions),
    "account.fills": (NoParams, "read", Desk.fills),
    "account.portfolio": (PortfolioParams, "read", Desk.portfolio),
    "session.dead_man": (DeadManParams, "trade", Desk.dead_man),
    "admin.deposit": (TransferParams, "admin", Desk.deposit),
    "admin.withdraw": (TransferParams, "admin", Desk.withdraw),
    "admin.kill_switch": (KillSwitchParams, "admin", Desk.kill_switch),
    "admin.trading_status": (TradingParams, "admin", Desk.trading_status),
}
"""The type of each method's parameters, the scope that it needs, and the method."""


def done(outcomes: Outcomes) -> dict[str, Any]:
    """The result of a command that has nothing to tell."""
    accepted(outcomes)
    return {}


def _canceled(outcomes: Outcomes) -> CanceledResult:
    outcome = accepted(outcomes)
    assert isinstance(outcome, Done)
    return CanceledResult([str(order_id) for order_id in outcome.order_ids])


def accepted(outcomes: Outcomes) -> Outcome | None:
    """What the first of some commands came to.

    Raises:
        InvalidInput: it was refused.
    """
    outcome = outcomes[0]
    if isinstance(outcome, Refused):
        raise InvalidInput(outcome.message, field=outcome.field, code=outcome.code)
    return outcome
