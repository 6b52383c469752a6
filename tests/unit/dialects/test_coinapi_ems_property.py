"""Order entry (EMS) does to orders and money what the native protocol does: the same commands, the same market after
them, the same numbers shown."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ems_client import ORDER, TRANSITIONS, EmsClient, Server, plain
from support import order
from tickwire.dialects.base import HttpRequest
from tickwire.dialects.coinapi.rest import Rest
from tickwire.errors import InvalidInput
from tickwire.model.channel import StreamKey
from tickwire.model.events import Balances, Positions
from tickwire.protocol.codec import JSON
from tickwire.protocol.messages import CancelAllParams, OrderParams, PlaceParams
from tickwire.protocol.orders import Desk, Job

NATIVE = {
    "GOOD_TILL_CANCEL": "gtc", "GOOD_TILL_TIME_EXCHANGE": "gtd", "GOOD_TILL_TIME_OEML": "gtd",
    "GOOD_TILL_TIME_OMS": "gtd", "FILL_OR_KILL": "fok", "IMMEDIATE_OR_CANCEL": "ioc",
}  # fmt: skip
EXPIRES, EXPIRES_NS = "2023-11-14T22:13:20.9000000Z", 1_700_000_000_900_000_000

sides = st.sampled_from(["buy", "sell"])
names = st.sampled_from([f"c-{number}" for number in range(8)])
placements = st.fixed_dictionaries(
    {
        "client_order_id": names,
        "side": st.sampled_from(["BUY", "SELL"]),
        "amount_order": st.integers(0, 60).map(lambda lots: f"0.{lots:03d}"),
        "price": st.integers(9_980, 10_020).map(lambda ticks: f"{ticks // 100}.{ticks % 100:02d}"),
        "time_in_force": st.sampled_from(sorted(NATIVE)),
        "exec_inst": st.lists(st.sampled_from(["MAKER_OR_CANCEL", "DO_NOT_INCREASE"]), unique=True),
    }
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("place"), placements),
        st.tuples(st.just("cancel"), names),
        st.tuples(st.just("cancel all"), st.none()),
        st.tuples(
            st.just("other"),
            st.tuples(st.sampled_from(["buy", "sell"]), st.integers(9_980, 10_020), st.integers(1, 40)),
        ),
        st.tuples(st.just("commit"), st.none()),
    ),
    max_size=30,
)


class Native:
    """The same over the native protocol's desk."""

    def __init__(self) -> None:
        self.server = server = Server()
        services = server.services
        self.desk = Desk(
            market=services.market,
            renderer=services.renderer,
            submit=services.submit,
            encoding=JSON,
            now=services.now,
        )

    def place(self, asked: dict[str, Any]) -> None:
        words = asked["exec_inst"]
        gtd = NATIVE[asked["time_in_force"]] == "gtd"
        params = PlaceParams(
            "SIM:BTC-USDT",
            "buy" if asked["side"] == "BUY" else "sell",
            asked["amount_order"],
            price=asked["price"],
            time_in_force=NATIVE[asked["time_in_force"]],  # type: ignore[arg-type]
            expires_at=EXPIRES_NS if gtd else None,
            post_only="MAKER_OR_CANCEL" in words,
            reduce_only="DO_NOT_INCREASE" in words,
            client_order_id=asked["client_order_id"],
        )
        self.run(lambda: self.desk.place(params, "alice"))

    def run(self, make: Any) -> None:
        try:
            job = make()
        except InvalidInput:
            return
        assert isinstance(job, Job)
        self.desk.execute(job, lambda _: None)


