"""Order entry over the WebSocket (EMS): every message, every field, every status."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from ems_client import TRANSITIONS, EmsClient, Server, iso, messages
from support import START_NS, order
from tickwire.dialects.coinapi.ems import Ems
from tickwire.dialects.coinapi.ems_messages import Status
from tickwire.dialects.coinapi.ems_reports import Blotter, Ticket
from tickwire.limits import FLOOD_FACTOR, REQUESTS_PER_SECOND_MAX
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, VenueQuote
from tickwire.streams.log import Retention

BTC_USD = Instrument(
    venue="FXCM", base="BTC", quote="USD", asset_class="crypto", tick_size="0.01", lot_size="0.001", kind="mirrored",
    book="none",
)  # fmt: skip
CANCEL = {"type": "ORDER_CANCEL_SINGLE_REQUEST", "exchange_id": "SIM"}
CANCEL_ALL = {"type": "ORDER_CANCEL_ALL_REQUEST", "exchange_id": "SIM"}

REPORT: dict[str, Any] = {
    "type": "ORDER_EXEC_REPORT_UPDATE",
    "id": "1",
    "client_order_id_format_exchange": "c-1",
    "exchange_order_id": "1",
    "amount_open": "0.045",
    "amount_filled": "0.000",
    "status": "NEW",
    "status_history": [],
    "error_message": None,
    "fills": [],
    "exchange_id": "SIM",
    "client_order_id": "c-1",
    "symbol_id_exchange": "BTC-USDT",
    "symbol_id_coinapi": "SIM_SPOT_BTC_USDT",
    "amount_order": "0.045",
    "price": "100.25",
    "avg_px": "0",
    "side": "BUY",
    "order_type": "LIMIT",
    "time_in_force": "GOOD_TILL_CANCEL",
    "expire_time": None,
    "exec_inst": [],
}


@pytest.fixture
def client() -> EmsClient:
    server = Server()
    server.fund(USDT="1000", BTC="10")
    return EmsClient(server)


def ms(client: EmsClient) -> int:
    """Milliseconds since the beginning."""
    return (client.server.clock() - START_NS) // 1_000_000


def reports(told: list[Any]) -> list[Any]:
    return [message for message in told if message["type"] == "ORDER_EXEC_REPORT_UPDATE"]


def statuses(report: Any) -> list[str]:
    """The statuses of a report's history, each of which may follow the one before."""
    found: list[Status] = [status for status, _ in report["status_history"]]
    times = [time for _, time in report["status_history"]]
    assert times == sorted(times)
    for before, after in pairwise(found):
        assert after in TRANSITIONS[before], report["status_history"]
    assert found[-1] == report["status"]
    return list(found)


# ---- on open -------------------------------------------------------------------------------------


