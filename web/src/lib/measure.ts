/** Bytes and seconds as people write them: `512 MiB`, `1.5 h`. */

/** What stands in a field: a number as text, and the unit that it is in. */
export interface Written {
  text: string;
  unit: string;
}

/** By what the server counts in, the units that are written instead, the largest first. */
const UNITS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  bytes: { GB: 1e9, GiB: 2 ** 30, MB: 1e6, MiB: 2 ** 20, kB: 1e3, KiB: 2 ** 10, bytes: 1 },
  s: { h: 3600, min: 60, s: 1 },
};
const NUMBER = /^[+-]?(\d+[.,]?\d*|[.,]\d+)$/;
/** `1,500` may be meant as fifteen hundred; a 0 before the comma can only begin a fraction. */
const THOUSANDS = /^[+-]?[1-9]\d{0,2},\d{3}$/;
const NAMED = /^(.*?)\s*([a-z]+)$/i;

/** Whether what the server counts in `counted` is written in other units. */
export function isMeasure(counted: string): boolean {
  return counted in UNITS;
}

export function unitsOf(counted: string): string[] {
  return Object.keys(UNITS[counted] ?? {});
}

/** `value` in the largest unit in which it is a short number. */
export function inUnit(counted: string, value: number): Written {
  const units = Object.entries(UNITS[counted] ?? {});
  const short = (factor: number) => Math.abs(value) >= factor && (value * 100) % factor === 0;
  const [unit, factor] = units.find(([, each]) => short(each)) ?? unitOfRest(units, value);
  return { text: String(value / factor), unit };
}

/** Nothing is nothing in any unit: bytes are most often given in the largest, seconds in the smallest. */
function unitOfRest(units: [string, number][], value: number): [string, number] {
  return (value === 0 && units[0]?.[0] === "GB" ? units[0] : units.at(-1)) ?? ["", 1];
}

/** The unit at the end of what is written is that which holds, as `2 gb` says it; else `unit` does. */
export function apart(counted: string, { text, unit }: Written): Written {
  const [, rest, name] = NAMED.exec(text.trim()) ?? [];
  const named = unitsOf(counted).find((each) => each.toLowerCase() === name?.toLowerCase());
  return named === undefined || rest === undefined ? { text, unit } : { text: rest, unit: named };
}

/** Both numbers that may be meant by what has a comma before three digits; null where it is plain. */
export function eitherOf(text: string): [string, string] | null {
  return THOUSANDS.test(text) ? [text.replace(",", ""), String(Number(text.replace(",", ".")))] : null;
}

/** The number that is written, with a point or a comma; null where it is none, or either of two. */
export function numberIn(text: string): number | null {
  return NUMBER.test(text) && !THOUSANDS.test(text) ? Number(text.replace(",", ".")) : null;
}

/** How many of what the server counts in one of `unit` is. */
export function factorOf(counted: string, unit: string): number {
  return UNITS[counted]?.[unit] ?? 1;
}
