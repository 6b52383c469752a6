"""A tape cut anywhere is recovered up to the last whole transaction, and says so.

The expectation does not come from the code under test: for a cut log it is the number of commit frames that
lie before the cut; for a cut file it is how far the bytes of the bodies, block by block, can be found in whole
pages before the cut.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from tickwire.errors import TapeError
from tickwire.model.records import Clock, PlaceOrder, Record, encode_records
from tickwire.tape.salvage import RawTape
from tickwire.tape.sqlite import SqliteTape

PAGE = 4096
FRAME = 24 + PAGE
BLOCK = 64
SEED = 20_240_607


def transaction(number: int, size: int) -> list[Record]:
    """About `size` bytes, of which no block occurs in another transaction."""
    filler = "".join(f"{number}.{i};" for i in range(size // 6))
    return [Clock(number), PlaceOrder("SIM:BTC-USDT", "alice", "buy", number, client_order_id=filler[:size])]


class Files(NamedTuple):
    """The files of a tape whose process was killed."""

    folder: Path
    epoch: str
    sizes: list[int]

    @property
    def transactions(self) -> list[list[Record]]:
        return [transaction(number, size) for number, size in enumerate(self.sizes, 1)]


def make(folder: Path, sizes: list[int], in_file: int) -> Files:
    with closing(SqliteTape(folder / "tape")) as tape:  # closing it moves the log into the file
        for number in range(1, in_file + 1):
            assert tape.append(transaction(number, sizes[number - 1])) == number
    with closing(SqliteTape(folder / "tape")) as tape:
        for number in range(in_file + 1, len(sizes) + 1):
            assert tape.append(transaction(number, sizes[number - 1])) == number
        shutil.copytree(folder / "tape", folder / "killed")
        return Files(folder / "killed", tape.epoch, sizes)


def sizes_of(count: int, seed: int) -> list[int]:
    """Mostly small, some that just fit a page, some with overflow pages (with more than a block on the last)."""
    rng = random.Random(seed)
    return [rng.choice((*[100] * 12, *[300] * 6, 700, 1_900, 3_900, 9_000, 23_000)) for _ in range(count)]


@pytest.fixture(scope="module")
def in_file(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Everything in the file, nothing in the log."""
    files = make(tmp_path_factory.mktemp("file"), sizes_of(120, SEED), 120)
    (files.folder / "tape.db-wal").unlink(missing_ok=True)  # empty
    return files


