"""The tape on disk: what it survives, what it says about damage, and what stays bounded."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import deque
from contextlib import closing
from pathlib import Path

import pytest

from tickwire.errors import ConfigError, TapeError
from tickwire.market.market import Market
from tickwire.model.events import Event
from tickwire.model.records import Clock, PlaceOrder, Record, Transfer, encode_records
from tickwire.server.pipeline import restore
from tickwire.tape import salvage
from tickwire.tape.base import Durability
from tickwire.tape.memory import MemoryTape
from tickwire.tape.salvage import WAL_FRAME_BYTES, RawTape
from tickwire.tape.sqlite import READ_ROWS, RETAIN_ROWS_MAX, WAL_BYTES_MAX, WAL_PAGES, SqliteTape, open_tape
from tickwire.testing.tape_contract import SIZE, SYMBOL, TS, fill, transaction


def big(number: int, size: int = 1000) -> list[Record]:
    """A transaction that takes `size` bytes and a little."""
    return [Clock(TS + number), PlaceOrder(SYMBOL, "alice", "buy", number, client_order_id=f"{number:0{size}d}")]


def made(folder: Path, count: int, *snapshots: int) -> str:
    """Leave a closed tape of `count` small transactions in `folder`; returns its epoch."""
    with closing(SqliteTape(folder)) as tape:
        fill(tape, count)
        for seq in snapshots:
            tape.save_snapshot(seq, b"state after %d" % seq)
        return tape.epoch


def killed(folder: Path, tape: SqliteTape) -> Path:
    """A copy of the folder of an open tape, as its files would be if the process were killed now."""
    return Path(shutil.copytree(folder, folder.with_name(f"{folder.name}-killed-{tape.last_seq}")))


def contents(tape: SqliteTape, after: int = 0) -> list[int]:
    """Numbers of the transactions held, each of which must be `transaction(number)`."""
    held = list(tape.read(after=after))
    assert held == [(seq, transaction(seq)) for seq, _ in held]
    return [seq for seq, _ in held]


def damage(path: Path, needle: bytes) -> None:
    """Flip one bit of each place where a file holds `needle`."""
    data = path.read_bytes()
    assert needle in data
    path.write_bytes(data.replace(needle, needle[:-1] + bytes([needle[-1] ^ 1])))


# ---- opening --------------------------------------------------------------------------------------


def test_open_tape_picks_by_durability(tmp_path: Path) -> None:
    assert isinstance(open_tape(None, "none"), MemoryTape)
    assert isinstance(open_tape(tmp_path, "none"), MemoryTape)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match='durability "power" needs a data folder'):
        open_tape(None, "power")
    levels: list[tuple[Durability, int]] = [("process", 1), ("power", 2)]  # NORMAL, FULL
    for durability, level in levels:
        tape = open_tape(tmp_path / "deep" / durability, durability)
        assert isinstance(tape, SqliteTape)
        assert tape._db is not None
        assert tape._db.execute("PRAGMA synchronous").fetchone() == (level,)
        assert tape._db.execute("PRAGMA journal_mode").fetchone() == (b"wal",)
        tape.close()


def test_a_tape_goes_on_where_it_was_closed(tmp_path: Path) -> None:
    epoch = made(tmp_path, 3, 2)
    with closing(SqliteTape(tmp_path)) as tape:
        assert (tape.epoch, tape.first_seq, tape.last_seq, tape.bytes_held) == (epoch, 1, 3, 3 * SIZE)
        assert tape.repaired == ""
        assert contents(tape) == [1, 2, 3]
        assert tape.load_snapshot() == (2, b"state after 2")
        with pytest.raises(TapeError, match="went back"):
            tape.append([Clock(TS + 2)])
        assert tape.append(transaction(4)) == 4


def test_an_emptied_tape_goes_on_where_it_was_closed(tmp_path: Path) -> None:
    made(tmp_path, 3, 3)
    for dropped in (3, 1):  # the last one is only dropped for good once another has followed
        with closing(SqliteTape(tmp_path)) as tape:
            assert tape.retain(bytes_max=0, newer_than_ns=0) == dropped
            assert (tape.first_seq, tape.last_seq, tape.bytes_held, tape.repaired) == (4, 3, 0, "")
    with closing(SqliteTape(tmp_path)) as tape:
        assert tape.append(transaction(4)) == 4
        assert tape.retain(bytes_max=0, newer_than_ns=0) == 1
    with closing(SqliteTape(tmp_path)) as tape:
        assert (tape.first_seq, tape.last_seq, tape.bytes_held) == (4, 4, SIZE)


def test_a_tape_is_held_by_one(tmp_path: Path) -> None:
    with closing(SqliteTape(tmp_path)) as tape:
        fill(tape, 1)
        with pytest.raises(TapeError, match=rf"in use by process {os.getpid()}: stop it first"):
            SqliteTape(tmp_path)
        assert tape.append(transaction(2)) == 2
    with closing(SqliteTape(tmp_path)) as tape:
        assert contents(tape) == [1, 2]


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TapeError, match=r"the data folder .* can't be used"):
        SqliteTape(tmp_path / "file")


def test_a_tape_of_another_version_is_left_alone(tmp_path: Path) -> None:
    with closing(salvage.create(tmp_path / "tape.db")) as db:
        body = b"tickwire-tape 2 0 0123456789abcdef"
        db.execute(salvage.INSERT, (0, 0, 0, salvage.row_crc(0, 0, 0, body), body))
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL").fetchone()
    (tmp_path / "tape.db.new").rename(tmp_path / "tape.db")
    before = (tmp_path / "tape.db").read_bytes()
    for _ in range(2):
        with pytest.raises(TapeError, match="another version of tickwire: tickwire-tape 2, not tickwire-tape 1"):
            SqliteTape(tmp_path)
        assert (tmp_path / "tape.db").read_bytes() == before
        (tmp_path / "tape.db.suspect").touch()  # nor is it rebuilt


# ---- a kill ---------------------------------------------------------------------------------------

APPEND_FOR_EVER = """
import sys
from pathlib import Path
from tickwire.tape.sqlite import SqliteTape
from tickwire.testing.tape_contract import transaction
tape = SqliteTape(Path(sys.argv[1]))
while True:
    seq = tape.append(transaction(tape.last_seq + 1))
    print(seq, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 40, 1500])
