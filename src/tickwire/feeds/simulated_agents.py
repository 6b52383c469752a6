"""The crowd of one simulated instrument: a price it believes in, and accounts that quote, wait and take around it.

Each account of the crowd behaves in one way:

- makers hold a ladder of quotes on both sides and move those that the fair price has left wrong;
- scalpers step into a wide spread with post-only orders and lose patience soon;
- patient traders leave larger orders deeper in the book, often at round prices;
- takers hit quotes that the fair price has overtaken, and trade at the market for reasons of their own.

The crowd keeps no list of its orders. Every step reads the book and the open orders as they are now: orders of
users are met like any other, and after a restart the crowd takes up again the orders that it left behind.
How many orders may rest is bounded by the three `*_MAX` below.

Floats are right here and only here: they are beliefs and random draws. What leaves is whole ticks and lots.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, exp, floor, log, sqrt
from random import Random
from typing import NamedTuple, Protocol

from tickwire.book.l3 import L3Book
from tickwire.model.instrument import Instrument
from tickwire.model.order import RestingOrder
from tickwire.model.records import AmendOrder, CancelOrder, Command, PlaceOrder, Side

MAKERS = ("sim-maker-1", "sim-maker-2", "sim-maker-3")
SCALPERS = ("sim-scalper-1", "sim-scalper-2")
PATIENT = ("sim-patient-1", "sim-patient-2")
TAKERS = ("sim-taker-1", "sim-taker-2", "sim-taker-3")

ACCOUNTS = (*MAKERS, *SCALPERS, *PATIENT, *TAKERS)

QUOTES_MAX = 28
"""Orders of one maker on one side: three makers make about 80 levels of a book with a fine tick."""
SCALPS_MAX = 10
"""Orders of one scalper: few, so that the oldest one is never old."""
WAITING_MAX = 50
"""Orders of one patient trader."""
ORDERS_MAX = len(MAKERS) * 2 * QUOTES_MAX + len(SCALPERS) * SCALPS_MAX + len(PATIENT) * WAITING_MAX
"""Orders that the crowd ever has on one book."""
MOVES_MAX = 3
"""Orders that a maker puts right in one step; what is left waits for the next one."""

_YEAR_S = 365.25 * 86_400
_REVERSION_PER_S = 22 / _YEAR_S
"""Pull of the fundamental to its home: half of a gap in 12 days. It strays by 0.15 of a year's volatility."""
_LAG_S = 1.0
"""How far the crowd's fair price lags the fundamental. It makes prices move in small steps, not in jumps."""
_MOOD_S, _MOOD_STD = 30.0, 0.4
"""Activity and volatility rise and fall together, by about a factor of 1.5, over half a minute."""
_EXCITED_S, _EXCITED_STEPS, _EXCITED_MAX = 0.3, 3.5, 6.0
"""A trade causes so many further steps within about so long (Hawkes); at most so many times the usual rate."""
_FAR = 1.3
"""A quote is stale beyond this many times the reach."""
_HOME_RATIO_MAX = 2.0
"""A last price further from home than this is not believed after a restart."""


class MarketView(Protocol):
    """What the crowd sees of the market, as of the last command applied. `tickwire.market.Market` is one."""

    def book(self, symbol: str) -> L3Book:
        """The instrument's book."""
        ...

    def open_orders(self, symbol: str, account: str) -> Mapping[int, RestingOrder]:
        """An account's resting orders by id, oldest first."""
        ...

    def last_price(self, symbol: str) -> int | None:
        """The last trade's price in ticks, None before the first."""
        ...


class Profile(NamedTuple):
    """What one simulated market looks like. Prices and distances in ticks, sizes in lots.

    Args:
        instrument: what is traded.
        home: the price it starts at, and is drawn back to over weeks.
        volatility: standard deviation of the price's logarithm over a year.
        spread: its usual width.
        reach: how far from the fair price the makers quote.
        round_to: prices that people like are multiples of this.
        size: a usual order's size at the top of the book.
        steps_per_s: how often somebody acts when the market is calm.
    """

    instrument: Instrument
    home: int
    volatility: float
    spread: float
    reach: float
    round_to: int
    size: float
    steps_per_s: float


