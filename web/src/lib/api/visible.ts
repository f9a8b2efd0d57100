/** Control characters but line breaks and tabs, and what turns the direction of a text round. */
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** `value` with what strangers have hidden in its texts taken out: what is left is all to be seen. */
export function visible<Value>(value: Value): Value {
  if (typeof value === "string") return value.replace(HIDDEN, "") as Value;
  if (Array.isArray(value)) return value.map(visible) as Value;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, visible(member)]),
  ) as Value;
}
