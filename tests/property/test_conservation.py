"""Money and lots are conserved, whatever is asked in whatever order.

`Auditor` believes nothing but events and outcomes. It keeps its own positions, fees and counters, and after each
command compares them with the market: cheap checks always, all of it every so often.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from random import Random
from typing import Any, get_args

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.engine.ledger import FEES
from tickwire.engine.stops import direction
from tickwire.market.market import Market
from tickwire.model.channel import PRIVATE_CHANNELS, StreamKey
from tickwire.model.events import Balances, Event, Fill, OrderUpdate, Positions
from tickwire.model.instrument import Instrument
from tickwire.model.order import Order
from tickwire.model.outcome import Executed, Refused
from tickwire.model.records import (
    COMMANDS,
    PRICED_TYPES,
    WAITING_TYPES,
    AmendOrder,
    CancelAll,
    CancelOrder,
    Clock,
    DeadMan,
    Guard,
    KillSwitch,
    ListInstrument,
    OrderType,
    PlaceOrder,
    Record,
    SessionEnded,
    Side,
    TimeInForce,
    TradingStatus,
    Transfer,
)

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
ONE = 10**18


def instrument(base: str, quote: str, tick_size: str, lot_size: str, **terms: str) -> Instrument:
    return Instrument(
        venue="V", base=base, quote=quote, asset_class="crypto", tick_size=tick_size, lot_size=lot_size,
        kind="matched", book="orders", **terms,
    )  # fmt: skip


REBATE = instrument("BTC", "USD", "0.25", "0.00001", maker_fee="-0.0001", taker_fee="0.000503", price_band="0.05")
LIMITED = instrument(
    "ETH", "USD", "0.01", "0.001", maker_fee="0.001", taker_fee="0.002", size_max="0.09", notional_min="0.02",
    notional_max="0.5",
)  # fmt: skip
CROSS = instrument("ETH", "BTC", "0.0005", "0.003", maker_fee="0.0007", taker_fee="0.000001", price_band="0.5")
INSTRUMENTS = {each.symbol: each for each in (REBATE, LIMITED, CROSS)}
LOT_VALUE = {REBATE.symbol: ONE // 100_000, LIMITED.symbol: ONE // 1_000, CROSS.symbol: 3 * ONE // 1_000}
NOTIONAL_VALUE = {
    REBATE.symbol: ONE // 100_000 // 4,
    LIMITED.symbol: ONE // 100_000,
    CROSS.symbol: 15 * ONE // 10_000_000,
}
HOLD_PPM = {REBATE.symbol: 503, LIMITED.symbol: 2_000, CROSS.symbol: 700}
MIDDLES = {REBATE.symbol: 400, LIMITED.symbol: 500, CROSS.symbol: 60}
RICH, POOR = ("a", "b", "c"), ("d", "e", "f")
ACCOUNTS = RICH + POOR
SESSIONS = ("s1", "s2", "s3")
OPENING: list[Record] = [
    Clock(START),
    *(ListInstrument(each) for each in INSTRUMENTS.values()),
    *(Transfer(name, asset, "1000000", f"{name}{asset}") for name in RICH for asset in ("BTC", "ETH", "USD")),
    *(Transfer(name, asset, "0.05", f"{name}{asset}") for name in POOR for asset in ("BTC", "ETH")),
    *(Transfer(name, "USD", "0.3", f"{name}USD") for name in POOR),
]


class Commands:
    """Random commands with an eye on the market, so that most of them mean something."""

    def __init__(self, market: Market) -> None:
        self.random = Random(0)
        self.market = market
        self.now = START
        self.count = 0

    def next(self, random: Random) -> Record:
        self.random = random
        self.count += 1
        kind = random.random()
        if kind < 0.66:
            return self.place()
        if kind < 0.79:
            return self.amend()
        if kind < 0.84:
            return CancelOrder(*self.target())
        if kind < 0.91:
            self.now += random.choice((1, 1, SECOND // 20, SECOND // 4))
            return Clock(self.now)
        name, symbol = random.choice(ACCOUNTS), random.choice(list(INSTRUMENTS))
        if kind < 0.96:
            asset, amount = random.choice(("BTC", "ETH", "USD", "XYZ")), random.choice(("0.5", "-0.01", "-0.3", "-7"))
            return Transfer(name, asset, amount, f"t{random.randrange(2_000)}")
        rare = random.randrange(40)
        if rare < 2:
            return CancelAll(name, random.choice(("", symbol)), random.choice(("", *SESSIONS)))
        if rare < 12:
            by_symbol = random.random() < 0.5
            on = random.random() < 0.08
            return KillSwitch(on, symbol=symbol) if by_symbol else KillSwitch(on, account=name)
        if rare < 16:
            return DeadMan(name, random.choice((0, self.now + SECOND, self.now + 3 * SECOND)))
        if rare < 24:
            return Guard(name, random.choice(SESSIONS), random.choice(("off", "connection", "account")))
        if rare < 28:
            return SessionEnded(random.choice(SESSIONS))
        return TradingStatus(symbol, random.choice(("open",) * 12 + ("halted",)))

    def place(self) -> PlaceOrder:
        random = self.random
        symbol = random.choice(list(INSTRUMENTS))
        middle = self.market.last_price(symbol) or MIDDLES[symbol]
        if abs(middle - MIDDLES[symbol]) > MIDDLES[symbol] // 2:  # far away: a step back to where it began
            middle += (1 if middle < MIDDLES[symbol] else -1) * (middle // 50 + 1)
        near = middle + random.randint(-8, 8)
        side: Side = random.choice(("buy", "sell"))
        name = random.choice(ACCOUNTS)
        weights = (70, 10, 5, 7, 3, 5) if name in RICH else (40, 10, 12, 18, 8, 12)
        kind: OrderType = random.choices(get_args(OrderType), weights)[0]
        time_in_force: TimeInForce = random.choices(("gtc", "ioc", "fok", "gtd"), (60, 15, 10, 15))[0]
        stop_price = None
        if kind in WAITING_TYPES:
            stop_price = max(1, middle + random.randint(-1, 6) * (1 if direction(kind, side) == "rise" else -1))
        size = (
            random.choice((1, 2, 3, 5, 8, 13, 40, 97)) if name in RICH else random.choice((1, 1, 2, 2, 3, 3, 7, 30, 0))
        )
        return PlaceOrder(
            symbol,
            name,
            side,
            size,
            None if kind not in PRICED_TYPES else random.choices((near, near * 2 + 1, 0), (90, 8, 2))[0],
            kind,
            time_in_force,
            post_only=random.random() < 0.1,
            client_order_id=f"c{random.randrange(3_000)}" if random.random() < 0.2 else "",
            stop_price=stop_price,
            expires_at=self.now + random.randint(-1, 4) * SECOND if time_in_force == "gtd" else 0,
            reduce_only=random.random() < 0.25,
            display_size=random.choice((0, 0, 0, 1, 2, 7)),
            self_trade_prevention=random.choice(("cancel_newest", "cancel_oldest", "cancel_both", "decrement")),
            deadline=self.now + random.randint(-1, 9) * SECOND if random.random() < 0.05 else 0,
            session=random.choice(("", *SESSIONS)),
        )

    def target(self) -> tuple[str, int, str]:
        """Whose order, its id, its owner's id: mostly one that there is."""
        random = self.random
        name = random.choice(ACCOUNTS)
        orders = self.market.open_orders_of(name)
        if not orders or random.random() < 0.05:
            return name, random.randrange(self.count + 1), random.choice(("", f"c{random.randrange(3_000)}"))
        order = random.choice(orders)
        return (name, 0, order.client_order_id) if order.client_order_id else (name, order.order_id, "")

    def amend(self) -> AmendOrder:
        random = self.random
        name, order_id, client_order_id = self.target()
        order = self.market.order(name, order_id, client_order_id)
        price, size = (50, 5) if order is None else (order.price, order.size)
        return AmendOrder(
            name,
            order_id,
            None if price is None or random.random() < 0.4 else max(0, price + random.randint(-5, 5)),
            None if random.random() < 0.4 else max(0, size + random.randint(-6, 6)),
            client_order_id,
        )


