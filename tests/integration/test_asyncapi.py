"""The AsyncAPI document is one, and every message of whole sessions is as it says."""

from __future__ import annotations

import asyncio
import json
import os
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft7Validator, ValidationError
from websockets.asyncio.client import connect as ws_connect

from contract_of import Contract
from session_client import FX, SYMBOL, Client
from support import BTC, World, decoded, order
from tickwire.config import ServerSettings
from tickwire.model.channel import CHANNELS, PRIVATE_CHANNELS
from tickwire.model.events import Candle
from tickwire.model.records import FeedStatus, ListInstrument, Transfer, VenueQuote
from tickwire.protocol.codec import ENCODINGS
from tickwire.server.app import Server
from tickwire.server.asyncapi import asyncapi
from tickwire.streams.log import Retention
from tickwire.tape.candles import CandleStore

SPECS = Path(__file__).parents[2] / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0.json"
WAIT_SECONDS = 20


@pytest.mark.skipif(
    not SPECS.exists() and "CI" not in os.environ, reason="no schema of AsyncAPI here; `make test` installs it"
)
def test_the_document_is_an_asyncapi_3_document() -> None:
    validator = Draft7Validator(json.loads(SPECS.read_text()))
    document = json.loads(json.dumps(asyncapi()))
    validator.validate(document)
    spoilt = json.loads(json.dumps(document))
    spoilt["operations"]["hello"]["action"] = "say"
    for wrong in (spoilt, {**document, "asyncapi": "2.0.0"}):
        with pytest.raises(ValidationError):
            validator.validate(wrong)


def references(value: Any) -> set[str]:
    """Everything that a document refers to."""
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if "$ref" in value else set()
    return own.union(*map(references, value.values()))


def test_all_that_the_document_refers_to_is_there() -> None:
    document = asyncapi()
    found = references(document)
    assert len(found) > 100
    for reference in found:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


