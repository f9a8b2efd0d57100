export const SERIES_COUNT = 6;

/**
 * The series colour (1 to 6) of each model that is in memory. It is a hash of the id; a model whose
 * colour an earlier one (by id) has takes the least used that follows, so that six never share one.
 */
export function assignSeries(modelIds: readonly string[]): ReadonlyMap<string, number> {
  const uses = new Array<number>(SERIES_COUNT).fill(0);
  const assigned = new Map<string, number>();
  for (const id of [...modelIds].sort()) {
    const first = hash(id) % SERIES_COUNT;
    const inTurn = uses.map((_, step) => (first + step) % SERIES_COUNT);
    const chosen = inTurn.reduce((best, next) => (uses[next]! < uses[best]! ? next : best));
    uses[chosen]! += 1;
    assigned.set(id, chosen + 1);
  }
  return assigned;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  }
  return value;
}
