/** Dark or light: as the system says, or as the visitor chose, which is remembered. */
import { recall, remember } from "./memory.ts";

/** What can be chosen, in the order in which the key goes through them. */
export const THEMES = ["system", "dark", "light"] as const;
/** A choice of the visitor. */
export type ThemeChoice = (typeof THEMES)[number];

/** The theme of the page. */
export interface Theme {
  readonly choice: ThemeChoice;
  /** What is shown. */
  readonly shown: "dark" | "light";
  choose(choice: ThemeChoice): void;
}

/** Put the theme on <html> as `data-theme`, and keep it there; `changed` is called when it has changed. */
export function startTheme(changed: () => void): Theme {
  const system = matchMedia("(prefers-color-scheme: light)");
  const theme = {
    choice: remembered(),
    shown: "dark" as "dark" | "light",
    choose(choice: ThemeChoice): void {
      theme.choice = choice;
      remember("theme", choice);
      show();
    },
  };
  const show = (): void => {
    theme.shown = theme.choice !== "system" ? theme.choice : system.matches ? "light" : "dark";
    document.documentElement.dataset.theme = theme.shown;
    changed();
  };
  system.addEventListener("change", show);
  show();
  return theme;
}

function remembered(): ThemeChoice {
  const choice = recall("theme");
  return THEMES.find((one) => one === choice) ?? "system";
}
