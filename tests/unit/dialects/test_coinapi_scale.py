"""The CoinAPI dialect on a market of many instruments: what is asked costs what is answered, and is looked up once."""

from __future__ import annotations

import pytest

from coinapi_market import Server as MarketServer
from ems_client import ORDER, RestClient, Server
from support import funded, order
from tickwire.dialects.candles import DAY_NS
from tickwire.dialects.coinapi import exrates, metadata
from tickwire.dialects.coinapi.exrates import Prices
from tickwire.dialects.coinapi.metadata import catalog
from tickwire.dialects.coinapi.view import View
from tickwire.model.events import Candle
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, VenueTrade


def coin(base: str, quote: str = "USD") -> Instrument:
    return Instrument(
        venue="V", base=base, quote=quote, asset_class="crypto", tick_size="0.01", lot_size="0.1", kind="mirrored",
        book="none",
    )  # fmt: skip


def day(symbol: str, start: int, volume: int) -> Candle:
    return Candle(symbol, 1, start, DAY_NS, start, 1, 1, 1, 1, volume, 1_000 * volume, 1, True)


@pytest.fixture
def client() -> RestClient:
    server = Server()
    server.do(*funded("a", "b"), order("sell", 10_000, 10), order("buy", 10_000, 10))
    for number in range(5):
        listed = coin(f"C{number}")
        server.do(ListInstrument(listed), VenueTrade(listed.symbol, "1", 1_000, 20))
    return RestClient(server)


def test_what_is_long_is_looked_up_in_parts_and_then_known(client: RestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "READS_MAX", 2)
    now = client.server.market.now
    today = now - now % DAY_NS
    for number in range(5):
        symbol = coin(f"C{number}").symbol
        client.server.history.add(
            [
                day(symbol, today - 40 * DAY_NS, 1_000),
                day(symbol, today - 29 * DAY_NS, 30),
                day(symbol, today - DAY_NS, 50),
            ]
        )
    shown = client.get("/v1/exchanges/V")[0]
    assert client.turns == 2  # five instruments, two at once
    assert client.headers["X-RateLimit-Request-Cost"] == "1"
    assert (shown["data_start"], shown["data_end"]) == ("2023-10-05", "2023-11-14")
    assert (shown["volume_1day_usd"], shown["volume_1mth_usd"]) == ("100", "500")  # 5 x 20, and 5 x 80 more
    for number in range(5):
        client.server.history.listed(coin(f"C{number}"))  # which deletes what is there
    assert client.get("/v1/exchanges/V")[0] == shown
    assert client.turns == 0
    client.server.do(ms=60_000)
    assert client.get("/v1/exchanges/V")[0]["volume_1mth_usd"] == shown["volume_1mth_usd"]  # read once a day
    client.server.do(ms=86_400_000)
    assert client.get("/v1/exchanges/V")[0]["volume_1mth_usd"] == "100"  # 5 x 20, of the day that is over


def test_what_is_not_known_yet_is_null(client: RestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "READS_MAX", 1)
    objects = catalog(View.of(client.server.services, None))
    first, second = (objects.symbol(coin(base)) for base in ("C0", "C1"))
    assert (first.data_start, bytes(first.volume_1mth or b"")) == ("2023-11-14", b"2.0")
    assert (second.data_start, second.volume_1mth, second.volume_1mth_usd) == (None, None, None)
    assert (bytes(second.volume_1day), bytes(second.volume_1day_usd)) == (b"2.0", b"20")
    client.server.do()
    assert bytes(objects.symbol(coin("C1")).volume_1mth or b"") == b"2.0"


