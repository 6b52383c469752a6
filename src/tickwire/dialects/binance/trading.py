"""Operations of orders: place, test, cancel, replace, amend and look up. Each makes a job for the desk, or answers at
once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tickwire.dialects.binance.call import Call, FollowUp
from tickwire.dialects.binance.decimals import padded
from tickwire.dialects.binance.errors import (
    DUPLICATE_ORDER,
    NO_INCREASE,
    NOT_CANCELED,
    UNKNOWN_ORDER,
    BinanceError,
    Doing,
    venue_error,
)
from tickwire.dialects.binance.orders import OrderView, placement, response_type
from tickwire.errors import InvalidInput
from tickwire.market.matched import MatchedListing
from tickwire.model.order import Order
from tickwire.model.outcome import Done, Executed
from tickwire.model.units import asset_units
from tickwire.protocol.messages import AmendParams, CancelAllParams, OrderParams, PlaceParams
from tickwire.protocol.orders import Job, Outcomes, accepted
from tickwire.protocol.params import parse_steps

RESTRICTIONS: dict[str, Callable[[Order], bool]] = {
    "ONLY_NEW": lambda order: not order.filled,
    "ONLY_PARTIALLY_FILLED": lambda order: bool(order.filled),
}
"""What an order must be for a cancellation to be let through; looked at when the request comes."""
_CANCEL_NAMES = ("orderId", "origClientOrderId")


# ---- place ---------------------------------------------------------------------------------------


def place(call: Call) -> Any:
    """`order.place`"""
    with _doing("place"):
        return _placing(call, _checked(call))


def test(call: Call) -> Any:
    """`order.test`: everything but the balance is checked, and nothing is done."""
    with _doing("place"):
        wanted = _checked(call)
        instrument = call.instrument()
        call.desk.place(_anonymous(wanted), call.account)
        listing = call.services.market.listing(instrument.symbol)
        assert isinstance(listing, MatchedListing)  # the desk has looked
        size = parse_steps(instrument.size, wanted.size, "size")
        price = None if wanted.price is None else parse_steps(instrument.price, wanted.price, "price")
        if listing.trading != "open":
            raise InvalidInput("the instrument is not open", code="trading_halted")
        refusal = listing.terms.refusal(size, price, listing.reference_price)
        if refusal is not None:
            raise InvalidInput(refusal.message, field=refusal.field, code=refusal.code)
    return commission(call) if call.params.flag("computeCommissionRates", False) else {}


def _anonymous(wanted: PlaceParams) -> PlaceParams:
    """The same placement without an id: the desk remembers those that it is to place."""
    return PlaceParams(
        wanted.symbol,
        wanted.side,
        wanted.size,
        wanted.type,
        wanted.price,
        wanted.stop_price,
        wanted.time_in_force,
        post_only=wanted.post_only,
        display_size=wanted.display_size,
    )


def commission(call: Call) -> Any:
    """`account.commission`: what an order on a symbol costs, and the same for `order.test`."""
    instrument = call.instrument()
    none = dict.fromkeys(("maker", "taker", "buyer", "seller"), padded("0"))
    rates = {**none, "maker": padded(instrument.maker_fee), "taker": padded(instrument.taker_fee)}
    return {
        "symbol": call.params.required("symbol"),
        "standardCommission": rates,
        "specialCommission": none,
        "taxCommission": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": instrument.quote,
            "discount": padded("0"),
        },
    }


def _checked(call: Call) -> PlaceParams:
    """The placement that is asked for, in our terms."""
    instrument = call.instrument()
    for name in ("trailingDelta", "pegPriceType"):
        if name in call.params:
            raise BinanceError(-1020)
    listing = call.services.market.listing(instrument.symbol)
    params = placement(call.params, instrument, listing.ladder, call.new_id())
    response_type(call.params)
    if call.services.market.order(call.account, 0, params.client_order_id) is not None:
        raise BinanceError(-2010, DUPLICATE_ORDER, code="duplicate_id")
    return params


def _placing(call: Call, wanted: PlaceParams) -> Job:
    how = response_type(call.params)
    quote_size = call.params.text("quoteOrderQty")

    def result(outcomes: Outcomes) -> Any:
        executed = _executed(outcomes, "place")
        return _view(call, executed.order).placed(how, executed.fills, quote_size)

    return Job(call.desk.place(wanted, call.account).commands, result)


# ---- cancel --------------------------------------------------------------------------------------


def cancel(call: Call) -> Any:
    """`order.cancel`"""
    with _doing("cancel"):
        return _canceling(call, *_CANCEL_NAMES, "newClientOrderId")


def cancel_all(call: Call) -> Any:
    """`openOrders.cancelAll`: of one symbol."""
    instrument, account = call.instrument(), call.account
    market = call.services.market
    known = {order.order_id: order for order in market.open_orders_of(account, instrument.symbol)}

    def result(outcomes: Outcomes) -> Any:
        with _doing("cancel"):
            outcome = accepted(outcomes)
        assert isinstance(outcome, Done)
        orders = [known.get(order_id) or market.order(account, order_id) for order_id in outcome.order_ids]
        if not orders:
            raise BinanceError(-2011, UNKNOWN_ORDER, code="unknown_order")
        return [_view(call, order).canceled("") for order in orders if order is not None]

    with _doing("cancel"):
        return Job(call.desk.cancel_all(CancelAllParams(instrument.symbol), account).commands, result)


def _canceling(call: Call, id_name: str, client_id_name: str, new_id_name: str) -> Job:
    wanted, order = _named(call, id_name, client_id_name)
    new_id = call.params.client_order_id(new_id_name)
    restriction = call.params.text("cancelRestrictions")
    if restriction:
        if restriction not in RESTRICTIONS:
            raise BinanceError(-1145)
        if order is not None and order.live and not RESTRICTIONS[restriction](order):
            raise BinanceError(-2011, NOT_CANCELED)

    def result(outcomes: Outcomes) -> Any:
        return _view(call, _executed(outcomes, "cancel").order).canceled(new_id)

    return Job(call.desk.cancel(wanted, call.account).commands, result)


# ---- cancel and replace --------------------------------------------------------------------------


def cancel_replace(call: Call) -> Any:
    """`order.cancelReplace`. With STOP_ON_FAILURE the new order is entered once the old one is known to be canceled;
    with ALLOW_FAILURE both are asked for at once, and happen together."""
    stop = call.params.choice("cancelReplaceMode", {"STOP_ON_FAILURE": True, "ALLOW_FAILURE": False})
    with _doing("place"):
        wanted = _checked(call)
        call.desk.place(_anonymous(wanted), call.account)
    try:
        with _doing("cancel"):
            canceling = _canceling(call, "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId")
    except BinanceError as error:
        if error.number != -2011:
            raise
        if stop:
            raise _replaced(error, None) from None
        failed, placing = error, _placing(call, wanted)
        return Job(placing.commands, lambda outcomes: _both(failed, _tried(placing, outcomes)))
    return _then_place(call, canceling, wanted) if stop else _together(canceling, _placing(call, wanted))


def _together(canceling: Job, placing: Job) -> Job:
    return Job(
        canceling.commands + placing.commands,
        lambda outcomes: _both(_tried(canceling, outcomes[:1]), _tried(placing, outcomes[1:])),
    )


def _then_place(call: Call, canceling: Job, wanted: PlaceParams) -> Job:
    def then(outcomes: Outcomes) -> Any:
        canceled = _tried(canceling, outcomes)
        if isinstance(canceled, BinanceError):
            raise _replaced(canceled, None)
        try:
            placing = _placing(call, wanted)
        except InvalidInput as error:
            raise _replaced(canceled, venue_error(error, "place")) from None
        job = Job(placing.commands, lambda outcomes: _both(canceled, _tried(placing, outcomes)))
        return FollowUp(job, lambda error: _replaced(canceled, venue_error(error, "place")))

    return Job(canceling.commands, then)


def _tried(job: Job, outcomes: Outcomes) -> Any:
    """What a job came to, an error included."""
    try:
        return job.result(outcomes)
    except BinanceError as error:
        return error


def _both(canceled: Any, placed: Any) -> Any:
    if isinstance(canceled, BinanceError) or isinstance(placed, BinanceError):
        raise _replaced(canceled, placed)
    return _halves(canceled, placed)


def _replaced(canceled: Any, placed: Any) -> BinanceError:
    """One half has failed, or both have. `placed` is None where it was not tried."""
    partly = not isinstance(canceled, BinanceError) or not (placed is None or isinstance(placed, BinanceError))
    return BinanceError(-2021 if partly else -2022, data=_halves(canceled, placed))


def _halves(canceled: Any, placed: Any) -> dict[str, Any]:
    answers = [half.body() if isinstance(half, BinanceError) else half for half in (canceled, placed)]
    results = ["FAILURE" if isinstance(half, BinanceError) else "SUCCESS" for half in (canceled, placed)]
    return {
        "cancelResult": results[0],
        "newOrderResult": "NOT_ATTEMPTED" if placed is None else results[1],
        "cancelResponse": answers[0],
        "newOrderResponse": answers[1],
    }


# ---- amend ---------------------------------------------------------------------------------------


def amend(call: Call) -> Any:
    """`order.amend.keepPriority`: less of the same order, in its place."""
    with _doing("amend"):
        wanted, order = _named(call, *_CANCEL_NAMES)
        size = call.params.number("newQty")
        new_id = call.params.client_order_id("newClientOrderId")
        if order is not None:
            instrument = call.instrument_of(order.symbol)
            if new_id not in ("", order.client_order_id):
                raise BinanceError(-1106, "newClientOrderId")
            if order.live and asset_units(size) > asset_units(instrument.size.format(order.size)):
                raise BinanceError(-2038, NO_INCREASE)
        job = call.desk.amend(AmendParams(wanted.order_id, wanted.client_order_id, size=size), call.account)
    return Job(job.commands, lambda outcomes: _view(call, _executed(outcomes, "amend").order).amended())


# ---- look up -------------------------------------------------------------------------------------


def status(call: Call) -> Any:
    """`order.status`. An unknown `origClientOrderId` is looked for again behind all that is queued: its placement may
    be on its way, and "it does not exist" must be final."""

    def result(_: Outcomes) -> Any:
        with _doing("read"):
            order = _named(call, *_CANCEL_NAMES)[1]
        if order is None:
            raise BinanceError(-2013, code="unknown_order")
        return _view(call, order).looked_up()

    try:
        return result([])
    except BinanceError as error:
        if error.number != -2013 or "orderId" in call.params:
            raise
        return Job([], result)


def open_orders(call: Call) -> Any:
    """`openOrders.status`: of one symbol, or of all."""
    symbol = call.instrument().symbol if "symbol" in call.params else ""
    return [_view(call, order).looked_up() for order in call.services.market.open_orders_of(call.account, symbol)]


# ---- what several take ---------------------------------------------------------------------------


def _executed(outcomes: Outcomes, doing: Doing) -> Executed:
    with _doing(doing):
        outcome = accepted(outcomes)
    assert isinstance(outcome, Executed)
    return outcome


def _view(call: Call, order: Order) -> OrderView:
    return OrderView(order, call.instrument_of(order.symbol), call.unit)


def _named(call: Call, id_name: str, client_id_name: str) -> tuple[OrderParams, Order | None]:
    """The order that a request names by one of its ids, or by both. It is None where the market does not know it yet.

    Raises:
        BinanceError: none is named, or the ids are of two orders.
        InvalidInput: `unknown_order`.
    """
    params, instrument = call.params, call.instrument()
    order_id = params.integer(id_name, 0, 1, 10**18 - 1)
    client_order_id = params.client_order_id(client_id_name)
    if not order_id and not client_order_id:
        text = f"Param '{client_id_name}' or '{id_name}' must be sent, but both were empty/null!"
        raise BinanceError(-1102, text=text)
    wanted = OrderParams(order_id=str(order_id)) if order_id else OrderParams(client_order_id=client_order_id)
    order = call.services.market.order(call.account, order_id, "" if order_id else client_order_id)
    if order is not None and order.symbol != instrument.symbol:
        raise InvalidInput("this order is of another instrument", code="unknown_order")
    if order is not None and order_id and client_order_id not in ("", order.client_order_id):
        raise BinanceError(-2039)
    return wanted, order


@contextmanager
def _doing(doing: Doing) -> Iterator[None]:
    """Says what goes wrong within in the venue's words for what is being done."""
    try:
        yield
    except InvalidInput as error:
        raise venue_error(error, doing) from None
