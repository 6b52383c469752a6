"""Who is calling: what proves a key, and where it may be used from.

A signature over the challenge of this connection's `hello`, a token (JWT), and in an HTTP header the secret of an hmac
key; for the protocols of others a signature over a request, and an API key that is its own proof. A refusal never says
which part was wrong, and an unknown key is verified like a known one, against a key that nobody has, so that neither
words nor time tell which keys there are.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Sequence
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from tickwire.clock import NowNs
from tickwire.errors import ConfigError, InvalidInput
from tickwire.keyfile import (
    ALGORITHMS,
    AUDIENCE,
    SECRET_BYTES,
    TOKEN_SECONDS_MAX,
    decode_base64url,
    encode_base64url,
)
from tickwire.model.address import parse_address
from tickwire.model.identity import Identity, demo_identity, is_demo
from tickwire.protocol.messages import LoginParams
from tickwire.server.api_keys import ApiKeys
from tickwire.server.keys import KEY_ID, RSA_BITS_MIN, Key, KeyStore, Proof

CLOCK_SKEW_SECONDS = 30
"""How far ahead the clock of a token's maker may be."""
PROOF_CHARS_MAX = 1_024
"""Of a signature, token or header: those of the longest RSA key fit."""

_SECOND_NS = 1_000_000_000
_TOKEN_ALGORITHMS: dict[Proof, list[str]] = {
    "ed25519": [ALGORITHMS["ed25519"]],
    "hmac": [ALGORITHMS["hmac"]],
    "rsa": ["RS256", "PS256"],
}
"""Those that may sign the tokens of each kind of key."""
_HEX_DIGEST = re.compile(r"[0-9A-Fa-f]{64}")
_ED25519_CHARS = 88
"""Of a signature of 64 bytes in base64. Those of RSA are longer."""


class _Claims(msgspec.Struct, frozen=True):
    """What a token must say besides its audience."""

    sub: str
    iat: int
    exp: int
    nbf: int = 0


class _TokenOnClaims(msgspec.Struct, frozen=True):
    """What a token must say that comes with an API key."""

    nbf: int
    exp: int


class _Refused(Exception):
    """The proof does not hold."""