class Auditor:
    """What the events say, and that the market says the same."""

    def __init__(self) -> None:
        self.seq = {(name, channel): 0 for name in ACCOUNTS for channel in PRIVATE_CHANNELS}
        self.position: dict[tuple[str, str], int] = {}
        self.cash: dict[tuple[str, str], int] = {}
        self.paid: dict[tuple[str, str], int] = {}
        self.fees: dict[str, int] = {}
        self.balances: dict[tuple[str, str], tuple[int, int]] = {}
        self.seen: dict[str, int] = {}

    def check(self, market: Market, record: Record, events: list[Event]) -> None:
        """After every record."""
        outcome = market.outcome
        if isinstance(record, COMMANDS) and isinstance(outcome, Refused):
            self.note(outcome.code)
            assert events == []
        if isinstance(record, COMMANDS) and isinstance(outcome, Executed):
            assert outcome.order.filled + outcome.order.remaining <= outcome.order.size
        for event in events:
            if isinstance(event, (Fill, OrderUpdate, Balances, Positions)):
                self.seq[event.account, event.channel] += 1
                assert event.seq == self.seq[event.account, event.channel]
            if isinstance(event, Fill):
                self.fill(market, event)
            elif isinstance(event, OrderUpdate):
                self.note(event.order.status + event.order.reason)
                self.order(event.order)
            elif isinstance(event, Balances):
                self.balances.update({(event.account, row[0]): row[1:] for row in event.balances})
            elif isinstance(event, Positions):
                for row in event.positions:
                    assert row.size == self.position[event.account, row.instrument]
        assert market.ledger.imbalances() == []

    def note(self, what: str) -> None:
        self.seen[what] = self.seen.get(what, 0) + 1

    def fill(self, market: Market, fill: Fill) -> None:
        key = fill.account, fill.instrument
        before = self.position.get(key, 0)
        signed = fill.size if fill.side == "buy" else -fill.size
        after = self.position[key] = before + signed
        order = market.order(fill.account, fill.order_id)
        assert order is not None
        if order.reduce_only:
            self.note("reduce_only fill")
            assert before * signed < 0, (order, before)
            assert abs(after) < abs(before), (order, before)
            assert before * after >= 0, (order, before)
        self.cash[key] = self.cash.get(key, 0) - fill.price * signed
        self.paid[key] = self.paid.get(key, 0) + fill.fee
        quote = INSTRUMENTS[fill.instrument].quote
        self.fees[quote] = self.fees.get(quote, 0) + fill.fee

    def order(self, order: Order) -> None:
        assert order.filled + order.remaining <= order.size
        if order.status != "open":
            assert order.held == 0
        else:
            assert order.remaining > 0
            assert order.held == held(order)

    def check_all(self, market: Market) -> None:
        """Every so often."""
        for name in ACCOUNTS:
            orders = market.open_orders_of(name)
            sums = dict.fromkeys(market.ledger.balances[name], 0)
            for order in orders:
                self.order(order)
                traded = INSTRUMENTS[order.symbol]
                sums[traded.quote if order.side == "buy" else traded.base] += order.held
            assert {asset: balance.held for asset, balance in market.ledger.balances[name].items()} == sums
            for asset, balance in market.ledger.balances[name].items():
                assert self.balances.get((name, asset), (0, 0)) == (balance.available, balance.held)
            positions = market.view(StreamKey("positions", name))
            assert isinstance(positions, Positions)
            assert [row.instrument for row in positions.positions] == [
                symbol for owner, symbol in self.position if owner == name
            ]
            for row in positions.positions:
                key = name, row.instrument
                assert (row.size, row.fees) == (self.position[key], self.paid[key])
                assert row.mark is not None
                assert row.unrealised is not None
                assert row.realised + row.unrealised == self.cash[key] + row.mark * row.size
        for asset, fees in self.fees.items():
            assert market.ledger.balance(FEES, asset).available == fees
        for symbol in INSTRUMENTS:
            assert {
                int(resting.order_id): (resting.account, resting.side, resting.price, resting.size + resting.hidden)
                for resting in market.book(symbol).orders.values()
            } == {
                order.order_id: (name, order.side, order.price, order.remaining)
                for name in ACCOUNTS
                for order in market.open_orders_of(name, symbol)
                if order.status == "open"
            }


