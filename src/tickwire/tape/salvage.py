"""The file `tape.db` itself: how one is made, whether it is whole, and what can be had from one that is not.

SQLite refuses a file that lost its first page, and reads a tree only from its root down, so that one lost
inner page hides rows that are still there. So `RawTape` reads the files without it: every leaf page by itself,
and each row proves itself by its CRC. Rows never change once written, so any copy of a row that passes is
the row, wherever it lies.

The format is from https://www.sqlite.org/fileformat2.html (sections 1.6 for leaf pages and overflow chains,
2.1 for records, 4 for the WAL).
"""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zlib import crc32

from tickwire.errors import TapeError

PAGE_BYTES = 4096
"""Page size of every tape; SQLite's own default, said so that a file without its first page can be read."""

INSERT = "INSERT INTO tape VALUES (?, ?, ?, ?, ?)"
_TABLE = (
    "CREATE TABLE tape (seq INTEGER PRIMARY KEY, ts INTEGER NOT NULL, start INTEGER NOT NULL, "
    "crc INTEGER NOT NULL, body BLOB NOT NULL)"
)
_TITLE = "tickwire-tape 1"
"""Begins the body of row 0, which is the title of the tape; see `parse_title`."""

_NUMBER_DIGITS_MAX = 19  # what SQLite's integers have

_MAGIC = b"SQLite format 3\0" + PAGE_BYTES.to_bytes(2, "big") + b"\x02\x02"  # the two 2s: WAL mode
_PAGE_COUNT_AT = 28
_LEAF = 0x0D
_WAL_HEADER = struct.Struct(">8I")
_WAL_FRAME = struct.Struct(">6I")
WAL_FRAME_BYTES = _WAL_FRAME.size + PAGE_BYTES
_CRC_HEAD = struct.Struct(">qqq")
_INTEGER_BYTES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}
"""Bytes of an integer by its serial type; 8 and 9 stand for the constants 0 and 1."""


class Row(NamedTuple):
    """A row of the table `tape`: one transaction. `start` is where its body begins, counted in bytes over the whole
    tape, so that the size of what is held is a difference and no sum."""

    seq: int
    ts: int
    start: int
    crc: int
    body: bytes


def row_crc(seq: int, ts: int, start: int, body: bytes) -> int:
    """CRC-32 over all of a row, so that a body under a wrong number fails as well."""
    return crc32(body, crc32(_CRC_HEAD.pack(seq, ts, start)))


def is_sound(row: Row) -> bool:
    """True when the row is as it was written."""
    try:
        return row.crc == row_crc(row.seq, row.ts, row.start, row.body)
    except (TypeError, struct.error):  # a damaged file can hold values of any type
        return False


def parse_title(title: Row) -> tuple[int, list[str]]:
    """What a title says: the number before the tape's first transaction when the file was made, and the epochs,
    those that snapshots from before a repair bear, then the tape's own.

    Raises:
        TapeError: a tape of another version of tickwire.
    """
    words = title.body.decode("ascii", "replace").split()
    name, number, epochs = " ".join(words[:2]), "".join(words[2:3]), words[3:]
    if name != _TITLE or not number.isdecimal() or len(number) > _NUMBER_DIGITS_MAX or not epochs:
        raise TapeError(f"the tape is of another version of tickwire: {name}, not {_TITLE}")
    return int(number), epochs


class Wal(NamedTuple):
    """What a write-ahead log holds.

    Attributes:
        pages: page number -> where in the file its newest committed image begins.
        page_count: pages of the database as of the last commit; 0 without a commit.
        torn: it ends in an unfinished one, as after a kill in the middle of an append.
        damaged: something was committed behind the first frame that fails.
    """

    pages: dict[int, int]
    page_count: int = 0
    torn: bool = False
    damaged: bool = False


