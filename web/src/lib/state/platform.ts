const APPLE = /Mac|iPhone|iPad/.test(navigator.userAgent);

/** What opens the command palette, as this machine's keyboard names it. */
export const PALETTE_KEYS = APPLE ? "⌘K" : "Ctrl K";
