/** Short messages in a corner, which screen readers are told, too. */
import { Source, useSources } from "./frame.ts";

interface Toast {
  id: number;
  text: string;
  kind: "info" | "error";
  topic: string | undefined;
}

const TOASTS_MAX = 4;
const INFO_MS = 5_000;
const ERROR_MS = 12_000;

const source = new Source();
let toasts: Toast[] = [];
let made = 0;

/**
 * Show a message for a while. Of more than four at once the oldest goes.
 *
 * @param topic what it is about, such as an order: it takes the place of what was said of that before
 */
export function say(text: string, kind: "info" | "error", topic?: string): void {
  const id = ++made;
  const others = toasts.filter((toast) => toast.text !== text && (topic === undefined || toast.topic !== topic));
  toasts = [...others, { id, text, kind, topic }].slice(-TOASTS_MAX);
  source.changed();
  setTimeout(() => remove(id), kind === "error" ? ERROR_MS : INFO_MS);
}

function remove(id: number): void {
  toasts = toasts.filter((toast) => toast.id !== id);
  source.changed();
}

/** The corner. Both live regions are there from the start, as readers ask. */
export function Toasts() {
  useSources(source);
  const of = (kind: Toast["kind"]) =>
    toasts
      .filter((toast) => toast.kind === kind)
      .map((toast) => (
        <div key={toast.id} class={`toast ${kind}`}>
          <span>{toast.text}</span>
          <button type="button" class="button bare small" aria-label="Dismiss" onClick={() => remove(toast.id)}>
            ✕
          </button>
        </div>
      ));
  return (
    <div class="toasts">
      <div role="status" aria-live="polite">
        {of("info")}
      </div>
      <div role="alert" aria-live="assertive">
        {of("error")}
      </div>
    </div>
  );
}