def read_wal(data: bytes) -> Wal:
    """Check a write-ahead log frame by frame, as SQLite does when it recovers one."""
    if len(data) < _WAL_HEADER.size:
        return Wal({}, torn=bool(data))
    magic, _, page_bytes, _, *salts, sum_0, sum_1 = _WAL_HEADER.unpack_from(data)
    words = struct.Struct(">II" if magic & 1 else "<II")
    sums = _checksum(words, data[:24], (0, 0))
    if magic not in (0x377F0682, 0x377F0683) or page_bytes != PAGE_BYTES or sums != (sum_0, sum_1):
        return Wal({}, damaged=True)

    pages: dict[int, int] = {}
    pending: dict[int, int] = {}
    page_count = 0
    step, at = WAL_FRAME_BYTES, _WAL_HEADER.size
    while at + step <= len(data):
        page, commit, *salt, sum_0, sum_1 = _WAL_FRAME.unpack_from(data, at)
        body = at + _WAL_FRAME.size
        if salt != salts or not page:
            break
        sums = _checksum(words, data[body : at + step], _checksum(words, data[at : at + 8], sums))
        if sums != (sum_0, sum_1):
            break
        pending[page] = body
        if commit:
            pages |= pending
            pending = {}
            page_count = commit
        at += step

    # What lies behind may be left from before the log was last rewound: then its salts are others, never zero.
    # A frame of ours behind one that fails was written later than that, which must have been whole then.
    rest = [list(_WAL_FRAME.unpack_from(data, i)[2:4]) for i in range(at, len(data) - _WAL_FRAME.size + 1, step)]
    left = len(data) - at
    partial = 0 < left < step or at == _WAL_HEADER.size == len(data)
    torn = bool(pending) or partial or rest[:1] in ([salts], [[0, 0]])
    return Wal(pages, page_count, torn, damaged=salts in rest[1:])


