"""Keys of every kind at the doors of the dialects, over a socket: signed requests, API keys, tokens on top of keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import Answer, edge, http
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
