"""The key store, the key file and `tickwire keys`."""

from __future__ import annotations

import hashlib
import hmac
import json
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from tickwire.cli.main import app
from tickwire.errors import ConfigError, InvalidInput
from tickwire.keyfile import KeyFile, KeyKind, api_key, decode_base64url, encode_base64url
from tickwire.server import keys
from tickwire.server.keys import Key, KeyStore

NOW_S = 1_700_000_000


@pytest.fixture
def store() -> Iterator[KeyStore]:
    with closing(KeyStore(None)) as store:
        yield store


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---- the store -----------------------------------------------------------------------------------


def test_of_an_ed25519_key_only_the_public_part_is_kept(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path / "new" / "keys.db")) as store:
        key, file = store.create("alice", scopes=["trade", "read"], kind="ed25519", allow_ips=["::1"], name="laptop")
        expected = Key(key.key_id, "alice", "ed25519", key.verifier, ("read", "trade"), ("::1/128",), "laptop")
        assert key == expected
        assert store.get(key.key_id) == expected
        assert store.list() == [expected]
        assert (file.key, file.kind, file.account, file.scopes) == (key.key_id, "ed25519", "alice", ("read", "trade"))
        secret = decode_base64url(file.secret)
        for path in (tmp_path / "new").iterdir():
            assert mode(path) == 0o600
            assert secret not in path.read_bytes()
        Ed25519PublicKey.from_public_bytes(key.verifier).verify(decode_base64url(file.sign("abc")), b"abc")


def test_of_an_hmac_key_both_have_the_secret(store: KeyStore) -> None:
    key, file = store.create("bob", scopes=["admin"], kind="hmac")
    assert len(key.verifier) == 32
    assert encode_base64url(key.verifier) == file.secret
    assert decode_base64url(file.sign("abc")) == hmac.digest(key.verifier, b"abc", hashlib.sha256)


def test_keys_outlive_the_process_and_are_listed_by_account(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    with closing(KeyStore(path)) as store:
        made = [store.create(name, scopes=["read"], kind="hmac")[0] for name in ("carol", "alice", "bob")]
    path.chmod(0o644)
    with closing(KeyStore(path)) as store:
        assert store.list() == [made[1], made[2], made[0]]
        assert store.get(made[0].key_id) == made[0]
    assert mode(path) == 0o600


def test_another_process_is_seen_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    with closing(KeyStore(path)) as server, closing(KeyStore(path)) as command:
        assert not server.changed()
        key, _ = command.create("alice", scopes=["read"], kind="hmac")
        assert server.get(key.key_id) == key
        assert [server.changed(), server.changed()] == [True, False]
        command.revoke(key.key_id)
        assert server.get(key.key_id) is None
        assert [server.changed(), server.changed()] == [True, False]
        own, _ = server.create("bob", scopes=["read"], kind="hmac")
        assert [server.changed(), server.changed()] == [True, False]
        assert command.list() == [own]


def test_only_a_key_there_is_can_be_revoked(store: KeyStore) -> None:
    key, _ = store.create("alice", scopes=["read"], kind="hmac")
    other, _ = store.create("alice", scopes=["read"], kind="hmac")
    store.revoke(key.key_id)
    with pytest.raises(InvalidInput, match=f"no key '{key.key_id}'") as error:
        store.revoke(key.key_id)
    assert error.value.field == "key_id"
    assert store.list() == [other]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"account": ""}, "account"),
        ({"account": "a" * 37}, "account"),
        ({"account": "@market"}, "account"),
        ({"account": "two words"}, "account"),
        ({"account": "zoë"}, "account"),
        ({"account": "line\n"}, "account"),
        ({"name": "a/b"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["read", "write"]}, "scopes"),
        ({"kind": "rsa"}, "kind"),
        ({"allow_ips": ["10.0.0.0/8", "10.0.0.1/8"]}, "allow_ips[1]"),
        ({"allow_ips": ["localhost"]}, "allow_ips[0]"),
        ({"allow_ips": ["10.0.0.1"] * 33}, "allow_ips"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(store: KeyStore, wrong: dict[str, Any], field: str) -> None:
    given: dict[str, Any] = {"account": "alice", "scopes": ["read"], "kind": "hmac"} | wrong
    with pytest.raises(InvalidInput) as error:
        store.create(given.pop("account"), **given)
    assert error.value.field == field
    assert store.list() == []


def test_what_an_account_may_be_called(store: KeyStore) -> None:
    for account in ("a" * 36, "A.b_c-9"):
        assert store.create(account, scopes=["read"], kind="hmac")[0].account == account


def test_keys_are_bounded(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "KEYS_MAX", 2)
    first, _ = store.create("a", scopes=["read"], kind="hmac")
    second, _ = store.create("b", scopes=["read"], kind="hmac")
    with pytest.raises(InvalidInput, match="there are 2 keys, the most there may be"):
        store.create("c", scopes=["read"], kind="hmac")
    assert store.list() == [first, second]
    store.revoke(first.key_id)
    assert store.create("c", scopes=["read"], kind="hmac")[0].account == "c"


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    path.write_bytes(b"not a database, and long enough to be looked at" * 100)
    with pytest.raises(ConfigError, match=r"keys in .*keys\.db can't be used: file is not a database"):
        KeyStore(path)


def test_no_representation_shows_a_secret(store: KeyStore) -> None:
    key, file = store.create("alice", scopes=["read"], kind="hmac")
    assert file.secret not in repr(file)
    assert repr(key.verifier)[2:10] not in repr(key)
    assert repr(key) == f"Key(key_id='{key.key_id}', account='alice', kind='hmac', scopes=('read',))"


# ---- the key file --------------------------------------------------------------------------------


def test_a_key_file_is_private_and_never_overwritten(store: KeyStore, tmp_path: Path) -> None:
    path = tmp_path / "alice.key"
    _, file = store.create("alice", scopes=["read", "trade"], kind="ed25519")
    file.save(path)
    assert mode(path) == 0o600
    assert json.loads(path.read_text()) == {
        "key": file.key,
        "kind": "ed25519",
        "secret": file.secret,
        "account": "alice",
        "scopes": ["read", "trade"],
    }
    assert KeyFile.load(path) == file
    with pytest.raises(FileExistsError):
        store.create("bob", scopes=["read"], kind="hmac")[1].save(path)
    assert KeyFile.load(path) == file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "rsa"}, "Invalid enum value 'rsa'"),
        ({"secret": "AAAA"}, "its secret has 3 bytes, not 32"),
        ({"secret": "A" * 42 + "B"}, "no base64url"),
        ({"secret": "A" * 42 + "="}, "can't be read"),
        ({"scopes": ["all"]}, "Invalid enum value 'all'"),
        ({"more": 1}, "unknown field `more`"),
    ],
)
def test_a_wrong_key_file_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "a.key"
    right = {"key": "k", "kind": "hmac", "secret": "A" * 43, "account": "a", "scopes": ["read"]}
    path.write_text(json.dumps(right))
    assert KeyFile.load(path).key == "k"
    path.write_text(json.dumps(right | change))
    with pytest.raises(ConfigError, match=message):
        KeyFile.load(path)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"key file .*none\.key can't be read: .*No such file"):
        KeyFile.load(tmp_path / "none.key")