def test_nothing_acknowledged_is_lost_to_a_kill(tmp_path: Path, lines: int) -> None:
    command = [sys.executable, "-c", APPEND_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().splitlines(keepends=True)
    acknowledged = lines + sum(line.endswith(b"\n") for line in rest)
    with closing(SqliteTape(tmp_path)) as tape:
        assert tape.last_seq in (acknowledged, acknowledged + 1)  # one more may be stored and not yet printed
        assert contents(tape) == list(range(1, tape.last_seq + 1))


def test_a_frame_in_the_making_over_old_ones_is_no_damage(tmp_path: Path) -> None:
    """A kill between the two writes of a frame leaves its header before a page of the round before."""
    folder = tmp_path / "tape"
    with closing(SqliteTape(folder)) as tape:
        for number in range(1, WAL_PAGES + 5):  # the log is rewound on the way
            tape.append([Clock(TS + number)])
        copy = killed(folder, tape)
    wal = copy / "tape.db-wal"
    data = bytearray(wal.read_bytes())
    salts = data[16:24]
    frames = [at for at in range(32, len(data), WAL_FRAME_BYTES) if data[at + 8 : at + 16] == salts]
    behind = frames[-1] + WAL_FRAME_BYTES
    assert behind + WAL_FRAME_BYTES <= len(data)
    data[behind : behind + 24] = data[frames[-1] : frames[-1] + 24]
    wal.write_bytes(data)
    with closing(SqliteTape(copy)) as tape:
        assert tape.last_seq == WAL_PAGES + 4
        assert wal.stat().st_size == 0  # so that it is said once
        assert tape.repaired == f"the last append to {copy / 'tape.db'} was cut off in the middle and is discarded"


# ---- bounds ---------------------------------------------------------------------------------------


def test_the_log_stays_bounded_whoever_reads(tmp_path: Path) -> None:
    with closing(SqliteTape(tmp_path)) as tape:
        tape.append([Clock(TS)])
        tape.append([Clock(TS)])
        readers = [tape.read()]
        next(readers[0])
        for _ in range(3 * WAL_PAGES):
            tape.append([Clock(TS)])
        assert (tmp_path / "tape.db-wal").stat().st_size < 1.2 * WAL_PAGES * WAL_FRAME_BYTES
        assert next(readers[0]) == (2, [Clock(TS)])


def test_the_log_shrinks_again_after_a_huge_transaction(tmp_path: Path) -> None:
    with closing(SqliteTape(tmp_path)) as tape:
        tape.append(big(1, WAL_BYTES_MAX))
        assert (tmp_path / "tape.db-wal").stat().st_size > WAL_BYTES_MAX
        tape.append(big(2))
        assert (tmp_path / "tape.db-wal").stat().st_size == WAL_BYTES_MAX
        assert list(tape.read()) == [(1, big(1, WAL_BYTES_MAX)), (2, big(2))]


def test_the_file_stays_bounded_under_retention(tmp_path: Path) -> None:
    with closing(SqliteTape(tmp_path)) as tape:
        sizes = []
        for _ in range(12):
            for _ in range(200):
                tape.append(big(tape.last_seq + 1))
            tape.save_snapshot(tape.last_seq, b"state")
            tape.retain(bytes_max=100_000, newer_than_ns=0)
            assert tape._db is not None
            tape._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            sizes.append((tmp_path / "tape.db").stat().st_size)
        assert tape.bytes_held <= 100_000
        assert [records for _, records in tape.read(after=tape.first_seq - 1)] == [
            big(number) for number in range(tape.first_seq, 2401)
        ]
        # 300 transactions of 1 KB at most are held at once; without reuse the file would grow to 2,400 of them
        assert sizes[-1] == sizes[2]
        assert sizes[-1] < 500_000


def test_retain_drops_so_many_a_call(tmp_path: Path) -> None:
    with closing(SqliteTape(tmp_path)) as tape:
        for _ in range(RETAIN_ROWS_MAX + 10):
            tape.append([Clock(TS)])
        tape.save_snapshot(RETAIN_ROWS_MAX + 7, b"state")
        assert [tape.retain(bytes_max=0, newer_than_ns=0) for _ in range(3)] == [RETAIN_ROWS_MAX, 7, 0]
        assert (tape.first_seq, tape.last_seq) == (RETAIN_ROWS_MAX + 8, RETAIN_ROWS_MAX + 10)


def test_a_full_disk_loses_nothing_and_can_be_cleared(tmp_path: Path) -> None:
    with closing(SqliteTape(tmp_path)) as tape:
        fill(tape, 3)
        assert tape._db is not None
        tape._db.execute("PRAGMA max_page_count = 3")
        with pytest.raises(
            TapeError, match=f"transaction 4 was not stored: .* full; make room on the disk of {tmp_path}"
        ):
            tape.append(big(4, 20_000))
        assert (tape.last_seq, tape.bytes_held, contents(tape)) == (3, 3 * SIZE, [1, 2, 3])
        tape._db.execute("PRAGMA max_page_count = 1000000")
        assert tape.append(transaction(4)) == 4
    with closing(SqliteTape(tmp_path)) as tape:
        assert (contents(tape), tape.repaired) == ([1, 2, 3, 4], "")


# ---- snapshots ------------------------------------------------------------------------------------


def snapshot_path(folder: Path, seq: int) -> Path:
    return folder / f"snapshot-{seq:020d}.bin"


def test_three_snapshots_are_kept(tmp_path: Path) -> None:
    made(tmp_path, 5, 1, 3, 4, 5)
    assert sorted(tmp_path.glob("snapshot*")) == [snapshot_path(tmp_path, seq) for seq in (3, 4, 5)]
    with closing(SqliteTape(tmp_path)) as tape:
        assert [tape.load_snapshot(before=seq) for seq in (6, 5, 4)] == [
            (5, b"state after 5"),
            (4, b"state after 4"),
            (3, b"state after 3"),
        ]
        assert tape.load_snapshot(before=3) is None


@pytest.mark.parametrize("fault", ["cut", "longer", "flipped", "renamed", "empty"])
def test_a_damaged_snapshot_is_passed_over_for_the_older(tmp_path: Path, fault: str) -> None:
    epoch = made(tmp_path, 6, 2, 4)
    path = snapshot_path(tmp_path, 4)
    data = path.read_bytes()
    match fault:
        case "cut":
            path.write_bytes(data[:-1])
        case "longer":
            path.write_bytes(data + b"\0")
        case "flipped":
            damage(path, b"state")
        case "renamed":
            path = path.rename(snapshot_path(tmp_path, 5))
        case "empty":
            path.write_bytes(b"")
    with closing(SqliteTape(tmp_path)) as tape:
        assert tape.load_snapshot() == (2, b"state after 2")
        assert tape.repaired == f"{path} is damaged and is set aside as {path.name}.broken"
        assert (tape.epoch, contents(tape, after=2)) == (epoch, [3, 4, 5, 6])
        # what only the damaged one covered must stay
        assert tape.retain(bytes_max=0, newer_than_ns=0) == 2
    with closing(SqliteTape(tmp_path)) as tape:
        assert (tape.repaired, tape.first_seq) == ("", 3)


def test_a_snapshot_found_damaged_later_is_passed_over_too(tmp_path: Path) -> None:
    with closing(SqliteTape(tmp_path)) as tape:
        fill(tape, 4)
        tape.save_snapshot(2, b"state after 2")
        tape.save_snapshot(4, b"state after 4")
        damage(snapshot_path(tmp_path, 4), b"state")
        assert tape.load_snapshot() == (2, b"state after 2")


def test_a_snapshot_of_another_tape_is_set_aside(tmp_path: Path) -> None:
    made(tmp_path / "a", 9, 9)
    epoch = made(tmp_path / "b", 3)
    path = Path(shutil.copy(snapshot_path(tmp_path / "a", 9), tmp_path / "b"))
    with closing(SqliteTape(tmp_path / "b")) as tape:
        assert tape.load_snapshot() is None
        assert (tape.epoch, contents(tape)) == (epoch, [1, 2, 3])
        assert tape.repaired == f"{path} belongs to another tape and is set aside as {path.name}.broken"


def test_an_unfinished_snapshot_is_no_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, 3, 2)

    def fail(descriptor: int) -> None:
        raise OSError("no space")

    with closing(SqliteTape(tmp_path)) as tape:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(TapeError, match="the snapshot of transaction 3 was not stored: no space"):
                tape.save_snapshot(3, b"state after 3")
        assert tape.load_snapshot() == (2, b"state after 2")
        assert list(tmp_path.glob("snapshot*")) == [snapshot_path(tmp_path, 2)]
        assert tape.retain(bytes_max=0, newer_than_ns=0) == 2


