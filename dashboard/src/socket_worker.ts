/** The thread of a socket: see `socket.ts`. */
import { Batches } from "./logic/batches.ts";
import type { FromSocket, ToSocket } from "./socket.ts";

const SLOW = 4001; // the protocol's own code for a client that does not keep up

let socket: WebSocket | null = null;
const post = (message: FromSocket): void => postMessage(message);
const clock = { now: () => performance.now(), after: (ms: number, run: () => void): void => void setTimeout(run, ms) };
const batches = new Batches(clock, (batch) => post({ type: "batch", batch }));

function closed(code: number, reason: string): void {
  batches.end();
  post({ type: "close", code, reason });
}

function open(url: string, protocols: string[]): void {
  const opened = (socket = new WebSocket(url, protocols));
  opened.binaryType = "arraybuffer";
  opened.onopen = () => post({ type: "open", protocol: opened.protocol });
  opened.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
    if (batches.add(event.data)) return;
    opened.onmessage = opened.onclose = null;
    opened.close(SLOW);
    closed(SLOW, "the page is too slow for what it reads");
  };
  opened.onclose = (event) => closed(event.code, event.reason);
}

onmessage = (event: MessageEvent<ToSocket>) => {
  const message = event.data;
  if (message.type === "open") open(message.url, message.protocols);
  else if (message.type === "taken") batches.taken();
  else if (message.type === "close") socket?.close(message.code, message.reason);
  else if (socket?.readyState === WebSocket.OPEN) {
    socket.send(message.data);
    post({ type: "unsent", bytes: socket.bufferedAmount });
  }
};
