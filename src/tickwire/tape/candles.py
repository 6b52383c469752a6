"""Closed candles on disk: one SQLite file beside the tape, from which `history` is answered.

    candles.db             the newest candles of each instrument and interval, and the steps that they are counted in
    candles.db-wal         SQLite's log of what is not in candles.db yet
    candles.db.broken-<n>  what was damaged, to be deleted by hand; `BROKEN_FILES_MAX` of them at most

The tape is the truth: a candle is stored when the fold closes it, and again when a restart folds the same records. The
file is synced with each snapshot of the market, from which a restart folds, so a power cut costs no candle; what it
holds from beyond the tape's end is dropped. All instruments close their candles at once, and each belongs on a page of
its own: they wait in memory, where they can be read, and go into the file a few series at a time.

A damaged row is deleted. A damaged file is moved aside and begun anew: of what is before the newest snapshot nothing
comes back. A file that can't be used for now (a full disk, a lock) is left as it is, and the candles are in memory
until the next start. Failures here are logged and never stop the server.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import astuple, fields

from tickwire.limits import CANDLE_SERIES_PER_TURN, CANDLES_KEPT_MAX, CANDLES_WAITING_MAX
from tickwire.model.channel import CANDLE_INTERVALS_NS
from tickwire.model.events import Candle
from tickwire.model.instrument import Instrument

log = logging.getLogger(__name__)

T = TypeVar("T")

BROKEN_FILES_MAX = 3
"""Damaged files that are kept; of the first ones, as what they hold is not in the later ones."""
OPEN_SECONDS_MAX = 1.0
"""How long a start waits for somebody else who reads the file."""
CLOSES_PER_DELETION = 64
"""Candles of a series that are written before its old ones are deleted, which are on pages of their own."""
_VERSION = 1
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_TABLES = (
    """CREATE TABLE IF NOT EXISTS candles (
        symbol TEXT, interval INTEGER, start INTEGER, body BLOB, PRIMARY KEY (symbol, interval, start)
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS steps (symbol TEXT PRIMARY KEY, steps TEXT) STRICT, WITHOUT ROWID",
)
_encode = msgspec.json.Encoder().encode  # whose integers may have any size
_ROW: Any = tuple.__class_getitem__(tuple(field.type for field in fields(Candle)))
_decode = msgspec.json.Decoder(_ROW).decode
_DELETE_OLD = """DELETE FROM candles WHERE symbol = ?1 AND interval = ?2 AND start IN (SELECT start FROM candles
    WHERE symbol = ?1 AND interval = ?2 AND start <= ?3 ORDER BY start LIMIT ?4)"""


