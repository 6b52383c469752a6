"""Logging in: what proves a key, and everything that does not."""

from __future__ import annotations

import base64
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import Mock

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tickwire.errors import ConfigError, InvalidInput
from tickwire.keyfile import KeyFile, KeyKind, decode_base64url, encode_base64url
from tickwire.model.identity import Identity
from tickwire.protocol.messages import LoginParams
from tickwire.server.auth import Authenticator
from tickwire.server.keys import Key, KeyStore
from tickwire.testing.clock import ManualClock

NOW_S = 1_700_000_000
CHALLENGE = "W8rS0cUPpZ5gkNY2"
IP = "192.0.2.7"
KINDS: list[KeyKind] = ["ed25519", "hmac"]
REFUSAL = "the key is unknown, revoked or not allowed from this address, or its proof is wrong or expired"


class World(NamedTuple):
    store: KeyStore
    clock: ManualClock
    auth: Authenticator

    def key(self, kind: KeyKind, *allow_ips: str) -> tuple[Key, KeyFile]:
        return self.store.create("alice", scopes=["read", "trade"], kind=kind, allow_ips=allow_ips)

    def signed(self, file: KeyFile, challenge: str = CHALLENGE, ip: str = IP) -> Identity:
        """Log in with a signature over CHALLENGE."""
        return self.auth.login(LoginParams(key=file.key, signature=file.sign(CHALLENGE)), challenge=challenge, ip=ip)

    def bearing(self, token: str, ip: str = IP) -> Identity:
        """Log in with a token, which must have the same outcome in a message and in a header."""
        try:
            identity = self.auth.login(LoginParams(token=token), challenge=CHALLENGE, ip=ip)
        except InvalidInput as error:
            refused(self.auth.header, f"Bearer {token}", ip=ip)
            raise error
        assert self.auth.header(f"Bearer {token}", ip=ip) == identity
        return identity


@pytest.fixture
def world() -> Iterator[World]:
    clock = ManualClock(NOW_S * 10**9)
    with closing(KeyStore(None)) as store:
        yield World(store, clock, Authenticator(store, clock))


def refused(attempt: Callable[..., object], *arguments: Any, **more: Any) -> None:
    """The call ends in the one refusal there is."""
    with pytest.raises(InvalidInput) as error:
        attempt(*arguments, **more)
    assert (error.value.message, error.value.code, error.value.field) == (REFUSAL, "login_failed", None)
    assert error.value.__cause__ is None


