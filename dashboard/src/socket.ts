/**
 * A WebSocket in a thread of its own, for the client.
 *
 * A browser takes longer to hand a page one message than the page takes to apply it, and it draws last. So another
 * thread receives them, and the page gets those of a few milliseconds at once.
 */
import type { Socket } from "tickwire";
import type { Data } from "./logic/batches.ts";

/** What the page says to the thread. */
export type ToSocket =
  | { type: "open"; url: string; protocols: string[] }
  | { type: "send"; data: Parameters<Socket["send"]>[0] }
  | { type: "close"; code: number | undefined; reason: string | undefined }
  | { type: "taken" };

/** What the thread says to the page. */
export type FromSocket =
  | { type: "open"; protocol: string }
  | { type: "batch"; batch: Data[] }
  | { type: "unsent"; bytes: number }
  | { type: "close"; code: number; reason: string };

/** Like the browser's `WebSocket`, as far as the client uses it. */
export class ThreadSocket implements Socket {
  binaryType = "arraybuffer";
  bufferedAmount = 0;
  protocol = "";
  readyState: number = WebSocket.CONNECTING;
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  private readonly worker = new Worker(new URL("./socket_worker.ts", import.meta.url), { type: "module" });

  constructor(url: string, protocols: string[]) {
    this.worker.onmessage = (event: MessageEvent<FromSocket>) => this.hear(event.data);
    this.worker.onerror = () => this.closed(1006, "the thread of the socket has failed");
    this.tell({ type: "open", url, protocols });
  }

  send(data: Parameters<Socket["send"]>[0]): void {
    this.tell({ type: "send", data });
  }

  close(code?: number, reason?: string): void {
    if (this.readyState < WebSocket.CLOSING) this.readyState = WebSocket.CLOSING;
    this.tell({ type: "close", code, reason });
  }

  private tell(message: ToSocket): void {
    this.worker.postMessage(message);
  }

  private hear(message: FromSocket): void {
    if (message.type === "batch") {
      for (const data of message.batch) this.onmessage?.({ data } as never);
      this.tell({ type: "taken" });
    } else if (message.type === "open") {
      this.protocol = message.protocol;
      if (this.readyState === WebSocket.CONNECTING) this.readyState = WebSocket.OPEN;
      this.onopen?.({} as never);
    } else if (message.type === "unsent") this.bufferedAmount = message.bytes;
    else this.closed(message.code, message.reason);
  }

  private closed(code: number, reason: string): void {
    if (this.readyState === WebSocket.CLOSED) return;
    this.readyState = WebSocket.CLOSED;
    this.worker.terminate();
    this.onclose?.({ code, reason } as never);
  }
}
