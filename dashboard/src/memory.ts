/** What the visitor chose, kept in the browser. Where storage is switched off, it holds until the page is closed. */

/** What was kept under a name; null for nothing. */
export function recall(name: string): string | null {
  try {
    return localStorage.getItem(`tickwire.${name}`);
  } catch {
    return null;
  }
}

/** Keep it under a name. */
export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`tickwire.${name}`, value);
  } catch {
    // switched off, or full
  }
}
