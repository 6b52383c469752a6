"""Settlement: money and orders move by what the engine did, and what has moved is said on the private streams.

Each match is settled between buyer and seller, fees included, at once. What a command changes is noted and said when
the command is over: once for each order, and once an account for its balances and for its positions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from copy import copy

from tickwire.engine.events import Canceled, EngineEvent, Matched, Reduced
from tickwire.engine.ledger import FEES, Ledger
from tickwire.limits import ACCOUNTS_MAX
from tickwire.market.accounts import Account
from tickwire.market.listing import Listing
from tickwire.market.matched import MatchedListing
from tickwire.market.out import Out
from tickwire.market.state import PositionBook
from tickwire.model.events import Balances, Fill, OrderUpdate, Positions
from tickwire.model.order import Order, OrderStatus, Reason
from tickwire.model.outcome import Executed, Refused

Timer = tuple[int, int, int | str]
"""(when, `ORDER` or `DEAD_MAN`, the order's id or the account's name)"""

ORDER, DEAD_MAN = 0, 1


class Settlement:
    """All accounts, their money and their orders. `Trading` adds the commands.

    Args:
        listings: the market's, live.
        changed: where to note the symbols whose book has changed.

    Attributes:
        now: the tape's time; set by the market.
        ledger: all balances.
    """

    def __init__(self, listings: Mapping[str, Listing], changed: set[str]) -> None:
        self.now = 0
        self.ledger = Ledger()
        self.accounts: dict[str, Account] = {}
        self._listings = listings
        self._books_changed = changed
        self._orders: dict[int, Order] = {}  # live, of all accounts
        self._timers: list[Timer] = []  # ascending
        # what the command under way has changed
        self._orders_changed: dict[int, Order] = {}
        self._balances_changed: dict[str, dict[str, None]] = {}  # assets of each account
        self._positions_changed: dict[str, dict[str, None]] = {}  # symbols of each account
        self._fills: list[Fill] = []

    # ---- accounts and orders ---------------------------------------------------------------------

    def _account(self, name: str) -> Account | Refused:
        """An account, opened now if it is new."""
        account = self.accounts.get(name)
        if account is None:
            if len(self.accounts) >= ACCOUNTS_MAX or not name or name.startswith("@"):
                text = f"no account can be opened: there are {ACCOUNTS_MAX}, the limit, or the name is the house's"
                return Refused("busy", text)
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
        out: Out,
        *,
        amended: bool = False,
    ) -> None:
        """Move money and orders by what the matcher did for `taker`, and publish it.

        Args:
            amended: the first event only takes the order off its old place.
        """
        self._publish(listing, events, out)
        concerned = {taker.account: None}
        for event in events[1:] if amended else events:
            if isinstance(event, Matched):
                maker = self._orders[event.maker_order_id]
                self._fill(listing, event, taker, "taker")
                self._fill(listing, event, maker, "maker")
                concerned[maker.account] = None
            elif isinstance(event, Canceled):
                order = taker if event.order_id == taker.order_id else self._orders[event.order_id]
                self._shrink(listing, order, event.size, event.reason)
            elif isinstance(event, Reduced):
                self._shrink(listing, self._orders[event.order_id], event.removed, "self_trade")
        if taker.remaining == 0 and taker.status == "open":
            self._end(taker, "filled", taker.reason)
        for name in concerned:
            account = self.accounts[name]
            if account.reducing:
                self._trim(account, listing, out)

    def _publish(self, listing: MatchedListing, events: list[EngineEvent], out: Out) -> None:
        listing.publish(events, self.now, out)
        self._books_changed.add(listing.symbol)

    def _fill(self, listing: MatchedListing, match: Matched, order: Order, liquidity: str) -> None:
        terms, instrument, name = listing.terms, listing.instrument, order.account
        account = self.accounts[name]
        price, size = match.price, match.size
        amount = price * size * terms.notional_value
        fee = terms.fee(amount, terms.maker_ppm if liquidity == "maker" else terms.taker_ppm)
        base, quote = account.balance(instrument.base), account.balance(instrument.quote)
        order.remaining -= size
        order.filled += size
        order.cost += price * size
        order.fee += fee
        if order.side == "buy":
            paid = amount + fee
            held = _holds(listing, order) if order.price is not None else order.held - paid
            quote.held -= order.held - held
            quote.available += order.held - held - paid
            base.available += size * terms.lot_value
        else:
            held = _holds(listing, order)
            base.held -= order.held - held
            quote.available += amount - fee
        order.held = held
        self.ledger.balance(FEES, instrument.quote).available += fee
        position = account.positions.get(order.symbol)
        if position is None:
            position = account.positions[order.symbol] = PositionBook()
        position.fill(order.side, price, size, fee)
        seq = account.seq["fills"] = account.seq["fills"] + 1
        fill = Fill(
            name,
            seq,
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
        changed = self._balances_of(name)
        changed[instrument.base] = changed[instrument.quote] = None
        self._positions_changed.setdefault(name, {})[order.symbol] = None
        if order.remaining == 0 and liquidity == "maker":
            self._end(order, "filled", order.reason)

    def _shrink(self, listing: MatchedListing, order: Order, size: int, reason: Reason) -> None:
        """`size` lots of an order will not fill any more."""
        order.remaining -= size
        order.reason = reason
        if order.remaining == 0:
            self._end(order, "canceled", reason)
            return
        if order.price is not None or order.side == "sell":  # a market order to buy is settled when it ends
            self._release(listing, order, order.held - _holds(listing, order))
        self._orders_changed[order.order_id] = order

    def _end(self, order: Order, status: OrderStatus, reason: Reason) -> None:
        """An order is over: what it still holds is free again."""
        self._release(self._matched(order.symbol), order, order.held)
        order.status, order.reason = status, reason
        order.remaining = 0
        del self._orders[order.order_id]
        self.accounts[order.account].ended(order)
        if order.time_in_force == "gtd":
            self._drop_timer((order.expires_at, ORDER, order.order_id))
        self._orders_changed[order.order_id] = order

    def _release(self, listing: MatchedListing, order: Order, amount: int) -> None:
        if amount:
            asset = listing.terms.pays(order.side)
            balance = self.accounts[order.account].balance(asset)
            balance.held -= amount
            balance.available += amount
            order.held -= amount
            self._balances_of(order.account)[asset] = None

    def _balances_of(self, name: str) -> dict[str, None]:
        """The assets of an account that the command has changed."""
        changed = self._balances_changed.get(name)
        if changed is None:
            changed = self._balances_changed[name] = {}
        return changed

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

    def _trim(self, account: Account, listing: MatchedListing, out: Out) -> None:
        """Cut an account's resting reduce-only orders, newest first, to what its position has become."""
        for order_id in sorted(account.reducing, reverse=True):
            order = account.reducing[order_id]
            if order.symbol != listing.symbol or order.status != "open":
                continue
            cut = min(order.remaining - self._reducible(account, order, True), order.remaining)
            if cut > 0:
                self._publish(listing, listing.matcher.reduce(order.order_id, cut), out)
                self._shrink(listing, order, cut, "reduce_only")

    def _drop_timer(self, timer: Timer) -> None:
        at = bisect_left(self._timers, timer)
        if at < len(self._timers) and self._timers[at] == timer:
            del self._timers[at]

    # ---- what is said ----------------------------------------------------------------------------

    def _executed(self, order: Order, first_fill: int) -> Executed:
        order.updated = self.now
        order_id, fills = order.order_id, self._fills[first_fill:]
        return Executed(copy(order), [fill for fill in fills if fill.order_id == order_id])

    def _say(self, out: Out) -> None:
        """Publish what the command has changed, on the private streams."""
        now = self.now
        for fill in self._fills:
            if out.hears("fills", fill.symbol):
                out.append(fill)
        for order in self._orders_changed.values():
            order.updated = now
            account = self.accounts[order.account]
            seq = account.seq["orders"] = account.seq["orders"] + 1
            if out.hears("orders", account.name):
                out.append(OrderUpdate(account.name, seq, now, copy(order)))
        for name, assets in self._balances_changed.items():
            account = self.accounts[name]
            seq = account.seq["balances"] = account.seq["balances"] + 1
            if out.hears("balances", name):
                rows = account.listed({asset: account.balances[asset] for asset in assets})
                out.append(Balances(name, seq, now, rows))
        for name, symbols in self._positions_changed.items():
            account = self.accounts[name]
            seq = account.seq["positions"] = account.seq["positions"] + 1
            if out.hears("positions", name):
                positions = [account.position(symbol, self._listings[symbol].last_price) for symbol in symbols]
                out.append(Positions(name, seq, now, positions))
        self._fills.clear()
        self._orders_changed.clear()
        self._balances_changed.clear()
        self._positions_changed.clear()


def _holds(listing: MatchedListing, order: Order) -> int:
    """What a limit order, or a sale, has to hold for what remains of it."""
    return listing.terms.hold(order.side, order.remaining, order.remaining * (order.price or 0))
