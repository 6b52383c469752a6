/** Panels that look stale while what they show may be wrong. */

/** A function that says whether what is shown is `live`, in `data-state` of the panel that `part` is in. */
export function freshness(part: HTMLElement): (live: boolean) => void {
  const panel = part.closest<HTMLElement>(".panel");
  let shown = "";
  return (live) => {
    const state = live ? "live" : "stale";
    if (state === shown || panel === null) return;
    shown = panel.dataset.state = state;
  };
}
