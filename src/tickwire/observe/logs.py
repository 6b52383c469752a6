"""Logs: one event a line, as text for people or as JSON for machines, and never a secret in either.

A record may carry fields: `log.info("logged in", extra={"session": …, "key": …})`. What looks like a secret is taken
out of the message, its arguments, the fields and the traceback before any of them is formatted.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from rich.console import Console
from rich.logging import RichHandler

from tickwire.errors import ConfigError

LogFormat: TypeAlias = Literal["text", "json"]

REDACTED = "[redacted]"

_WORDS = r"authorization|signature|secret|token|password|passphrase|private[_-]?key|api[_-]?key|verifier"
_IS_SECRET = re.compile(rf"(?i)(?:^|[_.-])(?:{_WORDS})$")
"""Names of fields whose values are secrets."""
_SECRETS = (
    # a private key in PEM (RFC 7468), also one that was cut off
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REDACTED),
    # an HTTP header's credentials, wherever they stand
    (re.compile(r"\b(Bearer|Basic)(\s+)[A-Za-z0-9+/=_.~-]{8,}", re.IGNORECASE), rf"\1\2{REDACTED}"),
    # "secret": "…", secret='…', ('authorization', '…'): up to the closing quote
    (
        re.compile(rf"""(?i)((?:{_WORDS})\\?["']?\s*[:=,]\s*[bru]?\\?)(["'])(?!\[redacted\]).*?(?:\2|\Z)"""),
        rf"\1\2{REDACTED}\2",
    ),
    # secret=…, Authorization: …: up to the next blank
    (
        re.compile(rf"(?i)((?:{_WORDS})\s*[:=]\s*)(?!\[redacted\]|Bearer\b|Basic\b|[\"'\[({{])[^\s,;)}}\]]+"),
        rf"\1{REDACTED}",
    ),
    # the end of a URL of CoinAPI's
    (re.compile(r"""(?i)(\bAPIKEY-)[^\s?"']+"""), rf"\1{REDACTED}"),
    # a token (JWT, RFC 7519)
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), REDACTED),
    # a GUID, as API keys are (RFC 9562, version 4)
    (re.compile(r"(?i)(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"), REDACTED),
    # base64 of 30 bytes or more, in capitals and small letters: a secret, a signature, a proof that was cut off
    (
        re.compile(r"(?<![A-Za-z0-9+_-])(?=[a-z0-9+_-]*[A-Z])(?=[A-Z0-9+_-]*[a-z])[A-Za-z0-9+_-]{40,}={0,2}"),
        REDACTED,
    ),
)
_BYTES = re.compile(r"""\bb(["'])(?:\\.|(?!\1)[^\\])*(?:\1|\Z)""")
_RAW_BYTES_MAX = 5
"""Bytes that are no text in a literal that may still be shown."""


def redact(text: str) -> str:
    """The text without what looks like a secret: credentials, tokens, signatures, keys, long base64."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return _BYTES.sub(_without_raw_bytes, text)


def _without_raw_bytes(literal: re.Match[str]) -> str:
    """Printed bytes, unless several of them are no text: then they are a raw key or a message in MessagePack."""
    return f"b'{REDACTED}'" if literal[0].count("\\x") > _RAW_BYTES_MAX else literal[0]


class Redaction(logging.Filter):
    """Takes secrets out of a record, for every handler that comes after."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: no record is held back."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = redact("".join(traceback.format_exception(record.exc_info[1])).rstrip("\n"))
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        for name, value in fields(record).items():
            record.__dict__[name] = REDACTED if _IS_SECRET.search(name) else _redacted(value)
        return True


def _redacted(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {
            redact(str(name)): REDACTED if _IS_SECRET.search(str(name)) else _redacted(each)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(each) for each in value]
    return redact(value if isinstance(value, str) else repr(value))


_STANDARD = frozenset((*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"))


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a record carries besides its message (`extra`)."""
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (UTC), `level`, `logger`, `event`, the record's fields, `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in fields(record).items() if name not in line}
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, default=repr)


class TextFormatter(logging.Formatter):
    """The message, then its fields as `name=value`."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The first line."""
        return " ".join([record.message, *(f"{name}={value}" for name, value in fields(record).items())])


def log_to_stderr(level: str, log_format: LogFormat = "text") -> None:
    """Log to stderr from this level on, one event a line, without secrets.

    Raises:
        ConfigError: there is no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigError(f"log level {level!r}: give debug, info, warning or error")
    handler: logging.Handler
    if log_format == "json":
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
    else:
        handler = RichHandler(console=Console(stderr=True, soft_wrap=True), show_path=False, log_time_format="[%X]")
        handler.setFormatter(TextFormatter())
    handler.addFilter(Redaction())
    logging.basicConfig(level=number, handlers=[handler])
    for library in ("uvicorn.error", "websockets"):
        logging.getLogger(library).setLevel(max(number, logging.WARNING))
