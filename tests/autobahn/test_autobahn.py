"""The summary of the Autobahn suite, and a few of its cases where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autobahn.peers import BARE_CLIENT, BARE_SERVER, CLIENT, SERVER
from autobahn.suite import Missing, Results, installed, python2, run
from autobahn.summary import page, verdict, worse

CASES = ["1.1.1", "1.2.1", "5.6", "6.3.1", "7.1.5"]


def case(behavior: str, close: str = "OK", code: int = 1000) -> dict[str, Any]:
    return {"behavior": behavior, "behaviorClose": close, "remoteCloseCode": code}


def results(ours: dict[str, Any], bare: dict[str, Any]) -> Results:
    return {SERVER: ours, BARE_SERVER: bare, CLIENT: {"1.1.1": case("OK")}, BARE_CLIENT: {"1.1.1": case("OK")}}


@pytest.mark.parametrize(
    ("ours", "bare", "is_worse"),
    [
        (case("OK"), case("FAILED"), False),
        (case("INFORMATIONAL", "INFORMATIONAL"), case("OK"), False),
        (case("NON-STRICT"), case("NON-STRICT"), False),
        (case("NON-STRICT"), case("FAILED"), False),
        (case("NON-STRICT"), case("OK"), True),
        (case("FAILED"), case("FAILED"), False),
        (case("FAILED"), case("NON-STRICT"), True),
        (case("OK", "WRONG CODE"), case("NON-STRICT"), True),
        (case("UNIMPLEMENTED"), case("FAILED"), True),
    ],
)
def test_a_case_is_worse_than_the_library_below(ours: dict[str, Any], bare: dict[str, Any], is_worse: bool) -> None:
    assert worse(results({"6.1": ours}, {"6.1": bare})) == (["6.1"] if is_worse else [])


def test_an_extension_that_is_not_offered_may_be_unimplemented_but_not_wrong() -> None:
    nothing = case("UNIMPLEMENTED")
    assert worse(results({"12.1.1": nothing}, {"12.1.1": nothing})) == []
    assert worse(results({"12.1.1": case("FAILED")}, {"12.1.1": nothing})) == ["12.1.1"]


def test_the_page_shows_each_case_that_is_no_plain_pass() -> None:
    ours = {"6.1": case("OK"), "6.10": case("NON-STRICT"), "6.2": case("FAILED", code=1007), "7.1": case("OK")}
    bare = {"6.1": case("OK"), "6.10": case("OK"), "6.2": case("OK"), "7.1": case("FAILED")}
    lines = page(results(ours, bare), "Conditions.").splitlines()
    assert "| 6 UTF-8 | 3 | 1 | 0 | 1 | 0 | 1 |" in lines
    assert "| all | 4 | 2 | 0 | 1 | 0 | 1 |" in lines
    at = lines.index("| 6.2 | fail, closed with 1007 | pass, closed with 1000 |")
    assert lines[at + 1] == "| 6.10 | non-strict, closed with 1000 | pass, closed with 1000 |"
    assert "Not plain passes of the bare `websockets` only: 7.1." in lines


async def test_some_cases_of_the_suite(tmp_path: Path) -> None:
    try:
        python2()
    except Missing as missing:
        pytest.skip(str(missing))
    if not installed():
        pytest.skip("`make autobahn` has not installed the suite")
    found = await run(CASES, tmp_path)
    for peer in (SERVER, CLIENT):
        assert {name: verdict(result).outcome for name, result in found[peer].items()} == dict.fromkeys(CASES, "pass")