def test_the_signature_of_rfc_8032() -> None:
    """Section 7.1, test 1 has an empty message: private key, then signature."""
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    signature = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    file = KeyFile("k", "ed25519", encode_base64url(secret), "a", ("read",))
    assert decode_base64url(file.sign("")).hex() == signature


def test_the_mac_of_rfc_2104_over_utf8() -> None:
    file = KeyFile("k", "hmac", encode_base64url(b"s" * 32), "a", ("read",))
    expected = hmac.new(b"s" * 32, "ü".encode(), "sha256").digest()
    assert file.sign("ü") == encode_base64url(expected)
    assert "=" not in file.sign("ü")


def test_a_token_is_not_signed_as_a_challenge(store: KeyStore) -> None:
    _, file = store.create("alice", scopes=["read"], kind="ed25519")
    signed_text = file.token(NOW_S).rpartition(".")[0]
    with pytest.raises(InvalidInput, match="do not trust this server"):
        file.sign(signed_text)


@pytest.mark.parametrize(("kind", "algorithm"), [("ed25519", "EdDSA"), ("hmac", "HS256")])
def test_what_a_token_says(store: KeyStore, kind: KeyKind, algorithm: str) -> None:
    _, file = store.create("alice", scopes=["read"], kind=kind)
    token = file.token(NOW_S)
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "kid": file.key, "typ": "JWT"}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims == {"sub": "alice", "aud": "tickwire", "iat": NOW_S, "exp": NOW_S + 60}


def test_the_lifetime_of_a_token_is_bounded(store: KeyStore) -> None:
    _, file = store.create("alice", scopes=["read"], kind="hmac")
    longest = jwt.decode(file.token(NOW_S, 3600), options={"verify_signature": False})
    assert longest["exp"] == NOW_S + 3600
    for wrong in (0, 3601):
        with pytest.raises(InvalidInput, match="lifetime_s must be 1 to 3600"):
            file.token(NOW_S, wrong)


@pytest.mark.parametrize("text", ["AA==", "A", "AB", "A+A", "A A", "ü", "AA\n"])
def test_base64url_has_one_spelling(text: str) -> None:
    assert decode_base64url("AA") == b"\0"
    assert decode_base64url("_-8") == b"\xff\xef"
    with pytest.raises(ValueError):  # noqa: PT011 - binascii has its own messages
        decode_base64url(text)


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TICKWIRE_DATA_DIR", raising=False)
    monkeypatch.delenv("TICKWIRE_CONFIG", raising=False)


