/**
 * MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), as far as JSON's values go: `bin` and `ext`,
 * which the protocol does not use, are refused.
 */

import { InvalidInput, TickwireError } from "./errors.ts";

/** How deep arrays and maps may be nested: the protocol has 6. Beyond it a message is refused. */
export const DEPTH_MAX = 32;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const toUtf8 = new TextEncoder();

/**
 * One value.
 *
 * @param bigints Names of members whose integers become bigint; all others become numbers.
 * @throws TickwireError the bytes are no such value, or more than one; an integer is more than a number holds.
 */
export function decode(bytes: Uint8Array, bigints: ReadonlySet<string>): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;

  /** Where the next `count` bytes are, and beyond them. */
  function take(count: number): number {
    const from = at;
    at += count;
    if (at > bytes.length) throw new TickwireError("the message ends too early");
    return from;
  }

  /** A length of elements that are at least so long each: never more than what is left can hold. */
  function fits(count: number, bytesEach: number): number {
    if (count * bytesEach > bytes.length - at) throw new TickwireError("the message ends too early");
    return count;
  }

  function text(length: number): string {
    const from = take(length);
    if (length < 40) {
      let short = "";
      let next = from;
      for (; next < at; next++) {
        const byte = bytes[next]!;
        if (byte > 0x7f) break;
        short += String.fromCharCode(byte);
      }
      if (next === at) return short;
    }
    try {
      return utf8.decode(bytes.subarray(from, at));
    } catch {
      throw new TickwireError("a text is not UTF-8");
    }
  }

  function array(count: number, depth: number): unknown[] {
    const items: unknown[] = [];
    for (let left = fits(count, 1); left > 0; left--) items.push(value(depth, false));
    return items;
  }

  function map(count: number, depth: number): Record<string, unknown> {
    const members: Record<string, unknown> = {};
    for (let left = fits(count, 2); left > 0; left--) {
      const key = value(depth, false);
      if (typeof key !== "string") throw new TickwireError("the name of a member is no string");
      if (key === "__proto__") throw new TickwireError("no member can be called __proto__");
      members[key] = value(depth, bigints.has(key));
    }
    return members;
  }

  function integer(number: number, big: boolean): number | bigint {
    return big ? BigInt(number) : number;
  }

  function long(number: bigint, big: boolean): number | bigint {
    if (big) return number;
    if (!Number.isSafeInteger(Number(number))) throw new TickwireError(`${number} is more than a number can hold`);
    return Number(number);
  }

  function value(depth: number, big: boolean): unknown {
    if (depth > DEPTH_MAX) throw new TickwireError(`the message is nested deeper than ${DEPTH_MAX}`);
    const head = bytes[take(1)]!;
    if (head < 0x80) return integer(head, big);
    if (head < 0x90) return map(head & 0x0f, depth + 1);
    if (head < 0xa0) return array(head & 0x0f, depth + 1);
    if (head < 0xc0) return text(head & 0x1f);
    if (head >= 0xe0) return integer(head - 0x100, big);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return view.getFloat32(take(4));
      case 0xcb:
        return view.getFloat64(take(8));
      case 0xcc:
        return integer(view.getUint8(take(1)), big);
      case 0xcd:
        return integer(view.getUint16(take(2)), big);
      case 0xce:
        return integer(view.getUint32(take(4)), big);
      case 0xcf:
        return long(view.getBigUint64(take(8)), big);
      case 0xd0:
        return integer(view.getInt8(take(1)), big);
      case 0xd1:
        return integer(view.getInt16(take(2)), big);
      case 0xd2:
        return integer(view.getInt32(take(4)), big);
      case 0xd3:
        return long(view.getBigInt64(take(8)), big);
      case 0xd9:
        return text(view.getUint8(take(1)));
      case 0xda:
        return text(view.getUint16(take(2)));
      case 0xdb:
        return text(view.getUint32(take(4)));
      case 0xdc:
        return array(view.getUint16(take(2)), depth + 1);
      case 0xdd:
        return array(view.getUint32(take(4)), depth + 1);
      case 0xde:
        return map(view.getUint16(take(2)), depth + 1);
      case 0xdf:
        return map(view.getUint32(take(4)), depth + 1);
    }
    throw new TickwireError(`the message has a value of the kind 0x${head.toString(16)}, which it can't have`);
  }

  const decoded = value(0, false);
  if (at !== bytes.length) throw new TickwireError(`${bytes.length - at} bytes follow the message`);
  return decoded;
}

