"""Runs seeds: `make simulate`, or `make simulate SEED=123` for one that has failed."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from simulation.world import run

CHUNK = 20
FAILURES_SHOWN = 3


def main(arguments: list[str]) -> int:
    """`--seeds N [FIRST]`, or `--seed NUMBER`; returns how many have failed."""
    option, number = arguments[:2]
    if option == "--seed":
        report = run(int(number))
        print(report if report.problem else f"seed {number}: every promise is kept; digest {report.digest}")
        print(dict(sorted(report.counts.items())))
        return bool(report.problem)
    first = int(arguments[2]) if len(arguments) > 2 else 1
    began, counts, failed = time.perf_counter(), Counter[str](), 0
    with ProcessPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        reports = pool.map(run, range(first, first + int(number)), chunksize=CHUNK)
        for report in reports:
            counts.update(report.counts)
            if report.problem:
                failed += 1
                if failed <= FAILURES_SHOWN:
                    print(report, flush=True)
    print(", ".join(f"{what}: {count}" for what, count in sorted(counts.items())))
    print(f"{number} seeds in {time.perf_counter() - began:.0f} s, {failed} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
