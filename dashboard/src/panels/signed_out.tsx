/** What a panel of the account shows while nobody is signed in. */
import { useState } from "preact/hooks";
import { useDesk } from "../desk.ts";
import { reasonOf } from "../logic/refusal.ts";

/** Says what the panel would show, and offers the demonstration account where the server has one. */
export function SignedOut(props: { what: string }) {
  const desk = useDesk();
  const [busy, setBusy] = useState(false);
  const signIn = (): void => {
    setBusy(true);
    desk
      .signIn({ demo: true })
      .catch((error: unknown) => desk.say(`Not signed in: ${reasonOf(error)}`, "error", "sign in"))
      .finally(() => setBusy(false));
  };
  return (
    <div class="empty signed-out">
      <p>Sign in to see {props.what}.</p>
      {desk.demo && (
        <button type="button" class="button primary" disabled={busy} onClick={signIn}>
          {busy ? "Signing in…" : "Try it with play money"}
        </button>
      )}
    </div>
  );
}
