"""Servers and load generators are processes of their own: how they are started, pinned and talked to.

One says something as a line of JSON on its stdout, and is told something by a line on its stdin, whose end ends it.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.results import Wrong

ROOT = Path(__file__).resolve().parent.parent
SERVER_CORE, LOAD_CORE = 0, 1
PR_SET_PDEATHSIG = 1
CPUCLOCK_SCHED = 2
"""With a process, the clock that clock_getcpuclockid(3) returns."""

_libc = ctypes.CDLL(None)


def pin(core: int) -> None:
    """Stay on one of the cores that this process may use; on the last one where there are fewer."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[min(core, len(cores) - 1)]})


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Stay on a core for a while. What is started meanwhile has only that one: start servers before."""
    cores = os.sched_getaffinity(0)
    pin(core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def cpu_seconds_of(pid: int) -> float:
    """The processor time that a process has used, of all its threads; /proc/PID/stat has it to 10 ms only."""
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)


def started(module: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs a module of this project. It ends when its stdin is closed."""
    return started_program(sys.executable, "-m", module, *arguments)


def started_program(*command: object, core: int | None = None) -> subprocess.Popen[str]:
    """A process that runs any program, with pipes to talk to it. It ends at once when its parent is killed.

    Args:
        core: where it is to stay; on all of its parent's if None.
    """

    def prepare() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if core is not None:
            pin(core)

    return subprocess.Popen(
        [*map(str, command)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=prepare
    )


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next thing that a process has to say.

    Raises:
        Wrong: it has ended, or says `{"error": …}`.
    """
    assert process.stdout is not None
    said: dict[str, Any] = json.loads(process.stdout.readline() or '{"error": "the process has ended"}')
    if "error" in said:
        raise Wrong(said["error"])
    return said


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Give a process the sign that it waits for."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def say(**what: object) -> None:
    """Say something to the process that has started this one."""
    print(json.dumps(what), flush=True)


def told() -> Awaitable[str]:
    """The next line that this process is told; "" at the end. Others may run meanwhile."""
    return asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
