/** What several panels read of the selected symbol: subscribed once, only while a panel shows it, swapped on selection. */
import { useEffect } from "preact/hooks";
import { ConnectionLost, RequestRefused } from "tickwire";
import { Source } from "./frame.ts";
import { reasonOf } from "./logic/refusal.ts";

/** How long to wait before what was refused for now is asked for again, ms. */
export const RETRY_MS = 1_000;

/** Whether what failed may be granted another time: there is no connection, or there were too many requests at once. */
export function passes(error: unknown): boolean {
  return error instanceof ConnectionLost || (error instanceof RequestRefused && error.retry);
}

/** Why something can't be shown, in words. */
export function whyNot(error: unknown): string {
  return error instanceof ConnectionLost ? "Waiting for the connection." : reasonOf(error);
}

/** Something live of one symbol that must be closed. */
export interface Closable {
  close(): unknown;
}

/** Opens it for a symbol; `changed` is to be called whenever its content changes. */
export type Open<T extends Closable> = (symbol: string, changed: () => void) => Promise<T>;

/**
 * A live thing of the selected symbol (its book, its trades), open while at least one panel holds it.
 *
 * `value` is null until it is there, and of no other symbol than the selected one; `error` says in words why it can't
 * be had. `source` tells both, and every change of the content.
 */
export class Shared<T extends Closable> {
  readonly source = new Source();
  value: T | null = null;
  error: string | null = null;
  private readonly open: Open<T>;
  private symbol: string;
  private holders = 0;
  private generation = 0;

  constructor(symbol: string, open: Open<T>) {
    this.symbol = symbol;
    this.open = open;
  }

  /** Keep it open until the returned function is called. */
  hold(): () => void {
    if (this.holders++ === 0) this.begin();
    let held = true;
    return () => {
      if (held && --this.holders === 0) this.end();
      held = false;
    };
  }

  /** Close it and open it for another symbol. */
  swap(symbol: string): void {
    this.end();
    this.symbol = symbol;
    if (this.holders > 0) this.begin();
  }

  private begin(): void {
    const generation = ++this.generation;
    const changed = (): void => {
      if (generation === this.generation) this.source.changed();
    };
    const attempt = (): void => {
      this.open(this.symbol, changed).then(
        (value) => {
          if (generation !== this.generation) value.close();
          else [this.value, this.error] = [value, null];
          changed();
        },
        (error: unknown) => {
          if (generation !== this.generation) return;
          this.error = whyNot(error);
          changed();
          if (passes(error)) {
            setTimeout(() => {
              if (generation === this.generation) attempt();
            }, RETRY_MS);
          }
        },
      );
    };
    attempt();
  }

  private end(): void {
    this.generation += 1;
    this.value?.close();
    this.value = null;
    this.error = null;
    this.source.changed();
  }
}

/** Hold it while the component is mounted. Who draws it watches its `source`, or renders by `useSources`. */
export function useHold(...shared: Shared<Closable>[]): void {
  useEffect(() => {
    const ends = shared.map((one) => one.hold());
    return () => {
      for (const end of ends) end();
    };
  }, shared);
}
