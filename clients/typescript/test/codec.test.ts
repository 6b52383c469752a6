/** Encoding and decoding: exact times, everything a value can be, and hostile input. */

import { describe, expect, test } from "vitest";
import { decode, encode } from "../src/codec.ts";
import { InvalidInput, TickwireError } from "../src/errors.ts";
import { TIME_FIELDS } from "../src/generated.ts";
import * as msgpack from "../src/msgpack.ts";
import { oneOf, seeded } from "./seeded.ts";

const NANOSECONDS = 1_732_180_000_123_456_789n;
const TIMES = new Set<string>(TIME_FIELDS);

/** Bytes from their hexadecimal digits. */
function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

describe("times in JSON", () => {
  test.each(TIME_FIELDS)("%s is exact, in both directions", (name) => {
    const text = `{"data":[{"${name}":${NANOSECONDS}}],"${name}":-${NANOSECONDS}}`;
    expect(decode(text)).toEqual({ data: [{ [name]: NANOSECONDS }], [name]: -NANOSECONDS });
    expect(encode(decode(text) as object, "json")).toBe(text);
  });

  test("small ones, those of today and the largest are all bigint", () => {
    expect(decode('{"ts":0,"time":7,"created":9007199254740993,"end":9223372036854775807,"expires_at":null}')).toEqual({
      ts: 0n,
      time: 7n,
      created: 9_007_199_254_740_993n,
      end: 9_223_372_036_854_775_807n,
      expires_at: null,
    });
  });

  test("with spaces, first in their object, in a row, and with an escaped name", () => {
    expect(decode(`\n{ "ts" : ${NANOSECONDS} ,\n"ts_event"\t:\t${NANOSECONDS}\n}`)).toEqual({
      ts: NANOSECONDS,
      ts_event: NANOSECONDS,
    });
    expect(decode(`[{"ts":${NANOSECONDS},"ts_event":${NANOSECONDS}},{"ts":${NANOSECONDS}}]`)).toEqual([
      { ts: NANOSECONDS, ts_event: NANOSECONDS },
      { ts: NANOSECONDS },
    ]);
    expect(decode('{"t\\u0073":12}')).toEqual({ ts: 12n });
  });

  test("other members keep their numbers", () => {
    expect(decode('{"seq":12,"checksum":4294967295,"ts_":1,"time_in_force":"gtc"}')).toEqual({
      seq: 12,
      checksum: 4_294_967_295,
      ts_: 1,
      time_in_force: "gtc",
    });
  });

  test.each([
    `"ts":${NANOSECONDS},`,
    `,"ts":${NANOSECONDS},`,
    `{"ts":${NANOSECONDS}}`,
    `\\","ts":${NANOSECONDS},"`,
    `\\\\","ts":${NANOSECONDS}`,
    ` "time" : ${NANOSECONDS} `,
    `\n"ts":${NANOSECONDS}\n`,
    `{"`,
    `\\`,
    `\0${NANOSECONDS}`,
  ])("a string can hold %j, as a value and as a name", (hostile) => {
    for (const value of [hostile, hostile + hostile, `x${hostile}`, `,${hostile}`, `"${hostile}`]) {
      const message = { before: value, [value]: value, rows: [[value]], ts: NANOSECONDS, after: value };
      const text = encode(message, "json") as string;
      expect(decode(text)).toEqual(message);
      const spaced = text.replaceAll('":', '" : ').replaceAll(',"', ' ,\n"');
      if (!value.includes("ts") && !value.includes("time")) expect(decode(spaced)).toEqual(message);
    }
  });

  test.each(['x"ts', ',"ts', '{"ts', ' "ts', '\\"ts', ',\\"ts', ',"ts":1,"ts', "xts", "ts ", "TS"])(
    "a name can end like a time's: %j",
    (name) => {
      const text = `{"seq":1,${JSON.stringify(name)}:${NANOSECONDS},"ts":${NANOSECONDS}}`;
      expect(decode(text)).toEqual({ seq: 1, [name]: Number(NANOSECONDS), ts: NANOSECONDS });
    },
  );

  test("strings of all that could confuse, put together at random", () => {
    const random = seeded(7);
    const parts = ['"', "\\", ",", "{", "}", ":", " ", "\n", "ts", '"ts":', String(NANOSECONDS), "[", "]", "\0", "é"];
    const any = (): string => Array.from({ length: random(9) }, () => oneOf(random, parts)).join("");
    for (let run = 0; run < 3000; run++) {
      const [name, value] = [any(), any()];
      // members of an object with a time's name are times, so the name itself must be none
      if (TIMES.has(name)) continue;
      const message = { [name]: value, list: [value, { [`${name}x`]: name }], ts: NANOSECONDS };
      expect(decode(JSON.stringify({ ...message, ts: 1 }).replace(/"ts":1\}$/, `"ts":${NANOSECONDS}}`))).toEqual(
        message,
      );
    }
  });

  test.each(["1.5", "1e400", "-0.25", "12345678901234567890123", "1732180000123456789.5"])(
    "%s is no time",
    (number) => {
      expect(() => decode(`{"ts":${number}}`)).toThrow("ts is no time in whole nanoseconds");
    },
  );
});

