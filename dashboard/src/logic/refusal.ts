/** What went wrong, in words for people: without the code that programs go by. */

/** The reason of an error of the client, as a sentence. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const prefix = "code" in error ? `${String(error.code)}: ` : "";
  const text = prefix !== "" && error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
