"""API keys that are their own proof: a GUID that stands for an hmac key, for protocols that have nothing else."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from tickwire.keyfile import api_key
from tickwire.server.keys import Key, KeyStore


class ApiKeys:
    """Finds the hmac key of an API key, in the same time whether there is one or not.

    The index holds a keyed digest of each, so that the time of a look-up says nothing about the API keys there are.
    It is made anew at the first look-up after the keys have changed, here or in another process: 0.1 s for as many
    as there may be.
    """

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._secret = secrets.token_bytes(32)
        self._key_ids: dict[bytes, str] = {}
        self._version: tuple[int, int] | None = None

    def get(self, text: str) -> Key | None:
        """The key in force that an API key stands for, in capitals or small letters."""
        version = self._keys.version()
        if version != self._version:
            hmac_keys = (key for key in self._keys.list() if key.kind == "hmac")
            self._key_ids = {self._digest(api_key(key.verifier)): key.key_id for key in hmac_keys}
            self._version = version
        return self._keys.get(self._key_ids.get(self._digest(text.lower()), ""))

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._secret, text.encode(errors="replace"), hashlib.sha256)
