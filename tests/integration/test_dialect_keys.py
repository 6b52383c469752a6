"""Keys of every kind at the doors of the dialects, over a socket: signed requests, API keys, tokens on top of keys."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from edge import Answer, edge, http
from tickwire.feeds.simulated import PLAY_MONEY
from tickwire.keyfile import AUDIENCE, KeyFile
from tickwire.limits import FAILED_LOGINS_PER_MINUTE_MAX
from tickwire.server.app import Server
from tickwire.server.keys import Proof
from unit.test_auth_dialects import Owner, Private, public_pem

MakeKey = Callable[[Server], Owner]


@pytest.fixture(params=["hmac", "ed25519", "rsa"])
def make_key(request: pytest.FixtureRequest) -> MakeKey:
    """Lets a server know a key of one kind."""
    kind: Proof = request.param

    def make(server: Server) -> Owner:
        if kind == "hmac":
            file = server.keys.create("alice", scopes=["read", "trade"], kind=kind)[1]
            return Owner(file.key, kind, file.secret)
        secret: Private = rsa.generate_private_key(65_537, 2_048) if kind == "rsa" else Ed25519PrivateKey.generate()
        return Owner(server.keys.enroll("alice", public_pem(secret), scopes=["read", "trade"]).key_id, kind, secret)

    return make


async def test_a_signed_request_of_binance(make_key: MakeKey) -> None:
    async with edge() as server:
        owner = make_key(server)

        async def account(signed: str, sent: str) -> Answer:
            signature = quote(owner.sign(signed.encode()), safe="")
            path = f"/binance/api/v3/account?{sent}&signature={signature}"
            return await http(server, "GET", path, X_MBX_APIKEY=owner.key_id)

        params = f"timestamp={server._now() // 1_000_000}&recvWindow=60000"
        answer = await account(params, params)
        assert (answer.status, json.loads(answer.body)["accountType"]) == (200, "SPOT")
        answer = await account(params, params + "&omitZeroBalances=true")
        assert (answer.status, json.loads(answer.body)["code"]) == (400, -1022)


async def test_an_api_key_and_a_token_of_coinapi(make_key: MakeKey) -> None:
    async with edge(require_key=True) as server:
        owner = make_key(server)

        async def symbols(**headers: str) -> int:
            return (await http(server, "GET", "/coinapi/v1/symbols", **headers)).status

        alone = await symbols(X_CoinAPI_Key=owner.shown)
        assert alone == (200 if owner.kind == "hmac" else 401)
        now = server._now() // 10**9
        token = jwt.encode({"nbf": now - 5, "exp": now + 60}, owner.secret, owner.algorithm)
        assert await symbols(X_CoinAPI_Key=owner.shown, Authorization=f"Bearer {token}") == 200
        assert await symbols(Authorization=f"Bearer {token}") == 401
        over = jwt.encode({"nbf": now - 60, "exp": now - 1}, owner.secret, owner.algorithm)
        assert await symbols(X_CoinAPI_Key=owner.shown, Authorization=f"Bearer {over}") == 401
        server.keys.revoke(owner.key_id)
        assert await symbols(X_CoinAPI_Key=owner.shown, Authorization=f"Bearer {token}") == 401


# ---- what counts as a failed login -------------------------------------------------------------------


def key_of(server: Server, account: str = "alice") -> KeyFile:
    return server.keys.create(account, scopes=["read", "trade"], kind="hmac")[1]


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def asked(server: Server, path: str, **headers: str) -> int:
    return (await http(server, "GET", path, **headers)).status


async def test_requests_that_are_signed_do_not_lock_their_sender_out() -> None:
    """Of the two spellings of a message only one is signed."""
    async with edge() as server, connect(f"ws://127.0.0.1:{server.port}/binance/ws-api/v3") as ws:
        key = key_of(server)
        owner = Owner(key.key, "hmac", key.secret)
        for number in range(FAILED_LOGINS_PER_MINUTE_MAX + 2):
            params = {"apiKey": key.key, "origClientOrderId": f"a:{number}", "symbol": "BTCUSDT"}
            params["timestamp"] = str(server._now() // 1_000_000)
            payload = "&".join(f"{name}={value}" for name, value in params.items())
            params["signature"] = owner.sign(payload.encode())
            await ws.send(json.dumps({"id": number, "method": "order.status", "params": params}))
            answer = json.loads(await ws.recv())
            assert (answer["id"], answer["error"]["code"]) == (number, -2013)  # it is signed; there is none
        assert await asked(server, "/api/v1/orders", **basic(key.key, key.secret)) == 200


async def test_a_header_of_ours_that_is_wrong_counts_and_a_vendors_does_not() -> None:
    async with edge(require_key=True, requests_per_second=1_000) as server:
        key = key_of(server)
        shown = Owner(key.key, "hmac", key.secret).shown
        now = server._now() // 10**9
        vendors = jwt.encode({"nbf": now - 5, "exp": now + 60}, key.secret, "HS256")
        for _ in range(FAILED_LOGINS_PER_MINUTE_MAX + 1):
            assert await asked(server, "/coinapi/v1/symbols", **basic("coinapi", shown)) == 200
            assert await asked(server, "/coinapi/v1/symbols", **bearer(vendors), X_CoinAPI_Key=shown) == 200
            assert await asked(server, "/binance/api/v3/time", **bearer(vendors)) == 200
        ours = jwt.encode({"aud": AUDIENCE}, "w" * 32, "HS256", headers={"kid": key.key})
        for wrong in [basic(key.key, "wrong"), bearer(ours)] * (FAILED_LOGINS_PER_MINUTE_MAX // 2):
            assert await asked(server, "/binance/api/v3/time", **wrong) == 200
        refused = await http(server, "GET", "/binance/api/v3/time", **basic(key.key, key.secret))
        assert (refused.status, refused.headers["retry-after"]) == (429, "2")
        right = basic(key.key, key.secret)
        with pytest.raises(InvalidStatus) as error:
            await connect(f"ws://127.0.0.1:{server.port}/binance/ws", additional_headers=right)
        assert error.value.response.status_code == 429
        assert await asked(server, "/binance/api/v3/time", **bearer(vendors)) == 200


# ---- the welcome of a new account ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/binance/api/v3/account", "/coinapi/ems/v1/balances"])
async def test_a_new_account_has_its_welcome_when_it_first_asks(path: str) -> None:
    async with edge() as server:
        key = key_of(server)
        query = f"?timestamp={server._now() // 1_000_000}" if "binance" in path else ""
        answer = await http(server, "GET", path + query, **basic(key.key, key.secret))
        body = json.loads(answer.body)
        rows = (
            [(row["asset"], row["free"]) for row in body["balances"]]
            if "binance" in path
            else [(row["asset_id_exchange"], str(row["balance"])) for row in body[0]["data"]]
        )
        assert {asset: Decimal(amount) for asset, amount in rows} == {
            asset: Decimal(amount) for asset, amount in PLAY_MONEY.items()
        }