# ---- damage ---------------------------------------------------------------------------------------


def test_a_flipped_bit_ends_the_tape_before_it(tmp_path: Path) -> None:
    epoch = made(tmp_path, 9)
    damage(tmp_path / "tape.db", b"account 006")
    broken = (tmp_path / "tape.db").read_bytes()
    with closing(SqliteTape(tmp_path)) as tape:
        assert tape.repaired == (
            f"{tmp_path}/tape.db was damaged (transaction 6 is damaged): 5 transactions were recovered, 1 to 5; "
            f"3 more can be read, but are cut off by a gap; what was there is kept as {tmp_path}/tape.db.broken-1"
        )
        assert (tape.first_seq, tape.last_seq, tape.bytes_held) == (1, 5, 5 * SIZE)
        assert contents(tape) == [1, 2, 3, 4, 5]
        assert tape.epoch != epoch
        assert tape.append(transaction(6)) == 6
        epoch = tape.epoch
    assert (tmp_path / "tape.db.broken-1").read_bytes() == broken
    with closing(SqliteTape(tmp_path)) as tape:
        assert (tape.repaired, tape.epoch, contents(tape)) == ("", epoch, [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tape SET ts = ts + 1 WHERE seq = 6",
        "UPDATE tape SET start = 0 WHERE seq = 6",
        "UPDATE tape SET body = (SELECT body FROM tape WHERE seq = 7) WHERE seq = 6",
        "UPDATE tape SET body = 'text' WHERE seq = 6",
        "UPDATE tape SET seq = 16 WHERE seq = 6",
        "DELETE FROM tape WHERE seq = 6",
    ],
)
def test_whatever_is_wrong_with_a_row_ends_the_tape_before_it(tmp_path: Path, change: str) -> None:
    made(tmp_path, 9)
    with closing(sqlite3.connect(tmp_path / "tape.db")) as db, db:
        assert db.execute(change).rowcount == 1
    with closing(SqliteTape(tmp_path)) as tape:
        assert "(transaction 6 is damaged): 5 transactions were recovered, 1 to 5; 3 more can be read" in tape.repaired
        assert contents(tape) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("cut", [0, 1, 4095])
