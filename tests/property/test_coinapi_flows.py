"""The CoinAPI dialect, whatever is on the tape: no stream of it fails, which would close all of its readers."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from coinapi_market import GUID, INDEX, Server
from property.test_market_fold import tapes
from tickwire.dialects.coinapi.scope import DATA_TYPES
from tickwire.model.instrument import Instrument
from tickwire.model.records import ListInstrument, Record, VenueRate, VenueTrade


def odd(asset_class: Any, kind: Any, book: Any) -> Instrument:
    """The index, listed as something else, and back."""
    return msgspec.structs.replace(INDEX, asset_class=asset_class, tick_size="0.5", lot_size="1", kind=kind, book=book)


ODD: list[Record] = [
    ListInstrument(INDEX),
    *(
        ListInstrument(odd(*each))
        for each in (
            ("crypto", "matched", "orders"),
            ("fx", "mirrored", "none"),
            ("future", "mirrored", "levels"),
            ("index", "mirrored", "orders"),
        )
    ),
    VenueRate(INDEX.symbol, 5),
    VenueTrade(INDEX.symbol, "1", 7, 3),
]


@settings(max_examples=80, derandomize=True, deadline=None)
@given(tapes, st.data())
def test_no_stream_fails(records: list[Record], data: st.DataObject) -> None:
    server = Server(INDEX)
    clients = [server.open(), server.open(), server.open("/indexes")]
    pairs = ["BTC", "M", "USD/M", "Q/L", "REFRATE_BTC_USD", "EUR/USD", "USDT/BTC"]
    clients[0].hello(*DATA_TYPES, asset_id=[*pairs, "USD", "USDT"], subscribe_update_limit_ms_quote=100)
    clients[1].hello(*DATA_TYPES, asset_id=["BTC", "M", "USD"], apikey=GUID, period_id=["1SEC", "5SEC", "6SEC", "1YRS"])
    clients[2].hello(*DATA_TYPES, asset_id=pairs, apikey="narrow", exchange_id=["SIM", "V"], index_id=["IDX_"])
    odd_ones = st.lists(st.sampled_from(ODD), max_size=3)
    for number, record in enumerate(records):
        transaction = [record, *data.draw(odd_ones)] if number % 2 else [record]
        for each in transaction:
            if isinstance(each, ListInstrument):
                server.history.listed(each.instrument)
        server.do(*transaction, ms=400)
        if number % 3 == 2:
            clients[number % 2].say("subscribe", *DATA_TYPES, asset_id=pairs)  # of what is another kind of thing by now
            for client in clients:
                client.session.check()
                assert client.session.ending is None
                client.said()
    for client in clients:
        client.session.check()
        for again in ("subscribe", "unsubscribe", "hello"):
            client.say(again, *DATA_TYPES, asset_id=pairs)
            server.do(ms=61_000)
            assert client.session.ending is None
            client.said()
