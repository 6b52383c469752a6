"""What the documentation says of the code is what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tickwire.dialects.binance.connection import LIFE_SECONDS_MAX
from tickwire.dialects.binance.intervals import INTERVALS
from tickwire.dialects.binance.stream_session import MESSAGES_PER_SECOND_MAX
from tickwire.dialects.binance.streams import _ARRAYS, _KINDS
from tickwire.dialects.coinapi.market_session import _CLOSE_CODES, HELLO_WINDOW_SECONDS, HELLOS_MAX
from tickwire.dialects.coinapi.messages import ClientMessage
from tickwire.dialects.coinapi.scope import DATA_TYPES, EXRATES_MAX, NAMED_MAX, RULES_MAX
from tickwire.limits import (
    CONNECTIONS_PER_IP_MAX,
    IDLE_SECONDS_MAX,
    LOGIN_SECONDS_MAX,
    SUBSCRIPTIONS_MAX,
    TRADES_KEPT_MAX,
    UPGRADES_PER_SECOND_MAX,
)
from tickwire.model.channel import CHANNELS
from tickwire.protocol.codes import CLOSE_CODES, ERROR_CODES

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()


def test_the_generated_tables_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for page in generate.PAGES:
        assert generate.filled(page) == page.read_text(), "run: python docs/generate.py"
    for path, document in generate.DOCUMENTS.items():
        assert path.read_text() == generate.written(document()), "run: python docs/generate.py"
    for code in (*ERROR_CODES, *CLOSE_CODES):
        assert re.search(rf"^\| `?{code}`? \|", PROTOCOL, re.MULTILINE)


def test_every_channel_is_described() -> None:
    assert all(f"| `{channel}`" in PROTOCOL for channel in CHANNELS)


def first_column(page: str, head: str) -> list[str]:
    """What is in backticks in the first column of a table, which begins with this head."""
    table = (REFERENCE / page).read_text().split(f"\n| {head} |", 1)[1].split("\n\n", 1)[0]
    return [name for row in table.splitlines()[2:] for name in re.findall("`([^`]+)`", row.split("|")[1])]


def test_every_stream_of_binance_is_described() -> None:
    described = {name.removeprefix("<symbol>@") for name in first_column("binance.md", "stream")}
    speeds = {"@1000ms", "@100ms"}
    partial = {f"depth{levels}{speed}" for levels in (5, 10, 20) for speed in speeds}
    assert {f"depth{levels}" for levels in (5, 10, 20)} <= described
    kinds = {re.sub("kline_[^@]+", "kline_<interval>", kind) for kind in _KINDS}
    assert described - speeds | partial == kinds | set(_ARRAYS)
    assert f"{', '.join(list(INTERVALS)[:-1])} or {list(INTERVALS)[-1]}" in (REFERENCE / "binance.md").read_text()


def test_every_data_type_filter_and_close_code_of_coinapi_is_described() -> None:
    assert sorted(first_column("coinapi.md", "data type")) == sorted(DATA_TYPES)
    page = (REFERENCE / "coinapi.md").read_text()
    for field in ClientMessage.__struct_fields__:
        assert field.removeprefix("subscribe_update_limit_ms") in page
    for code in {*_CLOSE_CODES.values(), 4400, 4103}:
        assert f"| {code} |" in page


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("binance.md", f"| {MESSAGES_PER_SECOND_MAX} messages a second,"),
        ("binance.md", f"| {SUBSCRIPTIONS_MAX:,} streams of a connection |"),
        ("binance.md", f"| {LIFE_SECONDS_MAX // 3600} h of a connection |"),
        ("binance.md", f"| {IDLE_SECONDS_MAX} s without"),
        ("binance.md", f"| {UPGRADES_PER_SECOND_MAX} upgrades a second and {CONNECTIONS_PER_IP_MAX:,} connections"),
        ("coinapi.md", f"| the newest {TRADES_KEPT_MAX:,} of each symbol;"),
        ("coinapi.md", f"more than {HELLOS_MAX} messages in {HELLO_WINDOW_SECONDS} s"),
        ("coinapi.md", f"{SUBSCRIPTIONS_MAX:,} streams, or {RULES_MAX} different requests that name {NAMED_MAX:,}"),
        ("coinapi.md", f"and {EXRATES_MAX} exchange rates."),
        ("coinapi.md", f"no message for {LOGIN_SECONDS_MAX} s"),
        ("coinapi.md", f"asked for in {IDLE_SECONDS_MAX} s"),
    ],
)
def test_limits_of_the_dialects_are_those_of_the_code(page: str, words: str) -> None:
    assert words in (REFERENCE / page).read_text()


def test_every_code_that_is_used_is_in_the_table() -> None:
    used = set()
    for path in (ROOT / "src").rglob("*.py"):
        used |= set(re.findall(r'code="([a-z_]+)"', path.read_text()))
    assert used <= set(ERROR_CODES)
    assert len(used) >= 8


def linked(page: Path) -> list[Path]:
    """Where the links of a page lead in the project; a folder stands for its pages."""
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    paths = [(page.parent / target).resolve() for target in targets]
    return [each for path in paths for each in (path.glob("*.md") if path.is_dir() else [path])]


def test_every_page_can_be_reached_by_links() -> None:
    reached: set[Path] = set()
    left = [ROOT / "README.md", ROOT / "ARCHITECTURE.md"]
    while left:
        page = left.pop()
        reached.add(page)
        left += [path for path in linked(page) if path.suffix == ".md" and path not in reached]
    pages = {str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")}
    assert pages - {str(page.relative_to(ROOT)) for page in reached} == set()


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_make_targets_in_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text())):
        family = target.partition("-")[0]
        assert re.search(rf"^({target}|{family}-%):", makefile, re.MULTILINE), target