class Authenticator:
    """Turns what a client shows into an `Identity`.

    Args:
        keys: those in force.
        now: the time, for tokens.
        demo: whether the demonstration account is there, for everybody.
    """

    def __init__(self, keys: KeyStore, now: NowNs, *, demo: bool = False) -> None:
        self.demo = demo
        self._keys = keys
        self._api_keys = ApiKeys(keys)
        self._now = now
        self._in_force: set[str] = set()
        nobodys: dict[Proof, bytes] = {
            "ed25519": Ed25519PrivateKey.generate().public_key().public_bytes_raw(),
            "hmac": secrets.token_bytes(SECRET_BYTES),
            "rsa": _some_rsa_key(),
        }
        self._nobody = {kind: Key("", "", kind, verifier, (), (), "") for kind, verifier in nobodys.items()}

    def login(self, params: LoginParams, *, challenge: str, ip: str) -> Identity:
        """Check the parameters of `auth.login`.

        Args:
            params: a key and its signature, or a token, or that it is for the demonstration account.
            challenge: that of the `hello` of the same connection.
            ip: address of the client.

        Raises:
            InvalidInput: `login_failed`; `invalid_params` where it is none of them, or more than one.
        """
        if params.demo:
            return self._demo(params, ip)
        if bool(params.token) == bool(params.key) or bool(params.key) != bool(params.signature):
            raise InvalidInput("give key and signature, or token alone", field="token" if params.token else "key")
        try:
            if params.token:
                return self._token(params.token, ip)
            return self._signature(params.key, params.signature, challenge, ip)
        except _Refused:
            raise _login_failed() from None

    def _demo(self, params: LoginParams, ip: str) -> Identity:
        if params.takeover is True:
            raise InvalidInput("the demonstration account is for all: name a session of yours", field="takeover")
        if params.key or params.signature or params.token:
            raise InvalidInput("the demonstration account needs no key: give demo without", field="demo")
        if not self.demo:
            text = "this server has no demonstration account: log in with a key"
            raise InvalidInput(text, field="demo", code="login_failed")
        return demo_identity(ip)

    def header(self, authorization: str, *, ip: str) -> Identity:
        """Check an HTTP header `Authorization`: `Bearer TOKEN`, or `Basic KEY:SECRET` in base64 for an hmac key.

        Raises:
            InvalidInput: `login_failed`.
        """
        scheme, _, proof = authorization.partition(" ")
        try:
            if scheme.lower() == "bearer":
                return self._token(proof.strip(), ip)
            if scheme.lower() == "basic":
                return self._secret(proof.strip(), ip)
        except _Refused:
            pass
        raise _login_failed()

    def is_own(self, authorization: str) -> bool:
        """Whether a header `Authorization` has the form of what `header` takes, right or wrong: a token for this
        audience, or a key's name with a secret. What other protocols put there has another."""
        scheme, _, proof = authorization.partition(" ")
        proof = proof.strip()[:PROOF_CHARS_MAX]
        try:
            if scheme.lower() == "bearer":
                jwt.decode(proof, options={"verify_signature": False, "verify_aud": True}, audience=AUDIENCE)
                return True
            named = scheme.lower() == "basic" and base64.b64decode(proof, validate=True).decode().partition(":")[0]
            return bool(named and KEY_ID.fullmatch(named))
        except (jwt.PyJWTError, ValueError):
            return False

    def api_key(self, key: str, ip: str) -> Identity:
        """Check an API key that is its own proof: the GUID that stands for an hmac key.

        Raises:
            InvalidInput: `login_failed`.
        """
        try:
            return _identity(self._known_api_key(key), True, ip)
        except _Refused:
            raise _login_failed() from None

    def token_on(self, key: str, token: str, ip: str) -> Identity:
        """Check a token that comes with the key whose owner has signed it.

        Args:
            key: an API key, or the name of a key of another kind.
            token: a JWT with `nbf` and, at most `TOKEN_SECONDS_MAX` later, `exp`: EdDSA, RS256, PS256 or, with the
                secret as text, HS256, by the kind of the key.
            ip: address of the client.

        Raises:
            InvalidInput: `login_failed`.
        """
        try:
            known = self._known_api_key(key)
            if not known.key_id:
                known = self._known_or_nobody(key, "ed25519")
                if known.kind == "hmac":  # its name proves nothing here: the API key is given, or it is none
                    known = self._nobody["ed25519"]
            payload = _token_payload(known, token, secret_as_text=True)
            claims = msgspec.convert(payload, _TokenOnClaims)
            now = self._now() // _SECOND_NS
            begun = claims.nbf <= now + CLOCK_SKEW_SECONDS
            return _identity(known, begun and now < claims.exp <= claims.nbf + TOKEN_SECONDS_MAX, ip)
        except (_Refused, ValueError):
            raise _login_failed() from None

    def signed(self, key: str, payloads: Sequence[bytes], signature: str, ip: str) -> Identity:
        """Check the signature over a request.

        Args:
            key: name of the key, or its API key.
            payloads: what may be signed; one that is will do.
            signature: by the kind of the key HMAC-SHA256 in hex, with the key's secret as text; or in base64 Ed25519,
                or RSA (PKCS #1 v1.5 with SHA-256).
            ip: address of the client.

        Raises:
            InvalidInput: `login_failed`.
        """
        try:
            kind, proof = _kind_of(signature)
            named, shown = self._keys.get(key), self._api_keys.get(key[:PROOF_CHARS_MAX])
            known = named or shown
            if known is None or known.kind != kind:
                known = self._nobody[kind]
            holds = [_verified(known, proof, payload, secret_as_text=True) for payload in payloads]
            return _identity(known, any(holds), ip)
        except _Refused:
            raise _login_failed() from None

    def in_force(self, key_id: str) -> bool:
        """Whether a key that logged in earlier still may act, as of the last `refresh`; asked for each request."""
        if key_id in self._in_force or (self.demo and is_demo(key_id)):
            return True
        known = self._keys.get(key_id) is not None
        if known:  # of those that are not there are as many as anybody makes up
            self._in_force.add(key_id)
        return known

    def refresh(self) -> bool:
        """Look whether keys have changed since the last call, here or in another process, and return that.

        Raises:
            ConfigError: the keys can't be read; until they can, `in_force` raises this as well.
        """
        try:
            changed = self._keys.changed()
        except ConfigError:
            self._in_force.clear()
            raise
        if changed:
            self._in_force.clear()
        return changed

    def _signature(self, key_id: str, signature: str, challenge: str, ip: str) -> Identity:
        key = self._known_or_nobody(key_id, "ed25519")
        return _identity(key, _verified(key, _decoded(signature), challenge.encode()), ip)

    def _token(self, token: str, ip: str) -> Identity:
        try:
            key = self._known_or_nobody(jwt.get_unverified_header(token[:PROOF_CHARS_MAX]).get("kid", ""), "ed25519")
            claims = msgspec.convert(_token_payload(key, token, audience=AUDIENCE), _Claims)
        except (jwt.PyJWTError, ValueError):
            raise _Refused from None
        return _identity(key, claims.sub == key.account and self._in_time(claims), ip)

    def _in_time(self, claims: _Claims) -> bool:
        now = self._now() // _SECOND_NS
        begun = max(claims.iat, claims.nbf) <= now + CLOCK_SKEW_SECONDS
        return begun and now < claims.exp <= claims.iat + TOKEN_SECONDS_MAX

    def _secret(self, encoded: str, ip: str) -> Identity:
        try:
            key_id, _, secret = base64.b64decode(encoded[:PROOF_CHARS_MAX], validate=True).decode().partition(":")
        except ValueError:
            raise _Refused from None
        key = self._known_or_nobody(key_id, "hmac")
        if key.kind != "hmac":
            key = self._nobody["hmac"]
        return _identity(key, hmac.compare_digest(_decoded(secret), key.verifier), ip)

    def _known_or_nobody(self, key_id: str, kind: Proof) -> Key:
        return self._keys.get(key_id) or self._nobody[kind]

    def _known_api_key(self, text: str) -> Key:
        return self._api_keys.get(text[:PROOF_CHARS_MAX]) or self._nobody["hmac"]