class CandleStore:
    """A `History` that is filled by whoever folds the tape. Of each symbol and interval it has the candles of the
    newest `CANDLES_KEPT_MAX` intervals.

    Args:
        path: the file; None keeps the candles in memory. Only one process may have it open: that with the tape.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._failing: set[str] = set()
        self._steps: dict[str, str] = {}
        self._waiting: dict[tuple[str, int], list[Candle]] = {}  # by series: symbol and interval
        self._waiting_count = 0
        self._since_deletion: dict[tuple[str, int], int] = {}
        try:
            self._db = self._open(path)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _DAMAGE:
                self._begin_anew(error)
            else:
                self._go_without(error)

    # ---- reading ---------------------------------------------------------------------------------

    def candles(
        self, symbol: str, interval: str, *, start: int = 0, end: int = 2**63 - 1, limit: int, newest: bool = True
    ) -> list[Candle]:
        """See `History.candles`."""
        series = symbol, CANDLE_INTERVALS_NS[interval]
        query = f"""SELECT start, body FROM candles WHERE symbol = ? AND interval = ? AND start >= ? AND start < ?
            ORDER BY start {"DESC" if newest else "ASC"} LIMIT ?"""
        values = *series, _in_64_bits(start), _in_64_bits(end), limit

        rows: list[tuple[int, bytes]] = self._try("read", lambda: self._db.execute(query, values).fetchall(), [])
        by_start: dict[int, Candle] = {}
        damaged: list[tuple[str, int, int]] = []
        for at, body in rows:
            try:
                candle = Candle(*_decode(body))
                if (candle.symbol, candle.interval, candle.start) != (*series, at):
                    raise ValueError("a candle of another row")
                by_start[at] = candle
            except (msgspec.MsgspecError, TypeError, ValueError):
                damaged.append((*series, at))
        if damaged:
            self._delete(damaged)
        by_start.update((c.start, c) for c in self._waiting.get(series, ()) if start <= c.start < end)
        found = [by_start[at] for at in sorted(by_start)]
        return found[max(len(found) - limit, 0) :] if newest else found[:limit]

    # ---- filling ---------------------------------------------------------------------------------

    def listed(self, instrument: Instrument) -> None:
        """An instrument is listed. Candles that were counted in other steps mean nothing any more."""
        symbol, steps = instrument.symbol, f"{instrument.tick_size} {instrument.lot_size}"
        if self._steps.get(symbol) == steps:
            return
        self._steps[symbol] = steps
        for interval in CANDLE_INTERVALS_NS.values():
            self._waiting_count -= len(self._waiting.pop((symbol, interval), ()))

        def write() -> None:
            self._db.execute("DELETE FROM candles WHERE symbol = ?", (symbol,))
            self._db.execute("INSERT OR REPLACE INTO steps VALUES (?, ?)", (symbol, steps))

        self._write(write)

    def add(self, candles: Iterable[Candle]) -> None:
        """Keep closed candles; one that is there already is replaced. They can be read at once, and wait for
        `write_some`; beyond `CANDLES_WAITING_MAX` they are written here."""
        for candle in candles:
            self._waiting.setdefault((candle.symbol, candle.interval), []).append(candle)
            self._waiting_count += 1
        while self._waiting_count > CANDLES_WAITING_MAX:
            self.write_some()

    def write_some(self) -> None:
        """Write what waits of a twentieth of the series, `CANDLE_SERIES_PER_TURN` at least, first those that wait
        longest. To be called every turn, of which there are twenty a second or more."""
        count = max(CANDLE_SERIES_PER_TURN, len(self._waiting) // 20)
        rows: list[tuple[str, int, int, bytes]] = []
        old: list[tuple[str, int, int, int]] = []
        for series in list(islice(self._waiting, count)):
            candles = self._waiting.pop(series)
            self._waiting_count -= len(candles)
            rows += [(*series, candle.start, _encode(astuple(candle))) for candle in candles]
            added = self._since_deletion.get(series, CLOSES_PER_DELETION) + len(candles)
            if added >= CLOSES_PER_DELETION:
                newest = max(candle.start for candle in candles)
                # not all at once: after a long stop everything of the shortest interval is old
                old.append((*series, newest - CANDLES_KEPT_MAX * series[1], 2 * added))
                added = 0
            self._since_deletion[series] = added

        def write() -> None:
            self._db.executemany("INSERT OR REPLACE INTO candles VALUES (?, ?, ?, ?)", rows)
            self._db.executemany(_DELETE_OLD, old)

        if rows:
            self._write(write)

    def cut(self, now: int) -> None:
        """Forget what the tape, which ends at `now`, does not know of: it has lost its end, or is a new one."""
        self._write_all()
        rows = [
            (symbol, interval, now - interval) for symbol in self._steps for interval in CANDLE_INTERVALS_NS.values()
        ]
        delete = "DELETE FROM candles WHERE symbol = ? AND interval = ? AND start > ?"
        self._write(lambda: self._db.executemany(delete, rows))

    def save(self) -> None:
        """Make sure that what was added survives a power cut."""
        self._write_all()
        self._try("synced", lambda: self._db.execute("PRAGMA wal_checkpoint(FULL)").fetchall(), [])

    def close(self) -> None:
        """Write what waits and let go of the file. Calling it twice is no error."""
        self._write_all()
        self._db.close()

    # ---- inside ----------------------------------------------------------------------------------

    def _open(self, path: Path | None) -> sqlite3.Connection:
        db = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False, timeout=OPEN_SECONDS_MAX
        )
        db.text_factory = lambda text: text.decode(errors="replace")  # so that damage shows in its row only
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")  # syncs when the log is copied, not with each commit
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(f"it has version {version}, this tickwire reads {_VERSION}")
            for table in _TABLES:
                db.execute(table)
            if version == 0:  # nothing is written otherwise: a full disk can still be read
                db.execute(f"PRAGMA user_version = {_VERSION}")
            db.executemany("INSERT OR REPLACE INTO steps VALUES (?, ?)", self._steps.items())
            self._steps = dict(db.execute("SELECT symbol, steps FROM steps"))
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _begin_anew(self, error: sqlite3.Error) -> None:
        """Move the file aside and go on with an empty one; without a file where that can't be."""
        log.error("the closed candles in %s can't be used and are begun anew: %s", self._path, error)
        try:
            if self._path is not None:
                aside = (Path(f"{self._path}.broken-{number}") for number in range(1, BROKEN_FILES_MAX + 1))
                free = next((path for path in aside if not path.exists()), None)
                with suppress(FileNotFoundError):
                    if free is not None:
                        self._path.replace(free)
                    else:
                        self._path.unlink()
                Path(f"{self._path}-wal").unlink(missing_ok=True)
            self._db = self._open(self._path)
        except (OSError, sqlite3.Error) as again:
            self._go_without(again)

    def _go_without(self, error: Exception) -> None:
        """Leave the file as it is."""
        log.error("closed candles are kept in memory only, until the next start: %s: %s", self._path, error)
        self._path = None
        self._db = self._open(None)

    def _write_all(self) -> None:
        while self._waiting:
            self.write_some()

    def _delete(self, damaged: list[tuple[str, int, int]]) -> None:
        def write() -> None:
            self._db.executemany("DELETE FROM candles WHERE symbol = ? AND interval = ? AND start = ?", damaged)
            log.error("%d closed candles were damaged and are deleted, the first is %s", len(damaged), damaged[0])

        self._write(write)

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
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE:
                self._db.close()
                self._begin_anew(error)
            elif what not in self._failing:
                log.error("closed candles can't be %s: %s", what, error)
                self._failing.add(what)
            return otherwise
        self._failing.discard(what)
        return result


def _in_64_bits(ts: int) -> int:
    return min(max(ts, 0), 2**63 - 1)
