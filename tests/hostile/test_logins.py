"""Attacks on logins: proofs that were overheard, made up or made from what is public, and keys that were revoked."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from typing import Any, NamedTuple

import pytest

from hostile.stage import Attacker, Stage, address, upgrade
from tickwire.keyfile import AUDIENCE, TOKEN_SECONDS_MAX, KeyFile, decode_base64url, encode_base64url
from tickwire.limits import FAILED_LOGINS_PER_MINUTE_MAX
from tickwire.server.keys import KeyStore

_accounts = count(1)


class Keys(NamedTuple):
    """Keys of two owners on the attacked server, and what the server has of the first."""

    store: KeyStore
    alice: KeyFile
    shared: KeyFile
    mallory: KeyFile
    public: bytes


@pytest.fixture
def keys(stage: Stage) -> Iterator[Keys]:
    number = next(_accounts)
    with closing(KeyStore(stage.folder / "keys.db")) as store:
        alice, key = store.create(f"alice{number}", scopes=["read", "trade"], kind="ed25519")
        shared = store.create(f"alice{number}", scopes=["read", "trade"], kind="hmac")[1]
        mallory = store.create(f"mallory{number}", scopes=["read"], kind="ed25519")[1]
        yield Keys(store, key, shared, mallory, alice.verifier)


async def greeted(stage: Stage, source: str) -> tuple[Attacker, str]:
    """A connection and its challenge."""
    attacker = await Attacker.connected(stage, source)
    attacker.send(upgrade())
    assert await attacker.status() == 101
    return attacker, json.loads((await attacker.frame())[1])["challenge"]


async def login(attacker: Attacker, **params: str) -> str:
    """The account that a login is for, or the code of its error."""
    attacker.ask(1, "auth.login", **params)
    reply = await attacker.reply(1)
    answer: str = reply["error"]["code"] if "error" in reply else reply["result"]["account"]
    return answer


async def rest(stage: Stage, source: str, authorization: str) -> int:
    """The status of a request over HTTP."""
    attacker = await Attacker.connected(stage, source)
    lines = f"GET /api/v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\r\n"
    attacker.send(lines.encode())
    return await attacker.status()


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
async def test_a_login_that_was_overheard_is_worthless(stage: Stage, keys: Keys, kind: str) -> None:
    key = keys.alice if kind == "ed25519" else keys.shared
    async with stage.attacked("replayed logins"):
        victim, challenge = await greeted(stage, address())
        overheard = {"key": key.key, "signature": key.sign(challenge)}
        assert await login(victim, **overheard) == key.account
        source = address()
        for _ in range(5):
            attacker, other = await greeted(stage, source)
            assert other != challenge
            assert await login(attacker, **overheard) == "login_failed"
            attacker.ask(2, "account.balances")
            assert (await attacker.reply(2))["error"]["code"] == "not_logged_in"


async def test_a_signature_of_another_key_is_worthless(stage: Stage, keys: Keys) -> None:
    async with stage.attacked("forged logins"):
        attacker, challenge = await greeted(stage, address())
        by_public_key = encode_base64url(hmac.digest(keys.public, challenge.encode(), hashlib.sha256))
        for signature in (keys.mallory.sign(challenge), by_public_key, "", "A" * 86, "\u20ac" * 86, "A" * 60_000):
            expected = "invalid_params" if not signature else "login_failed"
            assert await login(attacker, key=keys.alice.key, signature=signature) == expected
        assert await login(attacker, key=keys.alice.key, signature=keys.alice.sign(challenge)) == keys.alice.account


def token(header: dict[str, Any], claims: dict[str, Any], sign: Any) -> str:
    """A token that is signed anyhow."""
    signed = ".".join(encode_base64url(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{encode_base64url(sign(signed.encode()))}"


def forged(keys: Keys) -> dict[str, str]:
    """Tokens for alice that she has not made, or not like that."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    now = int(time.time())
    claims = {"sub": keys.alice.account, "aud": AUDIENCE, "iat": now, "exp": now + 60}
    header = {"alg": "EdDSA", "typ": "JWT", "kid": keys.alice.key}
    alice = Ed25519PrivateKey.from_private_bytes(decode_base64url(keys.alice.secret)).sign
    mallory = Ed25519PrivateKey.from_private_bytes(decode_base64url(keys.mallory.secret)).sign
    secret, pem = decode_base64url(keys.shared.secret), encode_base64url(keys.public).encode()

    def mac(key: bytes) -> Any:
        return lambda message: hmac.digest(key, message, hashlib.sha256)

    good, other = token(header, claims, alice), encode_base64url(json.dumps(claims | {"sub": "root"}).encode())
    first, _, last = good.split(".")
    return {
        "alg none": token(header | {"alg": "none"}, claims, lambda _: b""),
        "alg None": token(header | {"alg": "None"}, claims, alice),
        "the public key as a secret": token(header | {"alg": "HS256"}, claims, mac(keys.public)),
        "the public key's text as a secret": token(header | {"alg": "HS256"}, claims, mac(pem)),
        "an empty secret": token(header | {"alg": "HS256"}, claims, mac(b"")),
        "mallory's signature": token(header, claims, mallory),
        "mallory's kid": token(header | {"kid": keys.mallory.key}, claims, mallory),
        "no kid": token({"alg": "EdDSA"}, claims, alice),
        "a kid that is none": token(header | {"kid": {"a": 1}}, claims, alice),
        "a key of its own": token(
            header | {"jwk": {"kty": "oct", "k": ""}, "jku": "http://127.0.0.1/"}, claims, mallory
        ),
        "an hmac key's token by EdDSA": token(header | {"kid": keys.shared.key}, claims, mac(secret)),
        "another audience": token(header, claims | {"aud": "other"}, alice),
        "no audience": token(header, {k: v for k, v in claims.items() if k != "aud"}, alice),
        "expired": token(header, claims | {"iat": now - 120, "exp": now - 60}, alice),
        "not yet": token(header, claims | {"nbf": now + 3_600}, alice),
        "for ever": token(header, claims | {"exp": now + TOKEN_SECONDS_MAX + 60}, alice),
        "without an end": token(header, {k: v for k, v in claims.items() if k != "exp"}, alice),
        "other claims": f"{first}.{other}.{last}",
        "no signature": good.rpartition(".")[0] + ".",
    }


