"""Logging in over the protocols of others: API keys, signed requests, tokens that come with a key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from tickwire.errors import InvalidInput
from tickwire.keyfile import api_key, decode_base64url, encode_base64url
from tickwire.model.identity import Identity
from tickwire.protocol.messages import LoginParams
from tickwire.server.auth import Authenticator
from tickwire.server.keys import KeyStore, Proof
from tickwire.testing.clock import ManualClock
from unit.test_auth import refused

NOW_S = 1_700_000_000
IP = "192.0.2.7"
PAYLOAD = b"quantity=0.1&side=BUY&symbol=BTCUSDT&timestamp=1700000000000&type=MARKET"
CLAIMS = {"nbf": NOW_S, "exp": NOW_S + 60}
KINDS: list[Proof] = ["hmac", "ed25519", "rsa"]

Private = rsa.RSAPrivateKey | Ed25519PrivateKey | ec.EllipticCurvePrivateKey


class Owner(NamedTuple):
    """A key as a client of another protocol holds it. `secret`: what it gives to its libraries."""

    key_id: str
    kind: Proof
    secret: Any

    def sign(self, payload: bytes) -> str:
        if self.kind == "hmac":
            return hmac.new(self.secret.encode(), payload, hashlib.sha256).hexdigest()
        if self.kind == "rsa":
            return base64.b64encode(self.secret.sign(payload, padding.PKCS1v15(), SHA256())).decode()
        return base64.b64encode(self.secret.sign(payload)).decode()

    @property
    def algorithm(self) -> str:
        return {"hmac": "HS256", "rsa": "RS256", "ed25519": "EdDSA"}[self.kind]

    @property
    def shown(self) -> str:
        """What it gives as its API key beside a token."""
        return api_key(decode_base64url(self.secret)) if self.kind == "hmac" else self.key_id


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2_048)


def public_pem(key: Private) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


class World(NamedTuple):
    store: KeyStore
    clock: ManualClock
    auth: Authenticator
    rsa_key: rsa.RSAPrivateKey

    def owner(self, kind: Proof, *allow_ips: str) -> Owner:
        if kind == "hmac":
            _, file = self.store.create("alice", scopes=["trade"], kind="hmac", allow_ips=allow_ips)
            return Owner(file.key, kind, file.secret)
        secret: Private = self.rsa_key if kind == "rsa" else Ed25519PrivateKey.generate()
        key = self.store.enroll("alice", public_pem(secret), scopes=["trade"], allow_ips=allow_ips)
        return Owner(key.key_id, kind, secret)


@pytest.fixture
def world(rsa_key: rsa.RSAPrivateKey) -> Iterator[World]:
    clock = ManualClock(NOW_S * 10**9)
    with closing(KeyStore(None)) as store:
        yield World(store, clock, Authenticator(store, clock), rsa_key)


def alice(owner: Owner) -> Identity:
    return Identity(owner.key_id, "alice", frozenset({"trade"}))


# ---- requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_request(world: World, kind: Proof) -> None:
    owner = world.owner(kind)
    assert world.auth.signed(owner.key_id, [PAYLOAD], owner.sign(PAYLOAD), IP) == alice(owner)
    assert world.auth.signed(owner.key_id, [b""], owner.sign(b""), IP) == alice(owner)
    refused(world.auth.signed, owner.key_id, [PAYLOAD + b"0"], owner.sign(PAYLOAD), IP)


def test_one_of_several_spellings_is_signed(world: World) -> None:
    owner = world.owner("hmac")
    for payloads in ([PAYLOAD, b"other"], [b"other", PAYLOAD]):
        assert world.auth.signed(owner.key_id, payloads, owner.sign(PAYLOAD), IP) == alice(owner)
    refused(world.auth.signed, owner.key_id, [b"one", b"other"], owner.sign(PAYLOAD), IP)
    refused(world.auth.signed, owner.key_id, [], owner.sign(PAYLOAD), IP)


def test_an_api_key_stands_for_the_key_that_signs(world: World) -> None:
    owner, other = world.owner("hmac"), world.owner("hmac")
    assert world.auth.signed(owner.shown, [PAYLOAD], owner.sign(PAYLOAD), IP) == alice(owner)
    refused(world.auth.signed, other.shown, [PAYLOAD], owner.sign(PAYLOAD), IP)
    world.store.revoke(owner.key_id)
    refused(world.auth.signed, owner.shown, [PAYLOAD], owner.sign(PAYLOAD), IP)


def test_a_digest_is_given_in_hex_of_either_case(world: World) -> None:
    owner = world.owner("hmac")
    assert world.auth.signed(owner.key_id, [PAYLOAD], owner.sign(PAYLOAD).upper(), IP) == alice(owner)
    in_base64 = base64.b64encode(bytes.fromhex(owner.sign(PAYLOAD))).decode()
    refused(world.auth.signed, owner.key_id, [PAYLOAD], in_base64, IP)


def test_the_secret_of_a_signed_request_is_text(world: World) -> None:
    """The example of the venue's documentation."""
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    payload = (
        b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
        b"&timestamp=1499827319559"
    )
    key = world.store._add("alice", "hmac", decode_base64url(secret), ["trade"], (), "", (), ())
    signature = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    assert world.auth.signed(key.key_id, [payload], signature, IP).key_id == key.key_id