/**
 * The bytes of a value, as few as the format allows. A member that is undefined is left out.
 *
 * @throws InvalidInput it has what JSON has not, an integer of more than 64 bits, or is nested deeper than `DEPTH_MAX`.
 */
export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  let bytes = new Uint8Array(256);
  let view = new DataView(bytes.buffer);
  let length = 0;

  /** Room for `count` more bytes; returns where. */
  function room(count: number): number {
    const from = length;
    length += count;
    if (length > bytes.length) {
      const larger = new Uint8Array(length * 2);
      larger.set(bytes);
      bytes = larger;
      view = new DataView(bytes.buffer);
    }
    return from;
  }

  function put(...values: number[]): void {
    const from = room(values.length);
    bytes.set(values, from);
  }

  /** A head and the length that follows it: `small` holds lengths up to `most` itself. */
  function head(count: number, small: number, most: number, codes: readonly [number | null, number, number]): void {
    const [in8, in16, in32] = codes;
    if (count <= most) put(small | count);
    else if (in8 !== null && count < 0x100) put(in8, count);
    else if (count < 0x10000) put(in16, count >> 8, count & 0xff);
    else {
      put(in32);
      const from = room(4);
      view.setUint32(from, count);
    }
  }

  function integer(number: bigint): void {
    if (number >= -32n && number < 128n) {
      put(Number(number) & 0xff);
      return;
    }
    const unsigned = number >= 0n;
    const size = [1, 2, 4, 8].find((size) => {
      const bits = size * 8;
      return (unsigned ? BigInt.asUintN(bits, number) : BigInt.asIntN(bits, number)) === number;
    });
    if (size === undefined) throw new InvalidInput(`${number} has more than 64 bits`);
    put((unsigned ? 0xcc : 0xd0) + Math.log2(size));
    const from = room(size);
    for (let byte = 0; byte < size; byte++)
      bytes[from + byte] = Number(BigInt.asUintN(8, number >> BigInt(8 * (size - 1 - byte))));
  }

  function write(value: unknown, depth: number): void {
    if (depth > DEPTH_MAX) throw new InvalidInput(`what is sent can't be nested deeper than ${DEPTH_MAX}`);
    if (value === null) put(0xc0);
    else if (typeof value === "boolean") put(value ? 0xc3 : 0xc2);
    else if (typeof value === "bigint") integer(value);
    else if (typeof value === "number") {
      if (Number.isSafeInteger(value)) integer(BigInt(value));
      else {
        put(0xcb);
        const from = room(8);
        view.setFloat64(from, finite(value));
      }
    } else if (typeof value === "string") {
      const data = toUtf8.encode(value);
      head(data.length, 0xa0, 31, [0xd9, 0xda, 0xdb]);
      const from = room(data.length);
      bytes.set(data, from);
    } else if (Array.isArray(value)) {
      head(value.length, 0x90, 15, [null, 0xdc, 0xdd]);
      for (const item of value) write(item, depth + 1);
    } else if (typeof value === "object") {
      const members = Object.entries(value).filter(([, member]) => member !== undefined);
      head(members.length, 0x80, 15, [null, 0xde, 0xdf]);
      for (const [key, member] of members) {
        write(key, depth + 1);
        write(member, depth + 1);
      }
    } else throw new InvalidInput(`a ${typeof value} can't be sent`);
  }

  write(value, 0);
  return bytes.subarray(0, length);
}

/**
 * A number that can be sent.
 *
 * @throws InvalidInput it is infinite or none.
 */
export function finite(number: number): number {
  if (!Number.isFinite(number)) throw new InvalidInput(`${number} can't be sent`);
  return number;
}