def test_a_log_that_holds_every_page_makes_up_for_the_file(tmp_path: Path, cut: int) -> None:
    folder = tmp_path / "tape"
    with closing(SqliteTape(folder)) as tape:
        for number in range(1, 9):
            tape.append(big(number))
        copy = killed(folder, tape)
    os.truncate(copy / "tape.db", cut)
    with closing(SqliteTape(copy)) as tape:
        assert "(its first page is gone): 8 transactions were recovered, 1 to 8; what was there" in tape.repaired
        assert [records for _, records in tape.read()] == [big(number) for number in range(1, 9)]


def test_rows_cut_off_by_a_gap_never_come_back(tmp_path: Path) -> None:
    """After a repair their numbers are given out again. A later repair must not find the old ones."""
    made(tmp_path, 100)
    damage(tmp_path / "tape.db", b"account 020")
    with closing(SqliteTape(tmp_path)) as tape:
        assert tape.last_seq == 19
    with RawTape(tmp_path / "tape.db") as raw:
        assert sorted(row.seq for row in raw.rows()) == list(range(20))
    data = (tmp_path / "tape.db").read_bytes()
    assert [number for number in range(1, 101) if b"account %03d" % number in data] == list(range(1, 20))


def test_a_snapshot_survives_a_repair_and_counts_for_the_new_epoch(tmp_path: Path) -> None:
    made(tmp_path, 9, 2, 4)
    damage(tmp_path / "tape.db", b"account 008")
    for repaired in (True, False):
        with closing(SqliteTape(tmp_path)) as tape:
            assert bool(tape.repaired) is repaired
            assert tape.load_snapshot() == (4, b"state after 4")
            assert contents(tape, after=4) == [5, 6, 7]


