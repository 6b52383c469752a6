import { expect, test } from "vitest";
import { actionOf, type Press, SHORTCUTS } from "./keys.ts";

const press = (key: string, more: Partial<Press> = {}): Press => ({
  key,
  ctrlKey: false,
  altKey: false,
  metaKey: false,
  ...more,
});

test("every key does what the help says, and no two are the same", () => {
  for (const shortcut of SHORTCUTS) {
    for (const key of shortcut.keys) expect(actionOf(press(key), false, false)).toBe(shortcut.action);
  }
  const keys = SHORTCUTS.flatMap((shortcut) => shortcut.keys);
  expect(keys).toEqual([...new Set(keys)]);
});

test("shift and caps lock make no other key, the browser's own combinations stay its own", () => {
  expect(actionOf(press("B"), false, false)).toBe("buy");
  expect(actionOf(press("c", { ctrlKey: true }), false, false)).toBeNull();
  expect(actionOf(press("s", { metaKey: true }), false, false)).toBeNull();
  expect(actionOf(press("x"), false, false)).toBeNull();
});

test("in a field a key is text, but for Escape", () => {
  expect(actionOf(press("b"), true, false)).toBeNull();
  expect(actionOf(press("Escape"), true, false)).toBe("leave");
});

test("a dialog has its own keys", () => {
  expect(actionOf(press("c"), false, true)).toBeNull();
  expect(actionOf(press("Escape"), false, true)).toBeNull();
});

test("a key that is held down cancels once, and walks on through the markets", () => {
  expect(actionOf(press("c", { repeat: true }), false, false)).toBeNull();
  expect(actionOf(press("j", { repeat: true }), false, false)).toBe("nextMarket");
});
