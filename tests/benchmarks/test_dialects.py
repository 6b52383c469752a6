"""The benchmark of the protocols notices a message that is lost."""

from __future__ import annotations

from argparse import ArgumentParser

import pytest

from benchmarks import dialects
from benchmarks.results import Wrong


@pytest.mark.parametrize("dialect", ["native", "binance", "coinapi"])
def test_a_lost_message_is_wrong(dialect: str) -> None:
    parser = ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    dialects.options(parser)
    given = parser.parse_args(["--smoke", "--only", dialect, "--lose", "7"])
    with pytest.raises(Wrong, match=f"{dialect}, 5 clients: message 7 was to come, but this came: .*1000000008"):
        dialects.measure(given)
