// `ws` on Node: `client.send` for each message and each of `clients`, as its README broadcasts; each message is a Buffer,
// sent as text, without compression. It has no backpressure of its own: after a turn the producer waits for clients with
// more than 256 KiB in `bufferedAmount`.
//
//     --messages=N --turn=N --rate=N --bytes=N --lose=N --prepared=N: see benchmarks/peers/__init__.py

import { Buffer } from "node:buffer";
import process from "node:process";
import { createInterface } from "node:readline";
import { setImmediate as turned, setTimeout as slept } from "node:timers/promises";
import { WebSocketServer } from "ws";

const BUFFERED_BYTES_MAX = 256 * 1024;
const FILLER =
  "the same bytes for every one of the clients, and each of them checks every byte that it is given. 0123456";

const given = Object.fromEntries(
  process.argv.slice(2).map((argument) => {
    const [name, value] = argument.slice(2).split("=");
    return [name, Number(value)];
  }),
);
const filler = FILLER.repeat(Math.ceil(given.bytes / FILLER.length)).slice(0, given.bytes - 25);
const payloads = Array.from({ length: given.prepared }, (_, n) =>
  Buffer.from(`{"n":${String(n).padStart(12, "0")},"x":"${filler}"}`),
);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const monotonicNs = () => process.hrtime.bigint();
const say = (what) => process.stdout.write(`${what}\n`);

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: 4096, perMessageDeflate: false });
server.on("listening", async () => {
  say(`{"port": ${server.address().port}}`);
  if ((await lines.next()).done) process.exit();
  const started = monotonicNs();
  let waited = 0n;
  for (let first = 0; first < given.messages;) {
    let end = first + given.turn;
    if (given.rate) end = Math.floor((Number(monotonicNs() - started) * given.rate) / 1e9) + 1;
    end = Math.min(end, given.messages);
    for (let n = first; n < end; n++) {
      if (n === given.lose) continue;
      for (const client of server.clients) client.send(payloads[n % given.prepared], { binary: false });
    }
    first = Math.max(first, end);
    await turned();
    if (given.rate) continue;
    for (const client of server.clients) {
      const began = monotonicNs();
      if (client.bufferedAmount <= BUFFERED_BYTES_MAX) continue;
      while (client.bufferedAmount > BUFFERED_BYTES_MAX) await slept(1);
      waited += monotonicNs() - began;
    }
  }
  if ((await lines.next()).done) process.exit();
  say(`{"waited_seconds": ${Number(waited) / 1e9}, "started_ns": ${started}}`);
  await lines.next();
  process.exit();
});
