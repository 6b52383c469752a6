"""Our matcher, with the package that is found first: interpreted or compiled.

    python -m benchmarks.matcher.run

For each line that it is told, `{"before": [steps], "steps": [steps]}`, it times the loop with a matcher that does
nothing, the steps alone, and the steps with every trade read from the events, as the other books are read; and it says
the digest of every event.
"""

from __future__ import annotations

import json
import sys
from time import process_time

from benchmarks.matcher.play import Nothing, answers, digest, follow, trades
from benchmarks.matcher.steps import Step
from benchmarks.processes import SERVER_CORE, pin, say
from tickwire.engine import matcher as engine
from tickwire.engine.matcher import Matcher


def _seconds(matcher: Matcher | Nothing, steps: list[Step]) -> float:
    began = process_time()
    follow(matcher, steps)
    return process_time() - began


def _standing(before: list[Step]) -> Matcher:
    matcher = Matcher()
    follow(matcher, before)
    return matcher


def main() -> None:
    """Say what the engine is, then answer."""
    pin(SERVER_CORE)
    say(compiled=str(engine.__file__).endswith(".so"))
    for line in sys.stdin:
        told = json.loads(line)
        before, steps = told["before"], told["steps"]
        loop = _seconds(Nothing(), steps)
        alone = _seconds(_standing(before), steps)
        matcher = _standing(before)
        began = process_time()
        done = trades(matcher, steps)
        reading = process_time() - began
        said = digest(answers(_standing(before), steps))
        say(seconds=reading, alone=alone, loop=loop, trades=done, digest=said)


if __name__ == "__main__":
    main()
