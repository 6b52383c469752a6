/** Own orders at one level of the ladder, to be amended or canceled. */
import type { OrderData } from "tickwire";
import { useEffect, useRef, useState } from "preact/hooks";
import { useDesk } from "../desk.ts";
import { useSources } from "../frame.ts";
import type { Editable, Texts } from "../logic/amend.ts";
import { formatDecimal } from "../logic/format.ts";
import { useAmending } from "./amending.ts";

function OrderForm({ order }: { order: OrderData }) {
  const { busy, errors, clear, amend, cancel } = useAmending(order);
  const [typed, setTyped] = useState<Texts>({});
  const [before, setBefore] = useState(order); // when one began to type
  const typing = Object.keys(typed).length > 0;

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (await amend(typed)) setTyped({});
  };

  const field = (name: Editable, label: string) => {
    const error = errors[name];
    const id = `own-${order.order_id}-${name}`;
    return (
      <label>
        <span class="label">{label}</span>
        <input
          class="input"
          inputMode="decimal"
          autoComplete="off"
          value={typed[name] ?? order[name] ?? ""}
          aria-invalid={error !== undefined}
          aria-describedby={error === undefined ? undefined : id}
          onInput={(event) => {
            clear();
            if (!typing) setBefore(order);
            setTyped({ ...typed, [name]: event.currentTarget.value });
          }}
        />
        {error !== undefined && (
          <span id={id} class="field-error error" role="alert">
            {error}
          </span>
        )}
      </label>
    );
  };

  return (
    <form class="own-order" noValidate onSubmit={(event) => void submit(event)}>
      <span class={order.side}>
        {order.side === "buy" ? "▲ buy" : "▼ sell"} {formatDecimal(order.remaining)}
      </span>
      {order.price !== null && field("price", "Price")}
      {field("size", "Size")}
      <span class="own-acts">
        <button type="submit" class="button small primary" aria-disabled={busy}>
          Amend
        </button>
        <button type="button" class="button small" aria-disabled={busy} onClick={() => void cancel()}>
          Cancel
        </button>
      </span>
      {typing && before.updated !== order.updated && (
        <p class="faint" role="status">
          The order has changed meanwhile: {formatDecimal(order.remaining)}
          {order.price !== null && ` at ${formatDecimal(order.price)}`} are open.
        </p>
      )}
    </form>
  );
}

/** The orders of these ids that are still open; closes itself when none is left. */
export function OwnEditor({ ids, close }: { ids: readonly string[]; close: () => void }) {
  const desk = useDesk();
  useSources(desk.accountSource);
  const box = useRef<HTMLDivElement>(null);
  const orders = ids.flatMap((id) => desk.account?.orders.get(id) ?? []);
  const gone = orders.length === 0;

  useEffect(() => box.current?.querySelector("input")?.focus(), [ids]);
  useEffect(() => {
    if (gone) close();
  }, [gone, close]);

  return (
    <div
      ref={box}
      class="own-editor"
      role="group"
      aria-label="Own orders at this price"
      onKeyDown={(event) => {
        if (event.key === "Escape") close();
        event.stopPropagation();
      }}
    >
      {orders.map((order) => (
        <OrderForm key={order.order_id} order={order} />
      ))}
      <button type="button" class="button bare small" onClick={close} aria-label="Close own orders">
        Close
      </button>
    </div>
  );
}