def test_a_session_begins_with_everything(client: EmsClient) -> None:
    world = client.server
    world.do(ListInstrument(BTC_USD), VenueQuote(BTC_USD.symbol, 20_000, 5, 20_100, 5))
    client.place()
    placed = ms(client)
    client.committed()
    world.do(order("sell", 10_025, 10), ms=1_000)  # 0.010 of 0.045, and a new second for the rates
    now = ms(client)
    told = EmsClient(client.server, session_id="s2").first
    assert told == [
        {
            "type": "SERVER_INFO",
            "time": iso(now),
            "instance_guid": told[0]["instance_guid"],
            "exchange_id": "SIM",
            "server_version": "1.2.3",
            "server_name": "tickwire",
            "dns_name": "localhost",
            "is_running": True,
            "time_server_start": iso(1),
        },
        {
            "type": "ORDER_EXEC_REPORT_SNAPSHOT",
            "exchange_id": "SIM",
            "data": [
                {name: value for name, value in REPORT.items() if name != "type"}
                | {
                    "amount_open": "0.035",
                    "amount_filled": "0.010",
                    "avg_px": "100.25",
                    "status": "PARTIALLY_FILLED",
                    "status_history": [
                        ["RECEIVED", iso(placed)],
                        ["ROUTING", iso(placed)],
                        ["ROUTED", iso(placed)],
                        ["NEW", iso(placed + 1)],
                        ["PARTIALLY_FILLED", iso(now)],
                    ],
                    "fills": [{"id": "1", "time": iso(now), "price": "100.25", "amount": "0.010"}],
                }
            ],
        },
        {
            "type": "BALANCE_SNAPSHOT",
            "exchange_id": "SIM",
            "data": [
                {
                    "asset_id_exchange": "USDT",
                    "asset_id_coinapi": "USDT",
                    "balance": "998.9975",
                    "available": "995.48875",
                    "locked": "3.50875",
                    "last_updated_by": "INITIALIZATION",
                    "rate_usd": "2",  # 200.50 US dollars a bitcoin, 100.25 USDT a bitcoin
                },
                {
                    "asset_id_exchange": "BTC",
                    "asset_id_coinapi": "BTC",
                    "balance": "10.01",
                    "available": "10.01",
                    "locked": "0",
                    "last_updated_by": "INITIALIZATION",
                    "rate_usd": "200.5",
                },
            ],
        },
        {
            "type": "POSITION_SNAPSHOT",
            "exchange_id": "SIM",
            "data": [
                {
                    "symbol_id_exchange": "BTC-USDT",
                    "symbol_id_coinapi": "SIM_SPOT_BTC_USDT",
                    "avg_entry_price": "100.25",
                    "quantity": "0.010",
                    "side": "BUY",
                    "unrealised_pnl": "0.00000",
                    "unrealized_pnl": "0.00000",
                    "leverage": "1",
                    "cross_margin": False,
                    "liquidation_price": None,
                }
            ],
        },
        {
            "type": "SYMBOLS_SNAPSHOT",
            "exchange_id": "SIM",
            "data": [
                {
                    "symbol_id_coinapi": "SIM_SPOT_BTC_USDT",
                    "symbol_id_exchange": "BTC-USDT",
                    "asset_id_base_exchange": "BTC",
                    "asset_id_quote_exchange": "USDT",
                    "asset_id_base_coinapi": "BTC",
                    "asset_id_quote_coinapi": "USDT",
                    "price_precision": "0.01",
                    "size_precision": "0.001",
                }
            ],
        },
    ]
    assert [len(part) for part in told[0]["instance_guid"].split("-")] == [8, 4, 4, 4, 12]


def test_the_server_says_every_second_who_it_is_and_when_it_stops(client: EmsClient) -> None:
    (info,) = messages(client.session.heartbeat())
    assert client.session.beat_ms == 1_000
    assert info == client.first[0] | {"time": iso(ms(client))}
    assert messages(client.session.drain(0)) == [info | {"is_running": False}]
    client.server.draining = True
    assert messages(client.session.heartbeat()) == [info | {"is_running": False}]


def test_another_start_has_another_guid() -> None:
    server = Server()
    server.clock.advance(ms=1)
    assert Ems(server.services).instance_guid != server.ems.instance_guid


def test_symbols_are_those_that_the_key_may_see() -> None:
    client = EmsClient(key="narrow")
    assert client.first[-1] == {"type": "SYMBOLS_SNAPSHOT", "exchange_id": "SIM", "data": []}


def test_without_an_exchange_there_is_only_the_server() -> None:
    (info,) = EmsClient(Server(BTC_USD)).first
    assert (info["type"], info["exchange_id"]) == ("SERVER_INFO", None)


# ---- the life of an order ------------------------------------------------------------------------