def basic(key_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{key_id}:{secret}".encode()).decode()


def changed(text: str) -> Iterator[str]:
    """`text` with each of its characters replaced by another of the alphabet, then shorter and longer."""
    for index, char in enumerate(text):
        yield text[:index] + ("A" if char != "A" else "B") + text[index + 1 :]
    yield from (text[:-1], text + "A", text + "=", text + "\n", " " + text)


# ---- the demonstration account -------------------------------------------------------------------


def test_where_there_is_a_demonstration_account_whoever_asks_is_let_in(world: World) -> None:
    auth = Authenticator(world.store, world.clock, demo=True)
    identity = auth.login(LoginParams(demo=True), challenge=CHALLENGE, ip=IP)
    assert identity == Identity(f"demo {IP}", "demo", frozenset({"read", "trade"}))  # elsewhere there is room
    assert auth.in_force(identity.key_id)
    assert auth.login(LoginParams(demo=True, takeover="s1"), challenge=CHALLENGE, ip=IP) == identity
    more = [
        (LoginParams(demo=True, takeover=True), "takeover"),  # nobody may close the sessions of others
        (LoginParams(demo=True, key="k", signature="s"), "demo"),
        (LoginParams(demo=True, token="t"), "demo"),
    ]
    for params, field in more:
        with pytest.raises(InvalidInput) as error:
            auth.login(params, challenge=CHALLENGE, ip=IP)
        assert (error.value.code, error.value.field) == ("invalid_params", field)


def test_elsewhere_there_is_none(world: World) -> None:
    with pytest.raises(InvalidInput) as error:
        world.auth.login(LoginParams(demo=True), challenge=CHALLENGE, ip=IP)
    assert (error.value.code, error.value.field) == ("login_failed", "demo")
    assert not world.auth.in_force(f"demo {IP}")
    with pytest.raises(InvalidInput) as error:  # it would be everybody's
        world.store.create("demo", scopes=["read"], kind="hmac")
    assert error.value.field == "account"


# ---- signatures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_over_the_challenge_logs_in(world: World, kind: KeyKind) -> None:
    key, file = world.key(kind)
    assert world.signed(file) == Identity(key.key_id, "alice", frozenset({"read", "trade"}))


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_signature_does(world: World, kind: KeyKind) -> None:
    _, file = world.key(kind)
    for signature in changed(file.sign(CHALLENGE)):
        params = LoginParams(key=file.key, signature=signature)
        refused(world.auth.login, params, challenge=CHALLENGE, ip=IP)


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_of_another_connection_is_worthless(world: World, kind: KeyKind) -> None:
    _, file = world.key(kind)
    refused(world.signed, file, challenge="b3JpZ2luYWwgb25l")
    refused(world.signed, file, challenge="")


def test_a_key_vouches_only_for_itself(world: World) -> None:
    files = [world.key(kind)[1] for kind in (*KINDS, *KINDS)]
    for one, other in itertools.permutations(files, 2):
        params = LoginParams(key=one.key, signature=other.sign(CHALLENGE))
        refused(world.auth.login, params, challenge=CHALLENGE, ip=IP)


@pytest.mark.parametrize("key_id", ["nobody", "' OR 1=1 --", "\0", "\ud800", "k" * 60_000])
@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_key_is_refused_alike(world: World, kind: KeyKind, key_id: str) -> None:
    signature = world.key(kind)[1].sign(CHALLENGE)
    refused(world.auth.login, LoginParams(key=key_id, signature=signature), challenge=CHALLENGE, ip=IP)


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_that_unknown_ones_are_verified_against_logs_nobody_in(world: World, kind: KeyKind) -> None:
    key, file = world.key(kind)
    world.auth._nobody[kind] = key._replace(key_id="")
    world.store.revoke(key.key_id)
    if kind == "ed25519":
        refused(world.signed, file)
        refused(world.bearing, token(file))
    else:
        refused(world.auth.header, basic(file.key, file.secret), ip=IP)


@pytest.mark.parametrize("signature", ["!", "ä", "A", "A" * 43, "A" * 86, "A" * 60_000])
@pytest.mark.parametrize("kind", KINDS)
def test_nonsense_is_refused_alike(world: World, kind: KeyKind, signature: str) -> None:
    key, _ = world.key(kind)
    refused(world.auth.login, LoginParams(key=key.key_id, signature=signature), challenge=CHALLENGE, ip=IP)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        (LoginParams(), "key"),
        (LoginParams(key="k"), "key"),
        (LoginParams(signature="s"), "key"),
        (LoginParams(key="k", signature="s", token="t"), "token"),
        (LoginParams(signature="s", token="t"), "token"),
    ],
)
def test_it_is_a_signature_or_a_token(world: World, params: LoginParams, field: str) -> None:
    with pytest.raises(InvalidInput, match="give key and signature, or token alone") as error:
        world.auth.login(params, challenge=CHALLENGE, ip=IP)
    assert (error.value.code, error.value.field) == ("invalid_params", field)


# ---- tokens --------------------------------------------------------------------------------------


def signer(file: KeyFile) -> Any:
    secret = decode_base64url(file.secret)
    return secret if file.kind == "hmac" else Ed25519PrivateKey.from_private_bytes(secret)


