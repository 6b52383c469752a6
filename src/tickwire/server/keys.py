"""The keys of a server: one SQLite file, which `tickwire keys` changes while a server has it open.

The store keeps no key in memory: each question is answered from the file, in a few microseconds, so that nobody logs in
with a key that another process has revoked. Who is logged in is looked up again when `changed` says so. Revoking
deletes: who had a key is not the server's to remember.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tickwire.errors import ConfigError, InvalidInput
from tickwire.keyfile import SECRET_BYTES, KeyFile, KeyKind, encode_base64url
from tickwire.limits import KEYS_MAX
from tickwire.model.channel import CHANNELS
from tickwire.model.identity import DEMO_ACCOUNT, SCOPES, Scope

ALLOW_IPS_MAX = 32
"""Networks that one key may be used from: each login looks through them."""
SYMBOLS_MAX = 64
"""Symbols or beginnings that one key may be entitled to: each subscription looks through them."""
RSA_BITS_MIN = 2_048
"""The least that is thought safe (NIST SP 800-57, part 1)."""
RSA_BITS_MAX = 4_096
"""Each request that it signs is verified: twice the bits take four times as long."""
BUSY_SECONDS = 5
"""How long a change waits for another process's. Reading never waits (WAL)."""

KEY_ID = re.compile(r"[0-9a-f]{16}")
"""What the server calls a key."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,36}")
_PATTERN = re.compile(r"[A-Za-z0-9:._/-]{0,64}\*|[A-Za-z0-9:._/-]{1,64}")
_TABLE = """CREATE TABLE IF NOT EXISTS keys (
    key_id TEXT PRIMARY KEY, account TEXT, kind TEXT, verifier BLOB, scopes TEXT, allow_ips TEXT, name TEXT,
    channels TEXT NOT NULL DEFAULT '', symbols TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID"""
_ADDED_LATER = ("channels", "symbols")
"""Columns that the tables of older versions lack: their keys see everything."""

Proof: TypeAlias = KeyKind | Literal["rsa"]
"""What checks a signature. An rsa key is always its owner's own: only its public half ever comes here."""


class Key(NamedTuple):
    """A key as the server holds it.

    Attributes:
        key_id: its public name.
        account: what it acts for.
        kind: what `verifier` is.
        verifier: what checks a signature: the public key of 32 bytes for "ed25519", that in DER
            (SubjectPublicKeyInfo, RFC 5280) for "rsa", the shared secret of 32 bytes for "hmac".
        scopes: what it may do.
        allow_ips: networks it may be used from; none means everywhere.
        name: a note of the operator's.
        channels, symbols: what it may see of the market; see `Identity`.
    """

    key_id: str
    account: str
    kind: Proof
    verifier: bytes
    scopes: tuple[Scope, ...]
    allow_ips: tuple[str, ...]
    name: str
    channels: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Key(key_id={self.key_id!r}, account={self.account!r}, kind={self.kind!r}, scopes={self.scopes!r})"


_Keys: TypeAlias = list[Key]
_Columns: TypeAlias = list[str]


class KeyStore:
    """The keys that are in force. Every method may raise ConfigError: the file can't be used.

    Args:
        path: made with its folder when missing, readable only by its owner; None keeps the keys in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        with self._named():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                # the mode also holds for the files that SQLite makes beside it
                with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb") as file:
                    os.fchmod(file.fileno(), 0o600)
            self._db = sqlite3.connect(
                path or ":memory:", isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
            )
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._migrate()
            except sqlite3.Error:
                self._db.close()
                raise
        self._seen = self.version()

    def create(
        self,
        account: str,
        *,
        scopes: Sequence[str],
        kind: KeyKind,
        allow_ips: Sequence[str] = (),
        name: str = "",
        channels: Sequence[str] = (),
        symbols: Sequence[str] = (),
    ) -> tuple[Key, KeyFile]:
        """A new key, in force from now on. What is returned second is its owner's, and nowhere else.

        Args:
            account: 1 to 36 letters, digits, '.', '_' or '-'.
            scopes: at least one of `SCOPES`.
            kind: "ed25519", of which the server has the public key only, or "hmac".
            allow_ips: addresses or networks (CIDR) it may be used from, v4 or v6; none means everywhere.
            name: a note, made like an account; "" for none.
            channels: the public ones that it may see; none means all.
            symbols: what it may see of them, each exact or, with `*` at its end, a beginning; none means all.

        Raises:
            InvalidInput: one of these is wrong, or there are `KEYS_MAX` keys already.
        """
        if kind not in ("ed25519", "hmac"):
            raise InvalidInput(f"no kind {kind!r}; there are ed25519 and hmac", field="kind")
        secret = verifier = secrets.token_bytes(SECRET_BYTES)
        if kind == "ed25519":
            verifier = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        key = self._add(account, kind, verifier, scopes, allow_ips, name, channels, symbols)
        return key, KeyFile(key.key_id, kind, encode_base64url(secret), account, key.scopes)

    def enroll(
        self,
        account: str,
        public_key: bytes,
        *,
        scopes: Sequence[str],
        allow_ips: Sequence[str] = (),
        name: str = "",
        channels: Sequence[str] = (),
        symbols: Sequence[str] = (),
    ) -> Key:
        """A key that its owner has made, in force from now on.

        Args:
            public_key: in PEM (SubjectPublicKeyInfo): Ed25519, or RSA of `RSA_BITS_MIN` to `RSA_BITS_MAX` bits.
            account, scopes, allow_ips, name, channels, symbols: as in `create`.

        Raises:
            InvalidInput: one of these is wrong, or there are `KEYS_MAX` keys already.
        """
        kind, verifier = _verifier(public_key)
        return self._add(account, kind, verifier, scopes, allow_ips, name, channels, symbols)

    def _add(
        self,
        account: str,
        kind: Proof,
        verifier: bytes,
        scopes: Sequence[str],
        allow_ips: Sequence[str],
        name: str,
        channels: Sequence[str],
        symbols: Sequence[str],
    ) -> Key:
        _check_name(account, "account")
        if account == DEMO_ACCOUNT:
            raise InvalidInput("the account demo is for everybody, without a key; take another name", field="account")
        if name:
            _check_name(name, "name")
        for scope in scopes:
            if scope not in SCOPES:
                raise InvalidInput(f"no scope {scope!r}; there are {', '.join(SCOPES)}", field="scopes")
        if not scopes:
            raise InvalidInput(f"give at least one of {', '.join(SCOPES)}", field="scopes")
        _check_entitlements(channels, symbols)
        granted = [scope for scope in SCOPES if scope in scopes]
        lists = (",".join(texts) for texts in (granted, _networks(allow_ips), channels, symbols))
        joined_scopes, joined_networks, joined_channels, joined_symbols = lists
        row = (
            secrets.token_hex(8),
            account,
            kind,
            verifier,
            joined_scopes,
            joined_networks,
            name,
            joined_channels,
            joined_symbols,
        )
        with self._named():
            # counted in the same statement, so that two processes can't pass the bound together
            inserted = self._db.execute(
                "INSERT INTO keys SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM keys) < ?",
                (*row, KEYS_MAX),
            )
        if not inserted.rowcount:
            raise InvalidInput(f"there are {KEYS_MAX} keys, the most there may be; revoke some first")
        return _key(row)

    def get(self, key_id: str) -> Key | None:
        """The key of this name, if it is in force."""
        if not key_id.isascii():  # what is no Unicode text can't be asked for
            return None
        with self._named():
            row = self._db.execute("SELECT * FROM keys WHERE key_id = ?", (key_id,)).fetchone()
        return None if row is None else _key(row)

    def revoke(self, key_id: str) -> None:
        """Take a key out of force for good.

        Raises:
            InvalidInput: there is no such key.
        """
        with self._named():
            deleted = self._db.execute("DELETE FROM keys WHERE key_id = ?", (key_id,))
        if not deleted.rowcount:
            raise InvalidInput(f"no key {key_id!r}; `tickwire keys list` shows those there are", field="key_id")

    def changed(self) -> bool:
        """Whether keys were created or revoked, here or by another process, since the last call or the opening."""
        version = self.version()
        if version == self._seen:
            return False
        self._seen = version
        return True

    def close(self) -> None:
        """Give the file back. Nothing else may be called afterwards."""
        self._db.close()

    def list(self) -> _Keys:
        """Every key in force, by account and name."""
        with self._named():
            return [_key(row) for row in self._db.execute("SELECT * FROM keys ORDER BY account, name, key_id")]

    def version(self) -> tuple[int, int]:
        """Changes when another connection has changed the file, and when this one has."""
        with self._named(), closing(self._db.execute("PRAGMA data_version")) as cursor:
            return cursor.fetchone()[0], self._db.total_changes

    def _migrate(self) -> None:
        """Make the table, or bring that of an older version up to date."""
        self._db.execute(_TABLE)
        if self._columns_missing():
            self._db.execute("BEGIN IMMEDIATE")  # another process may be about it, too
            for name in self._columns_missing():
                self._db.execute(f"ALTER TABLE keys ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
            self._db.execute("COMMIT")

    def _columns_missing(self) -> _Columns:
        present = {row[1] for row in self._db.execute("PRAGMA table_info(keys)")}
        return [name for name in _ADDED_LATER if name not in present]

    @contextmanager
    def _named(self) -> Iterator[None]:
        """What goes wrong with the file is said with its name."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(f"the keys in {self._path or 'memory'} can't be used: {error}") from error


def _key(row: tuple[str, str, Proof, bytes, str, str, str, str, str]) -> Key:
    key_id, account, kind, verifier, scopes, allow_ips, name, channels, symbols = row
    granted = tuple(scope for scope in SCOPES if scope in scopes.split(","))
    return Key(key_id, account, kind, verifier, granted, _split(allow_ips), name, _split(channels), _split(symbols))


def _verifier(public_key: bytes) -> tuple[Proof, bytes]:
    """Kind and verifier of a public key in PEM."""
    try:
        key = load_pem_public_key(public_key)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, Ed25519PublicKey):
        return "ed25519", key.public_bytes_raw()
    if isinstance(key, RSAPublicKey) and RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        return "rsa", key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = f"give an Ed25519 public key in PEM, or an RSA one of {RSA_BITS_MIN} to {RSA_BITS_MAX} bits"
    raise InvalidInput(text, field="public_key")


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _check_name(text: str, field: str) -> None:
    if not _NAME.fullmatch(text):
        raise InvalidInput(f"{field} must be 1 to 36 letters (a-z, A-Z), digits, '.', '_' or '-'", field=field)


def _check_entitlements(channels: Sequence[str], symbols: Sequence[str]) -> None:
    for channel in channels:
        if channel not in CHANNELS:
            raise InvalidInput(f"no public channel {channel!r}; there are {', '.join(CHANNELS)}", field="channels")
    if len(symbols) > SYMBOLS_MAX:
        raise InvalidInput(f"at most {SYMBOLS_MAX} symbols a key", field="symbols")
    for index, pattern in enumerate(symbols):
        if not _PATTERN.fullmatch(pattern):
            text = f"{pattern!r}: give a symbol such as SIM:BTC-USDT, or a beginning and *, such as SIM:*"
            raise InvalidInput(text, field=f"symbols[{index}]")


def _networks(texts: Sequence[str]) -> tuple[str, ...]:
    if len(texts) > ALLOW_IPS_MAX:
        raise InvalidInput(f"at most {ALLOW_IPS_MAX} networks a key", field="allow_ips")
    networks = []
    for index, text in enumerate(texts):
        try:
            networks.append(str(ipaddress.ip_network(text)))
        except ValueError as error:
            raise InvalidInput(f"{error}; give an address or CIDR", field=f"allow_ips[{index}]") from None
    return tuple(networks)