def _identity(key: Key, holds: bool, ip: str) -> Identity:
    if not (_allowed(key.allow_ips, ip) and holds and key.key_id):
        raise _Refused
    return Identity(key.key_id, key.account, frozenset(key.scopes), key.channels, key.symbols)


def _verified(key: Key, proof: bytes, message: bytes, *, secret_as_text: bool = False) -> bool:
    """Whether a key's owner has signed a message."""
    verifier = _verifying(key, secret_as_text)
    if isinstance(verifier, bytes):
        return hmac.compare_digest(proof, hmac.digest(verifier, message, hashlib.sha256))
    try:
        if isinstance(verifier, RSAPublicKey):
            verifier.verify(proof, message, PKCS1v15(), SHA256())
        else:
            verifier.verify(proof, message)
    except InvalidSignature:
        return False
    return True


def _token_payload(key: Key, token: str, *, audience: str | None = None, secret_as_text: bool = False) -> Any:
    """What a token says that the key's owner has signed.

    Raises:
        _Refused: it is none.
    """
    if len(token) > PROOF_CHARS_MAX:
        raise _Refused
    try:
        for part in token.split("."):
            decode_base64url(part)  # PyJWT takes several spellings of one signature
        return jwt.decode(
            token,
            _verifying(key, secret_as_text),
            # the key says which algorithm it is for, never the token
            algorithms=_TOKEN_ALGORITHMS[key.kind],
            audience=audience,
            # PyJWT reads the wall clock; ours is injected, so the callers check these three
            options={"verify_iat": False, "verify_nbf": False, "verify_exp": False, "verify_aud": audience is not None},
        )
    except (jwt.PyJWTError, ValueError):
        raise _Refused from None


def _verifying(key: Key, secret_as_text: bool) -> bytes | Ed25519PublicKey | RSAPublicKey:
    if key.kind == "hmac":
        return encode_base64url(key.verifier).encode() if secret_as_text else key.verifier
    if key.kind == "ed25519":
        return Ed25519PublicKey.from_public_bytes(key.verifier)
    public_key = load_der_public_key(key.verifier)
    assert isinstance(public_key, RSAPublicKey)
    return public_key


def _kind_of(signature: str) -> tuple[Proof, bytes]:
    """What kind of key makes such a signature: the time it takes to check must not depend on the key."""
    if _HEX_DIGEST.fullmatch(signature):
        return "hmac", bytes.fromhex(signature)
    try:
        proof = base64.b64decode(signature[:PROOF_CHARS_MAX], validate=True)
    except ValueError:
        raise _Refused from None
    return ("ed25519" if len(signature) == _ED25519_CHARS else "rsa"), proof


def _some_rsa_key() -> bytes:
    """The public key (DER) of nobody: a number that nobody has factors of, as long as a modulus."""
    modulus = secrets.randbits(RSA_BITS_MIN) | 1 << (RSA_BITS_MIN - 1) | 1
    public_key = RSAPublicNumbers(65_537, modulus).public_key()
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _allowed(networks: tuple[str, ...], ip: str) -> bool:
    if not networks:
        return True
    address = parse_address(ip)
    if address is None:  # a Unix socket has none
        return False
    return any(address in ipaddress.ip_network(network) for network in networks)


def _decoded(text: str) -> bytes:
    if len(text) > PROOF_CHARS_MAX:
        raise _Refused
    try:
        return decode_base64url(text)
    except ValueError:
        raise _Refused from None


def _login_failed() -> InvalidInput:
    return InvalidInput(
        "the key is unknown, revoked or not allowed from this address, or its proof is wrong or expired",
        code="login_failed",
    )