def _checksum(words: struct.Struct, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    s0, s1 = sums
    for a, b in words.iter_unpack(data):
        s0 = (s0 + a + s1) & 0xFFFFFFFF
        s1 = (s1 + b + s0) & 0xFFFFFFFF
    return s0, s1


class RawTape:
    """The pages of a tape's file and of its write-ahead log, read as they lie. Either file may be missing.

    Args:
        path: of the main file; its log is beside it, with `-wal` at its end.
    """

    def __init__(self, path: Path) -> None:
        wal_path = Path(f"{path}-wal")
        self._log = wal_path.read_bytes() if wal_path.exists() else b""
        self.wal = read_wal(self._log)
        self._main: BinaryIO = path.open("rb") if path.exists() else BytesIO()
        self._main_bytes = self._main.seek(0, os.SEEK_END)
        self._payload_max = self._main_bytes + len(self.wal.pages) * PAGE_BYTES

    def __enter__(self) -> RawTape:
        return self

    def __exit__(self, *_: object) -> None:
        self._main.close()

    def page(self, number: int) -> bytes | None:
        """The newest committed image of a page; None when it isn't there whole."""
        at = self.wal.pages.get(number)
        return self._main_page(number) if at is None else self._log[at : at + PAGE_BYTES]

    def _main_page(self, number: int) -> bytes | None:
        if not 0 < number <= self._main_bytes // PAGE_BYTES:
            return None
        self._main.seek((number - 1) * PAGE_BYTES)
        return self._main.read(PAGE_BYTES)

    def problem(self) -> str:
        """What is wrong with the files as far as sizes, headers and the log can tell, in words; "" if nothing.

        Reads the first page and the log only, so it costs the same for a large tape.
        """
        if self.wal.damaged:
            return "its write-ahead log is damaged in the middle"
        head = self.page(1)
        if head is None or self._main_bytes < PAGE_BYTES:  # SQLite deletes a log that has no file to it
            return "its first page is gone"
        if not head.startswith(_MAGIC):
            return "its header is damaged"
        pages = self.wal.page_count or int.from_bytes(head[_PAGE_COUNT_AT : _PAGE_COUNT_AT + 4], "big")
        # A process killed while the log was copied into the main file leaves that short, but the log still whole.
        if any(number not in self.wal.pages for number in range(self._main_bytes // PAGE_BYTES + 1, pages + 1)):
            return f"it is cut: {self._main_bytes} of {pages * PAGE_BYTES} bytes are there"
        if self._main_bytes > pages * PAGE_BYTES:
            return f"it has {self._main_bytes} bytes where its log ends at {pages * PAGE_BYTES}: the log is cut"
        return ""

    def rows(self) -> Iterator[Row]:
        """Every row whose CRC holds, in no particular order, some more than once."""
        for number in range(1, self._main_bytes // PAGE_BYTES + 1):
            yield from self._leaf(self._main_page(number))
        for number in self.wal.pages:
            yield from self._leaf(self.page(number))

    def _leaf(self, image: bytes | None) -> Iterator[Row]:
        if image is None or image[0] != _LEAF:
            return
        count = min(int.from_bytes(image[3:5], "big"), (PAGE_BYTES - 8) // 2)
        for at in struct.unpack_from(f">{count}H", image, 8):
            try:
                length, at = _varint(image, at)
                seq, at = _varint(image, at)
                row = _row(seq, self._payload(image, at, length))
            except (IndexError, KeyError, struct.error):
                continue
            if row is not None and is_sound(row):
                yield row

    def _payload(self, image: bytes, at: int, length: int) -> bytes:
        """A cell's payload: what is in the leaf itself, then its overflow pages. Short where pages are gone."""
        if length > self._payload_max:
            return b""
        if length <= PAGE_BYTES - 35:
            return image[at : at + length]
        least = (PAGE_BYTES - 12) * 32 // 255 - 23
        local = least + (length - least) % (PAGE_BYTES - 4)
        local = local if local <= PAGE_BYTES - 35 else least
        parts = [image[at : at + local]]
        (overflow,) = struct.unpack_from(">I", image, at + local)
        left = length - local
        while left > 0:
            following = self.page(overflow) if overflow else None
            if following is None:
                return b""
            parts.append(following[4 : 4 + left])
            left -= PAGE_BYTES - 4
            overflow = int.from_bytes(following[:4], "big")
        return b"".join(parts)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """SQLite's integer of 1 to 9 bytes and where it ends."""
    value = 0
    for i in range(at, at + 8):
        byte = data[i]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, i + 1
    return value << 8 | data[at + 8], at + 9


def _row(seq: int, payload: bytes) -> Row | None:
    """The row in a record of the table `tape`; None when it is no such record."""
    end, at = _varint(payload, 0)
    kinds = []
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    if len(kinds) != 5 or kinds[4] < 12 or kinds[4] % 2 or seq >= 1 << 63:
        return None
    integers = []
    for kind in kinds[1:4]:
        size = _INTEGER_BYTES[kind]
        integers.append(kind - 8 if kind >= 8 else int.from_bytes(payload[at : at + size], "big", signed=True))
        at += size
    ts, start, crc = integers
    return Row(seq, ts, start, crc, payload[at : at + (kinds[4] - 12) // 2])


# ---- making a file and putting it in place --------------------------------------------------------


def create(path: Path) -> sqlite3.Connection:
    """An empty file for a tape, in the making, inside a transaction. `finish` puts it in its place."""
    new = Path(f"{path}.new")
    new.unlink(missing_ok=True)
    db = sqlite3.connect(new, isolation_level=None)
    db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    db.execute("PRAGMA journal_mode = OFF")
    # Rows deleted here have numbers that will be used again: no copy of them may stay in free pages.
    db.execute("PRAGMA secure_delete = ON")
    db.execute(_TABLE)
    db.execute("BEGIN")
    return db


def finish(db: sqlite3.Connection, path: Path, base: int, epochs: list[str]) -> str:
    """Give the file from `create` its title, close it and put it in place. Returns what `install` does."""
    body = " ".join((_TITLE, str(base), *dict.fromkeys(epochs))).encode()
    db.execute(INSERT, (0, 0, 0, row_crc(0, 0, 0, body), body))
    db.execute("COMMIT")
    db.execute("PRAGMA journal_mode = WAL").fetchone()
    db.close()
    new = Path(f"{path}.new")
    with new.open("rb") as file:
        os.fsync(file.fileno())
    new.rename(f"{path}.rebuilt")
    return install(path)


def install(path: Path) -> str:
    """Put a finished file, if there is one, where the tape belongs. Returns the path of what it sets aside, or "".

    A log must never be met beside a file that it is not of. So this goes in steps, and until the last one
    `tape.db.rebuilt` is there to go on from at the next start.
    """
    rebuilt = Path(f"{path}.rebuilt")
    if not rebuilt.exists():
        return ""
    number = 1
    while Path(f"{path}.broken-{number}").exists():
        number += 1
    aside = ""
    for suffix in ("-wal", ""):
        old = Path(f"{path}{suffix}")
        if old.exists():
            aside = f"{path}.broken-{number}{suffix}"
            old.rename(aside)
    Path(f"{path}.suspect").unlink(missing_ok=True)
    rebuilt.rename(path)
    sync_folder(path.parent)
    return aside


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rebuild(path: Path, problem: str, snapshots: list[tuple[int, str]], epoch: str) -> str:
    """Make a new file of what can be had of a damaged one, which is set aside. Returns in words what came of it.

    Args:
        path: of the damaged file, which may be missing.
        problem: what is wrong with it.
        snapshots: (seq, epoch) of each, newest first; epoch "" for a damaged one.
        epoch: the rebuilt tape's own.

    Raises:
        TapeError: there are rows, but neither the first one nor a snapshot to begin with.
    """
    try:
        with RawTape(path) as raw, closing(create(path)) as db:
            db.executemany(INSERT.replace("INSERT", "INSERT OR IGNORE"), raw.rows())
            title = db.execute("SELECT * FROM tape WHERE seq = 0").fetchone()
            epochs = parse_title(Row(*title))[1] if title else [name for _, name in snapshots if name]
            first, last = _run(db, anchor_of(snapshots, epochs))
            total, oldest = db.execute("SELECT count(*), min(seq) FROM tape WHERE seq > 0").fetchone()
            if total and not last:
                raise start_missing(path.parent, 1, oldest - 1)
            db.execute("DELETE FROM tape WHERE seq NOT BETWEEN ? AND ?", (first, last))
            aside = finish(db, path, first - 1, [*(name for _, name in snapshots if name in epochs), epoch])
    finally:
        Path(f"{path}.new").unlink(missing_ok=True)

    count = last - first + 1
    if count:
        outcome = f"{count} transactions were recovered, {first} to {last}"
    elif last:
        outcome = f"what can be read does not reach the snapshot of transaction {last}, from where the tape goes on"
    else:
        outcome = "no transaction was recovered"
    if total > count:
        outcome += f"; {total - count} more can be read, but are cut off by a gap"
    if aside:
        outcome += f"; what was there is kept as {aside}"
    return f"{path} was damaged ({problem}): {outcome}"


def anchor_of(snapshots: list[tuple[int, str]], epochs: list[str]) -> int:
    """Where the replay of a tape begins: after its newest whole snapshot, 0 without one."""
    return next((seq for seq, epoch in snapshots if epoch in epochs), 0)


def start_missing(folder: Path, first: int, last: int) -> TapeError:
    """The error of a tape that can't be replayed for want of these transactions."""
    return TapeError(
        f"transactions {first} to {last} are missing from {folder}, and no whole snapshot covers them. "
        "Restore the folder, or its snapshots, from a backup; or start with an empty folder"
    )


def _run(db: sqlite3.Connection, anchor: int) -> tuple[int, int]:
    """First and last of the rows around `anchor` that follow on one another; `anchor + 1, anchor` for none."""
    first, last = anchor + 1, anchor
    for (seq,) in db.execute("SELECT seq FROM tape WHERE seq > ? ORDER BY seq", (anchor,)):
        if seq != last + 1:
            break
        last = seq
    for (seq,) in db.execute("SELECT seq FROM tape WHERE seq BETWEEN 1 AND ? ORDER BY seq DESC", (anchor,)):
        if seq != first - 1:
            break
        first = seq
    return first, last
