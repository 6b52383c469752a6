/** The dialogs of the page: a question before something that can't be undone, and the list of keys. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Source, useSources } from "./frame.ts";
import { SHORTCUTS } from "./logic/keys.ts";

type Open = { kind: "help" } | { kind: "question"; question: string; yes: string; answer: (yes: boolean) => void };

const source = new Source();
let open: Open | null = null;

function show(next: Open | null): void {
  if (open?.kind === "question") open.answer(false);
  open = next;
  source.changed();
}

/** Ask; true only if the answer is `yes`, the word on the button. A question that is asked meanwhile answers no. */
export function confirm(question: string, yes: string): Promise<boolean> {
  return new Promise((answer) => show({ kind: "question", question, yes, answer }));
}

/** Show the list of keys. */
export function showHelp(): void {
  show({ kind: "help" });
}

function Modal(props: { label: string; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="dialog" aria-label={props.label} onClose={() => show(null)}>
      {props.children}
    </dialog>
  );
}

/** Whichever dialog is open. */
export function Dialogs() {
  useSources(source);
  if (open === null) return null;
  if (open.kind === "help") {
    return (
      <Modal label="Keys">
        <h2>Keys</h2>
        <dl class="keys">
          {SHORTCUTS.map((shortcut) => (
            <div key={shortcut.action}>
              <dt>
                <kbd>{shortcut.keys[0] === "Escape" ? "Esc" : shortcut.keys[0]}</kbd>
              </dt>
              <dd>{shortcut.does}</dd>
            </div>
          ))}
          <div>
            <dt>
              <kbd>↑</kbd> <kbd>↓</kbd> <kbd>Enter</kbd>
            </dt>
            <dd>In the market list: move, select</dd>
          </div>
        </dl>
        <div class="dialog-buttons">
          <button type="button" class="button primary" onClick={() => show(null)}>
            Close
          </button>
        </div>
      </Modal>
    );
  }
  const { question, yes, answer } = open;
  const close = (said: boolean): void => {
    open = null;
    answer(said);
    source.changed();
  };
  return (
    <Modal label={question}>
      <p>{question}</p>
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={() => close(false)}>
          No
        </button>
        <button type="button" class="button sell" autofocus onClick={() => close(true)}>
          {yes}
        </button>
      </div>
    </Modal>
  );
}
