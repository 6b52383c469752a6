"""The tape on disk: one SQLite file in WAL mode, a row a transaction, and snapshots as files beside it.

    tape.db               the rows; row 0 is the title: format version and epochs
    tape.db-wal           SQLite's log of what is committed and not in tape.db yet
    snapshot-<seq>.bin    the newest two states of the market
    tape.lock             held by the process that has the tape open; its number is inside
    tape.db.broken-<n>    what was set aside by a repair, to be deleted by hand

Opening a healthy tape costs the same whatever its size, but for the rows after the newest snapshot: those are
checked one by one, because the market is about to be rebuilt from them. Older rows are history; they are
checked when they are read. A full `PRAGMA integrity_check` would read the whole file at each start instead.

A tape that fails a check is rebuilt: `tickwire.tape.salvage` reads what rows there are, and the unbroken run
that the newest snapshot (or the beginning) leads into becomes the new file. Numbers after it will name other
transactions than the lost ones did, so a rebuilt tape has a new epoch: nobody resumes across the loss unknowing.

After a power cut, durability "process" may lose the newest transactions; SQLite recovers to a commit, and
unless a snapshot or the log gives the loss away, nothing is left to notice it by. That is what "power" is for.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias
from zlib import crc32

import msgspec

from tickwire.errors import ConfigError, TapeError
from tickwire.model.records import Record, decode_records, encode_records
from tickwire.tape import salvage
from tickwire.tape.base import Durability, Tape
from tickwire.tape.memory import MemoryTape, check_snapshot, clock_of, dropped, new_epoch
from tickwire.tape.salvage import RawTape, Row

RETAIN_ROWS_MAX = 5_000
"""Transactions that one call of `retain` drops at most: a few milliseconds, so that nobody waits for it."""
READ_ROWS = 64
"""Rows fetched at a time. No SQL statement stays open between: an open one would keep the WAL from rewinding."""
WAL_PAGES = 1_000
"""Pages after which SQLite copies the WAL into the file (4 MiB): bounds the WAL and the time to recover it."""
WAL_BYTES_MAX = 16 * 1024 * 1024
"""What the WAL is cut back to after a transaction that made it larger."""
SNAPSHOTS_KEPT = 3
"""The newest two may both be a moment old, when a restart needs the state of a minute ago."""

_SELECT = "SELECT seq, ts, start, crc, body FROM tape WHERE seq > ? ORDER BY seq LIMIT ?"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_Found: TypeAlias = list[tuple[int, str]]
"""The snapshots in the folder, newest first, as (seq, epoch); the epoch is "" for a damaged one."""


def open_tape(folder: Path | None, durability: Durability) -> Tape:
    """The tape for a durability: in `folder`, which is made if need be, or in memory for "none".

    Raises:
        ConfigError: the durability needs a folder and there is none.
        TapeError: the folder can't be used; the message says why and what to do.
    """
    if durability == "none":
        return MemoryTape()
    if folder is None:
        raise ConfigError(f'durability "{durability}" needs a data folder; set one, or durability "none"')
    return SqliteTape(folder, durability)


class SqliteTape:
    """A `Tape` in a folder, held by one process. Not to be called from two threads at once.

    Args:
        folder: made when missing.
        durability: "process" lets the operating system write when it likes; "power" waits for the disk.

    Raises:
        TapeError: another process holds the tape, the disk fails, or transactions are missing at its start.
    """

    def __init__(self, folder: Path, durability: Literal["process", "power"] = "process") -> None:
        self.epoch = ""
        self.last_seq = 0
        self.first_seq = 1
        self.bytes_held = 0
        self.repaired = ""
        self._folder = folder
        self._path = folder / "tape.db"
        self._suspect = folder / "tape.db.suspect"
        self._durability = durability
        self._last_ts = 0
        self._end = 0  # where the next body begins, in bytes over the whole tape
        self._covered = 0  # the newest snapshot's seq
        self._epochs: list[str] = []
        self._db: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock_folder(folder)
        except OSError as error:
            raise TapeError(f"the data folder {folder} can't be used: {error}") from error
        try:
            self._open()
        except BaseException as error:
            self.close()
            if isinstance(error, (sqlite3.Error, OSError)):
                raise TapeError(f"the tape in {folder} can't be opened: {error}") from error
            raise

    # ---- the promises of `Tape` -------------------------------------------------------------------

    def append(self, records: list[Record]) -> int:
        """See `Tape.append`."""
        db = self._live()
        ts = clock_of(records, self._last_ts)
        body = encode_records(records)
        seq, start = self.last_seq + 1, self._end
        try:
            db.execute(salvage.INSERT, (seq, ts, start, salvage.row_crc(seq, ts, start, body), body))
        except sqlite3.Error as error:
            raise self._failed(error, f"transaction {seq} was not stored") from error
        self.last_seq, self._last_ts, self._end = seq, ts, start + len(body)
        self.bytes_held += len(body)
        return seq

    def read(self, after: int = 0) -> Iterator[tuple[int, list[Record]]]:
        """See `Tape.read`. Goes on to what is appended meanwhile.

        Raises:
            TapeError: also for a damaged transaction, when the iteration meets it.
        """
        self._live()
        while after < self.last_seq:
            if after + 1 < self.first_seq:
                raise dropped(after, self.first_seq)
            try:
                rows = _rows(self._live(), after)
            except sqlite3.Error as error:
                raise self._failed(error, f"transaction {after + 1} can't be read") from error
            if not rows:
                raise self._damaged(f"transaction {after + 1} is damaged")
            for row in rows:
                after = row.seq
                try:
                    records = decode_records(row.body)
                except msgspec.DecodeError as error:
                    raise TapeError(f"transaction {after} is of another version of tickwire: {error}") from error
                yield after, records

    def save_snapshot(self, seq: int, body: bytes) -> None:
        """See `Tape.save_snapshot`. Waits for the disk, whatever the durability; keeps the newest few."""
        self._live()
        check_snapshot(seq, self.last_seq)
        try:
            _write_snapshot(self._folder, seq, self.epoch, body)
            for old in snapshot_seqs(self._folder)[SNAPSHOTS_KEPT:]:
                _snapshot_path(self._folder, old).unlink()
        except OSError as error:
            raise TapeError(f"the snapshot of transaction {seq} was not stored: {error}") from error
        self._covered = max(self._covered, seq)

    def load_snapshot(self, before: int | None = None) -> tuple[int, bytes] | None:
        """See `Tape.load_snapshot`."""
        self._live()
        for seq in snapshot_seqs(self._folder):
            if before is None or seq < before:
                epoch, body = read_snapshot(self._folder, seq)
                if epoch:
                    return seq, body
        return None

    def retain(self, *, bytes_max: int, newer_than_ns: int) -> int:
        """See `Tape.retain`. Drops at most `RETAIN_ROWS_MAX` a call. `append` uses the freed pages again, so
        the file stops growing; it does not shrink. The very last row stays in the file even when it is dropped: it
        tells the next start how far the tape had come."""
        db = self._live()
        first, end = self.first_seq, self._end
        until = min(self._covered, first + RETAIN_ROWS_MAX - 1)
        old = "SELECT max(seq) FROM tape WHERE seq BETWEEN ? AND ? AND (start < ? OR ts < ?)"
        try:
            (last,) = db.execute(old, (first, until, end - bytes_max, newer_than_ns)).fetchone()
            if last is None:
                return 0
            db.execute("DELETE FROM tape WHERE seq BETWEEN 1 AND ?", (min(last, self.last_seq - 1),))
            self.first_seq = last + 1
            start = db.execute("SELECT start FROM tape WHERE seq = ?", (last + 1,)).fetchone()
        except sqlite3.Error as error:
            raise self._failed(error, "old transactions were not dropped") from error
        self.bytes_held = end - (start[0] if start else end)
        return int(last - first + 1)

    def close(self) -> None:
        """See `Tape.close`."""
        self._disconnect()
        self._lock.close()

    def _live(self) -> sqlite3.Connection:
        if self._db is None:
            raise TapeError("the tape is closed")
        return self._db

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _failed(self, error: sqlite3.Error, what: str) -> TapeError:
        """The error to raise for one of SQLite's."""
        if _code(error) in _DAMAGE:
            return self._damaged(f"{what}: {error}")
        advice = f"; make room on the disk of {self._folder}" if _code(error) == sqlite3.SQLITE_FULL else ""
        return TapeError(f"{what}: {error}{advice}")

    def _damaged(self, what: str) -> TapeError:
        """The error to raise for damage, which is noted down for the next start: that can't see it by itself."""
        with suppress(OSError):
            self._suspect.touch()
        return TapeError(f"{what}; {self._path} is rebuilt when it is opened again")

    # ---- opening ----------------------------------------------------------------------------------

    def _open(self) -> None:
        salvage.install(self._path)
        found = _snapshots(self._folder)
        if not found and not self._path.exists() and not Path(f"{self._path}-wal").exists():
            with closing(salvage.create(self._path)) as db:
                salvage.finish(db, self._path, 0, [new_epoch()])
        with RawTape(self._path) as raw:
            problem = "it was found so in use" if self._suspect.exists() else raw.problem()
            torn = raw.wal.torn
        problem = problem or self._connect(found)
        notes = []
        if problem:
            self._disconnect()
            notes.append(salvage.rebuild(self._path, problem, found, new_epoch()))
            problem = self._connect([(seq, epoch) for seq, epoch in found if epoch])
            if problem:
                raise TapeError(f"{self._path} can't be repaired: {problem}")
        elif torn:
            notes.append(f"the last append to {self._path} was cut off in the middle and is discarded")
        notes += _set_aside(self._folder, found, self._epochs)
        self.repaired = "; ".join(notes)

    def _connect(self, found: _Found) -> str:
        """Open the file with SQLite and learn where the tape stands. Returns what is wrong, in words."""
        db = self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=0)
        db.text_factory = bytes
        try:
            # Alone with the file, SQLite needs no shared memory and no locks a commit: half the time of one.
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            # NORMAL syncs only when the WAL is copied, so that a power cut costs the newest rows, never the file.
            db.execute(f"PRAGMA synchronous = {'FULL' if self._durability == 'power' else 'NORMAL'}")
            db.execute("PRAGMA fullfsync = ON")
            db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
            db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return self._take_stock(db, found)
        except sqlite3.Error as error:
            if _code(error) in (*_DAMAGE, sqlite3.SQLITE_ERROR):
                return str(error)
            raise

    def _take_stock(self, db: sqlite3.Connection, found: _Found) -> str:
        title = _rows(db, -1, 1)
        if not title:
            return "its title is damaged"
        base, epochs = salvage.parse_title(title[0])
        anchor = salvage.anchor_of(found, epochs)
        reached = max((seq for seq, epoch in found if epoch in ("", *epochs)), default=0)
        ends = "SELECT (SELECT min(seq) FROM tape WHERE seq > 0), (SELECT max(seq) FROM tape)"
        first, last = db.execute(ends).fetchone()
        if not last:
            first, last = base + 1, base
        if first > anchor + 1:
            raise salvage.start_missing(self._folder, anchor + 1, first - 1)
        if last < reached:
            return f"it ends at transaction {last}, and there is a snapshot of {reached}"
        ts = end = start = 0
        # The newest row is checked even where a snapshot covers it: its clock and its end are gone on from.
        after = max(first - 1, min(anchor, last - 1))
        while after < last:
            rows = _rows(db, after)
            if not rows:
                return f"transaction {after + 1} is damaged"
            newest = rows[-1]
            after, ts, end = newest.seq, newest.ts, newest.start + len(newest.body)
        if first <= last:
            (start,) = db.execute("SELECT start FROM tape WHERE seq = ?", (first,)).fetchone()
        self._last_ts, self._end, self.bytes_held = ts, end, end - start
        self.epoch, self._epochs = epochs[-1], epochs
        self.first_seq, self.last_seq, self._covered = first, last, anchor
        return ""


