"""Trading: what commands do to accounts. Every order is checked and paid for before it is matched.

A command runs in four steps: it is refused or its worst case is held; the matcher decides; each match is settled
between buyer and seller, fees included; and what has changed is said on the private streams of all concerned, once
a command for each order, balance and position. Stops that the trades have woken run as part of the same command.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from tickwire.engine.events import Rejected
from tickwire.engine.stops import direction, reached
from tickwire.errors import InvalidNumber
from tickwire.limits import OPEN_ORDERS_MAX, TRANSFER_IDS_MAX
from tickwire.market.accounts import Account
from tickwire.market.listing import Listing
from tickwire.market.matched import MatchedListing
from tickwire.market.out import Out
from tickwire.market.refusals import NO_CHANGE, contradiction, rejected, short_of, thin_iceberg, unknown_symbol
from tickwire.market.settlement import DEAD_MAN, ORDER, Settlement
from tickwire.market.state import AccountsState
from tickwire.model.events import Position, Positions
from tickwire.model.order import Order, Reason
from tickwire.model.outcome import Done, Outcome, Refused
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
from tickwire.model.units import asset_units


class Trading(Settlement):
    """All accounts, and the commands that move them.

    Args:
        listings: the market's, live.
        changed: where to note the symbols whose book has changed.
    """

    def __init__(self, listings: Mapping[str, Listing], changed: set[str]) -> None:
        super().__init__(listings, changed)
        self._next_order_id = 1
        self._guards: dict[str, tuple[str, GuardScope]] = {}
        self._killed: set[str] = set()
        self._transfers: OrderedDict[str, tuple[str, str, str]] = OrderedDict()

    # ---- commands --------------------------------------------------------------------------------

    def apply(self, command: Command, out: Out) -> Outcome:
        """Run a command; what it makes public and private is appended to `out`."""
        if isinstance(command, PlaceOrder):
            outcome = self._place(command, out)
        elif isinstance(command, CancelOrder):
            outcome = self._cancel(command, out)
        elif isinstance(command, AmendOrder):
            outcome = self._amend(command, out)
        elif isinstance(command, CancelAll):
            orders = self._live(command.account, command.symbol, command.session)
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
            orders = self._live(name, session=command.session if scope == "connection" else "")
            outcome = self._sweep(orders, "disconnected", out)
        self._say(out)
        return outcome

    def _live(self, name: str, symbol: str = "", session: str = "") -> list[Order]:
        """An account's live orders; where they are given, only those of a symbol and of a session."""
        account = self.accounts.get(name)
        orders = [] if account is None else account.live.values()
        return [order for order in orders if symbol in ("", order.symbol) and session in ("", order.session)]

    def clock(self, now: int, out: Out) -> None:
        """The tape's time has reached `now`: orders expire and dead men's orders go."""
        self.now = now
        timers = self._timers
        while timers and timers[0][0] <= now:
            _, what, key = timers.pop(0)
            if what == ORDER:
                order = self._orders[int(key)]
                self._withdraw(order, "expired", out)
            else:
                account = self.accounts[str(key)]
                account.dead_man = 0
                self._sweep(list(account.live.values()), "dead_man", out)
        if self._orders_changed:
            self._say(out)

    def relist(self, symbol: str, out: Out) -> None:
        """An instrument is about to be replaced: its orders are canceled, what is counted in its steps forgotten."""
        self._sweep([order for order in self._orders.values() if order.symbol == symbol], "relisted", out)
        self._say(out)
        for account in self.accounts.values():
            if symbol in account.positions:
                account.seq["positions"] += 1
                if out.hears("positions", account.name):
                    gone = Position(symbol, 0, 0, 0, 0, None)
                    out.append(Positions(account.name, account.seq["positions"], self.now, [gone]))
            account.forget(symbol)

    @property
    def guarded_sessions(self) -> list[str]:
        """Sessions whose end would cancel orders."""
        return list(self._guards)

    # ---- place -----------------------------------------------------------------------------------

    def _place(self, command: PlaceOrder, out: Out) -> Outcome:
        account = self._account(command.account)
        if isinstance(account, Refused):
            return account
        known = account.answers.get(command.client_order_id)
        if known is not None:
            first, outcome = known
            if replace(first, session=command.session) == command:
                return outcome
            text = f"client_order_id {command.client_order_id!r} was used for another order"
            return Refused("duplicate_id", text, "client_order_id")
        outcome = self._enter(account, command, out)
        if command.client_order_id:
            account.answered(command, outcome)
        return outcome

    def _enter(self, account: Account, command: PlaceOrder, out: Out) -> Outcome:
        listing = self._listings.get(command.symbol)
        if listing is None:
            return unknown_symbol(command.symbol)
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
            listing.stops.add(order.order_id, direction(order.type, order.side), command.stop_price)
            self._orders_changed[order.order_id] = order
        else:
            refusal = self._match(account, listing, order, out, first=True)
            if refusal is not None:
                return refusal
            self._run_stops(listing, out)
        return self._executed(order, first_fill)

    def _forbidden(self, account: Account, listing: MatchedListing, command: PlaceOrder) -> Refused | None:
        """Why an order may not be entered, before what it costs is looked at."""
        refusal = contradiction(command)
        if refusal is not None:
            return refusal
        refusal = self._switched_off(account, listing)
        if refusal is not None:
            return refusal
        if command.deadline and self.now > command.deadline:
            return Refused("deadline_passed", f"the server's time is {self.now}", "deadline")
        if command.time_in_force == "gtd" and command.expires_at <= self.now:
            return Refused("deadline_passed", f"expires_at is over: the server's time is {self.now}", "expires_at")
        if len(account.live) >= OPEN_ORDERS_MAX:
            return Refused("too_many_orders", f"an account may have {OPEN_ORDERS_MAX} open orders")
        refusal = thin_iceberg(command.size, command.display_size)
        if refusal is not None:
            return refusal
        stop, last = command.stop_price, listing.last_price
        if stop is not None and last is not None and reached(direction(command.type, command.side), stop, last):
            text = f"the last trade, at {listing.instrument.price.format(last)}, has reached the stop price already"
            return Refused("would_trigger", text, "stop_price")
        return listing.terms.refusal(command.size, command.price, listing.reference_price)

    def _switched_off(self, account: Account, listing: MatchedListing) -> Refused | None:
        """Why nothing may be entered at present."""
        if listing.trading != "open":
            return Refused("trading_halted", f"{listing.symbol} is {listing.trading}", "symbol")
        if account.killed or listing.symbol in self._killed:
            what = "the account" if account.killed else listing.symbol
            return Refused("kill_switch", f"{what} is switched off")
        return None

    def _match(
        self, account: Account, listing: MatchedListing, order: Order, out: Out, *, first: bool
    ) -> Refused | None:
        """Hold what an order can cost, match it and settle; a refusal leaves everything as it was.

        Args:
            first: the order is new (else it has waited and woken, and is known already).
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
        cost = 0
        if price is not None:
            cost = order.remaining * price
        elif side == "buy":
            cost = matcher.reach(account.name, side, order.remaining, limit, order.self_trade_prevention)[1]
        need, asset = terms.hold(side, order.remaining, cost), terms.pays(side)
        available = self.ledger.available(account.name, asset)
        if available < need:
            return short_of(asset, need, available)
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
            return rejected(events[0])
        balance = account.balance(asset)
        balance.available -= need
        balance.held += need
        order.held = need
        if first:
            self._open(account, order)
        if order.reduce_only:
            account.reducing[order.order_id] = order
        self._orders_changed[order.order_id] = order
        self._balances_of(account.name)[asset] = None
        self._settle(listing, events, order, out)
        return None

    def _open(self, account: Account, order: Order) -> None:
        self._next_order_id += 1
        account.opened(order)
        self._orders[order.order_id] = order
        if order.time_in_force == "gtd":
            insort(self._timers, (order.expires_at, ORDER, order.order_id))

    def _run_stops(self, listing: MatchedListing, out: Out) -> None:
        """Enter the orders that the last trades have woken, and those that these wake, in the order of waking."""
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

    def _amend(self, command: AmendOrder, out: Out) -> Outcome:
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
            return Refused("no_change", NO_CHANGE)
        refusal = thin_iceberg(remaining, order.display_size)
        if refusal is not None:
            return refusal
        refusal = self._switched_off(account, listing)
        if refusal is not None:
            return refusal
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
        self, account: Account, order: Order, listing: MatchedListing, price: int, remaining: int, out: Out
    ) -> Refused | None:
        terms = listing.terms
        if order.reduce_only and remaining > order.remaining:
            possible = self._reducible(account, order, True)
            if remaining > possible:
                text = f"the order may reduce the position by {listing.instrument.size.format(possible)} at most"
                return Refused("would_increase", text, "size")
        need, asset = terms.hold(order.side, remaining, price * remaining), terms.pays(order.side)
        balance = account.balance(asset)
        more = need - order.held
        if more > balance.available:
            return short_of(asset, more, balance.available)
        events = listing.matcher.amend(
            order.order_id,
            price=price,
            size=remaining,
            post_only=order.post_only,
            self_trade_prevention=order.self_trade_prevention,
        )
        if isinstance(events[0], Rejected):
            return rejected(events[0])
        balance.available -= more
        balance.held += more
        order.held = need
        order.price, order.remaining = price, remaining
        self._orders_changed[order.order_id] = order
        self._balances_of(account.name)[asset] = None
        self._settle(listing, events, order, out, amended=True)
        return None

    def _cancel(self, command: CancelOrder, out: Out) -> Outcome:
        found = self._find(command)
        if isinstance(found, Refused):
            return found
        order = found[1]
        self._withdraw(order, "requested", out)
        return self._executed(order, len(self._fills))

    def _withdraw(self, order: Order, reason: Reason, out: Out) -> None:
        """Take a live order off, wherever it is."""
        listing = self._matched(order.symbol)
        if order.status == "waiting":
            listing.stops.remove(order.order_id)
        else:
            self._publish(listing, listing.matcher.cancel(order.order_id), out)
        self._end(order, "expired" if reason == "expired" else "canceled", reason)

    def _sweep(self, orders: Iterable[Order], reason: Reason, out: Out) -> Done:
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
        if isinstance(account, Refused):
            return account
        available = self.ledger.available(command.account, command.asset)
        if available + amount < 0:
            return short_of(command.asset, -amount, available)
        self.ledger.bring(command.account, command.asset, amount)
        self._balances_of(command.account)[command.asset] = None
        self._transfers[command.transfer_id] = body
        if len(self._transfers) > TRANSFER_IDS_MAX:
            self._transfers.popitem(last=False)
        return Done([])

    def _kill(self, command: KillSwitch, out: Out) -> Outcome:
        orders: list[Order] = []
        if command.symbol:
            if command.symbol not in self._listings:
                return unknown_symbol(command.symbol)
            if command.on:
                self._killed.add(command.symbol)
                orders = [order for order in self._orders.values() if order.symbol == command.symbol]
            else:
                self._killed.discard(command.symbol)
        else:
            account = self._account(command.account)
            if isinstance(account, Refused):
                return account
            account.killed = command.on
            if command.on:
                orders = list(account.live.values())
        return self._sweep(orders, "kill_switch", out)

    def _arm(self, command: DeadMan) -> Outcome:
        account = self._account(command.account)
        if isinstance(account, Refused):
            return account
        if account.dead_man:
            self._drop_timer((account.dead_man, DEAD_MAN, account.name))
        account.dead_man = command.expires_at
        if command.expires_at:
            insort(self._timers, (command.expires_at, DEAD_MAN, account.name))
        return Done([])

    # ---- snapshots -------------------------------------------------------------------------------

    def dump(self) -> AccountsState:
        """The whole state; equal states give equal bytes once encoded."""
        return AccountsState(
            self._next_order_id,
            self.ledger.dump(),
            [account.dump() for account in self.accounts.values()],
            self._guards,
            sorted(self._killed),
            list(self._transfers.items()),
        )

    def load(self, state: AccountsState) -> None:
        """Inverse of `dump`; the listings are there already, with their books."""
        self._next_order_id = state.next_order_id
        self.ledger.load(state.balances)
        self._guards = state.guards
        self._killed = set(state.killed)
        self._transfers.update(state.transfers)
        for row in state.accounts:
            account = self._account(row.name)
            assert isinstance(account, Account)
            account.load(row)
            self._orders.update(account.live)
            if account.dead_man:
                insort(self._timers, (account.dead_man, DEAD_MAN, account.name))
        self._orders = dict(sorted(self._orders.items()))
        for order in self._orders.values():
            if order.status == "waiting" and order.stop_price is not None:
                waits_for = direction(order.type, order.side)
                self._matched(order.symbol).stops.add(order.order_id, waits_for, order.stop_price)
            if order.time_in_force == "gtd":
                insort(self._timers, (order.expires_at, ORDER, order.order_id))