@given(steps)
@settings(deadline=None, max_examples=60)
def test_orders_and_money_are_those_of_the_native_protocol(script: list[tuple[str, Any]]) -> None:
    client, native = EmsClient(), Native()
    for server in (client.server, native.server):
        server.fund(USDT="30", BTC="0.2")
    told: list[Any] = []
    for what, asked in script:
        native.server.clock.advance(ms=100)
        if what == "place":
            gtd = NATIVE[asked["time_in_force"]] == "gtd"
            told += client.send({**ORDER, **asked, "expire_time": EXPIRES if gtd else None})
            native.place(asked)
        elif what == "cancel":
            told += client.send({"type": "ORDER_CANCEL_SINGLE_REQUEST", "exchange_id": "SIM", "client_order_id": asked})
            native.run(lambda name=asked: native.desk.cancel(OrderParams(client_order_id=name), "alice"))
        elif what == "cancel all":
            told += client.send({"type": "ORDER_CANCEL_ALL_REQUEST", "exchange_id": "SIM"})
            native.run(lambda: native.desk.cancel_all(CancelAllParams(), "alice"))
        else:
            client.server.clock.advance(ms=100)
            for server in (client.server, native.server):
                server.commit()
                if what == "other":
                    server.do(order(asked[0], asked[1], asked[2]))
        told += client.said()
    for server in (client.server, native.server):
        server.commit()
    told += client.said()
    assert client.server.commands == native.server.commands
    assert client.server.market.digest() == native.server.market.digest()
    _the_numbers_shown_are_the_same(client, native)
    _every_history_goes_on(told)


def _every_history_goes_on(told: list[Any]) -> None:
    """Each status may follow the one before, times never go back, and what was said of an order stays said."""
    said: dict[str, list[Any]] = {}
    for report in told:
        if report["type"] != "ORDER_EXEC_REPORT_UPDATE":
            continue
        history = report["status_history"]
        assert history[-1][0] == report["status"]
        for (before, at), (after, later) in pairwise(history):
            assert after in TRANSITIONS[before], history
            assert at <= later, history
        if report["exchange_order_id"] is not None:
            known = said.get(report["exchange_order_id"], [])
            assert history[: len(known)] == known
            said[report["exchange_order_id"]] = history


def _the_numbers_shown_are_the_same(client: EmsClient, native: Native) -> None:
    market, renderer = native.server.market, native.server.renderer
    rest = Rest(client.server.ems)
    shown: dict[str, Any] = {}
    for path in ("orders", "balances", "positions"):
        request = HttpRequest("GET", f"/ems/v1/{path}", "", {"x-coinapi-key": "trader"}, b"", "::1")
        rest.http(request, lambda answer, path=path: shown.__setitem__(path, plain(answer.body)))  # type: ignore[misc]
    orders = [renderer.order(each) for each in market.open_orders_of("alice")]
    assert [
        (each["exchange_order_id"], each["client_order_id"], each["side"].lower(), each["price"], each["amount_order"],
         each["amount_open"], each["amount_filled"], each["avg_px"])
        for each in shown["orders"]
    ] == [
        (each.order_id, each.client_order_id, each.side, each.price, each.size,
         each.remaining, each.filled, each.average_price or "0")
        for each in orders
    ]  # fmt: skip
    balances = market.view(StreamKey("balances", "alice"))
    assert isinstance(balances, Balances)
    native_balances: Any = json.loads(JSON.encode(renderer.data(balances)))["balances"]
    (of_exchange,) = shown["balances"]
    assert [
        {"asset": each["asset_id_coinapi"], "available": each["available"], "held": each["locked"]}
        for each in of_exchange["data"]
    ] == native_balances
    positions = market.view(StreamKey("positions", "alice"))
    assert isinstance(positions, Positions)
    native_positions: Any = json.loads(JSON.encode(renderer.data(positions)))["positions"]
    (of_exchange,) = shown["positions"]
    assert [
        (("-" if each["side"] == "SELL" else "") + each["quantity"], each["avg_entry_price"], each["unrealised_pnl"])
        for each in of_exchange["data"]
    ] == [
        (each["size"], each["average_price"], each["unrealised"])
        for each in native_positions
        if each["average_price"] is not None
    ]
