/** The dialogs of the page: a question before something that can't be undone, and the list of keys. */
import { type ComponentChildren, Fragment } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Source, useSources } from "./frame.ts";
import { PANEL_KEYS, SHORTCUTS } from "./logic/keys.ts";

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

/** Closed by its buttons, which are of a form of the method `dialog`, or by Escape: the focus goes back by itself. */
function Modal(props: { label: string; children: ComponentChildren; buttons: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-label={props.label}
      onClose={(event) => {
        const closed = open;
        open = null;
        if (closed?.kind === "question") closed.answer(event.currentTarget.returnValue === "yes");
        source.changed();
      }}
    >
      {props.children}
      <form method="dialog" class="dialog-buttons">
        {props.buttons}
      </form>
    </dialog>
  );
}

/** Whichever dialog is open. */
export function Dialogs() {
  useSources(source);
  if (open === null) return null;
  if (open.kind === "help") {
    return (
      <Modal label="Keys" buttons={<button class="button primary">Close</button>}>
        <h2>Keys</h2>
        <dl class="keys">
          {SHORTCUTS.map((shortcut) => (
            <Key key={shortcut.action} keys={shortcut.keys} does={shortcut.does} />
          ))}
          {PANEL_KEYS.map(({ panel, keys }) => (
            <Fragment key={panel}>
              <h3>{panel}</h3>
              {keys.map(([names, does]) => (
                <Key key={does} keys={names} does={does} />
              ))}
            </Fragment>
          ))}
        </dl>
      </Modal>
    );
  }
  const { question, yes } = open;
  return (
    <Modal
      label={question}
      buttons={
        <>
          <button class="button" autofocus>
            No
          </button>
          <button class="button sell" value="yes">
            {yes}
          </button>
        </>
      }
    >
      <p>{question}</p>
    </Modal>
  );
}

function Key({ keys, does }: { keys: readonly string[]; does: string }) {
  return (
    <div>
      <dt>
        {keys.map((key) => (
          <kbd key={key}>{key === "Escape" ? "Esc" : key}</kbd>
        ))}
      </dt>
      <dd>{does}</dd>
    </div>
  );
}