class Recorded(Client):
    """A client all of whose messages, both ways, are held to the contract."""

    def __init__(self, contract: Contract, encoding: str, **more: Any) -> None:
        self.contract = contract
        self._ids = count(1)
        super().__init__(encoding, **more)

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a request, once it is on the tape where it must be."""
        self.world.clock.advance(ms=1_000)
        request = {"id": next(self._ids), "method": method, "params": params}
        self.contract.request(request)
        answers = self.send(ENCODINGS[self.encoding].encode(request)) or self.commit()
        for answer in answers:
            self.contract.said(answer)
        assert "error" not in answers[0], answers[0]
        return answers[0]["result"]

    def refused(self, method: str, **params: Any) -> None:
        for answer in self.call(method, params) or self.commit():
            assert "error" in answer
            self.contract.said(answer)

    def told(self, frames: bytes = b"") -> list[str]:
        """The names of what the server has said by itself."""
        messages = self.sink.messages() + decoded(frames, self.encoding)
        for message in messages:
            self.contract.said(message)
        return [message["type"] for message in messages]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_message_of_a_whole_session_is_as_the_document_says(encoding: str) -> None:
    contract, history = Contract(), CandleStore(None)
    world = World(Retention(bytes_max=3_000))
    world.do(
        ListInstrument(FX), FeedStatus("fx", "live"), *(Transfer("b", a, "1000", f"b{a}") for a in ("USDT", "BTC"))
    )
    client = Recorded(contract, encoding, world=world, history=history)
    assert client.told(client.session.opened()) == ["hello"]

    # ---- who is who
    client.refused("order.list")
    client.refused("no.such.method")
    client.contract.said(client.send(b"\xff not a message")[0])
    login = {"key": "trader", "signature": "trader signs sign me"}
    client.ask("auth.login", **login)
    client.refused("admin.deposit", account="a", asset="USDT", amount="1", transfer_id="t")
    for method in ("ping", "time", "instruments", "subscriptions"):
        client.ask(method)
    world.do(*(Transfer("alice", asset, "1000", f"alice {asset}") for asset in ("USDT", "BTC")))

    # ---- all streams, from their beginnings
    for channel in (*CHANNELS, *PRIVATE_CHANNELS):
        symbols = {} if channel in PRIVATE_CHANNELS else {"symbols": [FX.symbol if channel == "rates" else SYMBOL]}
        client.ask("subscribe", channel=channel, **symbols)
    client.ask("subscribe", channel="book", symbols=[SYMBOL], depth=5, interval_ms=100)
    client.ask("subscribe", channel="candles", symbols=[SYMBOL], interval="1s")
    client.ask("subscribe", channel="trades", symbols=[FX.symbol], **{"from": {"epoch": "another", "seq": 3}})
    client.told()

    # ---- orders, and what they do to the streams
    rest = {"symbol": SYMBOL, "side": "buy", "size": "0.010", "price": "1.00", "client_order_id": "c1"}
    client.ask("order.place", **rest)
    client.refused("order.place", **{**rest, "size": "7"})
    world.do(order("sell", 100, 4, account="b"), VenueQuote(FX.symbol, 108_000, 1, 108_010, 2))
    client.ask("order.amend", client_order_id="c1", size="0.009")
    client.ask("order.get", client_order_id="c1")
    client.ask("order.list")
    wanted = [{"method": "place", "params": {**rest, "client_order_id": "c2"}}, {"method": "cancel", "params": {}}]
    assert [*client.ask("order.batch", operations=wanted)["results"][1]] == ["error"]
    client.ask("order.cancel", client_order_id="c2")
    client.ask("session.dead_man", timeout_ms=60_000)
    client.ask("session.cancel_on_disconnect", scope="connection")
    client.ask("account.portfolio", currency="USDT")
    for method in ("account.balances", "account.positions", "account.fills"):
        client.ask(method)
    client.ask("order.cancel_all")
    world.do(ms=1_000)
    history.add(event for event in world.do(ms=1_000) if isinstance(event, Candle))
    client.told()
    for channel in CHANNELS:
        client.ask("snapshot", channel=channel, symbol=FX.symbol if channel == "rates" else SYMBOL)
    for channel in PRIVATE_CHANNELS:
        client.ask("snapshot", channel=channel)
    client.ask("snapshot", channel="ticker", symbol=FX.symbol)  # which has none yet
    assert len(client.ask("history", channel="trades", symbol=SYMBOL)["messages"]) == 1
    client.ask("history", channel="candles", symbol=SYMBOL, interval="1s")
    assert client.told(client.session.heartbeat()) == ["heartbeat"]

    # ---- too slow
    client.sink.fill()
    for price in range(50, 90):
        world.do(order("buy", price, 1))
    world.hub.catch_up(client.sink)
    said = client.told()
    assert {"lagging", "gap", "skipped"} <= set(said)

    # ---- the operator, and the end
    client.ask("unsubscribe", channel="trades", symbols=[SYMBOL])
    client.ask("auth.logout")
    client.ask("auth.login", key="operator", signature="operator signs sign me")
    transfer = {"account": "alice", "asset": "USDT", "amount": "1", "transfer_id": "in"}
    client.ask("admin.deposit", **transfer)
    client.ask("admin.withdraw", **{**transfer, "transfer_id": "out"})
    client.ask("admin.kill_switch", on=True, account="alice")
    client.ask("admin.trading_status", symbol=SYMBOL, state="halted")
    client.told()
    assert client.told(client.session.drain(world.clock())) == ["drain"]
    history.close()
    assert contract.seen == contract.names


async def test_a_live_session_is_as_the_document_says() -> None:
    contract = Contract()
    async with asyncio.timeout(WAIT_SECONDS):
        server = Server(ServerSettings(port=0, drain_seconds=0))
        async with server.running(), ws_connect(server.url) as socket:
            requests: list[dict[str, Any]] = [
                {"id": channel, "method": "subscribe", "params": {"channel": channel, "symbols": [BTC.symbol]}}
                for channel in CHANNELS
                if channel != "rates"
            ]
            requests.append({"id": "book 5", "method": "subscribe", "params": {
                "channel": "book", "symbols": [BTC.symbol], "depth": 5, "interval_ms": 100}})  # fmt: skip
            for request in requests:
                contract.request(request)
                await socket.send(json.dumps(request))
            expected = {"hello", "subscribe", "subscribe.result"}
            expected |= {f"{name}.snapshot" for name in CHANNELS} - {"rates.snapshot"}
            expected |= {f"{name}.update" for name in ("trades", "book", "book_l3", "quotes", "candles", "ticker")}
            while not expected <= contract.seen:
                contract.said(msgspec.json.decode(await socket.recv()))
    assert contract.seen - {"heartbeat", "status.update"} == expected
