/** Listeners of something that changes by itself, and waiting for a state of it. */

/** Report what a listener threw, as a browser reports an error that nobody caught. */
function report(error: unknown): void {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else console.error(error);
}

/** Call a listener. What it throws is reported, and hurts nobody else. */
export function called<A extends unknown[]>(listener: (...items: A) => void, ...items: A): void {
  try {
    listener(...items);
  } catch (error) {
    report(error);
  }
}

/** Who is told of every item. One that throws is reported, and hurts nobody else. */
export class Listeners<T> {
  private readonly listeners = new Set<{ readonly call: (item: T) => void }>();
  private readonly items: T[] = []; // what is being told, and what is to be told after it
  private over = false;

  /** Call `listener` with each item, until the returned function is called. */
  add(listener: (item: T) => void): () => void {
    const entry = { call: listener };
    this.listeners.add(entry);
    return () => {
      this.listeners.delete(entry);
    };
  }

  /** Tell everyone who listens now. What a listener leads to is told after it, so that everyone hears all in one order. */
  tell(item: T): void {
    this.items.push(item);
    if (this.items.length > 1) return;
    for (const next of this.items) {
      for (const listener of [...this.listeners]) if (this.listeners.has(listener)) called(listener.call, next);
    }
    this.items.length = 0;
    if (this.over) this.listeners.clear();
  }

  /** Tell everyone the last that there is. */
  end(item: T): void {
    this.over = true;
    this.tell(item);
  }
}

interface Waiter<S> {
  readonly predicate: (state: S) => unknown;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Who waits for what. A predicate is called after every change, so that no state is slept through. */
export class Waiters<S> {
  private readonly waiting = new Set<Waiter<S>>();

  /** Wait until `predicate` is true of a state told by `changed`. Rejects with the error given to `fail`, or with what
   * `predicate` throws. */
  wait(predicate: (state: S) => unknown): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.add({ predicate, resolve, reject });
    });
  }

  /** There is a new state. */
  changed(state: S): void {
    for (const waiter of [...this.waiting]) {
      try {
        if (!waiter.predicate(state)) continue;
        waiter.resolve();
      } catch (error) {
        waiter.reject(error);
      }
      this.waiting.delete(waiter);
    }
  }

  /** There will be no other state. */
  fail(error: Error): void {
    for (const waiter of this.waiting) waiter.reject(error);
    this.waiting.clear();
  }
}