def test_an_order_is_routed_then_new_then_canceled(client: EmsClient) -> None:
    (routed,) = client.place()
    t = ms(client)
    begun = [["RECEIVED", iso(t)], ["ROUTING", iso(t)], ["ROUTED", iso(t)]]
    assert routed == REPORT | {
        "id": None,
        "exchange_order_id": None,
        "amount_filled": "0",
        "status": "ROUTED",
        "status_history": begun,
    }
    assert client.said() == []
    begun.append(["NEW", iso(t + 1)])
    assert client.committed() == [
        REPORT | {"status_history": begun},
        {
            "type": "BALANCE_UPDATE",
            "exchange_id": "SIM",
            "asset_id_exchange": "USDT",
            "asset_id_coinapi": "USDT",
            "balance": "1000",
            "available": "995.48875",
            "locked": "4.51125",
            "last_updated_by": "EXCHANGE",
            "rate_usd": None,
        },
    ]
    begun.append(["PENDING_CANCEL", iso(t + 101)])
    assert client.send({**CANCEL, "client_order_id": "c-1"}) == [
        REPORT | {"status": "PENDING_CANCEL", "status_history": begun}
    ]
    begun.append(["CANCELED", iso(t + 102)])
    report, balance = client.committed()
    assert report == REPORT | {"status": "CANCELED", "status_history": begun}
    assert (balance["available"], balance["locked"]) == ("1000", "0")


def test_fills_are_told_with_their_price_amount_and_id(client: EmsClient) -> None:
    client.place()
    client.committed()
    client.server.do(order("sell", 10_020, 10))
    first = ms(client)
    partly, *_, position = client.said()
    assert statuses(partly)[3:] == ["NEW", "PARTIALLY_FILLED"]
    assert position == {
        "type": "POSITION_UPDATE",
        "exchange_id": "SIM",
        "symbol_id_exchange": "BTC-USDT",
        "symbol_id_coinapi": "SIM_SPOT_BTC_USDT",
        "avg_entry_price": "100.25",
        "quantity": "0.010",
        "side": "BUY",
        "unrealised_pnl": "0.00000",
        "unrealized_pnl": "0.00000",
        "leverage": "1",
        "cross_margin": False,
        "liquidation_price": None,
    }
    client.server.do(order("sell", 10_025, 35))
    (filled,) = reports(client.said())
    assert statuses(filled)[3:] == ["NEW", "PARTIALLY_FILLED", "FILLED"]
    assert filled == partly | {
        "status": "FILLED",
        "status_history": [*partly["status_history"], ["FILLED", iso(first + 1)]],
        "amount_open": "0.000",
        "amount_filled": "0.045",
        "avg_px": "100.25",
        "fills": [
            {"id": "1", "time": iso(first), "price": "100.25", "amount": "0.010"},
            {"id": "2", "time": iso(first + 1), "price": "100.25", "amount": "0.035"},
        ],
    }


def test_an_order_that_fills_at_once_was_never_new(client: EmsClient) -> None:
    client.server.do(order("sell", 10_000, 20), order("sell", 10_010, 40))
    client.said()
    client.place()
    (report,) = reports(client.committed())
    assert statuses(report) == ["RECEIVED", "ROUTING", "ROUTED", "PARTIALLY_FILLED", "FILLED"]
    assert (report["avg_px"], report["amount_filled"]) == ("100.055556", "0.045")
    assert [(fill["price"], fill["amount"]) for fill in report["fills"]] == [("100.00", "0.020"), ("100.10", "0.025")]
    client.place("c-2", amount_order=0.005, price=100.10)
    (report,) = reports(client.committed())
    assert statuses(report) == ["RECEIVED", "ROUTING", "ROUTED", "FILLED"]
    client.place("c-3", amount_order=0.025, price=100.10)
    (report,) = reports(client.committed())
    assert statuses(report) == ["RECEIVED", "ROUTING", "ROUTED", "PARTIALLY_FILLED"]
    assert (report["amount_open"], report["amount_filled"]) == ("0.015", "0.010")


def test_what_does_not_rest_is_canceled(client: EmsClient) -> None:
    client.place(time_in_force="IMMEDIATE_OR_CANCEL")
    (report,) = reports(client.committed())
    assert statuses(report) == ["RECEIVED", "ROUTING", "ROUTED", "CANCELED"]
    assert (report["amount_open"], report["error_message"]) == ("0.045", "not_filled")
    client.server.do(order("sell", 10_000, 20))
    client.place("c-2", time_in_force="IMMEDIATE_OR_CANCEL")
    (report,) = reports(client.committed())
    assert statuses(report) == ["RECEIVED", "ROUTING", "ROUTED", "PARTIALLY_FILLED", "CANCELED"]
    assert (report["amount_open"], report["amount_filled"]) == ("0.025", "0.020")


