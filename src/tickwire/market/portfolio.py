"""What an account's assets are worth in one currency, at the prices of the instruments as they stand."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping

from tickwire.engine.ledger import Balance
from tickwire.errors import InvalidInput
from tickwire.market.listing import Listing


def portfolio(
    balances: Mapping[str, Balance], currency: str, listings: Collection[Listing]
) -> tuple[int, list[tuple[str, int, int | None]]]:
    """The total value, and (asset, amount, value) of each asset; the value is None where no price leads to it.

    An instrument's price is the middle of its best bid and ask, else its last trade. An asset without a direct
    instrument goes by the shortest way over others. Amounts are in 10^-18 of the asset, rounded down.

    Raises:
        InvalidInput: no instrument has this currency.
    """
    rates: dict[str, dict[str, tuple[int, int]]] = {currency: {}}  # asset -> neighbor -> (numerator, denominator)
    for listing in listings:
        instrument, quote = listing.instrument, listing.quote
        if quote.bid is not None and quote.ask is not None:
            price, parts = quote.bid + quote.ask, 2
        else:
            price, parts = listing.last_price or 0, 1
        for asset in (instrument.base, instrument.quote):
            rates.setdefault(asset, {})
        if price > 0:
            numerator, denominator = price * instrument.price.units, parts * instrument.price.divisor
            rates[instrument.base].setdefault(instrument.quote, (numerator, denominator))
            rates[instrument.quote].setdefault(instrument.base, (denominator, numerator))
    if not rates[currency] and all(currency not in (x.instrument.base, x.instrument.quote) for x in listings):
        raise InvalidInput(f"no instrument has {currency!r}; ask `instruments`", field="currency")

    factors = {currency: (1, 1)}  # asset -> what one of it is worth
    queue = deque([currency])
    while queue:
        known = queue.popleft()
        for asset, onward in rates.items():
            if asset not in factors and known in onward:
                (n1, d1), (n2, d2) = onward[known], factors[known]
                factors[asset] = (n1 * n2, d1 * d2)
                queue.append(asset)
    rows: list[tuple[str, int, int | None]] = []
    for asset, balance in balances.items():
        amount = balance.available + balance.held
        numerator, denominator = factors.get(asset, (0, 0))
        rows.append((asset, amount, amount * numerator // denominator if denominator else None))
    return sum(value or 0 for _, _, value in rows), rows
