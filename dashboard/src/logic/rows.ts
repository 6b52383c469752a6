/** What the rows of the account have in common. */
import { formatDateTime, formatTime } from "./format.ts";

/** The time of day of today's, with the date of what is older; ns, in the visitor's time zone. */
export function when(ns: bigint): string {
  const today = new Date().toDateString() === new Date(Number(ns / 1_000_000n)).toDateString();
  return today ? formatTime(ns) : formatDateTime(ns);
}

/** A symbol without its venue, where the row has little room: "SIM:BTC-USDT" as "BTC-USDT". */
export function withoutVenue(symbol: string): string {
  return symbol.slice(symbol.indexOf(":") + 1);
}
