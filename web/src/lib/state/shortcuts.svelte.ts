import { onMount } from "svelte";

import { preferences } from "./preferences.svelte";

/** `keys` are as in `KeyboardEvent.key`; two of them are pressed one after the other. */
export interface Shortcut {
  keys: readonly string[];
  label: string;
  run(): void;
}

const CHORD_MS = 1_500;

class Shortcuts {
  #list = $state.raw<readonly Shortcut[]>([]);
  #first: { key: string; at: number } | null = null;

  get list(): readonly Shortcut[] {
    return this.#list;
  }

  add(shortcuts: readonly Shortcut[]): () => void {
    this.#list = [...this.#list, ...shortcuts];
    return () => (this.#list = this.#list.filter((known) => !shortcuts.includes(known)));
  }

  onkeydown = (event: KeyboardEvent): void => {
    if (!preferences.singleLetters || isTaken(event)) return;
    const first = this.#first && event.timeStamp - this.#first.at < CHORD_MS ? this.#first.key : null;
    const pressed = [first, event.key].filter((key) => key !== null).join(" ");
    const shortcut = this.#list.find(({ keys }) => keys.join(" ") === pressed);
    const begins = this.#list.some(({ keys }) => keys.length > 1 && keys[0] === event.key);
    this.#first = begins ? { key: event.key, at: event.timeStamp } : null;
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run();
  };
}

/** Keys belong to a field that is being typed in, to an open dialog, and to the browser. */
function isTaken(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  const target = event.target instanceof Element ? event.target : null;
  if (event.key === "Enter" && target?.closest("a, button")) return true;
  return Boolean(target?.closest("input, textarea, select, [contenteditable], dialog, [popover]"));
}

export const shortcuts = new Shortcuts();

/** The shortcuts of a page or a part, for as long as it is shown. */
export function useShortcuts(list: readonly Shortcut[]): void {
  onMount(() => shortcuts.add(list));
}
