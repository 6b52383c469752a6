"""Figures, by what is in them and not by their pixels."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from matplotlib import rc_context
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb

import tickwire
from tickwire import plots
from tickwire.errors import InvalidInput, NotInstalled
from tickwire.plots import THEMES, Picture
from tickwire.protocol.messages import CandleData

BIDS = [(Decimal("99.75"), Decimal("0.5")), (Decimal("99.50"), Decimal(1))]
ASKS = [(Decimal("100.25"), Decimal(2))]
BEGIN = int(datetime(2026, 11, 21, 9, 30, tzinfo=UTC).timestamp()) * 1_000_000_000
MINUTE = 60_000_000_000
MARKET: Any = {"base": "BTC", "quote": "USDT"}


def candle(n: int, first: str, high: str, low: str, last: str, volume: str, closed: bool = True) -> CandleData:
    return CandleData("1m", BEGIN + n * MINUTE, first, high, low, last, volume, "0", 1, closed)


CANDLES = [
    candle(0, "100", "102.5", "99", "101", "3"),
    candle(1, "101", "101", "98", "98.5", "1.5"),
    candle(3, "98.5", "99", "98.25", "98.75", "0.25", closed=False),
]


def depth(bids: Any = BIDS, asks: Any = ASKS, **look: Any) -> Picture:
    return plots.book_depth("SIM:BTC-USDT", bids, asks, ts=BEGIN, **MARKET, **look)


def words(picture: Picture) -> set[str]:
    """All the text that is drawn."""
    svg = ElementTree.fromstring(picture.rendered("svg"))
    return {" ".join("".join(element.itertext()).split()) for element in svg.iter("{http://www.w3.org/2000/svg}text")}


# ---- order book ----------------------------------------------------------------------------------


def test_the_depth_steps_up_at_each_price_by_its_size() -> None:
    (axes,) = depth().axes
    lines: Any = axes.get_lines()
    bids, asks, middle = lines
    assert bids.get_xydata().tolist() == [[99.75, 0], [99.75, 0.5], [99.5, 1.5]]
    assert asks.get_xydata().tolist() == [[100.25, 0], [100.25, 2]]
    assert (bids.get_drawstyle(), asks.get_drawstyle()) == ("steps-post", "steps-post")
    assert list(middle.get_xdata()) == [100, 100]
    assert (bids.get_color(), asks.get_color()) == (THEMES["light"].up, THEMES["light"].down)


def test_the_depth_says_what_it_shows_and_in_which_units() -> None:
    assert words(depth()) >= {
        "SIM:BTC-USDT: order book",
        "2026-11-21 09:30:00 UTC · best bid 99.75, best ask 100.25, spread 0.50 (50.00 bp)",
        "price, USDT",
        "size up to this price, BTC",
        "bids, 2 levels",
        "asks, 1 levels",
    }


def test_a_side_may_be_empty_and_both() -> None:
    (axes,) = depth(asks=[]).axes
    assert [line.get_label() for line in axes.get_lines()] == ["bids, 2 levels"]
    assert "no orders" in words(depth(bids=[], asks=[]))


@pytest.mark.parametrize(
    ("bid", "ask", "said"),
    [
        ("-5.50", "-5.00", "best bid -5.50, best ask -5.00, spread 0.50"),
        ("-1", "1", "best bid -1, best ask 1, spread 2"),
        ("0.00000001", "0.00000003", "best bid 0.00000001, best ask 0.00000003, spread 0.00000002 (10000.00 bp)"),
    ],
)
def test_the_spread_is_said_in_plain_numbers_and_where_it_can_be_in_parts_of_the_middle(
    bid: str, ask: str, said: str
) -> None:
    picture = depth([(Decimal(bid), Decimal(1))], [(Decimal(ask), Decimal(1))])
    assert f"2026-11-21 09:30:00 UTC · {said}" in words(picture)


@pytest.mark.parametrize(
    ("last", "labels"),
    [
        ("0.0000000000005", ["0.0000000000001", "0.0000000000002", "0.0000000000004"]),
        ("0.00001", ["0.000002", "0.000010"]),
        ("97000.001", ["97,000.0004"]),
        ("2.2", ["0.25", "2.00"]),
        ("1000000000000", ["400,000,000,000", "1,000,000,000,000"]),
    ],
)
def test_an_axis_has_as_many_decimals_as_its_ticks_are_apart(last: str, labels: list[str]) -> None:
    first = "97000" if last.startswith("97000") else "0"
    picture = depth([], [(Decimal(first), Decimal(1)), (Decimal(last), Decimal(1))])
    assert words(picture) >= set(labels)


def test_a_name_is_not_a_formula() -> None:
    picture = plots.book_depth("X:$A_B$", BIDS, ASKS, ts=BEGIN, base="$x^2$", quote="$y$")
    assert words(picture) >= {"X:$A_B$: order book", "price, $y$", "size up to this price, $x^2$"}


# ---- candles -------------------------------------------------------------------------------------


def test_candles_are_where_their_prices_and_times_are() -> None:
    upper, lower = plots.candles("SIM:BTC-USDT", "1m", CANDLES, **MARKET).axes
    (wicks,) = [each for each in upper.collections if isinstance(each, LineCollection)]
    (bodies,) = [each for each in upper.collections if isinstance(each, PolyCollection)]
    ends = [segment[:, 1].tolist() for segment in wicks.get_segments()]
    assert ends == [[99, 102.5], [98, 101], [98.25, 99]]
    corners: list[Any] = [path.vertices for path in bodies.get_paths()]
    assert [(each[:, 1].min(), each[:, 1].max()) for each in corners] == [(100, 101), (98.5, 101), (98.5, 98.75)]
    bars: Any = lower.patches
    assert [bar.get_height() for bar in bars] == [3, 1.5, 0.25]
    assert lower.get_ylim()[0] == 0
    for n, segment, bar in zip((0, 1, 3), wicks.get_segments(), bars, strict=True):  # a minute without a trade is a gap
        day = (BEGIN + n * MINUTE + MINUTE // 2) / 86_400e9  # as matplotlib counts time
        assert segment[0][0] == pytest.approx(day, abs=1e-9)
        assert bar.get_x() + bar.get_width() / 2 == pytest.approx(day, abs=1e-9)


def test_a_candle_that_fell_is_red_and_an_open_one_paler() -> None:
    upper, _ = plots.candles("SIM:BTC-USDT", "1m", CANDLES, **MARKET).axes
    (bodies,) = [each for each in upper.collections if isinstance(each, PolyCollection)]
    up, down = to_rgb(THEMES["light"].up), to_rgb(THEMES["light"].down)
    paler = tuple((one + 1) / 2 for one in up)
    assert [tuple(colour[:3]) for colour in bodies.get_facecolor()] == [up, down, pytest.approx(paler)]  # type: ignore[index]


def test_candles_say_what_they_show_and_in_which_units() -> None:
    assert words(plots.candles("SIM:BTC-USDT", "1m", CANDLES, **MARKET)) >= {
        "SIM:BTC-USDT",
        "candles of 1m · 2026-11-21 09:30:00 UTC to 2026-11-21 09:33:00 UTC · the last one is open",
        "price, USDT",
        "volume, BTC",
        "time, UTC",
        "98.75",
    }
    assert "no trade yet" in words(plots.candles("SIM:BTC-USDT", "1m", [], **MARKET))


def test_the_times_of_candles_are_utc_wherever_they_are_drawn() -> None:
    with rc_context({"timezone": "Asia/Tokyo"}):
        assert words(plots.candles("SIM:BTC-USDT", "1m", CANDLES, **MARKET)) >= {"09:30", "09:31", "2026-Nov-21"}


def test_a_small_price_is_said_without_an_exponent() -> None:
    row = candle(0, "0.00000001", "0.00000001", "0.00000001", "0.00000001", "1")
    assert "0.00000001" in words(plots.candles("SIM:BTC-USDT", "1m", [row], **MARKET))


# ---- files ---------------------------------------------------------------------------------------


def test_the_same_picture_is_the_same_file(tmp_path: Path) -> None:
    for suffix in ("svg", "png"):
        one, other = tmp_path / f"one.{suffix}", tmp_path / f"other.{suffix}"
        depth().save(one)
        depth().save(str(other))
        assert one.read_bytes() == other.read_bytes()
    assert b"<dc:date>" not in (tmp_path / "one.svg").read_bytes()


def test_a_file_is_of_the_kind_and_size_that_was_asked_for(tmp_path: Path) -> None:
    depth(theme="dark", size=(640, 360)).save(tmp_path / "a.PNG")
    data = (tmp_path / "a.PNG").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20]), int.from_bytes(data[20:24])) == (640, 360)
    depth(theme="dark", size=(640, 360)).save(tmp_path / "a.svg")
    svg = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert svg.get("viewBox") == "0 0 720 405"  # points, in the same ratio
    assert THEMES["dark"].page in (tmp_path / "a.svg").read_text()


def test_a_file_does_not_depend_on_settings_of_the_person_who_draws() -> None:
    plain = {kind: depth().rendered(kind) for kind in ("svg", "png")}
    with rc_context({"savefig.dpi": 50, "savefig.bbox": "tight", "svg.fonttype": "path", "axes.titlesize": 40}):
        assert {kind: depth().rendered(kind) for kind in ("svg", "png")} == plain


def test_a_notebook_is_shown_a_png() -> None:
    assert depth()._repr_png_()[:8] == b"\x89PNG\r\n\x1a\n"


def test_what_cant_be_written_or_drawn_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"a\.gif must end in \.png or \.svg"):
        depth().save(tmp_path / "a.gif")
    with pytest.raises(InvalidInput, match=r"can't be written: there is no folder .*none"):
        depth().save(tmp_path / "none" / "a.svg")
    (tmp_path / "a.svg").mkdir()
    with pytest.raises(IsADirectoryError):
        depth().save(tmp_path / "a.svg")
    with pytest.raises(InvalidInput, match="theme must be light or dark, not 'blue'"):
        depth(theme="blue")
    with pytest.raises(InvalidInput, match="size must be 300 to 6000 pixels each way"):
        depth(size=(10, 600))


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tickwire, "plots")
    monkeypatch.delitem(sys.modules, "tickwire.plots")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NotInstalled, match=r'^pictures need matplotlib: pip install "tickwire\[plot\]"$'):
        from tickwire import plots as _  # noqa: F401