describe("what JSON can't be read", () => {
  test.each([
    "",
    "{",
    '{"ts":}',
    `{"a"ts":${NANOSECONDS}}`,
    `{"a","ts":${NANOSECONDS}`,
    `{"ts":0${NANOSECONDS}}`,
    `{"ts":${NANOSECONDS}}}`,
    "nope",
  ])("%s", (text) => {
    expect(() => decode(text)).toThrow(new TickwireError("the message is no JSON"));
  });

  test("too deep, however deep", () => {
    for (const depth of [34, 5000, 1_000_000]) {
      const text = '{"a":'.repeat(depth) + "1" + "}".repeat(depth);
      expect(() => decode(text)).toThrow(TickwireError);
    }
    expect(() => decode("[".repeat(1_000_000))).toThrow(TickwireError);
  });
});

describe("MessagePack", () => {
  const values: [name: string, hex: string, value: unknown][] = [
    ["nil", "c0", null],
    ["booleans", "92c2c3", [false, true]],
    ["positive fixint", "7f", 127],
    ["negative fixint", "e0", -32],
    ["uint 8", "ccff", 255],
    ["uint 16", "cdffff", 65_535],
    ["uint 32", "ceffffffff", 4_294_967_295],
    ["uint 64", "cf001fffffffffffff", Number.MAX_SAFE_INTEGER],
    ["int 8", "d080", -128],
    ["int 16", "d18000", -32_768],
    ["int 32", "d280000000", -2_147_483_648],
    ["int 64", "d3ffe0000000000001", -Number.MAX_SAFE_INTEGER],
    ["float 64", "cb3ff8000000000000", 1.5],
    ["fixstr", "a3e282ac", "€"],
    ["str 8", `d920${"61".repeat(32)}`, "a".repeat(32)],
    ["str 16", `da0100${"61".repeat(256)}`, "a".repeat(256)],
    ["str 32", `db00010000${"61".repeat(65_536)}`, "a".repeat(65_536)],
    ["fixarray", "92a16101", ["a", 1]],
    ["array 16", `dc0010${"01".repeat(16)}`, Array<number>(16).fill(1)],
    ["array 32", `dd00010000${"01".repeat(65_536)}`, Array<number>(65_536).fill(1)],
    ["fixmap", "82a161c0a162a0", { a: null, b: "" }],
    ["map 16", `de0010${Array.from({ length: 16 }, (_, at) => `a1${(97 + at).toString(16)}01`).join("")}`,
      Object.fromEntries(Array.from({ length: 16 }, (_, at) => [String.fromCharCode(97 + at), 1]))],
    ["times", "83a27473cf1809f0885a650d15a474696d6507aa657870697265735f6174c0",
      { ts: NANOSECONDS, time: 7n, expires_at: null }],
    ["times of 32 bits and before 1970", "83a27473ceffffffffa763726561746564d0ffa3656e64d3ffffffffffffffff",
      { ts: 4_294_967_295n, created: -1n, end: -1n }],
  ]; // prettier-ignore

  test.each(values)("%s is read", (_, hex, value) => {
    expect(decode(bytes(hex))).toEqual(value);
  });

  test.each(values.filter(([name]) => !name.startsWith("times of")))("%s is written", (_, hex, value) => {
    const written = msgpack.encode(value);
    expect(Buffer.from(written).toString("hex")).toBe(hex);
  });

  test("float 32 and map 32 are read, though never written", () => {
    expect(decode(bytes("ca3fc00000"))).toBe(1.5);
    expect(decode(bytes("df00000001a16101"))).toEqual({ a: 1 });
  });

  test("whole numbers of 64 bits are exact both ways", () => {
    for (const time of [0n, 127n, 128n, 255n, 2n ** 32n, NANOSECONDS, 2n ** 63n, 2n ** 64n - 1n, -33n, -(2n ** 63n)]) {
      expect(decode(encode({ ts: time }, "msgpack"))).toEqual({ ts: time });
    }
    for (const count of [2 ** 31, 2 ** 32, 2 ** 53 - 1, -(2 ** 31) - 1, -(2 ** 53) + 1]) {
      expect(decode(encode({ seq: count }, "msgpack"))).toEqual({ seq: count });
    }
    expect(() => decode(bytes("cf0020000000000001"))).toThrow("9007199254740993 is more than a number can hold");
  });

  test("a view into the midst of a buffer is read from where it begins", () => {
    const whole = bytes("0000cf00000000000000ff00");
    expect(decode(whole.subarray(2, 11))).toBe(255);
  });

  test.each([
    ["nothing", "", "ends too early"],
    ["a text cut off", "a3e282", "ends too early"],
    ["an integer cut off", "cf00", "ends too early"],
    ["an array cut off", "9201", "ends too early"],
    ["an array that says it has 4 billion elements", "ddffffffff01", "ends too early"],
    ["a map that says so", "dfffffffffa161", "ends too early"],
    ["a text that says so", "dbffffffff61", "ends too early"],
    ["something behind it", "0101", "1 bytes follow the message"],
    ["a byte that stands for nothing", "c1", "0xc1"],
    ["bin", "c40100", "0xc4"],
    ["ext", "d40000", "0xd4"],
    ["a number for a name", "8101a161", "no string"],
    ["a prototype", "81a95f5f70726f746f5f5f80", "__proto__"],
    ["arrays in arrays", "91".repeat(100_000), "nested deeper than 32"],
    ["maps in maps", "81a161".repeat(100_000), "nested deeper than 32"],
  ])("%s is refused", (_, hex, words) => {
    expect(() => decode(bytes(hex))).toThrow(TickwireError);
    expect(() => decode(bytes(hex))).toThrow(words);
  });

  test("text that is no UTF-8 is refused", () => {
    expect(() => decode(bytes("a2c328"))).toThrow(new TickwireError("a text is not UTF-8"));
    expect(() => decode(bytes(`d930${"c3".repeat(48)}`))).toThrow(new TickwireError("a text is not UTF-8"));
  });

  test("any bytes are a value or an error, at once", () => {
    const random = seeded(11);
    let read = 0;
    for (let run = 0; run < 20_000; run++) {
      const hostile = Uint8Array.from({ length: 1 + random(30) }, () => random(256));
      try {
        decode(hostile);
        read += 1;
      } catch (error) {
        if (!(error instanceof TickwireError)) throw error;
      }
    }
    expect(read).toBeGreaterThan(100);
  });

  test("a message cut off anywhere, or with a byte too many, is refused", () => {
    const message = {
      channel: "trades",
      ts: NANOSECONDS,
      data: { rows: [["1.5", "2"]], side: null, long: "x".repeat(300) },
    };
    const whole = encode(message, "msgpack") as Uint8Array;
    expect(decode(whole)).toEqual(message);
    for (let end = 0; end < whole.length; end++) expect(() => decode(whole.subarray(0, end))).toThrow(TickwireError);
    expect(() => decode(Uint8Array.from([...whole, 0]))).toThrow("1 bytes follow");
  });
});

