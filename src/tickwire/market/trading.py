"""Trading: what commands do to accounts. Every order is checked and paid for before it is matched.

A command runs in four steps: it is refused or its worst case is held; the matcher decides; each match is settled
between buyer and seller, fees included; and what has changed is said on the private streams of all concerned, once
a command for each order, balance and position. Stops that the trades have woken run as part of the same command.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from copy import copy

import msgspec

from tickwire.engine.events import Canceled, EngineEvent, Matched, Reduced, Rejected
from tickwire.engine.ledger import FEES, Ledger
from tickwire.errors import InvalidNumber
from tickwire.limits import ACCOUNTS_MAX, ICEBERG_SLICES_MAX, OPEN_ORDERS_MAX, TRANSFER_IDS_MAX
from tickwire.market.accounts import Account, AccountState, PositionBook
from tickwire.market.listing import Listing
from tickwire.market.matched import MatchedListing
from tickwire.model.events import Balances, Event, Fill, OrderUpdate, Positions
from tickwire.model.order import Order, OrderStatus, Reason
from tickwire.model.outcome import Done, Executed, Outcome, Refused
from tickwire.model.records import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    Command,
    DeadMan,
    Guard,
    GuardScope,
    KillSwitch,
    PlaceOrder,
    Transfer,
)
from tickwire.model.units import asset_text, asset_units

_ORDER, _DEAD_MAN = 0, 1

_REFUSALS = {
    "would_take": ("a post-only order would match at once at this price", "price"),
    "would_not_fill": ("there is not enough within the limit to fill the order whole", "size"),
    "no_change": ("the order has this price and size already", None),
}


def _contradiction(command: PlaceOrder) -> Refused | None:
    """Which fields of a placement do not go together, or can't be. A session has told its client in more detail."""
    kind = command.type
    if command.size <= 0:
        return Refused("invalid_params", "size must be more than 0", "size")
    if command.display_size < 0:
        return Refused("invalid_params", "display_size must not be negative", "display_size")
    for field, value, wanted in (
        ("price", command.price, kind in ("limit", "stop_limit")),
        ("stop_price", command.stop_price, kind in ("stop", "stop_limit")),
    ):
        if (value is not None) != wanted:
            return Refused("invalid_params", f"a {kind} order {'needs' if wanted else 'has no'} {field}", field)
        if value is not None and value <= 0:
            return Refused("invalid_params", f"{field} must be more than 0", field)
    if command.post_only and (command.price is None or command.time_in_force in ("ioc", "fok")):
        return Refused("invalid_params", "a post-only order has to be able to rest", "post_only")
    return None


def _no_account() -> Refused:
    return Refused("busy", f"no account can be opened: there are {ACCOUNTS_MAX}, the limit, or the name is the house's")


def _too_thin(size: int, display_size: int) -> bool:
    return display_size > 0 and size > display_size * ICEBERG_SLICES_MAX


def _thin_iceberg() -> Refused:
    return Refused("invalid_params", f"display_size must be at least size / {ICEBERG_SLICES_MAX}", "display_size")


class TradingState(msgspec.Struct, frozen=True):
    """All accounts as a snapshot keeps them."""

    next_order_id: int
    balances: dict[str, dict[str, tuple[int, int]]]
    accounts: list[AccountState]
    guards: dict[str, tuple[str, GuardScope]]
    killed: list[str]
    transfers: list[tuple[str, tuple[str, str, str]]]


