"""What clients ask of order entry (EMS): what reaches the tape, what is rejected and why, and the same asked again."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems_client import ORDER, EmsClient, Server, messages
from support import BTC, START_NS, order
from tickwire.dialects.coinapi.ems_messages import NewOrder, Reject, decimal_text, decoded
from tickwire.errors import InvalidNumber
from tickwire.model.instrument import Instrument
from tickwire.model.records import CancelAll, CancelOrder, Guard, ListInstrument, PlaceOrder

ETH = Instrument(
    venue="OTHER", base="ETH", quote="USDT", asset_class="crypto", tick_size="0.01", lot_size="0.001", kind="matched",
    book="orders",
)  # fmt: skip
SHOWN = Instrument(
    venue="SIM", base="IBM", quote="USD", asset_class="equity", tick_size="0.01", lot_size="1", kind="mirrored",
    book="none",
)  # fmt: skip
CANCEL = {"type": "ORDER_CANCEL_SINGLE_REQUEST", "exchange_id": "SIM"}
CANCEL_ALL = {"type": "ORDER_CANCEL_ALL_REQUEST", "exchange_id": "SIM"}
LATER = "2023-11-14T22:15:00.1234567Z"
LATER_NS = START_NS + 100_123_456_700
PLACED = PlaceOrder(BTC.symbol, "alice", "buy", 45, 10_025, client_order_id="c-1")


@pytest.fixture
def client() -> EmsClient:
    server = Server()
    server.fund(USDT="1000", BTC="10")
    server.do(ListInstrument(ETH), ListInstrument(SHOWN))
    client = EmsClient(server)
    client.said()
    return client


def placement(**changes: Any) -> PlaceOrder:
    fields = {name: getattr(PLACED, name) for name in PLACED.__struct_fields__}
    return PlaceOrder(**fields | changes)


def reject(client: EmsClient, message: Any) -> tuple[str, str, str | None]:
    """(reason, words, exchange) of what is rejected, at once or later; nothing is closed."""
    (answer,) = client.send(message) or client.committed()
    assert list(answer) == ["type", "reject_reason", "exchange_id", "message", "rejected_message"]
    assert answer["type"] == "MESSAGE_REJECT"
    sent = message.decode(errors="replace") if isinstance(message, bytes) else json.dumps(message)
    assert answer["rejected_message"] == sent
    assert client.session.ending is None
    return answer["reject_reason"], answer["message"], answer["exchange_id"]


# ---- new orders ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "record"),
    [
        ({}, PLACED),
        ({"symbol_id_coinapi": None, "symbol_id_exchange": "BTC-USDT"}, PLACED),
        ({"symbol_id_exchange": "BTC-USDT"}, PLACED),
        ({"symbol_id_coinapi": "SIM:BTC-USDT"}, PLACED),
        ({"side": "SELL"}, placement(side="sell")),
        ({"amount_order": "0.045", "price": "100.25"}, PLACED),
        ({"amount_order": 45e-3, "price": 100.250}, PLACED),
        ({"time_in_force": "GOOD_TILL_CANCEL", "expire_time": LATER}, PLACED),
        ({"time_in_force": "FILL_OR_KILL"}, placement(time_in_force="fok")),
        ({"time_in_force": "IMMEDIATE_OR_CANCEL"}, placement(time_in_force="ioc")),
        (
            {"time_in_force": "GOOD_TILL_TIME_EXCHANGE", "expire_time": LATER},
            placement(time_in_force="gtd", expires_at=LATER_NS),
        ),
        (
            {"time_in_force": "GOOD_TILL_TIME_OEML", "expire_time": LATER},
            placement(time_in_force="gtd", expires_at=LATER_NS),
        ),
        (
            {"time_in_force": "GOOD_TILL_TIME_OMS", "expire_time": "2023-11-14T23:15:00.1234567+01:00"},
            placement(time_in_force="gtd", expires_at=LATER_NS),
        ),
        ({"exec_inst": []}, PLACED),
        ({"exec_inst": None}, PLACED),
        ({"exec_inst": ["MAKER_OR_CANCEL"]}, placement(post_only=True)),
        ({"exec_inst": "MAKER_OR_CANCEL"}, placement(post_only=True)),
        ({"exec_inst": ["DO_NOT_INCREASE"]}, placement(reduce_only=True)),
        ({"exec_inst": ["DO_NOT_CANCEL_ON_DISCONNECT"]}, PLACED),
    ],
)
def test_a_new_order_reaches_the_tape(client: EmsClient, asked: dict[str, Any], record: PlaceOrder) -> None:
    (routed,) = client.place(**asked)
    assert client.server.commands == [record]
    assert routed["status"] == "ROUTED"
    words = asked.get("exec_inst") or []
    assert routed["exec_inst"] == ([words] if isinstance(words, str) else words)
    assert routed["time_in_force"] == asked.get("time_in_force", "GOOD_TILL_CANCEL")
    assert routed["expire_time"] == (LATER if asked.get("expire_time") else None)
    assert (routed["symbol_id_coinapi"], routed["symbol_id_exchange"]) == ("SIM_SPOT_BTC_USDT", "BTC-USDT")


def test_the_words_of_a_request_stay_with_its_order(client: EmsClient) -> None:
    words: dict[str, Any] = {
        "time_in_force": "GOOD_TILL_TIME_OEML",
        "expire_time": LATER,
        "exec_inst": ["MAKER_OR_CANCEL"],
    }
    client.place(**words)
    (report, *_) = client.committed()
    assert {name: report[name] for name in words} == words


def test_an_order_guards_its_connection_once(client: EmsClient) -> None:
    client.place("c-1", exec_inst=["CANCEL_ON_DISCONNECT"])
    client.place("c-2", exec_inst=["CANCEL_ON_DISCONNECT"])
    assert client.server.commands == [
        Guard("alice", "s1", "connection"),
        placement(session="s1"),
        placement(session="s1", client_order_id="c-2"),
    ]
    assert [report["status"] for report in client.committed() if "status" in report] == ["NEW", "NEW"]


def test_an_order_expires(client: EmsClient) -> None:
    client.place(time_in_force="GOOD_TILL_TIME_EXCHANGE", expire_time=LATER)
    client.committed()
    client.server.do(ms=101_000)
    (report, *_) = client.said()
    assert (report["status"], report["error_message"]) == ("CANCELED", "expired")


def test_no_digit_of_a_number_is_lost(client: EmsClient) -> None:
    asked = json.dumps({**ORDER, "client_order_id": "c-1"}).encode()
    asked = asked.replace(b"0.045", b"123456789012345.678").replace(b"100.25", b"98765432109876.54")
    (routed,) = client.send(asked)
    assert (routed["amount_order"], routed["price"]) == ("123456789012345.678", "98765432109876.54")
    assert client.server.commands == [placement(size=123456789012345678, price=9876543210987654)]
    (rejected,) = client.committed()
    assert (rejected["status"], rejected["amount_order"]) == ("REJECTED", "123456789012345.678")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.045", "0.045"), ('"0.045"', "0.045"), ("4.5e-2", "0.045"), ("45E-3", "0.045"), ("4.5e1", "45"),
        ("4.5E+2", "450"), ("1e3", "1000"), ("0", "0"), ("-0.5", "-0.5"), ("0.10", "0.10"), ("12.5e-1", "1.25"),
        ("0e5", "0"), ('"1E-7"', "0.0000001"),
    ],
)  # fmt: skip
def test_numbers_are_read_exactly(text: str, number: str) -> None:
    request = decoded(json.dumps({**ORDER, "client_order_id": "x"}).replace("0.045", text).encode(), NewOrder)
    assert decimal_text(request.amount_order, "amount_order") == number


@pytest.mark.parametrize(
    "text", ["null", "true", "[1]", "{}", '""', '"1,5"', '"0x1"', '"1e400"', '"' + "1" * 101 + '"']
)
def test_what_is_no_number_is_named(text: str) -> None:
    request = decoded(json.dumps({**ORDER, "client_order_id": "x"}).replace("0.045", text).encode(), NewOrder)
    with pytest.raises(InvalidNumber, match="amount_order must be a decimal number") as caught:
        decimal_text(request.amount_order, "amount_order")
    assert caught.value.field == "amount_order"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, places=9), st.integers(-20, 20))
def test_any_decimal_with_any_exponent_is_exact(value: Any, exponent: int) -> None:
    text = f"{value:f}e{exponent}"
    request = decoded(json.dumps({**ORDER, "client_order_id": "x"}).replace("0.045", text).encode(), NewOrder)
    if len(text) <= 100:
        shown = decimal_text(request.amount_order, "amount_order")
        assert Decimal(shown) == Decimal(text)
        assert "e" not in shown.lower()


# ---- the same again ------------------------------------------------------------------------------


def test_the_same_order_sent_again_is_the_same_order(client: EmsClient) -> None:
    client.place()
    (report, *_) = client.committed()
    assert client.place(amount_order="0.0450", exec_inst=["DO_NOT_CANCEL_ON_DISCONNECT"]) == []
    assert client.committed() == [report]
    assert len(client.server.market.open_orders_of("alice")) == 1
    client.server.do(order("sell", 10_025, 45))
    (filled, *_) = client.said()
    assert client.place() == []
    assert client.committed() == [filled]
    assert filled["status"] == "FILLED"


def test_an_order_sent_twice_at_once_is_one(client: EmsClient) -> None:
    assert client.place()[0]["status"] == "ROUTED"
    assert client.place() == []
    told = client.committed()
    assert [message["type"] for message in told] == ["ORDER_EXEC_REPORT_UPDATE", "BALANCE_UPDATE", "BALANCE_UPDATE"]
    assert told[0]["exchange_order_id"] == "1"
    assert [balance["exchange_id"] for balance in told[1:]] == ["SIM", "OTHER"]  # one account on both


def test_a_rejection_is_repeated(client: EmsClient) -> None:
    client.place(price=100_000)
    (first,) = client.committed()
    client.place(price=100_000)
    (second,) = client.committed()
    assert (first["status"], second["status"]) == ("REJECTED", "REJECTED")
    assert first["error_message"] == second["error_message"]


def test_another_order_with_the_same_id_is_not_told_as_the_end_of_the_first(client: EmsClient) -> None:
    client.place()
    client.committed()
    other = {**ORDER, "client_order_id": "c-1", "price": 99}
    reason, words, exchange = reject(client, other)
    assert (reason, exchange) == ("OTHER", "SIM")
    assert words == "client_order_id 'c-1' was used for another order"
    assert reject(client, {**other, "price": 99.999})[:2] == ("OTHER", "price 99.999 is not a multiple of 0.01")
    (order_,) = client.server.market.open_orders_of("alice")
    assert (order_.status, order_.price) == ("open", 10_025)


# ---- cancellations -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "record"),
    [
        ({"client_order_id": "c-1"}, CancelOrder("alice", 1)),
        ({"exchange_order_id": "1"}, CancelOrder("alice", 1)),
        ({"exchange_order_id": 1}, CancelOrder("alice", 1)),
        ({"exchange_order_id": "1", "client_order_id": "c-1"}, CancelOrder("alice", 1)),
        ({"exchange_order_id": None, "client_order_id": "c-1"}, CancelOrder("alice", 1)),
    ],
)
def test_an_order_is_canceled_by_either_id(client: EmsClient, asked: dict[str, Any], record: CancelOrder) -> None:
    client.place()
    client.committed()
    (pending,) = client.send({**CANCEL, **asked})
    assert pending["status"] == "PENDING_CANCEL"
    assert client.server.commands[1:] == [record]
    assert client.committed()[0]["status"] == "CANCELED"


def test_an_order_of_another_protocol_is_canceled(client: EmsClient) -> None:
    client.server.do(order("buy", 9_000, 1, account="alice"))
    client.said()
    (pending,) = client.send({**CANCEL, "exchange_order_id": "1"})
    assert pending["status"] == "PENDING_CANCEL"
    assert client.committed()[0]["status"] == "CANCELED"


@pytest.mark.parametrize(
    "asked",
    [
        {"client_order_id": "c-2"},
        {"exchange_order_id": "7"},
        {"exchange_order_id": "1", "client_order_id": "c-2"},
        {"exchange_id": "OTHER", "client_order_id": "c-1"},
    ],
)
def test_what_is_not_there_is_not_canceled(client: EmsClient, asked: dict[str, Any]) -> None:
    client.place()
    client.committed()
    message = {**CANCEL, **asked}
    assert reject(client, message)[::2] == ("ORDER_ID_NOT_FOUND", message["exchange_id"])
    assert client.server.commands[1:] == []


def test_an_order_on_its_way_to_another_exchange_is_not_canceled(client: EmsClient) -> None:
    client.place()
    message = {**CANCEL, "exchange_id": "OTHER", "client_order_id": "c-1"}
    assert reject(client, message)[0] == "ORDER_ID_NOT_FOUND"


def test_all_orders_of_an_exchange_are_canceled(client: EmsClient) -> None:
    client.server.do(order("buy", 9_000, 1, account="alice"))
    ether = {"exchange_id": "OTHER", "symbol_id_coinapi": "OTHER_SPOT_ETH_USDT"}
    client.place("e-1", **ether)
    client.place("b-1")
    client.committed()
    client.place("b-2")  # still on its way
    assert client.send(CANCEL_ALL) == []
    assert client.server.commands[-1] == CancelAll("alice", BTC.symbol)
    told = [message for message in client.committed() if "status" in message]
    assert [(each["client_order_id"], each["status"]) for each in told] == [
        ("b-2", "NEW"), ("", "CANCELED"), ("b-1", "CANCELED"), ("b-2", "CANCELED")
    ]  # fmt: skip
    (left,) = client.server.market.open_orders_of("alice")
    assert left.client_order_id == "e-1"


def test_an_order_on_its_way_is_canceled_with_all_others(client: EmsClient) -> None:
    client.place()
    client.send(CANCEL_ALL)
    assert client.server.commands[1:] == [CancelAll("alice", BTC.symbol)]
    assert [report["status"] for report in client.committed() if "status" in report] == ["NEW", "CANCELED"]


def test_where_there_is_one_exchange_all_orders_are_canceled_as_one() -> None:
    server = Server()
    server.fund(USDT="1000")
    client = EmsClient(server)
    client.place()
    client.send(CANCEL_ALL)
    assert server.commands[1:] == [CancelAll("alice")]
    client.committed()
    assert client.send(CANCEL_ALL) == []
    assert client.committed() == []


# ---- rejects -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "reason", "words"),
    [
        (b"{", "JSON_ERROR", "the message can't be decoded: "),
        (b"\xff\xfe", "JSON_ERROR", "the message can't be decoded: "),
        (b"[" * 5_000, "JSON_ERROR", ""),
        (b"[1]", "JSON_ERROR", "a message is one JSON object"),
        (b'"x"', "JSON_ERROR", "a message is one JSON object"),
        (b'{"type":"ORDER_CANCEL_ALL_REQUEST","type":"x"}', "JSON_ERROR", "the key 'type' is given twice"),
        ({}, "INVALID_TYPE", "type must be one of ORDER_NEW_SINGLE_REQUEST, ORDER_CANCEL_SINGLE_REQUEST, ORDER_"),
        ({"type": 7}, "INVALID_TYPE", "type must be one of "),
        ({"type": "hello"}, "INVALID_TYPE", "type must be one of "),
        ({"type": "New", "algorithm": "TWAP"}, "METHOD_NOT_SUPPORTED", "New: there is no smart order router here; "),
        ({"type": "Cancel"}, "METHOD_NOT_SUPPORTED", "Cancel: there is no smart order router here; "),
        ({"type": "ParamChange"}, "METHOD_NOT_SUPPORTED", "ParamChange: there is no smart order router here; "),
    ],
)
def test_what_is_no_request_is_rejected(client: EmsClient, message: Any, reason: str, words: str) -> None:
    if message == b"[" * 5_000:
        (answer,) = client.send(message)
        assert (answer["reject_reason"], len(answer["rejected_message"])) == ("JSON_ERROR", 4_096)
        return
    got = reject(client, message)
    assert got[0] == reason
    assert got[1].startswith(words)


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        (
            {"exchange_id": "KRAKEN"},
            "EXCHANGE_UNREACHABLE",
            "no exchange 'KRAKEN' can be reached here; there are: SIM, OTHER",
        ),
        ({"symbol_id_coinapi": "SIM_SPOT_XRP_USDT"}, "OTHER", "SIM trades no 'SIM_SPOT_XRP_USDT'; SYMBOLS_SNAPSHOT"),
        ({"symbol_id_coinapi": "SIM_SPOT_IBM_USD"}, "OTHER", "SIM trades no 'SIM_SPOT_IBM_USD'; "),
        ({"symbol_id_coinapi": "OTHER_SPOT_ETH_USDT"}, "OTHER", "SIM trades no 'OTHER_SPOT_ETH_USDT'; "),
        ({"symbol_id_coinapi": None}, "OTHER", "give symbol_id_coinapi or symbol_id_exchange"),
        ({"symbol_id_exchange": "ETH-USDT"}, "OTHER", "SIM trades no 'ETH-USDT'"),
        ({"client_order_id": ""}, "OTHER", "client_order_id must name the order"),
        ({"client_order_id": "x" * 37}, "OTHER", "client_order_id must be up to 36 printable ASCII characters"),
        ({"order_type": "MARKET"}, "METHOD_NOT_SUPPORTED", "order_type 'MARKET' is not supported: send LIMIT"),
        ({"time_in_force": "DAY"}, "OTHER", "time_in_force must be one of GOOD_TILL_CANCEL, GOOD_TILL_TIME_EXCHANGE"),
        ({"time_in_force": "GOOD_TILL_TIME_OMS"}, "OTHER", "GOOD_TILL_TIME_OMS needs expire_time"),
        ({"expire_time": "soon"}, "OTHER", "expire_time must be a time in ISO 8601"),
        ({"exec_inst": ["AUCTION_ONLY"]}, "METHOD_NOT_SUPPORTED", "exec_inst AUCTION_ONLY is not supported: "),
        (
            {"exec_inst": ["INDICATION_OF_INTEREST"]},
            "METHOD_NOT_SUPPORTED",
            "exec_inst INDICATION_OF_INTEREST is not supported: ",
        ),
        ({"exec_inst": ["HIDDEN"]}, "OTHER", "exec_inst 'HIDDEN' is unknown; there are MAKER_OR_CANCEL, "),
        (
            {"exec_inst": ["CANCEL_ON_DISCONNECT", "DO_NOT_CANCEL_ON_DISCONNECT"]},
            "OTHER",
            "exec_inst can't both cancel and not cancel on disconnect",
        ),
        ({"amount_order": None}, "OTHER", "amount_order must be a decimal number"),
        ({"price": "cheap"}, "OTHER", "price must be a decimal number"),
        ({"side": "HOLD"}, "OTHER", "Invalid enum value 'HOLD' - at `$.side`"),
        ({"client_order_id": 7}, "OTHER", "Expected `str`, got `int` - at `$.client_order_id`"),
        ({"stop_price": 1}, "OTHER", "Object contains unknown field `stop_price`"),
        ({"exchange_id": None}, "OTHER", "Expected `str`, got `null` - at `$.exchange_id`"),
    ],
)  # fmt: skip
def test_a_new_order_that_makes_no_sense_is_rejected(
    client: EmsClient, changes: dict[str, Any], reason: str, words: str
) -> None:
    message = {**ORDER, "client_order_id": "c-1", **changes}
    got = reject(client, message)
    assert got[0] == reason
    assert got[1].startswith(words), got
    assert got[2] == message["exchange_id"]
    assert client.server.commands == []


@pytest.mark.parametrize(
    "missing",
    ["exchange_id", "client_order_id", "amount_order", "price", "side", "order_type", "time_in_force"],
)
def test_what_a_new_order_must_have(client: EmsClient, missing: str) -> None:
    message = {**ORDER, "client_order_id": "c-1"}
    del message[missing]
    assert reject(client, message)[:2] == ("OTHER", f"Object missing required field `{missing}`")


def test_both_symbols_must_be_of_one_instrument(client: EmsClient) -> None:
    client.server.do(ListInstrument(Instrument(**{**_fields(ETH), "venue": "SIM"})))
    message = {**ORDER, "client_order_id": "c-1", "symbol_id_exchange": "ETH-USDT"}
    words = "symbol_id_coinapi and symbol_id_exchange are of different instruments"
    assert reject(client, message)[:2] == ("OTHER", words)


def _fields(instrument: Instrument) -> dict[str, Any]:
    return {name: getattr(instrument, name) for name in instrument.__struct_fields__}


@pytest.mark.parametrize(
    ("message", "reason", "words"),
    [
        ({**CANCEL}, "OTHER", "give exchange_order_id or client_order_id"),
        ({**CANCEL, "exchange_order_id": "x"}, "OTHER", "order_id must be up to 18 digits"),
        ({**CANCEL, "exchange_id": "KRAKEN", "client_order_id": "c-1"}, "EXCHANGE_UNREACHABLE", "no exchange 'KRAKEN'"),
        ({**CANCEL_ALL, "exchange_id": "KRAKEN"}, "EXCHANGE_UNREACHABLE", "no exchange 'KRAKEN'"),
        ({"type": "ORDER_CANCEL_ALL_REQUEST"}, "OTHER", "Object missing required field `exchange_id`"),
        ({"type": "ORDER_CANCEL_SINGLE_REQUEST"}, "OTHER", "Object missing required field `exchange_id`"),
    ],
)
def test_a_cancellation_that_makes_no_sense_is_rejected(
    client: EmsClient, message: dict[str, Any], reason: str, words: str
) -> None:
    got = reject(client, message)
    assert got[0] == reason
    assert got[1].startswith(words)


def test_nothing_is_taken_while_the_server_is_busy(client: EmsClient) -> None:
    client.place("old")
    client.committed()
    client.server.busy = True
    words = "the server has more to do than it can queue; nothing was done"
    for message in ({**ORDER, "client_order_id": "c-1", "exec_inst": ["CANCEL_ON_DISCONNECT"]}, CANCEL_ALL):
        assert reject(client, message) == ("EXCHANGE_UNREACHABLE", words, "SIM")
    assert reject(client, {**CANCEL, "client_order_id": "old"}) == ("EXCHANGE_UNREACHABLE", words, "SIM")
    client.session.closed()
    client.server.busy = False
    assert client.server.submitted == []
    assert not client.server.ems.blotter.knows("alice", "c-1")


def test_what_became_of_it_may_be_unknown(client: EmsClient) -> None:
    asked = {**ORDER, "client_order_id": "c-1"}
    client.server.failing = True
    client.send(asked)
    (answer,) = client.committed()
    assert (answer["reject_reason"], answer["exchange_id"]) == ("EXCHANGE_RESPONSE_TIMEOUT", "SIM")
    assert answer["rejected_message"] == json.dumps(asked)
    client.send(CANCEL_ALL)
    (answer,) = client.committed()
    assert answer["reject_reason"] == "EXCHANGE_RESPONSE_TIMEOUT"


def test_a_key_that_may_not_trade_only_watches(client: EmsClient) -> None:
    reader = EmsClient(client.server, key="reader", session_id="s2")
    assert reader.first[2]["data"][0]["balance"] == "1000"
    words = "this needs a key with the scope trade"
    for message in ({**ORDER, "client_order_id": "c-1"}, {**CANCEL, "client_order_id": "c-1"}, CANCEL_ALL):
        assert reject(reader, message) == ("OTHER", words, "SIM")
    assert client.server.submitted == []


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from([*ORDER, "client_order_id", "expire_time", "exec_inst"]), inner, max_size=9
    ),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nothing_that_is_sent_raises_or_reaches_the_tape_by_accident(data: bytes) -> None:
    client = EmsClient()
    answers = messages(b"".join(client.session.received(data)))
    assert [answer["type"] for answer in answers] == ["MESSAGE_REJECT"]
    assert client.server.submitted == []


@given(st.sampled_from(sorted(ORDER)), st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50))
def test_no_value_of_any_field_raises(field: str, value: Any) -> None:
    client = EmsClient()
    client.session.received(json.dumps({**ORDER, "client_order_id": "c-1", field: value}).encode())
    client.server.commit()


def test_a_request_that_is_decoded_names_what_is_wrong() -> None:
    with pytest.raises(Reject, match="`amount_order`") as caught:
        decoded(b'{"exchange_id":"SIM","client_order_id":"c"}', NewOrder)
    assert caught.value.reason == "OTHER"
