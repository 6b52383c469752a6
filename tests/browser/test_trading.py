"""Trading on the page, with the demonstration account, in a market that holds still: all amounts are known."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

from playwright.async_api import expect

from browser.conftest import NewTab
from browser.page import CURSOR, Ladder, Row, Tab
from browser.rest import BTC, Book, Level, book, get
from browser.test_market import shown

SIZE = "0.00300"
DIGITS = {"USDT": 2, "BTC": 5}
TAKER_FEE = Decimal("0.0005")
PLAY_USDT, PLAY_BTC = Decimal(1_000_000), Decimal(10)
OWN = (
    "() => [...document.querySelectorAll('[data-ladder] [data-own]')].map(row => [row.dataset.price, row.dataset.own])"
)
OWN_IS = f"own => JSON.stringify(({OWN})()) === JSON.stringify(own)"
CURSOR_IS = f"price => ({CURSOR})() === price"
BALANCE_IS = """([asset, available, held]) => {
    const row = document.querySelector(`section[aria-label="Balances"] [data-asset="${asset}"]`);
    const same = (one, other) => one.replace(/\\.?0+$/, "") === other.replace(/\\.?0+$/, "");
    return row && same(row.dataset.available, available) && same(row.dataset.held, held);
}"""

DOUBLE_CLICK = """async button => {
    const began = performance.now();
    for (const ms of [0, 0, 250]) {
        await new Promise(done => setTimeout(done, ms));
        if (performance.now() - began < 550) button.click();
    }
}"""
"""The second click comes while the order is on its way, the third when it is placed. After 600 ms it would be meant."""


def row_at(ladder: Ladder, price: str) -> Row:
    """The ladder's row of a price."""
    return next(row for row in (*ladder.bids, *ladder.asks) if row.price == price)


def plus(size: str, more: str) -> str:
    """Sum of two sizes, as the wire writes it."""
    return str(Decimal(size) + Decimal(more))


async def until_own(page: Tab, *own: Level) -> Ladder:
    """The ladder, once these are the prices and sizes of one's own in it."""
    await page.until(OWN_IS, [list(level) for level in own])
    return await page.ladder(BTC)


async def check_balance(page: Tab, asset: str, available: Decimal, held: Decimal) -> None:
    """The account has exactly so much."""
    row = (await page.show("Balances")).locator(f'[data-asset="{asset}"]')
    await page.until(BALANCE_IS, [asset, f"{available:f}", f"{held:f}"])
    await expect(row.locator("td").first).to_have_text(rounded(available, DIGITS[asset]))


def rounded(amount: Decimal, digits: int) -> str:
    """As it is shown, with so many decimals."""
    return f"{amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):,f}"


async def test_an_order_from_the_ticket_to_its_cancel(tab: NewTab, quiet: str) -> None:
    before = await book(quiet, BTC)
    (price, size), (other, other_size) = before.bids[2], before.bids[4]
    page = await tab(quiet)
    await page.sign_in()
    await check_balance(page, "USDT", PLAY_USDT, Decimal(0))
    await page.place("buy", SIZE, price)
    ladder = await until_own(page, (price, SIZE))
    assert row_at(ladder, price).size == plus(size, SIZE)
    orders = await page.show("Open orders")
    await expect(orders.locator("tbody tr")).to_have_count(1)
    await expect(orders.locator("tbody tr")).to_contain_text("Buy")
    await expect(orders.locator('[data-edit="price"]')).to_have_text(shown(price))
    await expect(orders.locator('[data-edit="size"]')).to_have_text(SIZE)
    held = Decimal(price) * Decimal(SIZE) * (1 + TAKER_FEE)
    await check_balance(page, "USDT", PLAY_USDT - held, held)

    await page.region("Order book").locator(".own:visible").click()
    editor = page.page.get_by_role("group", name="Own orders at this price")
    await editor.get_by_label("Price").fill(other)
    await editor.get_by_role("button", name="Amend").click()
    ladder = await until_own(page, (other, SIZE))
    assert (row_at(ladder, price).size, row_at(ladder, other).size) == (size, plus(other_size, SIZE))
    held = Decimal(other) * Decimal(SIZE) * (1 + TAKER_FEE)
    await check_balance(page, "USDT", PLAY_USDT - held, held)

    await (await page.show("Open orders")).get_by_role("button", name="Cancel buy").click()
    ladder = await until_own(page)
    assert ladder.levels == (before.bids[: len(ladder.bids)], before.asks[: len(ladder.asks)])
    await expect((await page.show("Open orders")).locator("tbody tr")).to_have_count(0)
    await check_balance(page, "USDT", PLAY_USDT, Decimal(0))
    after = await book(quiet, BTC)
    assert (after.bids, after.asks) == (before.bids, before.asks)


