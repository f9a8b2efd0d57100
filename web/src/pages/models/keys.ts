import type { Model } from "../../lib/api/types";
import { t } from "../../lib/i18n";
import { words } from "../../lib/i18n/installed";
import { live } from "../../lib/state/live.svelte";
import { switchPin } from "../../lib/state/model-actions.svelte";
import { clickInRow, focusedRow, moveRow } from "../../lib/state/row-focus";
import { useShortcuts } from "../../lib/state/shortcuts.svelte";
import type { Selection } from "./selection.svelte";

interface Parts {
  selection: Selection;
  /** What the list shows. */
  models: () => readonly Model[];
}

/** The keys of the list. While models are selected, what a key does is done to all of them. */
export function listShortcuts({ selection, models }: Parts): void {
  const together = (action: string, alone: () => void) => () => {
    const bar = selection.open ? document.querySelector<HTMLElement>(`[role="toolbar"] [data-action="${action}"]`) : null;
    if (bar) bar.click();
    else alone();
  };
  const focused = () => models().find(({ id }) => id === focusedRow());
  useShortcuts([
    { keys: ["j"], label: t.shortcuts.next, run: () => moveRow(1) },
    { keys: ["k"], label: t.shortcuts.previous, run: () => moveRow(-1) },
    { keys: ["Enter"], label: t.shortcuts.details, run: () => clickInRow("details") },
    {
      keys: ["x"],
      label: words.select.shortcut,
      run: () => {
        const model = focused();
        if (model) selection.toggle(model.id);
      },
    },
    { keys: ["l"], label: t.shortcuts.load, run: together("load", () => clickInRow("load")) },
    { keys: ["u"], label: t.shortcuts.unload, run: together("unload", () => clickInRow("unload")) },
    {
      keys: ["p"],
      label: t.shortcuts.pin,
      run: together("pin", () => {
        const model = focused();
        if (model && !live.lost) void switchPin(model);
      }),
    },
    { keys: ["Delete"], label: words.select.remove, run: together("remove", () => {}) },
  ]);
}