class Trading:
    """All accounts, and the commands that move them.

    Args:
        listings: the market's, live.

    Attributes:
        now: the tape's time; set by the market.
        ledger: all balances.
    """

    def __init__(self, listings: Mapping[str, Listing]) -> None:
        self.now = 0
        self.ledger = Ledger()
        self.accounts: dict[str, Account] = {}
        self._listings = listings
        self._orders: dict[int, Order] = {}  # live, of all accounts
        self._next_order_id = 1
        self._timers: list[tuple[int, int, int | str]] = []  # (when, what, whose), ascending
        self._guards: dict[str, tuple[str, GuardScope]] = {}
        self._killed: set[str] = set()
        self._transfers: OrderedDict[str, tuple[str, str, str]] = OrderedDict()
        # what the command under way has changed
        self._orders_changed: dict[int, Order] = {}
        self._balances_changed: dict[tuple[str, str], None] = {}
        self._positions_changed: dict[tuple[str, str], None] = {}
        self._fills: list[Fill] = []

    # ---- commands --------------------------------------------------------------------------------

    def apply(self, command: Command, out: list[Event]) -> Outcome:
        """Run a command; what it makes public and private is appended to `out`."""
        if isinstance(command, PlaceOrder):
            outcome = self._place(command, out)
        elif isinstance(command, CancelOrder):
            outcome = self._cancel(command, out)
        elif isinstance(command, AmendOrder):
            outcome = self._amend(command, out)
        elif isinstance(command, CancelAll):
            account = self.accounts.get(command.account)
            orders = [] if account is None else list(account.live.values())
            if command.symbol:
                orders = [order for order in orders if order.symbol == command.symbol]
            if command.session:
                orders = [order for order in orders if order.session == command.session]
            outcome = self._sweep(orders, "requested", out)
        elif isinstance(command, Transfer):
            outcome = self._transfer(command)
        elif isinstance(command, KillSwitch):
            outcome = self._kill(command, out)
        elif isinstance(command, DeadMan):
            outcome = self._arm(command)
        elif isinstance(command, Guard):
            if command.scope == "off":
                self._guards.pop(command.session, None)
            else:
                self._guards[command.session] = (command.account, command.scope)
            outcome = Done([])
        else:
            name, scope = self._guards.pop(command.session, ("", "off"))
            account = self.accounts.get(name)
            orders = [] if account is None else list(account.live.values())
            if scope == "connection":
                orders = [order for order in orders if order.session == command.session]
            outcome = self._sweep(orders, "disconnected", out)
        self._say(out)
        return outcome

    def clock(self, now: int, out: list[Event]) -> None:
        """The tape's time has reached `now`: orders expire and dead men's orders go."""
        self.now = now
        timers = self._timers
        while timers and timers[0][0] <= now:
            _, what, key = timers.pop(0)
            if what == _ORDER:
                order = self._orders[int(key)]
                self._withdraw(order, "expired", out)
            else:
                account = self.accounts[str(key)]
                account.dead_man = 0
                self._sweep(list(account.live.values()), "dead_man", out)
        if self._orders_changed:
            self._say(out)

    def relist(self, symbol: str, out: list[Event]) -> None:
        """An instrument is about to be replaced: its orders are canceled, what is counted in its steps forgotten."""
        self._sweep([order for order in self._orders.values() if order.symbol == symbol], "relisted", out)
        self._say(out)
        for account in self.accounts.values():
            account.forget(symbol)

    @property
    def guarded_sessions(self) -> list[str]:
        """Sessions whose end would cancel orders."""
        return list(self._guards)

    # ---- place -----------------------------------------------------------------------------------

    def _place(self, command: PlaceOrder, out: list[Event]) -> Outcome:
        account = self._account(command.account)
        if account is None:
            return _no_account()
        if not command.client_order_id:
            return self._enter(account, command, out)
        body = msgspec.structs.replace(command, session="")
        known = account.answers.get(command.client_order_id)
        if known is not None:
            if known[0] == body:
                return known[1]
            text = f"client_order_id {command.client_order_id!r} was used for another order"
            return Refused("duplicate_id", text, "client_order_id")
        outcome = self._enter(account, command, out)
        account.answered(body, outcome)
        return outcome

    def _enter(self, account: Account, command: PlaceOrder, out: list[Event]) -> Outcome:
        listing = self._listings.get(command.symbol)
        if listing is None:
            return Refused("unknown_symbol", f"no instrument {command.symbol!r}", "symbol")
        if not isinstance(listing, MatchedListing):
            return Refused("not_tradable", f"{command.symbol} is traded elsewhere; it is only shown here", "symbol")
        refusal = self._forbidden(account, listing, command)
        if refusal is not None:
            return refusal
        order = Order(
            self._next_order_id,
            command.client_order_id,
            command.account,
            command.symbol,
            command.side,
            command.type,
            command.time_in_force,
            command.price,
            command.size,
            command.stop_price,
            command.expires_at,
            command.post_only,
            command.reduce_only,
            command.display_size,
            command.self_trade_prevention,
            command.session,
            self.now,
            self.now,
            "open",
            command.size,
        )
        first_fill = len(self._fills)
        if command.stop_price is not None:
            order.status = "waiting"
            self._open(account, order)
            listing.stops.add(order.order_id, order.side, command.stop_price)
            self._orders_changed[order.order_id] = order
        else:
            refusal = self._match(account, listing, order, out, first=True)
            if refusal is not None:
                return refusal
            self._run_stops(listing, out)
        return self._executed(order, first_fill)

    def _forbidden(self, account: Account, listing: MatchedListing, command: PlaceOrder) -> Refused | None:
        """Why an order may not be entered, before what it costs is looked at."""
        contradiction = _contradiction(command)
        if contradiction is not None:
            return contradiction
        if listing.trading != "open":
            return Refused("trading_halted", f"{command.symbol} is {listing.trading}", "symbol")
        if account.killed or command.symbol in self._killed:
            what = "the account" if account.killed else command.symbol
            return Refused("kill_switch", f"{what} is switched off")
        if command.deadline and self.now > command.deadline:
            return Refused("deadline_passed", f"the server's time is {self.now}", "deadline")
        if command.time_in_force == "gtd" and command.expires_at <= self.now:
            return Refused("deadline_passed", f"expires_at is over: the server's time is {self.now}", "expires_at")
        if len(account.live) >= OPEN_ORDERS_MAX:
            return Refused("too_many_orders", f"an account may have {OPEN_ORDERS_MAX} open orders")
        if _too_thin(command.size, command.display_size):
            return _thin_iceberg()
        stop, last = command.stop_price, listing.last_price
        if stop is not None and last is not None and (last >= stop if command.side == "buy" else last <= stop):
            text = f"the last trade, at {listing.instrument.price.format(last)}, has reached the stop price already"
            return Refused("would_trigger", text, "stop_price")
        return listing.terms.refusal(command.size, command.price, listing.reference_price)

    def _match(
        self, account: Account, listing: MatchedListing, order: Order, out: list[Event], *, first: bool
    ) -> Refused | None:
        """Hold what an order can cost, match it and settle; a refusal leaves everything as it was.

        Args:
            first: the order is new (else it is a stop that has woken, and is known already).
        """
        price, side = order.price, order.side
        matcher, terms = listing.matcher, listing.terms
        rests = price is not None and order.time_in_force in ("gtc", "gtd")
        if order.reduce_only:
            order.remaining = min(order.remaining, self._reducible(account, order, rests))
            if order.remaining <= 0:
                return Refused("would_increase", "there is no position that the order would reduce", "reduce_only")
        limit = None
        if price is None:
            band = terms.band(listing.reference_price)
            if band is not None:
                limit = band[1] if side == "buy" else band[0]
        if side == "sell":
            need, asset = order.remaining * terms.lot_value, listing.instrument.base
        else:
            asset = listing.instrument.quote
            cost = (
                order.remaining * price
                if price is not None
                else matcher.reach(account.name, side, order.remaining, limit, order.self_trade_prevention)[1]
            )
            need = terms.hold(cost)
        available = self.ledger.available(account.name, asset)
        if available < need:
            return self._short_of(asset, need, available)
        events = matcher.place(
            order.order_id,
            account.name,
            side,
            order.remaining,
            price=price,
            order_type="market" if price is None else "limit",
            time_in_force=order.time_in_force,
            post_only=order.post_only,
            display_size=order.display_size,
            self_trade_prevention=order.self_trade_prevention,
            limit=limit,
        )
        if events and isinstance(events[0], Rejected):
            return self._rejected(events[0])
        balance = self.ledger.balance(account.name, asset)
        balance.available -= need
        balance.held += need
        order.held = need
        if first:
            self._open(account, order)
        if order.reduce_only:
            account.reducing[order.order_id] = order
        self._orders_changed[order.order_id] = order
        self._balances_changed[account.name, asset] = None
        self._settle(listing, events, order, out)
        return None

    def _open(self, account: Account, order: Order) -> None:
        self._next_order_id += 1
        account.opened(order)
        self._orders[order.order_id] = order
        if order.time_in_force == "gtd":
            insort(self._timers, (order.expires_at, _ORDER, order.order_id))

    def _run_stops(self, listing: MatchedListing, out: list[Event]) -> None:
        """Enter the stops that the last trades have woken, and those that these wake, in the order of waking."""
        if not listing.stops or listing.last_price is None:
            return
        awake = deque(listing.stops.wake(listing.last_price))
        while awake:
            order = self._orders[awake.popleft()]
            account = self.accounts[order.account]
            order.status = "open"
            refusal = self._match(account, listing, order, out, first=False)
            if refusal is not None:
                reasons: dict[str, Reason] = {
                    "would_increase": "reduce_only",
                    "insufficient_balance": "insufficient_balance",
                }
                self._end(order, "canceled", reasons.get(refusal.code, "refused"))
            awake.extend(listing.stops.wake(listing.last_price))

    # ---- amend and cancel ------------------------------------------------------------------------

    def _amend(self, command: AmendOrder, out: list[Event]) -> Outcome:
        found = self._find(command)
        if isinstance(found, Refused):
            return found
        account, order, listing = found
        size = order.size if command.size is None else command.size
        price = order.price if command.price is None else command.price
        remaining = order.remaining if command.size is None else size - order.filled
        if remaining <= 0:
            text = f"size must be more than what has filled, {listing.instrument.size.format(order.filled)}"
            return Refused("invalid_params", text, "size")
        if command.price is not None and (order.price is None or command.price <= 0):
            return Refused("invalid_params", "price must be more than 0, of an order that has a limit", "price")
        if (price, remaining) == (order.price, order.remaining):
            return Refused("no_change", _REFUSALS["no_change"][0])
        if _too_thin(remaining, order.display_size):
            return _thin_iceberg()
        if listing.trading != "open":
            return Refused("trading_halted", f"{order.symbol} is {listing.trading}", "symbol")
        if account.killed or order.symbol in self._killed:
            return Refused("kill_switch", f"{'the account' if account.killed else order.symbol} is switched off")
        reference = listing.reference_price if command.price is not None else None
        refusal = listing.terms.refusal(size, price, reference)
        if refusal is not None:
            return refusal
        first_fill = len(self._fills)
        if order.status == "open":
            refusal = self._amend_open(account, order, listing, price or 0, remaining, out)
            if refusal is not None:
                return refusal
            order.size = size
            self._run_stops(listing, out)
        else:
            order.price, order.size, order.remaining = price, size, remaining
            self._orders_changed[order.order_id] = order
        return self._executed(order, first_fill)

    def _amend_open(
        self, account: Account, order: Order, listing: MatchedListing, price: int, remaining: int, out: list[Event]
    ) -> Refused | None:
        terms = listing.terms
        if order.reduce_only and remaining > order.remaining:
            possible = self._reducible(account, order, True)
            if remaining > possible:
                text = f"the order may reduce the position by {listing.instrument.size.format(possible)} at most"
                return Refused("would_increase", text, "size")
        buys = order.side == "buy"
        need = terms.hold(price * remaining) if buys else remaining * terms.lot_value
        asset = listing.instrument.quote if buys else listing.instrument.base
        balance = self.ledger.balance(account.name, asset)
        more = need - order.held
        if more > balance.available:
            return self._short_of(asset, more, balance.available)
        events = listing.matcher.amend(
            order.order_id,
            price=price,
            size=remaining,
            post_only=order.post_only,
            self_trade_prevention=order.self_trade_prevention,
        )
        if isinstance(events[0], Rejected):
            return self._rejected(events[0])
        balance.available -= more
        balance.held += more
        order.held = need
        order.price, order.remaining = price, remaining
        self._orders_changed[order.order_id] = order
        self._balances_changed[account.name, asset] = None
        self._settle(listing, events, order, out, amended=True)
        return None

    def _cancel(self, command: CancelOrder, out: list[Event]) -> Outcome:
        found = self._find(command)
        if isinstance(found, Refused):
            return found
        order = found[1]
        self._withdraw(order, "requested", out)
        return self._executed(order, len(self._fills))

    def _withdraw(self, order: Order, reason: Reason, out: list[Event]) -> None:
        """Take a live order off, wherever it is."""
        listing = self._matched(order.symbol)
        if order.status == "waiting":
            listing.stops.remove(order.order_id)
        else:
            listing.publish(listing.matcher.cancel(order.order_id), self.now, out)
        self._end(order, "expired" if reason == "expired" else "canceled", reason)

    def _sweep(self, orders: Iterable[Order], reason: Reason, out: list[Event]) -> Done:
        canceled = []
        for order in orders:
            self._withdraw(order, reason, out)
            canceled.append(order.order_id)
        return Done(canceled)

    def _find(self, command: AmendOrder | CancelOrder) -> tuple[Account, Order, MatchedListing] | Refused:
        account = self.accounts.get(command.account)
        order = None if account is None else account.order(command.order_id, command.client_order_id)
        if account is None or order is None:
            name = command.client_order_id or command.order_id
            field = "client_order_id" if command.client_order_id else "order_id"
            return Refused("unknown_order", f"the account has no order {name}", field)
        if not order.live:
            return Refused("order_closed", f"order {order.order_id} is {order.status}", "order_id")
        return account, order, self._matched(order.symbol)

    # ---- accounts --------------------------------------------------------------------------------

    def _transfer(self, command: Transfer) -> Outcome:
        try:
            amount = asset_units(command.amount)
        except InvalidNumber as error:
            return Refused("invalid_params", error.message, "amount")
        body = (command.account, command.asset, command.amount)
        known = self._transfers.get(command.transfer_id)
        if known is not None:
            if known == body:
                return Done([])
            return Refused("duplicate_id", f"transfer {command.transfer_id!r} was another one", "transfer_id")
        account = self._account(command.account)
        if account is None:
            return _no_account()
        available = self.ledger.available(command.account, command.asset)
        if available + amount < 0:
            return self._short_of(command.asset, -amount, available)
        self.ledger.bring(command.account, command.asset, amount)
        self._balances_changed[command.account, command.asset] = None
        self._transfers[command.transfer_id] = body
        if len(self._transfers) > TRANSFER_IDS_MAX:
            self._transfers.popitem(last=False)
        return Done([])

    def _kill(self, command: KillSwitch, out: list[Event]) -> Outcome:
        orders: list[Order] = []
        if command.symbol:
            if command.on:
                self._killed.add(command.symbol)
                orders = [order for order in self._orders.values() if order.symbol == command.symbol]
            else:
                self._killed.discard(command.symbol)
        else:
            account = self._account(command.account)
            if account is None:
                return _no_account()
            account.killed = command.on
            if command.on:
                orders = list(account.live.values())
        return self._sweep(orders, "kill_switch", out)

    def _arm(self, command: DeadMan) -> Outcome:
        account = self._account(command.account)
        if account is None:
            return _no_account()
        if account.dead_man:
            self._drop_timer((account.dead_man, _DEAD_MAN, account.name))
        account.dead_man = command.expires_at
        if command.expires_at:
            insort(self._timers, (command.expires_at, _DEAD_MAN, account.name))
        return Done([])

    def _account(self, name: str) -> Account | None:
        """An account, opened now if it is new; None when there are too many, or the name is the house's or nobody's."""
        account = self.accounts.get(name)
        if account is None and len(self.accounts) < ACCOUNTS_MAX and name and not name.startswith("@"):
            balances = self.ledger.balances.setdefault(name, {})
            account = self.accounts[name] = Account(name, balances)
        return account

    def _matched(self, symbol: str) -> MatchedListing:
        listing = self._listings[symbol]
        assert isinstance(listing, MatchedListing)
        return listing

    # ---- settlement ------------------------------------------------------------------------------

    def _settle(
        self,
        listing: MatchedListing,
        events: list[EngineEvent],
        taker: Order,
        out: list[Event],
        *,
        amended: bool = False,
    ) -> None:
        """Move money and orders by what the matcher did for `taker`, and publish it.

        Args:
            amended: the first event only takes the order off its old place.
        """
        listing.publish(events, self.now, out)
        for event in events[1:] if amended else events:
            if isinstance(event, Matched):
                maker = self._orders[event.maker_order_id]
                self._fill(listing, event, taker, "taker")
                self._fill(listing, event, maker, "maker")
            elif isinstance(event, Canceled):
                order = taker if event.order_id == taker.order_id else self._orders[event.order_id]
                self._shrink(listing, order, event.size, event.reason)
            elif isinstance(event, Reduced):
                self._shrink(listing, self._orders[event.order_id], event.removed, "self_trade")
        if taker.remaining == 0 and taker.status == "open":
            self._end(taker, "filled", taker.reason)
        self._trim(listing, out)

    def _fill(self, listing: MatchedListing, match: Matched, order: Order, liquidity: str) -> None:
        terms, instrument, name = listing.terms, listing.instrument, order.account
        price, size = match.price, match.size
        amount = price * size * terms.notional_value
        fee = terms.fee(amount, terms.maker_ppm if liquidity == "maker" else terms.taker_ppm)
        base = self.ledger.balance(name, instrument.base)
        quote = self.ledger.balance(name, instrument.quote)
        order.remaining -= size
        order.filled += size
        order.cost += price * size
        order.fee += fee
        if order.side == "buy":
            paid = amount + fee
            held = terms.hold(order.price * order.remaining) if order.price is not None else order.held - paid
            quote.held -= order.held - held
            quote.available += order.held - held - paid
            base.available += size * terms.lot_value
        else:
            held = order.held - size * terms.lot_value
            base.held -= order.held - held
            quote.available += amount - fee
        order.held = held
        self.ledger.balance(FEES, instrument.quote).available += fee
        account = self.accounts[name]
        position = account.positions.get(order.symbol)
        if position is None:
            position = account.positions[order.symbol] = PositionBook()
        position.fill(order.side, price, size, fee)
        account.seq["fills"] += 1
        fill = Fill(
            name,
            account.seq["fills"],
            self.now,
            order.symbol,
            str(match.trade_id),
            order.order_id,
            order.client_order_id,
            order.side,
            price,
            size,
            fee,
            "maker" if liquidity == "maker" else "taker",
        )
        account.fills.append(fill)
        self._fills.append(fill)
        self._orders_changed[order.order_id] = order
        self._balances_changed[name, instrument.base] = None
        self._balances_changed[name, instrument.quote] = None
        self._positions_changed[name, order.symbol] = None
        if order.remaining == 0 and liquidity == "maker":
            self._end(order, "filled", order.reason)

    def _shrink(self, listing: MatchedListing, order: Order, size: int, reason: Reason) -> None:
        """`size` lots of an order will not fill any more."""
        order.remaining -= size
        order.reason = reason
        if order.remaining == 0:
            self._end(order, "canceled", reason)
            return
        terms = listing.terms
        if order.side == "sell":
            held = order.remaining * terms.lot_value
        elif order.price is not None:
            held = terms.hold(order.price * order.remaining)
        else:
            held = order.held  # of a market order: settled when it ends
        self._release(listing, order, order.held - held)
        self._orders_changed[order.order_id] = order

    def _end(self, order: Order, status: OrderStatus, reason: Reason) -> None:
        """An order is over: what it still holds is free again."""
        self._release(self._matched(order.symbol), order, order.held)
        order.status, order.reason = status, reason
        order.remaining = 0
        del self._orders[order.order_id]
        self.accounts[order.account].ended(order)
        if order.time_in_force == "gtd":
            self._drop_timer((order.expires_at, _ORDER, order.order_id))
        self._orders_changed[order.order_id] = order

    def _release(self, listing: MatchedListing, order: Order, amount: int) -> None:
        if amount:
            asset = listing.instrument.quote if order.side == "buy" else listing.instrument.base
            balance = self.ledger.balance(order.account, asset)
            balance.held -= amount
            balance.available += amount
            order.held -= amount
            self._balances_changed[order.account, asset] = None

    def _reducible(self, account: Account, order: Order, rests: bool) -> int:
        """Lots by which an order may reduce the position. One that rests shares it with all that rest beside it, or
        two of them could fill one after the other and turn the position round."""
        position = account.positions.get(order.symbol)
        size = 0 if position is None else position.size
        possible = size if order.side == "sell" else -size
        if rests:
            possible -= sum(
                other.remaining
                for other in account.live.values()
                if other is not order
                and other.symbol == order.symbol
                and other.side == order.side
                and other.status == "open"
            )
        return possible

    def _trim(self, listing: MatchedListing, out: list[Event]) -> None:
        """Cut resting reduce-only orders, newest first, to what the position has become."""
        symbol = listing.symbol
        names = dict.fromkeys(name for name, touched in self._positions_changed if touched == symbol)
        names.update(dict.fromkeys(order.account for order in self._orders_changed.values()))
        for name in names:
            account = self.accounts[name]
            for order_id in sorted(account.reducing, reverse=True):
                order = account.reducing[order_id]
                if order.symbol != symbol or order.status != "open":
                    continue
                cut = min(order.remaining - self._reducible(account, order, True), order.remaining)
                if cut <= 0:
                    continue
                listing.publish(listing.matcher.reduce(order.order_id, cut), self.now, out)
                self._shrink(listing, order, cut, "reduce_only")

    def _drop_timer(self, timer: tuple[int, int, int | str]) -> None:
        at = bisect_left(self._timers, timer)
        if at < len(self._timers) and self._timers[at] == timer:
            del self._timers[at]

    # ---- what is said ----------------------------------------------------------------------------

    def _executed(self, order: Order, first_fill: int) -> Executed:
        order.updated = self.now
        return Executed(copy(order), [fill for fill in self._fills[first_fill:] if fill.order_id == order.order_id])

    def _short_of(self, asset: str, need: int, available: int) -> Refused:
        text = f"this needs {asset_text(need)} {asset}; {asset_text(available)} is available"
        return Refused("insufficient_balance", text)

    def _rejected(self, event: Rejected) -> Refused:
        text, field = _REFUSALS.get(event.code, (f"the order can't be entered: {event.code}", None))
        return Refused(event.code if event.code in _REFUSALS else "invalid_params", text, field)

    def _say(self, out: list[Event]) -> None:
        """Publish what the command has changed, on the private streams."""
        now = self.now
        out.extend(self._fills)
        for order in self._orders_changed.values():
            order.updated = now
            account = self.accounts[order.account]
            account.seq["orders"] += 1
            out.append(OrderUpdate(account.name, account.seq["orders"], now, copy(order)))
        changed: dict[str, list[str]] = {}
        for name, asset in self._balances_changed:
            changed.setdefault(name, []).append(asset)
        for name, assets in changed.items():
            account = self.accounts[name]
            account.seq["balances"] += 1
            rows = account.listed({asset: account.balances[asset] for asset in assets})
            out.append(Balances(name, account.seq["balances"], now, rows))
        changed = {}
        for name, symbol in self._positions_changed:
            changed.setdefault(name, []).append(symbol)
        for name, symbols in changed.items():
            account = self.accounts[name]
            account.seq["positions"] += 1
            rows_ = [account.position(symbol, self._listings[symbol].last_price) for symbol in symbols]
            out.append(Positions(name, account.seq["positions"], now, rows_))
        self._fills = []
        self._orders_changed = {}
        self._balances_changed = {}
        self._positions_changed = {}

    # ---- snapshots -------------------------------------------------------------------------------

    def dump(self) -> TradingState:
        """The whole state; equal states give equal bytes once encoded."""
        return TradingState(
            self._next_order_id,
            self.ledger.dump(),
            [account.dump() for account in self.accounts.values()],
            self._guards,
            sorted(self._killed),
            list(self._transfers.items()),
        )

    def load(self, state: TradingState) -> None:
        """Inverse of `dump`; the listings are there already, with their books."""
        self._next_order_id = state.next_order_id
        self.ledger.load(state.balances)
        self._guards = state.guards
        self._killed = set(state.killed)
        self._transfers.update(state.transfers)
        for row in state.accounts:
            account = self._account(row.name)
            assert account is not None
            account.load(row)
            self._orders.update(account.live)
            if account.dead_man:
                insort(self._timers, (account.dead_man, _DEAD_MAN, account.name))
        self._orders = dict(sorted(self._orders.items()))
        for order in self._orders.values():
            if order.status == "waiting" and order.stop_price is not None:
                self._matched(order.symbol).stops.add(order.order_id, order.side, order.stop_price)
            if order.time_in_force == "gtd":
                insort(self._timers, (order.expires_at, _ORDER, order.order_id))