async def test_a_market_order_fills_at_what_the_book_had(tab: NewTab, quiet: str) -> None:
    before = await book(quiet, BTC)
    resting = (await get(quiet, f"instruments/{BTC}/book_l3"))["data"]["asks"][:3]
    *whole, (_, last_price, last_size) = [
        (order_id, Decimal(price), Decimal(size)) for order_id, price, size in resting
    ]
    part = (last_size / 2).quantize(Decimal("0.00001"))
    fills = [(price, size) for _, price, size in whole] + [(last_price, part)]
    size = sum(size for _, size in fills)
    cost = sum((price * size for price, size in fills), Decimal(0))
    page = await tab(quiet)
    await page.sign_in()
    await page.place("buy", str(size))
    rows = (await page.show("Fills")).locator("tbody tr")
    await expect(rows).to_have_count(len(fills))
    fees = [f"{rounded(price * size * TAKER_FEE, 4)} USDT" for price, size in fills]
    told = [(await rows.nth(n).locator("td").all_inner_texts())[1:] for n in range(len(fills))]
    assert told[::-1] == [
        ["BTC-USDT", "Buy", shown(str(price)), shown(str(size)), fee, "taker"]
        for (price, size), fee in zip(fills, fees, strict=True)
    ]
    await check_balance(page, "USDT", PLAY_USDT - cost * (1 + TAKER_FEE), Decimal(0))
    await check_balance(page, "BTC", PLAY_BTC + size, Decimal(0))
    after = await book(quiet, BTC)
    ladder = await page.ladder(BTC, after=after.seq - 1)
    assert ladder.levels == (after.bids[: len(ladder.bids)], after.asks[: len(ladder.asks)])
    assert after.asks != before.asks
    await page.place("sell", str(size))
    await check_balance(page, "BTC", PLAY_BTC, Decimal(0))


async def test_refusals_are_told_at_their_field(tab: NewTab, quiet: str) -> None:
    before = await book(quiet, BTC)
    page = await tab(quiet)
    await page.sign_in()
    best = before.bids[0][0]
    for size, price, field, words in (
        ("0.003", "97,000", "price", "without thousands separators"),
        ("0.003", f"{best}1", "price", "must be a multiple of 0.01"),
        ("0", best, "size", "must be more than 0"),
        ("0.003", "10000.00", "price", "around the market"),
        ("5000", best, "size", "USDT"),
    ):
        await page.place("buy", size, price)
        wrong = page.region("Order ticket").get_by_label(field.capitalize(), exact=True)
        await expect(wrong).to_have_attribute("aria-invalid", "true")
        await expect(wrong).to_be_focused()
        message = page.page.locator(f"#ticket-{field}-error")
        await expect(message).to_contain_text(words)
        await expect(wrong).to_have_attribute("aria-describedby", re.compile(rf"\bticket-{field}-error\b"))
        await expect(page.region("Order ticket").locator(".field-error")).to_have_count(1)
    assert await book(quiet, BTC) == before
    await expect((await page.show("Open orders")).locator("tbody tr")).to_have_count(0)


async def test_a_double_click_and_a_held_key_place_one_order(tab: NewTab, quiet: str) -> None:
    price, other = (level[0] for level in (await book(quiet, BTC)).bids[1:3])
    page = await tab(quiet)
    await page.sign_in()
    ticket = await page.show("Order ticket")
    await ticket.get_by_label("Price", exact=True).fill(price)
    await ticket.get_by_label("Size", exact=True).fill(SIZE)
    await ticket.get_by_role("button", name="Buy BTC", exact=True).evaluate(DOUBLE_CLICK)
    await until_own(page, (price, SIZE))
    await ticket.get_by_label("Price", exact=True).fill(other)
    for _ in range(20):  # after the first these are repetitions of a key that is held down
        await page.page.keyboard.down("Enter")
    await until_own(page, (price, SIZE), (other, SIZE))
    await page.page.wait_for_timeout(700)  # that is how long the same order again is a slip
    for _ in range(3):
        await page.page.keyboard.down("Enter")
    await page.page.keyboard.up("Enter")
    await expect((await page.show("Open orders")).locator("tbody tr")).to_have_count(2)
    await ticket.get_by_label("Price", exact=True).press("Enter")
    await until_own(page, (price, SIZE), (other, plus(SIZE, SIZE)))
    await expect((await page.show("Open orders")).locator("tbody tr")).to_have_count(3)


