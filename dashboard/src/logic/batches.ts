/**
 * Messages on their way from the thread of the socket to that of the page: a few together.
 *
 * The first of a while goes at once. The next wait until the page has taken the last batch, and at least `BATCH_MS`, so that the page
 * has time to draw; what is waiting is bounded.
 */

/** Least time between two batches, ms: a few in each frame, and less than anybody sees. */
export const BATCH_MS = 4;

/** What may wait for the page, in bytes or characters: some seconds of a very busy book. */
export const WAITING_MAX = 16 * 2 ** 20;

/** What a socket receives. */
export type Data = string | ArrayBuffer;

/** Time: a clock that only rises, in ms, and the calling of something later. */
export interface Clock {
  now(): number;
  after(ms: number, run: () => void): void;
}

/** The batches of one socket. */
export class Batches {
  private readonly clock: Clock;
  private readonly post: (batch: Data[]) => void;
  private waiting: Data[] = [];
  private size = 0;
  private isTaken = true;
  private isTimed = false;
  private last = -Infinity;

  constructor(clock: Clock, post: (batch: Data[]) => void) {
    this.clock = clock;
    this.post = post;
  }

  /** A message has come. Returns false where it has no room: the page is too slow for what it has asked for. */
  add(data: Data): boolean {
    this.size += typeof data === "string" ? data.length : data.byteLength;
    if (this.size > WAITING_MAX) return false;
    this.waiting.push(data);
    this.go();
    return true;
  }

  /** The page has taken the last batch. */
  taken(): void {
    this.isTaken = true;
    this.go();
  }

  /** Send what is waiting, for it is the end. */
  end(): void {
    if (this.waiting.length > 0) this.post(this.waiting);
    this.waiting = [];
  }

  private go(): void {
    if (!this.isTaken || this.isTimed || this.waiting.length === 0) return;
    const wait = this.last + BATCH_MS - this.clock.now();
    if (wait > 0) {
      this.isTimed = true;
      this.clock.after(wait, () => {
        this.isTimed = false;
        this.go();
      });
      return;
    }
    this.last = this.clock.now();
    this.isTaken = false;
    this.post(this.waiting);
    this.waiting = [];
    this.size = 0;
  }
}
