import { wanted, wantedSource } from "./field-text";
import type { Settings } from "./drafts.svelte";

/** What somebody has set here, by name; no secrets. */
export function exported(settings: Settings): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings)
      .filter(([, setting]) => wantedSource(setting) === "interface" && !setting.secret)
      .map(([name, setting]) => [name, wanted(setting)]),
  );
}

/** The values in the text of a saved file, by name; null where it is none. */
export function imported(text: string): Record<string, unknown> | null {
  try {
    const read: unknown = JSON.parse(text);
    const values = typeof read === "object" && read !== null && "settings" in read ? read.settings : null;
    return typeof values === "object" && values !== null && !Array.isArray(values) ? { ...values } : null;
  } catch {
    return null;
  }
}