def test_an_order_that_meets_one_of_its_own_account_was_never_new(client: EmsClient) -> None:
    client.server.do(order("sell", 10_000, 5, account="alice"))
    client.said()
    client.place()
    report = reports(client.committed())[-1]
    assert statuses(report) == ["RECEIVED", "ROUTING", "ROUTED", "CANCELED"]
    assert report["error_message"] == "self_trade"


def test_a_rejection_is_a_report_too(client: EmsClient) -> None:
    (routed,) = client.place(price=100_000)
    (rejected,) = client.committed()
    assert rejected == routed | {
        "status": "REJECTED",
        "status_history": [*routed["status_history"], ["REJECTED", iso(ms(client))]],
        "error_message": rejected["error_message"],
    }
    assert rejected["error_message"].startswith("insufficient_balance: ")
    assert statuses(rejected) == ["RECEIVED", "ROUTING", "ROUTED", "REJECTED"]


def test_what_the_market_need_not_be_asked_is_rejected_at_once(client: EmsClient) -> None:
    (rejected,) = client.place(price=100.253)
    assert statuses(rejected) == ["RECEIVED", "REJECTED"]
    assert rejected["error_message"] == "invalid_params: price 100.253 is not a multiple of 0.01"
    assert (rejected["price"], rejected["exchange_order_id"]) == ("100.253", None)
    assert client.server.submitted == []
    (rejected,) = client.place(amount_order=0)
    assert rejected["error_message"] == "invalid_params: size must be more than 0"