def _rows(db: sqlite3.Connection, after: int, count: int = READ_ROWS) -> list[Row]:
    """The rows that follow `after`, up to the first one that is damaged or missing."""
    rows = []
    for values in db.execute(_SELECT, (after, count)):
        row = Row._make(values)
        if row.seq != after + 1 or not salvage.is_sound(row):
            break
        rows.append(row)
        after += 1
    return rows


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def lock_folder(folder: Path) -> BinaryIO:
    """Hold a data folder until the file returned is closed.

    Raises:
        TapeError: another process holds it.
    """
    file = (folder / "tape.lock").open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with file:
            file.seek(0)
            holder = file.read(20).decode() or "unknown"
        raise TapeError(
            f"{folder} is in use by process {holder}: stop it first, or choose another data folder"
        ) from None
    except OSError:
        file.close()
        raise
    file.truncate(0)
    file.write(b"%d" % os.getpid())
    file.flush()
    return file


# ---- snapshots ------------------------------------------------------------------------------------

_SNAPSHOT_HEAD = struct.Struct(">8sI16sQQ")  # magic, version, epoch, seq, bytes of the body; a CRC-32 follows
_SNAPSHOT_MAGIC = b"tickwire"
_SNAPSHOT_VERSION = 1


def _snapshot_path(folder: Path, seq: int) -> Path:
    return folder / f"snapshot-{seq:020d}.bin"


