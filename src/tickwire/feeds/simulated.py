"""The built-in market: instruments that trade by themselves, day and night, on the real matcher.

The feed's records are ordinary commands of ordinary accounts, so the tape holds them like those of users. Time is
the feed's own; nothing here reads a clock, and the same seed over the same market gives the same commands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heapreplace
from random import Random

from tickwire.feeds.base import Due
from tickwire.feeds.simulated_agents import ACCOUNTS, Crowd, MarketView, Profile
from tickwire.model.instrument import AssetClass, Instrument
from tickwire.model.records import Record, Transfer

__all__ = ["PROFILES", "MarketView", "Profile", "SimulatedFeed"]

_NAME = "simulated"


def _instrument(base: str, quote: str, asset_class: AssetClass, tick_size: str, lot_size: str) -> Instrument:
    return Instrument(
        venue="SIM",
        base=base,
        quote=quote,
        asset_class=asset_class,
        tick_size=tick_size,
        lot_size=lot_size,
        kind="matched",
        book="orders",
        feed=_NAME,
        maker_fee="0.0002",
        taker_fee="0.0005",
        price_band="0.2",
    )


PROFILES = (
    Profile(
        _instrument("BTC", "USDT", "crypto", "0.01", "0.00001"),
        home=9_700_000,
        volatility=0.75,
        spread=30,
        reach=15_000,
        round_to=1_000,
        size=4_000,
        steps_per_s=90,
    ),
    Profile(
        _instrument("ETH", "USDT", "crypto", "0.01", "0.0001"),
        home=340_000,
        volatility=0.9,
        spread=6,
        reach=800,
        round_to=100,
        size=8_000,
        steps_per_s=60,
    ),
    Profile(
        _instrument("SOL", "USDT", "crypto", "0.01", "0.01"),
        home=15_000,
        volatility=1.0,
        spread=2,
        reach=90,
        round_to=10,
        size=2_500,
        steps_per_s=30,
    ),
    Profile(
        _instrument("EUR", "USD", "fx", "0.00001", "1000"),
        home=108_000,
        volatility=0.15,
        spread=2,
        reach=90,
        round_to=10,
        size=500,
        steps_per_s=45,
    ),
    Profile(
        _instrument("GBP", "USD", "fx", "0.00001", "1000"),
        home=127_000,
        volatility=0.17,
        spread=3,
        reach=110,
        round_to=10,
        size=400,
        steps_per_s=25,
    ),
    Profile(
        _instrument("ACME", "USD", "equity", "0.01", "1"),
        home=18_000,
        volatility=0.45,
        spread=1.5,
        reach=80,
        round_to=10,
        size=150,
        steps_per_s=20,
    ),
)
"""The built-in instruments. Volatilities are half again what such markets have, so that a minute's chart moves."""


CROWD_MONEY = "1000000000000"
"""What each account of the crowd has of each asset at first: more than it can lose in years."""

PLAY_MONEY = {
    "USDT": "1000000",
    "USD": "1000000",
    "BTC": "10",
    "ETH": "100",
    "SOL": "1000",
    "EUR": "1000000",
    "GBP": "1000000",
    "ACME": "1000",
}
"""What a new account is given where the built-in market runs."""


def play_money(account: str) -> list[Record]:
    """The transfers of `PLAY_MONEY` to an account; made twice they move nothing twice."""
    return [Transfer(account, asset, amount, f"play/{account}/{asset}") for asset, amount in PLAY_MONEY.items()]


class SimulatedFeed:
    """A `Feed` whose records are the commands of simulated traders.

    Whoever iterates `due` must apply each batch to the market before asking for the next: the traders act on
    what `view` shows. On a market restored from its tape they go on from the last prices with their old orders.

    Args:
        view: the market.
        seed: of all randomness. After a restart give another one, or the same draws happen again.
        start_ns: the feed's time of the first batch.
        profiles: what to simulate.
    """

    name = _NAME

    def __init__(
        self, view: MarketView, seed: int = 1, start_ns: int = 0, profiles: Sequence[Profile] = PROFILES
    ) -> None:
        self._view = view
        self._seed = seed
        self._start_ns = start_ns
        self._profiles = profiles

    def instruments(self) -> list[Instrument]:
        """What is simulated."""
        return [profile.instrument for profile in self._profiles]

    def due(self) -> Iterator[Due]:
        """Batches without end. The first fills up all books; each later one is what one account does."""
        rng = Random(self._seed)
        crowds = [Crowd(profile, self._view, rng) for profile in self._profiles]
        opening: list[Record] = [
            Transfer(account, asset, CROWD_MONEY, f"{_NAME}/{account}/{asset}")
            for asset in dict.fromkeys(
                asset for p in self._profiles for asset in (p.instrument.base, p.instrument.quote)
            )
            for account in ACCOUNTS
        ]
        opening += [command for crowd in crowds for command in crowd.opening()]
        if opening:
            yield Due(self._start_ns, opening)
        next_acts = [(self._start_ns + crowd.wait_ns(), index) for index, crowd in enumerate(crowds)]
        heapify(next_acts)
        while True:
            at_ns, index = next_acts[0]
            yield Due(at_ns, [*crowds[index].act()])
            heapreplace(next_acts, (at_ns + crowds[index].wait_ns(), index))
