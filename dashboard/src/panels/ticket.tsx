/** The order ticket: what was typed is checked as it is typed, and what the server refuses is said at its field. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type LiveBook, type OrderData, RequestRefused, scale } from "tickwire";
import { statusOf, useDesk } from "../desk.ts";
import { useSources } from "../frame.ts";
import { amountOf } from "../logic/amount.ts";
import { decimalsOf, formatDecimal } from "../logic/format.ts";
import { reasonOf } from "../logic/refusal.ts";
import { troubleInWords } from "../logic/status.ts";
import {
  canRest,
  check,
  type Entry,
  type Errors,
  fieldOf,
  firstWrong,
  isPriced,
  isWaiting,
  ORDER_TYPES,
  paramsOf,
  sizeFor,
  termsOf,
  TIMES_IN_FORCE,
  type TimeInForce,
} from "../logic/ticket.ts";
import { useHold } from "../shared.ts";
import { Choice } from "./choice.tsx";
import { SignedOut } from "./signed_out.tsx";
import { Cost, opposite } from "./ticket_cost.tsx";
import { CheckField, FieldError, fieldId, NumberField, SelectField } from "./ticket_field.tsx";

const PERCENTS = [25n, 50n, 75n, 100n] as const;

const LIFETIMES = [
  ["60000", "1 minute"],
  ["3600000", "1 hour"],
  ["86400000", "1 day"],
  ["604800000", "1 week"],
] as const;
type Lifetime = (typeof LIFETIMES)[number][0];

/** How soon the same order again is a double click, ms. */
const TWICE_MS = 600;

/** What the ticket has beside the draft of the desk. */
interface More {
  stopPrice: string;
  displaySize: string;
  timeInForce: TimeInForce;
  lifetime: Lifetime;
  postOnly: boolean;
  reduceOnly: boolean;
}

const NOTHING: More = {
  stopPrice: "",
  displaySize: "",
  timeInForce: "gtc",
  lifetime: "3600000",
  postOnly: false,
  reduceOnly: false,
};

/** The ticket's panel. */
export function Ticket() {
  const desk = useDesk();
  useSources(desk.source);
  const { account, info } = desk;
  return (
    <section aria-label="Order ticket" class="panel ticket">
      <div class="panel-head">
        <h2>Order ticket</h2>
        <span class="faint">{info.symbol}</span>
      </div>
      {info.kind !== "matched" ? (
        <p class="empty">{info.symbol} is traded at its venue and only shown here.</p>
      ) : account === null ? (
        <SignedOut what="the order ticket and to trade" />
      ) : (
        <Form key={info.symbol} />
      )}
    </section>
  );
}

