"""A key as its owner holds it: a small JSON file that signs challenges and makes tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import uuid
from pathlib import Path
from typing import Literal, TypeAlias

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tickwire.errors import ConfigError, InvalidInput
from tickwire.model.identity import Scope

KeyKind: TypeAlias = Literal["ed25519", "hmac"]

SECRET_BYTES = 32
"""Of a secret of either kind: an Ed25519 private key (RFC 8032) or a secret for HMAC-SHA256 (RFC 2104)."""
ALGORITHMS: dict[KeyKind, str] = {"ed25519": "EdDSA", "hmac": "HS256"}
"""The one algorithm that signs the tokens of each kind of key."""
AUDIENCE = "tickwire"
_NO_CHALLENGE = ".="
"""What else a key signs has one of these: a token a ".", the parameters of a request a "="."""
TOKEN_SECONDS_MAX = 3_600
"""Longest time from `iat` to `exp` of a token: whoever gets hold of one has it no longer than that."""


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key with its secret.

    Attributes:
        key: its public name on the server.
        kind: what its secret is.
        secret: 32 bytes in base64url without padding. The server has the same for "hmac", and only the public key
            that belongs to it for "ed25519".
        account: what it acts for.
        scopes: what it may do.
    """

    key: str
    kind: KeyKind
    secret: str
    account: str
    scopes: tuple[Scope, ...]

    def __repr__(self) -> str:
        return f"KeyFile(key={self.key!r}, kind={self.kind!r}, account={self.account!r}, scopes={self.scopes!r})"

    @classmethod
    def load(cls, path: Path) -> KeyFile:
        """The key in a file.

        Raises:
            ConfigError: it can't be read, or holds something else.
        """
        try:
            key = msgspec.json.decode(path.read_bytes(), type=cls)
            size = len(decode_base64url(key.secret))
        except (OSError, ValueError) as error:
            raise ConfigError(f"key file {path} can't be read: {error}") from None
        if size != SECRET_BYTES:
            raise ConfigError(f"key file {path} can't be read: its secret has {size} bytes, not {SECRET_BYTES}")
        return key

    def save(self, path: Path) -> None:
        """Write a new file that only its owner can read.

        Raises:
            FileExistsError: there is one already.
            OSError: it can't be written.
        """
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self)) + b"\n")

    def sign(self, challenge: str) -> str:
        """The answer to the challenge of a server's `hello`: base64url without padding.

        Raises:
            InvalidInput: the challenge is none of a tickwire server.
        """
        if any(char in challenge for char in _NO_CHALLENGE):
            # a false server could have itself a token signed, or an order
            raise InvalidInput("a challenge holds no '.' and no '='; do not trust this server", field="challenge")
        message = challenge.encode()
        if self.kind == "hmac":
            return encode_base64url(hmac.digest(self._secret(), message, hashlib.sha256))
        return encode_base64url(Ed25519PrivateKey.from_private_bytes(self._secret()).sign(message))

    def token(self, now_s: int, lifetime_s: int = 60) -> str:
        """A token (JWT, RFC 7519) that logs in until it expires.

        Args:
            now_s: seconds since the Unix epoch.
            lifetime_s: 1 to `TOKEN_SECONDS_MAX` seconds.

        Raises:
            InvalidInput: the lifetime is out of bounds.
        """
        if not 1 <= lifetime_s <= TOKEN_SECONDS_MAX:
            raise InvalidInput(f"lifetime_s must be 1 to {TOKEN_SECONDS_MAX}", field="lifetime_s")
        claims = {"sub": self.account, "aud": AUDIENCE, "iat": now_s, "exp": now_s + lifetime_s}
        secret = self._secret()
        signer = secret if self.kind == "hmac" else Ed25519PrivateKey.from_private_bytes(secret)
        return jwt.encode(claims, signer, ALGORITHMS[self.kind], headers={"kid": self.key})

    def _secret(self) -> bytes:
        return decode_base64url(self.secret)


def api_key(secret: bytes) -> str:
    """The API key that stands for the secret of an hmac key: a GUID (RFC 9562, version 4) that does not show it.

    It is no signature that a false server could ask for: `KeyFile.sign` signs no ".".
    """
    return str(uuid.UUID(bytes=hmac.digest(secret, b"tickwire.api-key", hashlib.sha256)[:16], version=4))


def encode_base64url(data: bytes) -> str:
    """Base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_base64url(text: str) -> bytes:
    """The inverse of `encode_base64url`, which takes only what that gives.

    Raises:
        ValueError: it is something else.
    """
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encode_base64url(data) != text:
        raise ValueError("this is no base64url without padding")
    return data
