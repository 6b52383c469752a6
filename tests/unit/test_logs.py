"""Logs: what a line holds, and that no secret gets into one, from whichever call it comes."""

from __future__ import annotations

import ast
import base64
import io
import json
import logging
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tickwire.errors import ConfigError
from tickwire.keyfile import KeyFile, api_key, decode_base64url
from tickwire.observe.logs import JsonFormatter, Redaction, TextFormatter, log_to_stderr, redact
from tickwire.server.keys import KeyStore

SOURCE = Path(__file__).parents[2] / "src" / "tickwire"
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")


def keys() -> list[KeyFile]:
    """A key of each kind, as its owner holds it."""
    store = KeyStore(None)
    made = [store.create("alice", scopes=["trade"], kind=kind)[1] for kind in ("ed25519", "hmac")]
    store.close()
    return made


def real_secrets() -> dict[str, str]:
    """Secrets as they are in use, by what they are. Each value must not be seen, nor any longer part of it."""
    found = {}
    for key in keys():
        found[f"secret of {key.kind}"] = key.secret
        found[f"signature with {key.kind}"] = key.sign("challenge of a hello")
        found[f"token with {key.kind}"] = key.token(time.time_ns())
        if key.kind == "hmac":
            found["api key"] = api_key(decode_base64url(key.secret))
    found["basic"] = base64.b64encode(f"{key.key}:{key.secret}".encode()).decode()
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    found["private key"] = pem.split("\n")[1]
    return found


def ways_in(name: str, secret: str) -> list[str]:
    """Texts in which that secret could reach a log."""
    ways = [
        json.dumps({"id": 1, "method": "auth.login", "params": {"key": "77aa", "signature": secret, "token": secret}}),
        repr({"secret": secret}),
        repr([(b"authorization", f"Basic {secret}".encode())]),
        f"Authorization: Bearer {secret}",
        f"GET /api/v1/orders authorization=Basic {secret}",
        f"GET /coinapi/v1/APIKEY-{secret}",
        f"token={secret[:24]} was cut off",
        f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----",
    ]
    return ways if name in ("basic", "private key") else [*ways, f"can't do {secret}", secret]


def pieces(secret: str) -> list[str]:
    """What of a secret must not be seen: none of its parts that could not be there by chance."""
    return [secret[at : at + 12] for at in range(0, len(secret) - 11, 12)]


SECRETS = real_secrets()


@pytest.fixture(params=["json", "text"])
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What is logged below `tickwire`, as the command writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if request.param == "json" else TextFormatter())
    handler.addFilter(Redaction())
    logger = logging.getLogger("tickwire")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def call_sites() -> list[Any]:
    """(logger, level, format, number of arguments, fields) of every call of a logger in the source."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        module = "tickwire." + ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id in ("log", "logger", "logging")):
                continue
            message = node.args[0]
            assert isinstance(message, ast.Constant), f"{module}:{node.lineno}: the message is not a constant"
            assert isinstance(message.value, str)
            site = (module, node.func.attr, message.value, len(node.args) - 1)
            found.append(pytest.param(*site, id=f"{module}:{message.value[:30]}"))
    return found


def failing(with_secret: str) -> None:
    raise ValueError(f"could not read {with_secret}")


def test_the_call_sites_are_found() -> None:
    modules = {site.values[0] for site in call_sites()}
    assert {"tickwire.server.app", "tickwire.server.socket", "tickwire.server.pipeline"} <= modules
    assert len(call_sites()) >= 12


@pytest.mark.parametrize(("module", "level", "message", "count"), call_sites())
def test_no_call_of_a_logger_lets_a_secret_out(
    lines: io.StringIO, module: str, level: str, message: str, count: int
) -> None:
    """Each call is made with secrets for its arguments, in its traceback and in its fields."""
    for name, secret in SECRETS.items():
        for text in ways_in(name, secret):
            numbers = [conversion in "dg" for conversion in _conversions(message)]
            arguments = [1 if number else ValueError(text) for number in numbers]
            assert len(arguments) == count
            try:
                failing(text)
            except ValueError:
                extra = {"about": text, "nested": {"headers": [text]}, "secret": secret[:5], "raw": text.encode()}
                getattr(logging.getLogger(module), level)(message, *arguments, exc_info=True, extra=extra)
            written = lines.getvalue()
            assert written.count("ValueError: could not read") == 1, written
            assert "in failing" in written
            for piece in [*pieces(secret), f'"{secret[:5]}"', f"={secret[:5]} "]:
                assert piece not in written, f"{name}: {written}"
            lines.seek(0)
            lines.truncate()


def _conversions(message: str) -> list[str]:
    return [part[0] for part in message.split("%")[1:] if part]


def test_raw_keys_and_messages_in_msgpack_are_taken_out() -> None:
    key = secrets.token_bytes(32)
    assert redact(f"no such key {key!r} here") == "no such key b'[redacted]' here"
    assert redact("read b'GET /ws\\r\\n' and left") == "read b'GET /ws\\r\\n' and left"


@pytest.mark.parametrize(
    "text",
    [
        "session 9f3c0a1b2c3d4e5f of key 77aa0a1b2c3d4e5f, epoch ab2616ecd5641f21",
        'File "/srv/tickwire/lib/python3.11/site-packages/tickwire/server/socket.py", line 12, in data_received',
        "the_name_of_a_function_that_is_longer_than_any_secret_would_be",
        "feed recorded:binance is down: line 3 of BTCUSDT-trades-2024-11-21.csv.gz has 5 fields, not 7",
        "order 172900000001 of alice: 0.0100000000000000000000000000000000000001 is no multiple of the lot size",
        "digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("text", ["A" * 65_536, "secret='" * 8_192, "eyJ" * 21_845, "b'\\x00" * 10_922, "aB" * 32_768])
def test_a_long_hostile_message_is_read_whole(text: str) -> None:
    assert len(redact(text * 16)) <= 32 * len(text)  # in quadratic time this would take the suite's


def test_a_json_line_holds_the_event_its_fields_and_the_traceback(lines: io.StringIO) -> None:
    log = logging.getLogger("tickwire.test")
    fields = {"session": "9f3c", "key": "77aa", "count": 3, "ok": True, "nothing": None, "level": "mine"}
    try:
        failing("\n x")
    except ValueError:
        log.exception("a session has failed: %s", "line\nbreak", extra=fields)
    first, *rest = lines.getvalue().splitlines()
    if not first.startswith("{"):
        assert first == "a session has failed: line"
        assert rest[0] == "break session=9f3c key=77aa count=3 ok=True nothing=None level=mine"
        assert rest[1] == "Traceback (most recent call last):"
        return
    assert rest == []
    line = json.loads(first)
    assert line.pop("time").endswith("+00:00")
    assert line.pop("exception").endswith("ValueError: could not read \n x")
    assert line == {
        "level": "error",
        "logger": "tickwire.test",
        "event": "a session has failed: line\nbreak",
        **{name: value for name, value in fields.items() if name != "level"},
    }


def test_what_no_encoding_has_is_escaped_in_json() -> None:
    record = logging.LogRecord("tickwire.test", logging.INFO, "", 0, "half of a pair: %s", ("\ud800",), None)
    assert '"half of a pair: \\ud800"' in JsonFormatter().format(record)


def test_an_unknown_level_is_an_error() -> None:
    with pytest.raises(ConfigError, match="log level 'loud': give debug, info, warning or error"):
        log_to_stderr("loud")
