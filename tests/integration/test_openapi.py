"""A server does what its /openapi.json says, whatever it is asked: Schemathesis makes the requests up.

`make schemas` lets it go on for longer; EXAMPLES is the number of requests that each operation is asked at random.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys
from itertools import count
from pathlib import Path
from urllib.request import urlopen

from edge import edge
from tickwire.model.records import Transfer
from tickwire.server.app import Server
from tickwire.server.asyncapi import asyncapi
from tickwire.server.openapi import openapi
from tickwire.server.rest import API, OPERATIONS

ROOT = Path(__file__).parents[2]
EXAMPLES = os.environ.get("EXAMPLES", "3")
SEED = "1"
SECONDS_MAX = 1_800
MINUTE_NS = 60 * 10**9


async def schemathesis(server: Server, *, key: str, folder: Path) -> tuple[int, str]:
    """Its exit status and what it says.

    Args:
        folder: where it leaves what it leaves.
    """
    url = f"http://127.0.0.1:{server.port}/openapi.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "schemathesis.toml"), "run", url,
        "--header", f"Authorization: Basic {base64.b64encode(key.encode()).decode()}",
        "--max-examples", EXAMPLES, "--seed", SEED, "--generation-database", "none", "--warnings", "off",
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(SECONDS_MAX):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_whatever_it_is_asked_it_answers_as_the_document_says(tmp_path: Path) -> None:
    async with edge(requests_per_second=100_000) as server:
        minutes = count()  # on such a clock failed logins are never too many in a minute
        server._gateway.admission._failures._now = lambda: next(minutes) * MINUTE_NS
        _, key = server.keys.create("alice", scopes=("read", "trade", "admin"), kind="hmac")
        server._gateway.submit(
            [Transfer("alice", asset, "1000000", asset) for asset in ("USDT", "BTC")], lambda _: None
        )
        status, said = await schemathesis(server, key=f"{key.key}:{key.secret}", folder=tmp_path)
    assert status == 0, said
    assert f"Selected: {len(OPERATIONS)}/{len(OPERATIONS)}" in said
    passed = re.search(r"(\d+) generated, \1 passed", said)
    assert passed is not None, said
    assert int(passed[1]) > 500


async def test_the_documents_are_served_as_they_are_generated() -> None:
    async with edge(feeds=()) as server:
        for path, document in (("openapi", openapi()), ("asyncapi", asyncapi())):
            with await asyncio.to_thread(urlopen, f"http://127.0.0.1:{server.port}/{path}.json") as answer:
                assert answer.headers["Content-Type"] == "application/json"
                assert json.load(answer) == json.loads(json.dumps(document))


def test_every_operation_is_described_and_its_references_lead_somewhere() -> None:
    document = openapi()
    described = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs}
    assert described == {(operation.verb, API + operation.path) for operation in OPERATIONS}
    names = [operation["operationId"] for verbs in document["paths"].values() for operation in verbs.values()]
    assert len(names) == len(set(names))
    text = json.dumps(document)
    found = set(re.findall(r'"\$ref": "#/([^"]+)"', text))
    assert len(found) > 40
    for reference in found:
        place = document
        for part in reference.split("/"):
            place = place[part]