@pytest.mark.parametrize("kind", KINDS)
def test_every_character_of_a_signature_counts(world: World, kind: Proof) -> None:
    owner = world.owner(kind)
    good = owner.sign(PAYLOAD)
    for index in range(0, len(good), 7):
        other = "1" if good[index] != "1" else "2"
        refused(world.auth.signed, owner.key_id, [PAYLOAD], good[:index] + other + good[index + 1 :], IP)
    for wrong in (good[:-1], good + "A", good + "\n", " " + good, "", "!", "ä", "\ud800", "A" * 60_000):
        refused(world.auth.signed, owner.key_id, [PAYLOAD], wrong, IP)


def test_a_key_signs_only_its_own_requests(world: World) -> None:
    owners = [world.owner(kind) for kind in KINDS]
    for signer in owners:
        for other in owners:
            if signer is not other:
                refused(world.auth.signed, other.key_id, [PAYLOAD], signer.sign(PAYLOAD), IP)
        for nobody in ("", "nobody", "' OR 1=1 --", "\ud800", "k" * 60_000):
            refused(world.auth.signed, nobody, [PAYLOAD], signer.sign(PAYLOAD), IP)


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_that_unknown_ones_are_verified_against_signs_nothing(world: World, kind: Proof) -> None:
    owner = world.owner(kind)
    key = world.store.get(owner.key_id)
    assert key is not None
    world.auth._nobody[kind] = key._replace(key_id="")
    world.store.revoke(owner.key_id)
    refused(world.auth.signed, owner.key_id, [PAYLOAD], owner.sign(PAYLOAD), IP)
    refused(world.auth.api_key, owner.shown, IP)


def test_a_public_key_is_no_secret(world: World) -> None:
    """What a server would take that believes the signature's form instead of the key's kind."""
    for kind in ("ed25519", "rsa"):
        key = world.store.get(world.owner(kind).key_id)
        assert key is not None
        for public in (key.verifier, encode_base64url(key.verifier).encode()):
            digest = hmac.new(public, PAYLOAD, hashlib.sha256)
            refused(world.auth.signed, key.key_id, [PAYLOAD], digest.hexdigest(), IP)
            refused(world.auth.signed, key.key_id, [PAYLOAD], base64.b64encode(digest.digest()).decode(), IP)
        refused(world.auth.api_key, api_key(key.verifier), IP)


def test_a_challenge_is_never_the_parameters_of_a_request(world: World) -> None:
    """Or a false server could have an order signed."""
    _, file = world.store.create("alice", scopes=["trade"], kind="ed25519")
    for text in (PAYLOAD.decode(), "tickwire.api-key"):
        with pytest.raises(InvalidInput, match=r"a challenge holds no '\.' and no '='; do not trust this server"):
            file.sign(text)


# ---- API keys ------------------------------------------------------------------------------------


def test_an_api_key_stands_for_an_hmac_key(world: World) -> None:
    owner, other = world.owner("hmac"), world.owner("hmac")
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", owner.shown)
    assert owner.shown != other.shown
    assert world.auth.api_key(owner.shown, IP) == alice(owner)
    assert world.auth.api_key(owner.shown.upper(), IP) == alice(owner)
    assert world.auth.api_key(other.shown, IP) == alice(other)


def test_an_api_key_stays_the_same() -> None:
    assert api_key(bytes(range(32))) == "6eb0824a-d8ab-438b-a2f7-60156f8b9db6"


def test_nothing_else_is_an_api_key(world: World) -> None:
    owner = world.owner("hmac")
    named = [world.owner("ed25519"), world.owner("rsa"), owner]
    for text in (owner.secret, *(one.key_id for one in named), "", "ä", "\ud800", "A" * 60_000):
        refused(world.auth.api_key, text, IP)
    for text in (owner.shown[:-1], owner.shown + "0", f"{{{owner.shown}}}", owner.shown.replace("-", "")):
        refused(world.auth.api_key, text, IP)
    for index in range(len(owner.shown)):
        other = "1" if owner.shown[index] != "1" else "2"
        refused(world.auth.api_key, owner.shown[:index] + other + owner.shown[index + 1 :], IP)


