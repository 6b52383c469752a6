"""Closed candles on disk: one SQLite file beside the tape, from which `history` is answered.

    candles.db           the newest candles of each instrument and interval, and the steps that they are counted in
    candles.db-wal       SQLite's log of what is not in candles.db yet
    candles.db.broken    what was damaged, to be deleted by hand

The tape is the truth: a candle is stored when the fold closes it, and again when a restart folds the same records. The
file is synced with each snapshot of the market, from which a restart folds, so a power cut costs no candle; what it
holds from beyond the tape's end is dropped. A damaged file is moved aside and begun anew: of what is before the
newest snapshot nothing comes back. Failures here are logged and never stop the server.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import astuple

from tickwire.limits import CANDLES_KEPT_MAX
from tickwire.model.channel import CANDLE_INTERVALS_NS
from tickwire.model.events import Candle
from tickwire.model.instrument import Instrument

log = logging.getLogger(__name__)

T = TypeVar("T")

_VERSION = 1
_TABLES = (
    """CREATE TABLE IF NOT EXISTS candles (
        symbol TEXT, interval INTEGER, start INTEGER, body BLOB, PRIMARY KEY (symbol, interval, start)
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS steps (symbol TEXT PRIMARY KEY, steps TEXT) STRICT, WITHOUT ROWID",
)
_encode = msgspec.json.Encoder().encode  # whose integers may have any size
_decode = msgspec.json.Decoder(list[Any]).decode


class CandleStore:
    """A `History` that is filled by whoever folds the tape. Of each symbol and interval it has the candles of the
    newest `CANDLES_KEPT_MAX` intervals.

    Args:
        path: the file; None keeps the candles in memory. Only one process may have it open: that with the tape.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._failing = False
        self._steps: dict[str, str] = {}
        try:
            self._db = self._open(path)
        except sqlite3.Error as error:
            self._begin_anew(error)

    # ---- reading ---------------------------------------------------------------------------------

    def candles(
        self, symbol: str, interval: str, *, start: int = 0, end: int = 2**63 - 1, limit: int, newest: bool = True
    ) -> list[Candle]:
        """See `History.candles`."""
        query = f"""SELECT body FROM candles WHERE symbol = ? AND interval = ? AND start >= ? AND start < ?
            ORDER BY start {"DESC" if newest else "ASC"} LIMIT ?"""
        values = symbol, CANDLE_INTERVALS_NS[interval], _in_64_bits(start), _in_64_bits(end), limit
        rows: list[tuple[bytes]] = self._try("read", lambda: self._db.execute(query, values).fetchall(), [])
        if newest:
            rows.reverse()
        return [Candle(*_decode(body)) for (body,) in rows]

    # ---- filling ---------------------------------------------------------------------------------

    def listed(self, instrument: Instrument) -> None:
        """An instrument is listed. Candles that were counted in other steps mean nothing any more."""
        symbol, steps = instrument.symbol, f"{instrument.tick_size} {instrument.lot_size}"
        if self._steps.get(symbol) == steps:
            return
        self._steps[symbol] = steps

        def write() -> None:
            self._db.execute("DELETE FROM candles WHERE symbol = ?", (symbol,))
            self._db.execute("INSERT OR REPLACE INTO steps VALUES (?, ?)", (symbol, steps))

        self._write(write)

    def add(self, candles: Iterable[Candle]) -> None:
        """Keep closed candles; one that is there already is replaced."""
        rows = [(c.symbol, c.interval, c.start, _encode(astuple(c))) for c in candles]
        old = [(symbol, interval, start - CANDLES_KEPT_MAX * interval) for symbol, interval, start, _ in rows]

        def write() -> None:
            self._db.executemany("INSERT OR REPLACE INTO candles VALUES (?, ?, ?, ?)", rows)
            self._db.executemany("DELETE FROM candles WHERE symbol = ? AND interval = ? AND start <= ?", old)

        self._write(write)

    def cut(self, now: int) -> None:
        """Forget what the tape, which ends at `now`, does not know of: it has lost its end, or is a new one."""
        rows = [
            (symbol, interval, now - interval) for symbol in self._steps for interval in CANDLE_INTERVALS_NS.values()
        ]
        delete = "DELETE FROM candles WHERE symbol = ? AND interval = ? AND start > ?"
        self._write(lambda: self._db.executemany(delete, rows))

    def save(self) -> None:
        """Make sure that what was added survives a power cut."""
        self._try("sync", lambda: self._db.execute("PRAGMA wal_checkpoint(FULL)").fetchall(), [])

    def close(self) -> None:
        """Let go of the file. Calling it twice is no error."""
        self._db.close()

    # ---- inside ----------------------------------------------------------------------------------

    def _open(self, path: Path | None) -> sqlite3.Connection:
        db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=0)
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")  # syncs when the log is copied, not with each commit
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(f"it has version {version}, this tickwire reads {_VERSION}")
            for table in _TABLES:
                db.execute(table)
            db.execute(f"PRAGMA user_version = {_VERSION}")
            self._steps = dict(db.execute("SELECT symbol, steps FROM steps"))
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _begin_anew(self, error: sqlite3.Error) -> None:
        """Move the file aside and go on with an empty one; without a file where that can't be."""
        log.error("the closed candles in %s can't be used and are begun anew: %s", self._path, error)
        steps = self._steps
        try:
            if self._path is not None:
                with suppress(FileNotFoundError):
                    self._path.replace(f"{self._path}.broken")
                Path(f"{self._path}-wal").unlink(missing_ok=True)
            self._db = self._open(self._path)
        except (OSError, sqlite3.Error) as again:
            log.error("closed candles are kept in memory only: %s", again)
            self._path = None
            self._db = self._open(None)
        self._steps = steps
        self._db.executemany("INSERT OR REPLACE INTO steps VALUES (?, ?)", steps.items())

    def _write(self, work: Callable[[], object]) -> None:
        """Do it whole or not at all."""

        def transaction() -> None:
            self._db.execute("BEGIN")
            try:
                work()
                self._db.execute("COMMIT")
            except sqlite3.Error:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

        self._try("written", transaction, None)

    def _try(self, what: str, work: Callable[[], T], otherwise: T) -> T:
        try:
            result = work()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                self._db.close()
                self._begin_anew(error)
            elif not self._failing:
                log.error("closed candles can't be %s: %s", what, error)
                self._failing = True
            return otherwise
        self._failing = False
        return result


def _in_64_bits(ts: int) -> int:
    return min(max(ts, 0), 2**63 - 1)
