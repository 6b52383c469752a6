"""What proves who somebody is: key files, signatures, tokens, the header `Authorization`, and `X-Forwarded-For`.

The contract: `KeyFile.load` gives a key or `ConfigError`, `decode_base64url` what encodes to the same text again or
`ValueError`. A login or a header is refused with `login_failed` (`invalid_params` where it is neither proof), and with
nothing else, unless it is, to the letter, what the key's owner would give: nothing damaged is let in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.harness import damaged, fuzzed, torn
from support import START_NS
from tickwire.errors import ConfigError, InvalidInput
from tickwire.keyfile import ALGORITHMS, AUDIENCE, KeyFile, KeyKind, decode_base64url, encode_base64url
from tickwire.protocol.messages import LoginParams
from tickwire.server.auth import Authenticator
from tickwire.server.caller import Callers
from tickwire.server.keys import KeyStore
from tickwire.testing.clock import ManualClock

CHALLENGE = "sign-me"
NOW_S = START_NS // 10**9
KINDS: tuple[KeyKind, ...] = ("ed25519", "hmac")


class Owner:
    """Whoever has one key of each kind, on a server."""

    def __init__(self) -> None:
        keys = KeyStore(None)
        self.keys = {kind: keys.create("alice", scopes=("read",), kind=kind)[1] for kind in KINDS}
        self.authenticator = Authenticator(keys, ManualClock(START_NS))

    def login(self, **params: Any) -> str:
        """The error code of a login, "" when it succeeds."""
        try:
            identity = self.authenticator.login(LoginParams(**params), challenge=CHALLENGE, ip="127.0.0.1")
        except InvalidInput as error:
            return error.code
        assert identity.account == "alice"
        return ""

    def header(self, value: str) -> str:
        """The error code of a header `Authorization`."""
        try:
            self.authenticator.header(value, ip="127.0.0.1")
        except InvalidInput as error:
            return error.code
        return ""


@pytest.fixture(scope="module")
def owner() -> Owner:
    return Owner()


CLAIMS = {"sub": "alice", "aud": AUDIENCE, "iat": NOW_S, "exp": NOW_S + 60}


def part(value: Any) -> str:
    return encode_base64url(json.dumps(value).encode())


def as_text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


@pytest.mark.parametrize("kind", KINDS)
def test_the_owner_is_let_in(owner: Owner, kind: KeyKind) -> None:
    key = owner.keys[kind]
    assert owner.login(key=key.key, signature=key.sign(CHALLENGE)) == ""
    assert owner.login(token=key.token(NOW_S)) == ""
    assert owner.header("Bearer " + key.token(NOW_S)) == ""
    secret = base64.b64encode(f"{key.key}:{key.secret}".encode()).decode()
    assert owner.header("Basic " + secret) == ("" if kind == "hmac" else "login_failed")


@pytest.mark.parametrize("kind", KINDS)
@fuzzed(100)
@given(data=st.data())
def test_damaged_signatures(owner: Owner, kind: KeyKind, data: st.DataObject) -> None:
    key = owner.keys[kind]
    name = as_text(data.draw(torn(key.key.encode())))
    good = key.sign(CHALLENGE)
    signature = as_text(data.draw(torn(good.encode()) | st.binary(max_size=90)))
    code = owner.login(key=name, signature=signature)
    if (name, signature) == (key.key, good):
        assert code == ""
    else:
        assert code == ("login_failed" if name and signature else "invalid_params")


@pytest.mark.parametrize("kind", KINDS)
@fuzzed(80)
@given(data=st.data())
def test_damaged_tokens(owner: Owner, kind: KeyKind, data: st.DataObject) -> None:
    key = owner.keys[kind]
    good = key.token(NOW_S)
    if data.draw(st.booleans()):
        token = as_text(data.draw(torn(good.encode())))
    else:
        header = data.draw(damaged({"alg": ALGORITHMS[kind], "typ": "JWT", "kid": key.key}))
        token = ".".join([part(header), *good.split(".")[1:]])
    code = owner.login(token=token)
    assert owner.header(f"Bearer {token}") == ("" if token.strip() == good else "login_failed")
    assert code == ("" if token == good else "login_failed" if token else "invalid_params")


@pytest.mark.parametrize("kind", KINDS)
@fuzzed(80)
@given(claims=damaged(CLAIMS))
@example(claims=CLAIMS | {"exp": NOW_S + 3_601})
@example(claims=CLAIMS | {"iat": NOW_S - 3_600, "exp": NOW_S + 1})
@example(claims=CLAIMS | {"iat": NOW_S + 31, "exp": NOW_S + 60})
@example(claims=CLAIMS | {"exp": NOW_S})
@example(claims=CLAIMS | {"sub": "bob"})
def test_signed_tokens_with_damaged_claims(owner: Owner, kind: KeyKind, claims: Any) -> None:
    key = owner.keys[kind]
    secret = key._secret()
    signed = f"{part({'alg': ALGORITHMS[kind], 'kid': key.key})}.{part(claims)}"
    if kind == "hmac":
        signature = hmac.digest(secret, signed.encode(), hashlib.sha256)
    else:
        signature = Ed25519PrivateKey.from_private_bytes(secret).sign(signed.encode())
    code = owner.login(token=f"{signed}.{encode_base64url(signature)}")
    if code == "":
        assert claims["sub"] == "alice"
        assert AUDIENCE in claims["aud"]
        assert claims["iat"] <= NOW_S + 30
        assert NOW_S < claims["exp"] <= claims["iat"] + 3_600
    else:
        assert code == "login_failed"
        assert claims != CLAIMS


@fuzzed(150)
@given(data=st.data(), scheme=st.sampled_from(["Basic ", "basic  ", "Bearer ", "Digest ", ""]))
def test_headers(owner: Owner, data: st.DataObject, scheme: str) -> None:
    key = owner.keys["hmac"]
    good = f"{key.key}:{key.secret}".encode()
    proof = data.draw(torn(good))
    text = data.draw(torn(base64.b64encode(proof)).map(as_text) | st.text(max_size=40))
    code = owner.header(scheme + text)
    assert code in ("", "login_failed")
    if code == "":
        assert scheme.strip().lower() == "basic"
        assert base64.b64decode(text) == good


@fuzzed(100)
@given(data=st.data())
def test_key_files(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    good: dict[str, Any] = {"key": "k", "kind": "hmac", "account": "a", "scopes": ["read"]}
    path: Path = tmp_path_factory.mktemp("key") / "key.json"
    good["secret"] = encode_base64url(bytes(data.draw(st.sampled_from([0, 31, 32, 33]))))
    content = json.dumps(data.draw(damaged(good))).encode()
    path.write_bytes(data.draw(torn(content) | st.binary(max_size=60)))
    try:
        key = KeyFile.load(path)
    except ConfigError as error:
        assert str(path) in str(error)  # noqa: PT017
        return
    assert len(decode_base64url(key.secret)) == 32
    assert key.sign("c")


@fuzzed(200)
@given(st.text(max_size=20) | st.binary(max_size=20).map(encode_base64url))
def test_base64url(text: str) -> None:
    try:
        data = decode_base64url(text)
    except ValueError:
        return
    assert encode_base64url(data) == text


class Headers:
    def __init__(self, lines: dict[str, list[str]]) -> None:
        self._lines = lines

    def get_all(self, name: str) -> list[str]:
        return self._lines.get(name, [])


HOPS = st.sampled_from(
    ["10.0.0.1", "203.0.113.7", "203.0.113.7:99", "[2001:db8::1]:5", "::ffff:10.0.0.1", "unknown", ""]
)
VALUES = st.lists(st.lists(HOPS | st.text(max_size=12), max_size=4).map(",".join), max_size=2)


def address_of(forwarded: str) -> str:
    """The right-most hop that is no proxy of ours: the last readable one of those behind our proxies."""
    ip = "10.9.9.9"
    for hop in forwarded.split(",")[::-1]:
        address = re.fullmatch(r"\[(.*?)\].*|([^:\[]*):[^:]*|(.*)", hop.strip(), re.DOTALL)
        assert address is not None
        text = next(group for group in address.groups() if group is not None)
        try:
            ip = str(ipaddress.ip_address(text.removeprefix("::ffff:") if "." in text else text))
        except ValueError:
            return ip
        if not ip.startswith("10."):
            return ip
    return ip


@fuzzed(200)
@given(VALUES, VALUES, VALUES, VALUES)
@example(["203.0.113.7,10.0.0.1"], [], [], [])
@example(["203.0.113.7,unknown,10.0.0.1"], [], [], [])
@example(["10.0.0.1,203.0.113.7:99", "::ffff:10.0.0.1"], [], [], [])
@example([], [], ["http://["], ["["])
@example([], [], ["http://evil.example"], ["evil.example"])
def test_where_a_request_comes_from(forwarded: list[str], proto: list[str], origin: list[str], host: list[str]) -> None:
    """It has an address that was named, or its own; and a page is let in only if it is this server's own."""
    lines = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": proto, "Origin": origin, "Host": host}
    callers = Callers(("10.0.0.0/8",), (), "localhost")
    caller = callers.identify("10.9.9.9", False, Headers(lines))
    assert caller.ip == address_of(",".join(forwarded))
    assert callers.identify("198.51.100.1", True, Headers(lines)) == ("198.51.100.1", True)
    if callers.may_read(Headers(lines), False):
        assert not origin or origin[0] == f"http://{host[0].lower()}"