def test_api_keys_follow_those_that_another_process_makes_and_revokes(tmp_path: Path) -> None:
    clock = ManualClock(NOW_S * 10**9)
    path = tmp_path / "keys.db"
    with closing(KeyStore(path)) as store, closing(KeyStore(path)) as command:
        auth = Authenticator(store, clock)
        for _ in range(2):  # with no call of `refresh` in between
            key, file = command.create("alice", scopes=["read"], kind="hmac")
            shown = api_key(decode_base64url(file.secret))
            assert auth.api_key(shown, IP).key_id == key.key_id
            command.revoke(key.key_id)
            refused(auth.api_key, shown, IP)
        assert auth.refresh()  # the index has not taken the news away from who asks for it


def test_where_they_may_be_used_from(world: World) -> None:
    for kind in KINDS:
        owner = world.owner(kind, "192.0.2.0/24")
        token = jwt.encode(CLAIMS, owner.secret, owner.algorithm)
        assert world.auth.signed(owner.key_id, [PAYLOAD], owner.sign(PAYLOAD), IP) == alice(owner)
        assert world.auth.token_on(owner.shown, token, IP) == alice(owner)
        refused(world.auth.signed, owner.key_id, [PAYLOAD], owner.sign(PAYLOAD), "198.51.100.1")
        refused(world.auth.token_on, owner.shown, token, "198.51.100.1")
        refused(world.auth.api_key, owner.shown, "198.51.100.1")


# ---- tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("hmac", "HS256"), ("ed25519", "EdDSA"), ("rsa", "RS256"), ("rsa", "PS256")]
)
def test_a_token_on_a_key(world: World, kind: Proof, algorithm: str) -> None:
    owner = world.owner(kind)
    token = jwt.encode(CLAIMS | {"iss": "bot"}, owner.secret, algorithm)
    assert world.auth.token_on(owner.shown, token, IP) == alice(owner)
    world.clock.advance(seconds=59)
    assert world.auth.token_on(owner.shown, token, IP) == alice(owner)
    world.clock.advance(seconds=1)
    refused(world.auth.token_on, owner.shown, token, IP)
    for other in ("hmac", "ed25519"):
        refused(world.auth.token_on, world.owner(other).shown, token, IP)
    for wrong in (token[:-2], token + "A", token + "\n", "", "a.b.c", "\ud800", "A" * 60_000):
        refused(world.auth.token_on, owner.shown, wrong, IP)


@pytest.mark.parametrize(
    ("claims", "taken"),
    [
        (CLAIMS, True),
        ({"nbf": NOW_S + 30, "exp": NOW_S + 60}, True),
        ({"nbf": NOW_S - 3_599, "exp": NOW_S + 1}, True),
        ({"nbf": NOW_S, "exp": NOW_S + 3_600}, True),
        (CLAIMS | {"aud": "another", "sub": "bob", "iat": "then"}, True),
        ({"nbf": NOW_S + 31, "exp": NOW_S + 60}, False),
        ({"nbf": NOW_S, "exp": NOW_S + 3_601}, False),
        ({"nbf": NOW_S - 60, "exp": NOW_S}, False),
        ({"nbf": NOW_S}, False),
        ({"exp": NOW_S + 60}, False),
        ({"nbf": None, "exp": NOW_S + 60}, False),
        ({"nbf": NOW_S, "exp": str(NOW_S + 60)}, False),
        ({"nbf": NOW_S, "exp": 10**400}, False),
    ],
    ids=str,
)
def test_the_times_of_a_token_on_a_key(world: World, claims: dict[str, Any], taken: bool) -> None:
    owner = world.owner("ed25519")
    # as it stands: `jwt.encode` makes no token with such times
    token = jwt.api_jws.encode(json.dumps(claims).encode(), owner.secret, "EdDSA")
    if taken:
        assert world.auth.token_on(owner.shown, token, IP) == alice(owner)
    else:
        refused(world.auth.token_on, owner.shown, token, IP)


