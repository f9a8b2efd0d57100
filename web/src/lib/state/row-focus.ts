const ROWS = "[data-row]";

/** Puts the focus on the next (1) or previous (-1) row; without one, on the first. */
export function moveRow(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>(ROWS)];
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = at === -1 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1);
  rows[next]?.focus();
}

/** Does what that button or link of the row with the focus does, if it can do so now. */
export function clickInRow(action: "load" | "unload" | "details" | "open" | "install"): void {
  document.activeElement
    ?.closest(ROWS)
    ?.querySelector<HTMLElement>(`[data-action="${action}"]:not(:disabled)`)
    ?.click();
}

/** The id of the model whose row has the focus. */
export function focusedRow(): string | undefined {
  return document.activeElement?.closest<HTMLElement>(ROWS)?.dataset["row"];
}