def test_a_gap_before_the_snapshot_costs_only_history(tmp_path: Path) -> None:
    made(tmp_path, 9, 5)
    damage(tmp_path / "tape.db", b"account 003")
    with closing(SqliteTape(tmp_path)) as tape:
        assert (tape.repaired, contents(tape, after=5)) == ("", [6, 7, 8, 9])
        history = tape.read()
        assert [next(history)[0], next(history)[0]] == [1, 2]
        with pytest.raises(TapeError, match=r"transaction 3 is damaged; .* is rebuilt when it is opened again"):
            next(history)
    with closing(SqliteTape(tmp_path)) as tape:
        assert "6 transactions were recovered, 4 to 9; 2 more can be read" in tape.repaired
        assert (tape.first_seq, contents(tape, after=3)) == (4, [4, 5, 6, 7, 8, 9])
    with closing(SqliteTape(tmp_path)) as tape:
        assert tape.repaired == ""


def test_damage_met_by_sqlite_in_use_is_repaired_at_the_next_start(tmp_path: Path) -> None:
    with closing(SqliteTape(tmp_path)) as tape:
        for number in range(1, 300):
            tape.append(big(number))
        tape.save_snapshot(299, b"state")
    data = bytearray((tmp_path / "tape.db").read_bytes())
    leaves = [at for at in range(4096, len(data), 4096) if data[at] == 0x0D]
    data[leaves[40] : leaves[40] + 8] = b"\xff" * 8
    (tmp_path / "tape.db").write_bytes(data)
    with closing(SqliteTape(tmp_path)) as tape:
        assert tape.repaired == ""
        with pytest.raises(TapeError, match=r"malformed; .* is rebuilt when it is opened again"):
            list(tape.read())
    with closing(SqliteTape(tmp_path)) as tape:
        assert "it was found so in use" in tape.repaired
        assert [records for _, records in tape.read(after=tape.first_seq - 1)] == [
            big(number) for number in range(tape.first_seq, 300)
        ]
        assert 1 < tape.first_seq < 200


