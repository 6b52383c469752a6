"""A server for all the tests of one file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from fuzz.doors import Entrance, doors


@pytest.fixture(scope="module")
def entrance() -> Iterator[Entrance]:
    with asyncio.Runner() as runner:
        manager = doors()
        opened = runner.run(manager.__aenter__())
        yield Entrance(runner, opened)
        runner.run(manager.__aexit__(None, None, None))
