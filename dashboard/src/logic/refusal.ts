/** What went wrong, in words for people: without the code that programs go by. */

import { ConnectionLost } from "tickwire";

/** The reason of an error of the client, as a sentence. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof ConnectionLost && error.code < 4000)
    return error.sent ? "The connection was lost before the answer." : "There is no connection now: nothing was sent.";
  const prefix = "code" in error ? `${String(error.code)}: ` : "";
  const text = prefix !== "" && error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