function Form() {
  const desk = useDesk();
  const form = useRef<HTMLFormElement>(null);
  useSources(desk.ticketSource, desk.accountSource, desk.status.source);
  useHold(desk.book, desk.status);
  const [more, setMore] = useState(NOTHING);
  const [refused, setRefused] = useState<Errors>({}); // by the server
  const [tried, setTried] = useState(false);
  const [sending, setSending] = useState(false);
  const last = useRef({ order: "", at: -Infinity, under: false });
  useEffect(
    () => desk.command("ticket", () => form.current?.querySelector<HTMLElement>(`#${fieldId("size")}`)?.focus()),
    [desk],
  );

  const { info, ticket } = desk;
  // another order: what was wrong with the one before says nothing of it
  useLayoutEffect(() => {
    setTried(false);
    setRefused({});
  }, [ticket.side, ticket.type]);
  const terms = termsOf(info, scale(info.tick_size), scale(info.lot_size));
  const entry: Entry = {
    ...more,
    side: ticket.side,
    type: ticket.type,
    price: ticket.price,
    size: ticket.size,
    validForMs: Number(more.lifetime),
  };
  const checked = check(entry, terms);
  const errors: Errors = { ...(tried ? checked.errors : early(checked.errors, entry)), ...refused };

  const change = (act: () => void): void => {
    setRefused({});
    act();
  };
  const set = (part: Partial<More>): void => change(() => setMore((before) => ({ ...before, ...part })));
  const draft = (part: Parameters<typeof desk.prefill>[0]): void => change(() => desk.prefill(part));

  const showErrors = (found: Errors): void => {
    const first = firstWrong(found);
    if (first !== undefined) document.getElementById(fieldId(first))?.focus();
  };

  /** Whether the same order was sent a moment ago, or one is being sent. */
  const isTwice = (): boolean => {
    const before = last.current;
    const now = { order: JSON.stringify(entry), at: performance.now(), under: before.under };
    last.current = now;
    return before.under || (before.order === now.order && now.at - before.at < TWICE_MS);
  };

  const place = async (): Promise<void> => {
    setTried(true);
    setRefused({});
    if (Object.keys(checked.errors).length > 0) {
      showErrors(checked.errors);
      return;
    }
    if (isTwice()) return;
    last.current.under = true;
    setSending(true);
    try {
      const { order } = await desk.client.place(paramsOf(info.symbol, entry, terms, checked, desk.client.serverTime()));
      setTried(false);
      desk.say(told(order, decimalsOf(info.tick_size)), "info", "ticket");
    } catch (error) {
      const found = refusal(error);
      setRefused(found);
      showErrors(found);
      if (found.order !== undefined) desk.say(found.order, "error", "ticket");
    } finally {
      last.current.under = false;
      setSending(false);
    }
  };

  const percent = (part: bigint): void => {
    const pays = entry.side === "buy" ? info.quote : info.base;
    const available = desk.account?.balances.get(pays)?.available ?? "0";
    const lots = sizeFor(part, entry, terms, checked, amountOf(available), opposite(desk.book.value, entry.side));
    if (lots > 0n) draft({ size: terms.size.format(lots) });
    else if (entry.side === "buy" && isPriced(entry.type) && checked.price === null)
      setRefused({ price: "Give a price first: the size depends on it." });
    else setRefused({ size: `There is not enough ${pays} available.` });
  };

  const priced = isPriced(entry.type);
  const wrong = troubleInWords(statusOf(desk));
  const rests = canRest(entry);
  const pays = entry.side === "buy" ? info.quote : info.base;
  return (
    <form
      ref={form}
      class="ticket-form"
      noValidate
      aria-label="Order"
      onSubmit={(event) => {
        event.preventDefault();
        void place();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && event.repeat) event.preventDefault(); // held down, it is pressed once
      }}
    >
      <div class="ticket-fields">
        <Choice
          label="Side"
          class={`ticket-side ${entry.side}`}
          options={SIDES}
          value={entry.side}
          choose={(side) => draft({ side })}
        />
        <SelectField
          field="type"
          label="Type"
          options={ORDER_TYPES}
          value={entry.type}
          error={errors.type}
          change={(type) => draft({ type })}
        />
        {isWaiting(entry.type) && (
          <NumberField
            field="stop_price"
            label={entry.type.startsWith("stop") ? "Stop price" : "Trigger price"}
            unit={info.quote}
            value={more.stopPrice}
            error={errors.stop_price}
            change={(stopPrice) => set({ stopPrice })}
          />
        )}
        {priced && (
          <NumberField
            field="price"
            label="Price"
            unit={info.quote}
            value={ticket.price}
            error={errors.price}
            change={(price) => draft({ price })}
          >
            <span class="field-chips">
              <button type="button" class="chip" onClick={() => draft(best(desk.book.value, "bids"))}>
                Bid
              </button>
              <button type="button" class="chip" onClick={() => draft(best(desk.book.value, "asks"))}>
                Ask
              </button>
            </span>
          </NumberField>
        )}
        <NumberField
          field="size"
          label="Size"
          unit={info.base}
          value={ticket.size}
          error={errors.size}
          change={(size) => draft({ size })}
        />
        <div class="ticket-percents" role="group" aria-label={`Size as a part of the available ${pays}`}>
          {PERCENTS.map((part) => (
            <button key={String(part)} type="button" class="chip" onClick={() => percent(part)}>
              {String(part)}%
            </button>
          ))}
        </div>
        <details class="ticket-more">
          <summary>Options</summary>
          <div class="ticket-options">
            <SelectField
              field="time_in_force"
              label="Good"
              options={TIMES_IN_FORCE}
              value={more.timeInForce}
              error={errors.time_in_force}
              change={(timeInForce) => set({ timeInForce })}
            />
            {more.timeInForce === "gtd" && (
              <SelectField
                field="expires_at"
                label="Expires in"
                options={LIFETIMES}
                value={more.lifetime}
                error={errors.expires_at}
                change={(lifetime) => set({ lifetime })}
              />
            )}
            {rests && (
              <>
                <NumberField
                  field="display_size"
                  label="Shown size (iceberg)"
                  unit={info.base}
                  value={more.displaySize}
                  placeholder="all"
                  error={errors.display_size}
                  change={(displaySize) => set({ displaySize })}
                />
                <CheckField
                  field="post_only"
                  label="Post only"
                  value={more.postOnly}
                  error={errors.post_only}
                  change={(postOnly) => set({ postOnly })}
                />
              </>
            )}
            <CheckField
              field="reduce_only"
              label="Reduce only"
              value={more.reduceOnly}
              error={errors.reduce_only}
              change={(reduceOnly) => set({ reduceOnly })}
            />
          </div>
        </details>
      </div>
      <div class="ticket-foot">
        <Cost desk={desk} entry={entry} terms={terms} checked={checked} />
        <FieldError field="order" error={errors.order} />
        <p role="status" class="trouble">
          {wrong}
        </p>
        <button type="submit" class={`button ticket-submit ${entry.side}`} aria-disabled={sending}>
          {sending ? "Placing…" : `${entry.side === "buy" ? "Buy" : "Sell"} ${info.base}`}
        </button>
      </div>
    </form>
  );
}

