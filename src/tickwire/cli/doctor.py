"""`tickwire doctor`: is a data folder whole?"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from tickwire.errors import TapeError
from tickwire.market.market import Market
from tickwire.tape.sqlite import SqliteTape, lock_folder, read_snapshot, snapshot_seqs


def doctor(
    data_dir: Annotated[
        Path, typer.Argument(help="Folder of the tape.", envvar="TICKWIRE_DATA_DIR", exists=True, file_okay=False)
    ] = Path("data"),
) -> None:
    """Check a data folder, and say what is wrong in words. Nothing in it is changed.

    The tape is read from its first transaction to its last; it is folded once more, which must give the state that
    the newest snapshot holds; and each asset must add up to zero over all accounts.

    Exit code 1 when something is wrong.
    """
    with lock_folder(data_dir):
        findings = examine(data_dir)
    for healthy, text in findings:
        typer.echo(f"{'ok  ' if healthy else 'BAD '} {text}")
    if not all(healthy for healthy, _ in findings):
        raise typer.Exit(1)


def examine(folder: Path) -> list[tuple[bool, str]]:
    """The findings, each healthy or not, in words."""
    findings: list[tuple[bool, str]] = []
    with tempfile.TemporaryDirectory(prefix="tickwire-doctor-") as copy:
        # opening a damaged tape repairs it: that shall not happen to the only one there is
        for path in folder.iterdir():
            if path.name.startswith(("tape.db", "snapshot-")) and ".broken-" not in path.name:
                shutil.copy(path, copy)
        try:
            with closing(SqliteTape(Path(copy))) as tape:
                if tape.repaired:
                    findings.append((False, f"the tape is damaged; a start would repair it: {tape.repaired}"))
                findings += _examine(tape, Path(copy))
        except (TapeError, sqlite3.Error, OSError) as error:
            findings.append((False, str(error).replace(copy, str(folder))))
    return findings


def _examine(tape: SqliteTape, folder: Path) -> list[tuple[bool, str]]:
    """Fold the tape from as far back as it can be, stopping at each snapshot to compare."""
    findings: list[tuple[bool, str]] = []
    seqs = sorted(snapshot_seqs(folder))
    start = 0 if tape.first_seq == 1 else next((seq for seq in seqs if seq + 1 >= tape.first_seq), None)
    if start is None:
        return [(False, f"the tape begins at transaction {tape.first_seq}, and no snapshot leads into it")]
    market = Market.restore(read_snapshot(folder, start)[1]) if start else Market()
    begin = f"snapshot {start}" if start else "the beginning"
    compared = 0
    records_read = 0
    for seq, records in tape.read(after=tape.first_seq - 1):
        records_read += len(records)
        if seq <= start:
            continue
        for record in records:
            market.apply(record)
        if seq in seqs:
            compared += 1
            same = market.digest() == Market.restore(read_snapshot(folder, seq)[1]).digest()
            text = f"snapshot {seq} is the state that the tape folds to"
            findings.append((same, text if same else f"snapshot {seq} is NOT the state that the tape folds to"))
    whole = f"tape: transactions {tape.first_seq} to {tape.last_seq} with {records_read} records, folded from {begin}"
    findings.insert(0, (True, whole))
    if not compared:
        findings.append(
            (True, "no snapshot to compare with: the tape does not reach back beyond the one it starts from")
        )
    imbalances = market.ledger.imbalances()
    assets = {asset for balances in market.ledger.balances.values() for asset in balances}
    findings += [(False, f"ledger: {text}") for text in imbalances]
    if not imbalances:
        accounts = len(market.ledger.balances)
        findings.append((True, f"ledger: {len(assets)} assets add up to zero over {accounts} accounts"))
    return findings
