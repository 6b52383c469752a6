"""What a process holds in memory (Linux). What its sockets hold in the kernel is not in it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KIB = 1024
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int) -> int:
    """Bytes of a process that are in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


@contextmanager
def watched(pid: int, every_seconds: float) -> Iterator[list[tuple[int, int]]]:
    """Look at a process while the block runs: when, ns of the monotonic clock, and how many bytes were resident."""
    samples: list[tuple[int, int]] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            samples.append((time.monotonic_ns(), resident(pid)))
            ended.wait(every_seconds)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield samples
    finally:
        ended.set()
        watching.join()
