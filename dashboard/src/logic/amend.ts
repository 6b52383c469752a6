/** What an amendment of an order changes. */
import { type InstrumentInfo, type OrderData, scale } from "tickwire";
import { stepsOf } from "./ticket.ts";

/** What can be amended. */
export type Editable = "price" | "size";

/** A text for each of them, or for some. */
export type Texts = Partial<Record<Editable, string>>;

/** The new values of what was typed, as far as they differ from the order's; `errors` says what is wrong, by field. */
export function amendment(order: OrderData, typed: Texts, info: InstrumentInfo): { changes: Texts; errors: Texts } {
  const changes: Texts = {};
  const errors: Texts = {};
  for (const field of ["price", "size"] as const) {
    const text = typed[field];
    if (text === undefined || text === order[field]) continue;
    const unit = scale(field === "price" ? info.tick_size : info.lot_size);
    const steps = stepsOf(unit, text, field);
    if (typeof steps === "string") errors[field] = steps;
    else if (unit.format(steps) !== order[field]) changes[field] = unit.format(steps);
  }
  return { changes, errors };
}