@pytest.fixture(scope="module")
def in_both(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The first 45 transactions in the file, the other 45 in the log."""
    return make(tmp_path_factory.mktemp("both"), sizes_of(90, SEED + 1), 45)


def commits(log: bytes) -> list[int]:
    """Where in a log each commit ends."""
    return [at + FRAME for at in range(32, len(log), FRAME) if log[at + 4 : at + 8] != bytes(4)]


def pages_needed(files: Files) -> list[int]:
    """For each transaction, how many whole pages of `tape.db` must be there for all of it to be."""
    main = bytearray((files.folder / "tape.db").read_bytes())
    for at in range(0, len(main), PAGE):
        if main[at] not in (0x00, 0x0D):  # only leaves and overflow pages hold rows
            main[at : at + PAGE] = bytes(PAGE)
    wal = files.folder / "tape.db-wal"
    log = wal.read_bytes() if wal.exists() else b""
    needed = []
    for records in files.transactions:
        body = encode_records(records)
        blocks = [body[at : at + BLOCK] for at in range(0, len(body), BLOCK)]
        places = [0 if block in log else main.find(block) // PAGE + 1 for block in blocks]
        assert places.count(0) < 3 + len(body) // PAGE or log  # a block across the border of two pages is not found
        needed.append(max(places))
    return needed


def check(folder: Path, files: Files, expected: int, *, lost: bool, same_epoch: bool) -> None:
    with closing(SqliteTape(folder)) as tape:
        assert [records for _, records in tape.read()] == files.transactions[:expected]
        assert (tape.first_seq, tape.last_seq) == (1, expected)
        assert bool(tape.repaired) is lost, tape.repaired
        assert (tape.epoch == files.epoch) is same_epoch
        epoch = tape.epoch
        assert tape.append([Clock(expected + 1)]) == expected + 1
    with closing(SqliteTape(folder)) as tape:
        assert (tape.epoch, tape.repaired, tape.last_seq) == (epoch, "", expected + 1)
        assert [records for _, records in tape.read()] == [*files.transactions[:expected], [Clock(expected + 1)]]


def check_cuts(files: Files, name: str, cuts: list[int], check_one: Callable[[Path, int], None]) -> None:
    for cut in cuts:
        folder = files.folder.with_name("cut")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(files.folder, folder)
        os.truncate(folder / name, cut)
        try:
            check_one(folder, cut)
        except BaseException as error:
            error.add_note(f"{name} cut at byte {cut}")
            raise


def sample(size: int, borders: list[int], count: int) -> list[int]:
    rng = random.Random(SEED)
    near = [border + by for border in rng.sample(borders, min(len(borders), count // 6)) for by in (-1, 0, 1)]
    headers = [0, 1, 15, 16, 31, 32, 33, 55, 56, 99, 100, 511, 512, PAGE - 1, PAGE, PAGE + 1]
    return sorted({cut for cut in (*headers, *near, *rng.sample(range(size), count // 2)) if cut < size})


def test_the_log_cut_anywhere(in_both: Files) -> None:
    log = (in_both.folder / "tape.db-wal").read_bytes()
    ends = commits(log)
    assert len(ends) == 45
    assert len(ends) < len(log) // FRAME  # some transactions take several frames

    def check_one(folder: Path, cut: int) -> None:
        whole = sum(end <= cut for end in ends)
        # At the end of a commit, or with no log at all, the files are what they were at an earlier moment.
        check(folder, in_both, 45 + whole, lost=cut not in (0, *ends), same_epoch=True)

    check_cuts(in_both, "tape.db-wal", sample(len(log), [*ends, *range(32, len(log), FRAME)], 100), check_one)


def test_the_file_cut_anywhere(in_file: Files) -> None:
    needed = pages_needed(in_file)
    size = (in_file.folder / "tape.db").stat().st_size
    assert not (in_file.folder / "tape.db-wal").exists()

    def check_one(folder: Path, cut: int) -> None:
        whole = next((n for n, pages in enumerate(needed) if pages > cut // PAGE), len(needed))
        check(folder, in_file, whole, lost=True, same_epoch=False)
        with (folder / "tape.db.broken-1").open("rb") as broken:
            assert broken.seek(0, os.SEEK_END) == cut

    check_cuts(in_file, "tape.db", sample(size, list(range(PAGE, size, PAGE)), 100), check_one)


def test_the_file_cut_anywhere_beside_its_log(in_both: Files) -> None:
    needed = pages_needed(in_both)
    size = (in_both.folder / "tape.db").stat().st_size
    log = (in_both.folder / "tape.db-wal").read_bytes()
    pages = {int.from_bytes(log[at : at + 4], "big") for at in range(32, len(log), FRAME)}
    last = commits(log)[-1] - FRAME
    page_count = int.from_bytes(log[last + 4 : last + 8], "big")

    def check_one(folder: Path, cut: int) -> None:
        whole = next((n for n, count in enumerate(needed) if count > cut // PAGE), len(needed))
        if not whole:  # what is in the log has no beginning
            with pytest.raises(TapeError, match=r"transactions 1 to \d+ are missing"):
                SqliteTape(folder)
            return
        # The log makes up for the pages that it holds. SQLite needs the rest, and the first page in any case.
        sound = cut >= PAGE and all(page in pages for page in range(cut // PAGE + 1, page_count + 1))
        check(folder, in_both, whole, lost=not sound, same_epoch=sound)

    check_cuts(in_both, "tape.db", sample(size, list(range(PAGE, size, PAGE)), 70), check_one)


def test_a_small_tape_cut_at_every_byte(tmp_path: Path) -> None:
    files = make(tmp_path, [100, 3_000, 6_000, 200, 500, 200], 3)
    needed = pages_needed(files)
    path = files.folder / "tape.db"
    ends = commits((files.folder / "tape.db-wal").read_bytes())
    assert len(ends) == 3

    for cut in range((files.folder / "tape.db-wal").stat().st_size - 1, -1, -1):
        os.truncate(files.folder / "tape.db-wal", cut)
        with RawTape(path) as raw:
            assert raw.wal.torn is (cut not in (0, *ends)), cut
            assert raw.problem() == "", cut
            if cut in (0, *ends) or cut + 1 in ends:
                assert {row.seq for row in raw.rows()} == set(range(4 + sum(end <= cut for end in ends)))

    (files.folder / "tape.db-wal").unlink()
    needed = pages_needed(files._replace(sizes=files.sizes[:3]))
    for cut in range(path.stat().st_size - 1, -1, -1):
        os.truncate(path, cut)
        with RawTape(path) as raw:
            assert raw.problem(), cut
            seqs = {row.seq for row in raw.rows()}
            assert {n for n, pages in enumerate(needed, 1) if pages <= cut // PAGE} == seqs - {0}, cut


@pytest.mark.parametrize("name", ["tape.db", "tape.db-wal"])
def test_a_flipped_bit_anywhere_never_gives_a_wrong_transaction(in_both: Files, name: str) -> None:
    rng = random.Random(SEED)
    size = (in_both.folder / name).stat().st_size
    places = [*range(0, 100, 4), *(rng.randrange(size) for _ in range(60))]
    outcomes = set()
    for place in places:
        folder = in_both.folder.with_name("flipped")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(in_both.folder, folder)
        data = bytearray((folder / name).read_bytes())
        data[place] ^= 1 << rng.randrange(8)
        (folder / name).write_bytes(data)
        try:
            tape = SqliteTape(folder)
        except TapeError as error:
            outcomes.add(str(error).partition(" from ")[0])
            continue
        with closing(tape):
            held = [records for _, records in tape.read()]
            assert held == in_both.transactions[: len(held)], place
            assert tape.repaired or len(held) == 90, place
            assert tape.append([Clock(91)]) == len(held) + 1
            outcomes.add("repaired" if tape.repaired else "whole")
    assert {"repaired"} <= outcomes <= {"repaired", "whole", "transactions 1 to 1 are missing"}