def token(file: KeyFile, *, without: str = "", header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token that is right but for what is given."""
    payload = {"sub": "alice", "aud": "tickwire", "iat": NOW_S, "exp": NOW_S + 60} | claims
    payload.pop(without, None)
    algorithm = "HS256" if file.kind == "hmac" else "EdDSA"
    return jwt.encode(payload, signer(file), algorithm, headers={"kid": file.key} | (header or {}))


def raw_token(header: object, payload: object, signature: bytes) -> str:
    return ".".join(
        encode_base64url(part) for part in (*(json.dumps(p).encode() for p in (header, payload)), signature)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_logs_in_until_it_expires(world: World, kind: KeyKind) -> None:
    key, file = world.key(kind)
    identity = Identity(key.key_id, "alice", frozenset({"read", "trade"}))
    made = file.token(NOW_S, 60)
    assert world.bearing(made) == identity
    world.clock.advance(seconds=59)
    assert world.bearing(made) == identity
    world.clock.advance(seconds=1)
    refused(world.bearing, made)


@pytest.mark.parametrize("kind", KINDS)
def test_every_character_of_a_token_counts(world: World, kind: KeyKind) -> None:
    _, file = world.key(kind)
    made = token(file)
    for wrong in changed(made):
        refused(world.auth.login, LoginParams(token=wrong), challenge=CHALLENGE, ip=IP)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW_S},
        {"exp": NOW_S - 1},
        {"exp": NOW_S + 3601},
        {"exp": 10**18},
        {"exp": 10**400},
        {"exp": float("inf")},
        {"exp": str(NOW_S + 60)},
        {"exp": None},
        {"exp": True},
        {"iat": NOW_S + 31, "exp": NOW_S + 60},
        {"iat": NOW_S + 31, "exp": NOW_S + 31 + 3600},
        {"iat": NOW_S - 3600},
        {"iat": "now"},
        {"nbf": NOW_S + 31},
        {"aud": "another"},
        {"aud": []},
        {"aud": None},
        {"sub": "bob"},
        {"sub": ""},
        {"sub": 7},
        {"without": "exp"},
        {"without": "iat"},
        {"without": "aud"},
        {"without": "sub"},
        {"header": {"kid": "another"}},
        {"header": {"kid": ""}},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_token_with_a_wrong_claim_is_refused(world: World, kind: KeyKind, claims: dict[str, Any]) -> None:
    _, file = world.key(kind)
    refused(world.bearing, token(file, **claims))


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"exp": NOW_S + 1},
        {"exp": NOW_S + 3600},
        {"iat": NOW_S - 3599, "exp": NOW_S + 1},
        {"iat": NOW_S + 30},
        {"nbf": NOW_S + 30},
        {"aud": ["other", "tickwire"]},
    ],
    ids=str,
)
def test_a_token_at_its_bounds_is_taken(world: World, claims: dict[str, Any]) -> None:
    key, file = world.key("ed25519")
    assert world.bearing(token(file, **claims)).key_id == key.key_id


def test_the_header_of_a_token_chooses_no_algorithm(world: World) -> None:
    key, file = world.key("ed25519")
    header = {"kid": key.key_id, "typ": "JWT"}
    payload = {"sub": "alice", "aud": "tickwire", "iat": NOW_S, "exp": NOW_S + 60}
    # the public key as the secret of an HMAC: what a server would accept that believes the header
    confused = jwt.encode(payload, key.verifier, "HS256", headers=header)
    assert jwt.decode(confused, key.verifier, ["HS256"], options={"verify_exp": False, "verify_aud": False}) == payload
    refused(world.bearing, confused)
    for algorithm in ("none", "None", "HS512", "EdDSA", "ES256", 7, None):
        refused(world.bearing, raw_token({**header, "alg": algorithm}, payload, b""))
    refused(world.bearing, jwt.encode(payload, "", "none", headers=header))

    shared, shared_file = world.key("hmac")
    header = {"kid": shared.key_id}
    for wrong in ("HS384", "HS512"):
        with pytest.warns(jwt.InsecureKeyLengthWarning):
            made = jwt.encode(payload, shared.verifier, wrong, headers=header)
        refused(world.bearing, made)
    refused(world.bearing, jwt.encode(payload, signer(file), "EdDSA", headers=header))
    assert world.bearing(token(shared_file)).key_id == shared.key_id


@pytest.mark.parametrize(
    "text",
    [
        ".",
        "..",
        "a.b.c",
        "é.é.é",
        "\ud800",
        "A" * 60_000,
        raw_token([], {}, b""),
        raw_token({"alg": "EdDSA", "kid": 7}, {}, b""),
        raw_token({"alg": "EdDSA", "kid": "\ud800"}, {}, b""),
        raw_token({"alg": "EdDSA", "kid": "k"}, [], b""),
        encode_base64url(b"[" * 700) + ".e30.AA",
        encode_base64url(b'{"a":' * 150) + ".e30.AA",
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_what_is_no_token_is_refused(world: World, text: str) -> None:
    world.key("ed25519")
    refused(world.bearing, text)


def test_a_longer_token_is_not_looked_at(world: World) -> None:
    _, file = world.key("hmac")
    assert len(token(file, note="n" * 500)) < 1024 < len(token(file, note="n" * 700))
    assert world.bearing(token(file, note="n" * 500)).account == "alice"
    refused(world.bearing, token(file, note="n" * 700))


def test_a_deep_token_is_refused_wherever_it_is_read(world: World) -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    try:
        refused(world.bearing, encode_base64url(b"[" * 700) + ".e30.AA")
    finally:
        sys.setrecursionlimit(limit)


# ---- headers -------------------------------------------------------------------------------------


def test_the_secret_of_an_hmac_key_logs_in(world: World) -> None:
    key, file = world.key("hmac")
    identity = Identity(key.key_id, "alice", frozenset({"read", "trade"}))
    assert world.auth.header(basic(file.key, file.secret), ip=IP) == identity
    assert world.auth.header(basic(file.key, file.secret).replace("Basic", "basic"), ip=IP) == identity
    for secret in changed(file.secret):
        refused(world.auth.header, basic(file.key, secret), ip=IP)
    refused(world.auth.header, basic("nobody", file.secret), ip=IP)
    refused(world.auth.header, basic("", ""), ip=IP)


def test_an_ed25519_key_has_no_secret_to_show(world: World) -> None:
    key, file = world.key("ed25519")
    refused(world.auth.header, basic(file.key, file.secret), ip=IP)
    refused(world.auth.header, basic(file.key, encode_base64url(key.verifier)), ip=IP)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Bearer",
        "Bearer ",
        "Basic !",
        "Basic /w==",
        "Basic " + "A" * 60_000,
        "Digest abc",
        "Basic YQ==",
        "é",
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_any_other_header_is_refused(world: World, authorization: str) -> None:
    world.key("hmac")
    refused(world.auth.header, authorization, ip=IP)


# ---- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allow_ips", "ip", "allowed"),
    [
        ([], "203.0.113.1", True),
        ([], "", True),
        (["192.0.2.0/24"], "192.0.2.255", True),
        (["192.0.2.0/24"], "192.0.3.0", False),
        (["192.0.2.0/24"], "::ffff:192.0.2.1", True),
        (["192.0.2.0/24"], "::ffff:192.0.3.1", False),
        (["192.0.2.0/24"], "2001:db8::1", False),
        (["2001:db8::/32"], "2001:db8:ffff::1", True),
        (["2001:db8::/32"], "2001:db9::1", False),
        (["2001:db8::/32"], "192.0.2.1", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["192.0.2.1", "2001:db8::1"], "2001:db8::1", True),
        (["192.0.2.1", "2001:db8::1"], "192.0.2.2", False),
        (["0.0.0.0/0", "::/0"], "", False),
        (["0.0.0.0/0", "::/0"], "localhost", False),
    ],
)
def test_where_a_key_may_be_used_from(world: World, allow_ips: list[str], ip: str, allowed: bool) -> None:
    key, file = world.key("hmac", *allow_ips)
    attempts: list[Callable[[], Identity]] = [
        lambda: world.signed(file, ip=ip),
        lambda: world.bearing(file.token(NOW_S), ip=ip),
        lambda: world.auth.header(basic(file.key, file.secret), ip=ip),
    ]
    for attempt in attempts:
        if allowed:
            assert attempt().key_id == key.key_id
        else:
            refused(attempt)


# ---- revoking ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_another_process_revokes_is_out_of_force_once_looked_for(tmp_path: Path, kind: KeyKind) -> None:
    path = tmp_path / "keys.db"
    clock = ManualClock(NOW_S * 10**9)
    with closing(KeyStore(path)) as store, closing(KeyStore(path)) as command:
        world = World(store, clock, Authenticator(store, clock))
        key, file = World(command, clock, world.auth).key(kind)
        kept, _ = world.key(kind)
        assert world.signed(file).key_id == key.key_id
        assert world.auth.in_force(key.key_id)
        command.revoke(key.key_id)
        assert world.auth.refresh()
        assert not world.auth.in_force(key.key_id)
        assert world.auth.in_force(kept.key_id)
        assert not world.auth.refresh()
        refused(world.signed, file)
        refused(world.bearing, file.token(NOW_S))
        refused(world.auth.header, basic(file.key, file.secret), ip=IP)


def test_nobody_is_not_in_force(world: World) -> None:
    assert not world.auth.in_force("")
    assert not world.auth.in_force("nobody")


def test_while_the_keys_can_not_be_read_nobody_is_in_force(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key, _ = world.key("hmac")
    assert world.auth.in_force(key.key_id)
    with monkeypatch.context() as broken:
        for method in ("changed", "get"):
            broken.setattr(world.store, method, Mock(side_effect=ConfigError("the disk is gone")))
        with pytest.raises(ConfigError):
            world.auth.refresh()
        with pytest.raises(ConfigError):
            world.auth.in_force(key.key_id)
    assert world.auth.in_force(key.key_id)
