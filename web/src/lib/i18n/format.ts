import { language } from "./language";

const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat(language, {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const compact = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
const parts = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const list = new Intl.ListFormat(language, { type: "unit", style: "short" });
const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const date = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
const clocks = {
  seconds: new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }),
  minutes: new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  days: new Intl.DateTimeFormat(language, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
};
const plurals = new Intl.PluralRules(language);

const KB = 1_000;
const MB = 1_000 * KB;
const GB = 1_000 * MB;

/** `4300000000` as `4.3 GB`; what would round to less than 0.1 GB is in smaller units. */
export function bytes(count: number): string {
  if (count === 0) return `0 GB`;
  if (count >= 0.095 * GB) return `${tenths.format(count / GB)} GB`;
  if (count >= MB) return `${whole.format(count / MB)} MB`;
  return `${whole.format(Math.ceil(count / KB))} kB`;
}

/** `18.9 / 24.0 GB`: two sizes in the unit of the larger one. */
export function bytesOf(part: number, total: number): string {
  const [unit, name] = total >= 0.095 * GB ? [GB, "GB"] : [MB, "MB"];
  return `${tenths.format(part / unit)} / ${tenths.format(total / unit)} ${name}`;
}

/** Two sizes in the unit of the larger one, which stands with that one alone: `3.1`, `7.0 GB`. */
export function inOneUnit(part: number, total: number): [part: string, total: string] {
  if (total < MB) return [whole.format(Math.floor(part / KB)), bytes(total)];
  const [unit, name] = total >= 0.095 * GB ? [GB, "GB"] : [MB, "MB"];
  // Rounded down: what is not all of it must not look so.
  const shown = part === total ? part / unit : Math.floor((part / unit) * 10) / 10;
  return [tenths.format(shown), `${tenths.format(total / unit)} ${name}`];
}

/** `48000000` a second as `48 MB/s`. */
export function rate(bytesPerS: number): string {
  if (bytesPerS >= 10 * MB) return `${whole.format(bytesPerS / MB)} MB/s`;
  if (bytesPerS >= 0.1 * MB) return `${tenths.format(bytesPerS / MB)} MB/s`;
  return `${whole.format(bytesPerS / KB)} kB/s`;
}

/** `82000` as `1 min 22 s`: two units, where the second one still matters. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return `${minutes} min ${seconds % 60} s`;
  if (minutes < 60) return `${minutes} min`;
  return minutes < 600 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : about(ms);
}

/** `812000` as `812K`: how many there are, about. */
export function count(value: number): string {
  return compact.format(value);
}

/** A day as it is written here; what strangers say of one may be none, and stays as it is. */
export function day(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? iso : date.format(at);
}

/** `8200000000` as `8.2B`, `135000000` as `135M`: in every language as models are named. */
export function parameters(count: number): string {
  return parts.format(count);
}

/** `32768` tokens as `32K`: context lengths are powers of two. */
export function context(tokens: number): string {
  return tokens < 1_024 ? whole.format(tokens) : `${whole.format(tokens / 1_024)}K`;
}

/** `0.62` as `62 %`. */
export function percent(share: number): string {
  return `${whole.format(Math.floor(share * 100))} %`;
}

/** `721000` as `12 min`: ages and times left need no more than their largest unit. */
export function about(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

export function dateTime(iso: string): string {
  return moment.format(new Date(iso));
}

/** `4.2` below ten, `41` above: what changes every second needs no more digits. */
export function figure(value: number): string {
  return value !== 0 && value < 9.95 ? tenths.format(value) : whole.format(value);
}

/** `41.2`: what stands still. */
export function exact(value: number): string {
  return tenths.format(value);
}

/** `2.5`, `20`, `1.2K`: a mark of an axis. */
export function tick(value: number): string {
  return compact.format(value);
}

/** `2 May, 11:20`; with seconds where they matter. */
export function clock(ms: number, form: "seconds" | "minutes" | "days"): string {
  return clocks[form].format(ms);
}

export function number(value: number): string {
  return whole.format(value);
}

export function listed(items: readonly string[]): string {
  return list.format(items);
}

export function plural(count: number, forms: { one: string; other: string }): string {
  const form = plurals.select(count) === "one" ? forms.one : forms.other;
  return `${whole.format(count)} ${form}`;
}
