type Area = "localStorage" | "sessionStorage";

/** What the browser keeps under `key`; null also where it keeps nothing for this page. */
export function kept(area: Area, key: string): string | null {
  return attempt(() => window[area].getItem(key));
}

/** Keeps `value` under `key` where the browser does so; null forgets it. */
export function keep(area: Area, key: string, value: string | null): void {
  attempt(() => (value === null ? window[area].removeItem(key) : window[area].setItem(key, value)));
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