async def test_forged_tokens_are_refused_wherever_they_are_shown(stage: Stage, keys: Keys) -> None:
    tokens = forged(keys)
    async with stage.attacked("forged tokens"):
        for name, each in tokens.items():
            source = address()  # only so many failures are looked at
            attacker, _ = await greeted(stage, source)
            assert await login(attacker, token=each) == "login_failed", name
            socket = await Attacker.connected(stage, source)
            socket.send(upgrade(Authorization=f"Bearer {each}"))
            assert await socket.status() == 401, name
            assert await rest(stage, source, f"Bearer {each}") == 401, name
        good = keys.alice.token(int(time.time()))
        attacker, _ = await greeted(stage, address())
        assert await login(attacker, token=good) == keys.alice.account
        assert await rest(stage, address(), f"Bearer {good}") == 200


async def test_guessing_is_stopped_for_the_guesser_alone(stage: Stage, keys: Keys) -> None:
    guesser, guesses = address(), FAILED_LOGINS_PER_MINUTE_MAX + 10

    def basic(secret: str) -> str:
        return f"Basic {base64.b64encode(f'{keys.shared.key}:{secret}'.encode()).decode()}"

    async with stage.attacked("guessed secrets"):
        statuses = [await rest(stage, guesser, basic(encode_base64url(bytes([n]) * 32))) for n in range(guesses)]
        assert statuses == [401] * FAILED_LOGINS_PER_MINUTE_MAX + [429] * 10
        assert await rest(stage, guesser, basic(keys.shared.secret)) == 429  # right, but that is not told any more
        assert await rest(stage, address(), basic(keys.shared.secret)) == 200


async def test_a_revoked_key_is_out_at_once(stage: Stage, keys: Keys) -> None:
    source = address()
    async with stage.attacked("a revoked key"):
        thieves = [await greeted(stage, source) for _ in range(5)]
        for attacker, challenge in thieves:
            assert await login(attacker, key=keys.alice.key, signature=keys.alice.sign(challenge)) == keys.alice.account
        bystander, challenge = await greeted(stage, source)
        assert await login(bystander, key=keys.shared.key, signature=keys.shared.sign(challenge)) == keys.alice.account
        keys.store.revoke(keys.alice.key)
        async with asyncio.timeout(2):
            assert [await attacker.code() for attacker, _ in thieves] == [4403] * 5
        again, challenge = await greeted(stage, source)
        assert await login(again, key=keys.alice.key, signature=keys.alice.sign(challenge)) == "login_failed"
        assert await rest(stage, source, f"Bearer {keys.alice.token(int(time.time()))}") == 401
        bystander.ask(2, "account.balances")
        assert "result" in await bystander.reply(2)
