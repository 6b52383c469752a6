"""The built-in market on the real matcher: believable, bounded, deterministic, and able to go on after a restart."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from math import log, sqrt
from random import Random
from statistics import mean, quantiles, stdev, variance

import pytest

from support import funded, public
from tickwire.feeds.base import Due, Feed
from tickwire.feeds.simulated import PROFILES, Profile, SimulatedFeed
from tickwire.feeds.simulated_agents import ACCOUNTS, MAKERS, ORDERS_MAX, TAKERS, Crowd
from tickwire.market.market import Market
from tickwire.model.events import Event, Trade
from tickwire.model.instrument import Instrument
from tickwire.model.outcome import Refused
from tickwire.model.records import (
    AmendOrder,
    CancelOrder,
    ListInstrument,
    PlaceOrder,
    Record,
    Transfer,
    encode_records,
)

HOUR_S = 3_600
YEAR_S = 365.25 * 86_400
SYMBOLS = [profile.instrument.symbol for profile in PROFILES]


class Venue:
    """The market as a crowd sees it, and what each command came to."""

    def __init__(self, instruments: list[Instrument]) -> None:
        self.market = Market()
        for instrument in instruments:
            self.market.apply(ListInstrument(instrument))
        self.book, self.open_orders, self.last_price = self.market.book, self.market.open_orders, self.market.last_price

    def apply(self, record: Record) -> list[Event]:
        """Fold a record. What it makes public; fails where an account touches an order that is not its own."""
        if isinstance(record, AmendOrder | CancelOrder):
            assert self.market.order(record.account, record.order_id) is not None
        return public(self.market.apply(record))

    @property
    def refused(self) -> str:
        """The code of what the last command was refused with, "" if it was not."""
        return self.market.outcome.code if isinstance(self.market.outcome, Refused) else ""

    def top(self, symbol: str) -> tuple[int, int]:
        """Best bid and ask; fails on a book that is crossed or lacks a side."""
        ladder = self.book(symbol).ladder
        bid, ask = ladder.bids.best(), ladder.asks.best()
        assert bid is not None
        assert ask is not None
        assert bid < ask
        return bid, ask

    def mid(self, symbol: str) -> float:
        return sum(self.top(symbol)) / 2


def start(seed: int, profiles: tuple[Profile, ...] = PROFILES) -> tuple[Venue, Iterator[Due]]:
    market = Venue([profile.instrument for profile in profiles])
    assets = dict.fromkeys(asset for p in profiles for asset in (p.instrument.base, p.instrument.quote))
    for record in funded("alice", assets=assets):
        market.apply(record)
    return market, SimulatedFeed(market, seed, profiles=profiles).due()


def run(market: Venue, batches: Iterator[Due]) -> None:
    for due in batches:
        for record in due.records:
            market.apply(record)


def resting(market: Venue, symbol: str) -> set[tuple[int | str, int, int]]:
    """Every order as (id, price, size)."""
    return {(order.order_id, order.price, order.size) for order in market.book(symbol).orders.values()}


def symbol_of(market: Venue, record: Record) -> str:
    """What a command is about, asked before it is applied."""
    assert isinstance(record, PlaceOrder | AmendOrder | CancelOrder)
    if isinstance(record, PlaceOrder):
        return record.symbol
    order = market.market.order(record.account, record.order_id)
    assert order is not None
    return order.symbol


class Session:
    """What 20,000 batches at full speed look like; every book is checked after every batch that touches it."""

    def __init__(self) -> None:
        self.market, batches = start(seed=1)
        self.opening = next(batches)
        self.opening_errors: Counter[str] = Counter()
        for record in self.opening.records:
            trades = [event for event in self.market.apply(record) if isinstance(event, Trade)]
            self.opening_errors.update(["trade" for _ in trades] + [self.market.refused] * bool(self.market.refused))
        self.opening_levels = {symbol: self._levels(symbol) for symbol in SYMBOLS}
        self.opening_tops = {symbol: self.market.top(symbol) for symbol in SYMBOLS}
        self.commands: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.trades: Counter[tuple[str, str]] = Counter()
        self.rejected: Counter[str] = Counter()
        self.accounts: set[str] = set()
        self.taking: set[str] = set()
        self.orders_most: Counter[str] = Counter()
        self.spreads: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
        self.levels: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
        self.per_100ms: dict[str, Counter[int]] = {symbol: Counter() for symbol in SYMBOLS}
        self.times = [self.opening.at_ns]
        for due in islice(batches, 20_000):
            self._batch(due)
        self.seconds = (self.times[-1] - self.times[0]) / 1e9

    def _levels(self, symbol: str) -> list[int]:
        ladder = self.market.book(symbol).ladder
        return [len(ladder.bids), len(ladder.asks)]

    def _batch(self, due: Due) -> None:
        self.times.append(due.at_ns)
        self.per_100ms[symbol_of(self.market, due.records[0])][due.at_ns // 100_000_000] += 1
        for record in due.records:
            assert isinstance(record, PlaceOrder | AmendOrder | CancelOrder)
            symbol = symbol_of(self.market, record)
            self.commands[symbol] += 1
            self.accounts.add(record.account)
            self.kinds[type(record).__name__] += 1
            if isinstance(record, PlaceOrder):
                self.kinds[f"{record.type} {record.side}"] += 1
                self.kinds["post_only" if record.post_only else f"{record.type} {record.time_in_force}"] += 1
            for event in self.market.apply(record):
                if isinstance(event, Trade):
                    self.trades[symbol, event.side] += 1
                    self.taking.add(record.account)
            if self.market.refused:
                self.rejected[self.market.refused] += 1
            bid, ask = self.market.top(symbol)
            self.spreads[symbol].append(ask - bid)
            self.levels[symbol] += self._levels(symbol)
            self.orders_most[symbol] = max(self.orders_most[symbol], len(self.market.book(symbol).orders))


@pytest.fixture(scope="module")
def session() -> Session:
    return Session()


def test_it_drives_matched_instruments_of_its_own() -> None:
    feed: Feed = SimulatedFeed(Venue([]))
    assert feed.name == "simulated"
    instruments = feed.instruments()
    assert {(i.kind, i.feed, i.venue, i.book) for i in instruments} == {("matched", "simulated", "SIM", "orders")}
    assert {i.symbol: (i.tick_size, i.lot_size, i.asset_class) for i in instruments} == {
        "SIM:BTC-USDT": ("0.01", "0.00001", "crypto"),
        "SIM:ETH-USDT": ("0.01", "0.0001", "crypto"),
        "SIM:SOL-USDT": ("0.01", "0.01", "crypto"),
        "SIM:EUR-USD": ("0.00001", "1000", "fx"),
        "SIM:GBP-USD": ("0.00001", "1000", "fx"),
        "SIM:ACME-USD": ("0.01", "1", "equity"),
    }


def test_the_first_batch_gives_every_book_its_depth(session: Session) -> None:
    assert session.opening.at_ns == 0
    assert not session.opening_errors
    for symbol, levels in session.opening_levels.items():
        assert min(levels) >= 35, symbol
    for profile in PROFILES:
        bid, ask = session.opening_tops[profile.instrument.symbol]
        assert bid <= profile.home <= ask
        assert ask - bid <= 4 * profile.spread


def test_time_starts_where_it_is_told_to_and_never_stands_still(session: Session) -> None:
    assert all(later > earlier for earlier, later in pairwise(session.times))
    market = Venue([profile.instrument for profile in PROFILES])
    later = SimulatedFeed(market, 1, start_ns=1_700_000_000_000_000_000).due()
    at_ns = []
    for due in islice(later, 50):
        at_ns.append(due.at_ns)
        for record in due.records:
            market.apply(record)
    assert [at - 1_700_000_000_000_000_000 for at in at_ns] == session.times[:50]


def test_the_same_seed_gives_the_same_commands() -> None:
    def digest(seed: int) -> str:
        market, batches = start(seed)
        sha = hashlib.sha256()
        for due in islice(batches, 2_000):
            sha.update(b"%d" % due.at_ns + encode_records(due.records))
            for record in due.records:
                market.apply(record)
        return sha.hexdigest()

    assert digest(7) == digest(7)
    assert digest(7) != digest(8)


# quantiles in ticks: the median at most, 95 of 100 at most, levels of a side (fewest, median between)
BELIEVABLE = {
    "SIM:BTC-USDT": (60, 200, 60, (90, 150)),
    "SIM:ETH-USDT": (10, 20, 60, (80, 140)),
    "SIM:SOL-USDT": (3, 5, 30, (50, 90)),
    "SIM:EUR-USD": (3, 5, 30, (50, 90)),
    "SIM:GBP-USD": (4, 6, 30, (50, 100)),
    "SIM:ACME-USD": (3, 4, 30, (45, 80)),
}


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_spread_and_depth_are_believable(session: Session, symbol: str) -> None:
    median_max, common_max, levels_min, (levels_low, levels_high) = BELIEVABLE[symbol]
    spreads = quantiles(session.spreads[symbol], n=20)
    assert 1 <= spreads[9] <= median_max
    assert spreads[18] <= common_max
    assert len(set(session.spreads[symbol])) > 3
    assert min(session.levels[symbol]) >= levels_min
    assert levels_low <= quantiles(session.levels[symbol], n=2)[0] <= levels_high


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_size_grows_away_from_the_top(session: Session, symbol: str) -> None:
    ladder = session.market.book(symbol).ladder
    levels = [level for side in (ladder.bids, ladder.asks) for level in enumerate(side.top())]
    near = mean(size for place, (_, size) in levels if place < 15)
    far = mean(size for place, (_, size) in levels if place >= 30)
    assert far > 1.3 * near


def test_commands_come_as_fast_as_in_a_busy_market_and_in_bursts(session: Session) -> None:
    assert 400 < sum(session.commands.values()) / session.seconds < 800
    assert max(session.commands, key=lambda symbol: session.commands[symbol]) == "SIM:BTC-USDT"
    assert min(session.commands.values()) / session.seconds > 20
    dispersions = []
    for counts in session.per_100ms.values():
        per_bin = [counts[index] for index in range(max(counts) + 1)]
        dispersions.append(variance(per_bin) / mean(per_bin))
    # 1 is a Poisson process, where nothing causes anything
    assert min(dispersions) > 1.1
    assert mean(dispersions) > 1.4


def test_both_sides_take_and_every_instrument_trades(session: Session) -> None:
    trades = sum(session.trades.values())
    assert 0.05 < trades / sum(session.commands.values()) < 0.3
    # so short a time has a trend, which takers follow; six hours below are held to a narrower band
    assert 0.35 < sum(session.trades[symbol, "buy"] for symbol in SYMBOLS) / trades < 0.65
    at_market = session.kinds["market buy"] + session.kinds["market sell"]
    assert 0.3 < session.kinds["market buy"] / at_market < 0.7
    for symbol in SYMBOLS:
        assert session.trades[symbol, "buy"] + session.trades[symbol, "sell"] > 100, symbol


def test_only_takers_take(session: Session) -> None:
    assert session.taking == set(TAKERS)


def test_every_kind_of_command_is_used_and_few_are_rejected(session: Session) -> None:
    commands = sum(session.commands.values())
    for kind, share in {
        "PlaceOrder": 0.3,
        "AmendOrder": 0.2,
        "CancelOrder": 0.1,
        "limit gtc": 0.05,
        "post_only": 0.05,
        "limit ioc": 0.01,
        "market ioc": 0.005,
        "limit fok": 0.001,
    }.items():
        assert session.kinds[kind] > share * commands, kind
    # invalid_params: an amend to less than what has filled already, of which the crowd keeps no count
    allowed = {"would_take", "would_not_fill", "no_change", "invalid_params"}
    assert {"would_take", "would_not_fill"} <= set(session.rejected) <= allowed
    assert sum(session.rejected.values()) < 0.05 * commands
    assert session.rejected["no_change"] < 0.001 * commands
    assert all(account.startswith("sim-") for account in session.accounts)
    assert len(session.accounts) == 10


def test_no_unit_of_money_is_made_or_lost(session: Session) -> None:
    assert session.market.market.ledger.imbalances() == []


def test_the_number_of_orders_is_bounded(session: Session) -> None:
    assert ORDERS_MAX <= 600
    assert all(ORDERS_MAX / 2 < most <= ORDERS_MAX for most in session.orders_most.values())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_six_hours_stay_bounded_sane_and_balanced(seed: int) -> None:
    # fewer steps a second make the same hours cheap, and leave more to be put right at each
    market, batches = start(seed, tuple(p._replace(steps_per_s=p.steps_per_s / 100) for p in PROFILES))
    run(market, islice(batches, 1))
    lowest = {profile.instrument.symbol: float(profile.home) for profile in PROFILES}
    highest = dict(lowest)
    takes: Counter[str] = Counter()
    orders_most = 0
    for due in batches:
        if due.at_ns > 6 * HOUR_S * 1_000_000_000:
            break
        symbol = symbol_of(market, due.records[0])
        for record in due.records:
            takes.update(event.side for event in market.apply(record) if isinstance(event, Trade))
        orders_most = max(orders_most, len(market.book(symbol).orders))
        mid = market.mid(symbol)
        lowest[symbol], highest[symbol] = min(lowest[symbol], mid), max(highest[symbol], mid)
    assert orders_most <= ORDERS_MAX
    assert 0.4 < takes["buy"] / takes.total() < 0.6
    for profile in PROFILES:
        symbol = profile.instrument.symbol
        sigma = profile.volatility * sqrt(6 * HOUR_S / YEAR_S)
        assert log(highest[symbol] / profile.home) < 5 * sigma
        assert log(lowest[symbol] / profile.home) > -5 * sigma
        assert log(highest[symbol] / lowest[symbol]) > 0.5 * sigma, "a chart would show nothing"


def test_the_price_comes_home_over_years_and_moves_as_volatile_as_it_says() -> None:
    profile = PROFILES[0]._replace(steps_per_s=1 / HOUR_S)
    crowd = Crowd(profile, Venue([profile.instrument]), Random(5))
    waits_s, prices = [], []
    for _ in range(30_000):
        waits_s.append(crowd.wait_ns() / 1e9)
        prices.append(crowd.fair)
    assert sum(waits_s) > 3 * YEAR_S
    assert profile.home * 0.6 < min(prices) < profile.home * 0.95
    assert profile.home * 1.05 < max(prices) < profile.home * 1.6
    moves = [log(later / earlier) for earlier, later in pairwise(prices)]
    assert stdev(moves) / sqrt(mean(waits_s) / YEAR_S) == pytest.approx(profile.volatility, rel=0.2)


def test_makers_follow_a_fair_price_that_moved() -> None:
    profile = PROFILES[0]
    symbol = profile.instrument.symbol
    market = Venue([profile.instrument])
    crowd = Crowd(profile, market, Random(6))
    for command in [*funded(*ACCOUNTS, assets=("BTC", "USDT")), *crowd.opening()]:
        market.apply(command)

    def wrong() -> int:
        quotes = [order for maker in MAKERS for order in market.open_orders(symbol, maker).values()]
        behind = [crowd.fair - q.price if q.side == "buy" else q.price - crowd.fair for q in quotes]
        return sum(not 0 < ticks < 1.5 * profile.reach for ticks in behind)

    assert wrong() == 0
    crowd.fair += profile.reach
    assert wrong() > 100
    for _ in range(300):
        for command in crowd.act():
            market.apply(command)
    assert wrong() == 0
    bid, ask = market.top(symbol)
    assert bid <= crowd.fair <= ask


def test_after_a_restart_the_crowd_goes_on_with_its_old_orders() -> None:
    market, batches = start(seed=1)
    run(market, islice(batches, 4_000))
    left = {symbol: resting(market, symbol) for symbol in SYMBOLS}
    mids = {symbol: market.mid(symbol) for symbol in SYMBOLS}
    restarted = SimulatedFeed(market, seed=2).due()
    opening = next(restarted)
    assert all(isinstance(record, PlaceOrder | Transfer) for record in opening.records)
    placed = [record for record in opening.records if isinstance(record, PlaceOrder)]
    assert len(placed) < 0.2 * sum(map(len, left.values())), "a full book was filled again"
    money = market.market.ledger.dump()["@outside"]
    run(market, iter([opening]))
    assert market.market.ledger.dump()["@outside"] == money, "the crowd was given money twice"
    for symbol in SYMBOLS:
        assert left[symbol] <= resting(market, symbol), "the opening traded"
        assert len(market.book(symbol).orders) <= ORDERS_MAX
    run(market, islice(restarted, 30))
    for profile in PROFILES:
        symbol = profile.instrument.symbol
        assert market.mid(symbol) == pytest.approx(mids[symbol], abs=5 * profile.spread + 2)
    run(market, islice(restarted, 20_000))
    for symbol in SYMBOLS:
        assert len(market.book(symbol).orders) <= ORDERS_MAX
        assert len(left[symbol] & resting(market, symbol)) < 0.25 * len(left[symbol]), "nobody looks after old orders"


def test_a_last_price_far_from_home_is_taken_up_but_an_absurd_one_is_not() -> None:
    profile = PROFILES[0]
    market = Venue([profile.instrument])
    symbol = profile.instrument.symbol
    for record in funded("alice", assets=("BTC", "USDT")):
        market.apply(record)
    listing = market.market.listing(symbol)
    for last, expected in ((9_000_000, 9_000_000), (1, profile.home), (profile.home * 3, profile.home)):
        listing.last_price = last
        assert Crowd(profile, market, Random(1)).fair == expected
    listing.last_price = 9_000_000
    market.apply(PlaceOrder(symbol, "alice", "buy", 5, 9_100_000))
    assert Crowd(profile, market, Random(1)).fair == 9_100_000
    market.apply(CancelOrder("alice", 1))
    market.apply(PlaceOrder(symbol, "alice", "sell", 5, 8_900_000))
    assert Crowd(profile, market, Random(1)).fair == 8_900_000


def test_a_user_who_empties_a_side_meets_a_new_one_at_the_old_price() -> None:
    market, batches = start(seed=3)
    run(market, islice(batches, 1_000))
    mids = {symbol: market.mid(symbol) for symbol in SYMBOLS}
    for symbol in SYMBOLS:
        offered = sum(size for _, size in market.book(symbol).ladder.asks.top())
        market.apply(PlaceOrder(symbol, "alice", "buy", offered, type="market"))
        assert market.book(symbol).ladder.asks.best() is None
    run(market, islice(batches, 3_000))
    for symbol in SYMBOLS:
        assert len(market.book(symbol).ladder.asks) >= 20
        assert market.mid(symbol) == pytest.approx(mids[symbol], rel=0.005)


def test_a_users_wall_above_the_fair_price_is_sold_into_and_never_crossed() -> None:
    profile = PROFILES[0]
    symbol = profile.instrument.symbol
    market, batches = start(4, (profile,))
    run(market, islice(batches, 500))
    wall = profile.home + profile.home // 100
    market.apply(PlaceOrder(symbol, "alice", "buy", 10**8, wall))
    (wall_order,) = market.market.open_orders_of("alice")
    wall_id = wall_order.order_id
    before = market.book(symbol).orders[wall_id].size
    for due in islice(batches, 3_000):
        for record in due.records:
            market.apply(record)
        assert market.top(symbol)[0] == wall
    sold = before - market.book(symbol).orders[wall_id].size
    assert 100 * profile.size < sold
    assert len(market.book(symbol).orders) <= ORDERS_MAX + 1