describe("what is sent", () => {
  const request = {
    id: 1,
    method: "order.place",
    params: { price: undefined, deadline: NANOSECONDS, list: ["é", -1.5, true, null] },
  };

  test("members that are undefined are left out", () => {
    expect(encode(request, "json")).toBe(
      `{"id":1,"method":"order.place","params":{"deadline":${NANOSECONDS},"list":["é",-1.5,true,null]}}`,
    );
    expect(decode(encode(request, "msgpack"))).toEqual({
      id: 1,
      method: "order.place",
      params: { deadline: NANOSECONDS, list: ["é", -1.5, true, null] },
    });
  });

  test.each(["json", "msgpack"] as const)("what %s has not is refused before it is sent", (encoding) => {
    const circular: { self?: object } = {};
    circular.self = circular;
    for (const value of [NaN, Infinity, Symbol("x"), () => 1]) {
      expect(() => encode({ value }, encoding)).toThrow(InvalidInput);
    }
    expect(() => encode(circular, encoding)).toThrow("can't be nested deeper than 32");
  });

  test("nor has MessagePack integers of more than 64 bits", () => {
    expect(() => encode({ ts: 2n ** 64n }, "msgpack")).toThrow(InvalidInput);
    expect(() => encode({ ts: -(2n ** 63n) - 1n }, "msgpack")).toThrow(InvalidInput);
  });
});
