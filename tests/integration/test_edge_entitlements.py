"""What a key may see of the market, over real sockets."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from websockets.asyncio.client import ClientConnection, connect

from edge import BTC, ETH, call, edge
from tickwire.cli.main import app
from tickwire.errors import InvalidInput
from tickwire.keyfile import KeyFile
from tickwire.protocol.session import Session
from tickwire.server.keys import KeyStore


def basic(key: KeyFile) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{key.key}:{key.secret}'.encode()).decode()}"}


async def refusal(ws: ClientConnection, method: str, **params: Any) -> tuple[str, str | None, str]:
    error = (await call(ws, method, **params))["error"]
    return error["code"], error.get("field"), error["message"]


async def login(ws: ClientConnection, key: KeyFile, challenge: str) -> None:
    assert "result" in await call(ws, "auth.login", key=key.key, signature=key.sign(challenge))


async def test_a_key_sees_its_channels_and_symbols_only() -> None:
    async with edge(require_key=True) as server:
        given: dict[str, Any] = {"scopes": ["trade"], "kind": "hmac"}
        _, key = server.keys.create("guest", channels=["trades", "status"], symbols=[BTC], **given)
        async with connect(server.url, additional_headers=basic(key)) as ws:
            rows = (await call(ws, "instruments"))["result"]["instruments"]
            assert [(row["symbol"], row["channels"]) for row in rows] == [(BTC, ["trades", "status"])]
            assert "streams" in (await call(ws, "subscribe", channel="trades", symbols=[BTC]))["result"]
            assert (await call(ws, "snapshot", channel="status", symbol=BTC))["result"]["channel"] == "status"
            wrong_symbol = ("not_entitled", "symbols[1]", f"this key sees {BTC}, not {ETH}")
            assert await refusal(ws, "subscribe", channel="trades", symbols=[BTC, ETH]) == wrong_symbol
            wrong_channel = ("not_entitled", "channel", "this key sees the channels trades, status, not book")
            assert await refusal(ws, "subscribe", channel="book", symbols=[BTC]) == wrong_channel
            assert await refusal(ws, "snapshot", channel="book", symbol=BTC) == wrong_channel
            code, field, _ = await refusal(ws, "snapshot", channel="trades", symbol="SIM:NO-SUCH")
            assert (code, field) == ("not_entitled", "symbol")  # whether there is such a thing or not
            streams = (await call(ws, "subscriptions"))["result"]["streams"]
            assert [(stream["channel"], stream["symbol"]) for stream in streams] == [("trades", BTC)]
            assert "streams" in (await call(ws, "subscribe", channel="orders"))["result"]  # the account's own


async def test_another_login_takes_away_what_it_may_not_see() -> None:
    async with edge(require_key=True) as server:
        given: dict[str, Any] = {"scopes": ["read"], "kind": "hmac"}
        _, all_of_it = server.keys.create("alice", **given)
        _, btc = server.keys.create("alice", symbols=["SIM:BTC-*"], **given)
        async with connect(server.url) as ws:
            challenge = json.loads(await ws.recv())["challenge"]
            await login(ws, all_of_it, challenge)
            for symbol in (BTC, ETH):
                await call(ws, "subscribe", channel="trades", symbols=[symbol])
            await login(ws, btc, challenge)
            streams = (await call(ws, "subscriptions"))["result"]["streams"]
            assert [stream["symbol"] for stream in streams] == [BTC]
            await call(ws, "auth.logout")
            assert await refusal(ws, "subscriptions") == (
                "not_logged_in", "method", "this needs a login: call auth.login first"
            )  # fmt: skip
            (connection,) = server.connections
            assert isinstance(connection._session, Session)
            assert connection._session._cursors == {}


async def test_whoever_needs_no_key_sees_everything() -> None:
    async with edge() as server, connect(server.url) as ws:
        rows = (await call(ws, "instruments"))["result"]["instruments"]
        assert {BTC, ETH} <= {row["symbol"] for row in rows}
        _, key = server.keys.create("guest", scopes=["read"], kind="hmac", symbols=[ETH])
        async with connect(server.url) as other:
            challenge = json.loads(await other.recv())["challenge"]
            await call(other, "subscribe", channel="trades", symbols=[BTC])
            await login(other, key, challenge)
            assert (await call(other, "subscriptions"))["result"]["streams"] == []
            await call(other, "auth.logout")
            assert "result" in await call(other, "subscribe", channel="trades", symbols=[BTC])


def test_the_keys_of_an_older_version_still_open(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "CREATE TABLE keys (key_id TEXT PRIMARY KEY, account TEXT, kind TEXT, verifier BLOB, scopes TEXT, "
            "allow_ips TEXT, name TEXT) STRICT, WITHOUT ROWID"
        )
        db.execute("INSERT INTO keys VALUES ('old', 'alice', 'hmac', x'00', 'read', '10.0.0.0/8', 'note')")
        db.commit()
    with closing(KeyStore(path)) as store, closing(KeyStore(path)) as other:
        old = store.get("old")
        assert old is not None
        assert (old.allow_ips, old.name, old.channels, old.symbols) == (("10.0.0.0/8",), "note", (), ())
        key, _ = other.create("bob", scopes=["read"], kind="hmac", channels=["book"], symbols=["SIM:*", BTC])
        assert store.get(key.key_id) == key
        assert (key.channels, key.symbols) == (("book",), ("SIM:*", BTC))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"channels": ["books"]}, "channels"),
        ({"channels": ["orders"]}, "channels"),
        ({"symbols": [BTC, "SIM:*-USDT"]}, "symbols[1]"),
        ({"symbols": [""]}, "symbols[0]"),
        ({"symbols": ["SIM:BTC,USDT"]}, "symbols[0]"),
        ({"symbols": ["x" * 65]}, "symbols[0]"),
        ({"symbols": [BTC] * 65}, "symbols"),
    ],
)
def test_a_wrong_entitlement_is_refused(given: dict[str, Any], field: str) -> None:
    with closing(KeyStore(None)) as store:
        with pytest.raises(InvalidInput) as error:
            store.create("alice", scopes=["read"], kind="hmac", **given)
        assert error.value.field == field
        assert store.list() == []


def test_the_command_says_what_a_key_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    create = ["keys", "create", "--account", "guest", "--channels", "trades, book", "--symbols", "SIM:*,FXCM:EUR-USD"]
    assert CliRunner().invoke(app, create).exit_code == 0
    with closing(KeyStore(tmp_path / "data" / "keys.db")) as store:
        (key,) = store.list()
    assert (key.channels, key.symbols) == (("trades", "book"), ("SIM:*", "FXCM:EUR-USD"))
    listed = CliRunner().invoke(app, ["keys", "list"]).output
    assert "trades,book of SIM:*,FXCM:EUR-USD" in listed
