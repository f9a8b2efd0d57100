type Area = "localStorage" | "sessionStorage";

/** Where there is no browser, as in a test of a function, there are no areas. */
const areas: Partial<Record<Area, Storage>> = globalThis;

/** What the browser keeps under `key`; null also where it keeps nothing for this page. */
export function kept(area: Area, key: string): string | null {
  return attempt(() => areas[area]?.getItem(key) ?? null);
}

/** Keeps `value` under `key` where the browser does so; null forgets it. */
export function keep(area: Area, key: string, value: string | null): void {
  attempt(() => (value === null ? areas[area]?.removeItem(key) : areas[area]?.setItem(key, value)));
}

/** A browser that blocks or has filled its storage throws: then this visit remembers for itself. */
function attempt<Result>(work: () => Result): Result | null {
  try {
    return work();
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}
