import type { ModelSetting } from "../../lib/api/types";
import { apart, eitherOf, factorOf, inUnit, isMeasure, numberIn, unitsOf } from "../../lib/measure";

/** What stands in a field: a text that was typed, or what was chosen. Null resets the setting. */
export type Field = string | boolean | null;

/** Only what somebody has touched. */
export type Draft = Readonly<Record<string, Field>>;

export type Group = "memory" | "sampling" | "words" | "speed" | "other";

const GROUPS: Record<Exclude<Group, "other">, readonly string[]> = {
  memory: ["context_tokens", "slots", "keep_alive_s", "pinned", "priority", "preload", "memory_limit_bytes"],
  sampling: ["temperature", "top_p", "top_k", "min_p", "repetition_penalty"],
  words: ["reasoning", "tool_prompt", "truncate", "vision", "chat_template", "template_arguments", "prompts", "pooling", "normalize"],
  speed: ["draft_model", "draft_tokens", "kv_bits", "prefix_cache_bytes"],
};

/** The settings by group in the order above; what a newer server has besides comes last. */
export function grouped(settings: Readonly<Record<string, ModelSetting>>): [Group, string[]][] {
  const known = new Set(Object.values(GROUPS).flat());
  const groups = Object.entries({ ...GROUPS, other: Object.keys(settings).filter((name) => !known.has(name)) });
  return groups
    .map(([group, names]): [Group, string[]] => [group as Group, names.filter((name) => name in settings)])
    .filter(([, names]) => names.length > 0);
}

/** What the server says, as the field has it. */
export function fieldOf(setting: ModelSetting, value: unknown = setting.value): string | boolean {
  if (setting.type === "switch") return value === true;
  if (value === null || value === undefined) return "";
  if (setting.type === "object") return Object.keys(value as object).length ? JSON.stringify(value, null, 2) : "";
  if (isMeasure(setting.unit) && typeof value === "number") return amount(setting.unit, value);
  return Array.isArray(value) ? value.join(", ") : String(value);
}

function amount(counted: string, value: number): string {
  const { text, unit } = inUnit(counted, value);
  return `${text} ${unit}`;
}

/** Whether the draft would change anything. */
export function differs(setting: ModelSetting, field: Field): boolean {
  if (field === null) return setting.source === "model";
  return field !== fieldOf(setting);
}

export class Unfit extends Error {}

interface Says {
  notNumber: string;
  either: (text: string, thousands: string, fraction: string) => string;
  notJson: string;
  noUnit: (units: readonly string[]) => string;
}

/** What is to be sent for a field; the empty text resets. Raises Unfit with one of the words. */
export function valueOf(setting: ModelSetting, field: Field, says: Says): unknown {
  if (field === null || typeof field === "boolean") return field;
  const text = field.trim();
  if (text === "") return null;
  switch (setting.type) {
    case "integer":
    case "number":
      if (setting.words.includes(text)) return text;
      return isMeasure(setting.unit) ? amountOf(setting, text, says) : numberOf(text, says);
    case "object":
      return objectOf(text, says.notJson);
    case "list":
      return text.split(",").map((each) => each.trim());
    default:
      return setting.type === "lines" ? field : text;
  }
}

/** The draft without what is as it was. */
export function changes(settings: Readonly<Record<string, ModelSetting>>, draft: Draft): Record<string, Field> {
  return Object.fromEntries(
    Object.entries(draft).filter(([name, field]) => settings[name] && differs(settings[name], field)),
  );
}

function numberOf(text: string, says: Says): number {
  const value = numberIn(text);
  if (value !== null) return value;
  const either = eitherOf(text);
  throw new Unfit(either ? says.either(text, ...either) : says.notNumber);
}

/** What no unit stands behind might be meant in any; nothing, and less, is the same in all. */
function amountOf(setting: ModelSetting, field: string, says: Says): number {
  const { text, unit } = apart(setting.unit, { text: field, unit: "" });
  const figure = numberOf(text, says);
  if (unit === "" && figure > 0) throw new Unfit(says.noUnit(unitsOf(setting.unit)));
  const value = figure * factorOf(setting.unit, unit);
  return setting.type === "integer" ? Math.round(value) : value;
}

function objectOf(text: string, otherwise: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Said below, as for what is JSON and no object.
  }
  throw new Unfit(otherwise);
}
