"""Who is calling: what proves a key, and where it may be used from.

Three proofs: a signature over the challenge of this connection's `hello`, a token (JWT), and in an HTTP header the
secret of an hmac key. A refusal never says which part was wrong, and an unknown key is verified like a known one,
against a key that nobody has, so that neither words nor time tell which keys there are.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets

import jwt
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tickwire.clock import NowNs
from tickwire.errors import ConfigError, InvalidInput
from tickwire.keyfile import ALGORITHMS, AUDIENCE, SECRET_BYTES, TOKEN_SECONDS_MAX, KeyKind, decode_base64url
from tickwire.model.identity import Identity
from tickwire.protocol.messages import LoginParams
from tickwire.server.caller import parse_address
from tickwire.server.keys import Key, KeyStore

CLOCK_SKEW_SECONDS = 30
"""How far ahead the clock of a token's maker may be."""
PROOF_CHARS_MAX = 1_024
"""Of a signature, token or header: more than twice what any of ours has."""

_SECOND_NS = 1_000_000_000


class _Claims(msgspec.Struct, frozen=True):
    """What a token must say besides its audience."""

    sub: str
    iat: int
    exp: int
    nbf: int = 0


class _Refused(Exception):
    """The proof does not hold."""


class Authenticator:
    """Turns what a client shows into an `Identity`.

    Args:
        keys: those in force.
        now: the time, for tokens.
    """

    def __init__(self, keys: KeyStore, now: NowNs) -> None:
        self._keys = keys
        self._now = now
        self._in_force: dict[str, bool] = {}
        public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        self._nobody: dict[KeyKind, Key] = {
            "ed25519": Key("", "", "ed25519", public, (), (), ""),
            "hmac": Key("", "", "hmac", secrets.token_bytes(SECRET_BYTES), (), (), ""),
        }

    def login(self, params: LoginParams, *, challenge: str, ip: str) -> Identity:
        """Check the parameters of `auth.login`.

        Args:
            params: a key and its signature, or a token.
            challenge: that of the `hello` of the same connection.
            ip: address of the client.

        Raises:
            InvalidInput: `login_failed`; `invalid_params` where it is neither the one nor the other.
        """
        if bool(params.token) == bool(params.key) or bool(params.key) != bool(params.signature):
            raise InvalidInput("give key and signature, or token alone", field="token" if params.token else "key")
        try:
            if params.token:
                return self._token(params.token, ip)
            return self._signature(params.key, params.signature, challenge, ip)
        except _Refused:
            raise _login_failed() from None

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

    def in_force(self, key_id: str) -> bool:
        """Whether a key that logged in earlier still may act, as of the last `refresh`; asked for each request."""
        known = self._in_force.get(key_id)
        if known is None:
            known = self._in_force[key_id] = self._keys.get(key_id) is not None
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
        proof, message = _decoded(signature), challenge.encode()
        if key.kind == "hmac":
            holds = hmac.compare_digest(proof, hmac.digest(key.verifier, message, hashlib.sha256))
        else:
            try:
                Ed25519PublicKey.from_public_bytes(key.verifier).verify(proof, message)
                holds = True
            except InvalidSignature:
                holds = False
        return _identity(key, holds, ip)

    def _token(self, token: str, ip: str) -> Identity:
        if len(token) > PROOF_CHARS_MAX:
            raise _Refused
        try:
            for part in token.split("."):
                decode_base64url(part)  # PyJWT takes several spellings of one signature
            key = self._known_or_nobody(jwt.get_unverified_header(token).get("kid", ""), "ed25519")
            verifier = key.verifier if key.kind == "hmac" else Ed25519PublicKey.from_public_bytes(key.verifier)
            # the key says which algorithm it is for, never the token
            payload = jwt.decode(
                token,
                verifier,
                algorithms=[ALGORITHMS[key.kind]],
                audience=AUDIENCE,
                # PyJWT reads the wall clock; ours is injected, so `_in_time` checks these three
                options={"verify_iat": False, "verify_nbf": False, "verify_exp": False},
            )
            claims = msgspec.convert(payload, _Claims)
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

    def _known_or_nobody(self, key_id: str, kind: KeyKind) -> Key:
        return self._keys.get(key_id) or self._nobody[kind]


def _identity(key: Key, holds: bool, ip: str) -> Identity:
    if not (_allowed(key.allow_ips, ip) and holds and key.key_id):
        raise _Refused
    return Identity(key.key_id, key.account, frozenset(key.scopes), key.channels, key.symbols)


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