def snapshot_seqs(folder: Path) -> list[int]:
    names = (path.stem.removeprefix("snapshot-") for path in folder.glob("snapshot-*.bin"))
    return sorted((int(name) for name in names if len(name) == 20 and name.isdecimal()), reverse=True)


def _snapshots(folder: Path) -> _Found:
    return [(seq, read_snapshot(folder, seq)[0]) for seq in snapshot_seqs(folder)]


def _set_aside(folder: Path, found: _Found, epochs: list[str]) -> list[str]:
    """Rename the snapshots that are damaged or another tape's; says which."""
    notes = []
    for seq, epoch in found:
        if epoch not in epochs:
            path = _snapshot_path(folder, seq)
            path.rename(f"{path}.broken")
            fault = "belongs to another tape" if epoch else "is damaged"
            notes.append(f"{path} {fault} and is set aside as {path.name}.broken")
    return notes


def _write_snapshot(folder: Path, seq: int, epoch: str, body: bytes) -> None:
    head = _SNAPSHOT_HEAD.pack(_SNAPSHOT_MAGIC, _SNAPSHOT_VERSION, epoch.encode(), seq, len(body))
    unfinished = folder / "snapshot.tmp"
    try:
        with unfinished.open("wb") as file:
            file.writelines((head, crc32(body, crc32(head)).to_bytes(4, "big"), body))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(_snapshot_path(folder, seq))
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    salvage.sync_folder(folder)


def read_snapshot(folder: Path, seq: int) -> tuple[str, bytes]:
    """A snapshot's epoch and body; two empty ones when it is not whole."""
    data = _snapshot_path(folder, seq).read_bytes()
    size = _SNAPSHOT_HEAD.size
    head, crc, body = data[:size], data[size : size + 4], data[size + 4 :]
    if len(crc) == 4 and crc32(body, crc32(head)) == int.from_bytes(crc, "big"):
        magic, version, epoch, number, length = _SNAPSHOT_HEAD.unpack(head)
        if (magic, version, number, length) == (_SNAPSHOT_MAGIC, _SNAPSHOT_VERSION, seq, len(body)):
            return epoch.decode(), body
    return "", b""
