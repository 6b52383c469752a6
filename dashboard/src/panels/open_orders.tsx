/** The account's open and waiting orders: cancel one or all, change price or size where they stand. */
import { useRef, useState } from "preact/hooks";
import type { OrderData } from "tickwire";
import { useDesk } from "../desk.ts";
import { useSources } from "../frame.ts";
import type { Editable } from "../logic/amend.ts";
import { formatDateTime, formatDecimal } from "../logic/format.ts";
import { ORDER_TYPES } from "../logic/ticket.ts";
import { when, withoutVenue } from "../logic/rows.ts";
import { useAmending } from "./amending.ts";
import { SignedOut } from "./signed_out.tsx";
import { TableHead } from "./table_head.tsx";

const TYPE_NAMES = new Map<string, string>(ORDER_TYPES);

/** The open orders' panel. */
export function OpenOrders() {
  const desk = useDesk();
  useSources(desk.source, desk.accountSource);
  const { account } = desk;
  const orders = account === null ? [] : [...account.orders.values()].reverse();

  return (
    <section aria-label="Open orders" class="panel open-orders">
      <div class="panel-head">
        <h2>Open orders{orders.length > 0 && <span class="faint"> {orders.length}</span>}</h2>
        {orders.length > 0 && (
          <button type="button" class="button small" onClick={() => desk.run("cancelAll")}>
            Cancel all
          </button>
        )}
      </div>
      {account === null ? (
        <SignedOut what="your open orders" />
      ) : orders.length === 0 ? (
        <p class="empty">No open orders.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label="Open orders, newest first">
          <table class="table">
            <caption class="sr-only">Open orders, newest first</caption>
            <TableHead words={["Time", "Symbol", "Order"]} numbers={["Price", "Size", "Filled"]} hidden="Actions" />
            <tbody>
              {orders.map((order) => (
                <Row key={order.order_id} order={order} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Row({ order }: { order: OrderData }) {
  const { busy, errors, clear, amend, cancel } = useAmending(order);
  const [edit, setEdit] = useState<{ field: Editable; text: string } | null>(null);
  const back = useRef<HTMLTableRowElement>(null);
  const name = `${order.side} ${order.symbol}`;

  const leave = (field: Editable): void => {
    setEdit(null);
    clear();
    // the button is there again after the next rendering
    requestAnimationFrame(() => back.current?.querySelector<HTMLElement>(`[data-edit="${field}"]`)?.focus());
  };

  const submit = async (field: Editable, text: string): Promise<void> => {
    if (await amend({ [field]: text })) leave(field);
  };

  const cell = (field: Editable, text: string | null) => {
    const id = `order-${order.order_id}-${field}`;
    const error = errors[field];
    if (text === null) return <td class="num">market</td>;
    if (edit?.field === field)
      return (
        <td class="num order-edit">
          <form
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              void submit(field, edit.text);
            }}
          >
            <input
              id={id}
              class="input"
              aria-label={`New ${field} of ${name}`}
              aria-invalid={error !== undefined}
              aria-describedby={error === undefined ? undefined : `${id}-error`}
              inputMode="decimal"
              autoComplete="off"
              value={edit.text}
              ref={(input) => {
                if (input !== null && document.activeElement !== input && error === undefined) input.select();
              }}
              onInput={(event) => {
                clear();
                setEdit({ field, text: event.currentTarget.value });
              }}
              onKeyDown={(event) => {
                if (event.key !== "Escape") return;
                event.stopPropagation();
                leave(field);
              }}
            />
            <button type="submit" class="button small primary" aria-disabled={busy}>
              Set
            </button>
            {error !== undefined && (
              <p id={`${id}-error`} class="field-error error" role="alert">
                {error}
              </p>
            )}
          </form>
        </td>
      );
    return (
      <td class="num">
        <button
          type="button"
          class="order-figure"
          data-edit={field}
          aria-label={`${formatDecimal(text)}, change the ${field} of ${name}`}
          title={`Change the ${field}`}
          onClick={() => {
            clear();
            setEdit({ field, text });
          }}
        >
          {formatDecimal(text)}
        </button>
      </td>
    );
  };

  return (
    <tr ref={back} data-order={order.order_id} data-status={order.status}>
      <td title={formatDateTime(order.created)}>{when(order.created)}</td>
      <td title={order.symbol}>{withoutVenue(order.symbol)}</td>
      <td>
        <span class={order.side}>{order.side === "buy" ? "Buy" : "Sell"}</span>{" "}
        {(TYPE_NAMES.get(order.type) ?? order.type).toLowerCase()}
        {order.stop_price !== null && <span class="faint"> at {formatDecimal(order.stop_price)}</span>}
        {marks(order).map((mark) => (
          <span key={mark} class="tag">
            {mark}
          </span>
        ))}
      </td>
      {cell("price", order.price)}
      {cell("size", order.size)}
      <td class="num">{formatDecimal(order.filled)}</td>
      <td class="num">
        <button
          type="button"
          class="button small"
          aria-label={`Cancel ${name} ${order.price === null ? "" : `at ${formatDecimal(order.price)}`}`}
          aria-disabled={busy}
          onClick={() => void cancel()}
        >
          Cancel
        </button>
      </td>
    </tr>
  );
}

/** What is special about an order, in a word each. */
function marks(order: OrderData): string[] {
  return [
    ...(order.status === "waiting" ? ["waiting"] : []),
    ...(order.post_only ? ["post only"] : []),
    ...(order.reduce_only ? ["reduce only"] : []),
    ...(order.display_size === null ? [] : ["iceberg"]),
    ...(order.time_in_force === "gtd" ? ["expires"] : []),
  ];
}
