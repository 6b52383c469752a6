"""The files of a data folder: `tape.db`, its log and the snapshots, with bytes changed, cut, swapped and put in.

The contract: `tickwire doctor` says what it finds in words and exits with 0 or 1; nothing else is raised. Opening the
tape gives transactions that were written, in their order from the first or a snapshot on, or a `TapeError`. A row or
snapshot whose sum is right but whose content is not is said in words too.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fuzz.harness import fuzzed, torn
from support import BTC, START_NS, funded, order
from tickwire.cli.doctor import examine
from tickwire.cli.main import app
from tickwire.errors import TapeError
from tickwire.market.market import Market
from tickwire.model.records import Clock, ListInstrument, Record, encode_records
from tickwire.tape import salvage, sqlite
from tickwire.tape.sqlite import SqliteTape


def transaction(number: int) -> list[Record]:
    if number == 1:
        return [Clock(START_NS), ListInstrument(BTC), *funded("a", "b")]
    return [Clock(START_NS + number), order("buy", 100 + number, 5), order("sell", 101 + number, 3)]


TRANSACTIONS = [transaction(number) for number in range(1, 14)]
FILES = ("tape.db", "tape.db-wal", sqlite._snapshot_path(Path(), 8).name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half in the file and half in the log, as a kill leaves them, with a snapshot."""
    base = tmp_path_factory.mktemp("tape")
    market = Market()
    with closing(SqliteTape(base / "open")) as tape:
        for records in TRANSACTIONS[:6]:
            tape.append(records)
    with closing(SqliteTape(base / "open")) as tape:
        for number, records in enumerate(TRANSACTIONS, 1):
            if number > 6:
                tape.append(records)
            for record in records:
                market.apply(record)
            if number == 8:
                tape.save_snapshot(8, market.snapshot())
        shutil.copytree(base / "open", base / "killed")
    assert {path.name for path in (base / "killed").iterdir()} >= set(FILES)
    return base / "killed"


class Copy:
    """A folder of its own for one example."""

    def __init__(self, of: Path) -> None:
        self._temporary = tempfile.TemporaryDirectory()
        self.path = Path(self._temporary.name) / "data"
        shutil.copytree(of, self.path)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self._temporary.cleanup()


def check(data: Path) -> list[tuple[bool, str]]:
    """Hold the doctor and the tape to the contract; the doctor's findings."""
    result = CliRunner().invoke(app, ["doctor", str(data)])
    assert result.exit_code in (0, 1), result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit)
    findings = examine(data)
    assert all(text for _, text in findings)
    assert result.exit_code == (not all(healthy for healthy, _ in findings))
    refused = ""
    try:
        with closing(SqliteTape(data)) as tape:
            for seq, records in tape.read(tape.first_seq - 1):
                assert records == TRANSACTIONS[seq - 1]
            if tape.repaired:
                assert result.exit_code == 1
    except TapeError as error:
        refused = str(error)
    assert result.exit_code == 1 or not refused
    return findings


def test_the_folder_is_whole(folder: Path) -> None:
    with Copy(folder) as data:
        assert all(healthy for healthy, _ in check(data))


@fuzzed(12)
@given(data=st.data(), names=st.lists(st.sampled_from(FILES), min_size=1, max_size=2))
def test_torn_files(folder: Path, data: st.DataObject, names: list[str]) -> None:
    with Copy(folder) as copy:
        for name in names:
            content = data.draw(torn((copy / name).read_bytes(), changes_max=4), name)
            (copy / name).write_bytes(content)
        check(copy)


@fuzzed(12)
@given(
    names=st.permutations(FILES), contents=st.lists(st.binary(max_size=200), min_size=1, max_size=3), cut=st.booleans()
)
def test_other_bytes_in_their_place(folder: Path, names: list[str], contents: list[bytes], cut: bool) -> None:
    with Copy(folder) as copy:
        for name, content in zip(names, contents, strict=False):
            before = b"" if cut else (copy / name).read_bytes()
            (copy / name).write_bytes(content + before[len(content) :])
        check(copy)


@pytest.mark.parametrize("what", ["row", "title", "snapshot"])
@fuzzed(8)
@given(data=st.data())
def test_a_right_sum_over_wrong_content(folder: Path, what: str, data: st.DataObject) -> None:
    with Copy(folder) as copy:
        with closing(SqliteTape(copy)) as tape:
            epoch, (_, state) = tape.epoch, tape.load_snapshot() or (0, b"")
        if what == "snapshot":
            sqlite._write_snapshot(copy, 8, epoch, data.draw(torn(state)))
        else:
            seq = 0 if what == "title" else data.draw(st.integers(1, len(TRANSACTIONS)))
            with closing(sqlite3.connect(copy / "tape.db")) as db:
                ts, start, body = db.execute("SELECT ts, start, body FROM tape WHERE seq = ?", (seq,)).fetchone()
                body = data.draw(torn(bytes(body)) | st.sampled_from(TRANSACTIONS).map(encode_records))
                row = (ts, start, salvage.row_crc(seq, ts, start, body), body, seq)
                db.execute("UPDATE tape SET ts = ?, start = ?, crc = ?, body = ? WHERE seq = ?", row)
                db.commit()
        result = CliRunner().invoke(app, ["doctor", str(copy)])
        assert result.exit_code in (0, 1), result.exception
        refused = ""
        try:
            SqliteTape(copy).close()
        except TapeError as error:
            refused = str(error)
        assert result.exit_code == 1 or not refused