def test_the_name_of_an_hmac_key_is_not_enough_for_a_token(world: World) -> None:
    owner = world.owner("hmac")
    refused(world.auth.token_on, owner.key_id, jwt.encode(CLAIMS, owner.secret, "HS256"), IP)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_token_on_a_key_chooses_no_algorithm(world: World, kind: Literal["ed25519", "rsa"]) -> None:
    owner = world.owner(kind)
    key = world.store.get(owner.key_id)
    assert key is not None
    for secret in (key.verifier, encode_base64url(key.verifier).encode()):
        text = ".".join(encode_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256"}, CLAIMS))
        digest = hmac.new(secret, text.encode(), hashlib.sha256).digest()
        refused(world.auth.token_on, owner.shown, f"{text}.{encode_base64url(digest)}", IP)
    refused(world.auth.token_on, owner.shown, jwt.encode(CLAIMS, "", "none"), IP)
    if kind == "rsa":
        refused(world.auth.token_on, owner.shown, jwt.encode(CLAIMS, owner.secret, "RS512"), IP)


# ---- keys of their owners' own -------------------------------------------------------------------


def test_the_public_half_of_an_rsa_key_is_kept(world: World) -> None:
    key = world.store.get(world.owner("rsa").key_id)
    assert key is not None
    assert key.kind == "rsa"
    assert serialization.load_der_public_key(key.verifier) == world.rsa_key.public_key()


def test_an_rsa_key_proves_itself_to_our_own_protocol_too(world: World) -> None:
    owner = world.owner("rsa")
    signature = owner.secret.sign(b"challenge", padding.PKCS1v15(), SHA256())
    params = LoginParams(key=owner.key_id, signature=encode_base64url(signature))
    assert world.auth.login(params, challenge="challenge", ip=IP) == alice(owner)
    refused(world.auth.login, params, challenge="another", ip=IP)
    claims = {"sub": "alice", "aud": "tickwire", "iat": NOW_S, "exp": NOW_S + 60}
    token = jwt.encode(claims, owner.secret, "PS256", headers={"kid": owner.key_id})
    assert world.auth.header(f"Bearer {token}", ip=IP) == alice(owner)


def test_the_longest_rsa_key_fits(world: World) -> None:
    secret = rsa.generate_private_key(65_537, 4_096)
    owner = Owner(world.store.enroll("alice", public_pem(secret), scopes=["trade"]).key_id, "rsa", secret)
    assert world.auth.signed(owner.key_id, [PAYLOAD], owner.sign(PAYLOAD), IP) == alice(owner)
    assert world.auth.token_on(owner.key_id, jwt.encode(CLAIMS, secret, "RS256"), IP) == alice(owner)


def test_what_is_no_public_key_of_ours(world: World) -> None:
    keys: list[Private] = [rsa.generate_private_key(65_537, 1_024), ec.generate_private_key(ec.SECP256R1())]
    private = world.rsa_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for pem in (*map(public_pem, keys), private, b"", b"-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(InvalidInput, match="give an Ed25519 public key in PEM, or an RSA one of 2048 to 4096 bits"):
            world.store.enroll("alice", pem, scopes=["trade"])
    with pytest.raises(InvalidInput, match="no scope 'all'"):
        world.store.enroll("alice", public_pem(world.rsa_key), scopes=["all"])
    assert world.store.list() == []


def test_an_imported_ed25519_key_is_like_one_of_ours(world: World) -> None:
    owner = world.owner("ed25519")
    key = world.store.get(owner.key_id)
    assert key is not None
    assert Ed25519PublicKey.from_public_bytes(key.verifier) == owner.secret.public_key()
    params = LoginParams(key=owner.key_id, signature=encode_base64url(owner.secret.sign(b"challenge")))
    assert world.auth.login(params, challenge="challenge", ip=IP) == alice(owner)


# ---- headers that other protocols use as well -------------------------------------------------------


def test_a_header_of_ours_is_told_from_a_vendors(world: World) -> None:
    def basic(text: str) -> str:
        return f"Basic {base64.b64encode(text.encode()).decode()}"

    owner = world.owner("hmac")
    ours = {"aud": "tickwire", "sub": "alice", "iat": NOW_S, "exp": NOW_S + 60}
    for own in (
        basic(f"{owner.key_id}:{owner.secret}"),
        basic(f"{'0' * 16}:wrong"),
        f"Bearer {jwt.encode(ours, 'w' * 32, 'HS256', headers={'kid': owner.key_id})}",
        f"bearer {jwt.encode({**ours, 'exp': 0}, 'w' * 32, 'HS256')}",
    ):
        assert world.auth.is_own(own), own
    for vendors in (
        "",
        owner.shown,
        "Basic",
        "Basic ä",
        basic(f"coinapi:{owner.shown}"),
        basic(f"{owner.shown}:"),
        basic(""),
        "Bearer",
        "Bearer a.b.c",
        f"Bearer {owner.shown}",
        f"Bearer {jwt.encode(CLAIMS, 'w' * 32, 'HS256', headers={'kid': owner.key_id})}",
        f"Bearer {jwt.encode({**CLAIMS, 'aud': 'coinapi'}, 'w' * 32, 'HS256')}",
        f"Digest {jwt.encode(ours, 'w' * 32, 'HS256')}",
    ):
        assert not world.auth.is_own(vendors), vendors
