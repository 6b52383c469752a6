"""The certificate of the port, which is read again when its files change: no restart is needed when it is renewed."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from tickwire.errors import ConfigError

log = logging.getLogger(__name__)


class Certificate:
    """A certificate and its key, from two PEM files.

    Attributes:
        context: for the sockets that the server accepts. Each handshake takes the certificate that is newest then.

    Raises:
        ConfigError: the files can't be used; the message says why.
    """

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert, self._key = cert, key
        self._seen = self._stamps()
        self.context = self._newest = self._load()
        self.context.sni_callback = self._choose

    def refresh(self) -> None:
        """Take the files if they have changed. What can't be used leaves things as they are, and the log says why."""
        stamps = self._stamps()
        if stamps == self._seen:
            return
        self._seen = stamps
        try:
            self._newest = self._load()
        except ConfigError as error:
            log.error("%s; new connections go on with the certificate from before", error)
        else:
            log.info("new connections get the certificate that is in %s now", self._cert)

    def _choose(self, handshake: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        handshake.context = self._newest

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION  # with which a client can have the server work for little of its own
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._cert, self._key, password="")  # never ask a terminal for one
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"the certificate in {self._cert} with the key in {self._key} can't be used: {error}; give PEM files "
                "that belong together, the key without a password"
            ) from None
        return context

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        """What changes when a file does."""
        return [_stamp(path) for path in (self._cert, self._key)]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
