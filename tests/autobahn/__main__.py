"""`make autobahn`: the whole suite against our server and client, and the summary in docs/autobahn.md.

`CASES` names patterns such as "1.* 6.4.*": then only those are run, and renewed in the summary of
the last whole run; without one here, they are printed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from importlib.metadata import version

from autobahn.peers import BARE_CLIENT, BARE_SERVER
from autobahn.suite import FOLDER, REQUIREMENTS, ROOT, Missing, Results, install, run
from autobahn.summary import page, worse

RESULTS = FOLDER / "results.json"
TRIES = 3
CONDITIONS = """\
Written by `make autobahn`, which runs the suite (`autobahntestsuite` {suite}) against our server (whole, but its
sessions echo: `tests/autobahn/peers.py`) and our client (its link, with an echo above), and against the bare libraries
below them: `websockets` {websockets} and `picows` {picows} (its `picows.websockets`).

- Limits are raised for the suite, which sends messages of 16 MiB and in 65,537 fragments: those of a message and of
  what may wait to be sent, at both ends, and the server's of fragments.
- Permessage-deflate is on in our server, as `tickwire serve --deflate` has it. Our client does not offer it, and the
  bare libraries were told not to.
- What is the libraries' own: in 6.4.3 and 6.4.4 they hand over whole frames, so that a text is refused at the end of
  one; in 7.1.2 and section 4 `picows` looks a frame ahead, and answers what is wrong with that before it hands over the
  frame in front of it.
- Some verdicts of section 4 depend on how many reads the suite's bytes arrive in. A case that comes out worse than
  the bare library's is run again, with it, up to {tries} times."""


async def main() -> int:
    patterns = os.environ.get("CASES", "").split()
    try:
        install()
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    begun = time.monotonic()
    results = await run(patterns or ["*"], FOLDER)
    cases = worse(results)
    for _ in range(TRIES - 1):
        if cases:
            (FOLDER / "again").mkdir(exist_ok=True)
            for peer, again in (await run(cases, FOLDER / "again")).items():
                results[peer] |= again
            cases = worse(results)
    print(f"{sum(map(len, results.values()))} cases in {time.monotonic() - begun:.0f} s; reports: {FOLDER}")
    if cases:
        print(f"worse than the bare library: {', '.join(cases)}", file=sys.stderr)
    if patterns and not RESULTS.exists():
        print(page(results, conditions()))
        return 1 if cases else 0
    if patterns:
        earlier: Results = json.loads(RESULTS.read_text())
        results = {peer: earlier[peer] | results[peer] for peer in results}
    RESULTS.write_text(json.dumps(results))
    (ROOT / "docs" / "autobahn.md").write_text(page(results, conditions()))
    return 1 if cases else 0


def conditions() -> str:
    """With what it was done, and how."""
    lines = REQUIREMENTS.read_text().splitlines()
    suite = next(line.partition("==")[2] for line in lines if line.startswith("autobahntestsuite=="))
    return CONDITIONS.format(suite=suite, websockets=version(BARE_SERVER), picows=version(BARE_CLIENT), tries=TRIES)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
