"""Both tapes keep the same promises."""

from __future__ import annotations

from pathlib import Path

from tickwire.tape.base import Tape
from tickwire.tape.memory import MemoryTape
from tickwire.tape.sqlite import SqliteTape
from tickwire.testing.tape_contract import TapeContract


class TestMemoryTape(TapeContract):
    def make(self, folder: Path) -> Tape:
        return MemoryTape()


class TestSqliteTapeProcess(TapeContract):
    def make(self, folder: Path) -> Tape:
        return SqliteTape(folder, "process")


class TestSqliteTapePower(TapeContract):
    def make(self, folder: Path) -> Tape:
        return SqliteTape(folder, "power")
