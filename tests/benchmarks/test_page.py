"""The report says what the results say."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks import page
from benchmarks.charts import drawn
from benchmarks.results import Aim, Bars, Cell, Lines, Measured, Result, Table, in_columns, shown

TABLE = Table("Speed", ["server", "messages/s", "of ours"], [["ours", 1_234_567, 1.0], ["theirs", None, 0.12345]])


def result(name: str = "fold", *aims: Aim) -> Result:
    measured = Measured({"clients": 200}, [TABLE], [], list(aims), ["It depends."])
    return Result(name, f"python -m benchmarks {name}", "2026-01-02", 3.4, {"cores": 2}, measured)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "–"),
        ("a", "a"),
        (1_234_567, "1,234,567"),
        (1234.5, "1,234"),
        (12.345, "12.3"),
        (0.0012345, "0.00123"),
        (0.0, "0"),
    ],
)
def test_cells(cell: Cell, text: str) -> None:
    assert shown(cell) == text


def test_a_table_in_a_terminal() -> None:
    assert in_columns(TABLE).splitlines() == [
        "Speed",
        "  server  messages/s  of ours",
        "  ours     1,234,567        1",
        "  theirs           –    0.123",
    ]


def test_an_aim_is_met_from_its_side() -> None:
    assert Aim("speed", 8.0, 8).met
    assert not Aim("speed", 7.9, 8).met
    assert Aim("latency", 0.9, 1, at_most=True).met
    assert not Aim("latency", 1.1, 1, at_most=True).met
    assert not Aim("speed", None, 0).met


def test_the_page_has_the_question_the_numbers_and_the_aims() -> None:
    aims = Aim("inputs/s", 40_000, 50_000, why="Python."), Aim("ms", 1.5, 2, at_most=True)
    text = page.pages([result("fold", *aims)])["benchmarks.md"]
    assert "| inputs/s | 40,000 | at least 50,000 | **not met** | [fold](#fold) |" in text
    assert "| ms | 1.5 | at most 2 | met | [fold](#fold) |" in text
    assert "- **inputs/s**: Python." in text
    assert "Speed:\n\n| server | messages/s | of ours |\n|---|---:|---:|\n| ours | 1,234,567 | 1 |" in text
    assert "- It depends.\n\n`python -m benchmarks fold`, 2026-01-02, 3 s: cores 2, clients 200." in text


def test_a_chart_is_drawn_with_its_names() -> None:
    lines = Lines("Growth", "clients", "µs", {"ours": [(10, 1), (100, 2)], "theirs": [(10, 3), (100, 40)]}, "xy")
    bars = Bars("Speed", "messages/s", {"200 clients": {"ours": 2e6, "theirs": 1e3}, "10 clients": {"ours": 5.0}})
    for chart, words in (
        (lines, {"Growth", "clients", "µs"}),
        (bars, {"Speed", "messages/s", "200 clients", "10 clients"}),
    ):
        svg = drawn(chart)
        labels = {each.text for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}
        assert labels >= {"ours", "theirs", *words}
        assert drawn(chart) == svg


@pytest.mark.parametrize(
    "chart", [Lines("", "", "", {"ours": [(2, 2), (3, 3)]}, "xy"), Bars("", "", {"": {"ours": 3}}, True)]
)
def test_an_axis_of_less_than_a_decade_has_no_raw_labels(chart: Lines | Bars) -> None:
    assert "mathdefault" not in drawn(chart)


def test_what_is_published_is_what_was_measured() -> None:
    for path, text in page.pages(page.results(page.RESULTS)).items():
        assert (page.DOCS / path).read_text() == text, "run `python -m benchmarks page`"
