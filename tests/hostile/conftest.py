"""The server that most attacks are made on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hostile.stage import Stage, serving


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The built-in market, compression offered, few streams a session."""
    with serving(tmp_path_factory.mktemp("hostile"), "--deflate", lower={"SUBSCRIPTIONS_MAX": 300}) as running:
        yield running
