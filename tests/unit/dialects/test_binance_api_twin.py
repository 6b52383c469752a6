"""Random orders through the Binance dialect leave every account as the same orders do through our own protocol."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from binance_api import Connection, Exchange
from support import BTC, World
from tickwire.dialects.binance.decimals import formats
from tickwire.errors import InvalidInput
from tickwire.market.market import Market
from tickwire.model.channel import PRIVATE_CHANNELS, StreamKey
from tickwire.model.records import Clock, Record
from tickwire.protocol.codec import JSON
from tickwire.protocol.messages import AmendParams, CancelAllParams, OrderParams, PlaceParams
from tickwire.protocol.orders import Desk, Job

STEP_NS = 10_000_000

TYPES = {
    "LIMIT": "limit",
    "LIMIT_MAKER": "limit",
    "MARKET": "market",
    "STOP_LOSS": "stop",
    "STOP_LOSS_LIMIT": "stop_limit",
    "TAKE_PROFIT": "take_profit",
    "TAKE_PROFIT_LIMIT": "take_profit_limit",
}
MODES = {"EXPIRE_TAKER": "cancel_newest", "EXPIRE_MAKER": "cancel_oldest", "EXPIRE_BOTH": "cancel_both",
         "DECREMENT": "decrement"}  # fmt: skip


class Placement(NamedTuple):
    side: str
    kind: str
    price: int
    stop: int
    size: int
    time_in_force: str
    shown: int
    mode: str


placements = st.builds(
    Placement,
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from([*TYPES, "LIMIT", "LIMIT", "LIMIT"]),
    st.integers(95, 105),
    st.integers(95, 105),
    st.integers(1, 20),
    st.sampled_from(["GTC", "GTC", "GTC", "IOC", "FOK"]),
    st.integers(0, 20),
    st.sampled_from(list(MODES)),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["REST", "ws"]),
        st.one_of(
            placements,
            st.tuples(st.just("cancel"), st.integers(1, 20)),
            st.tuples(st.just("amend"), st.integers(1, 20), st.integers(1, 20)),
            st.tuples(st.just("replace"), st.integers(1, 20), placements),
            st.tuples(st.just("cancel_all")),
        ),
    ),
    max_size=30,
)


class Theirs:
    """The dialect's side."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.client: Connection = self.exchange.connect()

    def do(self, number: int, account: str, way: str, step: Any) -> None:
        self.exchange.clock.ns += STEP_NS
        method, verb, path, params = self._request(number, step)
        owner = self.exchange.alice if account == "a" else self.exchange.bob
        before = self.exchange.clock.ns
        if way == "REST":
            self.exchange.rest(verb, path, owner, **params)
        else:
            self.client.ask(method, owner, **params)
        self.exchange.clock.ns = before

    def _request(self, number: int, step: Any) -> tuple[str, str, str, dict[str, Any]]:
        symbol = {"symbol": "BTCUSDT"}
        match step:
            case Placement():
                return "order.place", "POST", "/order", self._placement(number, step)
            case ("cancel", order_id):
                return "order.cancel", "DELETE", "/order", {**symbol, "orderId": order_id}
            case ("amend", order_id, size):
                params = {**symbol, "orderId": order_id, "newQty": f"0.{size:03d}"}
                return "order.amend.keepPriority", "PUT", "/order/amend/keepPriority", params
            case ("replace", order_id, placement):
                params = {"cancelReplaceMode": "ALLOW_FAILURE", "cancelOrderId": order_id}
                params |= self._placement(number, placement)
                return "order.cancelReplace", "POST", "/order/cancelReplace", params
        return "openOrders.cancelAll", "DELETE", "/openOrders", symbol

    def _placement(self, number: int, p: Placement) -> dict[str, Any]:
        params = {
            "symbol": "BTCUSDT",
            "side": p.side,
            "type": p.kind,
            "quantity": f"0.{p.size:03d}",
            "newClientOrderId": f"id{number}",
            "selfTradePreventionMode": p.mode,
        }
        if p.kind in ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"):
            params["timeInForce"] = p.time_in_force
            if p.shown and p.time_in_force == "GTC":
                params["icebergQty"] = f"0.{p.shown:03d}"
        if "LIMIT" in p.kind:
            params["price"] = f"{p.price}"
        if "STOP" in p.kind or "PROFIT" in p.kind:
            params["stopPrice"] = f"{p.stop}"
        return params


