/** Whether an instrument is traded and its feed lives, in words. */
import type { StatusData } from "tickwire";

/** What is wrong with an instrument, in a word or two; null for nothing. */
export function trouble({ instrument, feed }: StatusData): string | null {
  if (instrument !== "open") return instrument;
  return feed === "live" ? null : `feed ${feed}`;
}

/** As a sentence, with what follows from it. */
export function troubleInWords(status: StatusData): string | null {
  const { instrument, feed, reason } = status;
  const why = reason === "" ? "" : ` (${reason})`;
  if (instrument !== "open") return `Trading is ${instrument}${why}. New orders are refused.`;
  return feed === "live" ? null : `The feed is ${feed}${why}. What you see may be old.`;
}