def test_an_order_that_fills_while_it_is_canceled(client: EmsClient) -> None:
    client.place()
    client.committed()
    client.server.do(order("sell", 10_025, 10))
    client.said()
    cancel = {**CANCEL, "client_order_id": "c-1"}
    (pending,) = client.send(cancel)
    assert statuses(pending)[3:] == ["NEW", "PARTIALLY_FILLED", "PENDING_CANCEL"]
    client.server.do(order("sell", 10_025, 35))
    (filled,) = reports(client.said())
    assert statuses(filled)[3:] == ["NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "FILLED"]
    (reject,) = client.committed()
    assert reject == {
        "type": "MESSAGE_REJECT",
        "reject_reason": "OTHER",
        "exchange_id": "SIM",
        "message": "order 1 is filled (order_id)",
        "rejected_message": json.dumps(cancel),
    }


def test_a_fill_after_the_cancellation_was_asked_for(client: EmsClient) -> None:
    client.place()
    client.committed()
    client.send({**CANCEL, "client_order_id": "c-1"})
    client.server.do(order("sell", 10_025, 10))
    (report,) = reports(client.said())
    assert statuses(report)[3:] == ["NEW", "PENDING_CANCEL", "PARTIALLY_FILLED"]
    (report,) = reports(client.committed())
    assert statuses(report)[3:] == ["NEW", "PENDING_CANCEL", "PARTIALLY_FILLED", "CANCELED"]
    assert (report["amount_open"], report["amount_filled"]) == ("0.035", "0.010")


@pytest.mark.parametrize("words", [[], ["CANCEL_ON_DISCONNECT"]])
def test_an_order_is_canceled_while_it_is_on_its_way(client: EmsClient, words: list[str]) -> None:
    client.place(exec_inst=words)
    assert client.send({**CANCEL, "client_order_id": "c-1"}) == []
    new, canceled = reports(client.committed())
    assert statuses(new) == ["RECEIVED", "ROUTING", "ROUTED", "NEW", "PENDING_CANCEL"]
    assert statuses(canceled) == [*statuses(new), "CANCELED"]


def test_an_order_on_its_way_is_canceled_over_another_session(client: EmsClient) -> None:
    other = EmsClient(client.server, session_id="s2")
    client.place()
    assert other.send({**CANCEL, "client_order_id": "c-1"}) == []
    assert [report["status"] for report in reports(client.committed())] == ["PENDING_CANCEL", "CANCELED"]


def test_what_was_answered_is_not_remembered_as_on_its_way(client: EmsClient) -> None:
    for name, more in (("c-1", {}), ("c-2", {"exec_inst": ["CANCEL_ON_DISCONNECT"]}), ("c-3", {"price": 100_000})):
        client.place(name, **more)
    client.committed()
    desk = client.session._desk
    for kept in (client.server.ems.blotter.placing, desk._free._placing, desk._guarded._placing):
        assert not kept


def test_orders_of_other_protocols_are_told_as_well(client: EmsClient) -> None:
    client.server.do(order("sell", 10_000, 20), order("buy", None, 5, account="alice"))
    (report,) = reports(client.said())
    at = iso(ms(client))
    assert report == REPORT | {
        "id": "2",
        "exchange_order_id": "2",
        "client_order_id": "",
        "client_order_id_format_exchange": "",
        "order_type": "MARKET",
        "time_in_force": report["time_in_force"],
        "price": "0",
        "amount_order": "0.005",
        "amount_open": "0.000",
        "amount_filled": "0.005",
        "avg_px": "100.00",
        "status": "FILLED",
        "status_history": [[status, at] for status in ("RECEIVED", "ROUTING", "ROUTED", "FILLED")],
        "fills": [{"id": "1", "time": at, "price": "100.00", "amount": "0.005"}],
    }
    expires = client.server.clock() + 10**10
    client.server.do(
        order("buy", 9_000, 1, account="alice", post_only=True, time_in_force="gtd", expires_at=expires),
        order("sell", 11_000, 1, account="alice", reduce_only=True),
    )
    first, second = reports(client.said())
    assert (first["time_in_force"], first["exec_inst"]) == ("GOOD_TILL_TIME_EXCHANGE", ["MAKER_OR_CANCEL"])
    assert first["expire_time"] == iso(ms(client) + 9_999)
    assert (second["time_in_force"], second["exec_inst"]) == ("GOOD_TILL_CANCEL", ["DO_NOT_INCREASE"])


def test_a_restarted_server_knows_the_orders_from_the_market(client: EmsClient) -> None:
    client.place(time_in_force="GOOD_TILL_TIME_OMS", expire_time="2024-01-01T00:00:00Z")
    (before,) = reports(client.committed())
    assert before["time_in_force"] == "GOOD_TILL_TIME_OMS"
    client.server.ems = Ems(client.server.services)
    (after,) = EmsClient(client.server).first[1]["data"]
    created = before["status_history"][-1][1]
    history = [[status, created] for status in ("RECEIVED", "ROUTING", "ROUTED", "NEW")]
    words = {"time_in_force": "GOOD_TILL_TIME_EXCHANGE", "status_history": history}
    assert {"type": "ORDER_EXEC_REPORT_UPDATE", **after} == before | words


def test_an_old_fill_that_is_not_kept_is_counted_all_the_same(client: EmsClient) -> None:
    client.place()
    client.committed()
    client.server.do(order("sell", 10_025, 10))
    client.server.do(order("sell", 10_025, 5))
    fills = client.server.market._account("alice").fills
    fills.popleft()
    report = client.server.ems.blotter.reports("alice", client.server.market.open_orders_of("alice"), update=True)[0]
    assert [(fill.id, bytes(fill.amount)) for fill in report.fills] == [("2", b"0.005")]
    assert (bytes(report.amount_filled), bytes(report.avg_px)) == (b"0.015", b"100.25")
    assert [status for status, _ in report.status_history][3:] == ["NEW", "PARTIALLY_FILLED"]


def test_of_the_words_of_requests_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.dialects.coinapi.ems_reports.TICKETS_MAX", 2)
    blotter = Blotter(Server().market)
    for name in ("c-1", "c-2", "c-3"):
        blotter.add("alice", name, Ticket(1, 1, "FILL_OR_KILL", None, []))
    assert list(blotter._tickets) == [("alice", "c-2"), ("alice", "c-3")]


# ---- balances and positions ----------------------------------------------------------------------


def test_who_changed_a_balance(client: EmsClient) -> None:
    client.said()
    client.server.fund(USDT="5")
    (balance,) = client.said()
    assert (balance["balance"], balance["last_updated_by"]) == ("1005", "BALANCE_MANAGER")
    client.place()
    _, balance = client.committed()
    assert balance["last_updated_by"] == "EXCHANGE"


def test_a_short_position_and_its_end(client: EmsClient) -> None:
    client.server.do(order("buy", 10_000, 20))
    client.place(side="SELL", price=100, amount_order=0.02)
    *_, position = client.committed()
    assert (position["side"], position["quantity"], position["avg_entry_price"]) == ("SELL", "0.020", "100.00")
    client.server.do(order("buy", 10_100, 1), order("sell", 10_100, 1))  # the mark
    client.said()
    (shown,) = EmsClient(client.server).first[3]["data"]
    assert (shown["unrealised_pnl"], shown["unrealized_pnl"]) == ("-0.02000", "-0.02000")
    client.server.do(order("buy", 10_200, 1), order("sell", 10_200, 1))
    (shown,) = EmsClient(client.server).first[3]["data"]
    assert shown["unrealised_pnl"] == "-0.04000"  # though nothing has happened to the account since
    client.server.do(order("sell", 9_900, 20))
    client.place("c-2", price=99, amount_order=0.02)
    *_, position = client.committed()
    assert (position["side"], position["quantity"], position["avg_entry_price"]) == ("BUY", "0.000", "0")
    assert EmsClient(client.server).first[3]["data"] == []


# ---- the session ---------------------------------------------------------------------------------


def test_all_sessions_of_an_account_share_the_bytes(client: EmsClient) -> None:
    other = EmsClient(client.server, session_id="s2")
    stranger = EmsClient(client.server, key="other", session_id="s3")
    client.said()
    client.place()
    client.server.commit()
    assert client.sink.writes[0][-1] is other.sink.writes[0][-1]
    assert reports(other.said())[0]["client_order_id"] == "c-1"
    assert stranger.said() == []


def test_who_was_too_slow_is_given_everything_anew() -> None:
    server = Server(retention=Retention(bytes_max=1, bytes_per_stream_max=1))
    server.fund(USDT="1000")
    client = EmsClient(server)
    client.said()
    client.sink.ready = False
    for name in ("c-1", "c-2", "c-3"):
        client.place(name)
        server.commit()
    client.said()
    server.hub.catch_up(client.sink)
    told = client.said()
    assert [message["type"] for message in told] == [
        "ORDER_EXEC_REPORT_SNAPSHOT", "BALANCE_SNAPSHOT", "POSITION_SNAPSHOT"
    ]  # fmt: skip
    assert [report["client_order_id"] for report in told[0]["data"]] == ["c-1", "c-2", "c-3"]


def test_a_revoked_key_ends_the_session(client: EmsClient) -> None:
    client.server.revoked.add("trader")
    client.session.check()
    assert client.session.ending == (4403, "the session's key was revoked")
    assert client.session.identity is None
    client.said()
    client.server.fund(USDT="1")
    assert client.said() == []
    (reject,) = client.place()
    assert (reject["reject_reason"], reject["message"]) == ("OTHER", "the session's key was revoked")
    assert client.server.submitted == []


def test_a_revoked_key_is_noticed_at_the_next_message(client: EmsClient) -> None:
    client.server.revoked.add("trader")
    (reject,) = client.place()
    assert reject["message"] == "the session's key was revoked"
    assert client.session.ending == (4403, "the session's key was revoked")


def test_too_many_messages_are_rejected_and_far_too_many_end_the_session(client: EmsClient) -> None:
    data = json.dumps(CANCEL_ALL).encode()
    for _ in range(REQUESTS_PER_SECOND_MAX):
        assert client.session.received(data) == []
    (reject,) = messages(client.session.received(data)[0])
    assert (reject["reject_reason"], reject["rejected_message"]) == ("OTHER", data.decode())
    assert reject["message"].startswith(f"more than {REQUESTS_PER_SECOND_MAX} requests a second")
    for _ in range(FLOOD_FACTOR * REQUESTS_PER_SECOND_MAX - 1):
        client.session.received(data)
    assert client.session.ending is None
    client.session.received(data)
    assert client.session.ending == (4101, "far too many requests; retry_after=10")


def test_orders_are_canceled_with_the_connection_where_they_say_so(client: EmsClient) -> None:
    client.place("stays")
    client.place("goes", exec_inst=["CANCEL_ON_DISCONNECT"])
    client.place("goes as well", exec_inst=["CANCEL_ON_DISCONNECT", "MAKER_OR_CANCEL"])
    client.place("stays too", exec_inst=["DO_NOT_CANCEL_ON_DISCONNECT"])
    client.committed()
    watching = EmsClient(client.server, session_id="s2")
    client.session.closed()
    client.session.closed()
    told = reports(watching.committed())
    assert [(report["client_order_id"], report["status"], report["error_message"]) for report in told] == [
        ("goes", "CANCELED", "disconnected"), ("goes as well", "CANCELED", "disconnected")
    ]  # fmt: skip
    assert told[1]["exec_inst"] == ["CANCEL_ON_DISCONNECT", "MAKER_OR_CANCEL"]
    assert watching.server.market.guarded_sessions == []
    left = watching.server.market.open_orders_of("alice")
    assert [each.client_order_id for each in left] == ["stays", "stays too"]


def test_a_session_without_such_orders_ends_silently(client: EmsClient) -> None:
    client.place()
    client.committed()
    before = len(client.server.commands)
    client.session.closed()
    assert len(client.server.commands) == before


def test_who_is_gone_is_answered_no_more(client: EmsClient) -> None:
    client.place(price=100_000)
    client.session.closed()
    assert client.committed() == []


def test_what_is_said_and_asked_is_counted(client: EmsClient) -> None:
    meters = client.server.services.meters
    client.place()
    client.send({**CANCEL, "client_order_id": "none"})
    client.send({"type": "HELLO"})
    assert dict(meters.requests) == {
        ("ORDER_NEW_SINGLE_REQUEST", "ok"): 1,
        ("ORDER_CANCEL_SINGLE_REQUEST", "ORDER_ID_NOT_FOUND"): 1,
        ("unknown", "INVALID_TYPE"): 1,
    }
    assert meters.sent["coinapi"].messages == 5  # SERVER_INFO, SYMBOLS_SNAPSHOT, a report, two rejects
    client.session.check()
    assert client.session.headers == []


def test_the_report_of_a_moment_has_the_fills_of_that_moment() -> None:
    server = Server()
    server.fund(USDT="1000")
    client = EmsClient(server)
    client.place()
    client.committed()
    client.server.do(order("sell", 10_025, 10), order("sell", 10_025, 5))  # both in one transaction
    first, second = reports(client.said())
    assert [fill["amount"] for fill in first["fills"]] == ["0.010"]
    assert [fill["amount"] for fill in second["fills"]] == ["0.010", "0.005"]
    assert (first["amount_filled"], second["amount_filled"]) == ("0.010", "0.015")


def test_the_newest_fills_of_an_order_are_shown(monkeypatch: pytest.MonkeyPatch, client: EmsClient) -> None:
    monkeypatch.setattr("tickwire.dialects.coinapi.ems_reports.FILLS_SHOWN_MAX", 2)
    client.place()
    client.committed()
    for _ in range(3):
        client.server.do(order("sell", 10_025, 1))
    report = reports(client.said())[-1]
    assert [fill["id"] for fill in report["fills"]] == ["2", "3"]
    assert report["amount_filled"] == "0.003"