class Ours:
    """The same, as our own protocol would have it."""

    def __init__(self) -> None:
        self.world = World()
        more = {"market": self.world.market, "renderer": self.world.renderer, "now": self.world.clock}
        self.desks = {
            way: Desk(submit=self.world.submit, encoding=JSON, session=session, **more)  # type: ignore[arg-type]
            for way, session in (("REST", ""), ("ws", "s1"))
        }

    def do(self, number: int, account: str, way: str, step: Any) -> None:
        clock, desk = self.world.clock, self.desks[way]
        clock.ns += STEP_NS
        records: list[Record] = []
        for job in self._jobs(desk, number, account, step):
            try:
                records += job().commands
            except InvalidInput:
                continue
        if not records:
            return
        desk.execute(Job(records, lambda outcomes: outcomes), lambda _: None)
        before = clock.ns
        self.world.commit()
        clock.ns = before

    def _jobs(self, desk: Desk, number: int, account: str, step: Any) -> list[Any]:
        match step:
            case Placement():
                return [lambda: desk.place(self._placement(number, step), account)]
            case ("cancel", order_id):
                return [lambda: desk.cancel(OrderParams(order_id=str(order_id)), account)]
            case ("amend", order_id, size):
                order = self.world.market.order(account, order_id)
                if order is not None and order.live and size > order.size:
                    return []  # the venue can't
                params = AmendParams(order_id=str(order_id), size=f"0.{size:03d}")
                return [lambda: desk.amend(params, account)]
            case ("replace", order_id, placement):
                try:
                    wanted = desk.place(self._placement(number, placement), account)
                except InvalidInput:
                    return []
                return [lambda: desk.cancel(OrderParams(order_id=str(order_id)), account), lambda: wanted]
        return [lambda: desk.cancel_all(CancelAllParams(BTC.symbol), account)]

    def _placement(self, number: int, p: Placement) -> PlaceParams:
        resting = p.kind in ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
        return PlaceParams(
            BTC.symbol,
            p.side.lower(),  # type: ignore[arg-type]
            f"0.{p.size:03d}",
            TYPES[p.kind],  # type: ignore[arg-type]
            f"{p.price}" if "LIMIT" in p.kind else None,
            f"{p.stop}" if "STOP" in p.kind or "PROFIT" in p.kind else None,
            p.time_in_force.lower() if resting else "gtc",  # type: ignore[arg-type]
            post_only=p.kind == "LIMIT_MAKER",
            display_size=f"0.{p.shown:03d}" if p.shown and resting and p.time_in_force == "GTC" else None,
            client_order_id=f"id{number}",
            self_trade_prevention=MODES[p.mode],  # type: ignore[arg-type]
        )


def state(market: Market, account: str) -> Any:
    """All that an account is and has: equal ones print alike."""
    views = [market.view(StreamKey(channel, account)) for channel in PRIVATE_CHANNELS]
    return (
        [JSON.encode(view) for view in views],
        [JSON.encode(order) for order in market.ended_orders_of(account)],
        JSON.encode(market.fills_of(account)),
    )


@settings(max_examples=60, deadline=None)
@given(steps)
def test_accounts_are_the_same_through_either_protocol(flow: list[Any]) -> None:
    theirs, ours = Theirs(), Ours()
    assert theirs.exchange.clock() == ours.world.clock()
    for number, (account, way, step) in enumerate(flow):
        theirs.do(number, account, way, step)
        ours.do(number, account, way, step)
    end = Clock(ours.world.clock() + STEP_NS)
    for market in (theirs.exchange.market, ours.world.market):
        market.apply(end)
    for account in ("a", "b"):
        assert state(theirs.exchange.market, account) == state(ours.world.market, account)
    assert theirs.exchange.market.ledger.dump() == ours.world.market.ledger.dump()
    theirs.exchange.close()


class Follower:
    """Keeps an account by what it is told alone."""

    def __init__(self, exchange: Exchange) -> None:
        self.client = exchange.connect()
        self.client.result("userDataStream.subscribe.signature", exchange.alice)
        self.open: dict[int, dict[str, Any]] = {}
        self.balances: dict[str, tuple[str, str]] = {}
        self.trades: list[tuple[int, int, str, str]] = []
        self.executions: list[int] = []

    def read(self) -> None:
        for message in self.client.events():
            event = message["event"]
            match event["e"]:
                case "executionReport":
                    self._execution(event)
                case "outboundAccountPosition":
                    self.balances |= {row["a"]: (row["f"], row["l"]) for row in event["B"]}
                case other:
                    raise AssertionError(other)

    def _execution(self, report: dict[str, Any]) -> None:
        known = self.open.get(report["i"])
        before = Decimal(known["z"]) if known else Decimal(0)
        cost = Decimal(known["Z"]) if known else Decimal(0)
        assert (known is None) == (report["x"] == "NEW" and not (known and not known["w"]))
        assert Decimal(report["z"]) == before + Decimal(report["l"])
        assert Decimal(report["Z"]) == cost + Decimal(report["Y"])
        assert (report["x"] == "TRADE") == (report["t"] > 0)
        if report["x"] == "TRADE":
            self.trades.append((report["i"], report["t"], report["l"], report["L"]))
        self.executions.append(report["I"])
        if report["X"] in ("NEW", "PARTIALLY_FILLED"):
            assert (report["X"] == "NEW") == (not Decimal(report["z"]))
            self.open[report["i"]] = report
        else:
            assert (report["X"] == "FILLED") == (report["z"] == report["q"])
            del self.open[report["i"]]


@settings(max_examples=60, deadline=None)
@given(steps)
def test_an_account_can_be_kept_by_what_it_is_told(flow: list[Any]) -> None:
    theirs = Theirs()
    exchange, market = theirs.exchange, theirs.exchange.market
    follower = Follower(exchange)
    for number, (account, way, step) in enumerate(flow):
        theirs.do(number, account, way, step)
        follower.read()
    live, (price, size, _) = market.open_orders_of("a"), formats(BTC)
    assert sorted(follower.open) == [order.order_id for order in live]
    for order in live:
        told = follower.open[order.order_id]
        assert (told["q"], told["z"]) == (size(order.size), size(order.filled))
        assert (told["p"], told["w"]) == (price(order.price or 0), order.status == "open")
    fills = [(f.order_id, int(f.trade_id), size(f.size), price(f.price)) for f in market.fills_of("a")]
    assert sorted(follower.trades) == sorted(fills)
    assert len(set(follower.executions)) == len(follower.executions)
    shown = {row["asset"]: (row["free"], row["locked"]) for row in balances(exchange)}
    assert follower.balances == {asset: shown[asset] for asset in follower.balances}
    exchange.close()


def balances(exchange: Exchange) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = exchange.rest("GET", "/account", exchange.alice).body["balances"]
    return rows
