"""The ways to show an API key: two headers, a parameter and a suffix of the URL, and `Authorization`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote

from tickwire.dialects.base import Keys
from tickwire.errors import InvalidInput
from tickwire.model.identity import Identity

INVALID_KEY = "Invalid API key"

_HEADERS = ("x-coinapi-key", "x-apibricks-key")
_SUFFIX = "APIKEY-"
_USER = "coinapi"


def split_path(path: str) -> tuple[list[str], str]:
    """The parts of a path, and the key that stands in its last one, `/APIKEY-KEY`; "" for none."""
    parts = [part for part in path.split("/") if part]
    key = unquote(parts.pop()[len(_SUFFIX) :]) if parts and parts[-1].upper().startswith(_SUFFIX) else ""
    return parts, key


def api_key(headers: Mapping[str, str], path: str, query: str) -> str:
    """The key that a request shows, "" for none. `Authorization` is looked at last, and may hold something else."""
    named = next((headers[name] for name in _HEADERS if headers.get(name)), "")
    asked = next((values[-1] for name, values in parse_qs(query).items() if name.lower() == "apikey"), "")
    return named.strip() or asked or split_path(path)[1] or _authorization_key(headers.get("authorization", ""))


def identify(
    keys: Keys, *, headers: Mapping[str, str], path: str, query: str, ip: str, token: Identity | None, apikey: str = ""
) -> Identity | None:
    """Who is asking; None for nobody.

    Args:
        token: whom the `Authorization` stands for, if that is a proof of our own. Another `Bearer` is a token that the
            owner of the key has signed.
        apikey: the key that a message holds.

    Raises:
        InvalidInput: `login_failed`: the key or the token is wrong, or they are not of the same account; or
            `rate_limited` after many of those.
    """
    authorization = headers.get("authorization", "")
    key = apikey or api_key(headers, path, query)
    scheme, _, bearer = authorization.strip().partition(" ")
    signed = bearer.strip() if token is None and scheme.lower() == "bearer" else ""
    if authorization and token is None and not (_authorization_key(authorization) or (key and signed)):
        raise InvalidInput(INVALID_KEY, code="login_failed")
    if not key:
        return token
    try:
        identity = keys.token_on(key, signed, ip) if signed else keys.api_key(key, ip)
    except InvalidInput as error:
        if error.code != "login_failed":
            raise
        raise InvalidInput(INVALID_KEY, field="apikey", code="login_failed") from None
    if token is not None and token.account != identity.account:
        raise InvalidInput(INVALID_KEY, field="apikey", code="login_failed")
    return identity


def _authorization_key(value: str) -> str:
    """The key in an `Authorization`: `KEY`, or `Basic` with the user `coinapi`; "" where it holds something else."""
    scheme, _, proof = value.strip().partition(" ")
    if not proof:
        return scheme
    if scheme.lower() != "basic":
        return ""
    try:
        user, _, password = base64.b64decode(proof.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return password if user == _USER else ""
