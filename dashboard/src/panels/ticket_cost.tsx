/** What the order in the ticket would cost, with the book as it is. */
import { useEffect, useState } from "preact/hooks";
import type { LiveBook } from "tickwire";
import type { Desk } from "../desk.ts";
import { atFrame, forget } from "../frame.ts";
import { amountOf, ONE, roundedText } from "../logic/amount.ts";
import { decimalsOf, formatDecimal } from "../logic/format.ts";
import { type Checked, type Entry, estimate, type Level, type Side, type Terms } from "../logic/ticket.ts";

/** How often the estimate is made anew while the book moves, ms: to be read, not to flicker. */
const ESTIMATE_MS = 250;

/** What it would cost, and what there is to pay with. */
export function Cost(props: { desk: Desk; entry: Entry; terms: Terms; checked: Checked }) {
  const { desk, entry, terms, checked } = props;
  const [, render] = useState(0);
  useEffect(() => {
    const draw = (): void => render((count) => count + 1);
    const timer = setInterval(() => atFrame(draw), ESTIMATE_MS);
    return () => {
      clearInterval(timer);
      forget(draw);
    };
  }, []);
  const digits = Math.max(2, decimalsOf(desk.info.tick_size));
  const amount = (units: bigint): string => {
    const shown = units < 100n * ONE ? digits : 2;
    return formatDecimal(roundedText(units, shown), shown);
  };
  const money = (units: bigint): string => `${amount(units)} ${terms.quote}`;
  const pays = entry.side === "buy" ? terms.quote : terms.base;
  const available = desk.account?.balances.get(pays)?.available ?? "0";
  const lotDigits = decimalsOf(desk.info.lot_size);
  const found = estimate(entry, terms, checked, opposite(desk.book.value, entry.side));
  return (
    <dl class="ticket-cost">
      <div>
        <dt>Available</dt>
        <dd>
          {entry.side === "buy"
            ? amount(amountOf(available))
            : formatDecimal(roundedText(amountOf(available), lotDigits), lotDigits)}{" "}
          {pays}
        </dd>
      </div>
      <div>
        <dt>{entry.side === "buy" ? "Cost, about" : "Proceeds, about"}</dt>
        <dd data-field="cost">{found === null ? "–" : money(found.amount)}</dd>
      </div>
      <div>
        <dt>Fee, about</dt>
        <dd data-field="fee">{found === null ? "–" : money(found.fee)}</dd>
      </div>
      {found?.average != null && (
        <div>
          <dt>Fills at once</dt>
          <dd>
            {formatDecimal(terms.size.format(found.taken))} at{" "}
            {formatDecimal(roundedText(found.average, digits), digits)}
          </dd>
        </div>
      )}
      {found !== null && found.short > 0n && (
        <div>
          <dt>Beyond the book</dt>
          <dd class="error">
            {formatDecimal(terms.size.format(found.short))} {terms.base}
          </dd>
        </div>
      )}
    </dl>
  );
}

/** The levels that an order of a side would meet, best first; none while the book can't be read. */
export function opposite(book: LiveBook | null, side: Side): Iterable<Level> {
  if (!book?.valid) return [];
  return side === "buy" ? book.ladder.asks : book.ladder.bids;
}
