/** The two encodings of the protocol: JSON in text messages, MessagePack in binary ones. Times are bigint in both. */

import { InvalidInput, TickwireError } from "./errors.ts";
import { SUBPROTOCOLS, TIME_FIELDS } from "./generated.ts";
import * as msgpack from "./msgpack.ts";

/** How messages are written. */
export type Encoding = keyof typeof SUBPROTOCOLS;

const TIMES: ReadonlySet<string> = new Set(TIME_FIELDS);
/** What a time that was written as a number is between the two steps of decoding. */
const MARKED = /^\0-?\d{16,19}$/;
/**
 * A time that a number can't hold, in JSON. The quote before the name is not escaped, as "{", "," or a space stands
 * before it, so that it begins or ends a string. If it ended one, the text would be no JSON, and is none afterwards.
 * So it begins one, which is a member's name, and what follows the colon is a number outside of any string.
 */
const LONG_TIME = new RegExp(`([{,\\s]"(?:${TIME_FIELDS.join("|")})"\\s*:\\s*)(-?[1-9]\\d{15,18})(?=[\\s,}])`, "g");

/**
 * A message to send, as text or as bytes. A member that is undefined is left out.
 *
 * @throws InvalidInput it has what JSON has not, or is nested deeper than `DEPTH_MAX`.
 */
export function encode(message: object, encoding: Encoding): string | Uint8Array<ArrayBuffer> {
  return encoding === "json" ? written(message, 0) : msgpack.encode(message);
}

/**
 * A received message: what JSON can be, but with each time (a member of `TIME_FIELDS` that is an integer) as a bigint.
 *
 * @param data Text is JSON, bytes are MessagePack.
 * @throws TickwireError it can't be read.
 */
export function decode(data: string | Uint8Array): unknown {
  if (typeof data !== "string") return msgpack.decode(data, TIMES);
  let message: unknown;
  try {
    message = JSON.parse(data.replace(LONG_TIME, '$1"\\u0000$2"'));
  } catch {
    throw new TickwireError("the message is no JSON");
  }
  readTimes(message, 0);
  return message;
}

/** Make bigints of the times in a parsed message. Rows (arrays in arrays) hold none. */
function readTimes(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (depth > msgpack.DEPTH_MAX) throw new TickwireError(`the message is nested deeper than ${msgpack.DEPTH_MAX}`);
  if (Array.isArray(value)) {
    for (const item of value) if (!Array.isArray(item)) readTimes(item, depth + 1);
    return;
  }
  const members = value as Record<string, unknown>;
  for (const name in members) {
    const member = members[name];
    if (typeof member === "object") readTimes(member, depth + 1);
    else if (TIMES.has(name)) members[name] = time(name, member);
  }
}

function time(name: string, value: unknown): unknown {
  if (typeof value === "string") return MARKED.test(value) ? BigInt(value.slice(1)) : value;
  if (typeof value !== "number") return value;
  if (!Number.isSafeInteger(value)) throw new TickwireError(`${name} is no time in whole nanoseconds`);
  return BigInt(value);
}

/** JSON of a value, with integers that are bigint. */
function written(value: unknown, depth: number): string {
  if (depth > msgpack.DEPTH_MAX)
    throw new InvalidInput(`what is sent can't be nested deeper than ${msgpack.DEPTH_MAX}`);
  if (value === null) return "null";
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "boolean":
    case "bigint":
      return String(value);
    case "number":
      return String(msgpack.finite(value));
    case "object": {
      if (Array.isArray(value)) return `[${value.map((item) => written(item, depth + 1)).join(",")}]`;
      const members = Object.entries(value).filter(([, member]) => member !== undefined);
      return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${written(member, depth + 1)}`).join(",")}}`;
    }
  }
  throw new InvalidInput(`a ${typeof value} can't be sent`);
}