async def test_a_dialog_is_answered_no_by_enter_and_gives_the_focus_back(tab: NewTab, quiet: str) -> None:
    price = (await book(quiet, BTC)).bids[1][0]
    page = await tab(quiet)
    await page.ladder(BTC)  # it is drawn, so it listens
    await page.page.keyboard.press("c")
    await expect(page.page.get_by_role("status").filter(has_text="Sign in to cancel orders.")).to_be_visible()
    await page.sign_in()
    await page.place("buy", SIZE, price)
    await until_own(page, (price, SIZE))
    cancel = (await page.show("Open orders")).get_by_role("button", name="Cancel all")
    await cancel.press("Enter")
    await expect(page.page.get_by_role("dialog").get_by_role("button", name="No")).to_be_focused()
    await page.page.keyboard.press("Enter")
    await expect(page.page.get_by_role("dialog")).to_have_count(0)
    await expect(cancel).to_be_focused()
    await expect(page.region("Open orders").locator("tbody tr")).to_have_count(1)
    await cancel.press("Enter")
    await page.page.get_by_role("button", name="Cancel 1 order").click()
    await until_own(page)


async def test_what_is_typed_stays_when_the_order_changes_meanwhile(tab: NewTab, quiet: str) -> None:
    price = (await book(quiet, BTC)).bids[2][0]
    one, two = await tab(quiet), await tab(quiet)
    for page in (one, two):
        await page.sign_in()
    await one.place("buy", SIZE, price)
    await until_own(one, (price, SIZE))
    await one.region("Order book").locator(".own:visible").click()
    editor = one.page.get_by_role("group", name="Own orders at this price")
    await editor.get_by_label("Size").fill("0.00x")
    await (await two.show("Open orders")).locator('[data-edit="size"]').click()
    await two.region("Open orders").get_by_label("New size").fill("0.002")
    await two.page.keyboard.press("Enter")
    await expect(editor.get_by_role("status")).to_contain_text("The order has changed meanwhile: 0.00200")
    await expect(editor.get_by_label("Size")).to_have_value("0.00x")
    await editor.get_by_role("button", name="Amend").click()
    await expect(editor.get_by_role("alert")).to_contain_text("must be a plain number")


async def test_two_tabs_have_the_same_account(tab: NewTab, quiet: str) -> None:
    price, size = (await book(quiet, BTC)).bids[1]
    one, two = await tab(quiet), await tab(quiet)
    for page in (one, two):
        await page.sign_in()
    await one.place("buy", SIZE, price)
    for page in (one, two):
        ladder = await until_own(page, (price, SIZE))
        assert row_at(ladder, price).size == plus(size, SIZE)
    await (await two.show("Open orders")).get_by_role("button", name="Cancel buy").click()
    for page in (one, two):
        ladder = await until_own(page)
        assert row_at(ladder, price).size == size
        await expect((await page.show("Open orders")).locator("tbody tr")).to_have_count(0)


async def test_the_keyboard_alone_places_amends_and_cancels(tab: NewTab, quiet: str) -> None:
    before = await book(quiet, BTC)
    price, up = _room(before)
    page = await tab(quiet)
    keyboard = page.page.keyboard
    await page.tab_to("header button.primary")
    await keyboard.press("Enter")
    await expect(page.page.get_by_role("button", name="Sign out")).to_be_visible()
    await page.page.evaluate("() => document.activeElement.blur()")
    await keyboard.press("b")
    await page.tab_to("#ticket-size")
    await keyboard.type(SIZE)
    await keyboard.press("Shift+Tab")
    await keyboard.type(price)
    await keyboard.press("Enter")
    await until_own(page, (price, SIZE))

    await page.tab_to("[data-ladder]")
    for _ in range(len(before.bids)):
        if await page.page.evaluate(CURSOR_IS, price):
            break
        await keyboard.press("ArrowDown")
        await page.page.evaluate("() => new Promise(requestAnimationFrame)")
    await keyboard.press("+")
    await until_own(page, (up, SIZE))
    await page.until(CURSOR_IS, up)
    await keyboard.press("x")
    await until_own(page)
    after = await book(quiet, BTC)
    assert (after.bids, after.asks) == (before.bids, before.asks)


def _room(before: Book) -> tuple[str, str]:
    """A price of the book's bids above which is none for a tick, and that one."""
    prices = [price for price, _ in before.bids]
    for price in prices[1:]:
        up = plus(price, "0.01")
        if up not in prices:
            return price, up
    raise AssertionError("every price has orders")