def test_a_tape_whose_end_is_lost_goes_on_after_its_snapshot(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    with closing(SqliteTape(folder)) as tape:
        fill(tape, 9)
        copy = killed(folder, tape)
        tape.save_snapshot(8, b"state after 8")
        tape.retain(bytes_max=3 * SIZE, newer_than_ns=0)
        epoch = tape.epoch
        (copy / "tape.db-wal").unlink()  # the file itself has none of the rows
        shutil.copy(snapshot_path(folder, 8), copy)
    with closing(SqliteTape(copy)) as tape:
        assert tape.repaired == (
            f"{copy}/tape.db was damaged (it ends at transaction 0, and there is a snapshot of 8): "
            "what can be read does not reach the snapshot of transaction 8, from where the tape goes on; "
            f"what was there is kept as {copy}/tape.db.broken-1"
        )
        assert (tape.first_seq, tape.last_seq, tape.bytes_held) == (9, 8, 0)
        assert tape.epoch != epoch
        assert tape.load_snapshot() == (8, b"state after 8")
        assert tape.append(transaction(9)) == 9
    with closing(SqliteTape(copy)) as tape:
        assert (tape.repaired, contents(tape, after=8)) == ("", [9])


def test_even_a_damaged_snapshot_tells_that_the_end_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    made(folder, 5, 3)
    with closing(SqliteTape(folder)) as tape:
        for number in range(6, 10):
            tape.append(transaction(number))
        tape.save_snapshot(9, b"state after 9")
        copy, epoch = killed(folder, tape), tape.epoch
    (copy / "tape.db-wal").unlink()
    damage(snapshot_path(copy, 9), b"state")
    with closing(SqliteTape(copy)) as tape:
        first, second = tape.repaired.split(f"; {snapshot_path(copy, 9)}")
        assert "(it ends at transaction 5, and there is a snapshot of 9): 5 transactions were recovered" in first
        assert second == " is damaged and is set aside as snapshot-00000000000000000009.bin.broken"
        assert tape.epoch != epoch
        assert contents(tape) == [1, 2, 3, 4, 5]
        assert tape.load_snapshot() == (3, b"state after 3")


def test_a_lost_file_leaves_the_snapshot(tmp_path: Path) -> None:
    made(tmp_path, 5, 4)
    (tmp_path / "tape.db").unlink()
    with closing(SqliteTape(tmp_path)) as tape:
        assert (tape.first_seq, tape.last_seq, tape.load_snapshot()) == (5, 4, (4, b"state after 4"))
        assert tape.repaired.endswith("the snapshot of transaction 4, from where the tape goes on")


@pytest.mark.parametrize("fault", ["both gone", "both damaged", "older only"])
@pytest.mark.parametrize("kept", [2, 0])
def test_a_tape_without_its_start_is_refused_and_left_alone(tmp_path: Path, fault: str, kept: int) -> None:
    made(tmp_path, 9, 3, 9)
    with closing(SqliteTape(tmp_path)) as tape:
        tape.retain(bytes_max=kept * SIZE, newer_than_ns=0)
    for seq in (3, 9):
        if fault == "both gone":
            snapshot_path(tmp_path, seq).unlink()
        elif fault == "both damaged" or seq == 9:
            damage(snapshot_path(tmp_path, seq), b"state")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    start = 4 if fault == "older only" else 1
    with pytest.raises(
        TapeError, match=f"transactions {start} to {9 - max(kept, 1)} are missing .* from a backup; or .* empty folder"
    ):
        SqliteTape(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_cut_tape_without_its_start_is_refused_and_left_alone(tmp_path: Path) -> None:
    with closing(SqliteTape(tmp_path)) as tape:
        for number in range(1, 201):
            tape.append(big(number))
        tape.save_snapshot(100, b"state")
        tape.retain(bytes_max=0, newer_than_ns=0)
        snapshot_path(tmp_path, 100).unlink()
    os.truncate(tmp_path / "tape.db", (tmp_path / "tape.db").stat().st_size - 1)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(TapeError, match=r"transactions 1 to \d+ are missing"):
        SqliteTape(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_damage_in_the_middle_of_the_log_is_no_torn_end(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    with closing(SqliteTape(folder)) as tape:
        fill(tape, 9)
        copy, epoch = killed(folder, tape), tape.epoch
    wal = bytearray((copy / "tape.db-wal").read_bytes())
    assert len(wal) == 32 + 9 * WAL_FRAME_BYTES
    wal[32 + 4 * WAL_FRAME_BYTES + 100] ^= 1  # the fifth append
    (copy / "tape.db-wal").write_bytes(wal)
    with closing(SqliteTape(copy)) as tape:
        assert tape.repaired == (
            f"{copy}/tape.db was damaged (its write-ahead log is damaged in the middle): "
            f"4 transactions were recovered, 1 to 4; what was there is kept as {copy}/tape.db.broken-1"
        )
        assert contents(tape) == [1, 2, 3, 4]
        assert tape.epoch != epoch
    assert (copy / "tape.db.broken-1-wal").read_bytes() == wal


def test_a_cut_log_whose_end_is_in_the_file_already_is_noticed(tmp_path: Path) -> None:
    """SQLite would lay the old pages of the log over the newer ones of the file."""
    folder = tmp_path / "tape"
    with closing(SqliteTape(folder)) as tape:
        for number in range(1, 101):
            tape.append(big(number))
        assert tape._db is not None
        tape._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        copy = killed(folder, tape)
    os.truncate(copy / "tape.db-wal", 32 + 20 * WAL_FRAME_BYTES)
    with closing(SqliteTape(copy)) as tape:
        assert ": the log is cut): 100 transactions were recovered, 1 to 100; what was there" in tape.repaired
        assert [records for _, records in tape.read()] == [big(number) for number in range(1, 101)]


@pytest.mark.parametrize("renames", range(5))
def test_a_repair_that_is_killed_is_finished_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    folder = tmp_path / "tape"
    with closing(SqliteTape(folder)) as tape:
        fill(tape, 9)
        copy = killed(folder, tape)
    data = bytearray((copy / "tape.db-wal").read_bytes())
    data[32 + 4 * WAL_FRAME_BYTES + 100] ^= 1
    (copy / "tape.db-wal").write_bytes(data)
    rename, left = Path.rename, renames

    def rename_until_killed(self: Path, target: str | Path) -> Path:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename_until_killed)
        if renames < 4:  # new to rebuilt, log and file aside, rebuilt into place
            with pytest.raises(KeyboardInterrupt):
                SqliteTape(copy)
        else:
            SqliteTape(copy).close()
    for _ in range(2):
        with closing(SqliteTape(copy)) as tape:
            assert contents(tape) == [1, 2, 3, 4]
    assert sorted(path.name for path in copy.glob("tape.db*")) == [
        "tape.db",
        "tape.db.broken-1",
        "tape.db.broken-1-wal",
    ]


def test_each_repair_keeps_its_own_broken_file(tmp_path: Path) -> None:
    made(tmp_path, 9)
    for number, last in ((1, 7), (2, 3)):
        damage(tmp_path / "tape.db", b"account %03d" % (last + 1))
        with closing(SqliteTape(tmp_path)) as tape:
            assert tape.repaired.endswith(f"kept as {tmp_path}/tape.db.broken-{number}")
            assert contents(tape) == list(range(1, last + 1))


def test_a_foreign_file_is_set_aside_unharmed(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "tape.db")) as db:
        db.execute("CREATE TABLE somebody_elses (id INTEGER)")
        db.commit()
    before = (tmp_path / "tape.db").read_bytes()
    with closing(SqliteTape(tmp_path)) as tape:
        assert "no transaction was recovered; what was there is kept as" in tape.repaired
        assert tape.append(transaction(1)) == 1
    assert (tmp_path / "tape.db.broken-1").read_bytes() == before


def test_large_transactions_are_salvaged_through_their_overflow_pages(tmp_path: Path) -> None:
    sizes = [10, *range(3960, 4000), 4096, 8000, *range(8040, 8090), 20_000, 200_000]  # around one page and two
    with closing(SqliteTape(tmp_path)) as tape:
        for number, size in enumerate(sizes, 1):
            tape.append(big(number, size))
        held = tape.bytes_held
    (tmp_path / "tape.db.suspect").touch()
    with closing(SqliteTape(tmp_path)) as tape:
        assert [records for _, records in tape.read()] == [big(number, size) for number, size in enumerate(sizes, 1)]
        assert tape.bytes_held == held == sum(len(encode_records(big(n, size))) for n, size in enumerate(sizes, 1))


def test_reading_crosses_the_edges_of_its_batches(tmp_path: Path) -> None:
    with closing(SqliteTape(tmp_path)) as tape:
        for number in range(1, 2 * READ_ROWS + 2):
            tape.append([Clock(TS + number)])
        for after in (0, 1, READ_ROWS - 1, READ_ROWS, READ_ROWS + 1, 2 * READ_ROWS, 2 * READ_ROWS + 1):
            expected = [(number, [Clock(TS + number)]) for number in range(after + 1, 2 * READ_ROWS + 2)]
            assert list(tape.read(after=after)) == expected


def test_damage_in_what_a_snapshot_covers_does_not_keep_a_server_from_starting(tmp_path: Path) -> None:
    market = Market()
    with closing(SqliteTape(tmp_path)) as tape:
        for number in range(1, 10):
            deposit = Transfer(f"account {number:03d}", "USD", "1", str(number))
            records: list[Record] = [Clock(number * 1_000_000_000), deposit]
            for record in records:
                market.apply(record)
            tape.append(records)
            if number in (2, 6):
                tape.save_snapshot(number, market.snapshot())
    damage(tmp_path / "tape.db", b"account 004")
    with closing(SqliteTape(tmp_path)) as tape:
        recent: deque[Event] = deque()
        assert restore(tape, recent).digest() == market.digest()
        assert list(recent) == []