const SIDES = [
  ["buy", "Buy"],
  ["sell", "Sell"],
] as const;

/** The best price of a side as something for the ticket. */
function best(book: LiveBook | null, side: "bids" | "asks"): { price?: string } {
  const level = book?.valid ? (side === "bids" ? book.bestBid : book.bestAsk) : null;
  return level == null ? {} : { price: level[0] };
}

/** What can be said while somebody still types: nothing of what is empty. */
function early(errors: Errors, entry: Entry): Errors {
  const typed: Errors = { ...errors };
  if (entry.price.trim() === "") delete typed.price;
  if (entry.stopPrice.trim() === "") delete typed.stop_price;
  if (entry.size.trim() === "") delete typed.size;
  return typed;
}

/** What went wrong with an order, at the field that it is about. */
function refusal(error: unknown): Errors {
  const field = error instanceof RequestRefused ? fieldOf(error.field, error.code) : "order";
  return { [field]: reasonOf(error) };
}

/** An order as it stands, in words. */
function told(order: OrderData, decimals: number): string {
  const what = `${order.side === "buy" ? "Buy" : "Sell"} ${formatDecimal(order.size)} ${order.symbol}`;
  const price = order.price === null ? "" : ` at ${formatDecimal(order.price)}`;
  const average = order.average_price === null ? "" : ` at ${formatDecimal(order.average_price, decimals)}`;
  if (order.status === "filled") return `${what}: filled${average}`;
  if (order.status === "waiting") return `${what}${price}: waits for its stop price`;
  const filled = /[1-9]/.test(order.filled) ? `, ${formatDecimal(order.filled)} filled${average}` : "";
  return `${what}${price}: ${order.status}${filled}`;
}
