"""One account: its orders, fills and positions, and the counters of its private streams."""

from __future__ import annotations

from collections import OrderedDict, deque
from copy import copy
from itertools import islice

from tickwire.engine.ledger import Balance
from tickwire.limits import CLIENT_ORDER_IDS_MAX, CLOSED_ORDERS_MAX, FILLS_KEPT_MAX, FILLS_SHOWN_MAX
from tickwire.market.state import AccountState, PositionBook
from tickwire.model.channel import PRIVATE_CHANNELS
from tickwire.model.events import Balances, Event, Fill, OpenOrders, Position, Positions, RecentFills
from tickwire.model.order import Order
from tickwire.model.outcome import Outcome
from tickwire.model.records import PlaceOrder


class Account:
    """An account.

    Args:
        name: the account's. balances: its part of the ledger.

    Attributes:
        live: open and waiting orders by id, oldest first. closed: the newest of those that ended.
        reducing: its open reduce-only orders by id.
        by_client_id: id of the newest order with a `client_order_id`.
        answers: `client_order_id` -> the command and what it came to first.
    """

    __slots__ = (
        "answers",
        "balances",
        "by_client_id",
        "closed",
        "dead_man",
        "fills",
        "killed",
        "live",
        "name",
        "positions",
        "reducing",
        "seq",
    )

    def __init__(self, name: str, balances: dict[str, Balance]) -> None:
        self.name = name
        self.balances = balances
        self.seq = dict.fromkeys(PRIVATE_CHANNELS, 0)
        self.live: dict[int, Order] = {}
        self.closed: OrderedDict[int, Order] = OrderedDict()  # eaten from the front, see tickwire.book.l3
        self.reducing: dict[int, Order] = {}
        self.by_client_id: dict[str, int] = {}
        self.answers: OrderedDict[str, tuple[PlaceOrder, Outcome]] = OrderedDict()
        self.fills: deque[Fill] = deque(maxlen=FILLS_KEPT_MAX)
        self.positions: dict[str, PositionBook] = {}
        self.killed = False
        self.dead_man = 0

    def balance(self, asset: str) -> Balance:
        """What it has of an asset, empty where it never had any."""
        balance = self.balances.get(asset)
        if balance is None:
            balance = self.balances[asset] = Balance()
        return balance

    def opened(self, order: Order) -> None:
        """A new order."""
        self.live[order.order_id] = order
        if order.client_order_id:
            self.by_client_id[order.client_order_id] = order.order_id

    def ended(self, order: Order) -> None:
        """A live order is over."""
        del self.live[order.order_id]
        self.reducing.pop(order.order_id, None)
        self.closed[order.order_id] = order
        if len(self.closed) > CLOSED_ORDERS_MAX:
            _, oldest = self.closed.popitem(last=False)
            if self.by_client_id.get(oldest.client_order_id) == oldest.order_id:
                del self.by_client_id[oldest.client_order_id]

    def order(self, order_id: int, client_order_id: str) -> Order | None:
        """An order by either id, live or ended not long ago."""
        if client_order_id:
            order_id = self.by_client_id.get(client_order_id, 0)
        return self.live.get(order_id) or self.closed.get(order_id)

    def answered(self, command: PlaceOrder, outcome: Outcome) -> None:
        """Keep the first answer to a placement with a `client_order_id`."""
        self.answers[command.client_order_id] = (command, outcome)
        if len(self.answers) > CLIENT_ORDER_IDS_MAX:
            self.answers.popitem(last=False)

    def missed_fills(self, after_seq: int) -> list[Fill] | None:
        """The fills after this number; None when not all of them are kept, or the number is yet to come."""
        missed = self.seq["fills"] - after_seq
        if not 0 <= missed <= len(self.fills):
            return None
        return list(islice(self.fills, len(self.fills) - missed, None))

    def forget(self, symbol: str) -> None:
        """An instrument was listed anew, with other steps: what is counted in the old ones can't be shown any more."""
        self.closed = OrderedDict((key, order) for key, order in self.closed.items() if order.symbol != symbol)
        known = self.live.keys() | self.closed.keys()
        self.by_client_id = {name: key for name, key in self.by_client_id.items() if key in known}
        self.answers = OrderedDict((name, row) for name, row in self.answers.items() if row[0].symbol != symbol)
        if any(fill.instrument == symbol for fill in self.fills):
            self.fills.clear()  # all of them: what is kept must be the newest without a hole
        self.positions.pop(symbol, None)

    # ---- views -----------------------------------------------------------------------------------

    def view(self, channel: str, ts: int, marks: dict[str, int | None]) -> Event:
        """A private stream as it stands.

        Args:
            marks: the price that each position is valued at.
        """
        seq = self.seq[channel]
        if channel == "orders":
            return OpenOrders(self.name, seq, ts, [copy(order) for order in self.live.values()])
        if channel == "fills":
            shown = min(len(self.fills), FILLS_SHOWN_MAX)
            return RecentFills(self.name, seq, ts, list(islice(self.fills, len(self.fills) - shown, None)))
        if channel == "balances":
            return Balances(self.name, seq, ts, self.listed(self.balances))
        return Positions(self.name, seq, ts, [self.position(symbol, marks[symbol]) for symbol in self.positions])

    def listed(self, assets: dict[str, Balance]) -> list[tuple[str, int, int]]:
        """Balances as (asset, available, held)."""
        return [(asset, balance.available, balance.held) for asset, balance in assets.items()]

    def position(self, symbol: str, mark: int | None) -> Position:
        """One position as it stands."""
        book = self.positions[symbol]
        return Position(symbol, book.size, book.cost, book.realised, book.fees, mark)

    # ---- snapshots -------------------------------------------------------------------------------

    def dump(self) -> AccountState:
        """The whole state but for the balances, which are the ledger's."""
        answers = [(name, command, outcome) for name, (command, outcome) in self.answers.items()]
        live, closed = list(self.live.values()), list(self.closed.values())
        state = (self.name, self.seq, live, closed, answers, list(self.fills), self.positions, self.killed)
        return AccountState(*state, self.dead_man)

    def load(self, state: AccountState) -> None:
        """Inverse of `dump`, on a new account."""
        self.seq = state.seq
        for order in sorted(state.live + state.closed, key=lambda order: order.order_id):
            if order.client_order_id:
                self.by_client_id[order.client_order_id] = order.order_id
        self.live = {order.order_id: order for order in state.live}
        self.closed = OrderedDict((order.order_id, order) for order in state.closed)
        self.reducing = {key: order for key, order in self.live.items() if order.reduce_only and order.status == "open"}
        self.answers = OrderedDict((name, (command, outcome)) for name, command, outcome in state.answers)
        self.fills.extend(state.fills)
        self.positions = state.positions
        self.killed, self.dead_man = state.killed, state.dead_man
