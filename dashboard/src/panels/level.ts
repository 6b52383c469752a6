/** The level that is opened into its orders: chosen in the ladder, shown by the orders panel. */
import type { Desk } from "../desk.ts";
import { Source } from "../frame.ts";
import type { Spot } from "../logic/grouping.ts";

/** A level of a symbol; `step` is how many ticks it spans, from `ticks` on away from the spread's side. */
export interface OpenedLevel extends Spot {
  readonly symbol: string;
  readonly step: bigint;
}

let level: OpenedLevel | null = null;

/** The level that was pointed at last. */
export const opened = {
  /** It has changed. */
  source: new Source(),
  /** The level, null where none of the selected symbol was pointed at. */
  of: (desk: Desk): OpenedLevel | null => (level?.symbol === desk.symbol ? level : null),
  /** Open a level of the selected symbol; null for none, which is the best one. */
  set(desk: Desk, spot: (Spot & { readonly step: bigint }) | null): void {
    level = spot === null ? null : { ...spot, symbol: desk.symbol };
    opened.source.changed();
  },
};
