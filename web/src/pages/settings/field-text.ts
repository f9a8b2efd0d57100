import type { ServerSetting } from "../../lib/api/types";
import { number } from "../../lib/i18n/format";
import { words } from "../../lib/i18n/settings";
import { apart, eitherOf, factorOf, inUnit, isMeasure, numberIn, type Written } from "../../lib/measure";

/** How a setting is written: what kind of field it takes. */
export type Control = "switch" | "choice" | "secret" | "measure" | "number" | "words" | "list" | "lines" | "text";

export function controlOf({ type, choices, words: instead, secret, unit }: ServerSetting): Control {
  if (secret) return "secret";
  if (choices.length > 0) return "choice";
  if (type === "switch" || type === "list" || type === "text") return type;
  if (type === "lines" || type === "object") return "lines";
  if (instead.length > 0) return "words";
  return isMeasure(unit) ? "measure" : "number";
}

/** `value` as a field shows it: a measure in the largest unit in which it is a short number. */
export function written(setting: ServerSetting, value: unknown): Written {
  const plain = (text: string) => ({ text, unit: "" });
  if (setting.secret || value === null || value === undefined) return plain("");
  if (setting.type === "list") return plain(Array.isArray(value) ? value.join("\n") : String(value));
  if (setting.type === "object") return plain(JSON.stringify(value, null, 2));
  if (controlOf(setting) !== "measure") return plain(String(value));
  return inUnit(setting.unit, Number(value));
}

/** The value that is written, as the server takes it; else what is wrong with it. */
export type Parsed = { value: unknown } | { wrong: string };

export function parsed(setting: ServerSetting, { text, unit }: Written): Parsed {
  const trimmed = text.trim();
  if (setting.choices.length > 0) return { value: setting.type === "integer" ? Number(trimmed) : trimmed };
  switch (setting.type) {
    case "switch":
      return { value: trimmed === "true" };
    case "list":
      return { value: text.split("\n").map((line) => line.trim()).filter(Boolean) };
    case "text":
      return trimmed ? { value: trimmed } : { wrong: words.wrong.empty };
    case "lines":
      return trimmed ? { value: text } : { wrong: words.wrong.empty };
    case "object":
      return parsedObject(trimmed);
    default:
      return parsedNumber(setting, apart(setting.unit, { text: trimmed, unit }));
  }
}

function parsedNumber(setting: ServerSetting, { text, unit }: Written): Parsed {
  const says = words.wrong;
  const word = setting.words.find((each) => each === text.toLowerCase());
  if (word !== undefined) return { value: word };
  const whole = setting.type === "integer";
  const factor = factorOf(setting.unit, unit);
  const figure = numberIn(text);
  const either = eitherOf(text);
  if (either) return { wrong: says.either(text, ...either) };
  if (figure === null || (whole && factor === 1 && !Number.isInteger(figure))) {
    if (setting.words.length > 0) return { wrong: says.numberOr(setting.words) };
    return { wrong: whole ? says.whole : says.number };
  }
  const value = whole ? Math.round(figure * factor) : figure * factor;
  const [low, high] = setting.bounds ?? [-Infinity, Infinity];
  if (value >= low && value <= high) return { value };
  return { wrong: says.between(shownNumber(setting, low), shownNumber(setting, high)) };
}

function parsedObject(text: string): Parsed {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { value };
  } catch {
    // Said below.
  }
  return { wrong: words.wrong.json };
}

/** `value` in words, for what is not to be changed. */
export function shown(setting: ServerSetting, value: unknown): string {
  const says = words.value;
  if (setting.secret) return says.set;
  if (value === null || value === undefined) return says.unknown;
  if (typeof value === "boolean") return words.switched[`${value}`];
  if (Array.isArray(value)) return value.length === 0 ? says.none : value.join(", ");
  if (typeof value === "number") return shownNumber(setting, value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function shownNumber(setting: ServerSetting, value: number): string {
  if (controlOf(setting) === "measure") {
    const { text, unit } = written(setting, value);
    return `${text} ${unit}`;
  }
  // Ports and bits are names rather than amounts.
  const figure = setting.unit ? number(value) : String(value);
  return [figure, words.units[setting.unit]].filter(Boolean).join(" ");
}

/** What the setting will be, or is; a secret never says. */
export function wanted({ pending, value }: ServerSetting): unknown {
  return pending ? pending.value : value;
}

/** Where what `wanted` says comes from. */
export function wantedSource({ pending, source }: ServerSetting): ServerSetting["source"] {
  return pending ? pending.source : source;
}
