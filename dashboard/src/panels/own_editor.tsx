/** Own orders at one level of the ladder, to be amended or canceled. */
import type { OrderData } from "tickwire";
import { useEffect, useRef } from "preact/hooks";
import { useDesk, type Desk } from "../desk.ts";
import { useSources } from "../frame.ts";
import { formatDecimal } from "../logic/format.ts";

async function attempt(desk: Desk, act: () => Promise<unknown>, done: string): Promise<void> {
  try {
    await act();
    desk.say(done, "info");
  } catch (error) {
    desk.say(error instanceof Error ? error.message : String(error), "error");
  }
}

function OrderForm({ order }: { order: OrderData }) {
  const desk = useDesk();
  const price = useRef<HTMLInputElement>(null);
  const size = useRef<HTMLInputElement>(null);
  const { order_id } = order;

  const amend = (event: Event): void => {
    event.preventDefault();
    const [newPrice, newSize] = [price.current!.value.trim(), size.current!.value.trim()];
    const changes = {
      ...(newPrice !== order.price && { price: newPrice }),
      ...(newSize !== order.size && { size: newSize }),
    };
    void attempt(desk, () => desk.client.amend({ order_id, ...changes }), "Order amended");
  };
  const cancel = (): void => void attempt(desk, () => desk.client.cancel({ order_id }), "Order canceled");

  return (
    <form class="own-order" onSubmit={amend}>
      <span class={order.side}>
        {order.side === "buy" ? "▲ buy" : "▼ sell"} {formatDecimal(order.remaining)}
      </span>
      <label>
        <span class="label">Price</span>
        <input ref={price} class="input" inputMode="decimal" defaultValue={order.price ?? ""} />
      </label>
      <label>
        <span class="label">Size</span>
        <input ref={size} class="input" inputMode="decimal" defaultValue={order.size} />
      </label>
      <span class="own-acts">
        <button type="submit" class="button small primary">
          Amend
        </button>
        <button type="button" class="button small" onClick={cancel}>
          Cancel
        </button>
      </span>
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
        <OrderForm key={`${order.order_id} ${order.updated}`} order={order} />
      ))}
      <button type="button" class="button bare small" onClick={close} aria-label="Close own orders">
        Close
      </button>
    </div>
  );
}
