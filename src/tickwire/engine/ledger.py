"""The ledger: who has how much of which asset, in double entry.

Every movement takes from one account what it gives to another, so each asset adds up to zero over all accounts,
always. What users brought in stands against them in `OUTSIDE`; what they paid in fees is in `FEES`.

Amounts are integers, in 10^-18 of the asset (`tickwire.model.units.ASSET_DECIMALS`).
"""

from __future__ import annotations

FEES = "@fees"
OUTSIDE = "@outside"
"""Accounts of the house. No user's account may begin with "@"."""


class Balance:
    """One account's part of one asset: `available` to trade with, `held` by open orders."""

    __slots__ = ("available", "held")

    def __init__(self, available: int = 0, held: int = 0) -> None:
        self.available = available
        self.held = held


class Ledger:
    """All balances.

    Attributes:
        balances: account -> asset -> balance. To be changed by the methods of whoever settles, in pairs.
    """

    __slots__ = ("balances",)

    def __init__(self) -> None:
        self.balances: dict[str, dict[str, Balance]] = {}

    def balance(self, account: str, asset: str) -> Balance:
        """An account's balance of an asset, empty where it never had any."""
        assets = self.balances.get(account)
        if assets is None:
            assets = self.balances[account] = {}
        balance = assets.get(asset)
        if balance is None:
            balance = assets[asset] = Balance()
        return balance

    def available(self, account: str, asset: str) -> int:
        """What an account can trade with. Unlike `balance` this leaves no trace of an asset that it never had."""
        balance = self.balances.get(account, {}).get(asset)
        return 0 if balance is None else balance.available

    def bring(self, account: str, asset: str, amount: int) -> None:
        """Money comes in from outside (positive) or goes out."""
        self.balance(account, asset).available += amount
        self.balance(OUTSIDE, asset).available -= amount

    def imbalances(self) -> list[str]:
        """What is wrong, in words; nothing, unless there is a defect."""
        found = []
        sums: dict[str, int] = {}
        for account, assets in self.balances.items():
            for asset, balance in assets.items():
                sums[asset] = sums.get(asset, 0) + balance.available + balance.held
                if balance.held < 0 or (balance.available < 0 and account not in (FEES, OUTSIDE)):
                    amounts = f"{balance.available} available and {balance.held} held"
                    found.append(f"{account} has {amounts} of {asset}: neither may be below zero")
        found += [f"{asset} adds up to {total} over all accounts, not to 0" for asset, total in sums.items() if total]
        return found

    def dump(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Every balance as (available, held)."""
        return {
            account: {asset: (balance.available, balance.held) for asset, balance in assets.items()}
            for account, assets in self.balances.items()
        }

    def load(self, dumped: dict[str, dict[str, tuple[int, int]]]) -> None:
        """Inverse of `dump`, on a new ledger."""
        for account, assets in dumped.items():
            self.balances[account] = {asset: Balance(*amounts) for asset, amounts in assets.items()}
