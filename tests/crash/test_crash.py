"""Killed anywhere, the server comes back with all that it has acknowledged, once. `CRASHES` says how often to try."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from crash.crash import COIN, Served, Trader, check_trades, crashing, prepare, trade_until_killed
from tickwire.cli.doctor import examine
from tickwire.market.market import Market
from tickwire.server.pipeline import restore
from tickwire.tape.sqlite import SqliteTape, snapshot_seqs

CRASHES = int(os.environ.get("CRASHES", "6"))
CRASHES_A_FOLDER = 3
KILL_POINTS = {
    "after_append": 60, "after_ack": 200, "before_rename": 3, "before_ack": 200, "after_apply": 300,
    "after_publish": 60, "before_retain": 2, "before_publish": 60, "after_rename": 3, "before_append": 60,
    "before_apply": 300, "after_snapshot": 3, "after_retain": 2, "before_write": 100, "after_write": 100,
}  # fmt: skip
"""Each kill point and how often at most it is passed first."""
PAGE = 4096
FRAME = 24 + PAGE
WAL_HEADER = 32


def healthy(folder: Path) -> None:
    assert [text for fine, text in examine(folder) if not fine] == []


@asynccontextmanager
async def all_connected(served: Served, traders: list[Trader]) -> AsyncIterator[list[dict[str, Any]]]:
    """Every trader's connection is open; gives what each was told of its missed fills."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(trader.connected(served.url)) for trader in traders]


@pytest.mark.parametrize("seed", range(1, CRASHES // CRASHES_A_FOLDER + 1))
async def test_what_was_acknowledged_outlives_kill_9(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    durability = "power" if seed % 2 else "process"
    options: dict[str, Any] = {} if rng.random() < 0.5 else {"tape_bytes_max": 20_000}
    traders = [Trader(key, random.Random(f"{seed} {key.account}")) for key in prepare(tmp_path)]
    points = list(KILL_POINTS)
    at = "no kill point yet"
    try:
        for number in range(CRASHES_A_FOLDER + 1):
            step = points[(seed * CRASHES_A_FOLDER + number) % len(points)]
            last_crash, at = at, f"{step}:{rng.randint(1, KILL_POINTS[step])}"
            async with (
                crashing(tmp_path, durability, at=at, **options) as served,
                all_connected(served, traders) as told,
            ):
                assert [answer["recovered"] for answer in told] == [True, True, True]
                for check in (Trader.check_acknowledged, Trader.place_again, Trader.check_books):
                    for trader in traders:
                        await check(trader)
                check_trades(traders)
                if number == CRASHES_A_FOLDER:
                    break
                for trader in traders:
                    trader.forget()
                await trade_until_killed(served, traders)
            healthy(tmp_path)
        assert served.process.returncode == 0
        assert any(trader.fills for trader in traders)
        healthy(tmp_path)
    except BaseException as error:
        error.add_note(f"seed {seed}, durability {durability}, {options}: killed {last_crash}, then {at}")
        raise


def tear(wal: Path, rng: random.Random) -> tuple[int, bool]:
    """Damage the end of the log, by up to three pages; returns how many transactions that costs, and whether what is
    left gives the loss away: whole pages behind a damaged one do."""
    data = bytearray(wal.read_bytes())
    frames = range(WAL_HEADER, len(data), FRAME)
    at = len(data) - rng.randint(1, 3 * FRAME)
    lost = sum(any(data[frame + 4 : frame + 8]) for frame in frames if frame + FRAME > at)  # of the frames that commit
    cut = rng.random() < 0.5
    if cut:
        wal.write_bytes(data[:at])
    else:
        data[at] ^= 0xFF
        wal.write_bytes(data)
    return lost, not cut and at < frames[-1]


def folded(folder: Path, until: int) -> Market:
    """The market as the transactions up to this one make it, from the first."""
    market = Market()
    with closing(SqliteTape(folder)) as tape:
        for seq, records in tape.read():
            if seq <= until:
                for record in records:
                    market.apply(record)
    return market


@pytest.mark.parametrize("seed", range(1, max(2, CRASHES // 6) + 1))
async def test_a_torn_end_of_the_log_costs_only_what_was_torn(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    folder, before = tmp_path / "data", tmp_path / "before"
    traders = [Trader(key, random.Random(f"{seed} {key.account}")) for key in prepare(folder)]
    at = f"after_publish:{rng.randint(20, 70)}"
    try:
        async with crashing(folder, "process", at=at) as served, all_connected(served, traders):
            await trade_until_killed(served, traders)
        shutil.copytree(folder, before)
        with closing(SqliteTape(before)) as tape:
            last, epoch = tape.last_seq, tape.epoch
        lost, noticeable = tear(folder / "tape.db-wal", rng)
        covered = max(snapshot_seqs(folder), default=0)
        expected = folded(before, max(last - lost, covered))
        with closing(SqliteTape(folder)) as tape:
            assert tape.last_seq == max(last - lost, covered)
            assert (tape.epoch != epoch) == (noticeable or covered > last - lost)
            assert restore(tape).digest() == expected.digest()
        healthy(folder)

        for trader in traders:
            for name, known in trader.known.items():
                order = expected.order(trader.name, 0, name)
                if known["updated"] <= expected.now:
                    assert order is not None, f"{name} was acknowledged before the torn end and is gone"
                    assert COIN.size.parse(known["filled"], "filled") <= order.filled
                else:
                    assert lost
            trader.answers, trader.known, trader.fills, trader.epoch = {}, {}, [], ""
        async with crashing(folder, "process") as served, all_connected(served, traders) as told:
            assert [answer["recovered"] for answer in told] == [True, True, True]
            for check in (Trader.place_again, Trader.check_books):
                for trader in traders:
                    await check(trader)
            check_trades(traders)
        healthy(folder)
    except BaseException as error:
        error.add_note(f"seed {seed}, killed {at}")
        raise