class Crowd:
    """Everybody who trades one instrument.

    Call `opening` once, then `wait_ns` and `act` in turn; what they return must have reached the market that
    `view` shows before the next call.

    Attributes:
        fair: the price that the crowd believes in now, in (fractions of) ticks.
    """

    def __init__(self, profile: Profile, view: MarketView, rng: Random) -> None:
        self._profile = profile
        self._symbol = profile.instrument.symbol
        self._view = view
        self._rng = rng
        self._home = log(profile.home)
        self.fair = float(self._starting_price())
        self._fundamental = log(self.fair)
        self._mood = 0.0
        self._excited = 0.0
        self._bias = 0.0

    def _starting_price(self) -> int:
        """The last trade's price, held between the best bid and ask; home where there is nothing to go by."""
        ladder = self._view.book(self._symbol).ladder
        home = self._profile.home
        price = self._view.last_price(self._symbol) or home
        price = max(price, ladder.bids.best() or price)
        price = min(price, ladder.asks.best() or price)
        return price if home / _HOME_RATIO_MAX <= price <= home * _HOME_RATIO_MAX else home

    def opening(self) -> list[Command]:
        """The orders that are missing from a full book."""
        commands: list[Command] = []
        for account in MAKERS:
            orders = self._view.open_orders(self._symbol, account).values()
            buys = sum(order.side == "buy" for order in orders)
            commands += [self._new_quote(account, "buy") for _ in range(QUOTES_MAX - buys)]
            commands += [self._new_quote(account, "sell") for _ in range(QUOTES_MAX - len(orders) + buys)]
        for account in PATIENT:
            missing = WAITING_MAX - len(self._view.open_orders(self._symbol, account))
            commands += [self._new_waiting(account) for _ in range(missing)]
        return commands

    def wait_ns(self) -> int:
        """Let time pass until somebody acts again, and the fair price move; returns how long that was."""
        rng, profile = self._rng, self._profile
        mood = exp(self._mood)
        wait_s = rng.expovariate(profile.steps_per_s * mood + self._excited)
        self._excited *= exp(-wait_s / _EXCITED_S)
        moods = min(1.0, wait_s / _MOOD_S)
        self._mood += _MOOD_STD * sqrt(2 * moods) * rng.gauss(0, 1) - self._mood * moods
        self._fundamental += (self._home - self._fundamental) * _REVERSION_PER_S * wait_s
        self._fundamental += profile.volatility * sqrt(mood * wait_s / _YEAR_S) * rng.gauss(0, 1)
        self.fair += (exp(self._fundamental) - self.fair) * min(1.0, wait_s / _LAG_S)
        return int(wait_s * 1e9) + 1

    def act(self) -> list[Command]:
        """What somebody does now: one to a few commands, all of one account."""
        ladder = self._view.book(self._symbol).ladder
        bid, ask = ladder.bids.best(), ladder.asks.best()
        rng = self._rng
        if bid is None or ask is None:
            return self._quote()
        if bid > self.fair or ask < self.fair:
            return self._take_overtaken(bid > self.fair) if rng.random() < 0.2 else self._quote()
        if ask - bid > 1 + self._profile.spread * rng.expovariate(1):
            return self._scalp("buy" if self.fair - bid > ask - self.fair else "sell")
        what = rng.random()
        if what < 0.46:
            return self._quote()
        if what < 0.68:
            return self._wait()
        if what < 0.92:
            return self._scalp(self._either_side())
        return self._take(bid, ask)

    # ---- makers -------------------------------------------------------------------------------------

    def _quote(self) -> list[Command]:
        """A maker moves quotes that are wrong; if none is, places missing ones; if none is, fiddles with one."""
        rng = self._rng
        account = rng.choice(MAKERS)
        orders = self._view.open_orders(self._symbol, account)
        fair, far = self.fair, self._profile.reach * _FAR
        wrong: list[tuple[int, RestingOrder]] = []
        buys = 0
        for order_id, order in orders.items():
            if order.side == "buy":
                buys += 1
                distance = fair - order.price
            else:
                distance = order.price - fair
            if not 0.0 < distance < far:
                wrong.append((order_id, order))
        if wrong:
            moved = rng.sample(wrong, min(len(wrong), MOVES_MAX))
            return [command for order_id, order in moved for command in self._move(account, order_id, order)]
        sells = len(orders) - buys
        missing = QUOTES_MAX - min(buys, sells)
        if missing > 0:
            side = self._either_side() if buys == sells else "buy" if buys < sells else "sell"
            return [self._new_quote(account, side) for _ in range(min(MOVES_MAX, missing))]
        order_id, order = rng.choice(list(orders.items()))
        if order.size > 1 and rng.random() < 0.5:
            smaller = max(1, int(order.size * rng.uniform(0.4, 0.95)))
            return [AmendOrder(account, order_id, size=smaller)]
        return self._move(account, order_id, order)

    def _move(self, account: str, order_id: int, order: RestingOrder) -> list[Command]:
        side: Side = "buy" if order.side == "buy" else "sell"
        new = self._new_quote(account, side)
        if self._rng.random() < 0.6:
            return [AmendOrder(account, order_id, price=new.price, size=new.size)]
        return [CancelOrder(account, order_id), new]

    def _new_quote(self, account: str, side: Side) -> PlaceOrder:
        # the square makes quotes dense at the top and thin far out
        depth = self._rng.random() ** 2
        distance = self._rng.random() * self._profile.spread / 2 + depth * self._profile.reach
        return PlaceOrder(self._symbol, account, side, self._size(1 + 4 * depth), self._passive_price(side, distance))

    # ---- scalpers and patient traders ---------------------------------------------------------------

    def _scalp(self, side: Side) -> list[Command]:
        """A scalper gives up its oldest order, enters a new one near the fair price, or both."""
        account = self._rng.choice(SCALPERS)
        orders = self._view.open_orders(self._symbol, account)
        commands: list[Command] = []
        if len(orders) >= SCALPS_MAX or (orders and self._rng.random() < 0.4):
            commands.append(CancelOrder(account, next(iter(orders))))
        if not commands or self._rng.random() < 0.6:
            # a guess that does not look at the other side: now and then post-only has to refuse it
            distance = self._rng.gauss(0.4, 0.3) * self._profile.spread
            price = floor(self.fair - distance) if side == "buy" else ceil(self.fair + distance)
            commands.append(PlaceOrder(self._symbol, account, side, self._size(0.7), max(1, price), post_only=True))
        return commands

    def _wait(self) -> list[Command]:
        """A patient trader enters an order, or takes the one that has waited longest off the book."""
        account = self._rng.choice(PATIENT)
        orders = self._view.open_orders(self._symbol, account)
        if len(orders) >= WAITING_MAX or (orders and self._rng.random() < 0.45):
            return [CancelOrder(account, next(iter(orders)))]
        return [self._new_waiting(account)]

    def _new_waiting(self, account: str) -> PlaceOrder:
        side = self._either_side()
        depth = self._rng.random()
        round_to = self._profile.round_to if self._rng.random() < 0.5 else 1
        price = self._passive_price(side, self._profile.spread + depth * self._profile.reach, round_to)
        return PlaceOrder(self._symbol, account, side, self._size(2 + 4 * depth), price)

    # ---- takers -------------------------------------------------------------------------------------

    def _take_overtaken(self, sells: bool) -> list[Command]:
        """A taker hits what the fair price has overtaken: bids above it when it `sells`, else asks below it."""
        ladder = self._view.book(self._symbol).ladder
        price = ceil(self.fair) if sells else floor(self.fair)
        levels = (ladder.bids if sells else ladder.asks).top(5)
        offered = sum(size for level, size in levels if (level >= price if sells else level <= price))
        size = min(max(1, int(offered * self._rng.uniform(0.5, 1.2))), self._size(20))
        return self._taken("sell" if sells else "buy", size, price)

    def _take(self, bid: int, ask: int) -> list[Command]:
        """A taker trades at the market, rarely with all its might. Sides come in runs, as split orders do."""
        rng = self._rng
        buys = rng.random() < 0.5 + 0.25 * self._bias
        self._bias = 1.0 if buys else -1.0
        side: Side = "buy" if buys else "sell"
        size = self._size(1)
        how = rng.random()
        if how < 0.5:
            return self._taken(side, size, None)
        best, away = (ask, 1) if buys else (bid, -1)
        if how < 0.85:
            return self._taken(side, size, max(1, best + away * int(rng.random() * self._profile.spread)))
        if how < 0.97:
            return self._taken(side, size, best, fill_or_kill=True)
        ladder = self._view.book(self._symbol).ladder
        levels = (ladder.asks if buys else ladder.bids).top(rng.randint(3, 8))
        size = max(1, int(sum(size for _, size in levels) * rng.uniform(0.6, 1.0)))
        return self._taken(side, size, levels[-1][0])

    def _taken(self, side: Side, size: int, price: int | None, *, fill_or_kill: bool = False) -> list[Command]:
        """A taker's order, which also wakes up others. `price` is None for a market order."""
        excited_max = _EXCITED_MAX * self._profile.steps_per_s
        self._excited = min(excited_max, self._excited + _EXCITED_STEPS / _EXCITED_S)
        return [
            PlaceOrder(
                self._symbol,
                self._rng.choice(TAKERS),
                side,
                size,
                price,
                type="market" if price is None else "limit",
                time_in_force="fok" if fill_or_kill else "ioc",
            )
        ]

    # ---- draws --------------------------------------------------------------------------------------

    def _either_side(self) -> Side:
        return "buy" if self._rng.random() < 0.5 else "sell"

    def _size(self, scale: float) -> int:
        """A log-normal number of lots around `scale` usual sizes, every third one rounded to one digit."""
        rng = self._rng
        lots = max(1, int(self._profile.size * scale * exp(rng.gauss(0, 0.8))))
        if rng.random() < 0.35:
            unit = 10 ** (len(str(lots)) - 1)
            lots = (lots + unit // 2) // unit * unit
        return lots

    def _passive_price(self, side: Side, distance: float, round_to: int = 1) -> int:
        """A price so far from the fair one, rounded away from it, and never through the other side's best."""
        ladder = self._view.book(self._symbol).ladder
        if side == "buy":
            price = floor((self.fair - distance) / round_to) * round_to
            ask = ladder.asks.best()
            return max(1, price if ask is None or price < ask else ask - 1)
        price = ceil((self.fair + distance) / round_to) * round_to
        bid = ladder.bids.best()
        return price if bid is None or price > bid else bid + 1