def held(order: Order) -> int:
    """What an open order has to hold, written out anew."""
    if order.side == "sell":
        return order.remaining * LOT_VALUE[order.symbol]
    assert order.price is not None
    amount = order.price * order.remaining * NOTIONAL_VALUE[order.symbol]
    return amount + amount * HOLD_PPM[order.symbol] // 1_000_000


def without_answers(snapshot: bytes) -> Any:
    """A state but for the answers kept for client_order_ids: the one trace that a refused placement leaves."""
    state = msgspec.json.decode(snapshot)
    for account in state["trading"]["accounts"]:
        del account["answers"]
    return state


def told(events: list[Event]) -> bytes:
    return msgspec.json.encode([(type(event).__name__, event) for event in events])


def run(randoms: Iterable[Random], *, full_every: int, sample: float, twin_every: int, twin_for: int) -> Auditor:
    """Fold random commands, one for each of `randoms`, and audit them; from time to time a restored market runs
    beside for a while, and must do and become the same."""
    market, auditor = Market(), Auditor()
    for record in OPENING:
        auditor.check(market, record, market.apply(record))
    commands = Commands(market)
    twin: Market | None = None
    for index, random in enumerate(randoms):
        if index % twin_every == twin_every // 2:
            twin = Market.restore(market.snapshot())
            assert twin.digest() == market.digest()
        record = commands.next(random)
        before = market.snapshot() if random.random() < sample else None
        events = market.apply(record)
        auditor.check(market, record, events)
        if before is not None and isinstance(record, COMMANDS) and isinstance(market.outcome, Refused):
            auditor.note("compared")
            after = market.snapshot()
            if isinstance(record, PlaceOrder) and record.client_order_id:
                assert without_answers(after) == without_answers(before)
            else:
                assert after == before
        if index % full_every == 0:
            auditor.check_all(market)
        if twin is not None:
            assert told(twin.apply(record)) == told(events)
            if index % twin_every == twin_every // 2 + twin_for:
                assert twin.digest() == market.digest()
                twin = None
    auditor.check_all(market)
    return auditor


def test_a_hundred_thousand_commands_conserve_everything() -> None:
    seen: set[str] = set()
    for seed in range(5):
        randoms = repeat(Random(seed), 20_000)
        seen |= run(randoms, full_every=200, sample=0.01, twin_every=5_000, twin_for=1_000).seen.keys()
    # they went everywhere: each end of an order, each refusal
    assert not {
        "open", "openself_trade", "openreduce_only", "waiting", "filled", "expiredexpired", "canceledrequested",
        "cancelednot_filled", "canceledself_trade", "canceledreduce_only", "canceledinsufficient_balance",
        "canceledrefused", "canceleddisconnected", "canceleddead_man", "canceledkill_switch", "reduce_only fill",
        "compared", "insufficient_balance", "price_out_of_band", "size_too_large", "notional_too_small",
        "notional_too_large", "would_trigger", "would_take", "would_not_fill", "would_increase", "no_change",
        "kill_switch", "trading_halted", "duplicate_id", "unknown_order", "order_closed", "deadline_passed",
        "invalid_params",
    } - seen  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 2**32), max_size=100))
def test_few_commands_checked_in_full(seeds: list[int]) -> None:
    run(map(Random, seeds), full_every=1, sample=1.0, twin_every=16, twin_for=7)