def run(*arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)"""
    result = CliRunner().invoke(app, ["keys", *arguments], prog_name="tickwire")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def held(folder: Path) -> list[Key]:
    with closing(KeyStore(folder / "keys.db")) as store:
        return store.list()


@pytest.mark.usefixtures("_alone")
def test_create_list_revoke(tmp_path: Path) -> None:
    code, out, err = run("create", "--account", "alice")
    file = KeyFile.load(tmp_path / "alice.key")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{file.key} is in force for alice (read, trade); no restart is needed",
        "alice.key is its only copy: hand it to its owner, keep it secret",
    ]
    assert mode(tmp_path / "alice.key") == 0o600
    [key] = held(tmp_path / "data")
    assert (key.key_id, key.kind, key.scopes, key.allow_ips) == (file.key, "ed25519", ("read", "trade"), ())

    code, out, err = run(
        *("create", "--account", "bob", "--scopes", "admin, read", "--kind", "hmac", "--name", "ops"),
        *("--allow-ip", "10.0.0.0/8", "--allow-ip", "::1", "--out", "b.key"),
    )
    other = KeyFile.load(tmp_path / "b.key")
    assert (code, other.kind, other.scopes) == (0, "hmac", ("read", "admin"))
    shown = api_key(decode_base64url(other.secret))
    assert out.splitlines()[2:] == [f"{shown} is the same as an API key for /binance and /coinapi: as secret"]

    code, out, err = run("list")
    assert [line.split() for line in out.splitlines()] == [
        ["key", "account", "scopes", "kind", "from", "sees", "name"],
        [file.key, "alice", "read,trade", "ed25519", "anywhere", "everything"],
        [other.key, "bob", "read,admin", "hmac", "10.0.0.0/8", "::1/128", "everything", "ops"],
    ]

    assert run("revoke", file.key) == (0, f"{file.key} is revoked\n", "")
    assert [key.account for key in held(tmp_path / "data")] == ["bob"]
    assert run("revoke", file.key)[::2] == (
        2,
        f"tickwire: no key '{file.key}'; `tickwire keys list` shows those there are\n",
    )


@pytest.mark.usefixtures("_alone")
def test_a_key_that_its_owner_has_made(tmp_path: Path) -> None:
    public = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "bob.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    code, out, err = run("create", "--account", "bob", "--scopes", "read", "--public-key", "bob.pem", "--name", "own")
    [key] = held(tmp_path / "data")
    assert (key.account, key.kind, key.verifier, key.scopes) == ("bob", "ed25519", public.public_bytes_raw(), ("read",))
    assert (code, out, err) == (0, f"{key.key_id} is in force for bob (read); no restart is needed\n", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bob.pem", "data"]


@pytest.mark.usefixtures("_alone")
def test_the_folder_is_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKWIRE_DATA_DIR", "elsewhere")
    assert run("create", "--account", "alice")[0] == 0
    assert [key.account for key in held(tmp_path / "elsewhere")] == ["alice"]


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        ([], 2, "Missing command; see tickwire keys --help"),
        (["create"], 2, "Missing option '--account'; see tickwire keys create --help"),
        (
            ["create", "--account", "@x"],
            2,
            "account must be 1 to 36 letters (a-z, A-Z), digits, '.', '_' or '-'",
        ),
        (["create", "--account", "a", "--scopes", "all"], 2, "no scope 'all'; there are read, trade, admin"),
        (["create", "--account", "a", "--allow-ip", "x"], 2, "'x' does not appear to be an IPv4 or IPv6 network; "),
        (["create", "--account", "a", "--out", "taken"], 2, "taken exists already; give another name with --out"),
        (["create", "--account", "a", "--public-key", "taken"], 2, "give an Ed25519 public key in PEM, or an RSA one"),
        (["create", "--account", "a", "--public-key", "missing"], 1, "missing: No such file or directory"),
        (["create", "--account", "a", "--public-key", "taken", "--out", "b"], 2, "--public-key makes no key file"),
        (["create", "--account", "a", "--out", "no/a.key"], 1, "no/a.key: No such file or directory"),
    ],
)
def test_what_goes_wrong_is_one_line_and_leaves_no_key(
    tmp_path: Path, arguments: list[str], code: int, line: str
) -> None:
    (tmp_path / "taken").write_text("precious")
    got, out, err = run(*arguments)
    assert (got, out, err.count("\n")) == (code, "", 1)
    assert err.startswith(f"tickwire: {line}")
    assert held(tmp_path / "data") == []
    assert (tmp_path / "taken").read_text() == "precious"
