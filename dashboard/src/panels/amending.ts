/** Amending or canceling one of the account's orders, wherever it is shown. */
import { useRef, useState } from "preact/hooks";
import { type OrderData, RequestRefused } from "tickwire";
import { useDesk } from "../desk.ts";
import { amendment, type Texts } from "../logic/amend.ts";
import { formatDecimal } from "../logic/format.ts";
import { reasonOf } from "../logic/refusal.ts";

/** What can be done with an order. */
export interface Amending {
  /** A request is under way: another one is not sent. */
  readonly busy: boolean;
  /** What is wrong with what was typed, by field. */
  readonly errors: Texts;
  /** Something else was typed. */
  readonly clear: () => void;
  /** Change what differs from the order; true if it now is as typed. */
  readonly amend: (typed: Texts) => Promise<boolean>;
  readonly cancel: () => Promise<void>;
}

/** Amend or cancel this order; refusals are told at their field. */
export function useAmending(order: OrderData): Amending {
  const desk = useDesk();
  const under = useRef(false);
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState<Texts>({});
  const { order_id } = order;
  const topic = `order ${order_id}`;

  const send = async (act: () => Promise<unknown>, done: string, typed: Texts = {}): Promise<boolean> => {
    if (under.current) return false;
    under.current = true;
    setBusy(true);
    try {
      await act();
      desk.say(done, "info", topic);
      return true;
    } catch (error) {
      const named = error instanceof RequestRefused ? error.field : null;
      const field = named === "price" || named === "size" ? named : typed.size === undefined ? "price" : "size";
      if (error instanceof RequestRefused && typed[field] !== undefined) setErrors({ [field]: reasonOf(error) });
      else desk.say(reasonOf(error), "error", topic);
      return false;
    } finally {
      under.current = false;
      setBusy(false);
    }
  };

  return {
    busy,
    errors,
    clear: () => setErrors({}),
    async amend(typed) {
      const info = desk.instruments.find((one) => one.symbol === order.symbol);
      if (info === undefined) return false;
      const { changes, errors: wrong } = amendment(order, typed, info);
      setErrors(wrong);
      if (Object.keys(wrong).length > 0) return false;
      const told = Object.entries(changes).map(([field, value]) => `${field} ${formatDecimal(value)}`);
      if (told.length === 0) return true;
      return send(() => desk.client.amend({ order_id, ...changes }), `Order changed: ${told.join(", ")}.`, changes);
    },
    async cancel() {
      await send(() => desk.client.cancel({ order_id }), "Order canceled.");
    },
  };
}