def test_no_way_is_looked_for_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    server = MarketServer(*(coin(f"C{number}", "USDT") for number in range(50)), coin("X", "Y"))
    for number in range(50):
        server.do(VenueTrade(coin(f"C{number}", "USDT").symbol, "1", 100 * (number + 1), 20))
    server.do(VenueTrade(coin("X", "Y").symbol, "1", 100, 20))
    market = Prices(View.of(server.services, None))
    looks = []
    between = Prices._between

    def looked(self: Prices, base: str, quote: str) -> list[str]:
        looks.append((base, quote))
        return between(self, base, quote)

    monkeypatch.setattr(Prices, "_between", looked)
    assert market.rate("C1", "NONE") is market.rate("C1", "X") is market.reference("X") is None
    assert looks == []
    rates = [market.rate(f"C{number}", "C0") for number in range(1, 50)]
    assert [rate and rate.rate for rate in rates] == [str(number + 1) for number in range(1, 50)]
    assert set(looks) == {("USDT", "USDT")}  # what is between two hubs is remembered


def test_what_an_asset_is_worth_in_dollars_is_what_the_rates_say(client: RestClient) -> None:
    tether = coin("USDT")
    client.server.do(ListInstrument(tether), VenueTrade(tether.symbol, "1", 200, 20))
    market = Prices(View.of(client.server.services, None))
    worth = {asset: exrates.significant(*ratio) for asset, ratio in market.in_usd().items()}
    assert worth == {"BTC": "200", "USDT": "2", "USD": "1", **{f"C{number}": "10" for number in range(5)}}
    client.server.fund(USDT="5")
    client.server.do(ms=1_000)
    data = client.get("/ems/v1/balances")[0]["data"]
    assert {row["asset_id_coinapi"]: row["rate_usd"] for row in data}["USDT"] == "2"


def test_exchanges_follow_what_is_listed(client: RestClient) -> None:
    ems = client.server.ems
    assert ems.exchanges == ["SIM"]
    assert ems.exchanges is ems.exchanges
    other = Instrument(
        venue="LAB", base="A", quote="B", asset_class="crypto", tick_size="1", lot_size="1", kind="matched",
        book="orders",
    )  # fmt: skip
    client.server.do(ListInstrument(other))
    assert ems.exchanges == ["SIM", "LAB"]


def test_an_order_whose_name_has_a_slash(client: RestClient) -> None:
    client.server.fund(USDT="1000")
    status, placed = client.ask("/ems/v1/orders", method="POST", body={**ORDER, "client_order_id": "a/b/c"})
    assert status == 200, placed
    assert client.get("/ems/v1/orders/status/a/b/c")["client_order_id"] == "a/b/c"
    assert client.ask("/ems/v1/orders/status/a/b")[0] == 404
    assert client.ask("/ems/v1/orders/status")[0] == 404


def test_all_trades_that_are_kept_can_be_had(client: RestClient) -> None:
    client.server.do(*(VenueTrade(coin("C0").symbol, str(number), 1_000, 20) for number in range(2, 301)))
    path = "/v1/trades/V_SPOT_C0_USD"
    assert len(client.get(f"{path}/latest", "limit=1000")) == 300
    assert client.headers["X-RateLimit-Request-Cost"] == "3"
    assert len(client.get(f"{path}/history", "limit=1000&time_start=2023-11-14")) == 300
    assert len(client.get(f"{path}/latest")) == 100


def test_empty_periods_end_with_the_first_that_is_kept(client: RestClient) -> None:
    rows = client.get("/v1/ohlcv/V_SPOT_C0_USD/latest", "period_id=5YRS&include_empty_items=true&limit=2000")
    assert [row["time_period_start"] for row in rows] == ["2020-01-01T00:00:00.0000000Z"]


def test_past_rates_are_bounded_and_counted(client: RestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.dialects.coinapi.rest_rates.PAST_RATES_MAX", 4)
    path, then = "/v1/exchangerate/USD", "time=2023-11-14T23:59:59"
    status, answer = client.ask(path, then)
    assert (status, answer["error"]) == (
        400, "there are 5 prices of then; name the assets that you want, at most 4"
    )  # fmt: skip
    rows = client.get(path, f"{then}&filter_asset_id=C1,C3")["rates"]
    assert [(row["asset_id_quote"], row["rate"]) for row in rows] == [("C1", "0.1"), ("C3", "0.1")]
